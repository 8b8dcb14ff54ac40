"""Erases a customer's data beside the log, from a running daemon or from outside.

The log still verifies: its events hold only salted hashes, and the salt goes too.
"""

from adapters.postgres.bridge import open_bridge
from adapters.postgres.connect import ROLE, Connection, Pool, connect_to_log

_ERASE = (
    "UPDATE beside SET salt = NULL, body = NULL, erased_at = clock_timestamp()"
    " WHERE customer = $1 AND erased_at IS NULL RETURNING id"
)


async def forget(dsn: str, customer: str, *, database_seconds_max: float = 30.0) -> int:
    """Erase everything that belongs to this customer; return how many rows that were. A daemon may go on.

    Args:
        dsn: the database, as anybody who may work as the daemon's role.
        customer: as "channel:shop's customer id".
        database_seconds_max: how long to wait for a database that is away.

    Raises:
        DatabaseUnavailableError: it stayed away, or refused us.
    """
    async with open_bridge() as bridge:
        return await bridge.run(_forget, dsn, customer, database_seconds_max)


async def erase(connection: Connection | Pool, customer: str) -> int:
    """Do what `forget` says; to be run on the database's thread."""
    return len(await connection.fetch(_ERASE, customer))


async def _forget(dsn: str, customer: str, seconds_max: float) -> int:
    connection = await connect_to_log(dsn, role=ROLE, seconds_max=seconds_max)
    try:
        return await erase(connection, customer)
    finally:
        await connection.close()  # noqa: ASYNC102 - asyncio's, on the database's thread
