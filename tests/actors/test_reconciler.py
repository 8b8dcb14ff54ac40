"""What a shop shows is compared with the ledger at every sweep, and what lasts is put before a person."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import trio
import trio.testing

from actors.channel import Channel, ChannelSettings
from actors.desk import Desk, Matter
from actors.directory import Directory, WarehouseHandle
from actors.domain.assortment import Assortment, Contents
from actors.domain.ledger import apply
from actors.domain.order_draft import Facts
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_events import StockReceived
from actors.mailbox import Mailbox
from actors.order import OrderHall
from actors.ports.shop import ShopOrder
from actors.reconciler import Reconciliation
from actors.shop_window import SWEEP_EVERY_S
from actors.supervisor import supervise
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryShop
from tests.orders import NINE, shop_order

Clock = trio.testing.MockClock


@dataclass(slots=True)
class SlowShop(MemoryShop):
    """A shop in which something may happen while its figures are read."""

    meanwhile: list[ShopOrder] = field(default_factory=list)

    async def stock(self) -> Mapping[str, int]:
        shown = await MemoryShop.stock(self)
        while self.meanwhile:
            self.place(self.meanwhile.pop())
        return shown


def sale(number: int, sku: str, units: int, placed_at: datetime, standing: str = "open") -> ShopOrder:
    return shop_order(number, (sku, units), placed_at=placed_at, standing=standing)


class House:
    """A channel whose stock has been shown once."""

    def __init__(self) -> None:
        self.shop = SlowShop()
        self.journal = MemoryJournal()
        self.handle: WarehouseHandle = WarehouseHandle("lyon", Mailbox(10))
        self.directory = Directory({"lyon": self.handle})
        self.hall = OrderHall(self.journal, self.directory, self.facts, nobody, lambda *_: None)
        self.desk = Desk(self.journal, self.now, Mailbox[Matter](10))
        self.deliveries = 0
        settings = ChannelSettings("main", poll_s=5)
        self.channel = Channel(
            settings,
            self.shop,
            self.journal,
            self.hall,
            self.desk,
            self.directory,
            lambda size: b"s" * size,
        )

    def now(self) -> datetime:
        return NINE + timedelta(seconds=trio.current_time())

    def facts(self) -> Facts:
        rules = RoutingRules((WarehouseRule("lyon"),))
        return Facts(self.now(), rules, (), self.directory.picture, lambda _sku: True)

    def stock(self, **units: int) -> None:
        for sku, count in units.items():
            self.deliveries += 1
            apply(self.handle.stock, StockReceived(f"D{self.deliveries}", sku, count, "A-1"))

    async def look(self) -> Reconciliation:
        return (await self.channel.window.reconcile())[1]

    async def causes(self) -> dict[str, str]:
        return {each.article: each.cause for each in (await self.look()).differences}

    async def problems(self) -> dict[str, str]:
        return {each.anomaly: each.detail for each in await self.journal.anomalies(100)}


async def nobody(*_: str) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_house() -> AsyncGenerator[House]:
    house = House()
    with trio.fail_after(1_000_000):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.hall.run)
            await nursery.start(supervise, "desk", house.desk.run)
            house.stock(TEAPOT=10, CUP=20)
            await house.channel.poll()
            await house.channel.push()
            await trio.sleep(60)
            yield house
            nursery.cancel_scope.cancel()


async def test_a_shop_that_shows_what_the_ledger_says_is_in_order(autojump_clock: Clock) -> None:
    async with open_house() as house:
        found = await house.look()
        assert (found.compared, found.moving, found.differences) == (2, 0, ())
        assert await house.problems() == {}


async def test_each_cause_is_told_from_the_others(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.shop.levels["TEAPOT"] -= 2  # sold, and not imported yet
        house.shop.place(sale(1, "TEAPOT", 2, house.now() - timedelta(seconds=10)))
        house.shop.levels["CUP"] += 5  # written in the back office
        house.shop.levels["MYSTERY"] = 3
        house.stock(NOVEL=4)
        assert await house.causes() == {
            "TEAPOT": "not_imported",
            "CUP": "foreign_write",
            "MYSTERY": "unknown_here",
            "NOVEL": "unknown_there",
        }


async def test_a_sale_is_known_although_the_shops_next_poll_asks_for_something_else(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.shop.levels["TEAPOT"] -= 2
        house.shop.place(sale(1, "TEAPOT", 2, house.now() - timedelta(seconds=10)))
        house.shop.asks_beside = True
        assert await house.causes() == {"TEAPOT": "not_imported"}


async def test_units_that_came_in_are_still_to_be_told(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.stock(CUP=7)
        (found,) = (await house.look()).differences
        assert (found.cause, found.units, found.ledger, found.partner) == ("push_under_way", -7, 27, 20)
        assert await house.problems() == {}


async def test_an_order_that_was_cancelled_in_the_shop_and_not_imported_puts_units_back(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.shop.place(sale(1, "CUP", 3, house.now()))
        await house.channel.poll()
        await house.channel.push()
        await trio.sleep(30)
        house.shop.levels["CUP"] += 3
        house.shop.place(sale(1, "CUP", 3, house.now() - timedelta(seconds=20), "cancelled"))
        (found,) = (await house.look()).differences
        assert (found.cause, found.units, found.about) == ("not_imported", 3, ("main-1",))


async def test_what_is_sold_while_the_shop_is_read_is_left_to_the_next_look(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.shop.levels["CUP"] -= 1
        house.shop.meanwhile.append(sale(1, "CUP", 1, house.now()))
        found = await house.look()
        assert (found.moving, found.differences) == (1, ())


async def test_packs_that_share_a_sku_with_what_was_sold_are_moved_by_the_import_alone(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.channel.window.sells(Assortment({"SET": Contents({"CUP": 2})}))
        await house.channel.push()
        await trio.sleep(30)
        house.shop.levels["CUP"] -= 4
        house.shop.place(sale(1, "CUP", 4, house.now() - timedelta(seconds=10)))
        assert await house.causes() == {"CUP": "not_imported"}


async def test_a_write_in_the_back_office_is_put_before_a_person_set_back_and_shown_for_a_day(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.shop.levels["CUP"] = 12
        await trio.sleep(SWEEP_EVERY_S)
        await house.channel.push()
        assert house.shop.levels["CUP"] == 20
        told = "shop main shows 12 of CUP, and the ledger says 20: somebody wrote 8 fewer there"
        assert await house.problems() == {"stock:main:CUP:foreign_write": told}
        await trio.sleep(SWEEP_EVERY_S + 1)
        await house.channel.push()
        assert list(await house.problems()) == ["stock:main:CUP:foreign_write"]
        await trio.sleep(86_400)
        await house.channel.push()
        assert await house.problems() == {}


async def test_a_push_that_never_comes_is_put_before_a_person_until_it_does(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.stock(CUP=7)
        await house.look()
        await trio.sleep(301)
        await house.look()
        assert list(await house.problems()) == ["stock:main:CUP:push_under_way"]
        await house.channel.push()
        await house.look()
        assert await house.problems() == {}


async def test_a_spreadsheet_put_into_the_shop_is_one_matter_and_not_hundreds(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.stock(**{f"SKU{number}": 5 for number in range(40)})
        await house.channel.push()
        house.shop.levels.update({f"SKU{number}": 99 for number in range(40)})
        await house.look()
        (detail,) = (await house.problems()).values()
        assert detail.startswith("40 articles, such as SKU0, SKU1")
