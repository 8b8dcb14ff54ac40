"""How the client names what went wrong, seen against real sockets."""

import gzip
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from actors.errors import MalformedError, OutcomeUnknownError, UnreachableError
from adapters.http import client as client_module
from adapters.http.client import Client
from adapters.http.server import Drop, Request, Response, serve

GZIPPED = (("Content-Encoding", "gzip"),)


@asynccontextmanager
async def partner(answer: Response | Drop, *, seconds_max: float = 30.0) -> AsyncGenerator[Client]:
    async def handler(_request: Request) -> Response | Drop:
        await trio.lowlevel.checkpoint()
        return answer

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, handler, listeners)
        client = Client("shop main", f"http://127.0.0.1:{port}", seconds_max=seconds_max)
        with trio.fail_after(10):
            yield client
            await client.aclose()
        nursery.cancel_scope.cancel()


async def closed_port() -> int:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listener.socket.getsockname()[1]
    await listener.aclose()
    return port


@pytest.mark.parametrize("status", [200, 302, 404, 500])
async def test_any_status_is_an_answer_and_no_redirect_is_followed(status: int) -> None:
    answer = Response(status, b'{"a": 1}', (("Content-Type", "application/json"), ("Location", "/elsewhere")))
    async with partner(answer) as client:
        got = await client.exchange("GET", "/x")
    assert (got.status, got.is_json, got.body) == (status, True, b'{"a": 1}')


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_where_nobody_listens_nothing_was_sent(method: str) -> None:
    client = Client("shop main", f"http://127.0.0.1:{await closed_port()}")
    with (
        trio.fail_after(10),
        pytest.raises(UnreachableError, match=r"shop main: .* /x: ConnectError: Connection refused$"),
    ):
        await client.exchange(method, "/x", content=b"{}")
    await client.aclose()


@pytest.mark.parametrize(
    ("method", "changes", "expected"),
    [
        ("GET", None, UnreachableError),
        ("POST", None, OutcomeUnknownError),
        ("POST", False, UnreachableError),  # a search by POST
        ("GET", True, OutcomeUnknownError),
    ],
)
@pytest.mark.parametrize(
    "answer", [Drop(), Drop(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Drop(b"no HTTP\r\n\r\n")]
)
async def test_a_lost_answer_leaves_the_outcome_unknown_only_where_something_may_have_changed(
    method: str, changes: bool | None, expected: type[Exception], answer: Drop
) -> None:
    async with partner(answer) as client:
        with pytest.raises(expected) as caught:
            await client.exchange(method, "/x", changes=changes)
    assert type(caught.value) is expected
    assert caught.value.__cause__ is not None


async def test_a_partner_that_never_answers_is_given_up() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = Client("shop main", f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", seconds_max=0.05)
    with trio.fail_after(10), pytest.raises(OutcomeUnknownError, match="ReadTimeout"):
        await client.exchange("POST", "/x")
    await client.aclose()
    await listeners[0].aclose()


@pytest.mark.parametrize(("method", "expected"), [("GET", UnreachableError), ("POST", OutcomeUnknownError)])
async def test_a_partner_whose_answer_trickles_is_given_up(method: str, expected: type[Exception]) -> None:
    async def trickle(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while True:
                await stream.send_all(b"x")
                await trio.sleep(0.01)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, trickle, listeners)
            client = Client("shop main", url, seconds_max=0.1)
            with pytest.raises(expected, match="too long"):
                await client.exchange(method, "/x")
            await client.aclose()
            nursery.cancel_scope.cancel()


async def test_a_compressed_answer_is_unpacked() -> None:
    async with partner(Response(200, gzip.compress(b"stock" * 1000, mtime=0), GZIPPED)) as client:
        assert (await client.exchange("GET", "/x")).body == b"stock" * 1000


async def test_a_small_answer_does_not_swell_beyond_the_limit() -> None:
    bomb = gzip.compress(b"0" * (client_module.ANSWER_BYTES_MAX + 1), compresslevel=1)
    async with partner(Response(200, bomb, GZIPPED)) as client:
        with pytest.raises(MalformedError, match="over 67108864 bytes"):
            await client.exchange("GET", "/x")


@pytest.mark.parametrize("body", [b"no gzip at all", gzip.compress(b"stock", mtime=0)[:-4]])
@pytest.mark.parametrize(("method", "expected"), [("GET", MalformedError), ("POST", OutcomeUnknownError)])
async def test_an_answer_that_cannot_be_decoded_is_no_answer(
    method: str, expected: type[Exception], body: bytes
) -> None:
    async with partner(Response(200, body, GZIPPED)) as client:
        with pytest.raises(expected, match="encoding is broken"):
            await client.exchange(method, "/x")


@pytest.mark.parametrize(("method", "expected"), [("GET", MalformedError), ("POST", OutcomeUnknownError)])
async def test_an_answer_without_end_is_cut_off(method: str, expected: type[Exception]) -> None:
    async with partner(Response(200, b"x" * (client_module.ANSWER_BYTES_MAX + 1))) as client:
        with pytest.raises(expected, match="over 67108864 bytes"):
            await client.exchange(method, "/x")


async def test_a_header_that_cannot_be_sent_is_our_fault_and_nothing_was_done() -> None:
    async with partner(Response(200)) as client:
        with pytest.raises(MalformedError, match="cannot be sent"):
            await client.exchange("POST", "/x", headers={"X": "a\nb"})


async def test_the_secret_of_a_header_is_in_no_error() -> None:
    async with partner(Drop()) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.exchange("POST", "/x", headers={"Authorization": "Bearer hunter2"})
    assert "hunter2" not in repr(caught.value)


async def test_the_text_of_an_answer_is_one_short_line() -> None:
    async with partner(Response(500, b"<html>\n  <b>Oops</b>\n" + b"x" * 5000)) as client:
        text = (await client.exchange("GET", "/x")).text()
    assert text.startswith("<html> <b>Oops</b> xxx")
    assert len(text) == 200
