"""The runner of migrations, on real databases that are still empty."""

import asyncio
import re
import threading
from collections.abc import Callable

import asyncpg
import pytest
import trio
from msgspec.structs import replace

from adapters.postgres.connect import COMMAND_SECONDS_MAX, DatabaseUnavailableError
from adapters.postgres.embedded_binaries import Binaries, available_binaries
from adapters.postgres.forget import forget
from adapters.postgres.migrate import (
    STATEMENT_SECONDS_MAX,
    Migration,
    MigrationError,
    carried_migrations,
    migrate,
)
from tests.conftest import run_sql

SQL = Callable[..., list[asyncpg.Record]]
COUNT = len(carried_migrations())


@pytest.fixture(params=list(available_binaries()))
def empty(request: pytest.FixtureRequest, empty_database_of: Callable[[Binaries], str]) -> str:
    return empty_database_of(request.param)


async def test_an_empty_database_is_brought_up_to_date_once(empty: str) -> None:
    with trio.fail_after(30):
        assert await migrate(empty) == COUNT
        assert await migrate(empty) == 0


def own_by_a_clerk(empty: str, granted: str) -> tuple[str, str]:
    """Hand the database to somebody who is no superuser; return who that is, and its DSN for them.

    The daemon's role is there already, as it is every database's of a server.
    """
    name = re.sub(r".*/(\w+)\?.*", r"\1", empty)
    owner = f"clerk_of_{name}"
    run_sql(empty, f"CREATE ROLE {owner} LOGIN", f"ALTER DATABASE {name} OWNER TO {owner}")
    run_sql(empty, granted.format(owner=owner) or "SELECT")
    return owner, empty.replace("postgres@", f"{owner}@")


def test_an_owner_has_to_make_roles_for_the_first_migration_alone_and_is_told_so(empty: str) -> None:
    owner, as_owner = own_by_a_clerk(empty, "GRANT wharfinger_daemon TO {owner}")
    with pytest.raises(MigrationError, match=f"ALTER ROLE {owner} CREATEROLE"):
        trio.run(migrate, as_owner)
    run_sql(empty, f"ALTER ROLE {owner} CREATEROLE")
    assert trio.run(migrate, as_owner) == COUNT
    run_sql(empty, f"ALTER ROLE {owner} NOCREATEROLE")
    assert trio.run(migrate, as_owner) == 0
    assert run_sql(as_owner, "SET ROLE wharfinger_daemon", "SELECT count(*) FROM event")[0][0] == 0


def since_16(dsn: str) -> bool:
    return bool(run_sql(dsn, "SELECT current_setting('server_version_num')::int >= 160000")[0][0])


def test_whoever_has_made_the_daemons_role_may_work_as_it(empty: str) -> None:
    """Since Postgres 16 to make a role gives just this."""
    made = " WITH ADMIN TRUE, INHERIT FALSE, SET FALSE" if since_16(empty) else ""
    owner, as_owner = own_by_a_clerk(empty, f"GRANT wharfinger_daemon TO {{owner}}{made}")
    run_sql(empty, f"ALTER ROLE {owner} CREATEROLE")
    assert trio.run(migrate, as_owner) == COUNT
    assert run_sql(as_owner, "SET ROLE wharfinger_daemon", "SELECT count(*) FROM event")[0][0] == 0


def test_where_somebody_else_has_made_the_daemons_role_its_grant_is_asked_for(empty: str) -> None:
    owner, as_owner = own_by_a_clerk(empty, "")
    run_sql(empty, f"ALTER ROLE {owner} CREATEROLE")
    if since_16(empty):
        with pytest.raises(MigrationError, match=f"GRANT wharfinger_daemon TO {owner}"):
            trio.run(migrate, as_owner)
    else:
        assert trio.run(migrate, as_owner) == COUNT


async def test_two_daemons_that_start_at_once_migrate_once(empty: str) -> None:
    applied: list[int] = []

    async def start() -> None:
        applied.append(await migrate(empty))

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(start)
    assert sorted(applied) == [0, 0, 0, COUNT]


async def test_a_migration_that_waits_for_a_backup_does_not_keep_a_daemon_at_work_from_its_tables(
    empty: str,
) -> None:
    backup_ends = threading.Event()
    reading = threading.Event()

    async def read() -> None:
        connection = await asyncpg.connect(empty)
        async with connection.transaction():
            await connection.fetch("SELECT count(*) FROM stock_balance")
            reading.set()
            await asyncio.to_thread(backup_ends.wait, 20)
        await connection.close()

    def back_up() -> None:
        asyncio.run(read())

    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'stock_balance'::regclass"
    changing = Migration(COUNT + 1, "more", "ALTER TABLE stock_balance ADD COLUMN more int")
    applied: list[int] = []

    async def change() -> None:
        applied.append(
            await migrate(empty, migrations=[*carried_migrations(), changing], lock_seconds_max=0.3)
        )

    with trio.fail_after(30):
        await migrate(empty)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, back_up)
            await trio.to_thread.run_sync(reading.wait)
            nursery.start_soon(change)
            while not (await trio.to_thread.run_sync(run_sql, empty, waiting))[0][0]:
                await trio.sleep(0.01)
            used = "UPDATE stock_balance SET available = 0"
            await trio.to_thread.run_sync(run_sql, empty, "SET statement_timeout = '5s'", used)
            assert applied == []
            backup_ends.set()
    assert applied == [1]


async def test_a_migration_that_was_changed_after_it_was_applied_is_refused(empty: str) -> None:
    first, *others = carried_migrations()
    with trio.fail_after(30):
        await migrate(empty)
        changed = [replace(first, sql=first.sql + "-- harmless\n"), *others]
        with pytest.raises(MigrationError, match="0001 log was changed"):
            await migrate(empty, migrations=changed)


async def test_a_database_of_a_newer_version_is_refused(empty: str) -> None:
    newer = Migration(COUNT + 1, "from_the_future", "CREATE TABLE future (id int)")
    with trio.fail_after(30):
        await migrate(empty, migrations=[*carried_migrations(), newer])
        with pytest.raises(MigrationError, match=f"newer than this version: it has migration {COUNT + 1:04}"):
            await migrate(empty)


async def test_a_migration_that_fails_leaves_nothing_behind(empty: str) -> None:
    broken = Migration(COUNT + 1, "broken", "CREATE TABLE half (id int); SELECT 1/0")
    with trio.fail_after(30):
        with pytest.raises(MigrationError, match=f"{COUNT + 1:04} broken failed: division by zero"):
            await migrate(empty, migrations=[*carried_migrations(), broken])
        assert await migrate(empty) == COUNT


async def test_a_migration_has_its_own_time_and_says_so_when_that_is_over(empty: str) -> None:
    """It is long, since an index over years of events takes minutes, and no shorter than a daemon's reads."""
    assert STATEMENT_SECONDS_MAX > 10 * COMMAND_SECONDS_MAX
    slow = Migration(COUNT + 1, "slow", "SELECT pg_sleep(20)")
    with trio.fail_after(15), pytest.raises(DatabaseUnavailableError, match="does not answer: TimeoutError"):
        await migrate(empty, migrations=[*carried_migrations(), slow], statement_seconds_max=2)


def test_every_key_begins_with_the_partition_and_nothing_refers_across(sql: SQL) -> None:
    keys = sql(
        "SELECT c.conrelid::regclass::text AS t,"
        " (SELECT attname FROM pg_attribute WHERE attrelid = c.conrelid AND attnum = c.conkey[1]) AS first"
        " FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = c.conrelid"
        " WHERE c.contype IN ('p', 'u') AND r.relnamespace = current_schema()::regnamespace",
    )
    assert {row["first"] for row in keys if row["t"] != "schema_migration"} == {"partition"}
    assert len(keys) > 10
    assert sql("SELECT conname FROM pg_constraint WHERE contype = 'f' AND connamespace <> 11") == []


async def test_a_database_that_stays_away_is_named_clearly(tmp_path: object) -> None:
    with trio.fail_after(10), pytest.raises(DatabaseUnavailableError, match="stayed away for 0 s"):
        await migrate(f"postgresql://postgres:hunter2@/postgres?host={tmp_path}", seconds_max=0.3)


async def test_a_database_that_refuses_us_is_not_asked_again(dsn: str) -> None:
    nowhere = re.sub(r"/\w+\?", "/nowhere?", dsn)
    with trio.fail_after(10), pytest.raises(DatabaseUnavailableError, match="refused us") as caught:
        await migrate(nowhere, seconds_max=60)
    assert nowhere not in str(caught.value)


async def test_nobody_is_forgotten_in_a_database_of_an_older_version(empty: str) -> None:
    """There an erasure could miss what is under way."""
    with trio.fail_after(30):
        await migrate(empty, migrations=carried_migrations()[:6])
        with pytest.raises(DatabaseUnavailableError, match="of an older version: wharfinger migrate first"):
            await forget(empty, "main:7")
