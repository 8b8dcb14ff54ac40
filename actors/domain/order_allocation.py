"""How an order comes by its units: which plan it follows, and what the warehouses of the plan answer.

The picture that a plan is made from may be stale; the reservation is the truth. What a warehouse refuses,
lets expire or does not find is routed again, elsewhere.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from msgspec import Struct, structs

from actors.domain.order_commands import Answered, FellShort, PartStep, StepKind, Stranded
from actors.domain.order_draft import Draft, show
from actors.domain.order_events import (
    AllocationRefused,
    AllocationReleased,
    FulfilmentAllocated,
    FulfilmentFellShort,
    GoodsReturned,
    HoldReleased,
    OrderBackordered,
    OrderConfirmed,
    OrderRouted,
    RerouteAsked,
)
from actors.domain.order_state import Order, Part, own_steps, to_give_back, to_restock
from actors.domain.routing import NoPlan, Plan, RoutingRules, route
from actors.domain.stock_commands import (
    Confirm,
    Dispatch,
    Done,
    Granted,
    NotEnough,
    Reduce,
    Reduced,
    Rejected,
    Release,
    Reserve,
    Restock,
)

ALLOCATION_LASTS = timedelta(minutes=10)
"""A plan over several warehouses is confirmed within a second.

Ten minutes outlast a restart of the daemon.
"""

PARTS_MAX = 50
"""An order that planned so many parts chases a picture that is wrong.

It is backordered and put before a person, who can have it plan as many again by a reroute.
"""


TOWARDS_A_FLOOR: frozenset[StepKind] = frozenset({"reserve", "confirm"})
"""Steps after which a floor may pick the order; a reservation that expires is not seen there yet."""


class Step(Struct, frozen=True, gc=False):
    """A question to a warehouse that the order asks by itself; asking again is harmless."""

    kind: StepKind
    fulfilment: str
    warehouse: str
    command: Reserve | Confirm | Release | Reduce | Dispatch | Restock


def next_steps(order: Order, now: datetime) -> tuple[Step, ...]:
    """Return what the order asks warehouses now, the most pressing first.

    Each answer is a command; after it, ask for the next steps again.
    """
    steps = tuple(
        Step(kind, part.fulfilment, part.warehouse, _question(order, kind, part, now))
        for kind, part in own_steps(order)
    )
    return steps + tuple(_restock(order, each) for each in to_restock(order)) if order.back.returns else steps


def _restock(order: Order, came: GoodsReturned) -> Step:
    """Return the question that has a warehouse take in what came back: a delivery of the order's own."""
    name = f"{order.id}/{came.delivery}"
    command = Restock(name, order.id, came.sku, came.units, came.condition, came.slot)
    return Step("restock", came.delivery, came.warehouse, command)


def short_of_a_floor(steps: Sequence[Step], now: datetime) -> tuple[Step, ...]:
    """Return what of these steps no floor sees.

    Units are promised for a while, so that nobody else takes them, and nothing is confirmed.
    """
    return tuple(
        structs.replace(step, command=structs.replace(step.command, expires_at=now + ALLOCATION_LASTS))
        if isinstance(step.command, Reserve)
        else step
        for step in steps
        if step.kind != "confirm"
    )


def _question(
    order: Order, kind: PartStep, part: Part, now: datetime
) -> Reserve | Confirm | Release | Reduce | Dispatch:
    match kind:
        case "reserve":
            expires_at = now + ALLOCATION_LASTS if _waits_for_others(order) else None
            return Reserve(part.fulfilment, order.id, part.lines, expires_at, order.facts.placed_at)
        case "confirm":
            return Confirm(part.fulfilment)
        case "release":
            return Release(part.fulfilment, "cancelled" if order.cancel_asked else "rerouted")
        case "reduce":
            return Reduce(part.fulfilment, order.keeping[part.fulfilment])
        case "dispatch":
            return Dispatch(part.fulfilment)
        case _:
            assert_never(kind)


def _waits_for_others(order: Order) -> bool:
    """Tell whether a reservation is one of several that stand or fall together."""
    unconfirmed = [part for part in order.live() if part.state in ("planned", "allocated")]
    return len(unconfirmed) > 1 or bool(order.wanted())


def go_on(draft: Draft, *, look_again: bool = False) -> None:
    """Route what nobody covers yet, if the order may go on.

    With `look_again` an order that can be filled no other way is routed even to where the floor did not find
    its units before: some have come since. So may they have while it was held, and did not look. What a
    person wants avoided stays avoided.
    """
    order, facts = draft.order, draft.facts
    wanted = order.wanted()
    if not wanted or order.ended or order.holds or order.cancel_asked or any(to_give_back(order)):
        return
    unwanted = frozenset((site, line.sku) for site in order.shunned for line in wanted)
    chosen = _plan(draft, order.avoid | unwanted)
    look_again = look_again or any(isinstance(event, HoldReleased) for event in draft.events)
    if isinstance(chosen, NoPlan) and look_again:
        again = _plan(draft, unwanted)
        chosen = again if isinstance(again, Plan) else chosen
    match chosen:
        case Plan(parts, candidates):
            draft.add(OrderRouted(parts, candidates, facts.rules.version))
        case NoPlan(missing, candidates):
            if order.backordered is None or order.backordered.missing != missing:
                draft.add(OrderBackordered(missing, candidates, facts.rules.version))
                draft.tell_shop("backordered")
            if has_planned_enough(draft.order):
                _say_that_plans_lead_nowhere(draft)
        case _:
            assert_never(chosen)


def has_planned_enough(order: Order) -> bool:
    """Tell whether the order has planned as many parts as it may before a person looks at it."""
    return order.parts_planned - order.parts_pardoned >= PARTS_MAX


def _say_that_plans_lead_nowhere(draft: Draft) -> None:
    detail = f"{PARTS_MAX} parts were planned, and warehouses did not have what they seemed to have"
    mend = f"count what seems to be there, then wharfctl order reroute {draft.order.id}"
    draft.raise_anomaly("circles", "routed_in_circles", detail, mend)


def _plan(draft: Draft, avoid: frozenset[tuple[str, str]]) -> Plan | NoPlan:
    order, facts = draft.order, draft.facts

    def picture(site: str, sku: str) -> int:
        known = facts.picture(site, sku)
        return min(known, order.refused.get((site, sku), known))

    planned = order.parts_planned
    rules = facts.rules
    return route(
        order.wanted(),
        order.facts.country,
        picture,
        RoutingRules((), rules.parts_max, rules.version) if has_planned_enough(order) else rules,
        avoid=avoid,
        load=facts.load,
        ids=lambda n: f"{order.id}.{planned + n}",
    )


def reserve_answered(draft: Draft, part: Part, command: Answered) -> None:
    """Take a warehouse's answer to a reservation."""
    match command.answer:
        case Granted(waits=False):
            # Its floor picks already, whatever has become of the other parts since it was asked.
            draft.add(FulfilmentAllocated(part.fulfilment))
            confirm(draft, part.fulfilment)
        case Granted() | Done() | Reduced():
            draft.add(FulfilmentAllocated(part.fulfilment))
        case NotEnough(shortages):
            draft.add(AllocationRefused(part.fulfilment, shortages))
            go_on(draft)
        case Rejected():
            give_back(draft, part.fulfilment)
        case _:
            assert_never(command.answer)


def confirm_answered(draft: Draft, part: Part, command: Answered) -> None:
    """Take a warehouse's answer to a confirmation: it may have let the reservation expire."""
    if isinstance(command.answer, Rejected):
        give_back(draft, part.fulfilment)
    else:
        confirm(draft, part.fulfilment)


def confirm(draft: Draft, fulfilment: str) -> None:
    """Let the floor pick, and book the order once all of it is on floors."""
    draft.add(OrderConfirmed((fulfilment,)))
    if draft.order.is_on_floors():
        draft.tell_erp_of_order()
        draft.tell_shop("preparing")


def give_back(draft: Draft, fulfilment: str) -> None:
    """Record that the warehouse does not hold the part (any more), and route its units again."""
    draft.add(AllocationReleased(fulfilment, "expired"))
    go_on(draft)


def is_packed_whole(order: Order) -> bool:
    """Tell whether nothing of the order is left to be routed."""
    return not order.wanted() and all(part.state in ("packed", "shipped") for part in order.live())


def reroute(draft: Draft, by: str, avoid: str) -> None:
    """Have what is not packed given back, and route it anew once it is.

    An order that is being given back already, or that ended, is left alone; one that holds nothing is routed
    at once.
    """
    order = draft.order
    if order.ended or order.cancel_asked or any(to_give_back(order)) or is_packed_whole(order):
        return
    draft.add(RerouteAsked(by, avoid))
    go_on(draft)


def expired(draft: Draft, fulfilment: str) -> None:
    """Take the news that a warehouse took an unconfirmed reservation back."""
    part = draft.order.parts.get(fulfilment)
    if part is not None and part.state in ("planned", "allocated"):
        give_back(draft, fulfilment)


def fell_short(draft: Draft, command: FellShort) -> None:
    """Take the news that the floor did not find units; what is missing is routed again.

    It is recorded of a part that was given back meanwhile too, so that a repeat raises nothing anew.
    """
    part = draft.order.parts.get(command.fulfilment)
    known = draft.order.short.get((command.fulfilment, command.sku), 0)
    if part is None or command.missing <= known:
        return
    draft.add(FulfilmentFellShort(command.fulfilment, command.sku, command.missing - known))
    detail = f"{command.missing} of {command.sku} were not found at {part.warehouse}"
    mend = f"wharfctl stock count {part.warehouse} {command.sku} UNITS"
    draft.raise_anomaly(f"short:{command.fulfilment}:{command.sku}", "short_pick", detail, mend)
    go_on(draft)


def stranded(draft: Draft, command: Stranded) -> None:
    """Take it that a part's warehouse cannot be asked.

    What a warehouse that is gone never promised goes elsewhere; all else waits for a person.
    """
    part = draft.order.parts.get(command.fulfilment)
    if part is None or part.state == "gone":
        return
    detail = f"{part.fulfilment} is {part.state} at {part.warehouse}"
    if not command.gone:
        detail, mend = (
            f"{detail}, which crashes on its next step",
            f"report the log, then {show(draft.order)}",
        )
        draft.raise_anomaly(f"stranded:{part.fulfilment}", "poison_step", detail, mend)
        return
    detail = f"{detail}, which is not in the settings"
    mend = f"put the warehouse {part.warehouse} back into the settings, then {show(draft.order)}"
    draft.raise_anomaly(f"stranded:{part.fulfilment}", "unknown_warehouse", detail, mend)
    if part.state == "planned":
        draft.add(AllocationReleased(part.fulfilment, "rerouted"))
        go_on(draft)
