"""How an order's state follows from its events, one after another. It owns the fold and decides nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar, assert_never

from msgspec.structs import replace

from actors.domain.anomaly_events import AnomalyEvent, AnomalyRaised, AnomalyResolved
from actors.domain.order_events import (
    AllocationReduced,
    AllocationRefused,
    AllocationReleased,
    CancelAsked,
    CancelRefused,
    ContactCorrected,
    EffectDone,
    EffectRefused,
    EffectRequested,
    FulfilmentAllocated,
    FulfilmentFellShort,
    FulfilmentReady,
    FulfilmentShipped,
    GoodsRestocked,
    GoodsReturned,
    HoldReleased,
    LinesCorrected,
    LinesEdited,
    OrderBackordered,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderEvent,
    OrderHeld,
    OrderImported,
    OrderInvoiced,
    OrderReappeared,
    OrderRetold,
    OrderRouted,
    OrderShipped,
    ParcelLabelled,
    ParcelTracked,
    PromisesKept,
    ReductionRefused,
    RefundNoted,
    RerouteAsked,
    ServiceNamed,
)
from actors.domain.order_sides import came_back, moved_on, telling
from actors.domain.order_state import (
    REROUTABLE,
    Order,
    Parcel,
    Part,
    PartState,
    first_asked,
    order_id,
    stage_of,
)
from actors.domain.stock_events import Quantity

K = TypeVar("K")
T = TypeVar("T")

WAITING = ("held", "backordered")
"""The stages in which an order waits for a person, for money or for goods, and not for us."""

STAGE_KEPT = frozenset(
    {
        ContactCorrected,
        ServiceNamed,
        OrderReappeared,
        EffectRequested,
        EffectDone,
        EffectRefused,
        ParcelLabelled,
        ParcelTracked,
        RefundNoted,
        GoodsReturned,
        GoodsRestocked,
        OrderInvoiced,
        AnomalyRaised,
        AnomalyResolved,
    }
)
"""Half of an order's events leave it in its stage; not asking which one is what makes the fold cheap."""

DetourEvent = (
    ContactCorrected
    | ServiceNamed
    | OrderRetold
    | OrderReappeared
    | LinesCorrected
    | LinesEdited
    | OrderHeld
    | HoldReleased
    | OrderBackordered
    | AllocationRefused
    | AllocationReleased
    | PromisesKept
    | AllocationReduced
    | ReductionRefused
    | RerouteAsked
    | FulfilmentFellShort
    | RefundNoted
    | GoodsReturned
    | GoodsRestocked
    | CancelAsked
    | CancelRefused
    | OrderCancelled
    | ParcelTracked
    | OrderDelivered
    | OrderInvoiced
    | EffectRefused
    | AnomalyRaised
    | AnomalyResolved
)
"""What is no step of the straight way from the shop onto the truck: detours, and what comes after it."""


def evolve(order: Order, event: OrderEvent | AnomalyEvent, at: datetime) -> Order:
    """Return the order after the event."""
    after = _fold(order, event)
    stage = order.stage if type(event) in STAGE_KEPT else stage_of(after)
    since = at if stage != order.stage or order.since is None else order.since
    if order.promised is None and isinstance(event, OrderConfirmed) and after.is_on_floors():
        after = replace(after, promised=at)
    elif isinstance(event, AnomalyRaised) and event.problem == "silent":
        after = replace(after, told_silent=order.version + 1)
    return replace(
        after,
        version=order.version + 1,
        noticed=order.noticed or at,
        touched=at,
        stage=stage,
        since=since,
        waited=order.waited or stage in WAITING,
    )


def _fold(order: Order, event: OrderEvent | AnomalyEvent) -> Order:
    # What an order has most of comes first: each case that is passed is a look at the event's type.
    match event:
        case EffectRequested():
            return _ask(order, event)
        case EffectDone(effect):
            return replace(order, effects=_without(order.effects, effect))
        case ParcelLabelled():
            return _label(order, event)
        case OrderImported():
            return replace(order, id=order_id(event.channel, event.shop_order), imported=event)
        case OrderRouted(plan):
            planned = {part.fulfilment: Part(part.fulfilment, part.warehouse, part.lines) for part in plan}
            count = order.parts_planned + len(plan)
            return replace(
                order,
                parts={**order.parts, **planned},
                parts_planned=count,
                backordered=None,
                erp=moved_on(order.erp),
            )
        case FulfilmentAllocated(fulfilment):
            return _move(order, fulfilment, "allocated")
        case OrderConfirmed(fulfilments):
            for fulfilment in fulfilments:
                order = _move(order, fulfilment, "confirmed")
            return replace(order, refused={})
        case FulfilmentReady(fulfilment, parcels):
            packed = replace(order.parts[fulfilment], state="packed", parcels=parcels)
            return replace(order, parts={**order.parts, fulfilment: packed})
        case FulfilmentShipped(fulfilment):
            return _move(order, fulfilment, "shipped")
        case OrderShipped():
            return replace(order, ended="shipped")
        case _:
            return _fold_detour(order, event)


def _fold_detour(  # noqa: C901, PLR0911, PLR0912 - one case an event
    order: Order, event: DetourEvent
) -> Order:
    match event:
        case ContactCorrected(contact, country):
            return replace(order, imported=replace(order.facts, contact=contact, country=country))
        case ServiceNamed(service):
            return replace(order, imported=replace(order.facts, service=service))
        case OrderRetold(payload):
            return replace(order, imported=replace(order.facts, payload=payload))
        case LinesCorrected(lines):
            return replace(order, imported=replace(order.facts, lines=lines))
        case LinesEdited():
            return _edit(order, event)
        case OrderReappeared():
            return replace(order, vanished=frozenset())
        case OrderHeld(hold, reasons, _, by):
            vanished = order.vanished.union(reasons) if (hold, by) == ("manual", "shop") else order.vanished
            return replace(order, holds={**order.holds, hold: event}, vanished=vanished)
        case HoldReleased(hold, by):
            overrules = hold == "erp" and by != "erp"
            erp = replace(order.erp, overruled=True) if overrules else order.erp
            return replace(order, holds=_without(order.holds, hold), erp=erp)
        case OrderBackordered():
            return replace(order, backordered=event, refused={})
        case AllocationRefused(fulfilment, shortages):
            house = order.parts[fulfilment].warehouse
            said = {(house, short.sku): short.available for short in shortages}
            return replace(_move(order, fulfilment, "gone"), refused={**order.refused, **said})
        case AllocationReleased(fulfilment):
            return _move(order, fulfilment, "gone")
        case PromisesKept():
            return _keep(order, event)
        case AllocationReduced():
            return _reduce(order, event)
        case ReductionRefused(fulfilment):
            return replace(order, keeping=_without(order.keeping, fulfilment))
        case RerouteAsked(_, avoid):
            left = {part.fulfilment for part in order.live() if part.state in REROUTABLE}
            shunned = order.shunned | {avoid} if avoid else frozenset()
            pardoned = order.parts_planned
            return replace(
                order, giving_back=frozenset(left), keeping={}, shunned=shunned, parts_pardoned=pardoned
            )
        case FulfilmentFellShort():
            return _fall_short(order, event)
        case RefundNoted() | GoodsReturned() | GoodsRestocked():
            return replace(order, back=came_back(order.back, event))
        case CancelAsked(by):
            return replace(order, cancel_asked=by)
        case CancelRefused():
            refused = order.cancels_refused | {order.cancel_asked}
            return replace(order, cancel_asked="", cancels_refused=refused)
        case OrderCancelled(by):
            return replace(order, ended="cancelled", cancel_asked="", cancelled_by=by, backordered=None)
        case ParcelTracked(parcel, status, carrier_event):
            moved = replace(order.parcels[parcel], status=status)
            seen = order.tracked | {carrier_event}
            return replace(order, parcels={**order.parcels, parcel: moved}, tracked=seen)
        case OrderDelivered():
            return replace(order, ended="delivered")
        case OrderInvoiced(invoice):
            return replace(order, erp=replace(order.erp, invoices=(*order.erp.invoices, invoice)))
        case EffectRefused(effect):
            refusals = {**order.refusals, first_asked(effect): order.effects[effect]}
            return replace(order, effects=_without(order.effects, effect), refusals=refusals)
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
        erp=moved_on(order.erp),
    )


def _edit(order: Order, event: LinesEdited) -> Order:
    """Take other lines; a part that holds more of a SKU than is asked for now is to be given back."""
    facts = order.facts
    sold = {line.sku for line in event.lines}
    edited = replace(
        order,
        imported=replace(facts, lines=event.lines, total=event.total, shipping=event.shipping),
        former_lines=tuple(line for line in (*facts.lines, *order.former_lines) if line.sku not in sold),
        erp=moved_on(order.erp),
    )
    surplus = edited.surplus()
    left = {
        part.fulfilment
        for part in edited.live()
        if part.state in REROUTABLE and any(line.sku in surplus for line in part.lines)
    }
    backordered = order.backordered if edited.wanted() else None
    return replace(edited, giving_back=order.giving_back | left, backordered=backordered)


def _keep(order: Order, event: PromisesKept) -> Order:
    """Have parts give back less than all; one that is to keep all that it holds gives back nothing.

    Unless it was asked for a part of it before: its warehouse may have taken that back already.
    """
    kept = {each.fulfilment: each.lines for each in event.kept}
    untouched = {
        fulfilment
        for fulfilment, lines in kept.items()
        if fulfilment not in order.keeping and lines == order.parts[fulfilment].lines
    }
    keeping = {fulfilment: lines for fulfilment, lines in kept.items() if fulfilment not in untouched}
    return replace(order, giving_back=order.giving_back - untouched, keeping=keeping)


def _reduce(order: Order, event: AllocationReduced) -> Order:
    """Take it that a part holds less; what its floor has not found of it since is not held either."""
    fulfilment = event.fulfilment
    held = tuple(
        Quantity(line.sku, units)
        for line in event.lines
        if (units := line.units - order.short.get((fulfilment, line.sku), 0)) > 0
    )
    part = order.parts[fulfilment]
    smaller = replace(part, lines=held, state=part.state if held else "gone")
    return replace(
        order,
        parts={**order.parts, fulfilment: smaller},
        giving_back=order.giving_back - {fulfilment},
        keeping=_without(order.keeping, fulfilment),
        erp=moved_on(order.erp),
    )


def _ask(order: Order, event: EffectRequested) -> Order:
    effect, document = event.effect, event.document
    return replace(
        order,
        effects={**order.effects, effect: document},
        effects_asked=order.effects_asked | {effect},
        refusals=_without(order.refusals, first_asked(effect)),
        erp=telling(order.erp, document),
    )


def _label(order: Order, event: ParcelLabelled) -> Order:
    document = order.effects[event.effect]
    carrier = getattr(document, "carrier", "")
    weight = getattr(document, "weight_g", 0)
    parcel = Parcel(event.parcel, event.tracking, carrier, weight)
    return replace(
        order, effects=_without(order.effects, event.effect), parcels={**order.parcels, event.parcel: parcel}
    )
