"""What moves no date in the shop is found: open orders are read again, and nightly all is compared."""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import trio
from msgspec.structs import replace

from actors import sweep as sweeping
from actors.desk import Desk
from actors.directory import Directory, WarehouseHandle
from actors.domain.order_commands import Cancel, Wake
from actors.domain.order_life import Facts
from actors.domain.order_state import Order
from actors.domain.routing import RoutingRules
from actors.intake import Intake
from actors.mailbox import Mailbox
from actors.order import OrderHall
from actors.ports.people import Contact
from actors.ports.shop import ShopLine, ShopOrder, UnreadableOrder
from actors.sweep import LOOK_MAX, Sweep, sweep_is_due
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryShop
from tests.orders import NINE, shop_order

THREE_AT_NIGHT = NINE.replace(hour=3) + timedelta(days=1)
PARIS = Contact("Camille Martin", "", "1 rue du Port", "", "75001", "Paris", "", "FR", "camille@example.org")


def order(number: int, **changed: object) -> ShopOrder:
    first = shop_order(number, ("CUP", 1), placed_at=NINE + timedelta(seconds=number), contact=PARIS)
    return replace(first, **changed)


@dataclass(slots=True)
class Shop(MemoryShop):
    """A shop that remembers what was read again."""

    reread_: list[str] = field(default_factory=list)

    async def reread(
        self, shop_orders: Collection[str], *, whole: bool = True
    ) -> Mapping[str, ShopOrder | UnreadableOrder]:
        self.reread_ += shop_orders
        return await MemoryShop.reread(self, shop_orders, whole=whole)

    def delete(self, number: int) -> None:
        self.orders[:] = [each for each in self.orders if each.shop_order != str(number)]


class Journal(MemoryJournal):
    """A journal that counts how often it is asked which orders it knows."""

    lookups = 0

    async def known_orders(self, orders: Collection[str]) -> frozenset[str]:
        self.lookups += 1
        return await super().known_orders(orders)


@dataclass(slots=True)
class House:
    """A channel's intake and sweep, and what they lean on. There is no stock: open orders wait."""

    shop: Shop
    journal: Journal
    hall: OrderHall
    intake: Intake
    desk: Desk
    sweep: Sweep
    now: list[datetime]

    async def order(self, number: int) -> Order:
        return await self.hall.ask(f"main-{number}", Wake())

    async def sold(self, *orders: ShopOrder) -> None:
        for each in orders:
            self.shop.place(each)
        await self.intake.take(orders, trio.current_time())

    async def problems(self) -> list[str]:
        return [each.problem for each in await self.journal.anomalies(1_000)]

    async def night(self) -> None:
        """Let the next night's sweep run through."""
        self.now[0] += timedelta(days=1)
        self.now[0] = self.now[0].replace(hour=3, minute=0)
        before = await self.journal.cursor("swept-main")
        while await self.journal.cursor("swept-main") == before:
            await self.sweep.compare()


@asynccontextmanager
async def open_house() -> AsyncGenerator[House]:
    journal, shop, now = Journal(), Shop(), [NINE]
    directory = Directory({"lyon": WarehouseHandle("lyon", Mailbox(10))})

    def facts() -> Facts:
        return Facts(now[0], RoutingRules(()), (), directory.picture, lambda _: True)

    async def set_aside(actor: str, message: str, error: str) -> None:
        raise AssertionError(actor, message, error)

    hall = OrderHall(journal, directory, facts, set_aside, lambda *_: None)
    desk = Desk(journal, lambda: now[0], Mailbox(10))
    salts = iter(range(100_000))
    intake = Intake(
        "main", shop, journal, hall, desk, directory, lambda size: next(salts).to_bytes(size, "big")
    )
    sweep = Sweep("main", shop, journal, intake, desk, lambda: now[0])
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(hall.run)
            await nursery.start(desk.run)
            await sweep.compare()
            yield House(shop, journal, hall, intake, desk, sweep, now)
            nursery.cancel_scope.cancel()


async def test_an_address_that_was_edited_is_taken_before_the_order_leaves() -> None:
    async with open_house() as house:
        await house.sold(order(1))
        house.shop.place(order(1, contact=replace(PARIS, city="Lyon", postcode="69002")))
        await house.sweep.look_at_open()
        contact = await house.journal.contact((await house.order(1)).facts.contact.id)
        assert contact is not None
        assert (contact.city, contact.customer) == ("Lyon", "main:7")


async def test_what_has_not_changed_is_handed_on_once_and_leaves_no_trace() -> None:
    async with open_house() as house:
        await house.sold(order(1))
        before = (await house.order(1)).version
        for _ in range(3):
            await house.sweep.look_at_open()
        assert house.shop.reread_ == ["1", "1", "1"]
        assert (await house.order(1)).version == before
        assert await house.problems() == []


async def test_orders_that_are_read_again_together_are_looked_up_together() -> None:
    async with open_house() as house:
        await house.sold(*map(order, range(1, 51)))
        house.journal.lookups = 0
        await house.sweep.look_at_open()
        assert len(house.shop.reread_) == 50
        assert house.journal.lookups == 1


async def test_changed_lines_are_followed_and_another_carrier_is_put_before_a_person() -> None:
    async with open_house() as house:
        await house.sold(order(1), order(2))
        house.shop.place(order(1, lines=(ShopLine("1", "CUP", 3, Decimal("5.00")),)))
        house.shop.place(order(2, service="express"))
        await house.sweep.look_at_open()
        assert [line.units for line in (await house.order(1)).facts.lines] == [3]
        assert await house.problems() == ["changed_in_shop"]


async def test_a_cancel_that_no_poll_told_of_is_heard_all_the_same() -> None:
    async with open_house() as house:
        await house.sold(order(1))
        house.shop.place(order(1, standing="cancelled"))
        await house.sweep.look_at_open()
        assert (await house.order(1)).ended == "cancelled"


async def test_an_order_that_the_shop_has_deleted_is_put_before_a_person_until_it_ends() -> None:
    async with open_house() as house:
        await house.sold(order(1), order(2))
        house.shop.delete(1)
        await house.sweep.look_at_open()
        (anomaly,) = await house.journal.anomalies(10)
        assert (anomaly.anomaly, anomaly.problem) == ("main-1:deleted", "order_deleted")
        assert "wharfctl order cancel main-1" in anomaly.mend
        await house.hall.ask("main-1", Cancel("anna"))
        await house.sweep.look_at_open()
        assert await house.problems() == []


async def test_an_order_that_comes_back_is_no_matter_any_more() -> None:
    async with open_house() as house:
        await house.sold(order(1))
        house.shop.delete(1)
        await house.sweep.look_at_open()
        house.shop.place(order(1))
        await house.sweep.look_at_open()
        assert await house.problems() == []


async def test_more_open_orders_than_a_look_holds_are_read_again_in_turn() -> None:
    async with open_house() as house:
        await house.sold(*(order(number) for number in range(1, LOOK_MAX + 6)))
        for _ in range(3):
            await house.sweep.look_at_open()
        first, second, third = house.shop.reread_[:LOOK_MAX], house.shop.reread_[LOOK_MAX:-LOOK_MAX], None
        assert first == [str(number) for number in range(1, LOOK_MAX + 1)]
        assert second == [str(number) for number in range(LOOK_MAX + 1, LOOK_MAX + 6)]
        third = house.shop.reread_[-LOOK_MAX:]
        assert third == first


async def test_the_nightly_sweep_takes_in_what_no_poll_has_told_of() -> None:
    async with open_house() as house:
        await house.sold(order(1))
        for number, standing in ((2, "open"), (3, "shipped"), (4, "unpaid")):
            house.shop.place(order(number, standing=standing))
        await house.night()
        assert [(await house.order(number)).stage for number in (1, 2, 4)] == [
            "backordered",
            "backordered",
            "held",
        ]
        assert await house.journal.order_row("main-3") is None


async def test_what_ended_here_and_stands_open_in_the_shop_is_said_until_it_agrees() -> None:
    async with open_house() as house:
        await house.sold(order(1))
        await house.hall.ask("main-1", Cancel("anna"))
        await house.night()
        (anomaly,) = await house.journal.anomalies(10)
        assert (anomaly.anomaly, anomaly.problem) == ("main-1:contradicted", "shop_contradicts")
        await house.night()
        assert len(await house.journal.anomalies(10)) == 1
        house.shop.place(order(1, standing="cancelled"))
        await house.night()
        assert await house.problems() == []


async def test_what_has_only_just_ended_may_still_be_on_its_way_to_the_shop() -> None:
    async with open_house() as house:
        await house.sold(order(1))
        house.now[0] = THREE_AT_NIGHT - timedelta(minutes=10)
        await house.hall.ask("main-1", Cancel("anna"))
        house.now[0] -= timedelta(days=1)
        await house.night()
        assert await house.problems() == []


async def test_the_sweep_remembers_over_a_restart_when_it_ran_last() -> None:
    async with open_house() as house:
        house.shop.place(order(1))
        again = Sweep("main", house.shop, house.journal, house.intake, house.desk, lambda: house.now[0])
        house.now[0] = NINE + timedelta(hours=10)
        await again.compare()
        assert await house.journal.order_row("main-1") is None
        house.now[0] = THREE_AT_NIGHT + timedelta(days=1)
        await again.compare()
        assert await house.journal.order_row("main-1") is not None


@pytest.mark.parametrize(
    ("hours", "due"),
    [(10, False), (14, False), (15, True), (19, True), (20, False), (27, False), (28, True)],
)
def test_a_sweep_waits_for_the_night_but_not_for_ever(hours: int, due: bool) -> None:
    assert sweep_is_due(NINE, NINE + timedelta(hours=hours)) is due


def test_a_sweep_begins_in_the_night() -> None:
    assert sweep_is_due(THREE_AT_NIGHT, THREE_AT_NIGHT + timedelta(hours=22)) is True
    assert sweeping.sweep_name("main") == "swept-main"
