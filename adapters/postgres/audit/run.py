"""The audit as a whole: one snapshot of the database, partition after partition."""

from collections.abc import Callable
from typing import Final

from actors.domain.partitions import PARTITIONS
from adapters.postgres.audit.partition import PartitionAudit
from adapters.postgres.audit.promises import audit_promises
from adapters.postgres.audit.report import AuditReport, Findings
from adapters.postgres.audit.streams import StreamsAudit
from adapters.postgres.audit.tables import audit_tables
from adapters.postgres.bridge import open_bridge
from adapters.postgres.connect import connect_to_log
from adapters.postgres.gone import or_unavailable

STATEMENT_SECONDS_MAX: Final = 3_600.0
"""To sort the names in a log of years takes minutes."""


async def audit(
    dsn: str, *, database_seconds_max: float = 30.0, progress: Callable[[int], None] | None = None
) -> AuditReport:
    """Audit the whole database as of now; a daemon may go on working.

    Args:
        dsn: the database, as anybody who may read all tables.
        database_seconds_max: how long to wait for a database that is away.
        progress: told from time to time how many events were read so far, on the database's thread.

    Raises:
        DatabaseUnavailableError: it stayed away, refused us, or was lost meanwhile.
    """
    async with open_bridge() as bridge:
        with or_unavailable():
            return await bridge.run(_audit, dsn, database_seconds_max, progress)


async def _audit(dsn: str, seconds_max: float, progress: Callable[[int], None] | None) -> AuditReport:
    connection = await connect_to_log(
        dsn, role=None, seconds_max=seconds_max, command_seconds_max=STATEMENT_SECONDS_MAX
    )
    findings = Findings()
    events = movements = oversold = 0

    def read(count: int) -> None:
        nonlocal events
        events += count
        if progress is not None:
            progress(events)

    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for partition in range(PARTITIONS):
                log = PartitionAudit(connection, partition, findings)
                await log.run(read)
                await StreamsAudit(connection, partition, findings).run()
                movements += log.movements
                oversold += log.oversold_units
            await audit_promises(connection, findings)
            await audit_tables(connection, findings)
    finally:
        await connection.close()  # noqa: ASYNC102 - asyncio's, on the database's thread
    return AuditReport(
        ok=findings.total == 0,
        chain=findings.chain,
        events=events,
        movements=movements,
        oversold_units=oversold,
        findings=tuple(findings.first()),
        findings_total=findings.total,
    )
