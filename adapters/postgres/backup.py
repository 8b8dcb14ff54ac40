"""Tells what a restored backup is worth: whether its log is whole, of the same history, and how far behind.

It reads both databases and changes neither; how a backup is made is Postgres' own matter.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from actors.inspection import LogEnd
from adapters.postgres.audit import AuditReport, audit
from adapters.postgres.bridge import open_bridge
from adapters.postgres.connect import connect_to_log
from adapters.postgres.gone import or_unavailable
from adapters.postgres.inspection import ends


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
    """
    found = await examine(restored, database_seconds_max=database_seconds_max)
    async with open_bridge() as bridge:
        with or_unavailable():
            return judge(found, await bridge.run(_ends, live, positions(found), database_seconds_max))


async def examine(restored: str, *, database_seconds_max: float = 30.0) -> Restored:
    """Audit the database that a backup was restored into, and look where its log ends.

    Raises:
        DatabaseUnavailableError: it stayed away, or refused us.
    """
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
