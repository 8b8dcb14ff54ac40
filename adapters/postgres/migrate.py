"""Bring a database's schema to what this version of the code expects.

The numbered SQL files lie in the package `migrations`. A file that was applied never changes: its checksum is
recorded. Whoever runs this must own the schema; the daemon itself works as a role with fewer rights.
"""

import asyncio
import re
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Final

import asyncpg
import structlog
from msgspec import Struct

from adapters.postgres.bridge import open_bridge
from adapters.postgres.connect import ROLE, Connection, connect
from adapters.postgres.gone import or_unavailable

_MIGRATION_LOCK: Final = 0x5748_4D49
"""An advisory lock's key, any number of our own: two that start at once migrate one after the other."""

STATEMENT_SECONDS_MAX: Final = 3_600.0
"""To build an index over the events of years takes minutes; so does waiting for another who does it."""

LOCK_SECONDS_MAX: Final = 2.0
"""Whoever waits for a table keeps all from it that come later: the appends of a daemon at work among them,
which are given up after 30 seconds. A backup may read the tables for an hour: so it is asked again after
twice as long, in which they catch up."""

_OWN_ROLES_ONLY: Final = 16
"""Since this Postgres who may make roles may not give away those of others, nor work as one of its own."""

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")

log = structlog.get_logger(__name__)


class MigrationError(Exception):
    """The schema is not what this code can work on; the text says what to do."""


class Migration(Struct, frozen=True):
    """One numbered file; `checksum` is the SHA-256 of its bytes, as hex."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """What must not change once the file was applied."""
        return sha256(self.sql.encode()).hexdigest()


def carried_migrations() -> Sequence[Migration]:
    """Return the migrations that this version of the code carries, in order.

    Raises:
        MigrationError: two have one number, or one is missing.
    """
    found = [
        Migration(int(match[1]), match[2], entry.read_text("utf-8"))
        for entry in files("migrations").iterdir()
        if (match := _NAME.fullmatch(entry.name))
    ]
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError("the carried migrations are not numbered from 0001 without a gap")
    return found


async def migrate(
    dsn: str,
    *,
    seconds_max: float = 30.0,
    migrations: Sequence[Migration] | None = None,
    statement_seconds_max: float = STATEMENT_SECONDS_MAX,
    lock_seconds_max: float = LOCK_SECONDS_MAX,
) -> int:
    """Apply what is missing, and return how many migrations that were. Safe when several do it at once.

    Args:
        dsn: the database, as the owner of the schema.
        seconds_max: how long to wait for a database that is away.
        migrations: instead of those that the code carries.
        statement_seconds_max: how long one of them may take, or waiting for another who migrates.
        lock_seconds_max: how long to wait for a table at a time.

    Raises:
        MigrationError: the schema is newer than the code, a file that was applied has changed, or somebody
            held the tables all the time.
        DatabaseUnavailableError: it stayed away, was lost, or took too long.
    """
    wanted = carried_migrations() if migrations is None else migrations
    async with open_bridge() as bridge:
        with or_unavailable():
            return await bridge.run(
                migrate_here, dsn, seconds_max, wanted, statement_seconds_max, lock_seconds_max
            )


async def migrate_here(
    dsn: str,
    seconds_max: float,
    wanted: Sequence[Migration],
    statement_seconds_max: float = STATEMENT_SECONDS_MAX,
    lock_seconds_max: float = LOCK_SECONDS_MAX,
) -> int:
    """Do what `migrate` says; to be run on the database's thread."""
    until = asyncio.get_running_loop().time() + statement_seconds_max
    connection = await connect(
        dsn, role=None, seconds_max=seconds_max, command_seconds_max=statement_seconds_max
    )
    try:
        if await _is_current(connection, wanted):
            return 0  # the daemon's login need not own the schema, as long as nothing is to be done
        while True:
            try:
                return await _migrate_once(connection, wanted, lock_seconds_max)
            except asyncpg.LockNotAvailableError:
                if asyncio.get_running_loop().time() > until:
                    raise MigrationError("somebody held the tables all the time: a backup?") from None
            pause = 2 * lock_seconds_max
            log.warning("postgres.tables_in_use", again_in_s=pause)
            await asyncio.sleep(pause)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            f"the schema must be migrated by its owner (`wharfinger migrate`): {error}"
        ) from error
    finally:
        await connection.close()  # noqa: ASYNC102 - asyncio's, on the database's thread


async def _migrate_once(connection: Connection, wanted: Sequence[Migration], lock_seconds_max: float) -> int:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        await connection.execute(f"SET LOCAL lock_timeout = {round(lock_seconds_max * 1_000)}")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration (number integer PRIMARY KEY, name text NOT NULL,"
            " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        missing = _missing(await _applied(connection), wanted)
        if missing and missing[0].number == 1:
            await _may_make_the_role(connection)
        for migration in missing:
            await _apply(connection, migration)
        if missing and missing[0].number == 1:
            await _take_the_role(connection)
    return len(missing)


async def _is_current(connection: Connection, wanted: Sequence[Migration]) -> bool:
    if await connection.fetchval("SELECT to_regclass('schema_migration')") is None:
        return False
    return not _missing(await _applied(connection), wanted)


async def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    rows = await connection.fetch("SELECT number, name, checksum FROM schema_migration ORDER BY number")
    return {row["number"]: (row["name"], row["checksum"]) for row in rows}


def _missing(applied: dict[int, tuple[str, str]], wanted: Sequence[Migration]) -> Sequence[Migration]:
    known = {migration.number: migration for migration in wanted}
    for number, (name, checksum) in applied.items():
        migration = known.get(number)
        if migration is None:
            raise MigrationError(
                f"the database is newer than this version: it has migration {number:04} {name}"
            )
        if migration.checksum != checksum:
            raise MigrationError(f"migration {number:04} {name} was changed after it had been applied")
    return [migration for migration in wanted if migration.number not in applied]


async def _may_make_the_role(connection: Connection) -> None:
    """Say beforehand what the owner lacks for the role by which the daemon works.

    Postgres wants the right to make roles even where the role is there already, made for another database.
    Since 16 that right is none to grant a role which somebody else has made.

    Raises:
        MigrationError: it lacks something.
    """
    owner = await connection.fetchrow(
        "SELECT quote_ident(rolname) AS name, rolsuper OR rolcreaterole AS makes_roles,"
        " rolsuper OR pg_has_role(daemon, 'MEMBER') AS is_member"
        " FROM pg_roles LEFT JOIN (SELECT oid AS daemon FROM pg_roles WHERE rolname = $1) made ON true"
        " WHERE rolname = current_user",
        ROLE,
    )
    if owner is None:
        raise MigrationError("the database does not know whom it let in")
    name, lacks = owner["name"], f"the first migration makes {ROLE}, the role by which the daemon works; "
    if not owner["makes_roles"]:
        raise MigrationError(
            f"{lacks}{name} may make none: ALTER ROLE {name} CREATEROLE, which may be taken back afterwards"
        )
    if owner["is_member"] is False and connection.get_server_version().major >= _OWN_ROLES_ONLY:
        raise MigrationError(f"{lacks}it is there already, for another database: GRANT {ROLE} TO {name}")


async def _take_the_role(connection: Connection) -> None:
    """Let the owner work as the daemon's role: since Postgres 16 who makes one may grant it, and no more."""
    if connection.get_server_version().major >= _OWN_ROLES_ONLY and not await connection.fetchval(
        "SELECT pg_has_role($1, 'SET')", ROLE
    ):
        await connection.execute(f"GRANT {ROLE} TO CURRENT_USER")


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        await connection.execute(migration.sql)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.LockNotAvailableError):
        raise
    except asyncpg.PostgresError as error:
        raise MigrationError(f"migration {migration.number:04} {migration.name} failed: {error}") from error
    await connection.execute(
        "INSERT INTO schema_migration (number, name, checksum) VALUES ($1, $2, $3)",
        migration.number,
        migration.name,
        migration.checksum,
    )
    log.info("postgres.migrated", number=migration.number, migration=migration.name)
