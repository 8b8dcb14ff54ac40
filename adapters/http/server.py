"""A small HTTP/1.1 server on h11 and Trio: for the control socket, the metrics and the partners' simulators.

It owns the framing, the limits and the peer's credentials; it knows nothing of what is served. A handler may
answer, or close without answering (`Drop`), which the simulators need to lose an answer on purpose.
"""

import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

import h11
import trio

BODY_BYTES_MAX = 16 * 1024 * 1024
"""A batch of stock rows or a label's pages stay far below; more is a mistake or an attack."""

HEAD_BYTES_MAX = 64 * 1024
"""Request line and headers; long filters of the PrestaShop webservice reach a few KiB."""

IDLE_SECONDS_MAX = 75
"""An idle keep-alive connection is closed after this, as nginx does by default."""

SEND_SECONDS_MAX = 30
"""A client that does not take its answer in this time is given up, so that it cannot hold a task for ever."""

LINGER_SECONDS_MAX = 2
"""How long the rest of a refused request is read and thrown away: closing at once would reset the connection,
and the client might never see why it was refused."""

CONNECTIONS_MAX = 800
"""Far above what scanners and scrapers open at once, and below the usual 1,024 open files."""

READ_BYTES = 65_536

SO_PEERGROUPS = 59
"""Of unix(7), since Linux 4.13; Python's socket module has no name for it."""

PEER_GROUPS_BYTES = 1024
"""What Python reads of an option at most: 256 groups of four bytes; hardly anybody is in twenty."""

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_WITHOUT_BODY = (204, 304)
_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_CLOSE = ("Connection", "close")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a unix socket; `groups` are its other groups when it connected."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; header names are lower case."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    peer: Peer | None

    @property
    def path(self) -> str:
        """The decoded path, without the query."""
        return unquote(_origin_form(self.target).partition("?")[0])

    @property
    def query(self) -> list[tuple[str, str]]:
        """The decoded query in the order in which it was sent, empty values kept."""
        return parse_qsl(_origin_form(self.target).partition("?")[2], keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """Return the first header of that lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; Content-Length is added where the status allows a body."""

    status: int
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer, or in the middle of one: after the raw bytes `sent`."""

    sent: bytes = b""


class CutOffError(Exception):
    """Raised by a stream's feed: the rest cannot be told, and the client shall see that it is not all."""


SendPiece = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that comes piece by piece, for as long as there is more and the client stays.

    `feed` is called with what sends a piece; it is cancelled when the client leaves.
    """

    status: int
    feed: Callable[[SendPiece], Awaitable[None]]
    headers: Sequence[tuple[str, str]] = ()


Handler = Callable[[Request], Awaitable[Response | Drop]]
StreamingHandler = Callable[[Request], Awaitable[Response | Stream | Drop]]
Refusal = Callable[[int, str], Response]
"""Shapes what the server itself refuses: a status, and why for a person."""


def plain_refusal(status: int, why: str) -> Response:
    """Refuse in plain text."""
    return Response(status, f"{why}\n".encode(), (("Content-Type", "text/plain; charset=utf-8"),))


async def serve(
    handler: StreamingHandler,
    listeners: Sequence[trio.SocketListener],
    *,
    body_bytes_max: int = BODY_BYTES_MAX,
    refusal: Refusal = plain_refusal,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled.

    A handler runs to its end even if its client has gone away. An exception of the handler goes up and ends
    the serving: handlers answer their own errors.
    """
    connections = 0

    async def connected(stream: trio.SocketStream) -> None:
        nonlocal connections
        connections += 1
        try:
            with suppress(_PeerGoneError):
                async with stream:
                    wire = _Wire(stream)
                    if connections > CONNECTIONS_MAX:
                        await wire.send(_BUSY)
                    else:
                        await _converse(handler, wire, _Bounds(body_bytes_max, refusal))
        finally:
            connections -= 1

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, connected, list(listeners))
        task_status.started()


class _PeerGoneError(Exception):
    """The client closed, reset or sleeps: nothing can be said to it. No handler raises this by chance."""


class _Wire:
    """A connection's bytes: every way in which the client can fail us becomes `_PeerGoneError`."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.peer = _peer_of(stream.socket)

    async def receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(READ_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise _PeerGoneError from error

    async def send(self, data: bytes) -> None:
        try:
            with trio.fail_after(SEND_SECONDS_MAX):
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            raise _PeerGoneError from error

    async def linger(self) -> None:
        """Say that nothing more comes, and throw away what the client still sends, for a short time."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._stream.send_eof()
        with trio.move_on_after(LINGER_SECONDS_MAX):
            while await self.receive():
                pass


@dataclass(frozen=True, slots=True)
class _Bounds:
    body_bytes_max: int
    refusal: Refusal

    def refuse(self, status: int, why: str) -> Response:
        refused = self.refusal(status, why)
        return Response(refused.status, refused.body, (*refused.headers, _CLOSE))

    def too_large(self) -> Response:
        return self.refuse(413, f"the body is larger than {self.body_bytes_max} bytes")


async def _converse(handler: StreamingHandler, wire: _Wire, bounds: _Bounds) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    while True:
        asked: Request | Response | None = None
        try:
            with trio.move_on_after(IDLE_SECONDS_MAX):
                asked = await _receive(connection, wire, bounds)
        except h11.RemoteProtocolError as error:
            if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
                return
            asked = bounds.refuse(error.error_status_hint, f"malformed request: {error}")
        if asked is None:
            return
        if isinstance(asked, Response):
            await wire.send(_framed(connection, asked))
            await wire.linger()
            return
        answer = await handler(asked)
        if isinstance(answer, Drop):
            if answer.sent:
                await wire.send(answer.sent)
            return
        if isinstance(answer, Stream):
            await _stream(connection, wire, answer)
            return
        await wire.send(_framed(connection, answer, head_only=asked.method == "HEAD"))
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return
        connection.start_next_cycle()


async def _receive(connection: h11.Connection, wire: _Wire, bounds: _Bounds) -> Request | Response | None:
    """Return the next request, the refusal of one that is not to be served, or None at the end."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                await wire.send(connection.send(h11.InformationalResponse(status_code=100, headers=[])))
            connection.receive_data(await wire.receive())
        elif isinstance(event, h11.Request):
            head = event
            refused = _refused_by_head(head, bounds)
            if refused is not None:
                return refused
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > bounds.body_bytes_max:
                return bounds.too_large()
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return Request(
                method=head.method.decode("ascii"),
                target=head.target.decode("latin-1"),
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers],
                body=bytes(body),
                peer=wire.peer,
            )
        else:
            return None


def _refused_by_head(head: h11.Request, bounds: _Bounds) -> Response | None:
    if head.method == b"CONNECT":
        # A 2xx to CONNECT would turn the connection into a tunnel, whatever the handler meant by it.
        return bounds.refuse(501, "this is no proxy")
    announced = next((value for name, value in head.headers if name == b"content-length"), b"0")
    return bounds.too_large() if int(announced) > bounds.body_bytes_max else None


def _framed(connection: h11.Connection, answer: Response, *, head_only: bool = False) -> bytes:
    headers = list(answer.headers)
    if answer.status not in _WITHOUT_BODY:
        headers.append(("Content-Length", str(len(answer.body))))
    reason = _REASONS.get(answer.status, b"")
    head = connection.send(h11.Response(status_code=answer.status, headers=headers, reason=reason))
    without_body = head_only or answer.status in _WITHOUT_BODY
    body = b"" if without_body else connection.send(h11.Data(data=answer.body))
    return head + body + connection.send(h11.EndOfMessage())


async def _stream(connection: h11.Connection, wire: _Wire, answer: Stream) -> None:
    """Send what comes, until there is no more or the client has gone; the connection is closed after it."""
    headers = [*answer.headers, ("Transfer-Encoding", "chunked"), _CLOSE]
    reason = _REASONS.get(answer.status, b"")

    async def send(piece: bytes) -> None:
        await wire.send(connection.send(h11.Data(data=piece)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_leave_with, wire, nursery.cancel_scope)
        with suppress(_PeerGoneError, CutOffError):
            await wire.send(
                connection.send(h11.Response(status_code=answer.status, headers=headers, reason=reason))
            )
            await answer.feed(send)
            await wire.send(connection.send(h11.EndOfMessage()))
        nursery.cancel_scope.cancel()


async def _leave_with(wire: _Wire, scope: trio.CancelScope) -> None:
    """Notice that the client has gone, even while nothing is sent to it."""
    with suppress(_PeerGoneError):
        while await wire.receive():
            pass
    scope.cancel()


def _origin_form(target: str) -> str:
    """Return the path and query of a request target, which may also come as a whole address."""
    if target.startswith("/"):
        return target
    _scheme, found, rest = target.partition("://")
    return "/" + rest.partition("/")[2] if found else target


def _peer_of(sock: trio.socket.SocketType) -> Peer | None:
    if sock.family != socket.AF_UNIX:
        return None
    ucred = struct.Struct("iII")  # struct ucred of unix(7): pid_t is signed, uid_t and gid_t are not
    pid, uid, gid = ucred.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, ucred.size))
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, PEER_GROUPS_BYTES)
    except OSError:  # more groups than we read, or one before 4.13: its own group alone counts
        raw = b""
    return Peer(pid, uid, gid, frozenset(struct.unpack(f"{len(raw) // 4}I", raw)))
