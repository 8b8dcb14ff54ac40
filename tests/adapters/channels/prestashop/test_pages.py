"""A first import reads its pages ahead, and no order is lost between two of them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import MalformedError, UnreachableError
from actors.ports.shop import ShopOrder
from adapters.channels.prestashop.pages import LAST_MIN, Span, further
from adapters.http.server import Drop, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.channels.prestashop.adapter import PrestaShop
    from tests.adapters.channels.prestashop.conftest import World

PAGE = 3


def later_page(request: Request) -> bool:
    return request.path == "/api/orders" and "," in dict(request.query).get("limit", "")


def count_of_orders(request: Request) -> bool:
    return request.path == "/api/orders" and dict(request.query).get("sort") == "[id_DESC]"


def address_list(request: Request) -> bool:
    return request.path == "/api/addresses"


async def told(world: World, adapter: PrestaShop, cursor: str | None = None) -> list[int]:
    orders, _ = await world.drained(cursor, adapter)
    return [int(order.shop_order) for order in orders]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 40])
async def test_every_order_is_told_once_however_many_there_are(world: World, count: int) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(count)]
    async with world.connect(page_size=PAGE) as adapter:
        assert await told(world, adapter) == placed


@given(first=st.integers(0, 900), size=st.integers(1, 300), orders=st.integers(0, 6_000))
def test_pages_hold_every_order_once_and_the_last_ones_are_short(first: int, size: int, orders: int) -> None:
    last = Span(first, size)
    pages = [last, *further(last, orders)]
    for page, following in pairwise(pages):
        assert following.offset == page.offset + page.count
        assert min(LAST_MIN, size) <= following.count <= page.count or following is pages[-1]
    if len(pages) > 1:
        assert pages[-1].offset + pages[-1].count == orders
        assert pages[-1].count < 2 * LAST_MIN


async def test_orders_that_are_deleted_while_pages_are_read_shift_no_other_one_away(world: World) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(30)]
    async with world.connect(page_size=PAGE) as adapter:
        poll = await adapter.poll(None)
        first = [int(order.shop_order) for order in poll.orders]
        for order in (placed[1], placed[14]):
            world.shop.delete_order(order)
        rest = await told(world, adapter, poll.cursor)
    assert set(first + rest) >= set(placed) - {placed[1], placed[14]}
    assert len(first + rest) == len(set(first + rest))


async def test_an_order_that_comes_while_the_last_pages_lie_read_is_told_all_the_same(world: World) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(2 * PAGE + 2)]
    async with world.connect(page_size=PAGE) as adapter:
        poll = await adapter.poll(None)
        assert poll.more
        placed.append(world.shop.place_order([("cup", 1)]))
        rest = await told(world, adapter, poll.cursor)
    assert [*(int(order.shop_order) for order in poll.orders), *rest] == placed


@pytest.mark.parametrize("part", [later_page, address_list])
async def test_a_page_that_cannot_be_read_costs_no_order_and_is_read_anew(
    world: World, part: Callable[[Request], bool]
) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(30)]
    async with world.connect(page_size=PAGE) as adapter:
        world.faults.answer_next(Drop(), part, count=2)
        first: list[int] = []
        cursor = None
        for _ in range(20):
            try:
                poll = await adapter.poll(cursor)
            except UnreachableError:
                continue
            first += [int(order.shop_order) for order in poll.orders]
            cursor = poll.cursor
            if not poll.more:
                break
    assert first == placed


async def test_a_count_of_the_orders_that_fails_leaves_nobody_waiting_for_a_page(world: World) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(30)]
    world.faults.answer_next(Drop(), count_of_orders)
    world.faults.delay_next(0.15, lambda request: request.path == "/api/orders", count=2)
    async with world.connect(page_size=PAGE) as adapter:
        with trio.fail_after(5):
            assert await told(world, adapter) == placed
    assert world.faults.struck["answer"] == 1


async def test_what_orders_name_and_cannot_be_understood_is_an_error_of_the_poll(world: World) -> None:
    for _ in range(2 * PAGE):
        world.shop.place_order([("cup", 1)])
    garbled = Response(
        200, b'{"currencies":[{"id":1,"iso_code":[]}]}', (("Content-Type", "application/json"),)
    )
    world.faults.answer_next(garbled, lambda request: request.path == "/api/currencies")
    async with world.connect(page_size=PAGE) as adapter:
        with pytest.raises(MalformedError, match="iso_code is no text"):
            await adapter.poll(None)


async def test_nothing_is_told_to_the_shop_while_it_is_read_for_the_first_time(world: World) -> None:
    for _ in range(2 * PAGE + 2):
        world.shop.place_order([("cup", 1)])
    async with world.connect(page_size=PAGE) as adapter:
        poll = await adapter.poll(None)
        assert poll.more
        waits = adapter.is_importing
        await told(world, adapter, poll.cursor)
        assert (waits, adapter.is_importing) == (True, False)


async def test_a_deletion_between_two_pages_shows_and_what_follows_is_read_again(world: World) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(30)]

    def meanwhile(request: Request) -> bool:
        if later_page(request) and placed[0] in world.shop.tables["orders"]:
            world.shop.delete_order(placed[0])  # page one was read with it, and the next begins one row later
        return False

    world.faults.answer_next(Drop(), meanwhile)
    async with world.connect(page_size=PAGE) as adapter:
        assert await told(world, adapter) == placed


async def test_what_the_next_orders_name_is_read_while_the_first_ones_are_taken(world: World) -> None:
    for _ in range(3 * PAGE):
        world.shop.place_order([("cup", 1)])
    async with world.connect(page_size=PAGE) as adapter:
        poll = await adapter.poll(None)
        while world.count("GET", "/api/addresses") < 3:
            await trio.sleep(0.01)
        rest, _ = await world.drained(poll.cursor, adapter)
    assert all(isinstance(order, ShopOrder) and order.contact.street for order in rest)
    assert (len(rest), world.count("GET", "/api/addresses")) == (2 * PAGE, 3)


async def test_a_page_that_was_read_ahead_tells_how_old_it_is(world: World) -> None:
    for _ in range(2 * PAGE):
        world.shop.place_order([("cup", 1)])
    async with world.connect(page_size=PAGE) as adapter:
        first = await adapter.poll(None)
        assert first.ahead_s == 0
        while world.count("GET", "/api/addresses") < 2:
            await trio.sleep(0.01)
        await trio.sleep(0.05)
        assert (await adapter.poll(first.cursor)).ahead_s >= 0.05
