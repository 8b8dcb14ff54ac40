"""What a commit that does not wait for the disk is worth, and what makes it durable."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import trio

from adapters.postgres.bridge import Bridge, open_bridge
from adapters.postgres.connect import WRITER_SESSION, Connection, connect
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.flushing import Flusher

ROUNDS = 3
"""A commit that nobody flushes reaches the disk in 0.2 s by itself; whoever kills at once finds it lost."""

UNFLUSHED = (
    "WITH made AS (INSERT INTO kept VALUES ($1) RETURNING number)"
    " SELECT set_config('synchronous_commit', 'off', true) FROM made"
)
"""As the writer does: what is set within the transaction counts at its commit."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "data") as running:
        yield running


@asynccontextmanager
async def sessions(bridge: Bridge, dsn: str) -> AsyncGenerator[tuple[Connection, Flusher]]:
    async def opened() -> tuple[Connection, Connection]:
        writer = await connect(dsn, role=None, seconds_max=10, extra=WRITER_SESSION)
        return writer, await connect(dsn, role=None, seconds_max=10)

    async def ended(*connections: Connection) -> None:
        for connection in connections:
            connection.terminate()

    writer, other = await bridge.run(opened)
    try:
        yield writer, Flusher(other)
    finally:
        with trio.CancelScope(shield=True):
            await bridge.run(ended, writer, other)


async def kept_after_a_kill(server: EmbeddedPostgres, *, flush: bool) -> list[bool]:
    """Commit a row, kill the server at once, and look whether the row is there; so often."""
    kept: list[bool] = []
    async with open_bridge() as bridge:
        first = 0 if flush else ROUNDS
        for number in range(first, first + ROUNDS):
            async with sessions(bridge, server.dsn) as (writer, flusher):

                async def commit(writer: Connection, flusher: Flusher, number: int) -> None:
                    await writer.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
                    await flusher.flushed()
                    await writer.fetch(UNFLUSHED, number)
                    if flush:
                        await flusher.flushed()

                await bridge.run(commit, writer, flusher, number)
                server.kill()
            server.start()
            async with sessions(bridge, server.dsn) as (writer, _):

                async def read(writer: Connection, number: int) -> list[asyncpg.Record]:
                    return await writer.fetch("SELECT number FROM kept WHERE number = $1", number)

                kept.append(bool(await bridge.run(read, writer, number)))
    return kept


@pytest.mark.slow
async def test_what_was_flushed_outlives_a_kill_and_what_was_not_is_lost(
    server: EmbeddedPostgres,
) -> None:
    with trio.fail_after(120):
        assert all(await kept_after_a_kill(server, flush=True))
        assert not all(await kept_after_a_kill(server, flush=False)), "or there would be nothing to flush for"


async def test_one_flush_serves_all_that_wait_and_none_that_came_too_late(server: EmbeddedPostgres) -> None:
    async def flushes(flusher: Flusher) -> int:
        before = flusher.flushes
        await asyncio.gather(*(flusher.flushed() for _ in range(10)))
        return flusher.flushes - before

    with trio.fail_after(30):
        async with open_bridge() as bridge, sessions(bridge, server.dsn) as (_, flusher):
            # The first goes at once; the nine that came while it was under way share the next.
            assert await bridge.run(flushes, flusher) == 2
