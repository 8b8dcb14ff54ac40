"""What a physical count of a SKU's slot means to the books.

Promised units that nobody has picked yet lie in the slot among the others, so whoever counts counts them too.
What short picks did not find stands in quarantine until somebody counts: then it is either there or lost.
"""

from decimal import Decimal

from actors.domain.documents import ERP, ErpAdjustment, ErpLine
from actors.domain.ledger import Shelf, Stock
from actors.domain.stock_commands import Count, Rejected
from actors.domain.stock_events import StockCounted, StockEffectRequested, StockEvent

FULFILMENTS_NAMED_MAX = 5
"""Whoever counts walks to these first; a line of a screen holds no more."""


def lies_elsewhere(sku: str, slot: str, said: str) -> Rejected:
    """Refuse a slot that somebody said a SKU lies in, where it lies in another or was given none yet."""
    if not slot:
        return Rejected(f"{sku} has no slot yet, so not {said}: stock move gives it one")
    return Rejected(f"{sku} lies in slot {slot}, not {said or '(none)'}")


def count(stock: Stock, command: Count) -> tuple[StockEvent, ...] | Rejected:
    """Return what a count causes.

    One that finds the books right is recorded too: it is why they are believed. A count of fewer units than
    are promised is rejected: which order falls short is the floor's to say.
    """
    sku, counted = command.sku, command.counted
    shelf = stock.shelves.get(sku)
    if shelf is None:
        return Rejected(f"{command.warehouse} never held {sku}: receive it, or correct the name")
    if command.slot not in ("", shelf.slot):
        return lies_elsewhere(sku, shelf.slot, command.slot)
    if counted < shelf.reserved:
        return Rejected(_fewer_than_promised(stock, command, shelf))
    events: list[StockEvent] = [_counted(command, shelf)]
    difference = counted - shelf.available - shelf.reserved - shelf.quarantine
    if difference:
        line = ErpLine("1", sku, difference, Decimal(0), command.warehouse)
        document = ErpAdjustment(command.reference, command.warehouse, (line,), command.at)
        effect = f"erp-adjustment:{command.warehouse}:{command.reference}"
        events.append(StockEffectRequested(effect, ERP, document))
    return tuple(events)


def _counted(command: Count, shelf: Shelf) -> StockCounted:
    more = command.counted - shelf.reserved - shelf.available
    found = min(max(more, 0), shelf.quarantine)
    return StockCounted(
        sku=command.sku,
        slot=shelf.slot,
        counted=command.counted,
        found=found,
        lost=shelf.quarantine - found,
        surplus=more - found,
        reason=command.reason,
    )


def _fewer_than_promised(stock: Stock, command: Count, shelf: Shelf) -> str:
    waiting = [
        each.fulfilment
        for each in stock.fulfilments.values()
        if (line := each.line(command.sku)) is not None and line.to_pick
    ]
    some = ", ".join(waiting[:FULFILMENTS_NAMED_MAX])
    more = f" and {len(waiting) - FULFILMENTS_NAMED_MAX} more" if len(waiting) > FULFILMENTS_NAMED_MAX else ""
    return (
        f"{shelf.reserved} of {command.sku} are promised and not picked, more than the "
        f"{command.counted} counted: report what {some}{more} cannot find, then count again"
    )
