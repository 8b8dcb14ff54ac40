"""The journal in memory: the same protocol, refusals and chain as on Postgres, and nothing survives.

It serves tests, simulations and benchmarks. How it is written is `log`; here is what is asked of it.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import trio

from actors.domain.anomaly_events import AnomalyRaised, AnomalyResolved
from actors.domain.documents import about
from actors.domain.ledger import movements
from actors.domain.log import GENESIS
from actors.domain.partitions import PARTITIONS, partition_of, partition_of_key, stock_stream
from actors.domain.stock_events import StockEffectRequested
from actors.inspection import Asked, AuditRun, BookedMovement, LogEnd, OrderFilter, Tip
from actors.ports.journal import (
    KeyedAnswer,
    OpenAnomaly,
    OrderRow,
    OrdersSince,
    PendingEffect,
    Recorded,
    StockPicture,
)
from actors.ports.people import Contact
from actors.projections import in_line
from adapters.memory.log import ANSWERS_KEPT, LONG_AGO, MemoryLog

_CONTACT = msgspec.json.Decoder(Contact)


@dataclass(slots=True)
class MemoryJournal(MemoryLog):
    """The log as a `Journal` and its `Inspection`."""

    async def read(self, stream: str, after: int = 0) -> Sequence[Recorded]:
        """See `Journal.read`."""
        await trio.lowlevel.checkpoint()
        return tuple(self.streams.get(stream, ())[after:])

    async def stock_picture(self, warehouse: str) -> StockPicture:
        """See `Journal.stock_picture`."""
        await trio.lowlevel.checkpoint()
        stream = stock_stream(warehouse)
        house = (partition_of(stream), warehouse)
        changes = [change for change in self._fulfilments.values() if change.row.warehouse == warehouse]
        open_ = sorted((change.position, change.row) for change in changes if change.closed_position is None)
        closed = sorted((change.closed_position, change.row) for change in changes if change.closed_position)
        return StockPicture(
            version=len(self.streams.get(stream, ())),
            balances=tuple(balance for _, balance in sorted(self._balances.get(house, {}).items())),
            slots=dict(self._slots.get(house, {})),
            open_fulfilments=tuple(row.body for _, row in open_),
            closed_fulfilments=tuple(row.body for _, row in closed),
            deliveries=tuple(sorted(self._of(house))),
            answers=tuple(
                KeyedAnswer(key, answer)
                for (of, key), (at, answer) in self._answers.items()
                if of == stream and at > self._now - ANSWERS_KEPT
            ),
        )

    async def order_row(self, order: str) -> OrderRow | None:
        """See `Journal.order_row`."""
        await trio.lowlevel.checkpoint()
        return self._orders.get((partition_of_key(order), order))

    async def known_orders(self, orders: Collection[str]) -> frozenset[str]:
        """See `Journal.known_orders`."""
        await trio.lowlevel.checkpoint()
        return frozenset(order for order in orders if (partition_of_key(order), order) in self._orders)

    async def orders_due(self, now: datetime, limit: int) -> Sequence[str]:
        """See `Journal.orders_due`."""
        await trio.lowlevel.checkpoint()
        due = sorted(
            (row.due_at, row.order) for row in self._orders.values() if row.due_at and row.due_at <= now
        )
        return [order for _, order in due[:limit]]

    async def orders_waiting_for(self, sku: str, limit: int) -> Sequence[str]:
        """See `Journal.orders_waiting_for`."""
        await trio.lowlevel.checkpoint()
        rows = [row for row in self._orders.values() if any(line.sku == sku for line in row.waiting_for)]
        return [row.order for row in sorted(rows, key=_placed)[:limit]]

    async def wanted(self) -> Mapping[str, int]:
        """See `Journal.wanted`."""
        await trio.lowlevel.checkpoint()
        wanted: dict[str, int] = {}
        for row in self._orders.values():
            for line in row.waiting_for:
                wanted[line.sku] = wanted.get(line.sku, 0) + line.units
        return wanted

    async def orders_in(
        self, states: Sequence[str], limit: int, after: OrderRow | None = None
    ) -> Sequence[OrderRow]:
        """See `Journal.orders_in`."""
        await trio.lowlevel.checkpoint()
        rows = [row for row in self._orders.values() if not states or row.state in states]
        behind = [row for row in rows if after is None or _placed(row) > _placed(after)]
        return sorted(behind, key=_placed)[:limit]

    async def find_orders(self, wanted: OrderFilter, limit: int) -> Sequence[OrderRow]:
        """See `Inspection.find_orders`."""
        await trio.lowlevel.checkpoint()
        there = {
            change.row.order
            for change in self._fulfilments.values()
            if change.row.warehouse == wanted.warehouse and change.closed_position is None
        }
        rows = [
            row
            for row in self._orders.values()
            if (not wanted.states or row.state in wanted.states)
            and wanted.channel in ("", row.channel)
            and (wanted.placed_before is None or row.placed_at <= wanted.placed_before)
            and (wanted.moved_after is None or row.state_since >= wanted.moved_after)
            and (not wanted.warehouse or row.order in there)
        ]
        return sorted(rows, key=_placed)[:limit]

    async def tip(self, back: int) -> Tip:
        """See `Inspection.tip`."""
        await trio.lowlevel.checkpoint()
        ends = {partition: position for partition, (position, _) in self._tips.items()}
        return Tip({partition: max(0, ends.get(partition, 0) - back) for partition in range(PARTITIONS)})

    async def news(self, after: Tip, limit: int) -> tuple[Sequence[Recorded], Tip]:
        """See `Inspection.news`."""
        await trio.lowlevel.checkpoint()
        beyond = sorted(
            (each.partition, each.position, each)
            for stream in self.streams.values()
            for each in stream
            if each.position > after.positions[each.partition]
        )
        taken: dict[int, list[Recorded]] = {}
        for partition, _, each in beyond:
            taken.setdefault(partition, []).append(each)
        kept = [each for rows in taken.values() for each in rows[:limit]]
        reached = {
            **after.positions,
            **{rows[0].partition: rows[:limit][-1].position for rows in taken.values()},
        }
        return sorted(kept, key=lambda each: (each.at, each.partition, each.position)), Tip(reached)

    async def newest(self, stream: str, limit: int, before: int | None = None) -> Sequence[Recorded]:
        """See `Inspection.newest`."""
        await trio.lowlevel.checkpoint()
        earlier = self.streams.get(stream, ())[: None if before is None else max(0, before - 1)]
        return earlier[::-1][:limit]

    async def ends(self, at: Mapping[int, int]) -> Sequence[LogEnd]:
        """See `Inspection.ends`."""
        await trio.lowlevel.checkpoint()
        hashes = {
            (each.partition, each.position): each.hash for stream in self.streams.values() for each in stream
        }
        return [
            LogEnd(partition, self._tips.get(partition, (0, GENESIS))[0], hashes.get((partition, position)))
            for partition, position in sorted(at.items())
        ]

    async def movements(self, warehouse: str, sku: str, limit: int) -> Sequence[BookedMovement]:
        """See `Inspection.movements`."""
        await trio.lowlevel.checkpoint()
        booked = [
            BookedMovement(recorded.at, recorded.event, move.source, move.target, move.units)
            for recorded in self.streams.get(stock_stream(warehouse), ())
            if not isinstance(recorded.event, AnomalyRaised | AnomalyResolved)
            for move in movements(recorded.event)  # type: ignore[arg-type] # a warehouse's stream holds stock events
            if move.sku == sku
        ]
        return booked[::-1][:limit]

    async def last_audit(self) -> AuditRun | None:
        """See `Inspection.last_audit`: what nobody can come back to is never audited."""
        await trio.lowlevel.checkpoint()
        return None

    async def asked(self, stream: str, names: Collection[str]) -> Sequence[Asked]:
        """See `Inspection.asked`."""
        await trio.lowlevel.checkpoint()
        return [
            Asked(recorded.event.effect, recorded.event.document, recorded.at)
            for recorded in self.streams.get(stream, ())
            if isinstance(recorded.event, StockEffectRequested)
            and {recorded.event.effect, about(recorded.event.document)} & set(names)
        ]

    async def order_counts(self) -> Mapping[str, int]:
        """See `Journal.order_counts`."""
        await trio.lowlevel.checkpoint()
        counts: dict[str, int] = {}
        for row in self._orders.values():
            counts[row.state] = counts.get(row.state, 0) + 1
        return counts

    async def orders_since(self, states: Sequence[str]) -> Sequence[OrdersSince]:
        """See `Journal.orders_since`."""
        await trio.lowlevel.checkpoint()
        counts = Counter(
            (row.state, row.state_since.replace(second=0, microsecond=0))
            for row in self._orders.values()
            if row.state in states
        )
        return [OrdersSince(state, since, count) for (state, since), count in sorted(counts.items())]

    async def pending(self, partner: str, limit: int) -> Sequence[PendingEffect]:
        """See `Journal.pending`."""
        await trio.lowlevel.checkpoint()
        rows = sorted(
            (effect.requested_at, partition, position, effect)
            for (partition, _), (position, effect) in self._outbox.items()
            if effect.partner == partner
        )
        told = in_line(rows[:limit], lambda row: (row[3].stream, row[2]))
        return [effect for *_, effect in told]

    async def owed(self) -> Collection[str]:
        """See `Journal.owed`."""
        await trio.lowlevel.checkpoint()
        return {effect.partner for _, effect in self._outbox.values()}

    async def effect(self, effect: str, stream: str) -> PendingEffect | None:
        """See `Journal.effect`."""
        await trio.lowlevel.checkpoint()
        pending = self._outbox.get((partition_of(stream), effect))
        return pending[1] if pending is not None else None

    async def anomalies(self, limit: int) -> Sequence[OpenAnomaly]:
        """See `Journal.anomalies`."""
        await trio.lowlevel.checkpoint()
        raised = [anomaly for anomaly, resolution in self._anomalies.values() if resolution is None]
        return sorted(raised, key=lambda anomaly: (anomaly.raised_at, anomaly.anomaly))[:limit]

    async def contact(self, id: str) -> Contact | None:  # noqa: A002 - the protocol's name
        """See `Journal.contact`."""
        body = await self.beside(id)
        return _CONTACT.decode(body) if body is not None else None

    async def contacts(self, ids: Collection[str]) -> Mapping[str, Contact]:
        """See `Journal.contacts`."""
        found = {id_: await self.contact(id_) for id_ in ids}
        return {id_: contact for id_, contact in found.items() if contact is not None}

    async def beside(self, id: str) -> bytes | None:  # noqa: A002 - the protocol's name
        """See `Journal.beside`."""
        await trio.lowlevel.checkpoint()
        return next(
            (row.body for (_, key), row in self._beside.items() if key == id and row is not None), None
        )

    async def keyed_answer(self, stream: str, key: str) -> bytes | None:
        """See `Journal.keyed_answer`."""
        await trio.lowlevel.checkpoint()
        at, answer = self._answers.get((stream, key), (LONG_AGO, None))
        return answer if at > self._now - ANSWERS_KEPT else None

    async def cursor(self, name: str) -> str | None:
        """See `Journal.cursor`."""
        await trio.lowlevel.checkpoint()
        return self._cursors.get(name)


def _placed(row: OrderRow) -> tuple[datetime, str]:
    return row.placed_at, row.order
