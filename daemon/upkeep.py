"""What an operator does to the journal from outside the daemon: migrate, adopt, audit, rebuild, forget.

It owns where the database is and whether a Postgres of our own has to be started for it; the work itself
stands in `adapters.postgres`.
"""

import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trio

from actors.domain.partitions import PARTITIONS
from actors.inspection import LogEnd
from adapters.postgres.audit import AuditReport, audit
from adapters.postgres.audit.record import record_audit
from adapters.postgres.backup import (
    BackupReport,
    NotRestoredError,
    Restored,
    check_backup,
    examine,
    judge,
    positions,
)
from adapters.postgres.connect import DatabaseUnavailableError
from adapters.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from adapters.postgres.forget import forget
from adapters.postgres.journal import open_journal
from adapters.postgres.leases import LeaseTakenError
from adapters.postgres.migrate import MigrationError, migrate
from adapters.postgres.rebuild import RebuildError, rebuild
from daemon.settings import Channel, Database
from daemon.taking_over import AdoptionReport, take_over

__all__ = [
    "UNUSABLE",
    "AuditReport",
    "BackupReport",
    "adopted",
    "attached",
    "audited",
    "backup_checked",
    "backup_examined",
    "backup_judged",
    "forgotten",
    "migrated",
    "owned",
    "rebuilt",
]

UNUSABLE = (
    DatabaseUnavailableError,
    EmbeddedPostgresError,
    LeaseTakenError,
    MigrationError,
    NotRestoredError,
    RebuildError,
)
"""Why a database cannot be worked with; their texts are for operators and hold no secret."""


Progress = Callable[[int], None]
"""Told from time to time how many events were read so far, on another thread."""


@contextmanager
def owned(settings: Database) -> Generator[str]:
    """Return the database's address; a Postgres of our own runs as long as this does.

    Only in the main thread, see `EmbeddedPostgres.start`.

    Raises:
        EmbeddedPostgresError: ours cannot be started, or another process has.
    """
    if settings.dsn is not None:
        yield settings.dsn.reveal()
        return
    with EmbeddedPostgres(Path(settings.data_dir)) as server:
        yield server.dsn


@contextmanager
def attached(settings: Database) -> Generator[str]:
    """Return the database's address as `owned`; a running daemon's own Postgres is used as it is."""
    if settings.dsn is None:
        server = EmbeddedPostgres(Path(settings.data_dir))
        if _answers(server.dsn):
            yield server.dsn
            return
    with owned(settings) as dsn:
        yield dsn


def _answers(dsn: str) -> bool:
    where = parse_qs(urlsplit(dsn).query)
    path = Path(where["host"][0]) / f".s.PGSQL.{where['port'][0]}"
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(str(path))
        return True
    return False


def migrated(dsn: str, seconds_max: float) -> int:
    """Apply the migrations that are missing; return how many that were.

    Raises:
        MigrationError, DatabaseUnavailableError: see `adapters.postgres.migrate`.
    """
    return trio.run(lambda: migrate(dsn, seconds_max=seconds_max))


def audited(dsn: str, seconds_max: float, progress: Progress | None) -> AuditReport:
    """Audit the database as of now, and note there what came of it; a daemon may go on working.

    Raises:
        DatabaseUnavailableError: see `adapters.postgres.audit`.
    """

    async def audit_and_note() -> AuditReport:
        report = await audit(dsn, database_seconds_max=seconds_max, progress=progress)
        await record_audit(dsn, report, database_seconds_max=seconds_max)
        return report

    return trio.run(audit_and_note)


def backup_checked(live: str, restored: str, seconds_max: float) -> BackupReport:
    """Tell what a restored backup is worth beside the live database.

    Raises:
        DatabaseUnavailableError, NotRestoredError: see `adapters.postgres.backup`.
    """
    return trio.run(lambda: check_backup(live, restored, database_seconds_max=seconds_max))


def backup_examined(restored: str, seconds_max: float) -> tuple[Restored, Mapping[int, int]]:
    """Audit a restored backup; return what it holds, and at which positions to compare the live log.

    Raises:
        DatabaseUnavailableError, NotRestoredError: see `adapters.postgres.backup`.
    """
    found = trio.run(lambda: examine(restored, database_seconds_max=seconds_max))
    return found, positions(found)


def backup_judged(restored: Restored, live: Sequence[LogEnd]) -> BackupReport:
    """Tell what a restored backup is worth beside a live log that ends so."""
    return judge(restored, live)


def rebuilt(dsn: str, seconds_max: float, progress: Progress | None) -> int:
    """Drop the projections and make them again; return how many events they follow from.

    Raises:
        RebuildError, DatabaseUnavailableError, CorruptionError: see `adapters.postgres.rebuild`.
    """
    return trio.run(lambda: rebuild(dsn, database_seconds_max=seconds_max, progress=progress))


def forgotten(dsn: str, seconds_max: float, customer: str) -> int:
    """Erase a customer's data; return how many rows that were.

    Raises:
        DatabaseUnavailableError: see `adapters.postgres.forget`.
    """
    return trio.run(lambda: forget(dsn, customer, database_seconds_max=seconds_max))


def adopted(
    dsn: str,
    seconds_max: float,
    channel: Channel,
    since: datetime,
    *,
    dry_run: bool,
    progress: Progress | None,
) -> AdoptionReport:
    """Draw the line between a shop's old orders and ours; see `daemon.taking_over`.

    Raises:
        LeaseTakenError: a daemon is at work on the database.
        PartnerError: the shop does not answer, or makes no sense.
        DatabaseUnavailableError, MigrationError: see `adapters.postgres.journal`.
    """
    from daemon.compose import open_shop, owner_name  # late: no other command needs the partners

    async def adopt() -> AdoptionReport:
        async with (
            open_journal(
                dsn,
                owner=owner_name(),
                partitions_min=PARTITIONS,
                database_seconds_max=seconds_max,
                standby=False,
            ) as journal,
            open_shop(channel) as shop,
        ):
            return await take_over(journal, shop, channel.name, since, dry_run=dry_run, progress=progress)

    return trio.run(adopt)
