"""What the simulated shop stores: rows of its resources, with fields, kinds and defaults as recorded.

It owns the definitions (read from resources.txt) and the rows; it knows no HTTP and no rules of business.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

Texts = tuple[tuple[int, str], ...]
"""A multilingual value: (language id, text), one for each language of the shop."""

Value = str | int | None | Texts
Row = dict[str, Value]
"""A stored row: `id` and every field of its resource."""

NO_DATE = "0000-00-00 00:00:00"
LANGUAGES = (1, 2)
"""English and French, as in the shop that was measured."""

PLACES_OF = {"carrier_tax_rate": 3, "reduction_percent": 2}
"""Decimal places of the shop's columns that have not six."""

NUMBER_RULES = frozenset({"isPrice", "isFloat", "isNegativePrice", "isUnsignedFloat"})
OTHER_DATES = frozenset(
    {
        "invoice_date",
        "delivery_date",
        "download_deadline",
        "last_passwd_gen",
        "newsletter_date_add",
        "reset_password_validity",
    }
)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a resource; `size` is its longest text (0: any), `link` what its value is an id of."""

    name: str
    kind: Literal["i", "s", "l"]
    required: bool
    filterable: bool
    writable: bool
    size: int
    rule: str
    link: str

    @property
    def is_date(self) -> bool:
        """Whether filters and sorting need `date=1`; the shop asks it for these two names alone."""
        return self.name in ("date_add", "date_upd")

    def default(self) -> Value:
        """Return what the shop's database holds where nothing was given."""
        if self.kind == "i":
            return 0
        if self.kind == "l":
            return tuple((language, "") for language in LANGUAGES)
        if self.rule in NUMBER_RULES:
            return stored(self, 0) or ""
        if self.rule == "isBool" or self.name == "valid":
            return "0"
        if self.name == "birthday":
            return NO_DATE[:10]
        return NO_DATE if self.is_date or self.name in OTHER_DATES else ""


@dataclass(frozen=True, slots=True)
class Association:
    """A list below a row; `virtual` lists carry data, the others ids; `parts` of an entry, in order."""

    name: str
    node: str
    virtual: bool
    parts: tuple[str, ...]

    def entry(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Return an entry with every part; what is not given is 0."""
        return {part: given.get(part, 0) for part in self.parts}


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the webservice: its name, its node's and its list's, its fields in order, its lists."""

    name: str
    node: str
    plural: str
    fields: Mapping[str, Field]
    associations: Mapping[str, Association]

    @property
    def entity(self) -> str:
        """The name of the shop's class, as its error texts say it: StockAvailable for stock_available."""
        return "".join(part.capitalize() for part in self.node.split("_"))


_FIELD = re.compile(r"(\w+):([isl])([!~^]*)(?:<(\d+))?(?:=(\w+))?(?:@(\w+))?")


def _field(text: str) -> Field:
    found = _FIELD.fullmatch(text)
    if found is None:
        raise ValueError(f"resources.txt: no field definition: {text}")
    name, kind, flags, size, rule, link = found.groups()
    return Field(
        name=name,
        kind="i" if kind == "i" else "l" if kind == "l" else "s",
        required="!" in flags,
        filterable="~" not in flags,
        writable="^" not in flags,
        size=int(size or 0),
        rule=rule or "",
        link=link or "",
    )


def _read(lines: Iterable[str]) -> dict[str, Resource]:
    found: dict[str, Resource] = {}
    fields: dict[str, Field] = {}
    associations: dict[str, Association] = {}
    for line in lines:
        if line.startswith("["):
            name, node, *called = line.strip("[]\n").split()
            plural = called[0] if called else name
            fields, associations = {}, {}
            found[name] = Resource(name, node, plural, fields, associations)
        elif line.startswith("+"):
            _, name, node, kind, *parts = line.split()
            associations[name] = Association(name, node, virtual=kind == "data", parts=tuple(parts))
        elif not line.startswith("#"):
            fields.update((field.name, field) for field in map(_field, line.split()))
    return found


RESOURCES: Mapping[str, Resource] = _read(
    files("adapters.channels.prestashop.simulated")
    .joinpath("resources.txt")
    .read_text(encoding="utf-8")
    .splitlines()
)


class Tables:
    """The rows of all resources, by id. Ids only grow, as an auto-increment does."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, Row]] = {name: {} for name in RESOURCES}
        self._last_id: dict[str, int] = dict.fromkeys(RESOURCES, 0)

    def __getitem__(self, resource: str) -> dict[int, Row]:
        """Return the rows of a resource, by id."""
        return self._rows[resource]

    def insert(self, resource: str, values: Mapping[str, Value], row_id: int | None = None) -> Row:
        """Store a new row; what `values` does not give gets the database's default."""
        new_id = row_id if row_id is not None else self._last_id[resource] + 1
        self._last_id[resource] = max(self._last_id[resource], new_id)
        fields = RESOURCES[resource].fields
        unknown = values.keys() - fields.keys()
        if unknown:
            raise ValueError(f"{resource} has no {sorted(unknown)}")
        row: Row = {"id": new_id}
        for name, field in fields.items():
            given = values.get(name)
            row[name] = field.default() if given is None else stored(field, given)
        self._rows[resource][new_id] = row
        return row


def stored(field: Field, value: Value) -> Value:
    """Return `value` as the database keeps it: prices with six places, a text in every language."""
    if isinstance(value, tuple) or value is None:
        return value
    if field.kind == "l":
        return tuple((language, str(value)) for language in LANGUAGES)
    if field.kind == "i":
        return int(value or 0)
    if field.rule in NUMBER_RULES and value != "":
        return f"{float(value):.{PLACES_OF.get(field.name, 6)}f}"
    return str(value)


def number(value: Value) -> int:
    """Return a stored whole number; anything else there is a mistake of the simulator."""
    if not isinstance(value, int):
        raise TypeError(f"no whole number: {value!r}")
    return value
