"""A connection on which statements are sent while those before are still at work: libpq's pipeline mode.

The database goes from one statement to the next without waiting for us, where a client that answers and asks
in turns costs it a quarter of its time with few rows a statement. Each is a transaction of its own. asyncpg
has no such mode; this is libpq itself, by psycopg's `pq`, in Trio's thread. It knows nothing of the log.
"""

import contextlib
import math
import os
import select
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from typing import Final, TypeAlias

import psycopg
import trio
from msgspec import Struct
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

from adapters.postgres.address import libpq_address
from adapters.postgres.connect import (
    COMMAND_SECONDS_MAX,
    CONNECT_SECONDS_MAX,
    DURABLE,
    DatabaseUnavailableError,
    session_settings,
)

AT_ONCE_BYTES: Final = 65_536
"""So much a socket's buffer takes at once, whatever lies in it of the statement before. For more a thread
waits: the buffer is emptied only when the database has done what was sent before."""

_LOST_STATES: Final = ("08", "57")
"""SQLSTATEs of a connection that failed, and of an operator who ended or cancelled what was at work."""

Values: TypeAlias = list[bytes | None]
Ended: TypeAlias = Callable[[Exception | None], None]


class PipelineLostError(ConnectionError):
    """The connection is lost, or the server does not answer: what was under way may have happened or not."""


class RefusedError(Exception):
    """The database refused a statement. The text is the server's message, without its detail or hint."""

    def __init__(self, message: str, sqlstate: str, constraint: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.constraint = constraint


class _Sent(Struct):
    ended: Ended
    error: Exception | None = None


class Pipeline:
    """An open connection in pipeline mode, made by `open_pipeline`. One task sends, and `run` has to run."""

    def __init__(self, connection: PGconn, answer_seconds_max: float) -> None:
        self._connection = connection
        self._answer_seconds_max = answer_seconds_max
        # Our own to the same end: libpq closes its socket at will, and Trio must not wait at a closed one.
        self._socket = socket.socket(fileno=os.dup(connection.socket))
        self._under_way: deque[_Sent] = deque()
        self._lost: PipelineLostError | None = None
        self._patience = trio.CancelScope()
        self._lent: trio.Event | None = None
        self._thread = trio.CapacityLimiter(1)  # of its own: it never waits for whoever else needs threads

    async def execute(self, statement: str, values: Values, ended: Ended) -> None:
        """Send a prepared statement behind those that were sent before; return once it is on its way.

        `ended` is called in Trio's thread: with None when it is committed, RefusedError when it was rolled
        back, PipelineLostError when nobody knows. What was sent behind one that is refused runs all the same.
        """
        if self._lost is not None:
            ended(self._lost)
            return
        if not self._under_way:
            self._expect_an_answer()
        self._under_way.append(_Sent(ended))
        try:
            if sum(len(value) for value in values if value is not None) > AT_ONCE_BYTES:
                await self._send_by_thread(statement, values)
            else:
                self._connection.send_query_prepared(statement.encode(), values)
                _send_end(self._connection)
            # Where there is no room to send, libpq reads; what it has read, the socket tells of no more.
            while self._connection.flush():
                self._take_answers()
                await trio.lowlevel.wait_writable(self._socket)
            self._take_answers()
        except psycopg.OperationalError as error:
            self._lose(_first_line(error))

    async def run(self, lost: Callable[[], None]) -> None:
        """Hand answers on until cancelled, or until the connection is lost: then call `lost`."""
        try:
            with self._patience:
                while self._lost is None:
                    await trio.lowlevel.wait_readable(self._socket)
                    while self._lent is not None:  # it may have been lent again by the time we wake
                        await self._lent.wait()
                    self._take_answers()
            if self._patience.cancelled_caught:
                self._lose(f"the database has not answered for {self._answer_seconds_max:g} s")
            lost()
        finally:
            self._lose("the connection was closed")

    def close(self) -> None:
        """End the connection, without a farewell that anybody waits for."""
        self._socket.close()
        self._connection.finish()

    def _expect_an_answer(self) -> None:
        self._patience.deadline = trio.current_time() + self._answer_seconds_max

    async def _send_by_thread(self, statement: str, values: Values) -> None:
        self._lent = trio.Event()
        try:
            await trio.to_thread.run_sync(
                _send_whole,
                self._connection,
                self._socket,
                statement.encode(),
                values,
                limiter=self._thread,
            )
        finally:
            self._lent.set()
            self._lent = None

    def _take_answers(self) -> None:
        if self._lost is not None:
            return  # answers may still lie here, but whoever waited for them has been told
        try:
            self._connection.consume_input()
        except psycopg.OperationalError as error:
            self._lose(_first_line(error))
            return
        for result in self._results():
            if not self._under_way:
                self._lose("the database answered what nobody had asked")
                return
            if result.status == pq.ExecStatus.FATAL_ERROR:
                self._under_way[0].error = _as_error(result)
            elif result.status == pq.ExecStatus.PIPELINE_SYNC:
                sent = self._under_way.popleft()
                self._expect_an_answer()
                sent.ended(sent.error)
        if not self._under_way:
            self._patience.deadline = math.inf

    def _results(self) -> Iterator[PGresult]:
        """Yield the results that have come whole."""
        closed = False
        while not self._connection.is_busy():
            result = self._connection.get_result()
            if result is not None:
                closed = False
                yield result
            elif closed:
                return  # nothing twice: there are no more
            else:
                closed = True  # nothing once: it closes the results of a statement

    def _lose(self, why: str) -> None:
        """Tell all that wait, once. Where a thread is still at the socket, it gives up."""
        if self._lost is not None:
            return
        self._lost = PipelineLostError(why)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        while self._under_way:
            self._under_way.popleft().ended(self._lost)


async def open_pipeline(
    dsn: str,
    statements: Mapping[str, str],
    *,
    role: str | None,
    extra: Mapping[str, str] | None = None,
    answer_seconds_max: float = COMMAND_SECONDS_MAX,
) -> Pipeline:
    """Connect, prepare these statements under their names, and enter pipeline mode.

    It has no patience with a database that is away: others of our connections have been made by then.

    Raises:
        DatabaseUnavailableError: the database could not be reached, or refused us.
    """
    address, settings = libpq_address(dsn)
    try:
        connection = pq.PGconn.connect_start(address)  # looks the host up, and Trio waits: it is the start
        with _finished_if_it_fails(connection), trio.fail_after(CONNECT_SECONDS_MAX):
            await _connect(connection)
            connection.nonblocking = 1
            await _set_up(connection, {**session_settings(role, extra or {}), **settings}, statements)
            connection.enter_pipeline_mode()
            return Pipeline(connection, answer_seconds_max)
    except (psycopg.Error, PipelineLostError, RefusedError, trio.TooSlowError) as error:
        raise DatabaseUnavailableError(f"no pipeline to the database: {_first_line(error)}") from error


@contextlib.contextmanager
def _finished_if_it_fails(connection: PGconn) -> Generator[None]:
    try:
        yield
    except BaseException:
        connection.finish()
        raise


async def _connect(connection: PGconn) -> None:
    # From step to step it may be another socket.
    while (step := connection.connect_poll()) != pq.PollingStatus.OK:
        if step == pq.PollingStatus.READING:
            await trio.lowlevel.wait_readable(connection.socket)
        elif step == pq.PollingStatus.WRITING:
            await trio.lowlevel.wait_writable(connection.socket)
        else:
            raise PipelineLostError(_first_line(connection.get_error_message()))


async def _set_up(connection: PGconn, settings: Mapping[str, str], statements: Mapping[str, str]) -> None:
    texts: list[bytes | None] = [text.encode() for setting in settings.items() for text in setting]
    calls = ", ".join(f"set_config(${number}, ${number + 1}, false)" for number in range(1, len(texts), 2))
    await _ask(connection, partial(connection.send_query_params, f"SELECT {calls}".encode(), texts))
    await _ask(connection, partial(connection.send_query_params, DURABLE.encode(), None))
    for name, statement in statements.items():
        await _ask(connection, partial(connection.send_prepare, name.encode(), statement.encode()))


async def _ask(connection: PGconn, send: Callable[[], None]) -> None:
    """Have something done and wait for its end."""
    send()
    while connection.flush():
        await trio.lowlevel.wait_writable(connection.socket)
    while True:
        while connection.is_busy():
            await trio.lowlevel.wait_readable(connection.socket)
            connection.consume_input()
        result = connection.get_result()
        if result is None:
            return
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise _as_error(result)


def _send_whole(connection: PGconn, own_socket: socket.socket, statement: bytes, values: Values) -> None:
    """Send a statement of any size, without Python's lock while there is no room in the socket's buffer."""
    connection.nonblocking = 0
    connection.send_query_prepared(statement, values)
    # libpq keeps the last 64 KB back, and sends them with the lock held: so there has to be room for them.
    writable = select.poll()
    writable.register(own_socket, select.POLLOUT)
    writable.poll()
    _send_end(connection)
    connection.nonblocking = 1


def _send_end(connection: PGconn) -> None:
    """Send what ends a statement, and makes a transaction of it."""
    try:
        connection.pipeline_sync()
    except psycopg.OperationalError as error:  # psycopg says that it is no pipeline, whatever has failed
        raise psycopg.OperationalError(connection.get_error_message()) from error


def _as_error(result: PGresult) -> RefusedError | PipelineLostError:
    message = _first_line(result.get_error_message())
    sqlstate = _field(result, pq.DiagnosticField.SQLSTATE)
    if not sqlstate or sqlstate.startswith(_LOST_STATES):
        return PipelineLostError(message)
    return RefusedError(message, sqlstate, _field(result, pq.DiagnosticField.CONSTRAINT_NAME))


def _field(result: PGresult, field: pq.DiagnosticField) -> str:
    return (result.error_field(field) or b"").decode()


def _first_line(text: object) -> str:
    return str(text).partition("\n")[0]
