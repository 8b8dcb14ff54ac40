"""Tells what a restored backup is worth: whether its log is whole, of the same history, and how far behind.

It reads both databases and changes neither; how a backup is made is Postgres' own matter.
"""

from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from adapters.postgres.audit import AuditReport, audit
from adapters.postgres.bridge import open_bridge
from adapters.postgres.connect import connect


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


class _Head(NamedTuple):
    position: int
    hash: bytes


async def check_backup(live: str, restored: str, *, database_seconds_max: float = 30.0) -> BackupReport:
    """Audit the restored database and compare the ends of its log with the live one's.

    Args:
        live: the database in use, as anybody who may read all tables; a daemon may be at work on it.
        restored: the database that the backup was restored into.
        database_seconds_max: how long to wait for a database that is away.

    Raises:
        DatabaseUnavailableError: one of them stayed away, or refused us.
    """
    report = await audit(restored, database_seconds_max=database_seconds_max)
    async with open_bridge() as bridge:
        heads, newest = await bridge.run(_heads, restored, database_seconds_max)
        foreign, behind = await bridge.run(_compare, live, heads, database_seconds_max)
    return BackupReport(report.ok and not foreign, report, foreign, behind, newest)


async def _heads(dsn: str, seconds_max: float) -> tuple[dict[int, _Head], datetime | None]:
    connection = await connect(dsn, role=None, seconds_max=seconds_max)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await connection.fetch("SELECT partition, position, hash FROM partition_head")
            newest = await connection.fetchval(
                "SELECT max(e.at) FROM partition_head AS h JOIN event AS e USING (partition, position)"
            )
        return {row["partition"]: _Head(row["position"], row["hash"]) for row in rows}, newest
    finally:
        await connection.close()  # noqa: ASYNC102 - asyncio's, on the database's thread


async def _compare(dsn: str, heads: dict[int, _Head], seconds_max: float) -> tuple[tuple[int, ...], int]:
    """Return the partitions whose log is no beginning of the live one, and how many events are newer."""
    connection = await connect(dsn, role=None, seconds_max=seconds_max)
    try:
        rows = await connection.fetch(
            "SELECT q.partition, h.position, e.hash FROM unnest($1::smallint[], $2::bigint[])"
            " AS q (partition, position) JOIN partition_head AS h USING (partition)"
            " LEFT JOIN event AS e ON e.partition = q.partition AND e.position = q.position",
            list(heads),
            [head.position for head in heads.values()],
        )
    finally:
        await connection.close()  # noqa: ASYNC102 - the same
    foreign = tuple(
        sorted(
            row["partition"]
            for row in rows
            if heads[row["partition"]].position and row["hash"] != heads[row["partition"]].hash
        )
    )
    behind = sum(max(0, row["position"] - heads[row["partition"]].position) for row in rows)
    return foreign, behind
