"""Which rows a GET means: display, filter, sort and limit, with their silent failures.

The rules are those of the webservice's own query builder, as the recorded conversations show them: an unknown
operator filters nothing, a range that is not of digits compares the whole text, a reversed range is put
right.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

from adapters.channels.prestashop.simulated.tables import (
    NO_DATE,
    NUMBER_RULES,
    Field,
    Resource,
    Row,
    Value,
    number,
)


class RefusalError(Exception):
    """The webservice says no: an HTTP status and its own codes with their texts."""

    def __init__(self, status: int, *errors: tuple[int, str]) -> None:
        super().__init__(status, errors)
        self.status = status
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Display:
    """What is shown of each row: all of it, or the named fields and of each named list the named parts."""

    fields: Sequence[str]
    associations: dict[str, Sequence[str]]
    full: bool
    with_id: bool = True


Query = dict[str, str]
"""The parameters; of two with one name the last wins."""

_Key = tuple[float, str]
"""How the database compares a value: numbers by the first part, everything else by the second."""

_NESTED = re.compile(r"(\w+)\[([^\]]*)\]")
_FILTER = re.compile(r"filter\[([^\]]*)\](\[.*)?")
_OPERATOR = re.compile(r"(.*)\[(.*)\](.*)", re.DOTALL)
_RANGE = re.compile(r"([\d.:\-\s]+),([\d.:\-\s]+)")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?))?")
_NUMBER = re.compile(r"\s*(-?\d+(?:\.\d+)?)")


def display_of(resource: Resource, query: Query) -> Display | None:
    """Return what to show, None where the caller did not say."""
    text = query.get("display")
    if not text or text == "minimum":
        return None
    if text == "full":
        return Display(tuple(resource.fields), {}, full=True)
    inner = text.removeprefix("[").removesuffix("]")
    associations: dict[str, Sequence[str]] = {}
    for name, parts in _NESTED.findall(inner):
        if name not in resource.associations:
            raise RefusalError(400, (36, f'Unable to display this field "{name}".'))
        associations[name] = tuple(parts.split(","))
    asked = [name for name in _NESTED.sub("", inner).split(",") if name]
    for name in asked:
        if name != "id" and name not in resource.fields:
            available = ", ".join(["id", *resource.fields])
            text = f'Unable to display this field "{name}". However, these are available: {available}'
            raise RefusalError(400, (35, text))
    # Whatever the order asked for, fields come in the order of the definition.
    shown = tuple(name for name in resource.fields if name in asked)
    return Display(shown, associations, full=False, with_id="id" in asked)


def select(resource: Resource, rows: Iterable[Row], query: Query, seed: int) -> list[Row]:
    """Return the rows that the query means; without `sort` in an arbitrary order, stable under `seed`."""
    dated = query.get("date") == "1"
    found = list(rows)
    for name, pattern in query.items():
        asked = _FILTER.fullmatch(name)
        if asked is not None:
            if asked[2] is not None:
                raise RefusalError(400, (31, "There is no existing linked table for this resource"))
            accept = _condition(_filter_field(resource, asked[1], dated=dated), pattern)
            found = [row for row in found if accept(row[asked[1]])]
    found.sort(key=lambda row: crc32(b"%d:%d" % (seed, number(row["id"]))))
    for name, descending in reversed(_sorting(resource, query, dated=dated)):
        found.sort(key=_by(name, _key_of(resource.fields.get(name))), reverse=descending)
    return _limited(found, query.get("limit"))


def _by(name: str, key: Callable[[Value], _Key]) -> Callable[[Row], _Key]:
    return lambda row: key(row[name])


def _filter_field(resource: Resource, name: str, *, dated: bool) -> Field | None:
    if name == "id":
        return None
    field = resource.fields.get(name)
    if field is None or (field.is_date and not dated):
        available = [each.name for each in resource.fields.values() if dated or not each.is_date]
        listed = ", ".join(f'"{each}"' for each in ["id", *available] if each != "shipping_number")
        text = f'This filter does not exist. Did you mean: "id"? The full list is: {listed}'
        raise RefusalError(400, (32, text))
    if not field.filterable:
        text = f'The field "{name}" is dynamic. It is not possible to filter GET query with this field.'
        raise RefusalError(400, (34, text))
    return field


def _condition(field: Field | None, pattern: str) -> Callable[[Value], bool]:
    """Return the test that the shop's SQL makes of a filter's value."""
    key = _key_of(field)
    parts = _OPERATOR.fullmatch(pattern)
    if parts is None:
        return lambda value: key(value) == key(pattern)
    before, inner, after = parts.groups()
    if "%" in (before, after):
        like = re.escape(inner).join((".*" if before else "", ".*" if after else ""))
        return lambda value: re.fullmatch(like, str(value), re.IGNORECASE | re.DOTALL) is not None
    match before, after:
        case "", "":
            return _inside(key, inner)
        case ">", "":
            return lambda value: key(value) > key(inner)
        case "<", "":
            return lambda value: key(value) < key(inner)
        case "!", "":
            return lambda value: key(value) != key(inner)
        case _:
            # ">=[3]" and every other operator is silently no filter at all.
            return lambda _value: True


def _inside(key: Callable[[Value], _Key], inner: str) -> Callable[[Value], bool]:
    if "|" in inner:
        wanted = {key(each) for each in inner.split("|")}
        return lambda value: key(value) in wanted
    bounds = _RANGE.fullmatch(inner)
    if bounds is None:
        return lambda value: key(value) == key(inner)
    low, high = sorted(bounds.groups(), key=key)
    return lambda value: key(low) <= key(value) <= key(high)


def _key_of(field: Field | None) -> Callable[[Value], _Key]:
    """Return how the database compares this field: as a number, a date, or without regard to case."""
    if field is None or field.kind == "i" or field.rule in NUMBER_RULES or field.rule == "isBool":
        return lambda value: (_numeric(value), "")
    if field.is_date or field.name.endswith("_date"):
        return lambda value: (0.0, _date(str(value)))
    return lambda value: (0.0, str(value).casefold())


def _numeric(value: Value) -> float:
    found = _NUMBER.match(str(value))
    return float(found[1]) if found else 0.0


def _date(text: str) -> str:
    found = _DATE.match(text)
    if found is None:
        return NO_DATE
    return f"{found[1]} {(found[2] or '00:00:00'):0<8}"


def _sorting(resource: Resource, query: Query, *, dated: bool) -> list[tuple[str, bool]]:
    text = query.get("sort")
    if not text:
        return []
    asked: list[tuple[str, bool]] = []
    for part in text.removeprefix("[").removesuffix("]").split(","):
        name, _, direction = part.rpartition("_")
        if direction not in ("ASC", "DESC"):
            name, direction = part, "ASC"
        field = resource.fields.get(name)
        if name != "id" and (field is None or (field.is_date and not dated)):
            available = [each.name for each in resource.fields.values() if dated or not each.is_date]
            listed = ", ".join(["id", *available, "for i18n fields:"])
            text = f"Unable to filter by this field. However, these are available: {listed}"
            raise RefusalError(400, (38, text))
        asked.append((name, direction == "DESC"))
    return asked


def _limited(rows: list[Row], limit: str | None) -> list[Row]:
    if limit is None or limit == "":
        return rows
    first, _, second = limit.partition(",")
    offset, count = (first, second) if second else ("0", first)
    # A limit that is no number is a zero to the shop, and a zero is an empty page.
    start = int(offset) if offset.isdigit() else 0
    return rows[start : start + int(count)] if count.isdigit() else []
