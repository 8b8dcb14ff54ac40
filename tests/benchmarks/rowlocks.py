"""The other side of the comparison: reservations by row-locked SQL as a careful shop system would write it.

Sixteen connections of asyncpg under uvloop, every statement prepared once and sent for all lines of an order
at a time, rows locked in a fixed order of SKUs so that nobody deadlocks. It records what the product's ledger
records besides events: a movement per line, the balance, the reservation. `one_function` is the same in one
round trip; `bare_copy` writes the movement rows alone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import uvloop

from actors.domain.stock_events import Quantity
from tests.benchmarks.measure import Stopwatch, Timing

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

CONNECTIONS = 16
STOCK_EACH = 1_000_000_000

SCHEMA = """
CREATE TABLE balance (
    warehouse text NOT NULL, sku text NOT NULL, available bigint NOT NULL CHECK (available >= 0),
    reserved bigint NOT NULL CHECK (reserved >= 0), PRIMARY KEY (warehouse, sku)
) WITH (fillfactor = 50);
CREATE TABLE movement (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, reservation text NOT NULL, line smallint NOT NULL,
    warehouse text NOT NULL, sku text NOT NULL, source text NOT NULL, target text NOT NULL,
    units bigint NOT NULL, at timestamptz NOT NULL
);
CREATE TABLE reservation (
    id text PRIMARY KEY, order_id text NOT NULL, warehouse text NOT NULL, state text NOT NULL,
    at timestamptz NOT NULL
);
CREATE FUNCTION reserve(house text, fulfilment text, skus text[], wanted bigint[], now timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE short bigint;
BEGIN
    SELECT count(*) INTO short FROM (
        SELECT b.available, n.units FROM unnest(skus, wanted) AS n (sku, units)
          JOIN balance AS b ON b.warehouse = house AND b.sku = n.sku ORDER BY b.sku FOR UPDATE OF b) AS held
     WHERE held.available < held.units;
    IF short > 0 THEN RETURN false; END IF;
    UPDATE balance AS b SET available = available - n.units, reserved = reserved + n.units
      FROM unnest(skus, wanted) AS n (sku, units) WHERE b.warehouse = house AND b.sku = n.sku;
    INSERT INTO movement (reservation, line, warehouse, sku, source, target, units, at)
    SELECT fulfilment, n.line, house, n.sku, 'available', 'reserved', n.units, now
      FROM unnest(skus, wanted) WITH ORDINALITY AS n (sku, units, line);
    INSERT INTO reservation VALUES (fulfilment, fulfilment, house, 'floor', now);
    RETURN true;
END $$;
"""

LOCK = "SELECT sku, available FROM balance WHERE warehouse = $1 AND sku = ANY ($2) ORDER BY sku FOR UPDATE"
UPDATE = """
UPDATE balance AS b SET available = available - n.units, reserved = reserved + n.units
  FROM unnest($2::text[], $3::bigint[]) AS n (sku, units) WHERE b.warehouse = $1 AND b.sku = n.sku
"""
MOVE = """
INSERT INTO movement (reservation, line, warehouse, sku, source, target, units, at)
SELECT $1, n.line, $2, n.sku, 'available', 'reserved', n.units, $5
  FROM unnest($3::text[], $4::bigint[]) WITH ORDINALITY AS n (sku, units, line)
"""
RESERVE = "INSERT INTO reservation VALUES ($1, $1, $2, 'floor', $3)"

MOVEMENT = ["reservation", "line", "warehouse", "sku", "source", "target", "units", "at"]

Lines = Sequence[Quantity]
Watch = Callable[[], Stopwatch]


class Prepared:
    """A connection with its statements."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def prepare(self) -> None:
        """Prepare every statement."""
        prepare = self._connection.prepare
        self._lock = await prepare(LOCK)
        self._update = await prepare(UPDATE)
        self._move = await prepare(MOVE)
        self._reserve = await prepare(RESERVE)
        self._function = await prepare("SELECT reserve('lyon', $1, $2, $3, $4)")

    async def row_locked(self, fulfilment: str, lines: Lines) -> bool:
        """Reserve in a transaction of several statements; return whether it was granted."""
        lines = sorted(lines, key=_sku)
        skus = [line.sku for line in lines]
        units = [line.units for line in lines]
        now = datetime.now(UTC)
        execute = self._connection.execute
        await execute("BEGIN")
        held = {row["sku"]: row["available"] for row in await self._lock.fetch("lyon", skus)}
        if any(held.get(line.sku, 0) < line.units for line in lines):
            await execute("ROLLBACK")
            return False
        await self._update.fetch("lyon", skus, units)
        await self._move.fetch(fulfilment, "lyon", skus, units, now)
        await self._reserve.fetch(fulfilment, "lyon", now)
        await execute("COMMIT")
        return True

    async def one_function(self, fulfilment: str, lines: Lines) -> bool:
        """Reserve by one call of one function; return whether it was granted."""
        lines = sorted(lines, key=_sku)
        skus = [line.sku for line in lines]
        units = [line.units for line in lines]
        granted: bool = await self._function.fetchval(fulfilment, skus, units, datetime.now(UTC))
        return granted

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()


def _sku(line: Quantity) -> str:
    return line.sku


def furnish(dsn: str, skus: Sequence[str]) -> None:
    """Make the tables, with plenty of every SKU."""

    async def make() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(SCHEMA)
        await connection.copy_records_to_table(
            "balance", records=[("lyon", sku, STOCK_EACH, 0) for sku in skus]
        )
        await connection.execute("VACUUM ANALYZE")
        await connection.close()

    asyncio.run(make())


def reserve_by(
    dsn: str, way: Callable[[Prepared, str, Lines], Awaitable[bool]], orders: Sequence[Lines], watch: Watch
) -> Timing:
    """Let sixteen askers, each with a connection of its own, reserve again as soon as they were served.

    More orders outstanding would only wait for a connection: this is what the locks can do at their best.
    """

    async def run() -> Timing:
        prepared = [await _prepare(dsn) for _ in range(CONNECTIONS)]
        stopwatch = watch()
        prefix = f"F{time.time_ns()}"

        async def ask(connection: Prepared, first: int) -> None:
            number = first
            while stopwatch.running:
                began = time.perf_counter()
                if not await way(connection, f"{prefix}-{number}", orders[number % len(orders)]):
                    raise ValueError("there is plenty of everything, and yet it was refused")
                stopwatch.note(began)
                number += CONNECTIONS

        await asyncio.gather(*(ask(connection, first) for first, connection in enumerate(prepared)))
        for connection in prepared:
            await connection.close()
        return stopwatch.timing()

    return uvloop.run(run())


def bare_copy(dsn: str, orders: Sequence[Lines], batch: int, watch: Watch) -> Timing:
    """COPY the movement rows of `batch` orders at a time, each batch a commit, and nothing else."""

    async def run() -> Timing:
        connection = await asyncpg.connect(dsn)
        stopwatch = watch()
        number = 0
        while stopwatch.running:
            began = time.perf_counter()
            now = datetime.now(UTC)
            rows = [
                (f"F-{number + n}", at, "lyon", line.sku, "available", "reserved", line.units, now)
                for n in range(batch)
                for at, line in enumerate(orders[(number + n) % len(orders)])
            ]
            await connection.copy_records_to_table("movement", records=rows, columns=MOVEMENT)
            for _ in range(batch):
                stopwatch.note(began)
            number += batch
        await connection.close()
        return stopwatch.timing()

    return uvloop.run(run())


async def _prepare(dsn: str) -> Prepared:
    prepared = Prepared(await asyncpg.connect(dsn, server_settings={"jit": "off"}))
    await prepared.prepare()
    return prepared
