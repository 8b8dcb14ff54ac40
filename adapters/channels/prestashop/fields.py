"""The fields of the shop's rows, whatever they are rows of. Pure.

Types are mixed in the shop's answers (ids as numbers or strings, prices as strings), so nothing is taken for
granted: what cannot be understood is said by the field's name, and becomes the matter of whoever asked.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from adapters.channels.prestashop.plugin import SkuSource

Row = Mapping[str, object]

AMOUNT_MAX = Decimal(10) ** 12
"""The shop's own columns end before."""

CENT = Decimal("0.01")


class FieldError(ValueError):
    """A field is missing or means nothing; it names the field alone, since a value may be a person's."""


def whole(row: Row, name: str) -> int:
    """Return a whole number that the shop gives as a number or a text."""
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    raise FieldError(f"{name} is missing" if value is None else f"{name} is no whole number")


def reference_to(row: Row, name: str) -> int:
    """Return the id that a field holds, 0 where it holds none that can be understood."""
    try:
        return whole(row, name)
    except FieldError:
        return 0


def text(row: Row, name: str) -> str:
    """Return a text; null is an empty one, as is the false that PHP's getters give for what is missing."""
    value = row.get(name, "")
    if value is None or value is False:
        return ""
    if value is True:
        return "1"  # as the shop itself writes what is true
    if isinstance(value, (str, int)):
        return str(value).replace("\x00", "").strip()
    raise FieldError(f"{name} is no text")


def money(row: Row, name: str) -> Decimal:
    """Return an amount, to the cent where nothing stands behind it."""
    value = row.get(name)
    if value is None or value == "":
        raise FieldError(f"{name} is missing")
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise FieldError(f"{name} is no number") from error
    if not amount.is_finite() or not 0 <= amount < AMOUNT_MAX:
        raise FieldError(f"{name} is no amount")
    cents = amount.quantize(CENT)
    return cents if cents == amount else amount


def parts(row: Row, name: str) -> Sequence[Row]:
    """Return a list below `associations`; a row without the list, or without associations, has none.

    What is empty PHP may write as an object or a text too.
    """
    below = row.get("associations")
    found = below.get(name) if isinstance(below, dict) else None
    if not found:
        return ()
    if not isinstance(found, list) or not all(isinstance(part, dict) for part in found):
        raise FieldError(f"{name} is no list")
    return found


def article_name(
    sources: Sequence[SkuSource], *, reference: str, ean13: str, product: int, combination: int
) -> str:
    """Return the first of an article's names that it has, "" where it has none of these."""
    by_id = f"id:{product}-{combination}" if combination else f"id:{product}"
    names: Mapping[SkuSource, str] = {"reference": reference, "ean13": ean13, "id": by_id}
    return next((names[source] for source in sources if names[source]), "")
