"""All connections of one journal: opened together, and ended together in whatever way it ends."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar

import trio

from adapters.postgres.bridge import Bridge
from adapters.postgres.connect import (
    ROLE,
    SEARCH_SECONDS_MAX,
    SEARCHERS,
    WRITER_SESSION,
    Connection,
    Pool,
    connect,
    open_pool,
)
from adapters.postgres.flushing import FLUSHING
from adapters.postgres.gone import or_unavailable
from adapters.postgres.pipeline import Pipeline, open_pipeline
from adapters.postgres.writer import WRITING

S = TypeVar("S", bound=Connection | Pool)


class Pools(NamedTuple):
    """Apart, so that nobody stands in line behind who may take longer than he can wait."""

    reads: Pool
    renewals: Pool
    searches: Pool


class Pipelines(NamedTuple):
    """What the writer writes by. Apart, so that a flush keeps no batch waiting."""

    writing: Pipeline
    flushing: Pipeline


class Sessions(NamedTuple):
    """`claiming` is the one by whose life others know that the partitions are ours."""

    claiming: Connection
    pipelines: Pipelines
    pools: Pools


@contextlib.asynccontextmanager
async def open_sessions(bridge: Bridge, dsn: str, seconds_max: float) -> AsyncGenerator[Sessions]:
    """Open all that a journal needs; `seconds_max` is how long to wait for a database that is away.

    Raises:
        DatabaseUnavailableError: it stayed away, or refused us.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def opened(sessions: Callable[[], Coroutine[Any, Any, S]]) -> S:
            with or_unavailable():
                made = await bridge.run(sessions)
            stack.push_async_callback(_end, bridge, made)
            return made

        async def pipeline(statements: Mapping[str, str], session: Mapping[str, str]) -> Pipeline:
            made = await open_pipeline(dsn, statements, role=ROLE, extra=session)
            stack.callback(made.close)
            return made

        connection = await opened(lambda: connect(dsn, role=ROLE, seconds_max=seconds_max))
        pipelines = Pipelines(
            writing=await pipeline(WRITING, WRITER_SESSION), flushing=await pipeline(FLUSHING, {})
        )
        pools = Pools(
            reads=await opened(lambda: open_pool(dsn)),
            renewals=await opened(lambda: open_pool(dsn, size_max=1)),
            searches=await opened(
                lambda: open_pool(dsn, size_min=0, size_max=SEARCHERS, command_seconds_max=SEARCH_SECONDS_MAX)
            ),
        )
        yield Sessions(connection, pipelines, pools)


async def _end(bridge: Bridge, sessions: Connection | Pool) -> None:
    with trio.CancelScope(shield=True):
        await bridge.run(_terminate, sessions)


async def _terminate(sessions: Connection | Pool) -> None:
    # Nothing is under way any more, and a database that is gone must not hold us up: no farewell is waited
    # for.
    sessions.terminate()
