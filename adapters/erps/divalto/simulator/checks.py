"""What stands in the way of a piece: unknown, closed, locked rows, duplicates, empty depots. Changes nothing.

It owns the texts of the business object's refusals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from adapters.erps.divalto.simulator.asked import (
    BAD_REQUEST,
    NOT_FOUND,
    REFUSED,
    BusinessError,
    number,
    whole,
)
from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.tables import Article, ArticleKey, Header, StockKey, Tables
from adapters.erps.divalto.spelling import Spelling

UNITS_MAX = Decimal("999999999.999")


@dataclass(frozen=True, slots=True)
class AskedLine:
    """A line as it was asked for, checked."""

    article: ArticleKey
    des: str
    depo: str
    op: str
    pub: Decimal
    ppar: Decimal
    units: Decimal


class Checks:
    """The checks of one company file."""

    def __init__(self, tables: Tables, switches: Switches, spelling: Spelling, locked: set[str]) -> None:
        self._tables = tables
        self._switches = switches
        self._spelling = spelling
        self._locked = locked

    def existing(self, header: Mapping[str, str]) -> Header:
        """Return the piece that a header names."""
        pino = whole(header.get("PINO", ""), "PINO")
        stage = whole(header.get("PICOD", ""), "PICOD")
        piece = self._tables.header(header.get("TICOD", ""), stage, header.get("PREFPINO", ""), pino)
        if piece is None or piece.tiers != header.get("TIERS", piece.tiers):
            raise BusinessError(NOT_FOUND, "Pièce inexistante")
        if piece.name in self._locked:
            raise BusinessError(REFUSED, "Pièce réservée par un autre utilisateur")
        return piece

    def usable_third_party(self, ticod: str, tiers: str) -> str:
        """Return the third party if a piece may be made for it."""
        known = self._tables.third_parties.get((ticod, tiers))
        if known is None:
            raise BusinessError(REFUSED, "Tiers inexistant")
        if not known.visa:
            raise BusinessError(REFUSED, "Tiers non visé")
        if known.feu == 3:  # noqa: PLR2004 - FEU: 1 green, 2 orange, 3 red
            raise BusinessError(REFUSED, "Tiers bloqué")
        if known.closed:
            raise BusinessError(REFUSED, "Tiers périmé")
        return tiers

    def depot(self, depo: str) -> str:
        """Return the depot if there is one."""
        if depo not in self._tables.depots:
            raise BusinessError(REFUSED, "Dépôt inexistant")
        return depo

    def refuse_duplicate(self, ticod: str, tiers: str, header: Mapping[str, str]) -> None:
        """Refuse a foreign reference that stands in another piece."""
        asked = {"PINOTIERS": header.get("PINOTIERS", "").lower(), "PIREF": header.get("PIREF", "").lower()}
        columns = [column for column in self._switches.duplicate_columns if asked.get(column)]
        taken = "PINOTIERS" in columns and self._tables.with_reference(ticod, tiers, asked["PINOTIERS"])
        taken = taken or ("PIREF" in columns and self._tables.with_piref(ticod, tiers, asked["PIREF"]))
        if taken:
            raise BusinessError(REFUSED, "Votre référence existe déjà pour ce tiers")

    def refuse_shortage(self, wanted: Sequence[tuple[ArticleKey, str, str, Decimal]]) -> None:
        """Refuse what would take a depot below zero, where the site minds."""
        if self._switches.negative_stock:
            return
        left: dict[StockKey, Decimal] = {}
        for article, depo, op, units in wanted:
            key = StockKey(article, depo)
            if self._tables.articles[article.ref].stocked:
                left[key] = (
                    left.get(key, self._tables.balances.get(key, Decimal(0)))
                    + self._switches.operations[op] * units
                )
        if any(balance < 0 for balance in left.values()):
            raise BusinessError(REFUSED, "Stock insuffisant")

    def article(self, article: ArticleKey) -> Article:
        """Return the article if it may stand on a line under these sub-references."""
        known = self._tables.articles.get(article.ref)
        if known is None:
            raise BusinessError(REFUSED, "Article inexistant")
        if known.closed:
            raise BusinessError(REFUSED, "Article périmé")
        sub = (article.sref1, article.sref2)
        if not known.subs and any(sub):
            raise BusinessError(REFUSED, "L'article doit être géré sans sous-référence")
        if known.subs and not any(sub):
            raise BusinessError(REFUSED, "Sous-réf obligatoire")
        if known.subs and sub not in known.subs:
            raise BusinessError(REFUSED, "Sous référence inexistante")
        return known

    def line(self, line: Mapping[str, str], depo: str, op: str) -> AskedLine:
        """Return a line as it may be written; depot and operation are the header's where it has none."""
        article = ArticleKey(line.get("REF", ""), line.get("SREF1", ""), line.get("SREF2", ""))
        known = self.article(article)
        op = line.get("OP") or op
        if op not in self._switches.operations:
            raise BusinessError(REFUSED, "Code opération inexistant")
        units = number(line.get(self._spelling.quantity, ""))
        if not 0 < units <= UNITS_MAX:
            raise BusinessError(BAD_REQUEST, "Quantité incorrecte")
        # Blank or zero means "your own price", unless the line is given away.
        pub = number(line.get("PUB") or "0")
        pub = known.price if not pub and line.get("GRATUITFL") != "2" else pub
        pub += self._switches.price_added if known.stocked else 0
        depo = self.depot(line.get("DEPO") or depo)
        ppar = number(line.get("PPAR") or "1")
        if self._switches.price_per != 1:
            pub, ppar = pub * self._switches.price_per / ppar, self._switches.price_per
        return AskedLine(article, line.get("DES") or known.des, depo, op, pub, ppar, units)
