"""Which command a warehouse grants: what it causes, and what its sender is told.

It reads the stock and changes nothing. A command that was carried out already causes nothing more. Scans and
corrections (`Pick`, `ReportShort`, `Adjust`, `Count`, `AssignSlot`, `SettleStockEffect`) cannot be told from
a second one like them: their senders give a key, which the warehouse's actor remembers.
"""

from typing import assert_never

from msgspec import Struct

from actors.domain.ledger import Fulfilment, FulfilmentLine, Stock
from actors.domain.stock_commands import (
    Adjust,
    Answer,
    AssignSlot,
    Confirm,
    Count,
    Dispatch,
    Done,
    Granted,
    Mirror,
    NotEnough,
    OpenStock,
    Pack,
    Pick,
    Receive,
    Reduce,
    Reduced,
    Rejected,
    Release,
    ReportShort,
    Reserve,
    Restock,
    SettleStockEffect,
    StockCommand,
)
from actors.domain.stock_count import count, lies_elsewhere
from actors.domain.stock_events import (
    FulfilmentDispatched,
    FulfilmentPacked,
    PickFellShort,
    Quantity,
    ReservationConfirmed,
    ReservationReduced,
    ReservationRefused,
    ReservationReleased,
    Shortage,
    SlotAssigned,
    StockAdjusted,
    StockEffectDone,
    StockEffectRefused,
    StockEvent,
    StockMirrored,
    StockOpened,
    StockReceived,
    UnitsPicked,
    UnitsReserved,
    UnitsReturned,
)


class Decision(Struct, frozen=True, gc=False):
    """The events a command causes (none when there is nothing left to do) and what its sender is told."""

    events: tuple[StockEvent, ...]
    answer: Answer


DONE = Done()


def decide(stock: Stock, command: StockCommand) -> Decision:
    """Return what `command` causes; a repeat causes nothing and is answered as the first was."""
    match command:
        case Reserve():
            return _reserve(stock, command)
        case Pick():
            return _pick(stock, command)
        case Confirm(fulfilment):
            return _confirm(stock, fulfilment)
        case Pack():
            return _pack(stock, command)
        case Dispatch(fulfilment):
            return _dispatch(stock, fulfilment)
        case Release() | Reduce():
            return _release(stock, command) if isinstance(command, Release) else _reduce(stock, command)
        case ReportShort():
            return _fall_short(stock, command)
        case Restock():
            return _restock(stock, command)
        case OpenStock() | Receive() | Adjust() | Mirror() | AssignSlot():
            return _shelve(stock, command)
        case Count():
            counted = count(stock, command)
            return Decision((), counted) if isinstance(counted, Rejected) else Decision(counted, DONE)
        case SettleStockEffect(effect, reference, refused):
            outcome = StockEffectRefused(effect, refused) if refused else StockEffectDone(effect, reference)
            return Decision((outcome,), DONE)
        case _:
            assert_never(command)


def _shelve(stock: Stock, command: OpenStock | Receive | Adjust | Mirror | AssignSlot) -> Decision:
    shelf = stock.shelves.get(command.sku)
    match command:
        case OpenStock(sku, units, slot, source):
            if shelf is not None and (units <= 0 or shelf.opened or shelf.on_hand):
                return Decision((), DONE)
            # A SKU that is out of stock is known all the same: orders for it wait, they are not wrong.
            opened = StockOpened(sku, units, slot, source) if units > 0 else SlotAssigned(sku, slot)
            return Decision((opened,), DONE)
        case Receive(delivery, sku, units, slot):
            if delivery in stock.deliveries:
                return Decision((), DONE)
            if units <= 0:
                return Decision((), Rejected("a reception needs units"))
            return Decision((StockReceived(delivery, sku, units, slot), *command.effects), DONE)
        case Adjust(sku, units, reason):
            return _correct(stock, sku, units, (StockAdjusted(sku, units, reason), *command.effects))
        case Mirror(sku, units, booked_as):
            return _correct(stock, sku, units, (StockMirrored(sku, units, booked_as),))
        case AssignSlot(sku, slot):
            if not slot:
                return Decision((), Rejected("a slot needs a name"))
            known = shelf is not None and shelf.slot == slot
            return Decision(() if known else (SlotAssigned(sku, slot),), DONE)
        case _:
            assert_never(command)


def _restock(stock: Stock, command: Restock) -> Decision:
    if command.delivery in stock.deliveries:
        return Decision((), DONE)
    if command.units <= 0:
        return Decision((), Rejected("a return needs units"))
    # Nobody is to pick where damaged goods were put, and a SKU has one slot, which is where it is picked.
    slot = command.slot if command.condition == "sellable" else ""
    returned = UnitsReturned(
        command.delivery, command.order, command.sku, command.units, command.condition, slot
    )
    return Decision((returned,), DONE)


def _correct(stock: Stock, sku: str, units: int, events: tuple[StockEvent, ...]) -> Decision:
    available = stock.available(sku)
    if units == 0:
        return Decision((), Rejected("an adjustment of zero units changes nothing"))
    if available + units < 0:
        why = f"only {available} of {sku} are available; the others are promised or not there"
        return Decision((), Rejected(why))
    return Decision(events, DONE)


def _reserve(stock: Stock, command: Reserve) -> Decision:
    known = stock.known(command.fulfilment)
    if known is not None:
        return Decision((), _earlier_answer(known))
    lines, shelves = command.lines, stock.shelves
    if not lines or (len(lines) > 1 and len({line.sku for line in lines}) < len(lines)):
        return Decision((), Rejected("a reservation needs lines, each with a SKU of its own"))
    enough = True
    for line in lines:
        if line.units <= 0:
            return Decision((), Rejected(f"{line.units} of {line.sku} cannot be promised"))
        shelf = shelves.get(line.sku)
        enough = enough and shelf is not None and shelf.available >= line.units
    if not enough:
        shortages = tuple(
            Shortage(line.sku, line.units, available)
            for line in lines
            if (available := stock.available(line.sku)) < line.units
        )
        refused = ReservationRefused(command.fulfilment, command.order, shortages)
        return Decision((refused,), NotEnough(shortages))
    reserved = UnitsReserved(command.fulfilment, command.order, lines, command.expires_at)
    return Decision((reserved,), Granted(command.fulfilment, waits=command.expires_at is not None))


def _earlier_answer(known: Fulfilment) -> Answer:
    match known.state:
        case "refused":
            return NotEnough(known.shortages)
        case "released":
            return Rejected("this reservation was released again")
        case _:
            return Granted(known.fulfilment, waits=known.state == "reserved")


def _confirm(stock: Stock, fulfilment: str) -> Decision:
    known = stock.known(fulfilment)
    if known is None or known.state in ("released", "refused"):
        return Decision((), Rejected("there is no such reservation any more"))
    return Decision((ReservationConfirmed(fulfilment),) if known.state == "reserved" else (), DONE)


def _pick(stock: Stock, command: Pick) -> Decision:
    checked = _on_the_floor(stock, command.fulfilment, command.sku, command.slot)
    if isinstance(checked, Rejected):
        return Decision((), checked)
    if not 0 < command.units <= checked.to_pick:
        return Decision(
            (), Rejected(f"{checked.to_pick} of {command.sku} are left to pick, not {command.units}")
        )
    return Decision((UnitsPicked(command.fulfilment, command.sku, command.units, command.slot),), DONE)


def _fall_short(stock: Stock, command: ReportShort) -> Decision:
    checked = _on_the_floor(stock, command.fulfilment, command.sku, command.slot)
    if isinstance(checked, Rejected):
        return Decision((), checked)
    if not 0 < command.missing <= checked.to_pick:
        return Decision(
            (), Rejected(f"{checked.to_pick} of {command.sku} are left to pick, not {command.missing}")
        )
    short = PickFellShort(command.fulfilment, command.sku, command.missing, command.slot, command.reason)
    return Decision((short,), DONE)


def _on_the_floor(stock: Stock, fulfilment: str, sku: str, slot: str) -> FulfilmentLine | Rejected:
    """Check what a scan says against what the pick list asked for."""
    known = stock.known(fulfilment)
    if known is None or known.state != "floor":
        return _not_on_the_floor(stock, fulfilment, "picked")
    line = known.line(sku)
    if line is None:
        return Rejected(f"{sku} does not belong to {fulfilment}")
    expected = stock.shelves[sku].slot
    if slot != expected:
        return lies_elsewhere(sku, expected, slot)
    return line


def _not_on_the_floor(stock: Stock, fulfilment: str, to_be: str) -> Rejected:
    """Say that nothing is to be done, but to put back what is in somebody's hands: others look for it."""
    known = stock.known(fulfilment)
    if known is not None and known.state == "released" and any(line.picked for line in known.lines):
        back = ", ".join(
            f"{line.picked} of {line.sku} back into {stock.shelves[line.sku].slot or 'its place'}"
            for line in known.lines
            if line.picked
        )
        return Rejected(f"{fulfilment} was given back: put {back}")
    return Rejected(f"{fulfilment} is not on the floor to be {to_be}")


def _pack(stock: Stock, command: Pack) -> Decision:
    known = stock.known(command.fulfilment)
    if known is not None and known.state in ("packed", "dispatched"):
        return Decision(
            (), DONE if known.parcels == command.parcels else Rejected("it is packed differently already")
        )
    if known is None or known.state != "floor":
        return Decision((), _not_on_the_floor(stock, command.fulfilment, "packed"))
    if any(line.to_pick for line in known.lines):
        return Decision((), Rejected("not every line is picked yet"))
    wrong = _wrong_with(command, known)
    if wrong:
        return Decision((), Rejected(wrong))
    return Decision((FulfilmentPacked(command.fulfilment, command.parcels),), DONE)


def _wrong_with(command: Pack, known: Fulfilment) -> str:
    """Return why these parcels cannot be, "" if they can.

    A parcel's id names its fulfilment, so that no two parcels of the world share one, and with it a label.
    """
    names = [parcel.parcel for parcel in command.parcels]
    prefix = f"{command.fulfilment}."
    if len(set(names)) < len(names) or not all(
        name.startswith(prefix) and name[len(prefix) :].isdecimal() for name in names
    ):
        return f"each parcel needs a number of its own after {prefix}"
    packed: dict[str, int] = {}
    for parcel in command.parcels:
        if parcel.weight_g <= 0 or not parcel.lines:
            return "a parcel needs contents and a weight"
        for quantity in parcel.lines:
            if quantity.units <= 0:
                return "a parcel's line needs units"
            packed[quantity.sku] = packed.get(quantity.sku, 0) + quantity.units
    if packed != {line.sku: line.picked for line in known.lines if line.picked}:
        return "the parcels do not hold exactly what was picked"
    return ""


def _dispatch(stock: Stock, fulfilment: str) -> Decision:
    known = stock.known(fulfilment)
    if known is not None and known.state == "dispatched":
        return Decision((), DONE)
    if known is None or known.state != "packed":
        return Decision((), Rejected(f"{fulfilment} is not packed"))
    lines = tuple(Quantity(line.sku, line.picked) for line in known.lines if line.picked)
    return Decision((FulfilmentDispatched(fulfilment, lines),), DONE)


def _release(stock: Stock, command: Release) -> Decision:
    known = stock.known(command.fulfilment)
    if known is None or known.state in ("released", "refused", "short"):
        return Decision((), DONE)
    if known.state in ("packed", "dispatched"):
        return Decision((), Rejected(f"too late: {known.state}"))
    if command.reason == "expired" and known.state != "reserved":
        return Decision((), DONE)
    reserved = tuple(Quantity(line.sku, line.to_pick) for line in known.lines if line.to_pick)
    picked = tuple(Quantity(line.sku, line.picked) for line in known.lines if line.picked)
    return Decision((ReservationReleased(command.fulfilment, reserved, picked, command.reason),), DONE)


def _reduce(stock: Stock, command: Reduce) -> Decision:
    known = stock.known(command.fulfilment)
    if known is None or known.state in ("released", "refused"):
        return Decision((), Rejected("there is no such reservation any more"))
    promised = {line.sku: line.units for line in known.lines}
    keep = {line.sku: line.units for line in command.keep}
    if keep == promised:
        return Decision((), Reduced(command.keep))
    if known.state not in ("reserved", "floor"):
        return Decision((), Rejected(f"too late: {known.state}"))
    if any(line.picked or line.missing for line in known.lines):
        return Decision((), Rejected("its floor has begun with it"))
    kept_twice = len(keep) < len(command.keep)
    if not keep or kept_twice or any(not 0 < keep[sku] <= promised.get(sku, 0) for sku in keep):
        return Decision((), Rejected("only what is promised can be kept, and at least one unit of it"))
    released = tuple(
        Quantity(sku, units - keep.get(sku, 0)) for sku, units in promised.items() if units > keep.get(sku, 0)
    )
    return Decision((ReservationReduced(command.fulfilment, released),), Reduced(command.keep))
