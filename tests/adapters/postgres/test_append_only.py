"""The database itself refuses to change the log: by trigger for everybody, by rights for the daemon."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from adapters.postgres.connect import ROLE, connect

SQL = Callable[..., list[asyncpg.Record]]


@pytest.mark.parametrize("table", ["event", "stock_movement"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET partition = 0", "DELETE FROM {}", "TRUNCATE {}"])
def test_not_even_the_owner_changes_the_log(log_dsn: str, sql: SQL, table: str, statement: str) -> None:
    del log_dsn
    with pytest.raises(asyncpg.PostgresError, match=f"{table} is append-only"):
        sql(statement.format(table))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET version = 1",
        "DELETE FROM event",
        "TRUNCATE event",
        "ALTER TABLE event DISABLE TRIGGER event_append_only",
        "UPDATE stock_movement SET units = 1",
        "DELETE FROM stock_movement",
        "DROP TABLE stock_movement",
        "DELETE FROM partition_head",
        "DELETE FROM fulfilment",
        "DELETE FROM stock_balance",
        "DELETE FROM beside",
        "UPDATE beside SET customer = ''",
        "UPDATE schema_migration SET checksum = ''",
        "CREATE TABLE mine (id int)",
    ],
)
def test_the_daemons_role_may_do_no_more_than_it_needs(log_dsn: str, statement: str) -> None:
    async def attempt() -> None:
        connection = await connect(log_dsn, role=ROLE, seconds_max=5)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asyncio.run(attempt())


def test_a_balance_that_does_not_add_up_is_refused_by_the_table(log_dsn: str, sql: SQL) -> None:
    del log_dsn
    with pytest.raises(asyncpg.CheckViolationError, match="stock_balance_conserved"):
        sql("UPDATE stock_balance SET available = available + 1")
    with pytest.raises(asyncpg.CheckViolationError, match="stock_balance_never_negative"):
        sql("UPDATE stock_balance SET available = available - 100, opening = opening + 100")
