"""What a commit that does not wait for the disk is worth, and what makes it durable."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.flushing import FLUSHING, Flusher
from adapters.postgres.pipeline import Ended, Pipeline, open_pipeline
from tests.conftest import run_sql

ROUNDS = 3
"""A commit that nobody flushes reaches the disk in 0.2 s by itself; whoever kills at once finds it lost."""

UNFLUSHED = {
    "keep": "WITH made AS (INSERT INTO kept VALUES ($1) RETURNING number)"
    " SELECT set_config('synchronous_commit', 'off', true) FROM made"
}
"""As the writer does: what is set within the transaction counts at its commit."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "data") as running:
        run_sql(running.dsn, "CREATE TABLE kept (number int)", "SELECT 1")
        yield running


class Heard:
    """Waits for one end."""

    def __init__(self) -> None:
        self._over = trio.Event()
        self._error: Exception | None = None

    def __call__(self, error: Exception | None) -> None:
        self._error = error
        self._over.set()

    async def well(self) -> None:
        await self._over.wait()
        assert self._error is None


def nobody_minds() -> None:
    """A server that is killed loses connections."""


@asynccontextmanager
async def sessions(dsn: str) -> AsyncGenerator[tuple[Pipeline, Flusher]]:
    writing = await open_pipeline(dsn, UNFLUSHED, role=None)
    flushing = await open_pipeline(dsn, FLUSHING, role=None)
    flusher = Flusher(flushing)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writing.run, nobody_minds)
            nursery.start_soon(flusher.run, nobody_minds)
            yield writing, flusher
            nursery.cancel_scope.cancel()
    finally:
        writing.close()
        flushing.close()


async def flushed(flusher: Flusher) -> None:
    over = Heard()
    flusher.after_flush(over)
    await over.well()


async def kept_after_a_kill(server: EmbeddedPostgres, *, flush: bool) -> list[bool]:
    """Commit a row, kill the server at once, and look whether the row is there; so often."""
    kept: list[bool] = []
    first = 0 if flush else ROUNDS
    for number in range(first, first + ROUNDS):
        async with sessions(server.dsn) as (writing, flusher):
            await flushed(flusher)
            written = Heard()
            await writing.execute("keep", [b"%d" % number], written)
            await written.well()
            if flush:
                await flushed(flusher)
            server.kill()
        server.start()
        found = f"SELECT 1 FROM kept WHERE number = {number}"
        kept.append(bool(await trio.to_thread.run_sync(run_sql, server.dsn, found)))
    return kept


@pytest.mark.slow
async def test_what_was_flushed_outlives_a_kill_and_what_was_not_is_lost(
    server: EmbeddedPostgres,
) -> None:
    with trio.fail_after(120):
        assert all(await kept_after_a_kill(server, flush=True))
        assert not all(await kept_after_a_kill(server, flush=False)), "or there would be nothing to flush for"


async def test_one_flush_serves_all_that_wait_and_none_that_came_too_late(server: EmbeddedPostgres) -> None:
    with trio.fail_after(30):
        async with sessions(server.dsn) as (_, flusher), trio.open_nursery() as nursery:
            first = Heard()
            flusher.after_flush(first)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(9):
                nursery.start_soon(flushed, flusher)
            await first.well()
    # The first went at once; the nine that came while it was under way shared the next.
    assert flusher.flushes == 2


async def test_whoever_asks_for_a_flush_hears_that_the_database_was_lost(server: EmbeddedPostgres) -> None:
    outcomes: list[Exception | None] = []
    heard: Ended = outcomes.append
    with trio.fail_after(30):
        async with sessions(server.dsn) as (_, flusher):
            await flushed(flusher)
            server.kill()
            flusher.after_flush(heard)
            while not outcomes:
                await trio.sleep(0.01)
    assert isinstance(outcomes[0], ConnectionError)
