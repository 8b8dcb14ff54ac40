"""Drop and rebuild everything that is projected from the events, to the same content.

Run by the schema's owner while no daemon works, in one transaction: all of it is new, or nothing changed.
Events, rows beside the log, answers and cursors are not touched: they follow from nothing.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import structlog

from actors.domain.anomaly_events import AnomalyEvent
from actors.domain.ledger import Stock, apply, movements
from actors.domain.log import LogEvent, decode_event
from actors.domain.order_events import OrderEvent
from actors.domain.order_fold import evolve
from actors.domain.order_state import Order
from actors.domain.partitions import PARTITIONS, warehouse_of
from actors.domain.stock_events import StockEvent
from actors.ports.journal import FulfilmentRow
from actors.projections import Changes
from actors.rows import fulfilment_row, order_row
from adapters.postgres.bridge import open_bridge
from adapters.postgres.connect import Connection, connect_to_log
from adapters.postgres.gone import or_unavailable
from adapters.postgres.rest import rest_of

PAGE: Final = 5_000
"""Events at a time; what is open beyond a page are the fulfilments on the floors."""

STATEMENT_SECONDS_MAX: Final = 3_600.0
"""To sum up the movements of years takes minutes."""

_NOBODY_TAKES: Final = "SELECT pg_advisory_xact_lock(1464353108)"
"""See `adapters.postgres.leases`: a daemon that starts meanwhile waits as a standby."""

_BUSY: Final = """
    SELECT count(*) FROM partition_lease
     WHERE until > clock_timestamp() AND NOT pg_try_advisory_xact_lock(1464353107, partition)
"""
_HOLD_OFF: Final = (
    "SELECT pg_advisory_xact_lock(1464353106, partition) FROM partition_lease ORDER BY partition"
)

# Only the owner can: the daemon's role may neither switch off a trigger nor truncate.
_DROP: Final = """
    ALTER TABLE stock_movement DISABLE TRIGGER stock_movement_append_only;
    TRUNCATE stock_movement, stock_balance, fulfilment, slot, delivery, order_index, backorder, outbox,
             anomaly;
    ALTER TABLE stock_movement ENABLE TRIGGER stock_movement_append_only;
"""
_BALANCES: Final = """
    INSERT INTO stock_balance (partition, warehouse, sku, lot, available, reserved, picked, quarantine,
                               supplier, customer, count_, opening, transit)
    SELECT partition, warehouse, sku, lot,
           coalesce(sum(units) FILTER (WHERE account = 'available'), 0),
           coalesce(sum(units) FILTER (WHERE account = 'reserved'), 0),
           coalesce(sum(units) FILTER (WHERE account = 'picked'), 0),
           coalesce(sum(units) FILTER (WHERE account = 'quarantine'), 0),
           coalesce(sum(units) FILTER (WHERE account = 'supplier'), 0),
           coalesce(sum(units) FILTER (WHERE account = 'customer'), 0),
           coalesce(sum(units) FILTER (WHERE account = 'count'), 0),
           coalesce(sum(units) FILTER (WHERE account = 'opening'), 0),
           coalesce(sum(units) FILTER (WHERE account = 'transit'), 0)
      FROM (SELECT partition, warehouse, sku, lot, source AS account, -units AS units FROM stock_movement
             UNION ALL
            SELECT partition, warehouse, sku, lot, target, units FROM stock_movement) AS booked
     GROUP BY partition, warehouse, sku, lot
"""
_BY_POSITION: Final = """
    SELECT position, stream, kind, data, at FROM event
     WHERE partition = $1 AND position > $2 ORDER BY position LIMIT $3
"""
_BY_STREAM: Final = """
    SELECT stream, version, kind, data, at FROM event
     WHERE partition = $1 AND stream LIKE 'order-%' AND (stream, version) > ($2, $3)
     ORDER BY stream, version LIMIT $4
"""

log = structlog.get_logger(__name__)


class RebuildError(Exception):
    """The projections cannot be rebuilt now; the text says what stands in the way."""


async def rebuild(
    dsn: str, *, database_seconds_max: float = 30.0, progress: Callable[[int], None] | None = None
) -> int:
    """Rebuild all projections; return how many events they follow from.

    Args:
        dsn: the database, as the owner of the schema.
        database_seconds_max: how long to wait for a database that is away.
        progress: told from time to time how many events were read so far, on the database's thread.

    Raises:
        RebuildError: a daemon is at work, or we do not own the schema.
        DatabaseUnavailableError: the database stayed away, or refused us.
        CorruptionError, ValueError: the events contradict themselves; nothing was changed. See `audit`.
    """
    async with open_bridge() as bridge:
        with or_unavailable():
            return await bridge.run(_rebuild, dsn, database_seconds_max, progress or _ignore)


async def _rebuild(dsn: str, seconds_max: float, progress: Callable[[int], None]) -> int:
    connection = await connect_to_log(
        dsn, role=None, seconds_max=seconds_max, command_seconds_max=STATEMENT_SECONDS_MAX
    )
    events = 0
    try:
        async with connection.transaction():
            await connection.execute(_NOBODY_TAKES)
            if await connection.fetchval(_BUSY):
                raise RebuildError("a daemon is at work on this database: stop it first")
            await connection.execute(_HOLD_OFF)
            await connection.execute(_DROP)
            for partition in range(PARTITIONS):
                events += await _Projector(connection, partition).run()
                await _project_orders(connection, partition)
                progress(events)
            await connection.execute(_BALANCES)
    except asyncpg.InsufficientPrivilegeError as error:
        raise RebuildError(f"only the owner of the schema can rebuild it: {error}") from error
    finally:
        await connection.close()  # noqa: ASYNC102 - asyncio's, on the database's thread
    log.info("journal.rebuilt", events=events)
    return events


class _Projector:
    """Goes through one partition from its first event to its last."""

    def __init__(self, connection: Connection, partition: int) -> None:
        self._connection = connection
        self._partition = partition
        self._stocks: dict[str, Stock] = {}
        self._open: dict[str, tuple[FulfilmentRow, int]] = {}
        self._closed: list[tuple[FulfilmentRow, int]] = []
        self._moves: list[tuple[object, ...]] = []

    async def run(self) -> int:
        """Write every row but the orders'; return how many events there were."""
        position = 0
        while rows := await self._connection.fetch(_BY_POSITION, self._partition, position, PAGE):
            changes = Changes()
            for row in rows:
                position = row["position"]
                event = decode_event(row["kind"], row["data"].encode())
                changes.follow(self._partition, row["stream"], row["at"], position, (event,))
                self._take(position, row["stream"], event)
            await self._write(changes)
        await self._copy_fulfilments([(*change, None) for change in self._open.values()])
        return position

    def _take(self, position: int, stream: str, event: LogEvent) -> None:
        warehouse = warehouse_of(stream)
        if warehouse is None or not isinstance(event, StockEvent):
            return
        self._moves += [
            (self._partition, position, line, warehouse, move.sku, "", move.source, move.target, move.units)
            for line, move in enumerate(movements(event))
        ]
        fulfilment = apply(self._stocks.setdefault(warehouse, Stock()), event)
        if fulfilment is None:
            return
        row = fulfilment_row(fulfilment, warehouse)
        if row.closed:
            self._open.pop(row.fulfilment, None)
            self._closed.append((row, position))
        else:
            self._open[row.fulfilment] = (row, position)

    async def _write(self, changes: Changes) -> None:
        await self._connection.copy_records_to_table("stock_movement", records=self._moves)
        self._moves.clear()
        await self._copy_fulfilments([(row, position, position) for row, position in self._closed])
        self._closed.clear()
        await _project(self._connection, changes)

    async def _copy_fulfilments(self, rows: Sequence[tuple[FulfilmentRow, int, int | None]]) -> None:
        await self._connection.copy_records_to_table(
            "fulfilment",
            records=[
                (
                    self._partition,
                    row.fulfilment,
                    row.order,
                    row.warehouse,
                    row.state,
                    closed_position,
                    row.body.decode(),
                    position,
                )
                for row, position, closed_position in rows
            ],
        )


async def _project_orders(connection: Connection, partition: int) -> None:
    stream, version, order = "", 0, Order()
    while rows := await connection.fetch(_BY_STREAM, partition, stream, version, PAGE):
        changes = Changes()
        for row in rows:
            if row["stream"] != stream:
                order = Order()
            stream, version = row["stream"], row["version"]
            order = _evolved(order, decode_event(row["kind"], row["data"].encode()), row["at"])
            if order.imported is not None:
                index = order_row(order)
                changes.orders[partition, index.order] = index
        await _project(connection, changes)


def _evolved(order: Order, event: LogEvent, at: datetime) -> Order:
    if not isinstance(event, OrderEvent | AnomalyEvent):
        raise ValueError(f"{type(event).__name__} does not belong in an order's stream")  # noqa: TRY004 - the log's fault
    return evolve(order, event, at)


async def _project(connection: Connection, changes: Changes) -> None:
    rest = rest_of(changes)
    if rest is not None:
        await connection.execute("SELECT journal_project_rest($1)", rest)


def _ignore(_: int) -> None:
    pass
