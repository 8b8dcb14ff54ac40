"""Messages between daemons that share a database: rows of the owner's partition; NOTIFY merely wakes up.

It knows neither actors nor commands: a message is bytes for an address. Exactly-once is the command's
matter, by its idempotency key; a message may be handed over twice if its owner dies before it has answered.
"""

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, TypeVar, TypeVarTuple

import trio

from actors.domain.partitions import partition_of
from actors.ports.journal import FencedError
from adapters.postgres.bridge import Bridge, open_bridge
from adapters.postgres.connect import ROLE, Connection, Pool, connect, open_pool
from adapters.postgres.gone import GONE

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Handle = Callable[[str, bytes], Awaitable[bytes]]
"""Hands a message to the actor at an address and returns its answer. What it raises ends the daemon."""

TAKEN_MAX: Final = 1_024
"""Messages under way to our actors: as many as a warehouse decides in two batches."""

LOOK_SECONDS: Final = 0.5
"""How often to look without having been woken: a notification may be lost with its connection."""

_INSERT = """
    WITH asked AS (
        INSERT INTO inbox (partition, id, address, message) VALUES ($1, $2, $3, $4)
        ON CONFLICT (partition, id) DO NOTHING RETURNING 1)
    SELECT pg_notify('wharfinger_inbox', '') FROM asked
"""
_ANSWERED = """
    SELECT i.partition, i.id, i.answer FROM unnest($1::smallint[], $2::text[]) AS q (partition, id)
      JOIN inbox AS i ON i.partition = q.partition AND i.id = q.id
     WHERE i.answered_at IS NOT NULL
"""
_OPEN = """
    SELECT partition, id, address, message FROM inbox
     WHERE partition = ANY ($1) AND answered_at IS NULL AND id <> ALL ($2)
     ORDER BY number LIMIT $3
"""
_ANSWER = """
    WITH answered AS (
        UPDATE inbox AS i SET answer = q.answer, answered_at = clock_timestamp()
          FROM unnest($1::smallint[], $2::text[], $3::bytea[]) AS q (partition, id, answer)
         WHERE i.partition = q.partition AND i.id = q.id AND i.answered_at IS NULL RETURNING 1)
    SELECT pg_notify('wharfinger_answer', '') FROM answered LIMIT 1
"""


class _Wait:
    """One asker's."""

    __slots__ = ("answer", "answered")

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.answer = b""


class Inbox:
    """The way to other daemons' actors, as `open_inbox` yields it."""

    def __init__(self, bridge: Bridge, pool: Pool) -> None:
        self._bridge = bridge
        self._pool = pool
        self._waits: dict[tuple[int, str], list[_Wait]] = {}
        self._in_hand: set[str] = set()
        self._answers: list[tuple[int, str, bytes]] = []
        self._asked = trio.Event()
        self._answered = trio.Event()

    async def ask(self, address: str, message: bytes, key: str) -> bytes:
        """Return the answer of the actor at `address`, which is the name of its stream.

        Args:
            address: such as "stock-paris"; whoever owns that stream's partition answers.
            message: what the owner's `Handle` understands.
            key: the command's idempotency key; a second call with it waits for the answer to the first.

        Raises:
            FencedError: the database is gone.
        """
        partition = partition_of(address)
        place = (partition, key)
        wait = _Wait()
        self._waits.setdefault(place, []).append(wait)
        try:
            await self._run(_ask, partition, key, address, message)
            self._answered.set()
            await wait.answered.wait()
        finally:
            waits = self._waits.get(place, [])
            with contextlib.suppress(ValueError):  # it was answered
                waits.remove(wait)
            if not waits:
                self._waits.pop(place, None)
        return wait.answer

    def wake(self) -> None:
        """Look at the tables now."""
        self._asked.set()
        self._answered.set()

    async def collect(self) -> None:
        """Bring answers to those who wait, until cancelled."""
        while True:
            self._answered = await _slept(self._answered)
            places = list(self._waits)
            if not places:
                continue
            for partition, key, answer in await self._run(_fetch_answers, places):
                for wait in self._waits.pop((partition, key), ()):
                    wait.answer = answer
                    wait.answered.set()

    async def serve(self, owned: Sequence[int], handle: Handle) -> None:
        """Hand over what was asked of our partitions, in order, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                room = TAKEN_MAX - len(self._in_hand)
                rows = await self._run(_fetch_open, owned, list(self._in_hand), room) if room else ()
                for partition, key, address, message in rows:
                    self._in_hand.add(key)
                    await nursery.start(self._hand_over, handle, partition, key, address, message)
                if len(rows) < room or not room:
                    self._asked = await _slept(self._asked)

    async def _hand_over(
        self,
        handle: Handle,
        partition: int,
        key: str,
        address: str,
        message: bytes,
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        task_status.started()  # from here to the actor's mailbox nobody else runs, so the order stays
        answer = await handle(address, message)
        self._answers.append((partition, key, answer))
        if len(self._answers) == 1:
            await (
                trio.lowlevel.checkpoint()
            )  # whoever is answered in the same breath goes into the same statement
            answers, self._answers = self._answers, []
            await self._run(_write_answers, answers)
            self._in_hand.difference_update(key for _, key, _ in answers)
            self._asked.set()

    async def _run(self, function: Callable[[Pool, *Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        try:
            return await self._bridge.run(function, self._pool, *args)
        except GONE as error:
            raise FencedError(f"the database is gone: {type(error).__name__}") from error


@contextlib.asynccontextmanager
async def open_inbox(
    dsn: str, *, owned: Iterable[int] = (), handle: Handle | None = None, database_seconds_max: float = 60.0
) -> AsyncGenerator[Inbox]:
    """Open the way to other daemons' actors, and serve what they ask of ours.

    Args:
        dsn: the database, migrated; a direct connection, since it listens.
        owned: the partitions whose messages are ours to answer, as the journal owns them.
        handle: answers them; None when we only ask.
        database_seconds_max: how long to wait for a database that is away at the start.

    Raises:
        DatabaseUnavailableError: the database stayed away, or refused us.
        FencedError: while open: the database is gone. It comes in an ExceptionGroup.
    """
    async with open_bridge() as bridge, contextlib.AsyncExitStack() as stack:
        listener = await bridge.run(_connect, dsn, database_seconds_max)
        stack.push_async_callback(_ended, bridge, listener)
        pool = await bridge.run(open_pool, dsn)
        stack.push_async_callback(_ended, bridge, pool)
        inbox = Inbox(bridge, pool)
        await bridge.run(_listen, listener, trio.lowlevel.current_trio_token(), inbox.wake)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inbox.collect)
            if handle is not None:
                # Nobody relies on it having begun: what waits in the table waits.
                nursery.start_soon(inbox.serve, sorted(owned), handle)  # noqa: ASYNC113 - see above
            yield inbox
            nursery.cancel_scope.cancel()


async def _slept(woken: trio.Event) -> trio.Event:
    """Sleep until woken, or for a look; return the event of the next sleep."""
    with trio.move_on_after(LOOK_SECONDS):
        await woken.wait()
    return trio.Event()


async def _ended(bridge: Bridge, sessions: Connection | Pool) -> None:
    with trio.CancelScope(shield=True):
        await bridge.run(_terminate, sessions)


# What runs on the database's thread.


async def _connect(dsn: str, seconds_max: float) -> Connection:
    return await connect(dsn, role=ROLE, seconds_max=seconds_max)


async def _terminate(sessions: Connection | Pool) -> None:
    sessions.terminate()


async def _listen(listener: Connection, token: trio.lowlevel.TrioToken, wake: Callable[[], None]) -> None:
    def woken(*_: object) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(wake, idempotent=True)

    for channel in ("wharfinger_inbox", "wharfinger_answer"):
        await listener.add_listener(channel, woken)


async def _ask(pool: Pool, partition: int, key: str, address: str, message: bytes) -> None:
    await pool.execute(_INSERT, partition, key, address, message)


async def _fetch_answers(pool: Pool, places: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str, bytes]]:
    rows = await pool.fetch(_ANSWERED, [place[0] for place in places], [place[1] for place in places])
    return [(row["partition"], row["id"], row["answer"]) for row in rows]


async def _fetch_open(
    pool: Pool, owned: Sequence[int], in_hand: Sequence[str], room: int
) -> Sequence[tuple[int, str, str, bytes]]:
    rows = await pool.fetch(_OPEN, owned, in_hand, room)
    return [(row["partition"], row["id"], row["address"], row["message"]) for row in rows]


async def _write_answers(pool: Pool, answers: Sequence[tuple[int, str, bytes]]) -> None:
    await pool.execute(_ANSWER, *([answer[field] for answer in answers] for field in range(3)))
