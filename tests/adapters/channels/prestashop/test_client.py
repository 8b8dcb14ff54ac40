"""What each way of failing means to the caller, and that lists are read whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from actors.errors import MalformedError, OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.simulator import FULL_KEY
from adapters.http.faults import HTML_HEADERS, HTML_PAGE
from adapters.http.server import Drop, Response

if TYPE_CHECKING:
    from tests.adapters.channels.prestashop.conftest import World

JSON = (("Content-Type", "application/json"),)
XML = (("Content-Type", "text/xml;charset=utf-8"),)


def refusal(code: int) -> bytes:
    return (
        f"<prestashop><errors><error><code><![CDATA[{code}]]></code></error></errors></prestashop>".encode()
    )


async def test_a_list_of_many_pages_is_read_whole_and_once(world: World) -> None:
    webservice = Webservice(PrestaShopSettings(url=world.url, key=FULL_KEY), "main")
    for page_size in (1, 2, 5, 13, 100):
        rows = await webservice.every_row("order_states", "[id]", page_size)
        assert [row["id"] for row in rows] == list(range(1, 14))
    await webservice.aclose()


@pytest.mark.parametrize(
    ("answer", "reading", "writing"),
    [
        (Drop(), UnreachableError, OutcomeUnknownError),
        (Response(502, HTML_PAGE, HTML_HEADERS), UnreachableError, OutcomeUnknownError),
        (Response(500, b"", HTML_HEADERS), UnreachableError, OutcomeUnknownError),
        (Response(200, HTML_PAGE, HTML_HEADERS), MalformedError, OutcomeUnknownError),
        (Response(302, b"", (("Location", "http://elsewhere/"),)), UnreachableError, UnreachableError),
        (Response(308, b"", (("Location", "https://elsewhere/"),)), UnreachableError, UnreachableError),
        (Response(429, HTML_PAGE, HTML_HEADERS), UnreachableError, UnreachableError),
        (Response(401, b"401 Unauthorized", HTML_HEADERS), UnreachableError, UnreachableError),
        (Response(401, refusal(21), XML), UnreachableError, UnreachableError),
        (Response(403, refusal(132), XML), UnreachableError, UnreachableError),
        (Response(405, refusal(25), XML), UnreachableError, UnreachableError),
        (Response(405, refusal(23), XML), RefusedError, RefusedError),
        (Response(503, refusal(22), XML), UnreachableError, UnreachableError),
        (Response(500, refusal(127), XML), RefusedError, RefusedError),
        (Response(400, refusal(85), XML), RefusedError, RefusedError),
        (Response(404, refusal(92), XML), RefusedError, RefusedError),
        (Response(404, b"", HTML_HEADERS), MalformedError, MalformedError),
    ],
)
async def test_each_way_of_failing_says_what_can_be_done(
    world: World, answer: Response | Drop, reading: type[PartnerError], writing: type[PartnerError]
) -> None:
    webservice = Webservice(PrestaShopSettings(url=world.url, key=FULL_KEY), "main")
    world.faults.answer_next(answer, count=4)  # twice each, where the key may have been lost on the way
    with pytest.raises(PartnerError) as read:
        await webservice.rows("orders", "[id]")
    with pytest.raises(PartnerError) as written:
        await webservice.write("PATCH", "/api/orders/1", b"<prestashop/>")
    await webservice.aclose()
    assert (type(read.value), type(written.value)) == (reading, writing)
    assert FULL_KEY not in f"{read.value} {written.value}"


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b'{"orders":[]}', b'{"orders":{}}', b"\xef\xbb\xbf[]", b"\r\n\xef\xbb\xbf\xef\xbb\xbf[]"],
)
async def test_an_empty_list_is_empty_however_php_and_its_modules_write_it(world: World, body: bytes) -> None:
    webservice = Webservice(PrestaShopSettings(url=world.url, key=FULL_KEY), "main")
    world.faults.answer_next(Response(200, body, JSON))
    assert await webservice.rows("orders", "[id]") == []
    await webservice.aclose()


@pytest.mark.parametrize("body", [b"null", b"17", b'{"carts":[]}', b'{"orders":[1]}', b"[{}, 2]"])
async def test_json_that_is_no_list_is_malformed(world: World, body: bytes) -> None:
    webservice = Webservice(PrestaShopSettings(url=world.url, key=FULL_KEY), "main")
    world.faults.answer_next(Response(200, body, JSON))
    with pytest.raises(MalformedError):
        await webservice.rows("orders", "[id]")
    await webservice.aclose()


async def test_a_list_whose_pages_do_not_go_on_is_malformed(world: World) -> None:
    webservice = Webservice(PrestaShopSettings(url=world.url, key=FULL_KEY), "main")
    world.faults.answer_next(Response(200, b'{"states":[{"id":7}]}', JSON), count=10)
    with trio.fail_after(5), pytest.raises(MalformedError, match="do not go on"):
        await webservice.every_row("states", "[id]", 1)
    await webservice.aclose()


async def test_what_a_shop_says_of_a_refusal_is_told_on_one_line(world: World) -> None:
    webservice = Webservice(PrestaShopSettings(url=world.url, key=FULL_KEY), "main")
    body = b"<error><code><![CDATA[85]]></code><message><![CDATA[Not\n  here]]></message></error>"
    world.faults.answer_next(Response(400, body, XML))
    with pytest.raises(RefusedError, match="85: Not here"):
        await webservice.rows("orders", "[id]")
    await webservice.aclose()


@pytest.mark.parametrize("seconds", ["", "soon", "9" * 20, "1764165600000"])
async def test_a_server_time_that_makes_no_sense_is_none(world: World, seconds: str) -> None:
    webservice = Webservice(PrestaShopSettings(url=world.url, key=FULL_KEY), "main")
    world.faults.answer_next(Response(200, b"[]", (*JSON, ("Access-Time", seconds))))
    assert await webservice.rows("orders", "[id]") == []
    assert webservice.clock is None
    await webservice.aclose()
