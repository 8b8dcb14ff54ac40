"""Asks the control socket for wharfctl: a plain socket and h11, one request a connection. It owns no meaning.

`daemon.control.client` does the same for those who have an event loop. To import one, and an HTTP client for
it, takes several times as long as the daemon takes to answer.
"""

import grp
import pwd
import socket
import stat
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import h11

from daemon.control.answers import (
    ANSWER_SECONDS_MAX,
    DONE,
    WAIT_SECONDS_MORE,
    ControlError,
    DaemonAwayError,
    told,
)

FORBIDDEN = 403
"""The status by which the daemon says that somebody may not; here it is the socket itself that says it."""

PIECE_BYTES_MAX = 65_536
"""What is read at once: most answers are smaller."""


class Question(NamedTuple):
    """A request: a POST where it has a body, which needs a `key` and stays the same when it is repeated.

    `seconds_max` is how long the daemon may take.
    """

    path: str
    query: Mapping[str, str] | None = None
    body: bytes | None = None
    key: str = ""
    seconds_max: float = ANSWER_SECONDS_MAX


def ask(sock: str, question: Question) -> dict[str, Any]:
    """Return the JSON object of the answer.

    Raises:
        ControlError: the daemon said no, or the socket may not be opened.
        DaemonAwayError: it is away, or its answer was lost: ask again with the same key.
    """
    with _exchange(sock, question) as (_, status, pieces):
        return told(status, b"".join(pieces))


def follow(sock: str, question: Question) -> Generator[dict[str, Any]]:
    """Yield the JSON object of each line of an answer as it comes, for as long as there is more.

    Raises:
        ControlError: the daemon said no.
        DaemonAwayError: it is away, or went away.
    """
    with _exchange(sock, question) as (connection, status, pieces):
        if status != DONE:
            told(status, b"".join(pieces))
        connection.settimeout(None)  # nothing may happen for long
        begun = b""
        for piece in pieces:
            *lines, begun = (begun + piece).split(b"\n")
            for line in lines:
                yield told(status, line)


@contextmanager
def _exchange(path: str, question: Question) -> Generator[tuple[socket.socket, int, Generator[bytes]]]:
    """Send the question; yield the connection, the answer's status and the pieces of its body."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(question.seconds_max + WAIT_SECONDS_MORE)
            _connect(connection, path)
            http = h11.Connection(h11.CLIENT)
            with suppress(ConnectionError):  # whoever has said no already need not hear the rest
                connection.sendall(_written(http, question))
            event = _next(http, connection)
            while isinstance(event, h11.InformationalResponse):
                event = _next(http, connection)
            if not isinstance(event, h11.Response):
                raise ConnectionError("no answer")
            yield connection, event.status_code, _pieces(http, connection)
    except (OSError, h11.RemoteProtocolError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise DaemonAwayError(f"{path}: {why}") from error


def _connect(connection: socket.socket, path: str) -> None:
    try:
        connection.connect(path)
    except PermissionError as error:
        why = f"you may not open {path}: that takes {_whose(path)}"
        raise ControlError(FORBIDDEN, why) from error


def _whose(path: str) -> str:
    """Return who may open a socket, by its owner and mode."""
    try:
        there = Path(path).stat()
        if there.st_mode & stat.S_IWGRP:
            return f"the group {grp.getgrgid(there.st_gid).gr_name}, and a new login once you are in it"
        return f"the user {pwd.getpwuid(there.st_uid).pw_name}"
    except (OSError, KeyError):  # the folder is shut too, or its owner has no name here
        return "a group that the settings name, as a rule wharfinger-viewers"


def _written(http: h11.Connection, question: Question) -> bytes:
    target = question.path
    if question.query:
        target += "?" + urlencode(question.query, quote_via=quote)
    headers = [("Host", "wharfinger")]
    if question.key:
        headers.append(("Idempotency-Key", question.key))
    body = question.body
    if body is not None:
        headers.append(("Content-Length", str(len(body))))
    request = h11.Request(method="GET" if body is None else "POST", target=target, headers=headers)
    events = (request, h11.Data(body or b""), h11.EndOfMessage())
    return b"".join(http.send(event) or b"" for event in events)


def _next(http: h11.Connection, connection: socket.socket) -> object:
    """Return the next event of the answer; read on where there is none yet."""
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(connection.recv(PIECE_BYTES_MAX))
    return event


def _pieces(http: h11.Connection, connection: socket.socket) -> Generator[bytes]:
    while isinstance(event := _next(http, connection), h11.Data):
        yield bytes(event.data)
