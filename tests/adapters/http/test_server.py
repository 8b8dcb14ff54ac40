"""The server's framing, limits and manners, spoken to in raw bytes over loopback and unix sockets."""

import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import h11
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.http.server import Drop, Handler, Peer, Request, Response, serve

LIMIT = 1_000


class Echo:
    """Remembers what it was asked and answers with the body it was sent."""

    def __init__(self, answer: Response | Drop | None = None) -> None:
        self.asked: list[Request] = []
        self._answer = answer

    async def __call__(self, request: Request) -> Response | Drop:
        await trio.lowlevel.checkpoint()
        self.asked.append(request)
        return self._answer if self._answer is not None else Response(200, request.body or b"nothing")


class Wire:
    """A client that sees every byte."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def say(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the next answer, framed by its Content-Length alone."""
        while b"\r\n\r\n" not in self._buffer:
            data = await self.stream.receive_some()
            assert data, f"closed after {self._buffer!r}"
            self._buffer += data
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        status_line, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            data = await self.stream.receive_some()
            assert data, "closed in the body"
            self._buffer += data
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return int(status_line.split()[1]), headers, body

    async def rest(self) -> bytes:
        """Return everything until the server closes."""
        while data := await self.stream.receive_some():
            self._buffer += data
        return self._buffer


@asynccontextmanager
async def serving(handler: Handler) -> AsyncGenerator[int]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listeners[0].socket.getsockname()[1]
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(
                lambda task_status: serve(handler, listeners, body_bytes_max=LIMIT, task_status=task_status)
            )
            yield port
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(handler: Handler) -> AsyncGenerator[Wire]:
    async with serving(handler) as port, await trio.open_tcp_stream("127.0.0.1", port) as stream:
        yield Wire(stream)


async def test_one_connection_carries_one_request_after_the_other() -> None:
    async with connected(Echo()) as wire:
        for body in (b"first", b"second"):
            await wire.say(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            assert (await wire.hear())[2] == body


async def test_requests_sent_all_at_once_are_answered_in_their_order() -> None:
    echo = Echo()
    async with connected(echo) as wire:
        await wire.say(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(3)))
        for _ in range(3):
            assert (await wire.hear())[0] == 200
    assert [request.path for request in echo.asked] == ["/0", "/1", "/2"]


async def test_a_client_that_asks_to_close_is_closed() -> None:
    async with connected(Echo()) as wire:
        await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        status, headers, _ = await wire.hear()
        assert (status, headers["connection"]) == (200, "close")
        assert await wire.rest() == b""


async def test_http_1_0_gets_its_answer_and_the_end_of_the_connection() -> None:
    async with connected(Echo()) as wire:
        await wire.say(b"GET / HTTP/1.0\r\n\r\n")
        assert (await wire.rest()).endswith(b"nothing")


async def test_head_tells_the_length_and_sends_no_body_and_the_connection_goes_on() -> None:
    async with connected(Echo()) as wire:
        await wire.say(
            b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        heads = await wire.rest()
    head, rest = heads.split(b"\r\n\r\n", 1)
    assert b"Content-Length: 7" in head
    assert rest.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_body_announces_none(status: int) -> None:
    async with connected(Echo(Response(status, b"is not sent"))) as wire:
        await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await wire.rest()
    assert answer.startswith(b"HTTP/1.1 %d" % status)
    assert b"content-length" not in answer.lower()
    assert answer.endswith(b"\r\n\r\n")


async def test_a_chunked_body_is_put_together() -> None:
    async with connected(Echo()) as wire:
        await wire.say(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        assert (await wire.hear())[2] == b"abcde"


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on() -> None:
    async with connected(Echo()) as wire:
        await wire.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await wire.hear())[0] == 100
        await wire.say(b"ok")
        assert (await wire.hear())[::2] == (200, b"ok")


async def test_a_body_announced_too_large_is_refused_before_it_is_sent() -> None:
    echo = Echo()
    async with connected(echo) as wire:
        await wire.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
        status, headers, _ = await wire.hear()
        assert (status, headers["connection"]) == (413, "close")
    assert echo.asked == []


async def test_a_client_still_sending_too_much_sees_why_it_was_refused() -> None:
    echo = Echo()
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    async with connected(echo) as wire:
        # A reset would destroy the answer that is on its way; the server reads on for a while instead.
        await wire.say(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 50)
        assert (await wire.hear())[0] == 413
        await wire.say(chunk)
        await wire.stream.send_eof()
        assert await wire.rest() == b""
    assert echo.asked == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000, 431),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # the beginning of a TLS handshake
    ],
)
async def test_what_is_no_request_is_refused_and_the_next_client_is_served(sent: bytes, status: int) -> None:
    echo = Echo()
    async with serving(echo) as port:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            wire = Wire(stream)
            await wire.say(sent)
            assert (await wire.hear())[0] == status
        assert echo.asked == []
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            wire = Wire(stream)
            await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await wire.hear())[0] == 200


LINES = (
    b"Host: a",
    b"Content-Length: 3",
    b"Transfer-Encoding: chunked",
    b"Expect: 100-continue",
    b"Upgrade: h2c",
)
WORDS = (
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"/",
    b"//[",
    b"%zz",
    b"?a=b&&=",
    b" HTTP/1.1\r\n",
    b"3\r\nabc\r\n0\r\n\r\n",
)
PIECES = st.sampled_from([*WORDS, *(line + b"\r\n" for line in LINES), b"\r\n", b"\x00", b" "])


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.lists(PIECES | st.binary(max_size=8), max_size=12).map(b"".join))
async def test_whatever_a_client_sends_the_next_one_is_served(sent: bytes) -> None:
    async with serving(Echo()) as port:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            # The server may have closed already: that is its right.
            with suppress(trio.BrokenResourceError):
                await stream.send_all(sent)
                await stream.send_eof()
                await Wire(stream).rest()
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            wire = Wire(stream)
            await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await wire.hear())[0] == 200


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/a%20b?x=1&y=&x=2", "/a b", [("x", "1"), ("y", ""), ("x", "2")]),
        ("/o?filter[id]=[1|2]&q=a%2Bb+c", "/o", [("filter[id]", "[1|2]"), ("q", "a+b c")]),
        ("//[/x", "//[/x", []),  # urlsplit takes this for a broken IPv6 host and raises
        ("http://host:80/p?q=1", "/p", [("q", "1")]),
        ("http://host", "/", []),
        ("*", "*", []),
    ],
)
async def test_a_target_is_taken_apart_whatever_it_looks_like(
    target: str, path: str, query: list[tuple[str, str]]
) -> None:
    echo = Echo()
    async with connected(echo) as wire:
        await wire.say(b"GET " + target.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await wire.hear())[0] == 200
    (request,) = echo.asked
    assert (request.path, request.query) == (path, query)


async def test_headers_are_found_by_their_lower_case_name() -> None:
    echo = Echo()
    async with connected(echo) as wire:
        await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k1\r\n\r\n")
        await wire.hear()
    assert echo.asked[0].header("idempotency-key") == "k1"
    assert echo.asked[0].header("absent") is None


async def test_a_dropped_request_was_carried_out_and_is_not_answered() -> None:
    echo = Echo(Drop())
    async with connected(echo) as wire:
        await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await wire.rest() == b""
    assert len(echo.asked) == 1


async def test_an_answer_may_break_in_the_middle() -> None:
    async with connected(Echo(Drop(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))) as wire:
        await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await wire.rest()).endswith(b"half")


async def test_a_handler_finishes_for_a_client_that_has_gone_away() -> None:
    finished = trio.Event()
    asked = trio.Event()
    gone = trio.Event()

    async def handler(_request: Request) -> Response:
        asked.set()
        await gone.wait()
        finished.set()
        return Response(200, b"x" * 1_000_000)

    async with serving(handler) as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asked.wait()
        # Linger 0 makes the close a reset, the rudest way to leave.
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        await stream.aclose()
        gone.set()
        await finished.wait()
        async with await trio.open_tcp_stream("127.0.0.1", port) as second:
            wire = Wire(second)
            await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await wire.hear())[0] == 200


async def test_a_client_that_leaves_in_the_middle_of_its_request_disturbs_nobody() -> None:
    echo = Echo()
    async with serving(echo) as port:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            wire = Wire(stream)
            await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await wire.hear())[0] == 200
    assert [request.method for request in echo.asked] == ["GET"]


async def test_what_breaks_inside_a_handler_is_not_taken_for_a_client_that_left() -> None:
    async def handler(_request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        raise trio.BrokenResourceError("an actor's channel, say")

    with pytest.RaisesGroup(trio.BrokenResourceError, flatten_subgroups=True):
        async with connected(handler) as wire:
            await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await trio.sleep_forever()


async def test_a_handler_that_speaks_no_http_is_heard_of() -> None:
    with pytest.RaisesGroup(h11.LocalProtocolError, flatten_subgroups=True):
        async with connected(Echo(Response(200, b"", (("Bad\nHeader", "x"),)))) as wire:
            await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await trio.sleep_forever()


async def test_a_unix_socket_tells_who_is_calling(tmp_path: Path) -> None:
    echo = Echo()
    async with trio.open_nursery() as nursery:
        sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        await sock.bind(str(tmp_path / "s"))
        sock.listen()
        await nursery.start(serve, echo, [trio.SocketListener(sock)])
        with trio.fail_after(10):
            async with await trio.open_unix_socket(str(tmp_path / "s")) as stream:
                wire = Wire(stream)
                await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                await wire.hear()
        nursery.cancel_scope.cancel()
    assert echo.asked[0].peer == Peer(pid=os.getpid(), uid=os.getuid(), gid=os.getgid())


async def test_over_tcp_nobody_is_named() -> None:
    echo = Echo()
    async with connected(echo) as wire:
        await wire.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await wire.hear()
    assert echo.asked[0].peer is None
