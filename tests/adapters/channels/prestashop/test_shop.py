"""The whole way of an order against a shop: the simulator, and a real one where the environment names it.

    WHARFINGER_PRESTASHOP_URL, WHARFINGER_PRESTASHOP_KEY, WHARFINGER_PRESTASHOP_SKU (an article with stock)

The real shop keeps the order that this places, shipped, and one that it cancels.
"""

from __future__ import annotations

import os
import random
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
import trio

from actors.domain.documents import ShopParcel, ShopStatus, ShopTracking
from actors.ports.people import Contact
from actors.ports.shop import Pushed, ShopOrder, UnreadableOrder
from adapters.channels.prestashop.adapter import PrestaShop
from adapters.channels.prestashop.placing import Placing
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.simulator import FULL_KEY

if TYPE_CHECKING:
    from tests.adapters.channels.prestashop.conftest import World

REAL_URL = os.environ.get("WHARFINGER_PRESTASHOP_URL", "")
SECONDS_MAX = 120
PASSWORD = "Secret123456!"


def buyer(number: int) -> Contact:
    return Contact(
        name="Paul Martin",
        street="12 rue de l'Eglise",
        postcode="75001",
        city="Paris",
        country="FR",
        email=f"wharfinger-{number}@example.com",
        phone="0102030405",
    )


async def polled(shop: PrestaShop, cursor: str | None) -> tuple[dict[str, ShopOrder | UnreadableOrder], str]:
    found: dict[str, ShopOrder | UnreadableOrder] = {}
    while True:
        poll = await shop.poll(cursor)
        found.update((order.shop_order, order) for order in poll.orders)
        cursor = poll.cursor
        if not poll.more:
            return found, cursor


async def play(settings: PrestaShopSettings, sku: str, number: int) -> None:
    """Place, read, tell, ship, cancel, and set stock, and find each once."""
    async with aclosing(Placing(settings, "main")) as placing, PrestaShop.open(settings, "main") as shop:
        _, cursor = await polled(shop, None)
        before = (await shop.stock())[sku]
        placed = await placing.place(buyer(number), [(sku, 1)], carrier=2, password=PASSWORD)
        again = await placing.place(buyer(number), [(sku, 1)], carrier=2, password=PASSWORD)
        assert again == placed
        assert (await shop.stock())[sku] == before - 1

        orders, cursor = await polled(shop, cursor)
        order = orders[placed]
        assert isinstance(order, ShopOrder)
        assert (order.standing, order.country, order.currency) == ("open", "FR", "EUR")
        assert [(line.sku, line.units) for line in order.lines] == [(sku, 1)]

        parcels = (ShopParcel("p1", "c", f"W{number}A", 300), ShopParcel("p2", "c", f"W{number}B", 300))
        for document in (
            ShopStatus(placed, "preparing"),
            ShopTracking(placed, parcels[:1]),
            ShopTracking(placed, parcels),
            ShopStatus(placed, "shipped"),
        ):
            assert await shop.find(document) is None
            first = await shop.carry_out(document)
            assert await shop.carry_out(document) == first
        orders, cursor = await polled(shop, cursor)
        shipped = orders[placed]
        assert isinstance(shipped, ShopOrder)
        assert shipped.standing == "shipped"
        assert (await shop.stock())[sku] == before - 1

        other = await placing.place(buyer(number + 1), [(sku, 1)], carrier=2, password=PASSWORD)
        await placing.cancel(other)
        orders, cursor = await polled(shop, cursor)
        cancelled = orders[other]
        assert isinstance(cancelled, ShopOrder)
        assert cancelled.standing == "cancelled"

        assert await shop.push_stock({sku: before, "no-such-article": 1}) == Pushed(("no-such-article",))
        assert (await shop.stock())[sku] == before


async def test_an_order_goes_its_whole_way_through_the_simulated_shop(world: World) -> None:
    settings = PrestaShopSettings(url=world.url, key=FULL_KEY, settle_seconds=0.0)
    await play(settings, "shirt-m", 1)


async def test_an_order_bought_under_lost_answers_is_bought_once(world: World) -> None:
    settings = PrestaShopSettings(url=world.url, key=FULL_KEY, settle_seconds=0.0)
    async with aclosing(Placing(settings, "main")) as placing:
        world.faults.lose_next(count=4)
        placed = await placing.place(buyer(1), [("teapot", 2)], carrier=2, password=PASSWORD)
    (order,) = world.shop.orders()
    assert (str(order.id), order.lines) == (placed, (("teapot", 2),))
    assert len(world.shop.tables["customers"]) == len(world.shop.tables["carts"]) == 1


@pytest.mark.skipif(not REAL_URL, reason="WHARFINGER_PRESTASHOP_URL names no shop")
async def test_an_order_goes_its_whole_way_through_a_real_shop() -> None:
    settings = PrestaShopSettings(url=REAL_URL, key=os.environ["WHARFINGER_PRESTASHOP_KEY"])
    sku = os.environ.get("WHARFINGER_PRESTASHOP_SKU", "demo_13")
    with trio.fail_after(SECONDS_MAX):
        await play(settings, sku, random.randrange(10**9))
