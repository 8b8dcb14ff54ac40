"""The waker: wakes who is due, and whom units, room or other rules may help."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import trio

from actors.domain.documents import ShopStatus
from actors.domain.order_commands import Hold, Wake
from actors.domain.order_events import EffectRequested
from actors.domain.order_state import CLOCKS
from actors.domain.stock_events import Quantity
from actors.ports.journal import Append, OrderRow
from actors.waker import (
    ARRIVALS_LOOKED_UP_MAX,
    ARRIVALS_MAX,
    WAITING_MAX,
    WAKE_AGAIN_S_FIRST,
    WAKE_AGAIN_S_MAX,
)
from tests.actors.office import NINE, Clock, open_office


async def test_an_order_is_woken_when_its_clock_is_due_and_says_that_it_is_silent(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        await office.place(1)
        office.passed = CLOCKS["backordered"] - timedelta(seconds=10)
        await office.start(office.waker.watch_clocks)
        await trio.sleep(5)
        assert office.woken() == []
        await trio.sleep(10)
        assert office.woken() == ["main-1"]
        assert await office.problems() == ["silent"]
        await trio.sleep(2 * WAKE_AGAIN_S_FIRST)
        assert office.woken() == ["main-1"], "a person knows"


async def test_a_hold_is_lifted_at_its_hour_without_anybody_asking(autojump_clock: Clock) -> None:
    async with open_office() as office:
        await office.place(1)
        until = office.now() + timedelta(hours=2)
        await office.hall.ask("main-1", Hold("manual", "x", until, "jane"))
        office.passed = timedelta(hours=2, seconds=-10)
        await office.start(office.waker.watch_clocks)
        await trio.sleep(5)
        assert (await office.hall.ask("main-1", Wake())).stage == "held"
        await trio.sleep(10)
        row = await office.journal.order_row("main-1")
        assert row is not None
        assert row.state == "backordered"


async def test_an_order_that_stays_due_is_woken_ever_more_rarely_and_keeps_no_other_asleep(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        stuck = OrderRow(
            order="main-9",
            channel="main",
            shop_order="9",
            reference="R",
            state="allocating",
            state_since=NINE,
            due_at=NINE,
            placed_at=NINE,
            waiting_for=(),
            version=1,
        )
        request = EffectRequested("x", "shop-main", ShopStatus("9", "preparing"))
        await office.journal.append(Append("other", 0, (request,), NINE, orders=(stuck,)))
        await office.start(office.waker.watch_clocks)
        await trio.sleep(3_600)
        times = [at for order, at, _ in office.hall.woken if order == "main-9"]
        pauses = [after - before for before, after in pairwise(times)]
        assert pauses[:3] == [WAKE_AGAIN_S_FIRST, 2 * WAKE_AGAIN_S_FIRST, 4 * WAKE_AGAIN_S_FIRST]
        assert max(pauses) == WAKE_AGAIN_S_MAX


# --- arrivals -----------------------------------------------------------------------------------------------


async def test_units_that_come_wake_those_who_wait_for_them_the_first_placed_first(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        for number in (3, 1, 2):
            await office.place(number)
        await office.place(4, "CUP")
        await office.watch_arrivals()
        office.waker.stock_arrived("TEAPOT")
        await trio.sleep(10)
        assert office.woken() == ["main-1", "main-2", "main-3"]
        assert all(units_came for _, _, units_came in office.hall.woken)


async def test_units_wake_everybody_who_waits_for_them_as_long_as_some_are_left(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        for number in range(WAITING_MAX + 1):
            await office.place(number)
        await office.start(office.waker.watch_arrivals, lambda _sku: len(office.hall.woken) <= WAITING_MAX)
        for woken in (WAITING_MAX + 1, 2 * WAITING_MAX + 1):
            office.waker.stock_arrived("TEAPOT")
            await trio.sleep(10)
            assert len(office.hall.woken) == woken
        assert office.woken()[: WAITING_MAX + 1] == [f"main-{number}" for number in range(WAITING_MAX + 1)]


async def test_other_rules_and_room_are_looked_at_for_everybody_who_waits(autojump_clock: Clock) -> None:
    async with open_office() as office:
        for number in range(WAITING_MAX):
            await office.place(number, "CUP")
        await office.place(WAITING_MAX)
        await office.start(office.waker.watch_arrivals)
        office.hall.woken.clear()
        office.waker.room_came(lambda wanted: wanted[0].sku == "TEAPOT")
        await trio.sleep(10)
        assert office.woken() == [f"main-{WAITING_MAX}"]


async def test_of_many_articles_that_come_at_once_only_those_that_are_waited_for_are_looked_up(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        await office.place(1)
        await office.place(2, "CUP")
        await office.watch_arrivals()
        for number in range(ARRIVALS_LOOKED_UP_MAX):
            office.waker.stock_arrived(f"SKU-{number}")
        office.waker.stock_arrived("TEAPOT")
        await trio.sleep(10)
        assert (office.woken(), office.journal.looked_up) == (["main-1"], ["TEAPOT"])


async def test_of_more_articles_than_it_can_remember_none_that_is_waited_for_is_overlooked(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        await office.place(1)
        await office.watch_arrivals()
        for number in range(ARRIVALS_MAX):
            office.waker.stock_arrived(f"SKU-{number}")
        office.waker.stock_arrived("TEAPOT")
        await trio.sleep(10)
        assert (office.woken(), office.journal.looked_up) == (["main-1"], ["TEAPOT"])


async def test_other_rules_wake_who_could_not_be_filled_by_those_before(autojump_clock: Clock) -> None:
    async with open_office() as office:
        await office.place(1)
        await office.watch_arrivals()
        office.waker.rules_changed(lambda _wanted: True)
        await trio.sleep(10)
        assert office.woken() == ["main-1"]


async def test_room_in_a_warehouse_wakes_whom_it_helps_as_long_as_there_is_some(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        for number in (3, 1, 2):
            await office.place(number)
        await office.place(4, "CUP")
        await office.watch_arrivals()
        asked: list[str] = []

        def fillable(wanted: Sequence[Quantity]) -> bool:
            asked.append(wanted[0].sku)
            return wanted[0].sku == "TEAPOT" and len(office.hall.woken) < 2

        office.waker.room_came(fillable)
        await trio.sleep(10)
        assert office.woken() == ["main-1", "main-2"]
        assert asked == ["TEAPOT", "TEAPOT", "TEAPOT", "CUP"]
