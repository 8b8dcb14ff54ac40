"""The simulated company file: articles, third parties, headers (ENT), lines (MOUV), counters, movements.

It owns the rows, their keys and their fixed widths, and no rule of business. Widths are those of the public
table descriptions.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

WIDTHS = {
    "DOS": 8, "ETB": 3, "TICOD": 1, "TIERS": 20, "PREFPINO": 10, "PINOTIERS": 20, "PIREF": 40, "DEPO": 3,
    "DEPOT": 3,
    "OP": 3, "CE4": 1, "CDCE4": 1, "DEV": 4, "TACOD": 8, "REF": 25, "SREF1": 8, "SREF2": 8, "DES": 80,
    "EAN": 13,
    "REFERENCE": 25, "SREFERENCE1": 8, "SREFERENCE2": 8, "NATURESTOCK": 2, "EMPLACEMENT": 20, "SERIELOT": 30,
    "DOSSIER": 8, "BLMOD": 8, "USERMO": 20, "VENUN": 4, "CONF": 4, "REGL": 4, "TVAART": 8,
    "NOM": 80, "ADRCPL1": 50, "ADRCPL2": 50, "RUE": 50, "LOC": 50, "VIL": 50, "PAY": 3, "CPOSTAL": 10,
    "TEL": 20,
    "EMAIL": 80,
}  # fmt: skip
"""Lengths of the char columns: values are padded to them with spaces when they are read."""

ORDER, NOTE, INVOICE = 2, 3, 4
ACTIVE, CLOSED = "1", "8"

CENT = Decimal("0.01")


def rounded(amount: Decimal) -> Decimal:
    """Round an amount as DECIMAL(13,2) holds it."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True, order=True)
class ArticleKey:
    """REF, SREF1, SREF2."""

    ref: str
    sref1: str = ""
    sref2: str = ""

    def __str__(self) -> str:
        return f"{self.ref}/{self.sref1}/{self.sref2}".rstrip("/")


@dataclass(slots=True)
class Article:
    """ART, with its sub-references (SART) if it has any; `stocked` is STCOD, `closed` is HSDT in the past."""

    ref: str
    des: str
    ean: str
    price: Decimal
    stocked: bool = True
    closed: bool = False
    weight_kg: Decimal = Decimal(0)
    closed_subs: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    subs: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])


@dataclass(slots=True)
class ThirdParty:
    """CLI, FOU or an internal one: without a visa unusable, FEU 3 blocks, HSDT closes.

    `more` is what else came in with it: its name and address.
    """

    tiers: str
    visa: bool = True
    feu: int = 1
    closed: bool = False
    more: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True, eq=False)
class Line:
    """MOUV: `units` stands at `header`'s stage; `on_order` and `noted` tell its way (CDQTE, BLQTE)."""

    enrno: int
    header: "Header"
    article: ArticleKey
    des: str
    depo: str
    op: str
    pub: Decimal
    ppar: Decimal
    units: Decimal
    state: str = ACTIVE
    order_number: int = 0
    note_number: int = 0

    @property
    def amount(self) -> Decimal:
        """MONT."""
        return rounded(self.units * self.pub / (self.ppar or Decimal(1)))


@dataclass(slots=True, eq=False)
class Header:
    """ENT, with its lines at this stage and its manual delivery address (EAD)."""

    ent_id: int
    ticod: str
    picod: int
    tiers: str
    etb: str
    prefix: str
    pino: int
    pidt: str
    op: str
    depo: str
    pinotiers: str = ""
    piref: str = ""
    dev: str = ""
    tacod: str = ""
    state: str = ACTIVE
    due: str = ""
    changed_by: str = ""
    changed_at: str = ""
    footer: Decimal = Decimal(0)
    more: dict[str, str] = field(default_factory=dict[str, str])
    address: dict[str, str] = field(default_factory=dict[str, str])
    lines: list[Line] = field(default_factory=list[Line])

    @property
    def name(self) -> str:
        """Kind, stage, prefix and number."""
        return f"{self.ticod}{self.picod}-{self.prefix}{self.pino}"

    @property
    def amount(self) -> Decimal:
        """HTMT."""
        return rounded(sum((line.amount for line in self.lines), self.footer))

    @property
    def open_lines(self) -> list[Line]:
        """The lines that still stand at this stage and are not closed."""
        return [line for line in self.lines if line.state == ACTIVE]


@dataclass(frozen=True, slots=True)
class StockKey:
    """What MVTL_STOCK_V groups by."""

    article: ArticleKey
    depot: str
    nature: str = "N"
    place: str = ""
    lot: str = ""


@dataclass(frozen=True, slots=True)
class Movement:
    """MVTL: units that went into (positive) or out of (negative) a depot, and the piece that moved them."""

    key: StockKey
    units: Decimal
    piece: str


class Tables:
    """One company file (DOS). Every write to it goes through `business`, or is an ERP user's.

    Args:
        dos: its name.
        clock: what the ERP's own clock shows, as YYYYMMDDHHMMSS.
    """

    def __init__(self, dos: str, clock: Callable[[], str] = lambda: "20260302120000") -> None:
        self.dos = dos
        self.clock = clock
        self.user = ""
        self.articles: dict[str, Article] = {}
        self.third_parties: dict[tuple[str, str], ThirdParty] = {}
        self.depots: set[str] = set()
        self.headers: list[Header] = []
        self.movements: list[Movement] = []
        self.balances: dict[StockKey, Decimal] = {}
        self._by_reference: dict[tuple[str, str, str], list[Header]] = defaultdict(list)
        self._by_piref: dict[tuple[str, str, str], list[Header]] = defaultdict(list)
        self._by_number: dict[tuple[str, int, str, int], Header] = {}
        self._numbers: dict[tuple[str, str, int, str], int] = defaultdict(int)
        self._records = 0

    def next_number(self, etb: str, ticod: str, picod: int, prefix: str) -> int:
        """Take the next piece number: counted per DOS, ETB, TICOD, PICOD and prefix."""
        self._numbers[etb, ticod, picod, prefix] += 1
        return self._numbers[etb, ticod, picod, prefix]

    def next_record(self) -> int:
        """Take the next record number (ENRNO, ENT_ID)."""
        self._records += 1
        return self._records

    def add_header(self, header: Header) -> None:
        """Insert a header."""
        self.headers.append(header)
        self.touch(header)
        self._by_number[header.ticod, header.picod, header.prefix, header.pino] = header
        self._by_reference[_reference_key(header)].append(header)
        self._by_piref[header.ticod, header.tiers, header.piref.lower()].append(header)

    def touch(self, header: Header) -> None:
        """Note who changes a header, and when."""
        header.changed_by, header.changed_at = self.user, self.clock()

    def remove_header(self, header: Header) -> None:
        """Delete a header."""
        self.headers.remove(header)
        del self._by_number[header.ticod, header.picod, header.prefix, header.pino]
        self._by_reference[_reference_key(header)].remove(header)
        self._by_piref[header.ticod, header.tiers, header.piref.lower()].remove(header)

    def header(self, ticod: str, picod: int, prefix: str, pino: int) -> Header | None:
        """Return a header by its number."""
        return self._by_number.get((ticod, picod, prefix, pino))

    def with_reference(self, ticod: str, tiers: str | None, pinotiers: str) -> list[Header]:
        """Return headers by their foreign reference, which the usual collation compares without case.

        Without `tiers` all third parties are gone through, as without an index.
        """
        if tiers is not None:
            return list(self._by_reference.get((ticod, tiers, pinotiers.lower()), ()))
        return [
            header
            for (kind, _, reference), headers in self._by_reference.items()
            if (kind, reference) == (ticod, pinotiers.lower())
            for header in headers
        ]

    def with_piref(self, ticod: str, tiers: str | None, piref: str) -> list[Header]:
        """Return headers by PIREF, of all third parties without `tiers`."""
        if tiers is not None:
            return list(self._by_piref.get((ticod, tiers, piref.lower()), ()))
        return [each for each in self.headers if (each.ticod, each.piref.lower()) == (ticod, piref.lower())]

    def with_prefix(self, ticod: str, tiers: str | None, beginning: str) -> list[Header]:
        """Return headers whose foreign reference begins so."""
        beginning = beginning.lower()
        return [
            header
            for (kind, party, pinotiers), headers in self._by_reference.items()
            if kind == ticod and tiers in (None, party) and pinotiers.startswith(beginning)
            for header in headers
        ]

    def with_piref_prefix(self, ticod: str, tiers: str | None, beginning: str) -> list[Header]:
        """Return headers whose PIREF begins so, all of them gone through as without an index."""
        return [
            header
            for header in self.headers
            if header.ticod == ticod
            and tiers in (None, header.tiers)
            and header.piref.lower().startswith(beginning.lower())
        ]

    def move(self, key: StockKey, units: Decimal, piece: str) -> None:
        """Move units into (or out of) a depot."""
        self.movements.append(Movement(key, units, piece))
        self.balances[key] = self.balances.get(key, Decimal(0)) + units


def _reference_key(header: Header) -> tuple[str, str, str]:
    return header.ticod, header.tiers, header.pinotiers.lower()
