"""The audit's own reading of stock events: where every unit stands, and what each fulfilment was promised.

Written anew from the meaning of the events, not taken from the ledger that the warehouse decides by.
"""

from collections.abc import Callable, Sequence
from typing import Final, assert_never

from msgspec import Struct

from actors.domain.stock_events import (
    FulfilmentDispatched,
    FulfilmentPacked,
    PickFellShort,
    Quantity,
    ReservationConfirmed,
    ReservationReduced,
    ReservationRefused,
    ReservationReleased,
    SlotAssigned,
    StockAdjusted,
    StockCounted,
    StockEffectDone,
    StockEffectRefused,
    StockEffectRequested,
    StockEvent,
    StockMirrored,
    StockOpened,
    StockReceived,
    UnitsPicked,
    UnitsReserved,
    UnitsReturned,
)

COLUMNS: Final = (
    "available",
    "reserved",
    "picked",
    "quarantine",
    "supplier",
    "customer",
    "count_",
    "opening",
    "transit",
)
_AVAILABLE, _RESERVED, _PICKED, _QUARANTINE, _SUPPLIER, _CUSTOMER, _COUNT, _OPENING, _ = range(len(COLUMNS))
_NAMES: Final = ("available", "reserved", "picked", "quarantine", "supplier", "customer", "count", "opening")
_INNER: Final = (_AVAILABLE, _RESERVED, _PICKED, _QUARANTINE)

Move = tuple[str, int, int, int]
"""A SKU, the number of the account it leaves and of the one it enters, and the units."""


class Promise(Struct):
    """A fulfilment: by SKU the units that were promised, that are picked, and that were missing."""

    fulfilment: str
    order: str
    warehouse: str
    state: str
    position: int
    promised: dict[str, int]
    picked: dict[str, int]
    missing: dict[str, int]

    def to_pick(self, sku: str) -> int:
        """Units that still lie reserved."""
        return self.promised.get(sku, 0) - self.picked.get(sku, 0) - self.missing.get(sku, 0)


class Books:
    """The stock of one partition's warehouses, event by event.

    `wrong` is called with what contradicts itself; `close` with every promise that is done with.
    """

    def __init__(self, wrong: Callable[[int, str], None], close: Callable[[Promise], None]) -> None:
        self.balances: dict[tuple[str, str], list[int]] = {}
        self.open: dict[str, Promise] = {}
        self.oversold_units = 0
        self._wrong = wrong
        self._close = close

    def take(self, position: int, warehouse: str, event: StockEvent) -> list[tuple[str, str, str, int]]:
        """Book the event; return its movements as (SKU, source, target, units), in the order of its lines."""
        moves = self._meaning(position, warehouse, event)
        for sku, source, target, units in moves:
            self._book(position, warehouse, sku, source, target, units)
        return [(sku, _NAMES[source], _NAMES[target], units) for sku, source, target, units in moves]

    def _book(self, position: int, warehouse: str, sku: str, source: int, target: int, units: int) -> None:
        balance = self.balances.setdefault((warehouse, sku), [0] * len(COLUMNS))
        before = balance[_AVAILABLE]
        balance[source] -= units
        balance[target] += units
        self.oversold_units += max(0, -balance[_AVAILABLE]) - max(0, -before) if source == _AVAILABLE else 0
        if source in _INNER and balance[source] < 0:
            self._wrong(position, f"{balance[source]} of {sku} are {_NAMES[source]} at {warehouse}")
        if units <= 0:
            self._wrong(position, f"{units} of {sku} moved")

    def _meaning(self, position: int, warehouse: str, event: StockEvent) -> list[Move]:
        match event:
            case StockOpened(sku, units):
                return [(sku, _OPENING, _AVAILABLE, units)]
            case StockReceived(_, sku, units):
                return [(sku, _SUPPLIER, _AVAILABLE, units)]
            case UnitsReturned(_, _, sku, units, condition):
                return [(sku, _CUSTOMER, _QUARANTINE if condition == "damaged" else _AVAILABLE, units)]
            case StockAdjusted() | StockMirrored() | StockCounted():
                return _corrected(event)
            case UnitsReserved(_, _, lines):
                self._promise(position, warehouse, event)
                return [(line.sku, _AVAILABLE, _RESERVED, line.units) for line in lines]
            case UnitsPicked(fulfilment, sku, units):
                promise = self._promised(position, fulfilment, "floor")
                self._use(position, promise, promise.picked, sku, units)
                return [(sku, _RESERVED, _PICKED, units)]
            case PickFellShort(fulfilment, sku, missing):
                self._miss(position, self._promised(position, fulfilment, "floor"), sku, missing)
                return [(sku, _RESERVED, _QUARANTINE, missing)]
            case FulfilmentDispatched(fulfilment, lines):
                self._dispatch(position, self._promised(position, fulfilment, "packed"), lines)
                return [(line.sku, _PICKED, _CUSTOMER, line.units) for line in lines]
            case ReservationReleased() | ReservationReduced():
                return self._give_back(position, event)
            case ReservationRefused() | ReservationConfirmed() | FulfilmentPacked():
                self._note(position, warehouse, event)
                return []
            case SlotAssigned() | StockEffectRequested() | StockEffectDone() | StockEffectRefused():
                return []
            case _:
                assert_never(event)

    def _promise(self, position: int, warehouse: str, event: UnitsReserved) -> None:
        if event.fulfilment in self.open:
            self._wrong(position, f"{event.fulfilment} is promised a second time")
        promised: dict[str, int] = {}
        for line in event.lines:
            promised[line.sku] = promised.get(line.sku, 0) + line.units
        state = "floor" if event.expires_at is None else "reserved"
        self.open[event.fulfilment] = Promise(
            event.fulfilment, event.order, warehouse, state, position, promised, {}, {}
        )

    def _promised(self, position: int, fulfilment: str, *states: str) -> Promise:
        """Return a promise that must be in one of these states for what happens to it."""
        promise = self.open.get(fulfilment)
        if promise is None:
            self._wrong(position, f"{fulfilment} holds no promise")
            return Promise(fulfilment, "", "", "unknown", position, {}, {}, {})
        if promise.state not in states:
            self._wrong(position, f"{fulfilment} is {promise.state}, and not {' or '.join(states)}")
        promise.position = position
        return promise

    def _use(self, position: int, promise: Promise, used: dict[str, int], sku: str, units: int) -> None:
        if units > promise.to_pick(sku):
            self._wrong(position, f"{units} of {sku} leave {promise.to_pick(sku)} of {promise.fulfilment}")
        used[sku] = used.get(sku, 0) + units

    def _miss(self, position: int, promise: Promise, sku: str, missing: int) -> None:
        self._use(position, promise, promise.missing, sku, missing)
        if promise.missing == promise.promised:
            self._end(promise, "short")

    def _dispatch(self, position: int, promise: Promise, lines: Sequence[Quantity]) -> None:
        if _summed(lines) != _above_zero(promise.picked):
            self._wrong(position, f"{promise.fulfilment} leaves with something else than what was packed")
        self._end(promise, "dispatched")

    def _give_back(self, position: int, event: ReservationReleased | ReservationReduced) -> list[Move]:
        if isinstance(event, ReservationReduced):
            self._reduce(position, event)
            return [(line.sku, _RESERVED, _AVAILABLE, line.units) for line in event.released]
        self._release(position, event)
        return [
            *((line.sku, _RESERVED, _AVAILABLE, line.units) for line in event.reserved),
            *((line.sku, _PICKED, _AVAILABLE, line.units) for line in event.picked),
        ]

    def _release(self, position: int, event: ReservationReleased) -> None:
        promise = self._promised(position, event.fulfilment, "reserved", "floor")
        left = {sku: promise.to_pick(sku) for sku in promise.promised}
        if _summed(event.reserved) != _above_zero(left) or _summed(event.picked) != _above_zero(
            promise.picked
        ):
            self._wrong(position, f"{promise.fulfilment} gives back something else than what it holds")
        self._end(promise, "released")

    def _reduce(self, position: int, event: ReservationReduced) -> None:
        promise = self._promised(position, event.fulfilment, "reserved", "floor")
        if promise.picked or promise.missing:
            self._wrong(position, f"{promise.fulfilment} is reduced after its floor began with it")
        for sku, units in _summed(event.released).items():
            if units > promise.to_pick(sku):
                self._wrong(
                    position, f"{units} of {sku} go back of {promise.to_pick(sku)} of {promise.fulfilment}"
                )
            promise.promised[sku] = promise.promised.get(sku, 0) - units
        promise.promised = _above_zero(promise.promised)
        if not promise.promised:
            self._wrong(position, f"{promise.fulfilment} is reduced to nothing, and not released")

    def _note(
        self,
        position: int,
        warehouse: str,
        event: ReservationRefused | ReservationConfirmed | FulfilmentPacked,
    ) -> None:
        if isinstance(event, ReservationRefused):
            self._close(Promise(event.fulfilment, event.order, warehouse, "refused", position, {}, {}, {}))
            return
        if isinstance(event, ReservationConfirmed):
            self._promised(position, event.fulfilment, "reserved").state = "floor"
            return
        promise = self._promised(position, event.fulfilment, "floor")
        promise.state = "packed"
        packed = _summed([line for parcel in event.parcels for line in parcel.lines])
        if packed != _above_zero(promise.picked):
            self._wrong(position, f"the parcels of {promise.fulfilment} do not hold what was picked")
        if any(promise.to_pick(sku) for sku in promise.promised):
            self._wrong(position, f"{promise.fulfilment} is packed, and not all of it is picked")

    def _end(self, promise: Promise, state: str) -> None:
        promise.state = state
        if self.open.pop(promise.fulfilment, None) is not None:
            self._close(promise)


def _corrected(event: StockAdjusted | StockMirrored | StockCounted) -> list[Move]:
    if not isinstance(event, StockCounted):
        return [_of_the_shelf(event.sku, event.units)]
    moves: list[Move] = []
    if event.found:
        moves.append((event.sku, _QUARANTINE, _AVAILABLE, event.found))
    if event.lost:
        moves.append((event.sku, _QUARANTINE, _COUNT, event.lost))
    if event.surplus:
        moves.append(_of_the_shelf(event.sku, event.surplus))
    return moves


def _of_the_shelf(sku: str, units: int) -> Move:
    return (sku, _AVAILABLE, _COUNT, -units) if units < 0 else (sku, _COUNT, _AVAILABLE, units)


def _summed(lines: Sequence[Quantity]) -> dict[str, int]:
    summed: dict[str, int] = {}
    for line in lines:
        summed[line.sku] = summed.get(line.sku, 0) + line.units
    return summed


def _above_zero(units: dict[str, int]) -> dict[str, int]:
    return {sku: count for sku, count in units.items() if count}
