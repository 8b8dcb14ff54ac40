"""What an edited order keeps of what is promised to it, and which of its parts give back how much.

As long as a floor has not begun with a part, its warehouse takes back the units that are not wanted any more,
and the others stay promised without a gap. It decides for the order; the warehouse has the last word.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from actors.domain.order_draft import Draft
from actors.domain.order_events import PlannedFulfilment, PromisesKept
from actors.domain.order_state import REROUTABLE, Order, Part, to_give_back
from actors.domain.stock_events import PackedParcel, Quantity

Lines = Mapping[str, tuple[Quantity, ...]]
"""What parts hold, by their fulfilments."""


def keep_promises(draft: Draft, before: Order) -> None:
    """Have the parts that hold too much since an edit keep what is still wanted of them.

    `before` is the order as it was before the edit: what was to be given back then is given back whole. A
    part that was asked to keep less by an earlier edit never keeps more than that, as its warehouse may have
    taken the rest back already.
    """
    order = draft.order
    whole = {part.fulfilment for part in to_give_back(before) if part.fulfilment not in before.keeping}
    holding = {
        part.fulfilment: before.keeping.get(part.fulfilment, part.lines) for part in _still_to_pack(order)
    }
    kept = tuple(
        PlannedFulfilment(part.fulfilment, part.warehouse, lines)
        for part, lines in _stays(order, holding)
        if part.fulfilment in order.giving_back - whole
    )
    asked = {name: lines for name, lines in before.keeping.items() if name in holding}
    if {each.fulfilment: each.lines for each in kept} != asked:
        draft.add(PromisesKept(kept))


def _still_to_pack(order: Order) -> Iterable[Part]:
    return (part for part in order.live() if part.state in REROUTABLE)


def _stays(order: Order, holding: Lines) -> Iterator[tuple[Part, tuple[Quantity, ...]]]:
    """Yield what each part that is still to be packed may keep; one that is to be given back whole is not.

    That is one of which nothing is wanted or promised yet, and one that holds too much of a SKU that others
    hold too: which of them can still give it back shows only when their floors have answered, so all of them
    do.
    """
    over = _units(line for lines in holding.values() for line in lines)
    over.update(_units(line for part in order.live() if part.state not in REROUTABLE for line in part.lines))
    over.subtract(_units(Quantity(line.sku, line.units) for line in order.facts.lines))
    over = +over
    holders = Counter(line.sku for lines in holding.values() for line in lines)
    for part in _still_to_pack(order):
        lines = holding[part.fulfilment]
        too_much = [line.sku for line in lines if line.sku in over]
        if too_much and (part.state == "planned" or any(holders[sku] > 1 for sku in too_much)):
            continue
        keeps = tuple(
            Quantity(line.sku, line.units - over[line.sku]) for line in lines if line.units > over[line.sku]
        )
        if keeps:
            yield part, keeps


def packed_less(order: Order, part: Part, parcels: Iterable[PackedParcel]) -> tuple[Quantity, ...] | None:
    """Return what the part was left with if its floor packed less than it holds, else None.

    What was not found the order has heard by then. So its warehouse took the rest back before, as an edit
    asked it to, and the order has not heard its answer; it may have asked for something else since.
    """
    packed = _units(line for parcel in parcels for line in parcel.lines)
    if part.fulfilment not in order.giving_back or packed == _units(part.lines):
        return None
    return tuple(
        Quantity(sku, units + order.short.get((part.fulfilment, sku), 0)) for sku, units in packed.items()
    )


def _units(lines: Iterable[Quantity]) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in lines:
        units[line.sku] += line.units
    return units
