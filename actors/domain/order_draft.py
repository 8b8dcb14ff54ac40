"""What a decision about an order is made from and into: facts, and a draft of events. It decides nothing."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from actors.domain.anomaly_events import AnomalyEvent, AnomalyRaised
from actors.domain.carrier_choice import CarrierRule
from actors.domain.documents import (
    ERP,
    Document,
    ErpCancellation,
    ErpChange,
    ErpLine,
    ErpOrder,
    ShopState,
    ShopStatus,
)
from actors.domain.erp_word import ErpWord
from actors.domain.line_prices import LinePrices
from actors.domain.order_events import EffectRequested, HoldKind, OrderEvent, OrderHeld
from actors.domain.order_fold import evolve
from actors.domain.order_state import Order, Part, changes_asked, effect_id, erp_has_order
from actors.domain.routing import Load, Picture, RoutingRules, idle
from actors.domain.stock_events import Quantity


class Facts(Struct, frozen=True, gc=False):
    """What a decision may look at beside the order: all values, so that it can be made again."""

    now: datetime
    rules: RoutingRules
    carriers: tuple[CarrierRule, ...]
    picture: Picture
    knows: Callable[[str], bool]
    erp: ErpWord = ErpWord()
    load: Load = idle


class Draft:
    """Events as they are decided, with the order as each of them leaves it."""

    def __init__(self, order: Order, facts: Facts) -> None:
        self.order = order
        self.facts = facts
        self.events: list[OrderEvent | AnomalyEvent] = []

    def add(self, event: OrderEvent | AnomalyEvent) -> None:
        """Decide on one more event."""
        self.events.append(event)
        self.order = evolve(self.order, event, self.facts.now)

    def hold(self, kind: HoldKind, reason: str, expires_at: datetime | None, by: str) -> None:
        """Hold the order; where it is held for the like already, for both reasons and until the later end."""
        held = self.order.holds.get(kind)
        if held is None:
            self.add(OrderHeld(kind, (reason,), expires_at, by))
            return
        reasons = held.reasons if reason in held.reasons else (*held.reasons, reason)
        until = held.expires_at
        expires_at = max(until, expires_at) if until is not None and expires_at is not None else None
        if (reasons, expires_at) != (held.reasons, held.expires_at):
            self.add(OrderHeld(kind, reasons, expires_at, by))

    def tell(self, kind: str, about: str, partner: str, document: Document) -> None:
        """Ask for an external effect, once in all time."""
        effect = effect_id(kind, about)
        if effect not in self.order.effects_asked:
            self.add(EffectRequested(effect, partner, document))

    def tell_shop(self, status: ShopState) -> None:
        """Ask the shop to show a status, once each."""
        shop_order = self.order.facts.shop_order
        self.tell(f"status-{status}", self.order.id, shop(self.order), ShopStatus(shop_order, status))

    def tell_erp_of_order(self, unplaced_at: str = "") -> None:
        """Ask the ERP to book the order as it stands, once; later, that what it has open becomes what is.

        Args:
            unplaced_at: the warehouse under which lines are booked that none has promised yet.
        """
        order = self.order
        if not erp_has_order(order):  # the document is a large one to make only to find it told already
            self.tell("erp-order", order.id, ERP, erp_order(order, unplaced_at))
        elif order.erp.stale:
            self._tell_erp_what_is_open(unplaced_at)

    def tell_erp_of_change(self) -> None:
        """Ask the ERP to follow, if it has the order and what is open of it may be other lines by now."""
        if self.order.erp.stale:
            self._tell_erp_what_is_open("")

    def _tell_erp_what_is_open(self, unplaced_at: str) -> None:
        """Ask for the change without which the ERP would keep other lines open, or other depots.

        What the ERP refused is asked for as it stands then, so there is nothing yet to be changed.
        """
        order = self.order
        if effect_id("erp-order", order.id) in order.refusals:
            return
        open_there = _summed(order.erp.told)
        for noted in order.erp.noted.values():
            open_there.subtract(_summed(noted))
        lines = erp_open_lines(order, unplaced_at)
        if _summed(lines) == +open_there:
            return
        if lines:
            change = ErpChange(order.id, lines)
            self.tell("erp-change", f"{order.id}.{1 + changes_asked(order)}", ERP, change)
        elif +open_there:
            self.tell("erp-cancel", order.id, ERP, ErpCancellation(order.id))

    def raise_anomaly(self, anomaly: str, problem: str, detail: str, mend: str) -> None:
        """Put something before a person, once as long as it is open."""
        name = f"{self.order.id}:{anomaly}"
        if name not in self.order.anomalies:
            self.add(AnomalyRaised(name, problem, detail, mend))


def shop(order: Order) -> str:
    """Return the name under which the outbox knows the order's shop."""
    return f"shop-{order.facts.channel}"


def show(order: Order) -> str:
    """Return the command that shows a person the order, and has it look again at what it can do."""
    return f"wharfctl order show {order.id}"


def erp_order(order: Order, unplaced_at: str = "") -> ErpOrder:
    """Return the order as the ERP books it: all of it, what has left too."""
    facts = order.facts
    return ErpOrder(
        reference=order.id,
        channel=facts.channel,
        shop_reference=facts.reference,
        placed_at=facts.placed_at,
        currency=facts.currency,
        lines=erp_lines(order, [*_placed(order.live()), *_unplaced(order, unplaced_at)]),
        shipping=facts.shipping,
        contact=facts.contact.id,
    )


def erp_open_lines(order: Order, unplaced_at: str = "") -> tuple[ErpLine, ...]:
    """Return what the ERP should keep open of the order: all that has not left."""
    shipped = [part for part in order.live() if part.state == "shipped"]
    open_ = [part for part in order.live() if part.state != "shipped"]
    already = [line for part in shipped for line in part.lines]
    return erp_lines(order, [*_placed(open_), *_unplaced(order, unplaced_at)], already)


def _placed(parts: Iterable[Part]) -> list[tuple[str, Quantity]]:
    return [(part.warehouse, line) for part in parts for line in part.lines]


def _unplaced(order: Order, warehouse: str) -> list[tuple[str, Quantity]]:
    return [(warehouse, line) for line in order.wanted()]


def _summed(lines: Iterable[ErpLine]) -> Counter[tuple[str, str, Decimal]]:
    units: Counter[tuple[str, str, Decimal]] = Counter()
    for line in lines:
        units[line.sku, line.warehouse, line.unit_price] += line.units
    return units


def erp_lines(
    order: Order, rows: Sequence[tuple[str, Quantity]], already: Iterable[Quantity] = ()
) -> tuple[ErpLine, ...]:
    """Return the lines of a document: what goes from which warehouse, each unit at the price it was sold at.

    `already` is what earlier documents of the same kind have named, so that together they come to the order's
    amount where a SKU was sold at several prices.
    """
    prices = LinePrices((*order.facts.lines, *order.former_lines))
    for quantity in already:
        prices.take(quantity.sku, quantity.units)
    priced = [
        (line.sku, units, price, warehouse)
        for warehouse, line in rows
        for units, price in prices.take(line.sku, line.units)
    ]
    return tuple(ErpLine(str(number), *row) for number, row in enumerate(priced, 1))
