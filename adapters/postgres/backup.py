"""Tells what a restored backup is worth: whether its log is whole, of the same history, and how far behind.

It reads both databases and changes neither; how a backup is made is Postgres' own matter.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import Struct

from actors.inspection import LogEnd
from adapters.postgres.audit import AuditReport, audit
from adapters.postgres.bridge import open_bridge
from adapters.postgres.connect import connect_to_log
from adapters.postgres.gone import or_unavailable
from adapters.postgres.inspection import ends

_AT_WORK: Final = """
    SELECT EXISTS (SELECT FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
                    WHERE d.datname = current_database()
                      AND l.locktype = 'advisory' AND l.classid = 1464353107)
"""
"""A daemon's writer holds these locks as long as it lives, see `adapters.postgres.leases`."""

_WHICH: Final = """
    SELECT pg_postmaster_start_time() AS since, oid FROM pg_database WHERE datname = current_database()
"""
"""Which database of which server: a copy of the files has another start, a restored dump another oid."""


_LIVE: Final = "the restored database's address is the live one's"


class NotRestoredError(Exception):
    """What was given as the restored database is the live one; the text says how that shows."""


class BackupReport(Struct, frozen=True):
    """What a restored backup is worth.

    `ok` says that its audit found nothing, and that each partition's log is the beginning of the live one.
    `behind` counts the events that the live log has beyond it, `newest` is when its last event was recorded.
    """

    ok: bool
    audit: AuditReport
    foreign: tuple[int, ...]
    behind: int
    newest: datetime | None


class Restored(NamedTuple):
    """What a restored database holds: its audit, and where its log ends."""

    audit: AuditReport
    heads: Mapping[int, tuple[int, bytes]]
    newest: datetime | None


async def check_backup(live: str, restored: str, *, database_seconds_max: float = 30.0) -> BackupReport:
    """Audit the restored database and compare the ends of its log with the live one's.

    Args:
        live: the database in use, as anybody who may read all tables; a daemon may be at work on it.
        restored: the database that the backup was restored into.
        database_seconds_max: how long to wait for a database that is away.

    Raises:
        DatabaseUnavailableError: one of them stayed away, or refused us.
        NotRestoredError: they are one and the same, or a daemon is at work on the restored one.
    """
    async with open_bridge() as bridge:
        with or_unavailable():
            if await bridge.run(_is_one, live, restored, database_seconds_max):
                raise NotRestoredError(f"{_LIVE}: it is the database of these settings")
    found = await examine(restored, database_seconds_max=database_seconds_max)
    async with open_bridge() as bridge:
        with or_unavailable():
            return judge(found, await bridge.run(_ends, live, positions(found), database_seconds_max))


async def examine(restored: str, *, database_seconds_max: float = 30.0) -> Restored:
    """Audit the database that a backup was restored into, and look where its log ends.

    Raises:
        DatabaseUnavailableError: it stayed away, or refused us.
        NotRestoredError: a daemon is at work on it.
    """
    async with open_bridge() as bridge:
        with or_unavailable():
            if await bridge.run(_is_at_work, restored, database_seconds_max):
                raise NotRestoredError(f"{_LIVE}: a daemon is at work on it")
    report = await audit(restored, database_seconds_max=database_seconds_max)
    async with open_bridge() as bridge:
        with or_unavailable():
            heads, newest = await bridge.run(_heads, restored, database_seconds_max)
    return Restored(report, heads, newest)


def positions(restored: Restored) -> Mapping[int, int]:
    """Return at which positions the live log is to be compared."""
    return {partition: position for partition, (position, _) in restored.heads.items()}


def judge(restored: Restored, live: Sequence[LogEnd]) -> BackupReport:
    """Return what the backup is worth beside a live log that ends so."""
    foreign: list[int] = []
    behind = 0
    for end in live:
        position, hashed = restored.heads[end.partition]
        if position and end.hash != hashed:
            foreign.append(end.partition)
        behind += max(0, end.position - position)
    report = restored.audit
    return BackupReport(report.ok and not foreign, report, tuple(sorted(foreign)), behind, restored.newest)


async def _is_at_work(dsn: str, seconds_max: float) -> bool:
    connection = await connect_to_log(dsn, role=None, seconds_max=seconds_max)
    try:
        return bool(await connection.fetchval(_AT_WORK))
    finally:
        await connection.close()  # noqa: ASYNC102 - asyncio's, on the database's thread


async def _is_one(live: str, restored: str, seconds_max: float) -> bool:
    return await _which(live, seconds_max) == await _which(restored, seconds_max)


async def _which(dsn: str, seconds_max: float) -> tuple[datetime, int]:
    connection = await connect_to_log(dsn, role=None, seconds_max=seconds_max)
    try:
        row = await connection.fetchrow(_WHICH)
        if row is None:
            raise LookupError("a database knows itself")
        return row["since"], row["oid"]
    finally:
        await connection.close()  # noqa: ASYNC102 - the same


async def _heads(dsn: str, seconds_max: float) -> tuple[dict[int, tuple[int, bytes]], datetime | None]:
    connection = await connect_to_log(dsn, role=None, seconds_max=seconds_max)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await connection.fetch("SELECT partition, position, hash FROM partition_head")
            newest = await connection.fetchval(
                "SELECT max(e.at) FROM partition_head AS h JOIN event AS e USING (partition, position)"
            )
        return {row["partition"]: (row["position"], row["hash"]) for row in rows}, newest
    finally:
        await connection.close()  # noqa: ASYNC102 - asyncio's, on the database's thread


async def _ends(dsn: str, at: Mapping[int, int], seconds_max: float) -> Sequence[LogEnd]:
    connection = await connect_to_log(dsn, role=None, seconds_max=seconds_max)
    try:
        return await ends(connection, at)
    finally:
        await connection.close()  # noqa: ASYNC102 - the same
