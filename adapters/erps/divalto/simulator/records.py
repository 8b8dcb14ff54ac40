"""RecordSql over the simulated company file: opened dictionaries, compiled conditions, every value a string.

It owns which rows a condition selects and how they look: chars padded to their width, numbers as text.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.tables import WIDTHS, Header, Line, StockKey, Tables
from adapters.erps.divalto.spelling import Dictionary, Spelling

Row = dict[str, str]
Condition = Callable[[Mapping[str, str]], Iterable[Row]]

QUANTITY = Decimal("0.001")
PRICE = Decimal("0.0001")
AMOUNT = Decimal("0.01")


class RecordsError(Exception):
    """The technical no of RecordSql; its text goes into `txterr`."""


class Records:
    """The reads of one company file."""

    def __init__(self, tables: Tables, switches: Switches, spelling: Spelling) -> None:
        self._tables = tables
        self._switches = switches
        self._columns = spelling.stock_columns
        self._conditions: dict[tuple[str, str, str], Condition] = {}
        self._open(spelling.pieces, self._pieces_by_key, self._pieces_by_prefix)
        self._open(spelling.lines, self._lines_of_piece)
        self._open(spelling.stock, self._stock_of_depot)

    def _open(self, dictionary: Dictionary, by_key: Condition, by_prefix: Condition | None = None) -> None:
        self._conditions[dictionary.dhoq, dictionary.recordsql, dictionary.by_key] = by_key
        if by_prefix is not None and dictionary.by_prefix:
            self._conditions[dictionary.dhoq, dictionary.recordsql, dictionary.by_prefix] = by_prefix

    def select(self, asked: Mapping[str, Any]) -> list[Row]:
        """Return one page of rows, reduced to the fields asked for.

        Raises:
            RecordsError: the dictionary is not opened, or the condition or a field does not exist.
        """
        name = (str(asked.get("dhoq", "")), str(asked.get("recordsql", "")))
        if not self._switches.opened or name not in {condition[:2] for condition in self._conditions}:
            raise RecordsError(f"Dictionnaire non autorisé: {name[0]}")
        condition = self._conditions.get((*name, str(asked.get("where", ""))))
        if condition is None:
            raise RecordsError("Condition inexistante")
        rows = list(condition(_parameters(str(asked.get("where_parameters", "")))))
        order = [column for column in str(asked.get("orderby", "")).split(";") if column]
        rows.sort(key=lambda row: [row.get(column, "") for column in order])
        offset, count = int(asked.get("offset", 0)), int(asked.get("count", 0)) or self._switches.rows_max
        page = rows[offset : offset + min(count, self._switches.rows_max)]
        fields = [column for column in str(asked.get("fields", "")).split(";") if column not in ("", "*")]
        if page and any(column not in page[0] for column in fields):
            raise RecordsError("Champ inexistant")
        return [{column: row[column] for column in fields or row} for row in page]

    def _pieces_by_key(self, key: Mapping[str, str]) -> Iterable[Row]:
        found = self._tables.with_reference(_of(key, "ticod"), _of(key, "tiers"), _of(key, "pinotiers"))
        return map(self._piece_row, found)

    def _pieces_by_prefix(self, key: Mapping[str, str]) -> Iterable[Row]:
        found = self._tables.with_prefix(_of(key, "ticod"), _of(key, "tiers"), _of(key, "pinotiers"))
        return map(self._piece_row, found)

    def _lines_of_piece(self, key: Mapping[str, str]) -> Iterable[Row]:
        piece = self._tables.header(
            _of(key, "ticod"), int(_of(key, "picod")), _of(key, "prefpino"), int(_of(key, "pino"))
        )
        return [] if piece is None else [self._line_row(line) for line in piece.lines]

    def _stock_of_depot(self, key: Mapping[str, str]) -> Iterable[Row]:
        depot = _of(key, "depo")
        return [
            self._stock_row(stock, units)
            for stock, units in self._tables.balances.items()
            if stock.depot == depot and self._tables.articles[stock.article.ref].stocked
        ]

    def _piece_row(self, piece: Header) -> Row:
        chars = {
            "DOS": self._tables.dos,
            "TICOD": piece.ticod,
            "TIERS": piece.tiers,
            "ETB": piece.etb,
            "PREFPINO": piece.prefix,
            "PINOTIERS": piece.pinotiers,
            "PIREF": piece.piref,
            "DEPO": piece.depo,
            "OP": piece.op,
            "CE4": piece.state,
            "DEV": piece.dev,
        }
        numbers = {
            "PICOD": str(piece.picod),
            "PINO": str(piece.pino),
            "PIDT": piece.pidt,
            "ENT_ID": str(piece.ent_id),
        }
        return {**_padded(chars), **numbers, "HTMT": _text(piece.amount, AMOUNT)}

    def _line_row(self, line: Line) -> Row:
        chars = {
            "DOS": self._tables.dos,
            "REF": line.article.ref,
            "SREF1": line.article.sref1,
            "SREF2": line.article.sref2,
            "DES": line.des,
            "DEPO": line.depo,
            "OP": line.op,
            "CDCE4": line.state,
        }
        return {
            **_padded(chars),
            "ENRNO": str(line.enrno),
            "PICOD": str(line.header.picod),
            "CDNO": str(line.order_number),
            "BLNO": str(line.note_number),
            "CDQTE": _text(line.units, QUANTITY),
            "PUB": _text(line.pub, PRICE),
            "PPAR": _text(line.ppar, QUANTITY),
            "MONT": _text(line.amount, AMOUNT),
        }

    def _stock_row(self, stock: StockKey, units: Decimal) -> Row:
        names = self._columns
        chars = {
            "DOSSIER": self._tables.dos,
            names.ref: stock.article.ref,
            names.sref1: stock.article.sref1,
            names.sref2: stock.article.sref2,
            names.depot: stock.depot,
            names.nature: stock.nature,
            "EMPLACEMENT": stock.place,
            "SERIELOT": stock.lot,
        }
        return {**_padded(chars), names.units: _text(units, QUANTITY)}


def _parameters(text: str) -> dict[str, str]:
    return {
        name.strip().lower(): value.rstrip()
        for name, _, value in (part.partition("=") for part in text.split(";"))
    }


def _of(key: Mapping[str, str], name: str) -> str:
    try:
        return key[name]
    except KeyError:
        raise RecordsError(f"Paramètre manquant: {name}") from None


def _padded(chars: Mapping[str, str]) -> Row:
    return {column: value.ljust(WIDTHS.get(column, len(value))) for column, value in chars.items()}


def _text(number: Decimal, places: Decimal) -> str:
    return format(number.quantize(places), "f")
