"""A warehouse's stock and the promises made on it, and what each fact moves.

Everything a warehouse owns stands in one of the inner accounts; everything else is outside. A unit only ever
moves from one account to another, so the sum over all accounts is always zero and a promise is a movement
like any other. `apply` is the only place that changes, `flows` says what an event means to the books;
`stock_decisions` says what is granted.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, assert_never

from msgspec import Struct

from actors.domain.stock_events import (
    FulfilmentDispatched,
    FulfilmentPacked,
    PackedParcel,
    PickFellShort,
    Quantity,
    ReservationConfirmed,
    ReservationReduced,
    ReservationRefused,
    ReservationReleased,
    Shortage,
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

Account = Literal[
    "available", "reserved", "picked", "quarantine", "supplier", "customer", "count", "opening", "transit"
]
INNER_ACCOUNTS: tuple[Account, ...] = ("available", "reserved", "picked", "quarantine")

CLOSED_REMEMBERED = 50_000
"""A late copy of a command names a fulfilment of the last days; the database's key guards what is older."""

FulfilmentState = Literal["reserved", "floor", "packed", "dispatched", "released", "short", "refused"]
CLOSED: frozenset[FulfilmentState] = frozenset({"dispatched", "released", "short", "refused"})


class Flow(Struct, frozen=True, gc=False):
    """What goes from one account to another: units of some SKUs, of each above zero."""

    source: Account
    target: Account
    lines: tuple[Quantity, ...]


class Movement(Struct, frozen=True, gc=False):
    """A line of a flow, as the books have it: so many units of a SKU from one account to another."""

    sku: str
    source: Account
    target: Account
    units: int


@dataclass(slots=True)
class Shelf:
    """Where the units of one SKU stand in the warehouse, and the slot they are picked from.

    `opened` are the units that were taken over when Wharfinger took custody; that happens once.
    """

    available: int = 0
    reserved: int = 0
    picked: int = 0
    quarantine: int = 0
    slot: str = ""
    opened: int = 0

    @property
    def on_hand(self) -> int:
        """Everything that lies in the house."""
        return self.available + self.reserved + self.picked + self.quarantine


class FulfilmentLine(Struct, gc=False, omit_defaults=True):
    """What a fulfilment was promised of one SKU, and how far the floor is with it."""

    sku: str
    units: int
    picked: int = 0
    missing: int = 0

    @property
    def to_pick(self) -> int:
        """Units that still lie reserved in their slot."""
        return self.units - self.picked - self.missing


class Fulfilment(Struct, gc=False, omit_defaults=True):
    """A promise to one order, from the reservation until the parcels leave."""

    fulfilment: str
    order: str
    state: FulfilmentState
    lines: tuple[FulfilmentLine, ...]
    expires_at: datetime | None = None
    parcels: tuple[PackedParcel, ...] = ()
    shortages: tuple[Shortage, ...] = ()

    def line(self, sku: str) -> FulfilmentLine | None:
        """Return the line of that SKU."""
        for line in self.lines:
            if line.sku == sku:
                return line
        return None


@dataclass(slots=True)
class Stock:
    """Everything one warehouse decides upon.

    `closed` keeps the last fulfilments that are done with, oldest first. For those who look on `moves` counts
    the changes of what can be promised, and `moved` holds the number of each SKU's last one, the latest last.
    """

    shelves: dict[str, Shelf] = field(default_factory=dict)
    fulfilments: dict[str, Fulfilment] = field(default_factory=dict)
    closed: dict[str, Fulfilment] = field(default_factory=dict)
    deliveries: set[str] = field(default_factory=set)
    moves: int = field(default=0, compare=False)
    moved: dict[str, int] = field(default_factory=dict, compare=False)

    def available(self, sku: str) -> int:
        """Units of the SKU that may still be promised."""
        shelf = self.shelves.get(sku)
        return shelf.available if shelf is not None else 0

    def known(self, fulfilment: str) -> Fulfilment | None:
        """Return a fulfilment that is open, or was lately."""
        return self.fulfilments.get(fulfilment) or self.closed.get(fulfilment)

    def shelf(self, sku: str) -> Shelf:
        """Return the SKU's shelf: a new one where there is none, by which the SKU is known."""
        shelf = self.shelves.get(sku)
        if shelf is None:
            shelf = self.shelves[sku] = Shelf()
            self.note_moves([sku])
        return shelf

    def note_moves(self, skus: Iterable[str]) -> None:
        """Note that these SKUs can be promised otherwise than before."""
        moves, moved = self.moves, self.moved
        for sku in skus:
            moves += 1
            moved.pop(sku, None)  # so that it comes last
            moved[sku] = moves
        self.moves = moves

    def moved_since(self, moves: int) -> Iterator[str]:
        """Yield the SKUs that moved after so many moves: as many steps as there are such SKUs, not as all."""
        for sku in reversed(self.moved):
            if self.moved[sku] <= moves:
                return
            yield sku


def movements(event: StockEvent) -> Iterator[Movement]:
    """Yield what the event moves, line by line; `flows` without the lines is less to make."""
    for flow in flows(event):
        for line in flow.lines:
            yield Movement(line.sku, flow.source, flow.target, line.units)


def flows(event: StockEvent) -> tuple[Flow, ...]:
    """Return what the event moves, in the order of its lines; an event that moves nothing returns ()."""
    match event:
        case UnitsReserved(lines=lines):
            return (Flow("available", "reserved", lines),)
        case UnitsPicked(_, sku, units, _):
            return _flow("reserved", "picked", sku, units)
        case FulfilmentDispatched(_, lines):
            return (Flow("picked", "customer", lines),)
        case ReservationReleased(_, reserved, picked, _):
            return (Flow("reserved", "available", reserved), Flow("picked", "available", picked))
        case ReservationReduced(_, released):
            return (Flow("reserved", "available", released),)
        case PickFellShort(_, sku, missing, _, _):
            return _flow("reserved", "quarantine", sku, missing)
        case StockOpened(sku, units, _, _):
            return _flow("opening", "available", sku, units)
        case StockReceived() | UnitsReturned():
            return _arrived(event)
        case StockAdjusted(sku, units, _) | StockMirrored(sku, units, _):
            return _corrected(sku, units)
        case StockCounted():
            return _counted(event)
        case (
            ReservationRefused()
            | ReservationConfirmed()
            | FulfilmentPacked()
            | SlotAssigned()
            | StockEffectRequested()
            | StockEffectDone()
            | StockEffectRefused()
        ):
            return ()
        case _:
            assert_never(event)


def _arrived(event: StockReceived | UnitsReturned) -> tuple[Flow, ...]:
    if isinstance(event, StockReceived):
        return _flow("supplier", "available", event.sku, event.units)
    target: Account = "available" if event.condition == "sellable" else "quarantine"
    return _flow("customer", target, event.sku, event.units)


def _counted(event: StockCounted) -> tuple[Flow, ...]:
    return (
        *(_flow("quarantine", "available", event.sku, event.found) if event.found else ()),
        *(_flow("quarantine", "count", event.sku, event.lost) if event.lost else ()),
        *(_corrected(event.sku, event.surplus) if event.surplus else ()),
    )


def _corrected(sku: str, units: int) -> tuple[Flow, ...]:
    if units > 0:
        return _flow("count", "available", sku, units)
    return _flow("available", "count", sku, -units)


def _flow(source: Account, target: Account, sku: str, units: int) -> tuple[Flow, ...]:
    return (Flow(source, target, (Quantity(sku, units),)),)


def apply(stock: Stock, event: StockEvent) -> Fulfilment | None:
    """Bring `stock` up to date with the event; return the fulfilment it changed, if it changed one."""
    for flow in flows(event):
        _pour(stock, flow)
    return _follow(stock, event)


def _pour(stock: Stock, flow: Flow) -> None:
    source, target = flow.source, flow.target
    leaves, arrives = source in INNER_ACCOUNTS, target in INNER_ACCOUNTS
    for line in flow.lines:
        shelf, units = stock.shelf(line.sku), line.units
        if leaves:
            setattr(shelf, source, getattr(shelf, source) - units)
        if arrives:
            setattr(shelf, target, getattr(shelf, target) + units)
    if "available" in (source, target):
        stock.note_moves([line.sku for line in flow.lines])


def _follow(stock: Stock, event: StockEvent) -> Fulfilment | None:
    match event:
        case UnitsReserved(fulfilment, order, lines, expires_at):
            promised = tuple([FulfilmentLine(line.sku, line.units) for line in lines])
            state: FulfilmentState = "floor" if expires_at is None else "reserved"
            opened = stock.fulfilments[fulfilment] = Fulfilment(
                fulfilment, order, state, promised, expires_at
            )
            return opened
        case UnitsPicked(fulfilment, sku, units, _):
            return _picked(stock.fulfilments[fulfilment], sku, picked=units, missing=0)
        case FulfilmentPacked(fulfilment, parcels):
            packed = stock.fulfilments[fulfilment]
            packed.state = "packed"
            packed.parcels = parcels
            return packed
        case FulfilmentDispatched(fulfilment):
            return _close(stock, stock.fulfilments[fulfilment], "dispatched")
        case ReservationConfirmed() | ReservationReduced():
            return _promise_otherwise(stock.fulfilments[event.fulfilment], event)
        case ReservationReleased(fulfilment):
            return _close(stock, stock.fulfilments[fulfilment], "released")
        case ReservationRefused(fulfilment, order, shortages):
            refused = Fulfilment(fulfilment, order, "refused", (), shortages=shortages)
            return _close(stock, refused, "refused")
        case PickFellShort(fulfilment, sku, missing, _, _):
            short = _picked(stock.fulfilments[fulfilment], sku, picked=0, missing=missing)
            if all(line.missing == line.units for line in short.lines):
                return _close(stock, short, "short")
            return short
        case StockOpened() | StockReceived() | UnitsReturned() | SlotAssigned():
            _shelve(stock, event)
            return None
        case (
            StockAdjusted()
            | StockCounted()
            | StockMirrored()
            | StockEffectRequested()
            | StockEffectDone()
            | StockEffectRefused()
        ):
            return None
        case _:
            assert_never(event)


def _shelve(stock: Stock, event: StockOpened | StockReceived | UnitsReturned | SlotAssigned) -> None:
    shelf = stock.shelf(event.sku)
    shelf.slot = event.slot if isinstance(event, SlotAssigned) else event.slot or shelf.slot
    if isinstance(event, StockReceived | UnitsReturned):
        stock.deliveries.add(event.delivery)
    elif isinstance(event, StockOpened):
        shelf.opened = event.units


def _picked(fulfilment: Fulfilment, sku: str, *, picked: int, missing: int) -> Fulfilment:
    line = fulfilment.line(sku)
    if line is None:
        msg = f"{fulfilment.fulfilment} has no line of {sku}"
        raise ValueError(msg)
    line.picked += picked
    line.missing += missing
    return fulfilment


def _promise_otherwise(
    fulfilment: Fulfilment, event: ReservationConfirmed | ReservationReduced
) -> Fulfilment:
    if isinstance(event, ReservationConfirmed):
        fulfilment.state = "floor"
        fulfilment.expires_at = None
        return fulfilment
    gone = {line.sku: line.units for line in event.released}
    for line in fulfilment.lines:
        line.units -= gone.get(line.sku, 0)
    fulfilment.lines = tuple(line for line in fulfilment.lines if line.units)
    return fulfilment


def _close(stock: Stock, fulfilment: Fulfilment, state: FulfilmentState) -> Fulfilment:
    fulfilment.state = state
    fulfilment.expires_at = None
    stock.fulfilments.pop(fulfilment.fulfilment, None)
    stock.closed[fulfilment.fulfilment] = fulfilment
    if len(stock.closed) > CLOSED_REMEMBERED:
        del stock.closed[next(iter(stock.closed))]
    return fulfilment


def sellable(picture: Mapping[str, int], *, safety: int, buffer: int) -> dict[str, int]:
    """Return what a channel may sell of each SKU.

    The available units less safety stock and the channel's buffer.
    """
    return {sku: max(0, units - safety - buffer) for sku, units in picture.items()}
