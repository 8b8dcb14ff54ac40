"""The log in memory: what is recorded, its chain, and what is projected from it.

The same refusals as on Postgres. What it projects follows from `actors.projections`, as anywhere; what is
asked of it is `journal`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import trio

from actors.domain.anomaly_events import AnomalyRaised, AnomalyResolved
from actors.domain.ledger import INNER_ACCOUNTS, movements
from actors.domain.log import GENESIS, KINDS, chain, decode_event, encode_event, header, microseconds
from actors.domain.partitions import PARTITIONS, partition_of, warehouse_of
from actors.ports.journal import (
    Append,
    Balance,
    ConflictError,
    CorruptionError,
    Durable,
    OpenAnomaly,
    OrderRow,
    PendingEffect,
    Recorded,
)
from actors.ports.people import BesideRow
from actors.projections import Changes, FulfilmentChange, Key, Resolution, positions_of_fulfilments

ANSWERS_KEPT: Final = timedelta(hours=24)
"""As long as on Postgres, see `KeyedAnswer`."""

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class MemoryLog:
    """A log that forgets. It owns all partitions; its time is that of the latest append."""

    owned: frozenset[int] = frozenset(range(PARTITIONS))
    streams: dict[str, list[Recorded]] = field(default_factory=dict)
    _tips: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    _balances: dict[Key, dict[str, Balance]] = field(default_factory=dict)
    _slots: dict[Key, dict[str, str]] = field(default_factory=dict)
    _deliveries: dict[Key, set[str]] = field(default_factory=dict)
    _fulfilments: dict[Key, FulfilmentChange] = field(default_factory=dict)
    _orders: dict[Key, OrderRow] = field(default_factory=dict)
    _outbox: dict[Key, tuple[int, PendingEffect]] = field(default_factory=dict)
    _anomalies: dict[Key, tuple[OpenAnomaly, Resolution | None]] = field(default_factory=dict)
    _beside: dict[Key, BesideRow | None] = field(default_factory=dict)
    _answers: dict[tuple[str, str], tuple[datetime, bytes]] = field(default_factory=dict)
    _cursors: dict[str, str] = field(default_factory=dict)
    _now: datetime = LONG_AGO

    def is_ours(self) -> bool:
        """See `Journal.is_ours`. Nobody else can reach it."""
        return True

    async def append(self, append: Append) -> None:
        """See `Journal.append`. Everything is checked before anything changes, and nobody runs between."""
        is_durable = await self.enqueue(append)
        await is_durable()

    async def enqueue(self, append: Append) -> Durable:
        """See `Journal.enqueue`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._append(append)
        return trio.lowlevel.cancel_shielded_checkpoint

    async def save_cursor(self, name: str, value: str) -> None:
        """See `Journal.save_cursor`."""
        await trio.lowlevel.checkpoint()
        self._cursors[name] = value

    async def forget(self, customer: str) -> int:
        """Erase everything beside the log that belongs to this customer; return how many rows that were."""
        await trio.lowlevel.checkpoint()
        theirs = [key for key, row in self._beside.items() if row is not None and row.customer == customer]
        self._beside.update(dict.fromkeys(theirs))
        return len(theirs)

    def _append(self, append: Append) -> None:
        partition = partition_of(append.stream)
        version = len(self.streams.get(append.stream, ()))
        if version != append.expected:
            raise ConflictError(f"{append.stream} is at version {version}, not {append.expected}")
        recorded = self._recorded(partition, append)
        balances = self._moved(partition, append)
        changes = self._changes(partition, append, recorded[0].position if recorded else 0)
        self._refuse_repeats(append, changes)
        self.streams.setdefault(append.stream, []).extend(recorded)
        if recorded:
            self._tips[partition] = (recorded[-1].position, recorded[-1].hash)
        for warehouse, moved in balances.items():
            self._balances.setdefault(warehouse, {}).update(moved)
        self._take(changes)
        for beside in append.beside:
            is_erased = self._beside.get((partition, beside.erased_with), beside) is None
            self._beside.setdefault((partition, beside.id), None if is_erased else beside)
        self._now = max(self._now, append.at)
        for row in append.answers:
            self._answers[append.stream, row.key] = (append.at, row.answer)

    def _recorded(self, partition: int, append: Append) -> list[Recorded]:
        position, previous = self._tips.get(partition, (0, GENESIS))
        recorded: list[Recorded] = []
        for version, event in enumerate(append.events, append.expected + 1):
            position += 1
            kind, data = KINDS[type(event)], encode_event(event)
            head = header(partition, position, append.stream, version, kind, microseconds(append.at))
            previous = chain(previous, head, data)
            # Read back, so that an event that does not survive the log does not survive here either.
            again = decode_event(kind, data)
            recorded.append(Recorded(partition, position, append.stream, version, again, append.at, previous))
        return recorded

    def _moved(self, partition: int, append: Append) -> dict[Key, dict[str, Balance]]:
        warehouse = warehouse_of(append.stream)
        if warehouse is None:
            return {}
        house = (partition, warehouse)
        before = self._balances.get(house, {})
        moved: dict[str, Balance] = {}
        for event in append.events:
            if isinstance(event, AnomalyRaised | AnomalyResolved):
                continue
            for move in movements(event):  # type: ignore[arg-type] # a warehouse's stream holds stock events
                balance = moved.get(move.sku) or before.get(move.sku) or Balance(move.sku)
                changed = {
                    move.source: getattr(balance, move.source) - move.units,
                    move.target: getattr(balance, move.target) + move.units,
                }
                moved[move.sku] = msgspec.structs.replace(balance, **changed)
        for balance in moved.values():
            if any(getattr(balance, account) < 0 for account in INNER_ACCOUNTS):
                raise CorruptionError(f"{balance.sku} at {warehouse} would be below zero: {balance}")
        return {house: moved}

    def _changes(self, partition: int, append: Append, first: int) -> Changes:
        changes = Changes()
        changes.follow(partition, append.stream, append.at, first, append.events)
        positions, opened = positions_of_fulfilments(first, append.events)
        for row in append.fulfilments:
            if row.fulfilment not in positions:
                raise ValueError(f"the row of {row.fulfilment} comes without an event that names it")
            changes.take_fulfilment(
                partition, row, positions[row.fulfilment], opened=row.fulfilment in opened
            )
        changes.orders.update({(partition, row.order): row for row in append.orders})
        return changes

    def _refuse_repeats(self, append: Append, changes: Changes) -> None:
        deliveries = [delivery for house, delivery in changes.deliveries if delivery in self._of(house)]
        answered = [
            row.key
            for row in append.answers
            if (known := self._answers.get((append.stream, row.key))) and known[0] > append.at - ANSWERS_KEPT
        ]
        repeats = [
            *(key for key in changes.opened if key in self._fulfilments),
            *(key for key in changes.requested if key in self._outbox),
            *deliveries,
            *answered,
        ]
        if repeats:
            raise ConflictError(f"{append.stream}: {repeats[0]} is there already")
        for key in changes.changed:
            if key not in self._fulfilments:
                raise CorruptionError(f"the fulfilment {key[1]} changed and was never reserved")

    def _of(self, house: Key) -> set[str]:
        return self._deliveries.setdefault(house, set())

    def _take(self, changes: Changes) -> None:
        self._orders.update(changes.orders)
        self._fulfilments.update(changes.opened)
        for key, change in changes.changed.items():
            closed = self._fulfilments[key].closed_position or change.closed_position
            self._fulfilments[key] = FulfilmentChange(change.row, change.position, closed)
        self._outbox.update(changes.requested)
        for key in changes.settled:
            self._outbox.pop(key, None)
        self._anomalies.update(changes.raised)
        for key, resolution in changes.resolved.items():
            raised = self._anomalies.get(key)
            if raised is not None and raised[1] is None:
                self._anomalies[key] = (raised[0], resolution)
        for (house, sku), slot in changes.slots.items():
            self._slots.setdefault(house, {})[sku] = slot
        for house, delivery in changes.deliveries:
            self._of(house).add(delivery)
