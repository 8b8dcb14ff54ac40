"""How goods come back to an order: credited once, and taken in once by the warehouse that they came to.

Both follow from one event, so that neither can happen without the other, whenever the daemon dies.
"""

from actors.domain.documents import ERP, ErpReturn
from actors.domain.order_commands import Answered, Import, Stranded, TakeBack
from actors.domain.order_draft import Draft, erp_lines, show
from actors.domain.order_events import GoodsRestocked, GoodsReturned, RefundNoted
from actors.domain.order_state import expected_back, left, left_for_customer
from actors.domain.stock_commands import Rejected
from actors.domain.stock_events import Quantity


def take_back(draft: Draft, command: TakeBack) -> None:
    """Take it that units came back: never more than have left, and each delivery once."""
    order = draft.order
    if command.delivery in order.back.returns:
        return
    if not 0 < command.units <= left_for_customer(order, command.sku):
        return
    already = [Quantity(each.sku, each.units) for each in order.back.returns.values()]
    returned = GoodsReturned(
        delivery=command.delivery,
        warehouse=command.warehouse,
        sku=command.sku,
        units=command.units,
        condition=command.condition,
        slot=command.slot,
        by=command.by,
    )
    draft.add(returned)
    reference = f"{order.id}.R{len(draft.order.back.returns)}"
    came = (command.warehouse, Quantity(command.sku, command.units))
    credit = ErpReturn(
        reference=reference,
        order_reference=order.id,
        channel=order.facts.channel,
        warehouse=command.warehouse,
        lines=erp_lines(order, [came], already),
        returned_at=draft.facts.now,
    )
    draft.tell("erp-return", reference, ERP, credit)


def note_refund(draft: Draft, command: Import) -> None:
    """Expect back what the shop has refunded of what has left, and say so until it is there.

    What was refunded before it left never left, so it is what has left beyond what the shop still charges.
    """
    order = draft.order
    beyond = left(order)
    for line in command.lines:
        beyond[line.sku] -= line.units
    for line in command.credited:
        beyond[line.sku] += line.units
    credited = {line.sku for line in command.credited}
    lines = tuple(Quantity(sku, units) for sku, units in beyond.items() if units > 0 and sku in credited)
    if lines == tuple(Quantity(sku, units) for sku, units in order.back.refunded.items()):
        return
    draft.add(RefundNoted(lines))
    awaited = expected_back(draft.order)
    if awaited:
        what = ", ".join(f"{each.units} of {each.sku}" for each in awaited)
        house = next((part.warehouse for part in order.live()), "WAREHOUSE")
        mend = (
            f"wharfctl return {house} {order.id} SLIP {awaited[0].sku} {awaited[0].units}, once it is there"
        )
        detail = f"{what} were refunded in the shop after they had left, and have not come back"
        draft.raise_anomaly(f"refund:{draft.order.version}", "refund_not_returned", detail, mend)


def restock_answered(draft: Draft, command: Answered) -> None:
    """Take a warehouse's answer: it has taken in what came back, now or before."""
    delivery = command.fulfilment
    if delivery not in draft.order.back.returns or delivery in draft.order.back.restocked:
        return
    if isinstance(command.answer, Rejected):
        _put_before_a_person(draft, delivery, command.answer.why)
    else:
        draft.add(GoodsRestocked(delivery))


def return_stranded(draft: Draft, command: Stranded) -> None:
    """Take it that the warehouse that goods came back to cannot be asked."""
    returned = draft.order.back.returns.get(command.fulfilment)
    if returned is None:
        return
    why = "is not in the settings" if command.gone else "crashes on it"
    _put_before_a_person(draft, returned.delivery, f"{returned.warehouse} {why}")


def _put_before_a_person(draft: Draft, delivery: str, why: str) -> None:
    detail = f"what came back as {delivery} is not in stock: {why}"
    draft.raise_anomaly(f"return:{delivery}", "return_not_restocked", detail, show(draft.order))
