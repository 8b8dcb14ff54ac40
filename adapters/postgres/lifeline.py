"""Says on Trio's side that a connection is lost, at once: an idle one notices only at its next use."""

import contextlib
from collections.abc import Callable, Generator

import trio

from adapters.postgres.connect import Connection


@contextlib.contextmanager
def lifeline(connection: Connection, lost: Callable[[], None]) -> Generator[None]:
    """Call `lost` in Trio's thread when the connection ends, whoever ends it, as long as this is open."""
    token = trio.lowlevel.current_trio_token()

    def ended(_connection: object) -> None:  # on the database's thread
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(lost)

    connection.add_termination_listener(ended)
    try:
        if connection.is_closed():
            lost()
        yield
    finally:
        connection.remove_termination_listener(ended)
