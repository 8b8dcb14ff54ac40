"""What an order is, folded from its events.

It owns the fold and what follows from the state; it decides nothing.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeVar, assert_never

from msgspec import Struct
from msgspec.structs import replace

from actors.domain.anomaly_events import AnomalyEvent, AnomalyRaised, AnomalyResolved
from actors.domain.documents import Document
from actors.domain.order_events import (
    AllocationRefused,
    AllocationReleased,
    CancelAsked,
    CancelRefused,
    EffectDone,
    EffectRefused,
    EffectRequested,
    FulfilmentAllocated,
    FulfilmentFellShort,
    FulfilmentReady,
    FulfilmentShipped,
    HoldKind,
    HoldReleased,
    OrderBackordered,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderEvent,
    OrderHeld,
    OrderImported,
    OrderRouted,
    OrderShipped,
    ParcelLabelled,
    ParcelTracked,
)
from actors.domain.stock_events import PackedParcel, Quantity

K = TypeVar("K")
T = TypeVar("T")

PartState = Literal["planned", "allocated", "confirmed", "packed", "shipped", "gone"]
Stage = Literal[
    "new",
    "held",
    "routing",
    "allocating",
    "backordered",
    "picking",
    "packed",
    "shipped",
    "delivered",
    "cancelled",
]

RESUME_AFTER = timedelta(seconds=5)
"""An order that has a step of its own to take is woken when it has not taken it by then: its daemon died."""

CLOCKS: Mapping[Stage, timedelta] = {
    "new": timedelta(minutes=5),
    "routing": timedelta(minutes=5),
    "allocating": timedelta(minutes=5),
    "held": timedelta(hours=24),
    "backordered": timedelta(days=3),
    "picking": timedelta(hours=24),
    "packed": timedelta(hours=1),
    "shipped": timedelta(days=7),
}
"""How long an order may be silent in a stage before the desk makes it an anomaly.

What machines do takes minutes, a floor works an order within a day, carriers deliver within a week; delivered
and cancelled orders rest.
"""


class Part(Struct, frozen=True):
    """What one warehouse ships of the order.

    A part that is `gone` was refused, released or found short entirely.
    """

    fulfilment: str
    warehouse: str
    lines: tuple[Quantity, ...]
    state: PartState = "planned"
    parcels: tuple[PackedParcel, ...] = ()


class Parcel(Struct, frozen=True):
    """A parcel and its label."""

    parcel: str
    tracking: str
    carrier: str
    weight_g: int
    status: str = "announced"


class Order(Struct, frozen=True):
    """An order's state. `wanted` and the stage follow from it; nothing in it names a person."""

    imported: OrderImported | None = None
    version: int = 0
    since: datetime | None = None
    touched: datetime | None = None
    holds: Mapping[HoldKind, OrderHeld] = {}
    overridden: frozenset[HoldKind] = frozenset()
    parts: Mapping[str, Part] = {}
    parts_planned: int = 0
    avoid: frozenset[tuple[str, str]] = frozenset()
    short: Mapping[tuple[str, str], int] = {}
    backordered: OrderBackordered | None = None
    effects: Mapping[str, Document] = {}
    effects_asked: frozenset[str] = frozenset()
    parcels: Mapping[str, Parcel] = {}
    tracked: frozenset[str] = frozenset()
    anomalies: Mapping[str, str] = {}
    cancel_asked: str = ""
    cancels_refused: frozenset[str] = frozenset()
    ended: Literal["", "shipped", "delivered", "cancelled"] = ""
    stage: Stage = "new"

    @property
    def facts(self) -> OrderImported:
        """What was imported; an order without it does not exist."""
        if self.imported is None:
            msg = "the order's stream does not begin with its import"
            raise ValueError(msg)
        return self.imported

    @property
    def id(self) -> str:
        """Our id of the order, which partners see as its reference."""
        return order_id(self.facts.channel, self.facts.shop_order)

    def live(self) -> Iterable[Part]:
        """Return the parts that hold, or are about to hold, stock for the order, or have shipped it."""
        return (part for part in self.parts.values() if part.state != "gone")

    def wanted(self) -> tuple[Quantity, ...]:
        """Return what the order asks for and no part covers, each SKU once, in the order of its lines."""
        if self.ended:
            return ()
        open_: dict[str, int] = {}
        for line in self.facts.lines:
            open_[line.sku] = open_.get(line.sku, 0) + line.units
        for part in self.live():
            for quantity in part.lines:
                open_[quantity.sku] -= quantity.units
        return tuple(Quantity(sku, units) for sku, units in open_.items() if units > 0)

    def label_effects(self, part: Part) -> tuple[str, ...]:
        """Return the effects that buy the part's labels, in the order of its parcels."""
        return tuple(effect_id("label", parcel.parcel) for parcel in part.parcels)


def order_id(channel: str, shop_order: str) -> str:
    """Return our id of a shop's order; at most 20 characters, as Divalto's reference field holds no more."""
    return f"{channel}-{shop_order}"


def effect_id(kind: str, about: str) -> str:
    """Return the id of an effect: there is one of each kind about each thing."""
    return f"{kind}:{about}"


def evolve(order: Order, event: OrderEvent | AnomalyEvent, at: datetime) -> Order:
    """Return the order after the event."""
    after = _fold(order, event)
    stage = _stage(after)
    since = at if stage != order.stage or order.since is None else order.since
    return replace(after, version=order.version + 1, touched=at, stage=stage, since=since)


def _fold(order: Order, event: OrderEvent | AnomalyEvent) -> Order:  # noqa: C901, PLR0911 - one case an event
    match event:
        case OrderImported():
            return replace(order, imported=event)
        case OrderHeld(hold):
            return replace(order, holds={**order.holds, hold: event})
        case HoldReleased(hold):
            return replace(order, holds=_without(order.holds, hold), overridden=order.overridden | {hold})
        case OrderRouted(plan):
            planned = {part.fulfilment: Part(part.fulfilment, part.warehouse, part.lines) for part in plan}
            count = order.parts_planned + len(plan)
            return replace(order, parts={**order.parts, **planned}, parts_planned=count, backordered=None)
        case OrderBackordered():
            return replace(order, backordered=event)
        case FulfilmentAllocated(fulfilment):
            return _move(order, fulfilment, "allocated")
        case AllocationRefused(fulfilment) | AllocationReleased(fulfilment):
            return _move(order, fulfilment, "gone")
        case OrderConfirmed(fulfilments):
            for fulfilment in fulfilments:
                order = _move(order, fulfilment, "confirmed")
            return order
        case FulfilmentFellShort():
            return _fall_short(order, event)
        case FulfilmentReady(fulfilment, parcels):
            packed = replace(order.parts[fulfilment], state="packed", parcels=parcels)
            return replace(order, parts={**order.parts, fulfilment: packed})
        case FulfilmentShipped(fulfilment):
            return _move(order, fulfilment, "shipped")
        case OrderShipped():
            return replace(order, ended="shipped")
        case ParcelTracked(parcel, status, carrier_event):
            moved = replace(order.parcels[parcel], status=status)
            seen = order.tracked | {carrier_event}
            return replace(order, parcels={**order.parcels, parcel: moved}, tracked=seen)
        case OrderDelivered():
            return replace(order, ended="delivered")
        case CancelAsked(by):
            return replace(order, cancel_asked=by)
        case CancelRefused():
            refused = order.cancels_refused | {order.cancel_asked}
            return replace(order, cancel_asked="", cancels_refused=refused)
        case OrderCancelled():
            return replace(order, ended="cancelled", cancel_asked="", backordered=None)
        case EffectRequested(effect, _, document):
            asked = order.effects_asked | {effect}
            return replace(order, effects={**order.effects, effect: document}, effects_asked=asked)
        case EffectDone(effect) | EffectRefused(effect):
            return replace(order, effects=_without(order.effects, effect))
        case ParcelLabelled():
            return _label(order, event)
        case AnomalyRaised(anomaly, problem):
            return replace(order, anomalies={**order.anomalies, anomaly: problem})
        case AnomalyResolved(anomaly):
            return replace(order, anomalies=_without(order.anomalies, anomaly))
        case _:
            assert_never(event)


def _without(rows: Mapping[K, T], key: K) -> dict[K, T]:
    return {other: row for other, row in rows.items() if other != key}


def _move(order: Order, fulfilment: str, state: PartState) -> Order:
    return replace(order, parts={**order.parts, fulfilment: replace(order.parts[fulfilment], state=state)})


def _fall_short(order: Order, event: FulfilmentFellShort) -> Order:
    part = order.parts[event.fulfilment]
    left = tuple(
        Quantity(line.sku, line.units - (event.missing if line.sku == event.sku else 0))
        for line in part.lines
    )
    left = tuple(line for line in left if line.units > 0)
    shorter = replace(part, lines=left, state=part.state if left else "gone")
    key = (event.fulfilment, event.sku)
    return replace(
        order,
        parts={**order.parts, event.fulfilment: shorter},
        avoid=order.avoid | {(part.warehouse, event.sku)},
        short={**order.short, key: order.short.get(key, 0) + event.missing},
    )


def _label(order: Order, event: ParcelLabelled) -> Order:
    document = order.effects[event.effect]
    carrier = getattr(document, "carrier", "")
    weight = getattr(document, "weight_g", 0)
    parcel = Parcel(event.parcel, event.tracking, carrier, weight)
    return replace(
        order, effects=_without(order.effects, event.effect), parcels={**order.parcels, event.parcel: parcel}
    )


def _stage(order: Order) -> Stage:
    if order.ended:
        return order.ended
    if order.holds:
        return "held"
    states = {part.state for part in order.live()}
    if "planned" in states or "allocated" in states:
        return "allocating"
    if order.backordered is not None:
        return "backordered"
    if order.wanted():
        return "routing" if order.parts_planned else "new"
    return "picking" if "confirmed" in states else "packed"


def has_own_step(order: Order) -> bool:
    """Tell whether the order itself has something to do, as opposed to waiting for others."""
    if order.ended or (order.holds and not order.cancel_asked):
        return False
    if order.cancel_asked or order.stage in ("new", "routing", "allocating"):
        return True
    return any(ready_to_dispatch(order, part) for part in order.live())


def ready_to_dispatch(order: Order, part: Part) -> bool:
    """Tell whether every parcel of the part has its label."""
    return part.state == "packed" and all(parcel.parcel in order.parcels for parcel in part.parcels)


def due_at(order: Order) -> datetime | None:
    """Return when the desk has to wake the order; None once it rests or a person has been told."""
    if order.since is None or order.touched is None:
        return None
    expiries = [held.expires_at for held in order.holds.values() if held.expires_at is not None]
    if silence_id(order) in order.anomalies:
        return min(expiries, default=None)
    if has_own_step(order):
        expiries.append(order.touched + RESUME_AFTER)
    elif order.stage in CLOCKS:
        expiries.append(order.since + CLOCKS[order.stage])
    return min(expiries, default=None)


def silence_id(order: Order) -> str:
    """Return the id of the anomaly that says that the order is silent in its present stage."""
    since = order.since.isoformat(timespec="seconds") if order.since is not None else ""
    return f"{order.id}:silent:{order.stage}:{since}"


def erp_has_order(order: Order) -> bool:
    """Tell whether the ERP was ever asked to book the order."""
    return effect_id("erp-order", order.id) in order.effects_asked


def line_prices(order: Order) -> dict[str, Decimal]:
    """Return the unit price of each SKU; the first line's where a SKU stands in several."""
    prices: dict[str, Decimal] = {}
    for line in order.facts.lines:
        prices.setdefault(line.sku, line.unit_price)
    return prices
