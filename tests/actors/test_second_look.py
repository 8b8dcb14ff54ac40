"""Before a floor sees an order that waited, its shop is asked once more what has become of it."""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from actors.channel import ChannelSettings
from actors.copies import FRESH_S, REMEMBERED_S, ShopCopies
from actors.domain.order_commands import Import, ReleaseHold
from actors.domain.order_events import OrderImported
from actors.domain.order_state import Order
from actors.domain.stock_commands import Receive
from actors.order import OrderMessage
from actors.ports.shop import ShopOrder, UnreadableOrder
from actors.second_look import AGAIN_S, WAIT_S
from adapters.memory.partners import MemoryShop
from tests.actors.test_system import House, order_for

Clock = trio.testing.MockClock

SELDOM_S = 100_000.0
"""Polls so rare that nothing but a second look tells what happened in the shop."""

TEAPOT = ("TEAPOT", 1)


@dataclass(slots=True)
class Shop(MemoryShop):
    """A shop in which things happen that no poll tells of."""

    unpolled: dict[str, ShopOrder | UnreadableOrder | None] = field(default_factory=dict)
    read_again: list[list[str]] = field(default_factory=list)
    seconds_a_read: float = 0.0

    async def reread(
        self, shop_orders: Collection[str], *, whole: bool = True
    ) -> Mapping[str, ShopOrder | UnreadableOrder]:
        assert not whole, "what only people want to know keeps no order from the floor"
        self.read_again.append(sorted(shop_orders))
        await trio.sleep(self.seconds_a_read)
        found = {**await MemoryShop.reread(self, shop_orders), **self.unpolled}
        return {each: copy for each in shop_orders if (copy := found.get(each)) is not None}


class Wharf(House):
    """A system whose shop can be looked into."""

    shop: Shop

    async def receive(self, units: int) -> None:
        command = Receive(f"D{units}", "TEAPOT", units, "A-1")
        await self.system.directory.ask_warehouse("lyon", command)

    async def waiting(self, *numbers: int) -> None:
        """Let orders wait for teapots until the copies of them are old."""
        for number in numbers:
            self.shop.place(order_for(number, TEAPOT))
        for number in numbers:
            await self.until(number, "backordered")
        await trio.sleep(2 * FRESH_S)
        self.shop.read_again.clear()

    async def until(self, number: int, stage: str) -> Order:
        while (row := await self.journal.order_row(f"main-{number}")) is None or row.state != stage:
            await trio.sleep(0.25)
        return await self.order(number)

    def on_the_floor(self) -> list[str]:
        stock = self.system.directory.warehouses["lyon"].stock
        return [each.order for each in stock.fulfilments.values() if each.state == "floor"]


@asynccontextmanager
async def open_wharf(teapots: int = 0, wait_s: float = WAIT_S) -> AsyncGenerator[Wharf]:
    wharf = Wharf({"lyon": {"TEAPOT": teapots}, "nantes": {}})
    settings = ChannelSettings("main", poll_s=SELDOM_S, release_wait_s=wait_s)
    wharf.work_with(Shop(), settings, SELDOM_S)
    with trio.fail_after(1_000):
        async with trio.open_nursery() as nursery:
            await nursery.start(wharf.system.run)
            yield wharf
            wharf.system.stop()


async def test_an_order_that_comes_straight_from_the_shop_is_not_read_again(autojump_clock: Clock) -> None:
    async with open_wharf(teapots=1) as wharf:
        wharf.shop.place(order_for(1, TEAPOT))
        await wharf.until(1, "picking")
        assert wharf.shop.read_again == []


async def test_an_order_that_was_cancelled_while_it_waited_never_reaches_a_floor(
    autojump_clock: Clock,
) -> None:
    async with open_wharf() as wharf:
        await wharf.waiting(1)
        wharf.shop.unpolled["1"] = order_for(1, TEAPOT, standing="cancelled")
        await wharf.receive(1)
        order = await wharf.until(1, "cancelled")
        assert wharf.shop.read_again == [["1"]]
        assert [part.state for part in order.parts.values()] == ["gone"]
        kinds = [type(each.event).__name__ for each in await wharf.journal.read("stock-lyon")]
        assert "ReservationReleased" in kinds
        assert "ReservationConfirmed" not in kinds
        assert wharf.system.directory.picture("lyon", "TEAPOT") == 1


async def test_an_address_that_was_edited_while_it_waited_is_the_one_it_is_sent_to(
    autojump_clock: Clock,
) -> None:
    async with open_wharf() as wharf:
        await wharf.waiting(1)
        asked = order_for(1, TEAPOT)
        wharf.shop.unpolled["1"] = replace(asked, contact=replace(asked.contact, city="Nantes"))
        await wharf.receive(1)
        order = await wharf.until(1, "picking")
        contact = await wharf.journal.contact(order.facts.contact.id)
        assert contact is not None
        assert contact.city == "Nantes"


async def test_orders_that_waited_together_are_read_again_with_one_request(autojump_clock: Clock) -> None:
    async with open_wharf() as wharf:
        wharf.shop.seconds_a_read = 1.0
        await wharf.waiting(1, 2, 3, 4)
        await wharf.receive(4)
        for number in (1, 2, 3, 4):
            await wharf.until(number, "picking")
        assert sum(map(len, wharf.shop.read_again)) == 4
        assert len(wharf.shop.read_again) <= 2, "the first alone, and the others while it was read"


async def test_nobody_else_gets_the_units_of_an_order_that_is_read_again(autojump_clock: Clock) -> None:
    async with open_wharf() as wharf:
        wharf.shop.seconds_a_read = 3.0
        await wharf.waiting(1)
        await wharf.receive(1)
        await wharf.until(1, "allocating")
        wharf.shop.place(order_for(2, TEAPOT))
        await wharf.system.shops["main"].poll()
        await wharf.until(2, "backordered")
        assert wharf.on_the_floor() == []
        await wharf.until(1, "picking")
        assert wharf.on_the_floor() == ["main-1"]


async def test_a_shop_that_is_away_keeps_an_order_from_the_floor_only_so_long(autojump_clock: Clock) -> None:
    async with open_wharf() as wharf:
        await wharf.waiting(1)
        wharf.shop.away = True
        await wharf.receive(1)
        began = trio.current_time()
        await trio.sleep(WAIT_S - 1)
        assert wharf.on_the_floor() == []
        await wharf.until(1, "picking")
        assert trio.current_time() - began == pytest.approx(WAIT_S, abs=2)


async def test_an_order_goes_on_as_soon_as_its_shop_is_back(autojump_clock: Clock) -> None:
    async with open_wharf() as wharf:
        await wharf.waiting(1)
        wharf.shop.away = True
        await wharf.receive(1)
        await trio.sleep(60)
        wharf.shop.away = False
        began = trio.current_time()
        await wharf.until(1, "picking")
        assert trio.current_time() - began <= AGAIN_S + 1


async def test_a_merchant_may_say_that_no_order_waits_for_a_shop_that_is_away(autojump_clock: Clock) -> None:
    async with open_wharf(wait_s=0) as wharf:
        await wharf.waiting(1)
        wharf.shop.away = True
        began = trio.current_time()
        await wharf.receive(1)
        await wharf.until(1, "picking")
        assert trio.current_time() - began < 1


async def test_an_order_that_the_shop_has_deleted_waits_for_a_person_who_has_the_last_word(
    autojump_clock: Clock,
) -> None:
    async with open_wharf() as wharf:
        await wharf.waiting(1)
        wharf.shop.unpolled["1"] = None
        await wharf.receive(1)
        order = await wharf.until(1, "held")
        assert [held.reasons for held in order.holds.values()] == [
            ("it was deleted in the shop before it went to a floor",)
        ]
        assert [each.problem for each in await wharf.journal.anomalies(9)] == ["order_deleted"]
        await trio.sleep(2 * FRESH_S)
        await wharf.system.hall.tell("main-1", ReleaseHold("manual", "jane"))
        await wharf.until(1, "picking")


async def test_an_order_that_cannot_be_read_again_is_tried_again_and_said(autojump_clock: Clock) -> None:
    async with open_wharf() as wharf:
        await wharf.waiting(1)
        wharf.shop.unpolled["1"] = UnreadableOrder("1", "id_currency names no currency", b"{}")
        await wharf.receive(1)
        await trio.sleep(2 * AGAIN_S)
        assert wharf.on_the_floor() == []
        assert [each.problem for each in await wharf.journal.anomalies(9)] == ["unreadable_order"]
        del wharf.shop.unpolled["1"]
        await wharf.until(1, "picking")


async def test_an_order_that_a_restart_interrupted_is_read_again_first(autojump_clock: Clock) -> None:
    async with open_wharf() as wharf:
        await wharf.waiting(1)
        journal = wharf.journal
    again = Wharf({"lyon": {}, "nantes": {}})
    again.journal = journal
    again.work_with(Shop(away=True), ChannelSettings("main", poll_s=SELDOM_S), SELDOM_S)
    with trio.fail_after(1_000):
        async with trio.open_nursery() as nursery:
            await nursery.start(again.system.run)
            await again.receive(1)
            await again.until(1, "allocating")
            assert again.on_the_floor() == []
            again.shop.place(order_for(1, TEAPOT, standing="cancelled"))
            again.shop.away = False
            await again.until(1, "cancelled")
            again.system.stop()


def copies_of(imported: OrderImported) -> Callable[..., Import]:
    """Return what makes a copy of the shop's order 1, of whatever standing."""
    return partial(
        Import,
        channel="main",
        shop_order="1",
        reference="REF1",
        placed_at=imported.placed_at,
        currency="EUR",
        total=imported.total,
        shipping=imported.shipping,
        service="standard",
        country="FR",
        lines=imported.lines,
        address_problems=(),
        contact=imported.contact,
        payload=imported.payload,
    )


async def test_a_late_copy_does_not_undo_what_a_newer_one_said(autojump_clock: Clock) -> None:
    async with open_wharf(teapots=1) as wharf:
        wharf.shop.place(order_for(1, TEAPOT, standing="unpaid"))
        imported = (await wharf.until(1, "held")).facts
        now = trio.current_time()
        told = copies_of(imported)
        await wharf.system.hall.ask("main-1", told(standing="cancelled"), read_at=now)
        await wharf.system.hall.ask("main-1", told(standing="open"), read_at=now - 1)
        order = await wharf.until(1, "cancelled")
        assert order.anomalies == {}, "the shop did not open it again"


async def test_of_two_copies_that_an_order_hears_in_one_breath_the_newer_counts(
    autojump_clock: Clock,
) -> None:
    async with open_wharf() as wharf:
        wharf.shop.place(order_for(1, TEAPOT))
        imported = (await wharf.until(1, "backordered")).facts
        await trio.sleep(5)
        now = trio.current_time()
        told = copies_of(imported)
        newer = OrderMessage(told(standing="cancelled"), read_at=now)
        older = OrderMessage(told(standing="open"), read_at=now - 1)
        await wharf.system.hall.ask_all("main-1", (newer, older))
        order = await wharf.until(1, "cancelled")
        assert order.anomalies == {}, "the shop did not open it again"


async def test_when_a_copy_was_read_is_remembered_for_a_while(autojump_clock: Clock) -> None:
    copies = ShopCopies()
    copies.note("main-1", 10.0)
    copies.note("main-1", 9.0)
    assert copies.is_late("main-1", 9.0)
    assert not copies.is_late("main-1", 10.0), "of two copies of one page the later one counts"
    await trio.sleep(10 + REMEMBERED_S + 1)
    copies.note("main-2", trio.current_time())
    assert not copies.is_late("main-1", 9.0), "it is forgotten, as nothing is read so slowly"
