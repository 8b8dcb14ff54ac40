"""What a run of events changes in the tables that are projected from them: the net effect, as rows.

Shared by the journals in memory and on Postgres, and by the rebuild, so that the rules stand once. Stock
movements follow from `ledger.flows`. The audit does not use this module.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from msgspec import Struct

from actors.domain.anomaly_events import AnomalyRaised, AnomalyResolved
from actors.domain.order_events import (
    EffectDone,
    EffectRefused,
    EffectRequested,
    FulfilmentAllocated,
    FulfilmentReady,
    FulfilmentShipped,
    OrderConfirmed,
    OrderImported,
    OrderRouted,
    OrderShipped,
    ParcelLabelled,
)
from actors.domain.partitions import warehouse_of
from actors.domain.stock_events import (
    FulfilmentDispatched,
    FulfilmentPacked,
    PickFellShort,
    ReservationConfirmed,
    ReservationReduced,
    ReservationRefused,
    ReservationReleased,
    SlotAssigned,
    StockEffectDone,
    StockEffectRefused,
    StockEffectRequested,
    StockOpened,
    StockReceived,
    UnitsPicked,
    UnitsReserved,
    UnitsReturned,
)
from actors.ports.journal import ConflictError, Event, FulfilmentRow, OpenAnomaly, OrderRow, PendingEffect

R = TypeVar("R")

Key = tuple[int, str]
"""A partition, and an id that is unique within it."""

OfFulfilment = (
    UnitsReserved
    | ReservationRefused
    | ReservationConfirmed
    | ReservationReleased
    | ReservationReduced
    | UnitsPicked
    | PickFellShort
    | FulfilmentPacked
    | FulfilmentDispatched
)

NOTHING_CHANGES = frozenset(
    {
        UnitsReserved,
        UnitsPicked,
        FulfilmentPacked,
        FulfilmentDispatched,
        OrderImported,
        OrderRouted,
        FulfilmentAllocated,
        OrderConfirmed,
        FulfilmentReady,
        FulfilmentShipped,
        OrderShipped,
    }
)
"""What is written most and changes no row here: one look at its type, not one at each type that does."""


class Resolution(Struct, frozen=True):
    """When and by whom an anomaly was settled."""

    at: datetime
    by: str


class FulfilmentChange(Struct, frozen=True, gc=False):
    """A fulfilment's row, the last event's position, and that of what closed it (None while open)."""

    row: FulfilmentRow
    position: int
    closed_position: int | None


@dataclass(slots=True)
class Changes:
    """Net changes, keyed so that the last one of each row counts.

    `opened` are fulfilments that must not exist yet, `changed` those that must. `requested` come with their
    event's position. A resolution stands in `resolved` when its anomaly was raised before these changes, else
    beside it in `raised`. Slots and deliveries are keyed by (partition, warehouse).
    """

    orders: dict[Key, OrderRow] = field(default_factory=dict)
    opened: dict[Key, FulfilmentChange] = field(default_factory=dict)
    changed: dict[Key, FulfilmentChange] = field(default_factory=dict)
    requested: dict[Key, tuple[int, PendingEffect]] = field(default_factory=dict)
    settled: set[Key] = field(default_factory=set)
    raised: dict[Key, tuple[OpenAnomaly, Resolution | None]] = field(default_factory=dict)
    resolved: dict[Key, Resolution] = field(default_factory=dict)
    slots: dict[tuple[Key, str], str] = field(default_factory=dict)
    deliveries: list[tuple[Key, str]] = field(default_factory=list)

    def follow(self, partition: int, stream: str, at: datetime, first: int, events: Sequence[Event]) -> None:
        """Take in `events` of one stream that stand from position `first` on.

        Fulfilments and orders come as rows.

        Raises:
            ConflictError: the same effect is requested twice.
        """
        for position, event in enumerate(events, first):
            if type(event) in NOTHING_CHANGES:
                continue
            match event:
                case EffectRequested(effect, partner, document) | StockEffectRequested(
                    effect, partner, document
                ):
                    self._request(partition, position, PendingEffect(effect, stream, partner, document, at))
                case (
                    EffectDone(effect)
                    | EffectRefused(effect)
                    | ParcelLabelled(effect)
                    | StockEffectDone(effect)
                    | StockEffectRefused(effect)
                ):
                    if self.requested.pop((partition, effect), None) is None:
                        self.settled.add((partition, effect))
                case AnomalyRaised(anomaly, problem, detail, mend):
                    self.resolved.pop((partition, anomaly), None)
                    row = OpenAnomaly(anomaly, stream, problem, detail, mend, at)
                    self.raised[partition, anomaly] = (row, None)
                case AnomalyResolved(anomaly, by):
                    self._resolve((partition, anomaly), Resolution(at, by))
                case StockOpened() | StockReceived() | UnitsReturned() | SlotAssigned():
                    self._shelve(partition, stream, event)
                case _:
                    pass

    def _request(self, partition: int, position: int, effect: PendingEffect) -> None:
        key = (partition, effect.effect)
        if key in self.requested or key in self.settled:
            raise ConflictError(f"the effect {effect.effect} is requested twice")
        self.requested[key] = (position, effect)

    def _resolve(self, key: Key, resolution: Resolution) -> None:
        raised = self.raised.get(key)
        if raised is None:
            self.resolved.setdefault(key, resolution)
        elif raised[1] is None:
            self.raised[key] = (raised[0], resolution)

    def _shelve(
        self, partition: int, stream: str, event: StockOpened | StockReceived | UnitsReturned | SlotAssigned
    ) -> None:
        house = (partition, warehouse_of(stream) or "")
        if event.slot or isinstance(event, SlotAssigned):
            self.slots[house, event.sku] = event.slot
        if isinstance(event, StockReceived | UnitsReturned):
            self.deliveries.append((house, event.delivery))

    def take_fulfilment(self, partition: int, row: FulfilmentRow, position: int, *, opened: bool) -> None:
        """Take a fulfilment's row as it stands after the event at `position`.

        Raises:
            ConflictError: it is opened twice.
        """
        key = (partition, row.fulfilment)
        before = self.opened.get(key) or self.changed.get(key)
        if opened and before is not None:
            raise ConflictError(f"the fulfilment {row.fulfilment} is reserved twice")
        closed = before.closed_position if before is not None else None
        if closed is None and row.closed:
            closed = position
        rows = self.opened if opened or key in self.opened else self.changed
        rows[key] = FulfilmentChange(row, position, closed)


def positions_of_fulfilments(first: int, events: Sequence[Event]) -> tuple[dict[str, int], set[str]]:
    """Return the last position at which each fulfilment is named, and which are named for the first time."""
    last: dict[str, int] = {}
    opened: set[str] = set()
    for position, event in enumerate(events, first):
        if isinstance(event, OfFulfilment):
            last[event.fulfilment] = position
            if isinstance(event, UnitsReserved | ReservationRefused):
                opened.add(event.fulfilment)
    return last, opened


def in_line(rows: Sequence[R], place: Callable[[R], tuple[str, int]]) -> list[R]:
    """Return rows that stand in the order of their time so that each stream's stand in the order of the log.

    A clock may have been set back between two events of a stream. `place` tells a row's stream and position.
    """
    lines: dict[str, deque[R]] = {}
    for row in sorted(rows, key=lambda row: place(row)[1]):
        lines.setdefault(place(row)[0], deque()).append(row)
    return [lines[place(row)[0]].popleft() for row in rows]
