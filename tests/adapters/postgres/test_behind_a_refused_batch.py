"""A batch is sent before the one ahead of it is committed: what becomes of it when that one is refused."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count

import pytest
import trio
import trio.testing

from actors.domain.order_events import CancelAsked
from actors.domain.partitions import partition_of
from actors.ports.journal import Append, ConflictError
from adapters.postgres.audit import audit
from adapters.postgres.journal import PostgresJournal, open_journal
from adapters.postgres.pipeline import open_pipeline
from adapters.postgres.writer import EARLY_EVENTS, Committed

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
HOLD = {
    "hold": "SELECT pg_advisory_lock(1464353106, $1)",
    "release": "SELECT pg_advisory_unlock(1464353106, $1)",
}
"""As a takeover does: an append to the partition waits for it."""


def note(stream: str, expected: int, events: int = 1) -> Append:
    return Append(stream, expected, (CancelAsked("shop"),) * events, NOW)


def streams_in(partition: int) -> Iterator[str]:
    return (name for number in count() if partition_of(name := f"order-{number}") == partition)


@asynccontextmanager
async def held_up(dsn: str, partition: int) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """Let whoever writes to the partition wait, until what is yielded has been called."""
    pipeline = await open_pipeline(dsn, HOLD, role=None)

    async def done(statement: str) -> None:
        over = trio.Event()
        await pipeline.execute(statement, [b"%d" % partition], lambda _: over.set())
        await over.wait()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run, lambda: None)
            await done("hold")
            yield partial(done, "release")
            nursery.cancel_scope.cancel()
    finally:
        pipeline.close()


class Outcome:
    """What an append was told."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.told = 0

    async def of(self, journal: PostgresJournal, append: Append) -> None:
        try:
            await journal.append(append)
        except ConflictError as error:
            self.error = error
        self.told += 1


@pytest.mark.parametrize("partition", [7, 8], ids=["the same partition", "another partition"])
async def test_what_was_sent_behind_a_refused_batch_is_recorded_once_and_nothing_else_is(
    dsn: str, partition: int
) -> None:
    ahead = next(streams_in(7))
    behind = next(name for name in streams_in(partition) if name != ahead)
    commits: list[Committed] = []
    refused, recorded = Outcome(), Outcome()
    with trio.fail_after(20):
        async with open_journal(dsn, owner="the test", observe=commits.append) as journal:
            async with held_up(dsn, 7) as release, trio.open_nursery() as nursery:
                nursery.start_soon(refused.of, journal, note(ahead, expected=5))
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(recorded.of, journal, note(behind, 0, EARLY_EVENTS))
                await trio.testing.wait_all_tasks_blocked()  # both are on their way
                assert (refused.told, recorded.told) == (0, 0)
                await release()
            assert (refused.told, recorded.told, recorded.error) == (1, 1, None)
            assert isinstance(refused.error, ConflictError)
            assert [commit.events for commit in commits] == [EARLY_EVENTS]
            # The chains and versions go on where they really stand.
            await journal.append(note(ahead, 0))
            await journal.append(note(behind, EARLY_EVENTS))
            assert len(await journal.read(behind)) == EARLY_EVENTS + 1
        report = await audit(dsn)
    assert report.chain
    assert report.events == EARLY_EVENTS + 2
