"""The journal on Postgres, put together: `open_journal` owns its thread, connections, leases and tasks.

Each part lives in a module of its own: the writer, the reads, the leases, the migrations.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, TypeVarTuple

import asyncpg
import msgspec
import trio

from actors.domain.log import GENESIS
from actors.domain.partitions import PARTITIONS, partition_of_key
from actors.inspection import Asked, AuditRun, BookedMovement, LogEnd, OrderFilter, UnansweredError
from actors.inspection import Tip as LogTip
from actors.ports.journal import (
    Append,
    CorruptionError,
    Durable,
    FencedError,
    OpenAnomaly,
    OrderRow,
    OrdersSince,
    PendingEffect,
    Recorded,
    StockPicture,
)
from actors.ports.people import Contact
from adapters.postgres import inspection, reads
from adapters.postgres.audit.record import last_audit
from adapters.postgres.bridge import Bridge, open_bridge
from adapters.postgres.connect import Connection, Pool
from adapters.postgres.encoding import Tip
from adapters.postgres.flushing import Flusher
from adapters.postgres.forget import erase
from adapters.postgres.gone import GONE, or_unavailable
from adapters.postgres.leases import LEASE_SECONDS, RENEW_SECONDS, Term, acquire, give_back, renew_forever
from adapters.postgres.lookups import Lookups
from adapters.postgres.migrate import carried_migrations, migrate_here
from adapters.postgres.picture import stock_picture
from adapters.postgres.sessions import Pools, open_sessions
from adapters.postgres.tidy import tidy_forever
from adapters.postgres.writer import Claim, Committed, Writer

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

GIVE_BACK_SECONDS_MAX = 3.0
"""At a clean end. If the database does not answer, the leases end by themselves in little more."""

_contact = msgspec.json.Decoder(Contact).decode


class PostgresJournal:
    """The journal (see `actors.ports.journal`), as `open_journal` yields it."""

    def __init__(self, bridge: Bridge, pools: Pools, writer: Writer, claim: Claim, term: Term) -> None:
        self._bridge = bridge
        self._pool = pools.reads
        self._searches = pools.searches
        self._writer = writer
        self._term = term
        self._owned = sorted(claim.fences)
        self._streams = Lookups(self._read_streams)
        self._beside = Lookups(self._read_beside)
        self.owned: frozenset[int] = frozenset(claim.fences)

    async def run(self) -> None:
        """Answer look-ups, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._streams.run)
            nursery.start_soon(self._beside.run)

    def is_ours(self) -> bool:
        """Tell whether our leases hold for certain."""
        return self._term.remaining_s() > 0

    def lease_remaining_s(self) -> float:
        """Return for how many seconds our leases hold if they are not renewed."""
        return self._term.remaining_s()

    async def append(self, append: Append) -> None:
        """Return when `append` is durable; see `Writer.enqueue` for the errors."""
        ticket = await self._writer.enqueue(append)
        await ticket.settled()

    async def enqueue(self, append: Append) -> Durable:
        """Return once there is room for `append`, with what returns when it is durable."""
        return (await self._writer.enqueue(append)).settled

    async def read(self, stream: str, after: int = 0) -> Sequence[Recorded]:
        """Return the stream's events with versions above `after`, oldest first."""
        if after:
            return await self._ask(reads.read_stream, stream, after)
        first = await self._streams.find(stream)
        if first is None or len(first) < reads.READ_EVENTS_EACH:
            return first or ()
        return (*first, *await self._ask(reads.read_stream, stream, first[-1].version))

    async def stock_picture(self, warehouse: str) -> StockPicture:
        """Return what the warehouse's actor starts from; everything empty for a warehouse never seen."""
        return await self._ask(stock_picture, warehouse)

    async def order_row(self, order: str) -> OrderRow | None:
        """Return an order's row of the index, None for an order never seen."""
        return await self._ask(reads.order_row, order)

    async def known_orders(self, orders: Collection[str]) -> frozenset[str]:
        """Return those of these ids that orders of ours have."""
        return await self._ask(reads.known_orders, orders) if orders else frozenset()

    async def orders_due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return at most `limit` ids of our orders whose `due_at` has come, the longest due first."""
        return await self._ask(reads.orders_due, self._owned, now, limit)

    async def orders_waiting_for(self, sku: str, limit: int) -> Sequence[str]:
        """Return ids of orders that wait for the SKU, whoever owns them, the first placed first."""
        return await self._ask(reads.orders_waiting_for, sku, limit)

    async def wanted(self) -> Mapping[str, int]:
        """Return how many units of each SKU open orders want that no warehouse has promised yet."""
        return await self._ask(reads.wanted)

    async def orders_in(
        self, states: Sequence[str], limit: int, after: OrderRow | None = None
    ) -> Sequence[OrderRow]:
        """Return rows of orders in these states (all states when empty), the first placed first.

        With `after` only those that stand behind that row.
        """
        return await self._ask(reads.orders_in, states, limit, after)

    async def find_orders(self, wanted: OrderFilter, limit: int) -> Sequence[OrderRow]:
        """Return rows of the orders that fit, the first placed first."""
        return await self._search(inspection.find_orders, wanted, limit)

    async def tip(self, back: int) -> LogTip:
        """Return where the log ends, or stood `back` events a partition before."""
        return await self._search(inspection.tip, back)

    async def news(self, after: LogTip, limit: int) -> tuple[Sequence[Recorded], LogTip]:
        """Return up to `limit` events of each partition beyond that, and how far it is read."""
        return await self._search(inspection.news, after, limit)

    async def newest(self, stream: str, limit: int, before: int | None = None) -> Sequence[Recorded]:
        """Return the stream's last events before that version, the newest first."""
        return await self._search(inspection.newest, stream, limit, before)

    async def ends(self, at: Mapping[int, int]) -> Sequence[LogEnd]:
        """Return where these partitions end, and which hash they have at these positions."""
        return await self._search(inspection.ends, at)

    async def movements(self, warehouse: str, sku: str, limit: int) -> Sequence[BookedMovement]:
        """Return the SKU's last movements in the warehouse, the newest first."""
        return await self._search(inspection.movements, warehouse, sku, limit)

    async def last_audit(self) -> AuditRun | None:
        """Return the last audit that was made of the log, None where there was none."""
        return await self._ask(last_audit)

    async def asked(self, stream: str, names: Collection[str]) -> Sequence[Asked]:
        """Return what a warehouse's stream asked for under these names."""
        return await self._search(inspection.asked, stream, names)

    async def order_counts(self) -> Mapping[str, int]:
        """Return how many orders stand in each state."""
        return await self._ask(reads.order_counts)

    async def orders_since(self, states: Sequence[str]) -> Sequence[OrdersSince]:
        """Return how many orders stand in each of these states, by the minute in which they came into it."""
        return await self._ask(reads.orders_since, states)

    async def pending(self, partner: str, limit: int) -> Sequence[PendingEffect]:
        """Return the partner's outbox as far as its streams are ours, oldest first."""
        return await self._ask(reads.pending, self._owned, partner, limit)

    async def owed(self) -> Collection[str]:
        """Return the names of all partners that have still to be told something, by any daemon."""
        return await self._ask(reads.owed)

    async def effect(self, effect: str, stream: str) -> PendingEffect | None:
        """Return one outbox row, None when it is settled."""
        return await self._ask(reads.effect, effect, stream)

    async def anomalies(self, limit: int) -> Sequence[OpenAnomaly]:
        """Return the open anomalies, oldest first."""
        return await self._ask(reads.anomalies, limit)

    async def contact(self, id: str) -> Contact | None:  # noqa: A002 - the port's own name
        """Return a contact, None when it was erased."""
        body = await self.beside(id)
        return _contact(body) if body is not None else None

    async def contacts(self, ids: Collection[str]) -> Mapping[str, Contact]:
        """Return these contacts, less those that were erased."""
        found = await self._read_beside(list(ids))
        return {id_: _contact(body) for id_, body in found.items()}

    async def beside(self, id: str) -> bytes | None:  # noqa: A002 - the port's own name
        """Return the body of a row beside the log, None when it was erased or never was."""
        return await self._beside.find(id)

    async def keyed_answer(self, stream: str, key: str) -> bytes | None:
        """Return the answer given under an idempotency key to a command for `stream`."""
        return await self._ask(reads.keyed_answer, stream, key)

    async def cursor(self, name: str) -> str | None:
        """Return a poller's durable cursor."""
        return await self._ask(reads.cursor, name)

    async def save_cursor(self, name: str, value: str) -> None:
        """Replace a poller's durable cursor.

        No fence is checked: it is saved only after what it passes over is durable, and that was. At the worst
        a frozen daemon sets it back, and what was read already is read again.
        """
        await self._ask(_save_cursor, name, value)

    async def forget(self, customer: str) -> int:
        """Erase everything beside the log that belongs to this customer; return how many rows that were.

        The log still verifies: its events hold only salted hashes, and the salt goes too.
        """
        return await self._ask(erase, customer)

    async def _read_streams(self, streams: Sequence[str]) -> Mapping[str, Sequence[Recorded]]:
        return await self._ask(reads.read_streams, streams)

    async def _read_beside(self, ids: Sequence[str]) -> Mapping[str, bytes]:
        return await self._ask(reads.beside, ids)

    async def _search(self, question: Callable[[Pool, *Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        """Ask what people want to know: it keeps no actor waiting, and ends nobody but who asked."""
        try:
            return await self._bridge.run(question, self._searches, *args)
        except (*GONE, asyncpg.PostgresError) as error:  # it may not even let another connection in
            raise UnansweredError(f"the database has not answered: {type(error).__name__}") from error
        except ValueError as error:
            raise CorruptionError(str(error)) from error

    async def _ask(self, question: Callable[[Pool, *Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        try:
            return await self._bridge.run(question, self._pool, *args)
        except GONE as error:
            raise FencedError(f"the database is gone: {type(error).__name__}") from error
        except ValueError as error:
            raise CorruptionError(str(error)) from error


@contextlib.asynccontextmanager
async def open_journal(  # noqa: PLR0913 - all by name, and most by default
    dsn: str,
    *,
    owner: str,
    partitions_min: int = 1,
    partitions_max: int = PARTITIONS,
    database_seconds_max: float = 60.0,
    lease_seconds: float = LEASE_SECONDS,
    renew_seconds: float = RENEW_SECONDS,
    observe: Callable[[Committed], None] | None = None,
    standby: bool = True,
) -> AsyncGenerator[PostgresJournal]:
    """Migrate the schema if need be, wait until there are partitions to own, and serve the journal.

    Args:
        dsn: the database; a direct connection, since advisory locks of a session tell who is alive.
        owner: who we are, unique to this process for all time.
        partitions_min: how many partitions to wait for.
        partitions_max: how many partitions to own at most.
        database_seconds_max: how long to wait for a database that is away at the start.
        lease_seconds: after how long of silence another may take over.
        renew_seconds: how often to renew; several times within a lease.
        observe: told of every commit, for metrics.
        standby: wait for partitions that are taken.

    Raises:
        DatabaseUnavailableError: the database stayed away, refused us, or was lost before it was ours.
        LeaseTakenError: the partitions are taken, without `standby`.
        MigrationError: the schema is not what this version can work on.
        FencedError: while open: a partition was lost, or the database. It comes in an ExceptionGroup; the
        daemon stops. CorruptionError: the log's end is not what its head says, or while open: the books
        contradict themselves.
    """
    async with open_bridge() as bridge:
        with or_unavailable():
            await bridge.run(migrate_here, dsn, database_seconds_max, carried_migrations())
        async with open_sessions(bridge, dsn, database_seconds_max) as (connection, pipelines, pools):
            with or_unavailable():
                claim = await acquire(
                    bridge,
                    connection,
                    owner,
                    partitions_min=partitions_min,
                    partitions_max=partitions_max,
                    lease_seconds=lease_seconds,
                    standby=standby,
                )
            try:
                with or_unavailable():
                    tips = await bridge.run(_load_tips, connection, sorted(claim.fences))
                term = Term(lease_seconds)
                flusher = Flusher(pipelines.flushing)
                writer = Writer(connection, pipelines.writing, flusher, claim, tips, observe or _ignore)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(writer.run)
                    nursery.start_soon(_renew, bridge, pools.renewals, claim, term, renew_seconds)
                    nursery.start_soon(tidy_forever, bridge, pools.reads, sorted(claim.fences))
                    journal = PostgresJournal(bridge, pools, writer, claim, term)
                    nursery.start_soon(journal.run)
                    yield journal
                    nursery.cancel_scope.cancel()
            finally:
                with trio.move_on_after(GIVE_BACK_SECONDS_MAX, shield=True):
                    await give_back(bridge, connection, claim)


async def _renew(bridge: Bridge, pool: Pool, claim: Claim, term: Term, renew_seconds: float) -> None:
    await renew_forever(bridge, pool, claim, term, renew_seconds=renew_seconds)


async def _load_tips(connection: Connection, owned: Sequence[int]) -> dict[int, Tip]:
    rows = await connection.fetch(
        "SELECT h.partition, h.position, h.hash, e.position AS last, e.hash AS last_hash"
        " FROM partition_head AS h"
        " LEFT JOIN LATERAL (SELECT position, hash FROM event WHERE partition = h.partition"
        " ORDER BY position DESC LIMIT 1) AS e ON true WHERE h.partition = ANY ($1)",
        owned,
    )
    for row in rows:
        if (row["position"], row["hash"]) != (row["last"] or 0, row["last_hash"] or GENESIS):
            raise CorruptionError(f"partition {row['partition']} does not end where its head says")
    return {row["partition"]: Tip(row["position"], row["hash"]) for row in rows}


async def _save_cursor(pool: Pool, name: str, value: str) -> None:
    await pool.execute(
        "INSERT INTO cursor (partition, name, value) VALUES ($1, $2, $3)"
        " ON CONFLICT (partition, name) DO UPDATE SET value = EXCLUDED.value",
        partition_of_key(name),
        name,
        value,
    )


def _ignore(_: Committed) -> None:
    pass
