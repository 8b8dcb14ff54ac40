"""A channel: no order is lost on its way in, and the shop sells nothing that is not free."""

import dataclasses
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from actors.adopting import Adopting, adoption_of
from actors.channel import (
    AFTER_PARTIAL_S_MAX,
    DEBOUNCE_S,
    FAILURES_UNSEEN_MAX,
    LOOK_EVERY_S,
    PUSH_MAX,
    REREAD_S,
    Channel,
    ChannelSettings,
)
from actors.copies import FRESH_S
from actors.desk import Desk, Matter
from actors.directory import Directory, WarehouseHandle
from actors.domain.assortment import Assortment, Contents
from actors.domain.ledger import apply
from actors.domain.order_draft import Facts
from actors.domain.order_events import OrderImported
from actors.domain.reconciliation import EACH_MAX
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_events import StockReceived
from actors.errors import UnreachableError
from actors.mailbox import Mailbox
from actors.order import OrderHall
from actors.ports.journal import Append, Durable
from actors.ports.people import Contact
from actors.ports.shop import Poll, Pushed, ShopLine, ShopOrder, UnreadableOrder
from actors.shop_window import SWEEP_EVERY_S
from actors.supervisor import supervise
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryShop
from tests.orders import NINE, shop_order

Clock = trio.testing.MockClock


@dataclass(slots=True)
class Shop(MemoryShop):
    """A shop that knows only the SKUs it is told, and counts what it is asked."""

    sells: set[str] = field(default_factory=lambda: {"TEAPOT", "CUP"})
    refuses: set[str] = field(default_factory=set)
    moves: set[str] = field(default_factory=set)
    takes_no_stock: bool = False
    cannot_reread: bool = False
    seconds_a_push: float = 0.0
    pushed: list[dict[str, int]] = field(default_factory=list)
    polled: list[str | None] = field(default_factory=list)
    reread_at: list[float] = field(default_factory=list)
    ahead_s: float = 0.0
    away_after: int = 1_000_000

    async def poll(self, cursor: str | None) -> Poll:
        self.away = self.away or len(self.polled) >= self.away_after
        self.polled.append(cursor)
        return replace(await MemoryShop.poll(self, cursor), ahead_s=self.ahead_s)

    async def reread(
        self, shop_orders: Collection[str], *, whole: bool = True
    ) -> Mapping[str, ShopOrder | UnreadableOrder]:
        self.reread_at.append(trio.current_time())
        if self.cannot_reread:
            raise UnreachableError("shop main", "GET", "500")
        return await MemoryShop.reread(self, shop_orders, whole=whole)

    async def push_stock(self, levels: Mapping[str, int]) -> Pushed:
        if self.takes_no_stock:
            raise UnreachableError("shop main", "PATCH", "405, code 25")
        self.pushed.append(dict(levels))
        await trio.sleep(self.seconds_a_push)
        taken = {sku: n for sku, n in levels.items() if sku in self.sells - self.refuses}
        await MemoryShop.push_stock(self, taken)
        return Pushed(
            unknown=tuple(sku for sku in levels if sku not in self.sells),
            refused={sku: "code 85" for sku in levels if sku in self.refuses},
            unsettled=tuple(sku for sku in levels if sku in self.moves),
        )


class Journal(MemoryJournal):
    """A journal that can refuse to take an order's events for a while."""

    stuck: str = ""
    seconds_a_cursor: float = 0.0

    async def save_cursor(self, name: str, value: str) -> None:
        await trio.sleep(self.seconds_a_cursor)
        await super().save_cursor(name, value)

    async def enqueue(self, append: Append) -> Durable:
        if append.stream == self.stuck:
            await trio.sleep(1_000)
        return await super().enqueue(append)


@dataclass(frozen=True, slots=True)
class Door:
    """Another channel of the house, and its shop."""

    shop: Shop
    channel: Channel


class House:
    """A channel, and what it leans on; the warehouse only shows what it holds."""

    def __init__(
        self, orders_since: datetime | None = None, *, poll_s: float = 5, safety: int = 0, buffer: int = 0
    ) -> None:
        self.shop = Shop()
        self.journal = Journal()
        self.handle: WarehouseHandle = WarehouseHandle("lyon", Mailbox(10))
        self.directory = Directory({"lyon": self.handle})
        self.hall = OrderHall(self.journal, self.directory, self.facts, nobody, lambda *_: None)
        self.desk = Desk(self.journal, self.now, Mailbox[Matter](10))
        self.deliveries = 0
        self.unknown: set[str] = set()
        self.settings = ChannelSettings("main", poll_s, safety, buffer)
        self.restart(orders_since)

    def restart(self, orders_since: datetime | None) -> None:
        """Begin with a channel that knows only what the journal holds."""
        settings = dataclasses.replace(self.settings, orders_since=orders_since)
        self.channel = self.open_channel(settings, self.shop).channel

    def open_channel(self, settings: ChannelSettings, shop: Shop) -> Door:
        channel = Channel(
            settings, shop, self.journal, self.hall, self.desk, self.directory, lambda size: b"s" * size
        )
        return Door(shop, channel)

    def now(self) -> datetime:
        return NINE + timedelta(seconds=trio.current_time())

    def facts(self) -> Facts:
        rules = RoutingRules((WarehouseRule("lyon"),))
        return Facts(self.now(), rules, (), self.directory.picture, lambda sku: sku not in self.unknown)

    def stock(self, **units: int) -> None:
        for sku, count in units.items():
            self.deliveries += 1
            apply(self.handle.stock, StockReceived(f"D{self.deliveries}", sku, count, "A-1"))

    async def stage(self, number: int) -> str | None:
        row = await self.journal.order_row(f"main-{number}")
        return row.state if row is not None else None

    async def problems(self) -> list[str]:
        return [each.problem for each in await self.journal.anomalies(100)]


async def nobody(*_: str) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_house(orders_since: datetime | None = None, **settings: int) -> AsyncGenerator[House]:
    house = House(orders_since, **settings)
    with trio.fail_after(100_000):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.hall.run)
            await nursery.start(supervise, "desk", house.desk.run)
            yield house
            nursery.cancel_scope.cancel()


def order(number: int, standing: str = "open", *, sku: str = "TEAPOT", units: int = 5) -> ShopOrder:
    return shop_order(number, (sku, units), standing=standing, raw=b"<order/>")


# --- orders -------------------------------------------------------------------------------------------------


async def test_everything_that_changed_is_imported_page_by_page(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.shop.page = 3
        for number in range(10):
            house.shop.place(order(number))
        await house.channel.poll()
        assert [await house.stage(number) for number in range(10)] == ["backordered"] * 10
        assert house.shop.polled == [None, "3", "6", "9"]
        await house.channel.poll()
        assert house.shop.polled[-1] == "10"


async def test_an_import_goes_first_while_pages_are_still_to_come_and_no_longer(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        precedence = house.directory.precedence
        house.shop.page = 2
        for number in range(3):
            house.shop.place(order(number))
        house.journal.stuck = "order-main-0"
        nursery.start_soon(house.channel.poll)
        await trio.sleep(1)
        held = [precedence.is_held]
        nursery.cancel_scope.cancel()
    assert [*held, precedence.is_held] == [True, False]
    async with open_house() as house:
        house.shop.place(order(1))
        await house.channel.poll()
        house.shop.page = 0  # more is announced, and the next page cannot be read
        house.shop.place(order(2))
        house.shop.away_after = len(house.shop.polled) + 1
        with pytest.raises(UnreachableError):
            await house.channel.poll()
        assert not house.directory.precedence.is_held


async def test_an_order_of_a_page_that_was_read_ahead_is_as_old_as_its_reading(autojump_clock: Clock) -> None:
    async with open_house() as house:
        await trio.sleep(100)
        house.shop.ahead_s = FRESH_S + 1
        house.shop.place(order(1))
        await house.channel.poll()
        now, copies = trio.current_time(), house.directory.copies
        assert not copies.are_fresh("main-1", "main"), "a floor would get what the customer has changed since"
        assert not copies.is_late("main-1", now - FRESH_S), "whatever was read since overtakes it"


async def test_the_cursor_moves_only_when_everything_before_it_is_durable(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.journal.stuck = "order-main-2"
        for number in range(4):
            house.shop.place(order(number))
        with trio.move_on_after(100):
            await house.channel.poll()
        assert await house.journal.cursor("shop-main") is None
        assert await house.stage(3) == "backordered", "the others do not wait for it"
        house.journal.stuck = ""
        await house.channel.poll()
        assert await house.journal.cursor("shop-main") == "4"
        for number in range(4):
            recorded = await house.journal.read(f"order-main-{number}")
            assert sum(isinstance(each.event, OrderImported) for each in recorded) == 1


async def test_an_unreadable_order_is_put_before_a_person_and_the_others_come_in(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.shop.place(order(1))
        house.shop.place(UnreadableOrder("2", "total_paid is no number", b"<order><total_paid>ten"))
        house.shop.place(order(3))
        await house.channel.poll()
        assert (await house.stage(1), await house.stage(2), await house.stage(3)) == (
            "backordered",
            None,
            "backordered",
        )
        (anomaly,) = await house.journal.anomalies(10)
        assert (anomaly.problem, anomaly.detail) == ("unreadable_order", "total_paid is no number")
        assert await house.journal.beside("main-2:unreadable") == b"<order><total_paid>ten"
        assert await house.journal.cursor("shop-main") == "3"


async def test_an_order_that_was_mended_in_the_shop_comes_in_by_itself(autojump_clock: Clock) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.shop.place(UnreadableOrder("2", "total_paid is no number", b"?"))
        await nursery.start(house.channel.run)
        await trio.sleep(1)
        house.shop.orders[0] = order(2)  # without the shop's order moving its date: no poll shows it
        await trio.sleep(REREAD_S + 10)
        assert await house.stage(2) == "backordered"
        assert await house.problems() == []
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("poll_s", [1, 5, 45])
async def test_open_orders_are_read_again_once_a_minute_however_often_the_shop_is_polled(
    autojump_clock: Clock, poll_s: int
) -> None:
    async with open_house(poll_s=poll_s) as house, trio.open_nursery() as nursery:
        house.shop.place(order(1, "unpaid"))
        await nursery.start(house.channel.run)
        await trio.sleep(6 * REREAD_S)
        assert len(house.shop.reread_at) >= 4
        pauses = [later - at for at, later in pairwise(house.shop.reread_at)]
        assert all(REREAD_S <= pause < REREAD_S + poll_s + 1 for pause in pauses)
        nursery.cancel_scope.cancel()


async def test_a_shop_that_fails_while_orders_are_read_again_is_not_asked_for_them_at_each_poll(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.shop.place(order(1, "unpaid"))
        house.shop.cannot_reread = True
        await nursery.start(house.channel.run)
        await trio.sleep(3 * REREAD_S)
        assert len(house.shop.reread_at) == 3
        assert len(house.shop.polled) > 20
        nursery.cancel_scope.cancel()


async def test_an_unpaid_order_is_held_and_goes_on_when_it_is_paid(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.shop.place(order(1, "unpaid"))
        await house.channel.poll()
        assert await house.stage(1) == "held"
        house.shop.place(order(1))
        await house.channel.poll()
        assert await house.stage(1) == "backordered"


async def test_of_two_copies_in_a_page_the_later_counts(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.shop.place(order(1))
        house.shop.place(order(1, "cancelled"))
        await house.channel.poll()
        assert await house.stage(1) is None


async def test_an_address_that_lacks_something_is_said_without_the_address(autojump_clock: Clock) -> None:
    async with open_house() as house:
        nowhere = Contact("Camille Martin", "", "1 rue du Port", "", "", "Lyon", "", "FR")
        house.shop.place(replace(order(1), contact=nowhere))
        await house.channel.poll()
        (anomaly,) = await house.journal.anomalies(10)
        assert anomaly.detail == "the delivery address has no postcode"
        log = repr(house.journal.streams)
        assert "Camille" not in log
        assert "rue du Port" not in log


# --- a shop that was somebody else's ------------------------------------------------------------------------


async def test_a_new_channel_leaves_the_shops_older_orders_alone_and_says_how_many(
    autojump_clock: Clock,
) -> None:
    async with open_house(orders_since=NINE - timedelta(hours=1)) as house:
        old = NINE - timedelta(days=900)
        for number, standing in enumerate(("open", "open", "unpaid", "shipped", "cancelled"), 1):
            house.shop.place(replace(order(number, standing), placed_at=old))
        house.shop.place(order(6))
        await house.channel.poll()
        assert [await house.stage(number) for number in range(1, 7)] == [None] * 5 + ["backordered"]
        (anomaly,) = await house.journal.anomalies(10)
        assert anomaly.problem == "orders_left_alone"
        assert anomaly.detail.startswith("2 orders stand open in the shop")
        assert "adopt --channel main" in anomaly.mend


async def test_an_older_order_comes_in_once_it_is_paid_and_no_other_does(autojump_clock: Clock) -> None:
    async with open_house(orders_since=NINE - timedelta(hours=1)) as house:
        old = NINE - timedelta(days=3)
        house.shop.place(replace(order(1, "unpaid"), placed_at=old))
        house.shop.place(replace(order(2, "open"), placed_at=old))
        await house.channel.poll()
        house.shop.place(replace(order(1, "open"), placed_at=old))
        house.shop.place(replace(order(2, "open", units=6), placed_at=old))
        await house.channel.poll()
        assert (await house.stage(1), await house.stage(2)) == ("backordered", None)


async def test_what_was_shipped_in_the_shop_before_wakes_no_order_and_leaves_no_trace(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.stock(TEAPOT=50)
        for number in range(1, 40):
            house.shop.place(order(number, "shipped" if number % 2 else "cancelled"))
        await house.channel.poll()
        assert house.hall.live == 0
        assert house.journal.streams == {}


async def test_the_line_survives_a_restart_in_the_middle_of_the_first_import(autojump_clock: Clock) -> None:
    old = NINE - timedelta(days=3)
    async with open_house(orders_since=NINE - timedelta(hours=1)) as house:
        house.shop.page = 2
        for number in range(1, 5):
            house.shop.place(replace(order(number), placed_at=old))
        house.journal.stuck = "order-main-5"
        house.shop.place(order(5))
        with trio.move_on_after(100):
            await house.channel.poll()
        house.journal.stuck = ""
        house.restart(orders_since=NINE + timedelta(days=1))
        await house.channel.poll()
        assert [await house.stage(number) for number in range(1, 6)] == [None] * 4 + ["backordered"]
        (anomaly,) = await house.journal.anomalies(10)
        assert anomaly.detail.startswith("4 orders")


async def test_what_is_noted_while_the_line_is_being_saved_is_saved_with_the_next_page(
    autojump_clock: Clock,
) -> None:
    old = NINE - timedelta(days=3)
    async with open_house() as house, trio.open_nursery() as nursery:
        adopting = Adopting("main", house.journal, house.desk)
        await adopting.begin(None, NINE)
        house.journal.seconds_a_cursor = 1
        adopting.takes(replace(order(1), placed_at=old), is_known=False)
        nursery.start_soon(adopting.save)
        await trio.sleep(0.5)
        adopting.takes(replace(order(2), placed_at=old), is_known=False)
        await trio.sleep(1)
        await adopting.save()
        line = await adoption_of(house.journal, "main")
        assert line is not None
        assert (line.left, line.read_to) == (2, 2)


async def test_two_pages_are_imported_side_by_side_while_the_next_one_is_read(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.shop.page = 1
        for number in range(5):
            house.shop.place(order(number))
        house.journal.stuck = "order-main-0"
        with trio.move_on_after(100):
            await house.channel.poll()
        assert house.shop.polled == [None, "1", "2"], "and no further"
        assert (await house.stage(0), await house.stage(1)) == (None, "backordered")
        assert await house.journal.cursor("shop-main") is None, "the page before is not durable"


async def test_a_page_waits_for_the_one_before_where_it_holds_a_later_copy_of_an_order(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.shop.page = 1
        house.shop.place(order(1))
        house.shop.place(order(1, "cancelled"))
        house.journal.stuck = "order-main-1"
        nursery.start_soon(house.channel.poll)
        await trio.sleep(1)
        house.journal.stuck = ""  # the append that is under way takes its time all the same
        await trio.sleep(1_001)
        assert await house.stage(1) == "cancelled", "the order is known by then, so this is news of it"
        assert await house.journal.cursor("shop-main") == "2"
        nursery.cancel_scope.cancel()


async def test_what_was_read_is_durable_before_a_poll_tells_that_the_next_page_cannot_be_read(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.shop.page = 1
        for number in range(4):
            house.shop.place(order(number))
        house.shop.away_after = 2
        with pytest.raises(UnreachableError):
            await house.channel.poll()
        assert await house.journal.cursor("shop-main") == "2"
        assert [await house.stage(number) for number in range(3)] == ["backordered", "backordered", None]


# --- sellable stock -----------------------------------------------------------------------------------------


async def test_the_shop_sells_what_is_free_and_is_told_only_what_changed(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.stock(TEAPOT=7, CUP=3)
        await house.channel.push()
        assert house.shop.pushed == [{"TEAPOT": 7, "CUP": 3}]
        await house.channel.push()
        assert len(house.shop.pushed) == 1
        house.stock(CUP=1)
        await house.channel.push()
        assert house.shop.pushed[-1] == {"CUP": 4}


async def test_units_that_a_backordered_order_wants_are_not_sold_to_the_next(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.stock(TEAPOT=3)
        house.shop.place(order(1, units=5))
        await house.channel.poll()
        assert await house.stage(1) == "backordered"
        await house.channel.push()
        assert house.shop.levels["TEAPOT"] == 0


async def test_units_that_a_held_order_wants_are_not_sold_to_the_next(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.stock(TEAPOT=7)
        house.shop.place(order(1, "unpaid", units=5))
        await house.channel.poll()
        await house.channel.push()
        assert house.shop.levels["TEAPOT"] == 2


async def test_units_of_an_order_that_cannot_be_read_are_not_sold_to_the_next(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.shop.sells |= {"SIX-CUPS"}
        house.channel.sells(PACKED)
        house.stock(TEAPOT=7, CUP=14)
        await house.channel.push()
        unread = UnreadableOrder("1", "id_country names no country", b"?", units={"TEAPOT": 2, "SIX-CUPS": 1})
        house.shop.place(unread)
        house.shop.levels |= {"TEAPOT": 5, "SIX-CUPS": 1}  # as the shop sold them
        await house.channel.poll()
        await house.channel.push()
        assert house.shop.levels == {"TEAPOT": 5, "CUP": 8, "SIX-CUPS": 1}
        house.restart(None)  # a daemon that knows nothing of it looks again before it pushes
        house.channel.sells(PACKED)
        async with trio.open_nursery() as nursery:
            await nursery.start(house.channel.run)
            await trio.sleep(4)
            assert house.shop.levels == {"TEAPOT": 5, "CUP": 8, "SIX-CUPS": 1}
            house.shop.orders[0] = order(1, "cancelled", units=2)
            await trio.sleep(REREAD_S + 6)
            assert house.shop.levels == {"TEAPOT": 7, "CUP": 14, "SIX-CUPS": 2}
            nursery.cancel_scope.cancel()


async def test_safety_stock_and_the_channels_buffer_are_not_for_sale(autojump_clock: Clock) -> None:
    async with open_house(safety=2, buffer=1) as house:
        house.stock(TEAPOT=7, CUP=2)
        await house.channel.push()
        assert house.shop.levels == {"TEAPOT": 4, "CUP": 0}


async def test_a_sku_that_the_shop_does_not_know_is_said_once_and_keeps_no_other_back(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.stock(TEAPOT=1, MYSTERY=1)
        for _ in range(3):
            await house.channel.push()
            house.stock(TEAPOT=1, MYSTERY=1)
        assert house.shop.levels["TEAPOT"] == 3
        assert await house.problems() == ["unknown_sku"]
        assert sum("MYSTERY" in levels for levels in house.shop.pushed) == 1


async def test_a_range_that_the_shop_does_not_sell_is_one_matter_and_not_one_for_each_sku(
    autojump_clock: Clock,
) -> None:
    mysteries = [f"MYSTERY-{number:02}" for number in range(EACH_MAX + 5)]
    async with open_house() as house:
        house.stock(TEAPOT=1, **dict.fromkeys(mysteries, 1))
        await house.channel.push()
        assert house.shop.levels["TEAPOT"] == 1
        (told,) = await house.journal.anomalies(100)
        assert (told.anomaly, told.problem) == ("unknown:main", "unknown_sku")
        assert "more than 20 SKUs, such as MYSTERY-00, MYSTERY-01, " in told.detail
        assert "sells_all = false" in told.mend

        for left, learnt in ((EACH_MAX, mysteries[EACH_MAX:]), (0, mysteries[:EACH_MAX])):
            for sku in learnt:
                house.shop.sells.add(sku)
                house.shop.levels[sku] = 0
            await trio.sleep(SWEEP_EVERY_S + 1)
            await house.channel.push()
            asked = {each.anomaly for each in await house.journal.anomalies(100)}
            assert asked == {f"main:{sku}" for sku in mysteries[:left]}  # few enough to look at each
        assert all(house.shop.levels[sku] == 1 for sku in mysteries)


async def test_a_sku_that_the_shop_has_learnt_is_pushed_after_the_next_sweep(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.stock(MYSTERY=1)
        await house.channel.push()
        house.shop.sells.add("MYSTERY")
        house.shop.levels["MYSTERY"] = 0
        await trio.sleep(SWEEP_EVERY_S + 1)
        await house.channel.push()
        assert house.shop.levels["MYSTERY"] == 1
        assert await house.problems() == []


async def test_a_figure_that_somebody_changed_in_the_shop_is_set_right_by_the_sweep(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.stock(TEAPOT=7)
        await house.channel.push()
        house.shop.levels["TEAPOT"] = 99
        await trio.sleep(SWEEP_EVERY_S + 1)
        await house.channel.push()
        assert house.shop.levels["TEAPOT"] == 7


async def test_the_shop_is_right_within_seconds_of_a_movement_however_seldom_it_is_polled(
    autojump_clock: Clock,
) -> None:
    async with open_house(poll_s=600) as house, trio.open_nursery() as nursery:
        house.stock(TEAPOT=7)
        await nursery.start(house.channel.run)
        await trio.sleep(30.3)
        assert house.shop.levels == {"TEAPOT": 7}
        before = len(house.shop.polled)
        for _ in range(3):
            house.stock(TEAPOT=1)
            house.directory.stock_moved()
        await trio.sleep(DEBOUNCE_S + 0.1)
        assert house.shop.pushed[1:] == [{"TEAPOT": 10}], "three movements are one push"
        assert len(house.shop.polled) == before + 1, "the orders are read right before it"
        nursery.cancel_scope.cancel()


async def test_what_an_order_of_another_shop_waits_for_is_not_sold_either(autojump_clock: Clock) -> None:
    async with open_house(poll_s=600) as house, trio.open_nursery() as nursery:
        other = house.open_channel(ChannelSettings("other", 600), Shop())
        house.stock(TEAPOT=3)
        await nursery.start(house.channel.run)
        await trio.sleep(1)
        other.shop.place(order(1, units=5))
        await other.channel.poll()
        await trio.sleep(LOOK_EVERY_S + 1)
        assert house.shop.levels["TEAPOT"] == 0
        nursery.cancel_scope.cancel()


async def test_the_orders_are_read_right_before_each_part_of_a_long_push(autojump_clock: Clock) -> None:
    async with open_house() as house:
        names = [f"SPOON-{number:03}" for number in range(2 * PUSH_MAX + 1)]
        house.shop.sells.update(names)
        house.shop.seconds_a_push = 1.0
        await house.channel.push()
        before = len(house.shop.polled)
        house.stock(**dict.fromkeys(names, 5))
        await house.channel.push()
        assert [len(levels) for levels in house.shop.pushed] == [PUSH_MAX, PUSH_MAX, 1]
        assert len(house.shop.polled) == before + 3


async def test_a_poll_that_looked_at_no_order_is_not_enough_before_a_push(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.stock(TEAPOT=7)
        house.shop.place(order(1, "unpaid", units=2))
        house.shop.asks_beside = True
        await house.channel.poll()
        assert await house.stage(1) is None
        await house.channel.push()
        assert (await house.stage(1), house.shop.levels) == ("held", {"TEAPOT": 5})
        await trio.sleep(60)
        house.stock(TEAPOT=1)
        house.shop.place(order(2, "unpaid", units=3))
        house.shop.asks_beside = True
        await house.channel.push()
        assert (await house.stage(2), house.shop.levels) == ("held", {"TEAPOT": 3})


async def test_what_a_partial_poll_did_not_look_for_comes_soon_however_seldom_the_shop_is_polled(
    autojump_clock: Clock,
) -> None:
    async with open_house(poll_s=600) as house, trio.open_nursery() as nursery:
        house.shop.place(order(1))
        house.shop.asks_beside = True
        await nursery.start(house.channel.run)
        await trio.sleep(AFTER_PARTIAL_S_MAX - 1)
        assert await house.stage(1) is None
        await trio.sleep(2)
        assert await house.stage(1) == "backordered"
        house.shop.place(order(2))
        await trio.sleep(590)
        assert await house.stage(2) is None
        nursery.cancel_scope.cancel()


async def test_orders_that_were_asked_for_in_vain_or_lie_not_taken_in_are_read_before_a_push(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.shop.place(order(1))
        house.shop.away = True
        with pytest.raises(UnreachableError):
            await house.channel.poll()
        house.shop.away = False
        await house.channel.poll_if_stale()
        assert await house.stage(1) == "backordered"
        await trio.sleep(60)
        house.shop.place(order(2))
        house.journal.stuck = "order-main-2"
        nursery.start_soon(house.channel.poll)
        await trio.sleep(0.1)
        with trio.move_on_after(0.1) as waiting:
            await house.channel.poll_if_stale()
        assert waiting.cancelled_caught, "what is still being taken in is not known to the ledger"
        nursery.cancel_scope.cancel()


async def test_what_was_sold_during_a_push_is_not_for_sale_after_the_next_poll(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.stock(TEAPOT=7)
        await house.channel.push()
        house.shop.place(order(1, "unpaid", units=2))
        house.shop.levels["TEAPOT"] = 5
        house.stock(TEAPOT=1)
        house.shop.levels["TEAPOT"] = 8  # the push that was under way shows the two units again
        await house.channel.poll()
        await house.channel.push()
        assert house.shop.levels["TEAPOT"] == 6


async def test_what_the_shop_restocked_with_a_refund_and_once_more_with_the_cancel_is_restocked_once(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.stock(TEAPOT=7)
        house.shop.place(order(1, "unpaid", units=2))
        await house.channel.poll()
        await house.channel.push()
        house.shop.levels["TEAPOT"] += 2
        house.shop.place(replace(order(1, "cancelled"), lines=(), refunded=("TEAPOT",)))
        await house.channel.poll()
        await house.channel.push()
        house.shop.levels["TEAPOT"] += 2
        house.shop.place(replace(order(1, "cancelled"), lines=(), refunded=("TEAPOT",)))
        await house.channel.poll()
        await house.channel.push()
        assert house.shop.levels["TEAPOT"] == 7


async def test_a_figure_that_moved_while_it_was_set_is_made_anew(autojump_clock: Clock) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.shop.moves = {"TEAPOT"}
        house.stock(TEAPOT=7, CUP=3)
        await house.channel.push()
        assert house.shop.pushed == [{"TEAPOT": 7, "CUP": 3}]
        house.shop.moves.clear()
        await nursery.start(house.channel.run)
        await trio.sleep(6)
        assert house.shop.pushed[1:] == [{"TEAPOT": 7}]
        nursery.cancel_scope.cancel()


async def test_a_figure_that_the_shop_refuses_is_put_before_a_person_and_tried_again_by_the_sweep(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.shop.refuses = {"CUP"}
        house.stock(TEAPOT=7, CUP=3)
        await nursery.start(house.channel.run)
        await trio.sleep(100)
        assert house.shop.levels == {"TEAPOT": 7}
        assert await house.problems() == ["stock_refused"]
        assert sum("CUP" in levels for levels in house.shop.pushed) == 1
        house.shop.refuses.clear()
        await trio.sleep(SWEEP_EVERY_S)
        assert house.shop.levels == {"TEAPOT": 7, "CUP": 3}
        assert await house.problems() == []
        nursery.cancel_scope.cancel()


async def test_a_shop_that_takes_no_stock_keeps_no_order_waiting(autojump_clock: Clock) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.shop.takes_no_stock = True
        house.stock(TEAPOT=7)
        await nursery.start(house.channel.run)
        await trio.sleep(300)
        assert len(house.shop.polled) > 50
        assert await house.problems() == ["stock_not_shown"]
        house.shop.takes_no_stock = False
        await trio.sleep(61)
        assert house.shop.levels == {"TEAPOT": 7}
        assert await house.problems() == []
        nursery.cancel_scope.cancel()


# --- packs, cartons, and several shops ----------------------------------------------------------------------

PACKED = Assortment(
    {
        "TEA-SET": Contents({"TEAPOT": 1, "CUP": 4}),
        "SIX-CUPS": Contents({"CUP": 6}),
        "SPOONS": Contents({"SPOON": 2}),
    }
)


async def test_packs_and_cartons_are_sold_as_long_as_what_they_hold_is_there(autojump_clock: Clock) -> None:
    async with open_house(safety=1) as house:
        house.shop.sells |= {"TEA-SET", "SIX-CUPS", "SPOONS"}
        house.channel.sells(PACKED)
        house.stock(TEAPOT=9, CUP=14)
        await house.channel.push()
        assert house.shop.levels == {"TEAPOT": 8, "CUP": 13, "TEA-SET": 3, "SIX-CUPS": 2}


async def test_a_pack_and_a_single_piece_of_one_component_are_reserved_together(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.shop.sells |= {"TEA-SET", "SIX-CUPS"}
        house.channel.sells(PACKED)
        house.stock(TEAPOT=9, CUP=14)
        await house.channel.push()
        cup = ShopLine("2", "CUP", 3, Decimal("5.00"))
        both = replace(order(1, "unpaid", sku="TEA-SET", units=2), lines=())
        house.shop.place(replace(both, lines=(ShopLine("1", "TEA-SET", 2, Decimal("40.00")), cup)))
        house.shop.levels |= {"TEA-SET": 1, "CUP": 11}  # as the shop sold them
        await house.channel.poll()
        await house.channel.push()
        assert house.shop.levels == {"TEAPOT": 7, "CUP": 3, "TEA-SET": 0, "SIX-CUPS": 0}


async def test_what_the_shop_took_from_the_components_of_a_pack_is_set_right(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.shop.sells |= {"TEA-SET", "SIX-CUPS"}
        house.channel.sells(PACKED)
        house.stock(TEAPOT=9, CUP=14)
        await house.channel.push()
        house.shop.place(order(1, "unpaid", sku="TEA-SET", units=1))
        house.shop.levels |= {"TEA-SET": 2, "CUP": 10, "TEAPOT": 8}  # the shop takes from both
        house.stock(CUP=4)  # as many come in: the level of cups is what it was
        await house.channel.poll()
        await house.channel.push()
        assert house.shop.levels == {"TEAPOT": 8, "CUP": 14, "TEA-SET": 3, "SIX-CUPS": 2}


async def test_an_order_of_an_article_that_nobody_knew_goes_on_as_soon_as_it_is_listed(
    autojump_clock: Clock,
) -> None:
    async with open_house(poll_s=600) as house, trio.open_nursery() as nursery:
        house.unknown = {"SIX-CUPS"}
        house.shop.place(order(1, sku="SIX-CUPS", units=1))
        await nursery.start(house.channel.run)
        await trio.sleep(30)
        assert (await house.stage(1), await house.problems()) == ("held", ["unknown_sku"])
        house.channel.sells(PACKED)
        await trio.sleep(DEBOUNCE_S + LOOK_EVERY_S)
        assert (await house.stage(1), await house.problems()) == ("backordered", [])
        nursery.cancel_scope.cancel()


async def test_a_component_that_is_sold_in_cartons_alone_is_no_unknown_sku(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.shop.sells = {"SPOONS"}
        house.channel.sells(PACKED)
        house.stock(SPOON=7)
        await house.channel.push()
        assert house.shop.levels == {"SPOONS": 3}
        assert await house.problems() == []


async def test_a_shop_that_is_to_sell_a_part_of_the_range_is_asked_for_nothing_more(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        part = house.open_channel(ChannelSettings("part", 5, sells_all=False), Shop(sells={"TEAPOT"}))
        part.channel.sells(PACKED)
        house.stock(TEAPOT=7, CUP=13, SPOON=2)
        await part.channel.push()
        assert part.shop.levels == {"TEAPOT": 7}
        told = {each.anomaly for each in await house.journal.anomalies(10)}
        assert told == {"part:TEA-SET", "part:SIX-CUPS", "part:SPOONS"}, "what is listed is meant to be sold"


async def test_articles_that_are_listed_while_the_daemon_runs_are_shown_at_once(
    autojump_clock: Clock,
) -> None:
    async with open_house(poll_s=600) as house, trio.open_nursery() as nursery:
        house.shop.sells |= {"SIX-CUPS"}
        house.stock(CUP=14)
        await nursery.start(house.channel.run)
        await trio.sleep(10)
        house.channel.sells(PACKED)
        await trio.sleep(DEBOUNCE_S + 0.1)
        assert house.shop.levels == {"CUP": 14, "SIX-CUPS": 2}
        nursery.cancel_scope.cancel()


async def test_two_shops_with_one_stock_show_what_both_may_sell_and_one_of_them_shows_it(
    autojump_clock: Clock,
) -> None:
    async with open_house(buffer=1) as house:
        other = house.open_channel(ChannelSettings("other", 5, buffer=3), Shop(levels=house.shop.levels))
        house.channel.share_stock(other.channel)
        house.stock(TEAPOT=9)
        await house.channel.push()
        await other.channel.push()
        assert (house.shop.levels, other.shop.pushed) == ({"TEAPOT": 6}, [])
        before = len(other.shop.polled)
        other.shop.place(order(1, "unpaid", units=2))
        house.shop.levels["TEAPOT"] = 4  # sold in the other shop
        await trio.sleep(1)
        house.stock(TEAPOT=2)
        await house.channel.push()
        assert house.shop.levels["TEAPOT"] == 6, "the other's orders are read first"
        assert len(other.shop.polled) == before + 1


# --- bad days -----------------------------------------------------------------------------------------------


async def test_a_shop_that_is_away_is_asked_more_rarely_and_seen_after_a_while(autojump_clock: Clock) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.shop.away = True
        await nursery.start(house.channel.run)
        await trio.sleep(5 + 10)
        assert await house.problems() == []
        await trio.sleep(600)
        assert len(house.shop.polled) < 20
        assert len(house.shop.polled) >= FAILURES_UNSEEN_MAX
        assert await house.problems() == ["shop_unusable"]
        house.shop.away = False
        house.shop.place(order(1))
        await trio.sleep(61)
        assert await house.stage(1) == "backordered"
        assert await house.problems() == []
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("lost", [1, 2])
async def test_figures_are_read_again_after_a_push_whose_answer_was_lost(
    lost: int, autojump_clock: Clock
) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        answers = iter([True] * lost)
        house.shop.loses_answer = lambda: next(answers, False)
        house.stock(TEAPOT=7)
        await nursery.start(house.channel.run)
        await trio.sleep(100)
        assert house.shop.levels == {"TEAPOT": 7}
        nursery.cancel_scope.cancel()
