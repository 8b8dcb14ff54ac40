"""What an order decides: which facts a command causes, and which step the order takes next by itself.

An order's life, by the stages of `order_state.LIFE_CYCLE`:

    new ─▶ held ─▶ routing ─▶ allocating ─▶ picking ─▶ packed ─▶ shipped ─▶ delivered
     └──────┴──────────┴─▶ backordered ─▶ allocating        └──── any stage before packed ─▶ cancelled

The two halves never mix: `decide` turns a command into events, `next_steps` turns a state into questions to
warehouses, whose answers come back as commands. So an order that was interrupted anywhere goes on from its
state alone. The parts of its life stand in modules of their own: import, allocation, shipping, cancel.
"""

from typing import assert_never

from actors.domain.anomaly_events import AnomalyEvent, AnomalyRaised, AnomalyResolved
from actors.domain.order_allocation import (
    Step,
    confirm_answered,
    expired,
    fell_short,
    go_on,
    has_planned_enough,
    next_steps,
    reroute,
    reserve_answered,
    stranded,
)
from actors.domain.order_cancel import cancel, end_if_cancelled, release_answered
from actors.domain.order_commands import (
    Answered,
    AskAgain,
    Cancel,
    Expired,
    FellShort,
    Hold,
    Import,
    Invoiced,
    OrderCommand,
    Packed,
    Refused,
    ReleaseHold,
    Reroute,
    ResolveAnomaly,
    Retell,
    Settled,
    Stranded,
    TakeBack,
    Tracked,
    Vanished,
    Wake,
)
from actors.domain.order_draft import Draft, Facts, show
from actors.domain.order_erp import invoiced, mind_erp
from actors.domain.order_events import HoldReleased, OrderEvent, OrderRetold
from actors.domain.order_import import import_order, release_once_skus_are_known, vanished
from actors.domain.order_returns import restock_answered, return_stranded, take_back
from actors.domain.order_shipping import (
    ask_again,
    ask_labels,
    dispatch_answered,
    follow_edit,
    has_labels_asked,
    packed,
    reduce_answered,
    refused,
    settled,
    tracked,
)
from actors.domain.order_state import (
    CLOCKS,
    REROUTABLE,
    Order,
    expected_back,
    silence_id,
    to_give_back,
    to_restock,
)

__all__ = ["Draft", "Facts", "Step", "consider", "decide", "next_steps"]

FromFloor = Answered | Packed | FellShort | Expired | Stranded
FromPartner = Settled | Refused | Tracked | Invoiced
FromPeople = Hold | ReleaseHold | AskAgain | Cancel | ResolveAnomaly | Reroute | TakeBack


def decide(order: Order, command: OrderCommand, facts: Facts) -> tuple[OrderEvent | AnomalyEvent, ...]:
    """Return the events that `command` causes: none when there is nothing (left) to do."""
    return tuple(consider(order, command, facts).events)


def consider(order: Order, command: OrderCommand, facts: Facts) -> Draft:
    """Return the events that `command` causes, and the order after them."""
    draft = Draft(order, facts)
    gave_back = any(to_give_back(order))
    if isinstance(command, Import):
        import_order(draft, command)
    elif order.imported is not None:
        _decide(draft, command)
    if draft.order.imported is not None:
        if gave_back:
            # Whatever became of the last of it: given back, packed, not found, let expire.
            follow_edit(draft)
        if HoldReleased in map(type, draft.events):
            _label_what_is_packed(draft)
        end_if_cancelled(draft)
        _resolve_what_moved_on(draft)
    return draft


def _decide(draft: Draft, command: OrderCommand) -> None:
    match command:
        case Answered() | Packed() | FellShort() | Expired() | Stranded():
            _hear_floor(draft, command)
        case Settled() | Refused() | Tracked() | Invoiced():
            _hear_partner(draft, command)
        case Wake(units_came):
            _wake(draft, units_came=units_came)
        case Hold() | ReleaseHold() | AskAgain() | Cancel() | ResolveAnomaly() | Reroute() | TakeBack():
            _hear_people(draft, command)
        case Import():
            import_order(draft, command)
        case Vanished(why):
            vanished(draft, why)
        case Retell(payload):
            if not draft.order.ended:
                draft.add(OrderRetold(payload))
        case _:
            assert_never(command)


def _hear_people(draft: Draft, command: FromPeople) -> None:
    match command:
        case Hold(kind, reason, expires_at, by):
            if not draft.order.ended:
                draft.hold(kind, reason, expires_at, by)
        case ReleaseHold(kind, by):
            if kind in draft.order.holds:
                draft.add(HoldReleased(kind, by))
                go_on(draft)
        case AskAgain(by):
            ask_again(draft, by)
        case Cancel(by):
            cancel(draft, by)
        case Reroute(by, avoid):
            reroute(draft, by, avoid)
        case TakeBack():
            take_back(draft, command)
        case ResolveAnomaly(anomaly, by):
            if anomaly in draft.order.anomalies:
                draft.add(AnomalyResolved(anomaly, by))
        case _:
            assert_never(command)


def _hear_floor(draft: Draft, command: FromFloor) -> None:
    match command:
        case Answered(step="restock"):
            restock_answered(draft, command)
        case Answered():
            _answered(draft, command)
        case Packed():
            packed(draft, command)
        case FellShort():
            fell_short(draft, command)
        case Expired(fulfilment):
            expired(draft, fulfilment)
        case Stranded():
            stranded(draft, command)
            return_stranded(draft, command)
        case _:
            assert_never(command)


def _answered(draft: Draft, command: Answered) -> None:
    """Take an answer to a step, if the order still stands where it asked; a late copy finds it further on."""
    part = draft.order.parts.get(command.fulfilment)
    if part is None:
        return
    match command.step:
        case "reserve" if part.state == "planned":
            reserve_answered(draft, part, command)
        case "confirm" if part.state == "allocated":
            confirm_answered(draft, part, command)
        case "release" if part.state != "gone":
            release_answered(draft, part, command)
        case "reduce" if part.state in REROUTABLE and part.fulfilment in draft.order.keeping:
            reduce_answered(draft, part, command)
        case "dispatch" if part.state == "packed":
            dispatch_answered(draft, part, command)
        case _:
            return


def _hear_partner(draft: Draft, command: FromPartner) -> None:
    match command:
        case Settled():
            settled(draft, command)
        case Refused():
            refused(draft, command)
        case Tracked():
            tracked(draft, command)
        case Invoiced():
            invoiced(draft, command)
        case _:
            assert_never(command)


def _wake(draft: Draft, *, units_came: bool) -> None:
    now = draft.facts.now
    for kind, held in draft.order.holds.items():
        if held.expires_at is not None and held.expires_at <= now:
            draft.add(HoldReleased(kind, "expiry"))
    release_once_skus_are_known(draft)
    mind_erp(draft)
    go_on(draft, look_again=units_came)
    _label_what_is_packed(draft)
    _say_if_silent(draft)


def _label_what_is_packed(draft: Draft) -> None:
    for part in draft.order.live():
        if part.state == "packed":
            ask_labels(draft, part)


def _say_if_silent(draft: Draft) -> None:
    order, now = draft.order, draft.facts.now
    clock = CLOCKS.get(order.stage)
    if clock is None or order.since is None or now < order.since + clock:
        return
    anomaly = silence_id(order)
    if anomaly not in order.anomalies:
        detail = f"nothing has happened in the stage {order.stage} since {order.since:%Y-%m-%d %H:%M} UTC"
        draft.add(AnomalyRaised(anomaly, "silent", detail, show(order)))


def _resolve_what_moved_on(draft: Draft) -> None:
    order = draft.order
    for anomaly, problem in tuple(order.anomalies.items()):
        match problem:
            case "silent":
                settled_by_itself = anomaly != silence_id(order)
            case "invalid_order" | "unknown_sku":
                settled_by_itself = "validation" not in order.holds
            case "routed_in_circles":
                settled_by_itself = not order.wanted() or not has_planned_enough(order)
            case "refund_not_returned":
                settled_by_itself = not expected_back(order)
            case "erp_objects":
                settled_by_itself = "erp" not in order.holds
            case "no_carrier":
                parts = [part for part in order.live() if part.state == "packed"]
                settled_by_itself = all(has_labels_asked(order, part) for part in parts)
            case "return_not_restocked":
                settled_by_itself = not any(True for _ in to_restock(order))
            case "shipped_elsewhere" | "unknown_warehouse" | "poison_step" | "dispatch_refused":
                settled_by_itself = bool(order.ended)
            case _:
                settled_by_itself = False
        if settled_by_itself:
            draft.add(AnomalyResolved(anomaly, "system"))
