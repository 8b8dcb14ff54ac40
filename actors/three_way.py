"""Reconciles the shops, the ledger and the ERP, and puts what a person should look at before one.

It owns what earlier looks know of a difference: an open anomaly says since when it is known, also to the next
daemon, so nothing is told twice; and it is settled by itself once the difference is over.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import structlog
import trio
from msgspec import Struct

from actors.desk import Desk, Raise
from actors.directory import Directory
from actors.domain.discrepancies import Discrepancy, Matter, matters, remembered
from actors.domain.erp_reconciliation import SCOPE as ERP_SCOPE
from actors.domain.erp_reconciliation import STOCK
from actors.erp_books import ErpBooks
from actors.erp_reconciler import ErpReconciler, StockLook
from actors.errors import PartnerError
from actors.inspection import Inspection
from actors.order_reconciler import OrderReconciler, OrdersLook
from actors.ports.journal import Journal, OpenAnomaly
from actors.ports.shop import ShopPort

log = structlog.get_logger(__name__)

PROBLEM = "books_differ"
PREFIX = "books:"

ANOMALIES_MAX = 10_000
"""Open anomalies looked through; many differences of a kind are one anomaly, so these are other matters'."""


class Whole(Struct, frozen=True):
    """What was found at one look.

    Attributes:
        at: when it began.
        stock: the ERP's stock beside the ledger's, None where it could not be read or nobody asked.
        unread: what could not be compared, for a person.
        discrepancies: of orders and of the ERP's stock, with what earlier looks know of them.
    """

    at: datetime
    orders: OrdersLook
    stock: StockLook | None
    unread: tuple[str, ...]
    discrepancies: tuple[Discrepancy, ...]


class _Name(Struct, frozen=True):
    """An anomaly's name taken apart; `subject` is "" for many differences of a kind."""

    scope: str
    kind: str
    subject: str


class ThreeWay:
    """Reconciles all but what the shops show as stock, which each window looks at itself."""

    def __init__(
        self,
        *,
        shops: Mapping[str, ShopPort],
        books: ErpBooks | None,
        journal: Journal,
        inspection: Inspection,
        directory: Directory,
        desk: Desk,
    ) -> None:
        self._journal = journal
        self._desk = desk
        self._orders = OrderReconciler(shops, books, journal, inspection)
        self._stock = ErpReconciler(books, journal, inspection, directory) if books is not None else None
        self._seen: Mapping[str, datetime] = {}
        self._one_at_a_time = trio.Lock()

    async def look(self, channel: str | None = None) -> Whole:
        """Compare everything, or only one channel's orders, and return what differs and why.

        What a partner does not tell is left out and named. Whoever asks meanwhile waits: partners are slow.
        """
        async with self._one_at_a_time:
            return await self._look(channel)

    async def _look(self, channel: str | None) -> Whole:
        now = self._desk.now()
        open_ = await self._journal.anomalies(ANOMALIES_MAX)
        ours = {each.anomaly.removeprefix(PREFIX): each for each in open_ if each.problem == PROBLEM}
        differing = {_order_of(_name(id_).subject) for id_ in ours} - {""}
        orders = await self._orders.look(now, {each.anomaly for each in open_}, differing, channel)
        unread = list(orders.unread)
        stock = await self._look_at_stock(open_, orders, unread) if channel is None else None
        found = (*orders.discrepancies, *(stock.discrepancies if stock is not None else ()))
        found = remembered(found, {id_: each.raised_at for id_, each in ours.items()}, self._seen)
        whole = Whole(now, orders, stock, tuple(unread), found)
        if channel is None:
            self._seen = {each.id: each.since for each in found}
            await self._put_before_a_person(whole, ours)
        log.info(
            "books_compared",
            orders=orders.compared,
            places=stock.compared if stock is not None else 0,
            differences=len(found),
            new=sum(each.is_new for each in found),
            unread=len(unread),
        )
        return whole

    async def _look_at_stock(
        self, open_: Sequence[OpenAnomaly], orders: OrdersLook, unread: list[str]
    ) -> StockLook | None:
        if self._stock is None:
            return None
        try:
            return await self._stock.look(open_, orders.vanished)
        except PartnerError as error:
            unread.append(f"the ERP's stock: {error}")
            return None

    async def _put_before_a_person(self, whole: Whole, ours: Mapping[str, OpenAnomaly]) -> None:
        """Raise what lasts too long, and settle what is over."""
        shown = matters(whole.discrepancies, self._desk.now())
        for matter in shown:
            await self._desk.raise_anomaly(Raise(PREFIX + matter.id, PROBLEM, matter.detail, matter.mend))
        for id_ in _over(ours, whole, shown):
            await self._desk.resolve(PREFIX + id_, "system")


def _over(ours: Collection[str], whole: Whole, shown: Iterable[Matter]) -> Iterable[str]:
    """Return which open differences are over: only what was seen for certain can be."""
    still = {each.id for each in whole.discrepancies if not each.told_as} | {each.id for each in shown}
    for id_ in ours:
        name = _name(id_)
        if id_ in still:
            continue
        if name.scope == ERP_SCOPE and name.kind == STOCK:
            is_seen = whole.stock is not None and name.subject not in whole.stock.moving
        elif name.subject:
            is_seen = (name.scope, _order_of(name.subject)) in whole.orders.certain
        else:
            is_seen = not whole.unread
        if is_seen:
            yield id_


def _name(id_: str) -> _Name:
    scope, kind, rest = id_.split(":", 2)
    return _Name(scope, kind, rest.rpartition(":")[0])


def _order_of(subject: str) -> str:
    """Return the order that a subject is, or is a part of."""
    return "" if " " in subject else subject.partition(".")[0]
