"""The journal in memory: the same protocol and the same refusals as on Postgres, and nothing survives the process.

It serves tests, simulations and benchmarks. What it projects it derives from the events by the domain's own functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import trio

from actors.domain.anomaly_events import AnomalyRaised, AnomalyResolved
from actors.domain.ledger import movements
from actors.domain.order_events import EffectDone, EffectRefused, EffectRequested, ParcelLabelled
from actors.domain.stock_events import (
    SlotAssigned,
    StockEffectDone,
    StockEffectRefused,
    StockEffectRequested,
    StockOpened,
    StockReceived,
)
from actors.ports import (
    Append,
    Balance,
    BesideRow,
    ConflictError,
    Contact,
    CorruptionError,
    Event,
    FulfilmentRow,
    KeyedAnswer,
    OpenAnomaly,
    OrderRow,
    PendingEffect,
    Recorded,
    StockPicture,
)

_CONTACT = msgspec.json.Decoder(Contact)
_INNER = ("available", "reserved", "picked", "quarantine")


@dataclass(slots=True)
class _House:
    """What is projected of one warehouse."""

    balances: dict[str, Balance] = field(default_factory=dict)
    slots: dict[str, str] = field(default_factory=dict)
    deliveries: list[str] = field(default_factory=list)
    fulfilments: dict[str, FulfilmentRow] = field(default_factory=dict)


@dataclass(slots=True)
class MemoryJournal:
    """A journal that forgets."""

    streams: dict[str, list[Recorded]] = field(default_factory=dict)
    _houses: dict[str, _House] = field(default_factory=dict)
    _orders: dict[str, OrderRow] = field(default_factory=dict)
    _outbox: dict[str, PendingEffect] = field(default_factory=dict)
    _anomalies: dict[str, OpenAnomaly] = field(default_factory=dict)
    _beside: dict[str, BesideRow] = field(default_factory=dict)
    _answers: dict[tuple[str, str], bytes] = field(default_factory=dict)
    _cursors: dict[str, str] = field(default_factory=dict)

    async def append(self, append: Append) -> None:
        """See `Journal.append`."""
        await trio.lowlevel.checkpoint()
        recorded = self.streams.setdefault(append.stream, [])
        if len(recorded) != append.expected:
            raise ConflictError(f"{append.stream} is at version {len(recorded)}, not {append.expected}")
        for event in append.events:
            version = len(recorded) + 1
            recorded.append(Recorded(0, version, append.stream, version, event, append.at, b""))
            self._project(append.stream, event, append.at)
        for order in append.orders:
            self._orders[order.order] = order
        for row in append.fulfilments:
            house = self._house(row.warehouse)
            house.fulfilments.pop(row.fulfilment, None)
            house.fulfilments[row.fulfilment] = row
        self._beside.update({row.id: row for row in append.beside})
        self._answers.update({(append.stream, row.key): row.answer for row in append.answers})

    def _house(self, warehouse: str) -> _House:
        return self._houses.setdefault(warehouse, _House())

    def _project(self, stream: str, event: Event, at: datetime) -> None:
        match event:
            case EffectRequested(effect, partner, document) | StockEffectRequested(effect, partner, document):
                self._outbox[effect] = PendingEffect(effect, stream, partner, document, at)
            case EffectDone(effect) | EffectRefused(effect) | ParcelLabelled(effect):
                del self._outbox[effect]
            case StockEffectDone(effect) | StockEffectRefused(effect):
                del self._outbox[effect]
            case AnomalyRaised(anomaly, problem, detail, mend):
                self._anomalies[anomaly] = OpenAnomaly(anomaly, stream, problem, detail, mend, at)
            case AnomalyResolved(anomaly):
                self._anomalies.pop(anomaly, None)
            case _:
                kind, _, name = stream.partition("-")
                if kind == "stock":
                    self._project_stock(name, event)

    def _project_stock(self, warehouse: str, event: Event) -> None:
        house = self._house(warehouse)
        match event:
            case StockOpened(sku, _, slot) | StockReceived(_, sku, _, slot):
                house.slots[sku] = slot or house.slots.get(sku, "")
            case SlotAssigned(sku, slot):
                house.slots[sku] = slot
            case _:
                pass
        if isinstance(event, StockReceived):
            house.deliveries.append(event.delivery)
        for move in movements(event):  # type: ignore[arg-type] # a stock stream holds stock events
            balance = house.balances.get(move.sku, Balance(move.sku))
            changed = {
                move.source: getattr(balance, move.source) - move.units,
                move.target: getattr(balance, move.target) + move.units,
            }
            house.balances[move.sku] = balance = msgspec.structs.replace(balance, **changed)
            if any(getattr(balance, account) < 0 for account in _INNER):
                raise CorruptionError(f"{move.sku} at {warehouse} would be below zero: {balance}")

    async def read(self, stream: str, after: int = 0) -> Sequence[Recorded]:
        """See `Journal.read`."""
        await trio.lowlevel.checkpoint()
        return tuple(self.streams.get(stream, ())[after:])

    async def stock_picture(self, warehouse: str) -> StockPicture:
        """See `Journal.stock_picture`."""
        await trio.lowlevel.checkpoint()
        house = self._house(warehouse)
        stream = f"stock-{warehouse}"
        rows = tuple(house.fulfilments.values())
        return StockPicture(
            version=len(self.streams.get(stream, ())),
            balances=tuple(house.balances.values()),
            slots=dict(house.slots),
            open_fulfilments=tuple(row for row in rows if not row.closed),
            closed_fulfilments=tuple(row for row in rows if row.closed),
            deliveries=tuple(house.deliveries),
            answers=tuple(
                KeyedAnswer(key, answer) for (of, key), answer in self._answers.items() if of == stream
            ),
        )

    async def order_row(self, order: str) -> OrderRow | None:
        """See `Journal.order_row`."""
        await trio.lowlevel.checkpoint()
        return self._orders.get(order)

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

    async def orders_in(self, states: Sequence[str], limit: int) -> Sequence[OrderRow]:
        """See `Journal.orders_in`."""
        await trio.lowlevel.checkpoint()
        return sorted(
            (row for row in self._orders.values() if not states or row.state in states), key=_placed
        )[:limit]

    async def order_counts(self) -> Mapping[str, int]:
        """See `Journal.order_counts`."""
        await trio.lowlevel.checkpoint()
        counts: dict[str, int] = {}
        for row in self._orders.values():
            counts[row.state] = counts.get(row.state, 0) + 1
        return counts

    async def pending(self, partner: str, limit: int) -> Sequence[PendingEffect]:
        """See `Journal.pending`."""
        await trio.lowlevel.checkpoint()
        return [effect for effect in self._outbox.values() if effect.partner == partner][:limit]

    async def effect(self, effect: str, stream: str) -> PendingEffect | None:
        """See `Journal.effect`."""
        await trio.lowlevel.checkpoint()
        pending = self._outbox.get(effect)
        return pending if pending is not None and pending.stream == stream else None

    async def anomalies(self, limit: int) -> Sequence[OpenAnomaly]:
        """See `Journal.anomalies`."""
        await trio.lowlevel.checkpoint()
        return sorted(self._anomalies.values(), key=lambda anomaly: anomaly.raised_at)[:limit]

    async def contact(self, id: str) -> Contact | None:  # noqa: A002 - the protocol's name
        """See `Journal.contact`."""
        body = await self.beside(id)
        return _CONTACT.decode(body) if body is not None else None

    async def beside(self, id: str) -> bytes | None:  # noqa: A002 - the protocol's name
        """See `Journal.beside`."""
        await trio.lowlevel.checkpoint()
        row = self._beside.get(id)
        return row.body if row is not None else None

    async def keyed_answer(self, stream: str, key: str) -> bytes | None:
        """See `Journal.keyed_answer`."""
        await trio.lowlevel.checkpoint()
        return self._answers.get((stream, key))

    async def cursor(self, name: str) -> str | None:
        """See `Journal.cursor`."""
        await trio.lowlevel.checkpoint()
        return self._cursors.get(name)

    async def save_cursor(self, name: str, value: str) -> None:
        """See `Journal.save_cursor`."""
        await trio.lowlevel.checkpoint()
        self._cursors[name] = value


def _placed(row: OrderRow) -> datetime:
    return row.placed_at
