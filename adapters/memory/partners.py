"""Partners in process: working fakes of a shop, an ERP and a carrier, for benchmarks, simulations and tests.

They keep exact books of everything they were told, including what they were told twice, and each can lose an
answer after having acted. They speak no protocol; the partners' simulators do that.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import trio

from actors.domain.documents import (
    ErpAdjustment,
    ErpCancellation,
    ErpChange,
    ErpDeliveryNote,
    ErpDocument,
    ErpLine,
    ErpOrder,
    ErpReception,
    ErpReturn,
    LabelPurchase,
    ShopDocument,
    ShopStatus,
    ShopTracking,
    about,
)
from actors.errors import OutcomeUnknownError, UnreachableError
from actors.ports.carrier import TrackingEvent, TrackingPage
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from actors.ports.shop import Poll, Pushed, ShopOrder, ShopStanding, UnreadableOrder

LosesAnswer = Callable[[], bool]


def never() -> bool:
    """Lose no answer."""
    return False


@dataclass(slots=True)
class MemoryShop:
    """A shop that sells what its test places.

    With `asks_beside` its next poll is partial: it asks for something else and tells of no order.
    """

    loses_answer: LosesAnswer = never
    away: bool = False
    asks_beside: bool = False
    page: int = 200
    orders: list[ShopOrder | UnreadableOrder] = field(default_factory=list)
    told: dict[str, list[ShopDocument]] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)

    def place(self, order: ShopOrder | UnreadableOrder) -> None:
        """Add an order, or a changed copy of one, to what is polled."""
        self.orders.append(order)

    async def poll(self, cursor: str | None) -> Poll:
        """Return the next page."""
        await self._answer(unknown=False)
        begin = int(cursor or "0")
        if self.asks_beside:
            self.asks_beside = False
            return Poll((), str(begin), more=False, partial=True)
        page = tuple(self.orders[begin : begin + self.page])
        end = begin + len(page)
        return Poll(page, str(end), more=end < len(self.orders))

    async def cursor_at(self, since: datetime, cursor: str | None = None) -> str:
        """Return where the first order placed since lies."""
        del cursor  # what changes lies behind what was placed, so nothing is passed over
        await self._answer(unknown=False)
        placed = (
            number
            for number, order in enumerate(self.orders)
            if order.placed_at is None or order.placed_at >= since
        )
        return str(next(placed, len(self.orders)))

    async def order(self, shop_order: str) -> ShopOrder | UnreadableOrder | None:
        """Return the newest copy."""
        await self._answer(unknown=False)
        return next((order for order in reversed(self.orders) if order.shop_order == shop_order), None)

    async def reread(
        self, shop_orders: Collection[str], *, whole: bool = True
    ) -> Mapping[str, ShopOrder | UnreadableOrder]:
        """Return the newest copies, each as whole as it was placed."""
        del whole
        await self._answer(unknown=False)
        newest = {order.shop_order: order for order in self.orders}
        return {each: newest[each] for each in shop_orders if each in newest}

    async def survey(self, after: str) -> Sequence[ShopStanding]:
        """Return how all orders above `after` stand."""
        await self._answer(unknown=False)
        newest = {int(order.shop_order): order.standing for order in self.orders}
        last = int(after or "0")
        return [ShopStanding(str(each), newest[each]) for each in sorted(newest) if each > last]

    async def tracked(self, tellings: Sequence[ShopTracking]) -> Sequence[bool]:
        """Look among what was told."""
        await self._answer(unknown=False)
        return [each in self.told.get(each.shop_order, []) for each in tellings]

    async def find(self, document: ShopDocument) -> Outcome | None:
        """Look among what was told."""
        await self._answer(unknown=False)
        return Outcome("shown") if document in self.told.get(document.shop_order, []) else None

    async def carry_out(self, document: ShopDocument) -> Outcome:
        """Show it, once more if it was shown already: a real shop would."""
        self._reachable()
        self.told.setdefault(document.shop_order, []).append(document)
        await self._answer(unknown=True)
        return Outcome("shown")

    async def stock(self) -> Mapping[str, int]:
        """Return what the shop shows."""
        await self._answer(unknown=False)
        return dict(self.levels)

    async def push_stock(self, levels: Mapping[str, int]) -> Pushed:
        """Show these figures."""
        self._reachable()
        self.levels.update(levels)
        await self._answer(unknown=True)
        return Pushed()

    def shipped(self) -> int:
        """Return how many orders the shop shows as shipped."""
        return sum(
            any(isinstance(document, ShopStatus) and document.status == "shipped" for document in documents)
            for documents in self.told.values()
        )

    def _reachable(self) -> None:
        if self.away:
            raise UnreachableError("memory shop", "call", "it is switched off")

    async def _answer(self, *, unknown: bool) -> None:
        await trio.lowlevel.checkpoint()
        self._reachable()
        if unknown and self.loses_answer():
            raise OutcomeUnknownError("memory shop", "call", "the answer was lost on purpose")


Place = tuple[str, str, Decimal]
"""A SKU, a warehouse and a price: what tells lines of an order apart."""


@dataclass(slots=True)
class MemoryErp:
    """An ERP that books what it is told and keeps physical stock.

    `open_` are the units that are open of each order, by place.
    """

    stock_: dict[str, dict[str, int]]
    loses_answer: LosesAnswer = never
    away: bool = False
    booked: dict[tuple[str, str], list[ErpDocument]] = field(default_factory=dict)
    open_: dict[str, Counter[Place]] = field(default_factory=dict)

    async def find(self, document: ErpDocument) -> Outcome | None:
        """Look the document up by its kind and reference; a change by what is open of its order."""
        await self._answer(unknown=False)
        if isinstance(document, ErpChange):
            stands = self.open_.get(document.order_reference) == _summed(document.lines)
            return Outcome("found") if stands else None
        return Outcome("found") if _erp_key(document) in self.booked else None

    async def carry_out(self, document: ErpDocument, contact: Contact | None) -> Outcome:
        """Book it, once more if it is booked already: a real ERP without a check would."""
        del contact
        self._be_there("book")
        self.booked.setdefault(_erp_key(document), []).append(document)
        self._move(document)
        await self._answer(unknown=True)
        return Outcome(str(len(self.booked)))

    async def stock(self) -> Mapping[str, Mapping[str, int]]:
        """Return physical stock by warehouse and SKU."""
        self._be_there("tell its stock")
        await self._answer(unknown=False)
        return {warehouse: dict(skus) for warehouse, skus in self.stock_.items()}

    def _be_there(self, doing: str) -> None:
        if self.away:
            raise UnreachableError("memory erp", doing, "it is switched off")

    def duplicates(self) -> int:
        """Return how many documents were booked more than once; an order may be changed often."""
        return sum(len(copies) - 1 for (kind, _), copies in self.booked.items() if kind != "ErpChange")

    def _move(self, document: ErpDocument) -> None:
        match document:
            case ErpOrder():
                self.open_[document.reference] = _summed(document.lines)
                return
            case ErpChange():
                self.open_[document.order_reference] = _summed(document.lines)
                return
            case ErpCancellation():
                self.open_[document.order_reference] = Counter()
                return
            case ErpDeliveryNote():
                self.open_.setdefault(document.order_reference, Counter()).subtract(_summed(document.lines))
                sign = -1
            case ErpReception() | ErpAdjustment() | ErpReturn():
                sign = 1
            case _:
                return
        depot = self.stock_.setdefault(document.warehouse, {})
        for line in document.lines:
            depot[line.sku] = depot.get(line.sku, 0) + sign * line.units

    async def _answer(self, *, unknown: bool) -> None:
        await trio.lowlevel.checkpoint()
        if self.away:
            raise UnreachableError("memory erp", "call", "it is switched off")
        if unknown and self.loses_answer():
            raise OutcomeUnknownError("memory erp", "book", "the answer was lost on purpose")


def _summed(lines: Iterable[ErpLine]) -> Counter[Place]:
    units: Counter[Place] = Counter()
    for line in lines:
        units[line.sku, line.warehouse, line.unit_price] += line.units
    return units


def _erp_key(document: ErpDocument) -> tuple[str, str]:
    return (type(document).__name__, about(document))


@dataclass(slots=True)
class MemoryCarrier:
    """A carrier that sells labels."""

    loses_answer: LosesAnswer = never
    away: bool = False
    labels: dict[str, list[str]] = field(default_factory=dict)
    news: list[TrackingEvent] = field(default_factory=list)
    sold: int = 0

    async def find(self, document: LabelPurchase) -> Outcome | None:
        """Look for a label of the parcel."""
        await self._answer(unknown=False)
        bought = self.labels.get(document.parcel)
        return _label(bought[0]) if bought else None

    async def carry_out(self, document: LabelPurchase, contact: Contact | None) -> Outcome:
        """Sell a label, once more if there is one: a real carrier would."""
        del contact
        if self.away:
            raise UnreachableError("memory carrier", "buy", "it is switched off")
        bought = self.labels.setdefault(document.parcel, [])
        self.sold += 1
        bought.append(f"M{self.sold:010d}")
        await self._answer(unknown=True)
        return _label(bought[-1])

    async def events(self, cursor: str | None) -> TrackingPage:
        """Return news since the cursor."""
        await self._answer(unknown=False)
        begin = int(cursor or "0")
        return TrackingPage(self.news[begin:], str(len(self.news)))

    def duplicates(self) -> int:
        """Return how many labels were bought beyond the first of their parcel."""
        return sum(len(copies) - 1 for copies in self.labels.values())

    async def _answer(self, *, unknown: bool) -> None:
        await trio.lowlevel.checkpoint()
        if self.away:
            raise UnreachableError("memory carrier", "call", "it is switched off")
        if unknown and self.loses_answer():
            raise OutcomeUnknownError("memory carrier", "buy", "the answer was lost on purpose")


def _label(tracking: str) -> Outcome:
    return Outcome(tracking, tracking=tracking, price=Decimal("4.90"), currency="EUR", pages=b"^XA^XZ")
