"""How our connections are set up, and patience with a database that is away at the start.

It owns the settings of sessions and the names of failures. It runs on the database's thread.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg
import structlog

ROLE: Final = "wharfinger_daemon"
"""What the daemon works as: it may add to the log, and change nothing in it (see migrations)."""

COMMAND_SECONDS_MAX: Final = 30.0
"""A statement that takes longer is given up: three leases long, so whoever waits has lost them by then."""

CONNECT_SECONDS_MAX: Final = 10.0
"""One attempt to connect. A server that takes longer is as good as away."""

READERS: Final = 4
"""Connections for reading. Reads are short look-ups by key; more would only queue up in the server."""

SEARCHERS: Final = 2
"""Connections for what people ask, which may search for long: whoever comes third waits for one of them."""

SEARCH_SECONDS_MAX: Final = 300.0
"""To go through a warehouse's stream of years takes minutes; who asks bounds what they wait themselves."""

_BACK_OFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
)

_SESSION: Mapping[str, str] = {
    "application_name": "wharfinger",
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "10s",  # a frozen daemon must not hold locks for long
    # What claims our partitions is silent for good. A firewall on the way forgets such a connection within
    # minutes; after two hours the server would take us for dead, and a standby our partitions.
    "tcp_keepalives_idle": "60",
    "idle_session_timeout": "0",  # which an administrator may have set for people who forget to log out
    "jit": "off",  # to compile one of our statements takes longer than to run it
    "client_min_messages": "warning",
}

WRITER_SESSION: Mapping[str, str] = {
    # Every statement of the writer finds its rows by primary key. The planner must not choose otherwise
    # because a table was small when the plan was made, nor plan anew for each batch.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
}

DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
)
"""Whatever the server's default is: what we call durable is on the disk. A stronger setting stays."""

if TYPE_CHECKING:  # generic for the type checkers alone
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection, Pool = asyncpg.Connection, asyncpg.Pool

log = structlog.get_logger(__name__)


class DatabaseUnavailableError(Exception):
    """The database could not be reached, or would not have us. The text names no secret."""


def session_settings(role: str | None, extra: Mapping[str, str]) -> dict[str, str]:
    """Return what is set in a session of ours that works as `role` (as whom it logged in, when None)."""
    return {**_SESSION, **extra, **({"role": role} if role else {})}


async def connect(
    dsn: str,
    *,
    role: str | None,
    seconds_max: float,
    extra: Mapping[str, str] | None = None,
    command_seconds_max: float = COMMAND_SECONDS_MAX,
) -> Connection:
    """Return a connection working as `role` (as whom it logged in, when None).

    While the database is away it is tried again, with growing pauses, for at most `seconds_max`.

    Raises:
        DatabaseUnavailableError: it stayed away, or refused us.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds_max
    attempt = 0
    while True:
        try:
            return await _connect_once(dsn, role, extra or {}, command_seconds_max)
        except asyncpg.exceptions.ClientConfigurationError as error:  # its texts hold no password
            raise DatabaseUnavailableError(f"the database's address cannot be used: {error}") from error
        except _AWAY as error:
            pause = _BACK_OFF_SECONDS[min(attempt, len(_BACK_OFF_SECONDS) - 1)]
            attempt += 1
            if loop.time() + pause > deadline:
                raise DatabaseUnavailableError(
                    f"the database stayed away for {seconds_max:.0f} s: {_why(error)}"
                ) from error
            log.warning("postgres.away", attempt=attempt, error=type(error).__name__, again_in_s=pause)
            await asyncio.sleep(pause)
        except asyncpg.PostgresError as error:
            raise DatabaseUnavailableError(f"the database refused us: {error}") from error


def _why(error: BaseException) -> str:
    said = error.strerror if isinstance(error, OSError) else ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


async def connect_to_log(
    dsn: str,
    *,
    role: str | None,
    seconds_max: float,
    command_seconds_max: float = COMMAND_SECONDS_MAX,
) -> Connection:
    """Return what `connect` does, to a database that holds a log of ours.

    Raises:
        DatabaseUnavailableError: it stayed away, refused us, or holds none: it is another one, or empty.
    """
    connection = await connect(
        dsn, role=role, seconds_max=seconds_max, command_seconds_max=command_seconds_max
    )
    if await connection.fetchval("SELECT to_regclass('event') IS NULL"):
        await connection.close()
        raise DatabaseUnavailableError(
            "the database holds no log of ours: is its address right? (wharfinger migrate begins a new one)"
        )
    return connection


async def open_pool(
    dsn: str,
    *,
    size_min: int = 1,
    size_max: int = READERS,
    command_seconds_max: float = COMMAND_SECONDS_MAX,
) -> Pool:
    """Return a pool; by default the one that reads use."""
    return await asyncpg.create_pool(
        dsn,
        min_size=size_min,
        max_size=size_max,
        timeout=CONNECT_SECONDS_MAX,
        command_timeout=command_seconds_max,
        server_settings={**_SESSION, "role": ROLE},
        init=_make_durable,
        reset=_leave_as_it_is,
    )


async def _connect_once(
    dsn: str, role: str | None, extra: Mapping[str, str], command_seconds_max: float
) -> Connection:
    connection: Connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_SECONDS_MAX,
        command_timeout=command_seconds_max,
        server_settings=session_settings(role, extra),
    )
    await _make_durable(connection)
    return connection


async def _leave_as_it_is(_: object) -> None:
    """Reads leave nothing behind in a session; asyncpg's own reset is a round trip after each of them."""


async def _make_durable(connection: Connection) -> None:
    await connection.execute(DURABLE)
