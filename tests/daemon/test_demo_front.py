"""The demo in front of somebody's shop, which a simulator plays over real HTTP, while the shop is away."""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import click
import pytest
import trio

from actors.errors import UnreachableError
from adapters.channels.prestashop.simulator import FULL_KEY, address, serve
from adapters.http.faults import Faults, any_change
from adapters.http.server import Drop
from daemon.cli_demo import demo
from daemon.demo.fronts import SimulatedFront
from daemon.demo.play import patience_s
from daemon.demo.real_front import RealFront, Waiting, open_real_front
from daemon.demo.scenario import PlannedOrder
from daemon.demo.simulate import furnished

SECONDS_MAX = 20


def test_the_largest_demo_that_may_be_asked_for_has_the_time_to_place_its_orders_and_more() -> None:
    (orders,) = (each.type for each in demo.params if each.name == "orders")
    assert isinstance(orders, click.IntRange)
    assert orders.max is not None
    assert patience_s(int(orders.max)) > 2 * orders.max * SimulatedFront.place_every_s
    assert patience_s(1) > 600  # a slow machine has the time for a start


@asynccontextmanager
async def open_front(
    tell: Callable[[str], None] = print, **bounds: float
) -> AsyncGenerator[tuple[RealFront, Faults]]:
    faults = Faults(random.Random(1))
    with trio.fail_after(SECONDS_MAX):
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            await nursery.start(serve, furnished(0, 1), listeners, faults)
            async with open_real_front(address(listeners), FULL_KEY, Waiting(tell, **bounds)) as front:
                yield front, faults
            nursery.cancel_scope.cancel()


async def test_an_order_is_placed_once_although_the_shop_goes_away_while_it_is_placed() -> None:
    async with open_front(pause_s=0.01) as (front, faults):
        goods = await front.goods()
        order = PlannedOrder(((goods[0].sku, 1),), "ships", "FR")
        known: list[str] = []
        faults.answer_next(Drop(), any_change)
        faults.lose_next(any_change, count=2)
        faults.outage = True

        async def come_back() -> None:
            await trio.sleep(0.1)
            faults.outage = False

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come_back)
            placed = await front.place(1, order, known.append)
        assert known == [placed]
        faults.answer_next(Drop(), count=3)
        assert len(await front.shown()) == front.placed == 1
        assert await front.stock([goods[0].sku]) == {goods[0].sku: goods[0].units - 1}


async def test_who_waits_for_a_shop_that_is_away_is_told_once_and_when_it_is_back() -> None:
    told: list[str] = []
    async with open_front(told.append, pause_s=0.01) as (front, faults):
        goods = await front.goods()
        order = PlannedOrder(((goods[0].sku, 1),), "ships", "FR")
        faults.answer_next(Drop(), any_change)
        await front.place(1, order, lambda _: None)
        assert told == []  # one answer that got lost is no outage
        faults.outage = True
        async with trio.open_nursery() as nursery:
            for number in (2, 3):
                nursery.start_soon(front.place, number, order, lambda _: None)
            while not told:
                await trio.sleep(0.01)
            faults.outage = False
    away, back = told
    assert away.startswith("shop 127.0.0.1:")
    assert away.endswith("; it is asked again for 60 s")
    assert back.endswith(" answers again")


async def test_a_shop_that_stays_away_ends_the_demo() -> None:
    async with open_front(pause_s=0.01, away_s_max=0.1) as (front, faults):
        goods = await front.goods()
        faults.outage = True
        with pytest.raises(UnreachableError, match=r"shop 127.0.0.1"):
            await front.place(1, PlannedOrder(((goods[0].sku, 1),), "ships", "FR"), lambda _: None)
