"""What an operator does to the journal from outside the daemon.

It owns where the database is and whether a Postgres of our own has to be started for it; the work itself
stands in `adapters.postgres`.
"""

import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trio

from adapters.postgres.connect import DatabaseUnavailableError
from adapters.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from adapters.postgres.migrate import MigrationError, migrate
from daemon.settings import Database

__all__ = ["UNUSABLE", "attached", "migrated", "owned"]

UNUSABLE = (DatabaseUnavailableError, EmbeddedPostgresError, MigrationError)
"""Why a database cannot be worked with; their texts are for operators and hold no secret."""


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
