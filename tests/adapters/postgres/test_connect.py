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

SILENCE = "SELECT current_setting('tcp_keepalives_idle') || ' ' || current_setting('idle_session_timeout')"
"""After how many seconds of it the server speaks up by itself, and after how many it ends the session. Over
a unix socket it has no reason to speak."""

KEPT_ALIVE = f"SELECT 1 / (({SILENCE}) = '60 0')::int"
"""A pipeline tells of no values, only that a statement failed."""

IMPATIENT = "ALTER ROLE clerk SET idle_session_timeout = '5min'"


@pytest.fixture
def dsn_over_tcp(tmp_path: Path) -> Iterator[str]:
    with EmbeddedPostgres(tmp_path / "data", durable=False, port=0) as server:
        run_sql(server.dsn, "CREATE ROLE clerk LOGIN PASSWORD 'quay'", IMPATIENT, "SELECT 1")
        yield f"postgresql://clerk:quay@127.0.0.1:{server.port}/postgres"


async def answer(dsn: str) -> object:
    connection = await connect(dsn, role=None, seconds_max=5)
    try:
        return await connection.fetchval(SILENCE)
    finally:
        await connection.close()


async def test_neither_a_firewall_nor_the_server_ends_a_connection_that_is_silent_for_hours(
    dsn_over_tcp: str,
) -> None:
    outcomes: list[Exception | None] = []
    with trio.fail_after(20):
        async with open_bridge() as bridge:
            assert await bridge.run(answer, dsn_over_tcp) == "60 0"
        pipeline = await open_pipeline(dsn_over_tcp, {"kept alive": KEPT_ALIVE}, role=None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run, nursery.cancel_scope.cancel)

            def ended(error: Exception | None) -> None:
                outcomes.append(error)
                nursery.cancel_scope.cancel()

            await pipeline.execute("kept alive", [], ended)
        pipeline.close()
    assert outcomes == [None]
