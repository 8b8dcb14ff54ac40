"""A small HTTP/1.1 server on h11 and Trio: for the control socket, the metrics and the partners' simulators.

It owns the framing, the limits and the peer's credentials; it knows nothing of what is served. A handler may answer,
or close without answering (`Drop`), which the simulators need to lose an answer on purpose.
"""

import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
import trio

BODY_BYTES_MAX = 16 * 1024 * 1024
"""A batch of stock rows or a label's pages stay far below; more is a mistake or an attack."""

HEAD_BYTES_MAX = 64 * 1024
"""Request line and headers; long filters of the PrestaShop webservice reach a few KiB."""

IDLE_SECONDS_MAX = 75
"""An idle keep-alive connection is closed after this, as nginx does by default."""

READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a unix socket."""

    pid: int
    uid: int
    gid: int


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
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The decoded query in the order in which it was sent, empty values kept."""
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """Return the first header of that lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; Content-Length is added."""

    status: int
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer, or in the middle of one: after the raw bytes `sent`."""

    sent: bytes = b""


Handler = Callable[[Request], Awaitable[Response | Drop]]


async def serve(
    handler: Handler,
    listeners: Sequence[trio.SocketListener],
    *,
    body_bytes_max: int = BODY_BYTES_MAX,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. An exception of the handler goes up: handlers answer their own errors."""

    async def connected(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            async with stream:
                await _converse(handler, stream, body_bytes_max)

    await trio.serve_listeners(connected, list(listeners), task_status=task_status)  # type: ignore[arg-type]


async def _converse(handler: Handler, stream: trio.SocketStream, body_bytes_max: int) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    peer = _peer_of(stream.socket)
    while True:
        try:
            with trio.move_on_after(IDLE_SECONDS_MAX) as idle:
                request = await _receive(connection, stream, peer, body_bytes_max)
            if idle.cancelled_caught or request is None:
                return
        except h11.RemoteProtocolError as error:
            await _refuse(connection, stream, error)
            return
        answer = await handler(request) if isinstance(request, Request) else request
        if isinstance(answer, Drop):
            await stream.send_all(answer.sent)
            return
        await _send(connection, stream, answer, head_only=isinstance(request, Request) and request.method == "HEAD")
        if connection.our_state is h11.MUST_CLOSE or connection.their_state is not h11.DONE:
            return
        connection.start_next_cycle()


async def _receive(
    connection: h11.Connection, stream: trio.SocketStream, peer: Peer | None, body_bytes_max: int
) -> Request | Response | None:
    """Return the next request, an answer to one that is too large, or None at the end."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = connection.send(h11.InformationalResponse(status_code=100, headers=[]))
                await stream.send_all(go_on or b"")
            connection.receive_data(await stream.receive_some(READ_BYTES))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > body_bytes_max:
                return Response(413, b"the body is larger than %d bytes\n" % body_bytes_max)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return Request(
                method=head.method.decode("ascii"),
                target=head.target.decode("latin-1"),
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers],
                body=bytes(body),
                peer=peer,
            )
        else:
            return None


async def _send(connection: h11.Connection, stream: trio.SocketStream, answer: Response, *, head_only: bool) -> None:
    headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]
    reason = connection.send(h11.Response(status_code=answer.status, headers=headers)) or b""
    body = b"" if head_only or answer.status in (204, 304) else connection.send(h11.Data(data=answer.body)) or b""
    end = connection.send(h11.EndOfMessage()) or b""
    await stream.send_all(reason + body + end)


async def _refuse(connection: h11.Connection, stream: trio.SocketStream, error: h11.RemoteProtocolError) -> None:
    if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
        text = f"malformed request: {error}\n".encode()
        await _send(connection, stream, Response(error.error_status_hint, text), head_only=False)


def _peer_of(sock: trio.socket.SocketType) -> Peer | None:
    if sock.family != socket.AF_UNIX:
        return None
    size = struct.calcsize("3i")
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return Peer(pid=pid, uid=uid, gid=gid)
