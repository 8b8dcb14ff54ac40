"""What came in with an `integration_piece`: blocks, rows, texts and numbers as the columns would hold them.

It owns the checks of form and the business object's no; it knows no table's content.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.tables import WIDTHS

NUMBERS = ("CDQTE", "HTMT", "PIEDMT_0001", "PPAR", "PUB", "QTE")
"""Columns whose decimals come in with the site's own sign."""

BAD_REQUEST, NOT_FOUND, REFUSED = "1", "2", "3"


class BusinessError(Exception):
    """The business object's no: its result code and its text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def texts(block: Mapping[str, Any], switches: Switches) -> dict[str, str]:
    """Return a block's values as columns would hold them: Latin-1, of their column's length."""
    held: dict[str, str] = {}
    for column, value in block.items():
        if not isinstance(value, str | int):
            raise BusinessError(BAD_REQUEST, f"Valeur incorrecte: {column}")
        text = str(value).rstrip()
        if switches.not_latin1 == "refuse" and any(letter > "\xff" for letter in text):
            raise BusinessError(REFUSED, f"Caractère incorrect: {column}")
        text = text.encode("latin-1", "replace").decode("latin-1")
        if switches.decimal == "," and column in NUMBERS:
            text = text.replace(".", "?").replace(",", ".")  # what has a point is no number there
        width = WIDTHS.get(column, len(text))
        if len(text) > width and switches.too_long == "refuse":
            raise BusinessError(REFUSED, f"Valeur trop longue: {column}")
        held[column] = text[:width].rstrip()
    return held


def block_of(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a block that has to be there."""
    block = data.get(name)
    if not isinstance(block, dict):
        raise BusinessError(BAD_REQUEST, f"Balise manquante: {name}")
    return block


def rows_of(data: Mapping[str, Any], table: str, block: str) -> list[Mapping[str, Any]]:
    """Return the rows of a table, whether they are nested under their block's name or not."""
    rows = data.get(table, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BusinessError(BAD_REQUEST, f"Balise incorrecte: {table}")
    return [row.get(block, row) for row in rows]


def number(text: str) -> Decimal:
    """Read a number that came in."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise BusinessError(BAD_REQUEST, "Zone numérique incorrecte") from None


def whole(text: str, column: str) -> int:
    """Read a whole number that came in."""
    if not text.strip().isdecimal():
        raise BusinessError(BAD_REQUEST, f"Zone numérique incorrecte: {column}")
    return int(text)
