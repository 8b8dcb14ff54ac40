"""Reads one partition from its first event to its last: chain, movements, balances, promises.

Memory is bounded by what is open: the SKUs of its warehouses and the fulfilments on their floors.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final

import asyncpg
import msgspec

from actors.domain.anomaly_events import AnomalyEvent, AnomalyTaken
from actors.domain.control_events import ChangeAsked, ChangeSettled, ControlEvent
from actors.domain.gates import GateEvent
from actors.domain.order_events import OrderEvent
from actors.domain.stock_events import StockEvent
from adapters.postgres.audit.books import COLUMNS, Books, Promise
from adapters.postgres.audit.report import Findings
from adapters.postgres.connect import Connection

PAGE: Final = 5_000
"""Events, or rows to compare, at a time."""

_EVENTS = """
    SELECT position, stream, version, kind, data, (extract(epoch FROM at) * 1000000)::bigint AS at, hash
      FROM event WHERE partition = $1 AND position > $2 ORDER BY position LIMIT $3
"""
_MOVEMENTS = """
    SELECT position, line, warehouse, sku, lot, source, target, units FROM stock_movement
     WHERE partition = $1 AND position BETWEEN $2 AND $3 ORDER BY position, line
"""
_BALANCES = """
    SELECT warehouse, sku, lot, available, reserved, picked, quarantine, supplier, customer, count_, opening,
           transit
      FROM stock_balance WHERE partition = $1
"""
_FULFILMENTS = """
    SELECT fulfilment, order_id, warehouse, state, closed_position, position, body
      FROM fulfilment WHERE partition = $1 AND fulfilment = ANY ($2)
"""

_read = msgspec.json.Decoder(
    StockEvent | OrderEvent | AnomalyEvent | AnomalyTaken | GateEvent | ControlEvent
).decode

_Moved = tuple[int, int, str, str, str, str, str, int]


class _Line(msgspec.Struct):
    sku: str
    units: int
    picked: int = 0
    missing: int = 0


class _Body(msgspec.Struct):
    """What the audit expects of a fulfilment's stored state; other fields are not its matter."""

    lines: tuple[_Line, ...] = ()


_read_body = msgspec.json.Decoder(_Body).decode


class PartitionAudit:
    """One partition's audit; `run` adds to `findings`, and leaves its counts here."""

    def __init__(self, connection: Connection, partition: int, findings: Findings) -> None:
        self._connection = connection
        self._partition = partition
        self._findings = findings
        self._closed: list[Promise] = []
        self._fulfilments = 0
        self._asked: set[int] = set()
        self._books = Books(self._wrong, self._closed.append)
        self._position = 0
        self._hash = bytes(32)
        self.events = 0
        self.movements = 0

    @property
    def oversold_units(self) -> int:
        """Units that were promised without being there."""
        return self._books.oversold_units

    async def run(self, progress: Callable[[int], None]) -> None:
        """Read everything; `progress` hears of each page's events."""
        while rows := await self._connection.fetch(_EVENTS, self._partition, self._position, PAGE):
            # From the end of the last page on, so that movements of an event that is gone are seen as well.
            begin, moves = self._position + 1, list[_Moved]()
            for row in rows:
                self._check_chain(row)
                moves += self._take(row)
            found = await self._connection.fetch(_MOVEMENTS, self._partition, begin, self._position)
            self._compare_movements(moves, found)
            self.events += len(rows)
            self.movements += len(moves)
            await self._compare_closed()
            progress(len(rows))
        await self._compare_head()
        await self._compare_balances()
        await self._compare_open()

    def _wrong(self, position: int, what: str) -> None:
        self._findings.add(self._partition, position, what)

    def _check_chain(self, row: asyncpg.Record) -> None:
        position = row["position"]
        if position != self._position + 1:
            missing = f"event {self._position + 1} is missing"
            self._findings.break_chain(self._partition, self._position + 1, missing)
        told = (self._partition, position, row["stream"], row["version"], row["kind"], row["at"])
        head = b"".join(str(field).encode() + b"\0" for field in told)
        if sha256(self._hash + head + row["data"].encode()).digest() != row["hash"]:
            self._findings.break_chain(
                self._partition, position, "the event does not have the hash it should"
            )
        self._position, self._hash = position, row["hash"]

    def _take(self, row: asyncpg.Record) -> list[_Moved]:
        position, stream = row["position"], row["stream"]
        try:
            event = _read(row["data"])
        except msgspec.DecodeError as error:
            self._wrong(position, f"the event cannot be read: {error}")
            return []
        if type(event).__struct_config__.tag != row["kind"]:
            self._wrong(position, f"the event is called {row['kind']} and is another")
        if isinstance(event, ControlEvent):
            self._check_trail(position, row["version"], event)
        if not isinstance(event, StockEvent):
            return []
        if not stream.startswith("stock-"):
            self._wrong(position, f"a stock event stands in {stream}")
            return []
        warehouse = stream.removeprefix("stock-")
        return [
            (position, line, warehouse, sku, "", source, target, units)
            for line, (sku, source, target, units) in enumerate(self._books.take(position, warehouse, event))
        ]

    def _check_trail(self, position: int, version: int, event: ControlEvent) -> None:
        """A change is settled once, and not before it was asked for; a fall may leave it open for ever."""
        match event:
            case ChangeAsked():
                self._asked.add(version)
            case ChangeSettled(asked) if asked in self._asked:
                self._asked.remove(asked)
            case ChangeSettled(asked):
                self._wrong(
                    position, f"it settles change {asked}, which nobody asked for or which is settled"
                )

    def _compare_movements(self, expected: Sequence[_Moved], rows: Sequence[asyncpg.Record]) -> None:
        found: list[Any] = [tuple(row) for row in rows]
        if found == expected:
            return
        wrong = {moved[0] for moved in set(expected).symmetric_difference(found)}
        for position in sorted(wrong):
            self._wrong(position, "its movements are not what the event says")

    async def _compare_head(self) -> None:
        head = await self._connection.fetchrow(
            "SELECT position, hash FROM partition_head WHERE partition = $1", self._partition
        )
        if head is None or (head["position"], head["hash"]) != (self._position, self._hash):
            self._findings.break_chain(
                self._partition, self._position + 1, "the log does not end where its head says"
            )
        beyond = await self._connection.fetchval(
            "SELECT min(position) FROM stock_movement WHERE partition = $1 AND position > $2",
            self._partition,
            self._position,
        )
        if beyond is not None:
            self._wrong(beyond, "movements of an event that does not exist")

    async def _compare_balances(self) -> None:
        expected = {
            (warehouse, sku, ""): tuple(balance) for (warehouse, sku), balance in self._books.balances.items()
        }
        rows = await self._connection.fetch(_BALANCES, self._partition)
        found = {
            (row["warehouse"], row["sku"], row["lot"]): tuple(row[name] for name in COLUMNS) for row in rows
        }
        for key in sorted(expected.keys() | found.keys()):
            if expected.get(key) != found.get(key):
                self._wrong(0, f"the balance of {key[1]} at {key[0]} is not what its events sum up to")

    async def _compare_closed(self) -> None:
        # Now or never, as closed promises are not kept. A closed fulfilment's row does not change any more.
        closed, self._closed[:] = list(self._closed), []
        for begin in range(0, len(closed), PAGE):
            await self._compare(closed[begin : begin + PAGE], closed=True)

    async def _compare_open(self) -> None:
        promises = list(self._books.open.values())
        for begin in range(0, len(promises), PAGE):
            await self._compare(promises[begin : begin + PAGE], closed=False)
        rows = await self._connection.fetchval(
            "SELECT count(*) FROM fulfilment WHERE partition = $1", self._partition
        )
        if rows > self._fulfilments:
            self._wrong(0, f"{rows - self._fulfilments} fulfilments stand in the table that no event made")

    async def _compare(self, promises: Sequence[Promise], *, closed: bool) -> None:
        rows = await self._connection.fetch(
            _FULFILMENTS, self._partition, [promise.fulfilment for promise in promises]
        )
        found = {row["fulfilment"]: row for row in rows}
        self._fulfilments += len(found)
        for promise in promises:
            row = found.get(promise.fulfilment)
            if row is None or not _is_told_by(promise, row, closed=closed):
                self._wrong(promise.position, f"the row of {promise.fulfilment} is not what its events say")


def _is_told_by(promise: Promise, row: asyncpg.Record, *, closed: bool) -> bool:
    facts = (promise.order, promise.warehouse, promise.state, promise.position)
    if facts != (row["order_id"], row["warehouse"], row["state"], row["position"]):
        return False
    if row["closed_position"] != (promise.position if closed else None):
        return False
    try:
        lines = _read_body(row["body"]).lines
    except msgspec.DecodeError:
        return False
    told = [
        {line.sku: units(line) for line in lines if units(line)} for units in (_promised, _picked, _missing)
    ]
    kept = (promise.promised, promise.picked, promise.missing)
    return told == [{sku: count for sku, count in units.items() if count} for units in kept]


def _promised(line: _Line) -> int:
    return line.units


def _picked(line: _Line) -> int:
    return line.picked


def _missing(line: _Line) -> int:
    return line.missing
