"""What holds in front of any shop: the simulator here, and a real one with `make test-shop`.

    WHARFINGER_PRESTASHOP_URL, WHARFINGER_PRESTASHOP_KEY, and WHARFINGER_PRESTASHOP_SKU for one article of its

Everything is done over the webservice, through a front on loopback that can lose, cut and replace answers.
The real shop keeps the orders that this places, nearly all of them cancelled.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field

import msgspec
import pytest
import trio

from actors.domain.documents import ShopParcel, ShopStatus, ShopTracking
from actors.errors import OutcomeUnknownError, UnreachableError
from actors.ports.people import Contact
from actors.ports.shop import ShopOrder, UnreadableOrder
from adapters.channels.prestashop.adapter import PrestaShop
from adapters.channels.prestashop.buyable import buyable, delivery
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.feeds import TURNS
from adapters.channels.prestashop.placing import Placing
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.simulator import FULL_KEY, Shop, address, serve
from adapters.channels.prestashop.stock import Stock
from adapters.http.client import Client
from adapters.http.faults import HTML_HEADERS, HTML_PAGE, Faults, cut
from adapters.http.server import Request, Response
from adapters.http.server import serve as serve_http

SECONDS_MAX = 300
PASSWORD = "Secret123456!"
NOT_PASSED_ON = frozenset({"transfer-encoding", "content-length", "content-encoding", "connection", "host"})
ANOTHER_ID = 10**8


@dataclass(slots=True)
class AnyShop:
    """A shop behind a front of ours, and everybody who works with it."""

    upstream: PrestaShopSettings
    settings: PrestaShopSettings
    faults: Faults
    adapter: PrestaShop
    placing: Placing
    webservice: Webservice
    sku: str
    carrier: int
    country: str
    number: int
    requests: list[Request] = field(default_factory=list)

    def buyer(self, number: int) -> Contact:
        return Contact(
            name="Paul Martin",
            street="12 rue de l'Eglise",
            postcode="75001",
            city="Paris",
            country=self.country,
            email=f"wharfinger-{self.number}-{number}@example.com",
            phone="0102030405",
        )

    async def placed(self, number: int = 0, units: int = 1) -> str:
        return await self.placing.place(
            self.buyer(number), [(self.sku, units)], carrier=self.carrier, password=PASSWORD
        )

    async def order(self, shop_order: str) -> ShopOrder:
        found = await self.adapter.order(shop_order)
        assert isinstance(found, ShopOrder)
        return found

    async def stock(self) -> int:
        return (await self.adapter.stock())[self.sku]

    async def polled(self, cursor: str | None) -> tuple[dict[str, ShopOrder | UnreadableOrder], str]:
        found: dict[str, ShopOrder | UnreadableOrder] = {}
        while True:
            poll = await self.adapter.poll(cursor)
            found.update((order.shop_order, order) for order in poll.orders)
            cursor = poll.cursor
            if not poll.more:
                return found, cursor

    async def now(self) -> str:
        """Return a cursor from which only what changes from now on is told."""
        newest = await self.webservice.rows("orders", "[id]", sort="[id_DESC]", limit="1")
        last = max((int(str(row["id"])) for row in newest), default=0)
        after = self.settings_with(after_order=last)
        async with PrestaShop.open(after, "main") as shop:
            return (await shop.poll(None)).cursor

    def settings_with(self, **changed: object) -> PrestaShopSettings:
        return msgspec.structs.replace(self.settings, **changed)

    async def history(self, shop_order: str) -> list[int]:
        query = {"filter[id_order]": f"[{shop_order}]", "sort": "[id_ASC]"}
        rows = await self.webservice.rows("order_histories", "[id,id_order_state]", **query)
        return [int(str(row["id_order_state"])) for row in rows]


@pytest.fixture
async def upstream(request: pytest.FixtureRequest) -> AsyncIterator[PrestaShopSettings]:
    """Where the shop really is, and its key."""
    if request.config.getoption("--real-shop", default=False):
        url, key = (os.environ.get(f"WHARFINGER_PRESTASHOP_{name}", "") for name in ("URL", "KEY"))
        if not url or not key:
            pytest.exit("WHARFINGER_PRESTASHOP_URL and WHARFINGER_PRESTASHOP_KEY name no shop", 2)
        yield PrestaShopSettings(url=url.rstrip("/"), key=key)
        return
    shop = Shop(seed=1)
    shop.add_product("teapot", "Teapot", "19.90", 100)
    shop.add_product("shirt", "Shirt", "23.90", combinations={"shirt-s": 105, "shirt-m": 107})
    for state in (2, 4, 5, 6, 10):
        shop.place_order([("teapot", 1)], state=state)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, shop, listeners)
        yield PrestaShopSettings(url=address(listeners), key=FULL_KEY, settle_seconds=0.0)
        nursery.cancel_scope.cancel()


@pytest.fixture
async def shop(upstream: PrestaShopSettings) -> AsyncIterator[AnyShop]:
    faults, requests = Faults(random.Random(1)), list[Request]()
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    with trio.fail_after(SECONDS_MAX):
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(aclosing(Client("shop", upstream.url, seconds_max=60)))

            async def pass_on(request: Request) -> Response:
                requests.append(request)
                headers = {name: value for name, value in request.headers if name not in NOT_PASSED_ON}
                answer = await client.exchange(
                    request.method,
                    request.target.partition("?")[0],
                    params=dict(request.query),
                    headers=headers,
                    content=request.body or None,
                )
                kept = [(name, value) for name, value in answer.headers.items() if name not in NOT_PASSED_ON]
                return Response(answer.status, answer.body, tuple(kept))

            nursery = await stack.enter_async_context(trio.open_nursery())
            await nursery.start(serve_http, faults.wrap(pass_on), listeners)
            settings = PrestaShopSettings(
                url=address(listeners), key=upstream.key, settle_seconds=upstream.settle_seconds
            )
            webservice = await stack.enter_async_context(aclosing(Webservice(settings, "main")))
            placing = await stack.enter_async_context(aclosing(Placing(settings, "main")))
            adapter = await stack.enter_async_context(PrestaShop.open(settings, "main"))
            deliver = await delivery(webservice)
            sku = os.environ.get("WHARFINGER_PRESTASHOP_SKU", "")
            if not sku:
                sku = (await buyable(webservice, Stock(webservice, settings, "main")))[0].sku
            requests.clear()
            yield AnyShop(
                upstream,
                settings,
                faults,
                adapter,
                placing,
                webservice,
                sku,
                deliver.carrier,
                deliver.country,
                random.randrange(10**9),
                requests,
            )
            nursery.cancel_scope.cancel()


def writes(request: Request) -> bool:
    return request.method in ("POST", "PATCH")


async def test_an_order_goes_its_whole_way(shop: AnyShop) -> None:
    before, cursor = await shop.stock(), await shop.now()
    placed = await shop.placed()
    assert await shop.placed() == placed
    assert await shop.stock() == before - 1

    orders, cursor = await shop.polled(cursor)
    order = orders[placed]
    assert isinstance(order, ShopOrder)
    assert (order.standing, order.country) == ("open", shop.country)
    assert [(line.sku, line.units) for line in order.lines] == [(shop.sku, 1)]
    assert order.total >= sum(line.unit_price * line.units for line in order.lines)

    parcels = (
        ShopParcel("p1", "c", f"W{shop.number}A", 300),
        ShopParcel("p2", "c", f"W{shop.number}B", 300),
    )
    for document in (
        ShopStatus(placed, "preparing"),
        ShopTracking(placed, parcels[:1]),
        ShopTracking(placed, parcels),
        ShopStatus(placed, "shipped"),
    ):
        assert await shop.adapter.find(document) is None
        first = await shop.adapter.carry_out(document)
        assert await shop.adapter.carry_out(document) == first
    assert list(await shop.adapter.tracked([ShopTracking(placed, parcels)])) == [True]
    orders, cursor = await shop.polled(cursor)
    shipped = orders[placed]
    assert isinstance(shipped, ShopOrder)
    assert shipped.standing == "shipped"
    assert await shop.stock() == before - 1
    history = await shop.history(placed)
    assert len(set(history)) == len(history)

    pushed = await shop.adapter.push_stock({shop.sku: before, "no-such-article": 1})
    assert pushed.unknown == ("no-such-article",)
    assert await shop.stock() == before


async def test_a_cancelled_order_is_told_and_gives_its_units_back(shop: AnyShop) -> None:
    before, cursor = await shop.stock(), await shop.now()
    placed = await shop.placed(units=2)
    await shop.placing.cancel(placed)
    assert await shop.stock() == before
    orders, _ = await shop.polled(cursor)
    cancelled = orders[placed]
    assert isinstance(cancelled, ShopOrder)
    assert cancelled.standing == "cancelled"


async def test_an_order_bought_under_lost_answers_is_bought_once(shop: AnyShop) -> None:
    before = await shop.stock()
    shop.faults.lose_next(writes, count=4)
    placed = await shop.placed(units=2)
    assert await shop.placed(units=2) == placed
    query = {"filter[email]": f"[{shop.buyer(0).email}]"}
    (customer,) = await shop.webservice.rows("customers", "[id]", **query)
    of_customer = {"filter[id_customer]": f"[{customer['id']}]"}
    assert len(await shop.webservice.rows("orders", "[id]", **of_customer)) == 1
    assert await shop.stock() == before - 2
    await shop.placing.cancel(placed)


async def test_a_status_whose_answer_was_lost_is_not_posted_twice(shop: AnyShop) -> None:
    placed = await shop.placed()
    shop.faults.lose_next(writes)
    document = ShopStatus(placed, "preparing")
    with pytest.raises(OutcomeUnknownError):
        await shop.adapter.carry_out(document)
    assert await shop.adapter.find(document) is not None
    history = await shop.history(placed)
    assert len(set(history)) == len(history)
    await shop.placing.cancel(placed)


async def test_a_tracking_number_whose_answer_was_lost_stands_there_once(shop: AnyShop) -> None:
    placed = await shop.placed()
    document = ShopTracking(placed, (ShopParcel("p", "c", f"W{shop.number}", 300),))
    shop.faults.lose_next(writes)
    with pytest.raises(OutcomeUnknownError):
        await shop.adapter.carry_out(document)
    await shop.adapter.carry_out(document)
    query = {"filter[id_order]": f"[{placed}]"}
    rows = await shop.webservice.rows("order_carriers", "[id,tracking_number]", **query)
    assert [row["tracking_number"] for row in rows] == [f"W{shop.number}"]
    await shop.placing.cancel(placed)


async def test_stock_pushed_under_a_lost_answer_is_what_the_shop_shows(shop: AnyShop) -> None:
    before = await shop.stock()
    shop.faults.lose_next(writes)
    await shop.adapter.push_stock({shop.sku: before + 3})
    assert await shop.stock() == before + 3
    await shop.adapter.push_stock({shop.sku: before})
    assert await shop.stock() == before


async def test_every_order_of_the_shop_is_imported_once(shop: AnyShop) -> None:
    told: list[str] = []
    cursor = None
    async with PrestaShop.open(shop.settings_with(page_size=200), "main") as adapter:
        while True:
            poll = await adapter.poll(cursor)
            told += [order.shop_order for order in poll.orders]
            cursor = poll.cursor
            if not poll.more:
                break
    there = await shop.webservice.every_row("orders", "[id,current_state]", 1000)
    assert len(told) == len(set(told))
    finished = {str(row["id"]) for row in there if str(row["current_state"]) != "0"}
    assert finished <= set(told) <= {str(row["id"]) for row in there}


async def test_every_idle_poll_costs_the_shop_one_request_and_tells_nothing(shop: AnyShop) -> None:
    cursor = await shop.now()
    for _ in range(TURNS):  # tells of what the polls reach back to
        _, cursor = await shop.polled(cursor)
    partial: list[bool] = []
    for _ in range(TURNS):
        shop.requests.clear()
        poll = await shop.adapter.poll(cursor)
        cursor = poll.cursor
        assert (poll.orders, poll.more, len(shop.requests)) == ((), False, 1)
        partial.append(poll.partial)
    assert not any(one and other for one, other in itertools.pairwise(partial)), "the next one looks at all"


async def test_no_password_and_no_secure_key_is_asked_for_or_kept(shop: AnyShop) -> None:
    cursor = await shop.now()
    placed = await shop.placed()
    shop.requests.clear()
    orders, _ = await shop.polled(cursor)
    again = await shop.order(placed)
    for order in (orders[placed], again):
        assert b"passwd" not in order.raw
        assert b"secure_key" not in order.raw
    assert all("full" not in each.target for each in shop.requests)
    assert all("display" in each.target for each in shop.requests)
    assert all(each.header("cookie") is None for each in shop.requests)
    await shop.placing.cancel(placed)


async def test_an_address_that_is_edited_moves_no_date_and_is_read_again(shop: AnyShop) -> None:
    cursor = await shop.now()
    placed = await shop.placed()
    _, cursor = await shop.polled(cursor)
    await shop.placing.edit_address(placed, "Lyon")
    orders, cursor = await shop.polled(cursor)
    assert placed not in orders
    assert (await shop.order(placed)).contact.city == "Lyon"
    await shop.placing.annotate(placed, "Ring twice ]]> & wait")
    orders, cursor = await shop.polled(cursor)
    assert b"Ring twice ]]> & wait" in orders[placed].raw
    await shop.placing.cancel(placed)


async def test_what_is_refunded_is_no_longer_asked_for(shop: AnyShop) -> None:
    cursor = await shop.now()
    placed = await shop.placed(units=3)
    await shop.placing.refund(placed, 1)
    orders, _ = await shop.polled(cursor)
    order = orders[placed]
    assert isinstance(order, ShopOrder)
    assert [(line.sku, line.units) for line in order.lines] == [(shop.sku, 2)]
    await shop.placing.cancel(placed)


async def test_an_order_that_is_deleted_is_gone(shop: AnyShop) -> None:
    placed = await shop.placed()
    await shop.placing.cancel(placed)
    await shop.placing.delete(placed)
    assert await shop.adapter.order(placed) is None


async def test_a_wrong_key_and_an_unknown_shop_are_unreachable_and_say_no_secret(shop: AnyShop) -> None:
    wrong = "W" * 32
    for settings in (
        shop.settings_with(key=wrong),
        shop.settings_with(key=wrong, key_in_query=True),
        shop.settings_with(id_shop=ANOTHER_ID),
    ):
        async with PrestaShop.open(settings, "main") as adapter:
            with pytest.raises(UnreachableError) as refused:
                await adapter.poll(None)
            assert wrong not in str(refused.value)
            assert shop.settings.key not in str(refused.value)


async def test_the_key_works_in_the_query_too(shop: AnyShop) -> None:
    async with PrestaShop.open(shop.settings_with(key_in_query=True), "main") as adapter:
        assert shop.sku in await adapter.stock()


async def test_a_page_that_breaks_off_and_a_page_of_html_lose_nothing(shop: AnyShop) -> None:
    cursor = await shop.now()
    placed = await shop.placed()
    shop.faults.change_next(lambda answer: cut(answer, len(answer.body) // 2))
    with pytest.raises(UnreachableError):
        await shop.adapter.poll(cursor)
    shop.faults.answer_next(Response(500, HTML_PAGE, HTML_HEADERS))
    with pytest.raises(UnreachableError):
        await shop.adapter.poll(cursor)
    orders, _ = await shop.polled(cursor)
    assert placed in orders
    await shop.placing.cancel(placed)
