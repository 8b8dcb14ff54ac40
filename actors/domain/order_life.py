"""What an order decides: which facts a command causes, and which step the order takes next by itself.

An order's life, by the stage that `order_state` folds from its events:

    new ─▶ held ─▶ routing ─▶ allocating ─▶ picking ─▶ packed ─▶ shipped ─▶ delivered
     └──────┴──────────┴─▶ backordered ─▶ allocating        └──── any stage before packed ─▶ cancelled

The two halves never mix: `decide` turns a command into events, `next_steps` turns a state into questions to
warehouses, whose answers come back as commands. So an order that was interrupted anywhere goes on from its
state alone.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import assert_never

from msgspec import Struct

from actors.domain.anomaly_events import AnomalyEvent, AnomalyRaised, AnomalyResolved
from actors.domain.carrier_choice import CarrierRule, NoCarrier, choose_carrier
from actors.domain.documents import (
    Document,
    ErpCancellation,
    ErpDeliveryNote,
    ErpLine,
    ErpOrder,
    LabelPurchase,
    ShopParcel,
    ShopState,
    ShopStatus,
    ShopTracking,
)
from actors.domain.order_commands import (
    Answered,
    Cancel,
    Expired,
    FellShort,
    Hold,
    Import,
    OrderCommand,
    Packed,
    Refused,
    ReleaseHold,
    Settled,
    StepKind,
    Tracked,
    Wake,
)
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
    HoldReleased,
    OrderBackordered,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderEvent,
    OrderHeld,
    OrderImported,
    OrderLine,
    OrderRouted,
    OrderShipped,
    ParcelLabelled,
    ParcelTracked,
)
from actors.domain.order_state import (
    CLOCKS,
    Order,
    Part,
    effect_id,
    erp_has_order,
    evolve,
    line_prices,
    ready_to_dispatch,
    silence_id,
)
from actors.domain.routing import NoPlan, Picture, Plan, RoutingRules, route
from actors.domain.stock_commands import (
    Confirm,
    Dispatch,
    Done,
    Granted,
    NotEnough,
    Rejected,
    Release,
    Reserve,
)

ALLOCATION_LASTS = timedelta(minutes=10)
"""A plan over several warehouses is confirmed within a second.

Ten minutes outlast a restart of the daemon.
"""

ROUTES_MAX = 50
"""An order routed this often without being promised anything chases a picture that is wrong.

It is backordered.
"""

ERP = "erp"
"""The name under which the outbox knows the one system that keeps the books."""


class Facts(Struct, frozen=True):
    """What a decision may look at beside the order: all values, so that it can be made again."""

    now: datetime
    rules: RoutingRules
    carriers: tuple[CarrierRule, ...]
    picture: Picture
    knows: Callable[[str], bool]


class Step(Struct, frozen=True):
    """A question to a warehouse that the order asks by itself; asking again is harmless."""

    kind: StepKind
    fulfilment: str
    warehouse: str
    command: Reserve | Confirm | Release | Dispatch


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

    def tell(self, kind: str, about: str, partner: str, document: Document) -> None:
        """Ask for an external effect, once in all time."""
        effect = effect_id(kind, about)
        if effect not in self.order.effects_asked:
            self.add(EffectRequested(effect, partner, document))

    def tell_shop(self, status: ShopState) -> None:
        """Ask the shop to show a status, once each."""
        shop_order = self.order.facts.shop_order
        self.tell(f"status-{status}", self.order.id, shop(self.order), ShopStatus(shop_order, status))

    def raise_anomaly(self, anomaly: str, problem: str, detail: str, mend: str) -> None:
        """Put something before a person, once as long as it is open."""
        name = f"{self.order.id}:{anomaly}"
        if name not in self.order.anomalies:
            self.add(AnomalyRaised(name, problem, detail, mend))


def shop(order: Order) -> str:
    """Return the name under which the outbox knows the order's shop."""
    return f"shop-{order.facts.channel}"


def decide(order: Order, command: OrderCommand, facts: Facts) -> tuple[OrderEvent | AnomalyEvent, ...]:
    """Return the events that `command` causes: none when there is nothing (left) to do."""
    draft = Draft(order, facts)
    if isinstance(command, Import):
        _import(draft, command)
    elif order.imported is not None:
        _decide(draft, command)
    if draft.order.imported is not None:
        _resolve_what_moved_on(draft)
    return tuple(draft.events)


def _decide(draft: Draft, command: OrderCommand) -> None:  # noqa: C901 - one case a command
    match command:
        case Wake():
            _wake(draft)
        case Answered():
            _answered(draft, command)
        case Packed():
            _packed(draft, command)
        case Settled():
            _settled(draft, command)
        case FellShort():
            _fell_short(draft, command)
        case Expired(fulfilment):
            if draft.order.parts[fulfilment].state in ("planned", "allocated"):
                draft.add(AllocationReleased(fulfilment, "expired"))
                _go_on(draft)
        case Refused(effect, why):
            if effect in draft.order.effects:
                draft.add(EffectRefused(effect, why))
                mend = f"wharfctl order show {draft.order.id}"
                draft.raise_anomaly(f"refused:{effect}", "refused_by_partner", f"{effect}: {why}", mend)
        case Tracked():
            _tracked(draft, command)
        case Hold(kind, reason, expires_at, by):
            if kind not in draft.order.holds and not draft.order.ended:
                draft.add(OrderHeld(kind, (reason,), expires_at, by))
        case ReleaseHold(kind, by):
            if kind in draft.order.holds:
                draft.add(HoldReleased(kind, by))
                _go_on(draft)
        case Cancel(by):
            _cancel(draft, by)
        case Import():
            _import(draft, command)
        case _:
            assert_never(command)


# --- from the shop ------------------------------------------------------------------------------------------


def _import(draft: Draft, command: Import) -> None:
    if draft.order.imported is not None:
        _import_again(draft, command)
        return
    if command.standing in ("cancelled", "shipped"):
        return
    draft.add(
        OrderImported(
            channel=command.channel,
            shop_order=command.shop_order,
            reference=command.reference,
            placed_at=command.placed_at,
            currency=command.currency,
            total=command.total,
            shipping=command.shipping,
            service=command.service,
            country=command.country,
            lines=command.lines,
            contact=command.contact,
            payload=command.payload,
        )
    )
    problems = (*_line_problems(draft.order, draft.facts), *command.address_problems)
    if problems:
        draft.add(OrderHeld("validation", problems, None, "validation"))
        mend = f"wharfctl order release {draft.order.id} --hold validation"
        draft.raise_anomaly("invalid", "invalid_order", "; ".join(problems), mend)
    if command.standing == "unpaid":
        draft.add(OrderHeld("payment", ("the shop says that it is not paid yet",), None, "shop"))
    _go_on(draft)


def _line_problems(order: Order, facts: Facts) -> tuple[str, ...]:
    """Return everything that is wrong with the lines, all at once."""
    lines = order.facts.lines
    problems = [] if lines else ["the order has no lines"]
    for line in lines:
        if not line.sku:
            problems.append(f"line {line.line} has no SKU")
        elif not facts.knows(line.sku):
            problems.append(_unknown_sku(line))
        if line.units <= 0:
            problems.append(f"line {line.line} asks for {line.units} units")
        if line.unit_price < 0:
            problems.append(f"line {line.line} has the price {line.unit_price}")
    return tuple(problems)


def _unknown_sku(line: OrderLine) -> str:
    return f"no warehouse knows the SKU {line.sku} of line {line.line}"


def _unknown_skus(order: Order) -> set[str]:
    """Return the failures that mend themselves once the SKUs turn up in a warehouse."""
    return {_unknown_sku(line) for line in order.facts.lines}


def _import_again(draft: Draft, command: Import) -> None:
    order = draft.order
    if command.standing == "cancelled" and "shop" not in order.cancels_refused:
        _cancel(draft, "shop")
    elif command.standing == "open" and "payment" in order.holds:
        draft.add(HoldReleased("payment", "shop"))
        _go_on(draft)
    if command.lines != order.facts.lines and not order.ended:
        detail = "the lines were changed in the shop after the import"
        draft.raise_anomaly("edited", "changed_in_shop", detail, f"wharfctl order show {order.id}")


# --- the order's own way ------------------------------------------------------------------------------------


def _wake(draft: Draft) -> None:
    order, now = draft.order, draft.facts.now
    for kind, held in order.holds.items():
        if held.expires_at is not None and held.expires_at <= now:
            draft.add(HoldReleased(kind, "expiry"))
    invalid = draft.order.holds.get("validation")
    if (
        invalid is not None
        and set(invalid.reasons) <= _unknown_skus(order)
        and not _line_problems(order, draft.facts)
    ):
        draft.add(HoldReleased("validation", "mapping"))
    _go_on(draft)
    for part in draft.order.live():
        if part.state == "packed":
            _ask_labels(draft, part)
    clock = CLOCKS.get(draft.order.stage)
    since = draft.order.since
    if (
        clock is None
        or since is None
        or now < since + clock
        or silence_id(draft.order) in draft.order.anomalies
    ):
        return
    detail = f"nothing has happened in the stage {draft.order.stage} since {since:%Y-%m-%d %H:%M} UTC"
    draft.add(
        AnomalyRaised(silence_id(draft.order), "silent", detail, f"wharfctl order show {draft.order.id}")
    )


def _resolve_what_moved_on(draft: Draft) -> None:
    order = draft.order
    for anomaly, problem in tuple(order.anomalies.items()):
        settled = problem == "silent" and anomaly != silence_id(order)
        valid_again = problem == "invalid_order" and "validation" not in order.holds
        if settled or valid_again:
            draft.add(AnomalyResolved(anomaly, "system"))


def _go_on(draft: Draft, picture: Picture | None = None) -> None:
    """Route what nobody covers yet, if the order may go on."""
    order, facts = draft.order, draft.facts
    wanted = order.wanted()
    if not wanted or order.ended or order.holds or order.cancel_asked:
        return
    planned = order.parts_planned
    rules = facts.rules if planned < ROUTES_MAX else _without_sites(facts.rules)
    chosen = route(
        wanted,
        order.facts.country,
        picture or facts.picture,
        rules,
        avoid=order.avoid,
        ids=lambda n: f"{order.id}.{planned + n}",
    )
    match chosen:
        case Plan(parts, candidates):
            draft.add(OrderRouted(parts, candidates, rules.version))
        case NoPlan(missing, candidates):
            if order.backordered is None or order.backordered.missing != missing:
                draft.add(OrderBackordered(missing, candidates, rules.version))
                draft.tell_shop("backordered")
        case _:
            assert_never(chosen)


def _without_sites(rules: RoutingRules) -> RoutingRules:
    return RoutingRules((), rules.parts_max, rules.version)


def next_steps(order: Order, now: datetime) -> tuple[Step, ...]:
    """Return what the order asks warehouses now.

    Each answer is a command; after it, ask for the next steps again.
    """
    if order.imported is None or order.ended:
        return ()
    live = tuple(order.live())
    if order.cancel_asked:
        return tuple(_step("release", part, Release(part.fulfilment, "cancelled")) for part in live)
    unconfirmed = tuple(part for part in live if part.state in ("planned", "allocated"))
    if order.backordered is not None and unconfirmed:
        return tuple(_step("release", part, Release(part.fulfilment, "rerouted")) for part in unconfirmed)
    if order.holds:
        return ()
    planned = tuple(part for part in unconfirmed if part.state == "planned")
    if planned:
        expires_at = now + ALLOCATION_LASTS if _waits_for_others(order) else None
        return tuple(
            _step("reserve", part, Reserve(part.fulfilment, order.id, part.lines, expires_at))
            for part in planned
        )
    if unconfirmed:
        return tuple(_step("confirm", part, Confirm(part.fulfilment)) for part in unconfirmed)
    ready = (part for part in live if ready_to_dispatch(order, part))
    return tuple(_step("dispatch", part, Dispatch(part.fulfilment)) for part in ready)


def _step(kind: StepKind, part: Part, command: Reserve | Confirm | Release | Dispatch) -> Step:
    return Step(kind, part.fulfilment, part.warehouse, command)


def _waits_for_others(order: Order) -> bool:
    """Tell whether a reservation is one of several that stand or fall together."""
    unconfirmed = [part for part in order.live() if part.state in ("planned", "allocated")]
    return len(unconfirmed) > 1 or bool(order.wanted())


# --- from the warehouses ------------------------------------------------------------------------------------


def _answered(draft: Draft, command: Answered) -> None:
    part = draft.order.parts.get(command.fulfilment)
    if part is None:
        return
    match command.step:
        case "reserve" if part.state == "planned":
            _reserve_answered(draft, part, command)
        case "confirm" if part.state == "allocated":
            if isinstance(command.answer, Rejected):
                draft.add(AllocationReleased(part.fulfilment, "expired"))
                _go_on(draft)
            else:
                _confirm(draft, part.fulfilment)
        case "release" if part.state != "gone":
            _release_answered(draft, part, command)
        case "dispatch" if part.state == "packed":
            _dispatch_answered(draft, part, command)
        case _:
            return


def _reserve_answered(draft: Draft, part: Part, command: Answered) -> None:
    match command.answer:
        case Granted() | Done():
            alone = not _waits_for_others(draft.order)
            draft.add(FulfilmentAllocated(part.fulfilment))
            if alone:
                _confirm(draft, part.fulfilment)
        case NotEnough(shortages):
            draft.add(AllocationRefused(part.fulfilment, shortages))
            seen = {(part.warehouse, short.sku): short.available for short in shortages}
            picture = draft.facts.picture
            _go_on(
                draft, lambda site, sku: min(picture(site, sku), seen.get((site, sku), picture(site, sku)))
            )
        case Rejected():
            draft.add(AllocationReleased(part.fulfilment, "expired"))
            _go_on(draft)
        case _:
            assert_never(command.answer)


def _confirm(draft: Draft, fulfilment: str) -> None:
    draft.add(OrderConfirmed((fulfilment,)))
    order = draft.order
    if order.wanted() or any(part.state in ("planned", "allocated") for part in order.live()):
        return
    facts = order.facts
    document = ErpOrder(
        reference=order.id,
        channel=facts.channel,
        shop_reference=facts.reference,
        placed_at=facts.placed_at,
        currency=facts.currency,
        lines=_erp_lines(order, *order.live()),
        shipping=facts.shipping,
        contact=facts.contact.id,
    )
    draft.tell("erp-order", order.id, ERP, document)
    draft.tell_shop("preparing")


def _erp_lines(order: Order, *parts: Part) -> tuple[ErpLine, ...]:
    prices = line_prices(order)
    rows = [(line, part.warehouse) for part in parts for line in part.lines]
    return tuple(
        ErpLine(str(number), line.sku, line.units, prices[line.sku], warehouse)
        for number, (line, warehouse) in enumerate(rows, 1)
    )


def _release_answered(draft: Draft, part: Part, command: Answered) -> None:
    order = draft.order
    if isinstance(command.answer, Rejected):
        _refuse_cancel(draft, f"{part.fulfilment} at {part.warehouse} ({command.answer.why})")
        return
    draft.add(AllocationReleased(part.fulfilment, "cancelled" if order.cancel_asked else "rerouted"))
    if order.cancel_asked and not any(draft.order.live()):
        _end_cancelled(draft)


def _dispatch_answered(draft: Draft, part: Part, command: Answered) -> None:
    if isinstance(command.answer, Rejected):
        mend = f"wharfctl order show {draft.order.id}"
        draft.raise_anomaly(f"dispatch:{part.fulfilment}", "dispatch_refused", command.answer.why, mend)
        return
    draft.add(FulfilmentShipped(part.fulfilment))
    order = draft.order
    lines = _erp_lines(order, part)
    note = ErpDeliveryNote(part.fulfilment, order.id, part.warehouse, lines, draft.facts.now)
    draft.tell("erp-note", part.fulfilment, ERP, note)
    parcels = tuple(
        ShopParcel(parcel.parcel, parcel.carrier, parcel.tracking, parcel.weight_g)
        for parcel in order.parcels.values()
        if any(
            parcel.parcel == packed.parcel
            for done in order.live()
            if done.state == "shipped"
            for packed in done.parcels
        )
    )
    draft.tell("tracking", part.fulfilment, shop(order), ShopTracking(order.facts.shop_order, parcels))
    if not order.wanted() and all(other.state == "shipped" for other in order.live()):
        draft.add(OrderShipped())
        draft.tell_shop("shipped")


def _packed(draft: Draft, command: Packed) -> None:
    part = draft.order.parts.get(command.fulfilment)
    if part is None or part.state not in ("planned", "allocated", "confirmed"):
        return
    if part.state == "planned":
        draft.add(FulfilmentAllocated(part.fulfilment))
    if part.state != "confirmed":
        _confirm(draft, part.fulfilment)
    draft.add(FulfilmentReady(command.fulfilment, command.parcels))
    _ask_labels(draft, draft.order.parts[command.fulfilment])


def _ask_labels(draft: Draft, part: Part) -> None:
    """Ask for the labels that were not asked for yet.

    At the pack, and again once a missing carrier rule is there.
    """
    facts = draft.order.facts
    for parcel in part.parcels:
        if effect_id("label", parcel.parcel) in draft.order.effects_asked:
            continue
        chosen = choose_carrier(
            draft.facts.carriers, service=facts.service, country=facts.country, weight_g=parcel.weight_g
        )
        if isinstance(chosen, NoCarrier):
            mend = f"add a carrier rule, then wharfctl order show {draft.order.id}"
            draft.raise_anomaly(f"carrier:{parcel.parcel}", "no_carrier", "; ".join(chosen.reasons), mend)
            continue
        purchase = LabelPurchase(
            parcel=parcel.parcel,
            carrier=chosen.carrier,
            service=chosen.carrier_service,
            warehouse=part.warehouse,
            country=facts.country,
            weight_g=parcel.weight_g,
            contact=facts.contact.id,
        )
        draft.tell("label", parcel.parcel, f"carrier-{chosen.carrier}", purchase)


def _fell_short(draft: Draft, command: FellShort) -> None:
    known = draft.order.short.get((command.fulfilment, command.sku), 0)
    part = draft.order.parts.get(command.fulfilment)
    if part is None or command.missing <= known or part.state == "gone":
        return
    draft.add(FulfilmentFellShort(command.fulfilment, command.sku, command.missing - known))
    detail = f"{command.missing} of {command.sku} were not found at {part.warehouse}"
    mend = f"count {command.sku} at {part.warehouse}"
    draft.raise_anomaly(f"short:{command.fulfilment}:{command.sku}", "short_pick", detail, mend)
    _go_on(draft)


# --- cancel -------------------------------------------------------------------------------------------------


def _cancel(draft: Draft, by: str) -> None:
    order = draft.order
    if order.ended == "cancelled" or order.cancel_asked or by in order.cancels_refused:
        return
    draft.add(CancelAsked(by))
    too_late = [part for part in order.live() if part.state in ("packed", "shipped")]
    if too_late:
        where = ", ".join(f"{part.fulfilment} at {part.warehouse} ({part.state})" for part in too_late)
        _refuse_cancel(draft, where)
    elif not any(order.live()):
        _end_cancelled(draft)


def _refuse_cancel(draft: Draft, where: str) -> None:
    draft.add(CancelRefused(where))
    mend = f"intercept {where}, or take it back as a return"
    draft.raise_anomaly("cancel", "cancelled_too_late", f"too late to cancel: {where}", mend)
    _go_on(draft)


def _end_cancelled(draft: Draft) -> None:
    by = draft.order.cancel_asked
    had_erp_order = erp_has_order(draft.order)
    draft.add(OrderCancelled(by))
    if had_erp_order:
        draft.tell("erp-cancel", draft.order.id, ERP, ErpCancellation(draft.order.id))
    if by != "shop":
        draft.tell_shop("cancelled")


# --- from the partners --------------------------------------------------------------------------------------


def _settled(draft: Draft, command: Settled) -> None:
    document = draft.order.effects.get(command.effect)
    if document is None:
        return
    if isinstance(document, LabelPurchase) and command.label is not None:
        labelled = ParcelLabelled(
            effect=command.effect,
            parcel=document.parcel,
            tracking=command.tracking,
            reference=command.reference,
            price=command.price,
            currency=command.currency,
            label=command.label,
        )
        draft.add(labelled)
    else:
        draft.add(EffectDone(command.effect, command.reference))


def _tracked(draft: Draft, command: Tracked) -> None:
    order = draft.order
    parcel = order.parcels.get(command.parcel)
    if parcel is None or command.carrier_event in order.tracked or parcel.status == "delivered":
        return
    draft.add(ParcelTracked(command.parcel, command.status, command.carrier_event, command.at))
    order = draft.order
    if order.ended == "shipped" and all(each.status == "delivered" for each in order.parcels.values()):
        draft.add(OrderDelivered())
