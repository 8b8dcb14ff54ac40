"""Notes that an audit was made, so that the daemon can tell how old it is. The audit itself only reads."""

from typing import Final

import asyncpg
import structlog

from actors.inspection import AuditRun
from adapters.postgres.audit.report import AuditReport
from adapters.postgres.bridge import open_bridge
from adapters.postgres.connect import DatabaseUnavailableError, Pool, connect

log = structlog.get_logger(__name__)

_INSERT: Final = "INSERT INTO audit_run (ok, events, oversold_units, findings) VALUES ($1, $2, $3, $4)"

_NOT_NOTED = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, DatabaseUnavailableError)
"""Somebody may audit as one who only reads, on a standby, or a database that was not migrated yet; or the
disk is full. What was found counts more than that it was noted, and a missing note shows by its age."""


async def record_audit(dsn: str, report: AuditReport, *, database_seconds_max: float = 30.0) -> bool:
    """Note an audit's outcome in the database; return whether that could be done."""
    try:
        async with open_bridge() as bridge:
            await bridge.run(_record, dsn, report, database_seconds_max)
    except _NOT_NOTED as error:
        log.warning("audit_not_noted", error=type(error).__name__)
        return False
    return True


async def _record(dsn: str, report: AuditReport, seconds_max: float) -> None:
    connection = await connect(dsn, role=None, seconds_max=seconds_max)
    try:
        await connection.execute(
            _INSERT, report.ok, report.events, report.oversold_units, report.findings_total
        )
    finally:
        await connection.close()  # noqa: ASYNC102 - asyncio's, on the database's thread


async def last_audit(pool: Pool) -> AuditRun | None:
    """Return the last audit that was noted, None where there was none."""
    row = await pool.fetchrow(
        "SELECT at, ok, events, oversold_units, findings FROM audit_run WHERE partition = 0"
        " ORDER BY at DESC LIMIT 1"
    )
    return AuditRun(*row) if row is not None else None
