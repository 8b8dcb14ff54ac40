"""How an order is stopped for good: as long as nothing is packed.

The warehouses say whether it still can be.
"""

from actors.domain.documents import ERP, ErpCancellation
from actors.domain.order_allocation import confirm, go_on
from actors.domain.order_commands import Answered
from actors.domain.order_draft import Draft
from actors.domain.order_events import (
    AllocationReleased,
    CancelAsked,
    CancelRefused,
    FulfilmentAllocated,
    OrderCancelled,
)
from actors.domain.order_state import Order, Part, erp_has_order
from actors.domain.stock_commands import Rejected

REST_GOES_ON = "the rest goes on: refund its lines in the shop to stop it"
"""What a refused cancel leaves, and its mend: lines that are taken out before the pack are followed."""


def rest_goes_on(order: Order) -> bool:
    """Tell whether something of an order has still to be packed, of which a part is packed or gone."""
    return bool(order.wanted()) or any(part.state not in ("packed", "shipped") for part in order.live())


def cancel(draft: Draft, by: str) -> None:
    """Ask for the end of the order, once by each; what is packed or gone already refuses it."""
    order = draft.order
    if order.ended == "cancelled" or order.cancel_asked or by in order.cancels_refused:
        return
    draft.add(CancelAsked(by))
    too_late = [part for part in order.live() if part.state in ("packed", "shipped")]
    if too_late:
        where = ", ".join(f"{part.fulfilment} at {part.warehouse} ({part.state})" for part in too_late)
        _refuse(draft, where)


def release_answered(draft: Draft, part: Part, command: Answered) -> None:
    """Take a warehouse's answer to a release: for a cancel, or as the rest of the plan came to nothing."""
    if not isinstance(command.answer, Rejected):
        draft.add(
            AllocationReleased(part.fulfilment, "cancelled" if draft.order.cancel_asked else "rerouted")
        )
    elif draft.order.cancel_asked:
        _refuse(draft, f"{part.fulfilment} at {part.warehouse} ({command.answer.why})")
    elif part.state in ("planned", "allocated"):
        # Its floor was faster than the answer that granted it: it is packed already, and ships by itself.
        if part.state == "planned":
            draft.add(FulfilmentAllocated(part.fulfilment))
        confirm(draft, part.fulfilment)


def _refuse(draft: Draft, where: str) -> None:
    by = draft.order.cancel_asked
    draft.add(CancelRefused(where))
    mend = f"intercept {where}, or take it back as a return"
    if rest_goes_on(draft.order) and by == "shop":
        # Its lines there are those of a cancelled order: nobody could stop the rest by them any more.
        draft.hold("manual", f"the shop cancelled it, too late for {where}", None, "order")
        release = f"wharfctl order release {draft.order.id}"
        mend += f"; it is held: open it in the shop again and refund the rest there, then {release}"
        mend += "; that alone ships the rest as well"
    elif rest_goes_on(draft.order):
        mend += f"; {REST_GOES_ON}"
    draft.raise_anomaly("cancel", "cancelled_too_late", f"too late to cancel: {where}", mend)
    go_on(draft)


def end_if_cancelled(draft: Draft) -> None:
    """Stop the order once no warehouse holds anything for it: given back, let expire, or not found at all."""
    by = draft.order.cancel_asked
    if not by or any(draft.order.live()):
        return
    had_erp_order = erp_has_order(draft.order)
    draft.add(OrderCancelled(by))
    if had_erp_order:
        draft.tell("erp-cancel", draft.order.id, ERP, ErpCancellation(draft.order.id))
    if by != "shop":
        draft.tell_shop("cancelled")
