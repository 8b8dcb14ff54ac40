"""Postgres is killed in the middle of commits: what was answered is there, all or nothing of the rest is."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from actors.domain.order_events import CancelAsked, OrderCancelled
from actors.ports.journal import Append, ConflictError, FencedError
from adapters.postgres.audit import audit
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.journal import PostgresJournal, open_journal

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KILLS = 3
ORDERS = 80
"""Together they make batches that are flushed apart from their commit, and alone some that are not."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "data") as running:
        yield running


class Story:
    """Orders of two events an append, and how many appends of each were answered."""

    def __init__(self) -> None:
        self.answered: dict[str, int] = {}
        self.unknown: set[str] = set()

    async def tell(self, journal: PostgresJournal, name: str) -> None:
        """Append until the journal falls."""
        while True:
            expected = self.answered.get(name, 0)
            try:
                await journal.append(
                    Append(f"order-{name}", expected, (CancelAsked(name), OrderCancelled(name)), NOW)
                )
            except FencedError:
                self.unknown.add(name)
                return
            self.answered[name] = expected + 2


@pytest.mark.slow
async def test_after_a_kill_everything_that_was_answered_is_there_and_nothing_is_half(
    server: EmbeddedPostgres,
) -> None:
    story = Story()
    with trio.fail_after(120):
        for round_ in range(KILLS):
            with pytest.RaisesGroup(FencedError, flatten_subgroups=True, allow_unwrapped=True):
                async with (
                    open_journal(server.dsn, owner=f"daemon {round_}") as journal,
                    trio.open_nursery() as nursery,
                ):
                    for number in range(ORDERS):
                        nursery.start_soon(story.tell, journal, f"{number}")
                    await trio.sleep(0.3)
                    server.kill()
                    await trio.sleep(5)
            server.start()
            async with open_journal(server.dsn, owner=f"heir {round_}") as journal:
                await settle(journal, story)
        report = await audit(server.dsn)
    assert report.findings_total == ORDERS  # our orders have no row in the index, and that is all
    assert report.chain
    assert sum(story.answered.values()) == report.events > 100


async def settle(journal: PostgresJournal, story: Story) -> None:
    """Read back what became of each order, as an actor does when it is hydrated."""
    for name in sorted({*story.answered, *story.unknown}):
        versions = [recorded.version for recorded in await journal.read(f"order-{name}")]
        answered = story.answered.get(name, 0)
        assert versions == list(range(1, len(versions) + 1))
        assert len(versions) in ({answered, answered + 2} if name in story.unknown else {answered})
        if len(versions) > answered:
            with pytest.raises(ConflictError):  # the repeat of what had happened after all changes nothing
                await journal.append(Append(f"order-{name}", answered, (CancelAsked(name),), NOW))
        story.answered[name] = len(versions)
    story.unknown.clear()


async def test_reads_say_that_the_database_is_gone(server: EmbeddedPostgres) -> None:
    with trio.fail_after(60):
        with pytest.RaisesGroup(FencedError, flatten_subgroups=True, allow_unwrapped=True):
            async with open_journal(server.dsn, owner="daemon") as journal:
                server.kill()
                with pytest.raises(FencedError):
                    await journal.order_counts()
                await trio.sleep_forever()


async def test_a_daemon_that_starts_before_its_database_waits_for_it(server: EmbeddedPostgres) -> None:
    server.stop()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            opened = trio.Event()

            async def start() -> None:
                async with open_journal(server.dsn, owner="early") as journal:
                    assert await journal.order_counts() == {}
                    opened.set()

            nursery.start_soon(start)
            await trio.sleep(0.5)
            assert not opened.is_set()
            server.start()
            await opened.wait()
