"""What an order makes of the ERP's word: held before it is booked where that objects, and its invoices."""

from actors.domain.order_commands import Invoiced
from actors.domain.order_draft import Draft
from actors.domain.order_events import HoldReleased, OrderHeld, OrderInvoiced
from actors.domain.order_state import erp_has_order


def mind_erp(draft: Draft) -> None:
    """Hold an order that the ERP would refuse, and let it go on once the ERP has changed its mind.

    What the ERP was asked to book already it answers for itself; what a person let through stays so.
    """
    order, word = draft.order, draft.facts.erp
    held = order.holds.get("erp")
    if order.ended or order.erp.overruled or erp_has_order(order):
        return
    objections = word.objections(order.facts.channel, order.facts.lines)
    if held is not None and not objections:
        draft.add(HoldReleased("erp", "erp"))
    elif objections and (held is None or held.reasons != objections):
        draft.add(OrderHeld("erp", objections, None, "erp"))
        its_own = tuple(why for why in objections if why != word.customers.get(order.facts.channel))
        if its_own:  # what concerns all orders of a channel is one matter, and the reader's
            mend = f"mend it in the ERP, and it goes on by itself; else wharfctl order release {order.id}"
            draft.raise_anomaly("erp", "erp_objects", "; ".join(its_own), f"{mend} --hold erp")


def invoiced(draft: Draft, command: Invoiced) -> None:
    """Keep the number of an invoice that accounts have made of the order, or of a part of it."""
    if command.invoice not in draft.order.erp.invoices:
        draft.add(OrderInvoiced(command.invoice))
