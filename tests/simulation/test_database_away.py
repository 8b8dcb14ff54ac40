"""A database that is away at the start, goes away, or lets go of the one connection that writes."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
import trio

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.leases import RENEW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.conftest import Open

pytestmark = pytest.mark.slow

TERMINATE_WRITER = (
    "SELECT pg_terminate_backend(pid) FROM"
    " (SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 1464353107"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS writers"
)


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "pg", durable=False) as server:
        yield server


async def test_a_daemon_waits_for_its_database_and_takes_up_what_lay_there(
    open_merchant: "Open", postgres: EmbeddedPostgres
) -> None:
    with trio.fail_after(60):
        async with open_merchant(dsn=postgres.dsn, start=False) as merchant:
            postgres.kill()
            merchant.daemon.start()
            order = merchant.place(("TEAPOT-BLUE", 1))
            await merchant.logged("postgres.away")
            postgres.start()
            await merchant.daemon.until_ready(merchant.stage.client)
            await merchant.until(order, "picking", "packed", "shipped")

            postgres.kill()
            assert await merchant.ended() == 75
            # Whoever notices first says it: the writer, or a read that was under way.
            lost = ("wharfinger: the writer's connection", "wharfinger: the database is gone")
            assert any(line.startswith(lost) for line in merchant.text().splitlines())
            another = merchant.place(("TEAPOT-RED", 1))
            postgres.start()
            await merchant.start()
            await merchant.shipped(order, another)
            await merchant.told()
            assert len(merchant.stage.carrier.labels) == 2
            assert merchant.stage.erp.duplicates() == ()
            assert {line.get("level") for line in merchant.log()} <= {None, "info", "warning"}


async def test_a_daemon_whose_database_stays_away_says_so_and_ends(
    open_merchant: "Open", postgres: EmbeddedPostgres
) -> None:
    with trio.fail_after(60):
        waits = ('dsn_file = "dsn"', 'dsn_file = "dsn"\nwait_seconds = 1')
        async with open_merchant(dsn=postgres.dsn, start=False, changed=(waits,)) as merchant:
            postgres.kill()
            merchant.daemon.start()
            assert await merchant.ended() == 69
            last = merchant.log()[-1]["line"]
            assert last.startswith("wharfinger: the database stayed away for 1 s: "), last
            assert "Traceback" not in merchant.text()
            postgres.start()


async def test_an_idle_daemon_notices_that_its_writer_was_cut_off_and_the_next_goes_on(
    open_merchant: "Open", sql: "Callable[..., list[asyncpg.Record]]"
) -> None:
    with trio.fail_after(60):
        async with open_merchant() as merchant:
            await merchant.shipped(merchant.place(("TEAPOT-BLUE", 1)))
            await merchant.told()
            assert len(await trio.to_thread.run_sync(sql, TERMINATE_WRITER)) == 1
            with trio.fail_after(RENEW_SECONDS + 2):
                assert await merchant.ended() == 75
            last = merchant.log()[-1]["line"]
            assert last == "wharfinger: the writer's connection to the database was lost"
            await merchant.start()
            await merchant.shipped(merchant.place(("TEAPOT-BLUE", 1)))
