"""What the sessions of both drivers have in common."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from adapters.postgres.bridge import open_bridge
from adapters.postgres.connect import connect
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.pipeline import open_pipeline
from tests.conftest import run_sql

SILENCE = "SHOW tcp_keepalives_idle"
"""After how many seconds of it the server speaks up by itself. Over a unix socket it has no reason to."""

KEPT_ALIVE = "SELECT 1 / (current_setting('tcp_keepalives_idle') = '60')::int"
"""A pipeline tells of no values, only that a statement failed."""


@pytest.fixture
def dsn_over_tcp(tmp_path: Path) -> Iterator[str]:
    with EmbeddedPostgres(tmp_path / "data", durable=False, port=0) as server:
        run_sql(server.dsn, "CREATE ROLE clerk LOGIN PASSWORD 'quay'", "SELECT 1")
        yield f"postgresql://clerk:quay@127.0.0.1:{server.port}/postgres"


async def answer(dsn: str) -> object:
    connection = await connect(dsn, role=None, seconds_max=5)
    try:
        return await connection.fetchval(SILENCE)
    finally:
        await connection.close()


async def test_no_firewall_on_the_way_forgets_a_connection_that_is_silent_for_hours(
    dsn_over_tcp: str,
) -> None:
    outcomes: list[Exception | None] = []
    with trio.fail_after(20):
        async with open_bridge() as bridge:
            assert await bridge.run(answer, dsn_over_tcp) == "60"
        pipeline = await open_pipeline(dsn_over_tcp, {"kept alive": KEPT_ALIVE}, role=None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run, nursery.cancel_scope.cancel)

            def ended(error: Exception | None) -> None:
                outcomes.append(error)
                nursery.cancel_scope.cancel()

            await pipeline.execute("kept alive", [], ended)
        pipeline.close()
    assert outcomes == [None]
