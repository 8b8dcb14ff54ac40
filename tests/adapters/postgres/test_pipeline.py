"""Statements one behind the other: each a transaction, none waits for our ear, and all are told their end."""

import os
import signal
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import asyncpg
import psycopg
import pytest
import trio
import trio.testing
from psycopg import pq
from psycopg.pq.abc import PGconn

from adapters.postgres.connect import DatabaseUnavailableError
from adapters.postgres.pipeline import AT_ONCE_BYTES, Pipeline, PipelineLostError, RefusedError, open_pipeline

SQL = Callable[..., list[asyncpg.Record]]

STATEMENTS = {
    "keep": "INSERT INTO kept (number, body) VALUES ($1, $2)",
    "sleep": "SELECT pg_sleep($1)",
    "role": "INSERT INTO kept SELECT 0, current_user || ' ' || current_setting('search_path')",
}

LARGE = b"x" * (30 * AT_ONCE_BYTES)
"""Far more than a socket's buffer holds."""


class Told:
    """What became of statements, in the order in which it was told."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, Exception | None]] = []
        self.lost = 0
        self._more = trio.Event()

    def of(self, name: str) -> Callable[[Exception | None], None]:
        def ended(error: Exception | None) -> None:
            self.outcomes.append((name, error))
            self._more.set()

        return ended

    def of_the_loss(self) -> None:
        self.lost += 1
        self._more.set()

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._more = trio.Event()
            await self._more.wait()

    async def all_of(self, count: int) -> list[tuple[str, Exception | None]]:
        await self.until(lambda: len(self.outcomes) >= count)
        return self.outcomes


@pytest.fixture
def table(sql: SQL) -> None:
    sql(
        "CREATE TABLE kept (number int CONSTRAINT kept_once PRIMARY KEY, body text)",
        "GRANT ALL ON kept TO wharfinger_daemon",
        "SELECT 1",
    )


@asynccontextmanager
async def running(dsn: str, told: Told, answer_seconds_max: float = 30) -> AsyncGenerator[Pipeline]:
    pipeline = await open_pipeline(dsn, STATEMENTS, role=None, answer_seconds_max=answer_seconds_max)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run, told.of_the_loss)
            yield pipeline
            nursery.cancel_scope.cancel()
    finally:
        pipeline.close()


async def in_thread(sql: SQL, *statements: str) -> list[asyncpg.Record]:
    return await trio.to_thread.run_sync(lambda: sql(*statements))


def whose(query: str) -> str:
    """The sessions at work for this test: one of an earlier test may still be about to end."""
    return f"FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '{query}%'"


@pytest.mark.usefixtures("table")
async def test_each_statement_is_a_transaction_of_its_own_told_in_its_turn(dsn: str, sql: SQL) -> None:
    told = Told()
    with trio.fail_after(10):
        async with running(dsn, told) as pipeline:
            for number, body in ((b"1", b"a"), (b"1", b"again"), (b"2", b"b")):
                await pipeline.execute("keep", [number, body], told.of(body.decode()))
            outcomes = await told.all_of(3)
    assert [name for name, _ in outcomes] == ["a", "again", "b"]
    refused = outcomes[1][1]
    assert isinstance(refused, RefusedError)
    assert (refused.sqlstate, refused.constraint) == ("23505", "kept_once")
    assert "again" not in str(refused), "a detail of the server's may hold what nobody should read"
    assert [outcomes[0][1], outcomes[2][1]] == [None, None]
    assert [row["body"] for row in await in_thread(sql, "SELECT body FROM kept ORDER BY number")] == [
        "a",
        "b",
    ]


@pytest.mark.usefixtures("table")
async def test_the_database_begins_the_next_statement_while_we_have_no_ear_for_the_last(
    dsn: str, sql: SQL
) -> None:
    told = Told()
    with trio.fail_after(10):
        async with running(dsn, told) as pipeline:
            with psycopg.connect(dsn) as other:
                # Or the first may be over while the second is sent.
                other.execute("LOCK TABLE kept IN SHARE MODE")
                await pipeline.execute("keep", [b"1", b"a"], told.of("a"))
                await pipeline.execute("keep", [b"2", b"b"], told.of("b"))
            # Nobody here hears an answer meanwhile: Trio stands still.
            gives_up_at = time.monotonic() + 5
            while sql("SELECT count(*) FROM kept")[0][0] < 2 and time.monotonic() < gives_up_at:
                time.sleep(0.01)  # noqa: ASYNC251
            assert sql("SELECT count(*) FROM kept")[0][0] == 2
            assert told.outcomes == []
            await told.all_of(2)


@pytest.mark.usefixtures("table")
async def test_a_statement_of_any_size_waits_for_its_turn_and_keeps_nobody_else_waiting(
    dsn: str, sql: SQL
) -> None:
    told, ticks = Told(), 0
    row: list[bytes | None] = [b"1", LARGE]
    with trio.fail_after(20):
        async with running(dsn, told) as pipeline:
            await pipeline.execute("sleep", [b"0.5"], told.of("sleep"))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pipeline.execute, "keep", row, told.of("large"))
                while len(told.outcomes) < 2:
                    await trio.sleep(0.01)
                    ticks += 1
            await told.all_of(2)
    assert told.outcomes == [("sleep", None), ("large", None)]
    assert ticks >= 20, "the whole of it waits for the database, and Trio must not"
    assert (await in_thread(sql, "SELECT length(body) FROM kept"))[0][0] == len(LARGE)


@pytest.mark.usefixtures("table")
async def test_large_and_small_ones_in_any_order_all_arrive_whole_and_are_told_once(
    dsn: str, sql: SQL
) -> None:
    told = Told()
    sizes = [number % 7 * AT_ONCE_BYTES // 2 for number in range(150)]
    with trio.fail_after(60):
        async with running(dsn, told) as pipeline:
            for number, size in enumerate(sizes):
                await pipeline.execute("keep", [b"%d" % number, b"y" * size], told.of(str(number)))
            outcomes = await told.all_of(len(sizes))
    assert outcomes == [(str(number), None) for number in range(len(sizes))]
    rows = await in_thread(sql, "SELECT length(body) FROM kept ORDER BY number")
    assert [row[0] for row in rows] == sizes


class Lent:
    """A connection that notes whether anybody reads from it while a thread sends by it."""

    def __init__(self) -> None:
        ours, self.servers = socket.socketpair()
        self.socket = ours.detach()
        self.nonblocking = 1
        self.sending = False
        self.reads: list[bool] = []
        self.go_on = threading.Semaphore(0)

    def send_query_prepared(self, name: bytes, values: object) -> None:
        del name, values
        self.sending = True
        self.go_on.acquire(timeout=20)  # a thread is not cancelled: a test that fails has to end
        self.sending = False

    def pipeline_sync(self) -> None:
        """Nothing is read from here, so nothing needs an end."""

    def flush(self) -> int:
        return 0

    def consume_input(self) -> None:
        time.sleep(0.02)  # a thread that was just sent off comes to its work
        self.reads.append(self.sending)

    def is_busy(self) -> int:
        return 1

    def finish(self) -> None:
        os.close(self.socket)
        self.servers.close()


async def test_nobody_reads_from_a_connection_while_a_thread_sends_by_it_again_and_again() -> None:
    connection, told = Lent(), Told()
    pipeline = Pipeline(cast("PGconn", connection), 30)

    async def send_twice() -> None:
        await pipeline.execute("keep", [LARGE], told.of("first"))
        await pipeline.execute("keep", [LARGE], told.of("second"))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run, told.of_the_loss)
            nursery.start_soon(send_twice)
            connection.servers.send(b"an answer")
            await trio.testing.wait_all_tasks_blocked()
            connection.go_on.release()
            while len(connection.reads) < 1 or not connection.sending:
                await trio.sleep(0.001)
            await trio.testing.wait_all_tasks_blocked(0.01)
            connection.go_on.release()
            nursery.cancel_scope.cancel()
    pipeline.close()
    assert not any(connection.reads)


class Answered(Lent):
    """One by which the answer has come when the thread is done."""

    def is_busy(self) -> int:
        return 0

    def get_result(self) -> object:
        return SimpleNamespace(status=pq.ExecStatus.PIPELINE_SYNC)


async def test_an_answer_that_lies_there_after_the_loss_is_told_to_nobody() -> None:
    connection, told = Answered(), Told()
    pipeline = Pipeline(cast("PGconn", connection), 0.1)
    row: list[bytes | None] = [LARGE]
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run, told.of_the_loss)
            nursery.start_soon(pipeline.execute, "keep", row, told.of("large"))
            await told.until(lambda: told.lost == 1)
            connection.go_on.release()
    pipeline.close()
    assert [(name, type(error)) for name, error in told.outcomes] == [("large", PipelineLostError)]


async def test_an_answer_that_nobody_asked_for_is_a_loss_of_the_connection() -> None:
    connection, told = Answered(), Told()
    pipeline = Pipeline(cast("PGconn", connection), 30)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run, told.of_the_loss)
            connection.servers.send(b"an answer")
            await told.until(lambda: told.lost == 1)
            await pipeline.execute("keep", [b"small"], told.of("later"))
    pipeline.close()
    assert [(name, str(error)) for name, error in told.outcomes] == [
        ("later", "the database answered what nobody had asked")
    ]


class CutOff(Lent):
    """One whose server went while it was sent to."""

    def send_query_prepared(self, name: bytes, values: object) -> None:
        """It goes with the end."""

    def pipeline_sync(self) -> None:
        raise psycopg.OperationalError("connection not in pipeline mode")  # as psycopg 3.3 calls any failure

    def get_error_message(self) -> str:
        return "server closed the connection unexpectedly\n\tThis probably means"


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["small", "large"])
async def test_a_connection_that_is_lost_while_a_statement_is_sent_says_by_what(body: bytes) -> None:
    connection, told = CutOff(), Told()
    pipeline = Pipeline(cast("PGconn", connection), 30)
    with trio.fail_after(10):
        await pipeline.execute("keep", [body], told.of("cut off"))
    pipeline.close()
    assert [str(error) for _, error in told.outcomes] == ["server closed the connection unexpectedly"]


class Crowded(Answered):
    """One without room to send: libpq reads the answer meanwhile, and no socket tells of it any more."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 1
        self.answers: list[object] = []

    def send_query_prepared(self, name: bytes, values: object) -> None:
        """It goes with what is flushed."""

    def flush(self) -> int:
        if not self.refusals:
            return 0
        self.refusals -= 1
        self.answers.append(super().get_result())
        return 1

    def get_result(self) -> object:
        return self.answers.pop() if self.answers else None


async def test_an_answer_that_came_while_there_was_no_room_to_send_is_told_at_once() -> None:
    connection, told = Crowded(), Told()
    pipeline = Pipeline(cast("PGconn", connection), 30)
    with trio.fail_after(10):
        await pipeline.execute("keep", [b"small"], told.of("small"))
    pipeline.close()
    assert told.outcomes == [("small", None)]


@pytest.mark.usefixtures("table")
async def test_when_the_connection_is_lost_all_that_wait_are_told_and_whoever_comes_later(
    dsn: str, sql: SQL
) -> None:
    told = Told()
    with trio.fail_after(10):
        async with running(dsn, told) as pipeline:
            await pipeline.execute("sleep", [b"30"], told.of("at work"))
            await pipeline.execute("keep", [b"1", b"a"], told.of("behind"))
            kill = f"SELECT pg_terminate_backend(pid) {whose('SELECT pg_sleep')}"
            while not await in_thread(sql, kill):
                await trio.sleep(0.01)
            await told.until(lambda: told.lost == 1)
            await pipeline.execute("keep", [b"2", b"b"], told.of("later"))
    assert [(name, type(error)) for name, error in told.outcomes] == [
        ("at work", PipelineLostError),
        ("behind", PipelineLostError),
        ("later", PipelineLostError),
    ]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("body", [b"small", LARGE], ids=["small", "large"])
async def test_a_database_that_does_not_answer_is_given_up(dsn: str, sql: SQL, body: bytes) -> None:
    told = Told()
    with trio.fail_after(20):
        async with running(dsn, told, answer_seconds_max=0.5) as pipeline:
            await pipeline.execute("keep", [b"1", b"a"], told.of("first"))
            await told.all_of(1)
            (backend,) = await in_thread(sql, f"SELECT pid {whose('INSERT INTO kept (number')}")
            os.kill(backend["pid"], signal.SIGSTOP)
            try:
                await pipeline.execute("keep", [b"2", body], told.of("second"))
                await told.until(lambda: told.lost == 1)
            finally:
                os.kill(backend["pid"], signal.SIGCONT)
    assert [error is None for _, error in told.outcomes] == [True, False]
    assert "has not answered for 0.5 s" in str(told.outcomes[1][1])


@pytest.mark.usefixtures("table")
async def test_an_idle_pipeline_waits_for_ever_and_what_closes_it_is_no_loss(dsn: str) -> None:
    told = Told()
    with trio.fail_after(10):
        async with running(dsn, told, answer_seconds_max=0.1) as pipeline:
            await pipeline.execute("keep", [b"1", b"a"], told.of("first"))
            await told.all_of(1)
            await trio.sleep(0.3)
            await pipeline.execute("keep", [b"2", b"b"], told.of("second"))
            await told.all_of(2)
    assert [error for _, error in told.outcomes] == [None, None]
    assert told.lost == 0


@pytest.mark.usefixtures("table")
async def test_the_session_works_as_its_role_with_the_settings_of_the_address(dsn: str, sql: SQL) -> None:
    told = Told()
    with trio.fail_after(10):
        pipeline = await open_pipeline(f"{dsn}&search_path=public", STATEMENTS, role="wharfinger_daemon")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run, told.of_the_loss)
            await pipeline.execute("role", [], told.of("role"))
            assert await told.all_of(1) == [("role", None)]
            nursery.cancel_scope.cancel()
        pipeline.close()
    assert (await in_thread(sql, "SELECT body FROM kept"))[0][0] == "wharfinger_daemon public"


@pytest.mark.parametrize("what", ["no such database", "no server", "no such statement"])
async def test_a_database_that_will_not_have_us_is_told_without_the_secret(dsn: str, what: str) -> None:
    statements, address = STATEMENTS, dsn.replace("postgres@", "postgres:s3cret@")
    if what == "no such database":
        statements, address = {}, address.replace("/test_", "/absent_")
    elif what == "no server":
        address = "postgresql://ann:s3cret@127.0.0.1:1/shop"
    with trio.fail_after(20), pytest.raises(DatabaseUnavailableError) as told:
        await open_pipeline(address, statements, role=None)
    assert "s3cret" not in str(told.value)
    assert "\n" not in str(told.value)
