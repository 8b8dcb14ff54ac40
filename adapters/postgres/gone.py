"""What says that the database is gone, and how that is told where no log of ours can be harmed by it."""

import contextlib
from collections.abc import Generator
from typing import Final

import asyncpg

from adapters.postgres.bridge import BridgeClosedError
from adapters.postgres.connect import DatabaseUnavailableError

GONE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    BridgeClosedError,
)
"""The connection was lost, or the server does not answer: what was under way may have happened or not."""


@contextlib.contextmanager
def or_unavailable() -> Generator[None]:
    """Tell a database that is lost before a daemon works on it, or outside of one, as one that is away.

    Raises:
        DatabaseUnavailableError: in the place of what `GONE` names.
    """
    try:
        yield
    except GONE as error:
        raise DatabaseUnavailableError(
            f"the database was lost, or does not answer: {type(error).__name__}"
        ) from error
