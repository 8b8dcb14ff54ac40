"""Pieces as they are read back, and what our names are in Divalto. Pure.

**The rule by which every document of ours is found again**: its own reference
stands in PINOTIERS, the only foreign reference that is indexed (with TICOD, PICOD and TIERS), and in no other
piece's:

- an order bears its order's id and keeps it when an ERP user turns it into a delivery note or an invoice, so
  it is looked up across all PICOD;
- a delivery note of ours bears the fulfilment's id, which begins with the order's id and a dot: where a site
  removes the order's header once all is delivered, the notes still prove that the order was there;
- a return bears its own id under the customer's TIERS;
- receptions and adjustments bear their own ids under the supplier's and the internal TIERS.

PIREF (40 characters, no index) holds the same id and what a person in the ERP may want to read beside it. It
is as unique as PINOTIERS, because Divalto's duplicate check may look at either.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from adapters.erps.divalto import wire
from adapters.erps.divalto.hours import at_site
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.text import latin1, reference

CUSTOMER, SUPPLIER, INTERNAL = "C", "F", "I"
QUOTE, ORDER, NOTE, INVOICE = "1", "2", "3", "4"
ACTIVE, CLOSED = "1", "8"
REF_LENGTH, SREF_LENGTH = 25, 8


class InexpressibleError(ValueError):
    """Divalto cannot hold the document as it is; the text says which value, and names no person."""


class Article(NamedTuple):
    """How Divalto names a SKU."""

    ref: str
    sref1: str = ""
    sref2: str = ""


class Piece(Struct, frozen=True):
    """A header (ENT) as it was read; `amount` is its own without tax, None where the site does not tell."""

    ticod: str
    stage: str
    tiers: str
    prefix: str
    number: str
    state: str
    reference: str
    amount: Decimal | None = None

    @property
    def name(self) -> str:
        """How people name it: kind and stage, prefix and number, such as "C2-1042"."""
        return name_of(self.ticod, self.stage, self.prefix, self.number)


def name_of(ticod: str, stage: str, prefix: str, number: str) -> str:
    """Return a piece's name as `Piece.name` gives it."""
    return f"{ticod}{stage}-{prefix}{number}"


PIECE_KEYS = ("TICOD", "PICOD", "TIERS", "PREFPINO", "PINO", "CE4", "PINOTIERS")
PIECE_COLUMNS = (*PIECE_KEYS, "HTMT")


class OpenLine(Struct, frozen=True):
    """A line (MOUV) that still stands on an order; `record` is its ENRNO, never to be guessed."""

    record: str
    article: Article
    depot: str
    units: Decimal
    price: Decimal


LINE_COLUMNS = ("ENRNO", "REF", "SREF1", "SREF2", "DEPO", "PICOD", "CDCE4", "CDQTE", "PUB")


def read_pieces(records: Sequence[Mapping[str, str]]) -> list[Piece]:
    """Return the headers in an answer; WireError where a column lacks, except the amount."""
    keys = wire.columns(records, *PIECE_KEYS)
    return [
        Piece(
            ticod.strip(),
            stage.strip(),
            tiers.strip(),
            prefix.strip(),
            number.strip(),
            state.strip(),
            ours.strip(),
            amount_of(record.get("HTMT", "")),
        )
        for (ticod, stage, tiers, prefix, number, state, ours), record in zip(keys, records, strict=True)
    ]


def amount_of(text: str) -> Decimal | None:
    """Return the amount a site tells of a piece, None where it tells none."""
    try:
        return wire.read_decimal(text)
    except wire.WireError:
        return None


def amount_remark(ours: Decimal | None, theirs: Decimal | None, settings: DivaltoSettings) -> str:
    """Say so when Divalto's amount is not ours: its prices, discounts or foot are not the shop's."""
    if ours is None or theirs is None or abs(ours - theirs) <= settings.amount_tolerance:
        return ""
    return f"it comes to {theirs} without tax at Divalto, to {ours} here"


def read_open_lines(records: Sequence[Mapping[str, str]]) -> list[OpenLine]:
    """Return the lines still on order, in the piece's own order; WireError where one makes no sense."""
    return [
        OpenLine(
            record.strip(),
            Article(ref, sref1, sref2),
            depot,
            wire.read_decimal(units),
            wire.read_decimal(price),
        )
        for record, ref, sref1, sref2, depot, stage, state, units, price in wire.columns(
            records, *LINE_COLUMNS
        )
        if stage.strip() == ORDER and state.strip() == ACTIVE
    ]


# --- our names and theirs ---------------------------------------------------------------------------------


def article_of(sku: str, settings: DivaltoSettings) -> Article:
    """Return what a SKU is called in Divalto. Names of articles are never cut or transliterated."""
    parts = settings.articles.get(sku, sku).split(settings.sku_separator)
    if len(parts) > len(Article._fields):
        raise InexpressibleError(f"SKU {sku!r} has more than two sub-references")
    article = Article(*parts)
    lengths = (REF_LENGTH, SREF_LENGTH, SREF_LENGTH)
    for part, length in zip(article, lengths, strict=True):
        if len(part) > length or any(latin1(letter) != letter for letter in part):
            raise InexpressibleError(f"SKU {sku!r} does not fit REF, SREF1 and SREF2")
    if not article.ref:
        raise InexpressibleError("a SKU is empty")
    return article


def sku_namer(settings: DivaltoSettings) -> Callable[[Article], str]:
    """Return what names an article as we do, the reverse of `article_of`; made once for many articles."""
    exceptions = {theirs: ours for ours, theirs in settings.articles.items()}

    def sku_of(article: Article) -> str:
        named = settings.sku_separator.join(article).rstrip(settings.sku_separator)
        return exceptions.get(named, named)

    return sku_of


def depot_of(warehouse: str, settings: DivaltoSettings) -> str:
    """Return a warehouse's DEPO."""
    try:
        return settings.depots[warehouse]
    except KeyError:
        raise InexpressibleError(f"warehouse {warehouse!r} is mapped to no depot") from None


def tiers_of(customer: str) -> str:
    """Return the TIERS of a shop's customer, "channel:id", where each is a customer of Divalto's own."""
    return reference(customer.replace(":", "-"))


def day_text(at: datetime, settings: DivaltoSettings) -> str:
    """Return the calendar day of an instant where the site keeps its books, as YYYYMMDD."""
    return wire.date_text(at_site(at, settings).date())
