"""Erases a customer's data beside the log, from a running daemon or from outside.

The log still verifies: its events hold only salted hashes, and the salt goes too. What is under
way then comes erased, see `BesideRow`.
"""

import asyncpg

from adapters.postgres.bridge import open_bridge
from adapters.postgres.connect import ROLE, Connection, DatabaseUnavailableError, Pool, connect_to_log
from adapters.postgres.gone import or_unavailable


async def forget(dsn: str, customer: str, *, database_seconds_max: float = 30.0) -> int:
    """Erase everything that belongs to this customer; return how many rows that were. A daemon may go on.

    Args:
        dsn: the database, as anybody who may work as the daemon's role.
        customer: as "channel:shop's customer id".
        database_seconds_max: how long to wait for a database that is away.

    Raises:
        DatabaseUnavailableError: it stayed away, refused us, was lost, or is of an older version.
    """
    async with open_bridge() as bridge:
        with or_unavailable():
            return await bridge.run(_forget, dsn, customer, database_seconds_max)


async def erase(connection: Connection | Pool, customer: str) -> int:
    """Do what `forget` says; to be run on the database's thread."""
    erased: int = await connection.fetchval("SELECT journal_forget($1)", customer)
    return erased


async def _forget(dsn: str, customer: str, seconds_max: float) -> int:
    connection = await connect_to_log(dsn, role=ROLE, seconds_max=seconds_max)
    try:
        return await erase(connection, customer)
    except asyncpg.UndefinedFunctionError as error:
        raise DatabaseUnavailableError(
            "the database is of an older version: wharfinger migrate first"
        ) from error
    finally:
        await connection.close()  # noqa: ASYNC102 - asyncio's, on the database's thread
