"""Whole orders through all actors, with partners and a journal in memory."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import trio
import trio.testing

from actors.census import WATCHED, Census
from actors.channel import ChannelSettings
from actors.domain.carrier_choice import CarrierRule
from actors.domain.documents import ErpDocument, LabelPurchase
from actors.domain.order_commands import Wake
from actors.domain.order_events import ParcelLabelled
from actors.domain.order_state import Order
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_commands import Done, Pack, Pick, Receive
from actors.domain.stock_events import PackedParcel, Quantity, ReservationReleased
from actors.partners import Partners
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from actors.ports.shop import ShopOrder
from actors.system import Rules, Surroundings, System
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryCarrier, MemoryErp, MemoryShop
from tests.orders import NINE, shop_order

RULES = Rules(
    RoutingRules((WarehouseRule("lyon", priority=1), WarehouseRule("nantes", priority=2))),
    (CarrierRule("swift", "home"),),
)


def order_for(number: int, *lines: tuple[str, int], standing: str = "open") -> ShopOrder:
    return shop_order(number, *lines, standing=standing, placed_at=NINE.replace(second=number % 60))


class House:
    """A system at work, with everything a test looks at."""

    def __init__(
        self,
        stock: dict[str, dict[str, int]],
        carrier: MemoryCarrier | None = None,
        journal: MemoryJournal | None = None,
        erp: MemoryErp | None = None,
    ) -> None:
        self.journal = journal or MemoryJournal()
        self.shop = MemoryShop()
        self.erp = erp or MemoryErp(stock)
        self.carrier = carrier or MemoryCarrier()
        self.work_with(self.shop, ChannelSettings("main", poll_s=0.01))

    def work_with(self, shop: MemoryShop, settings: ChannelSettings, carrier_poll_s: float = 0.01) -> None:
        """Begin anew with another shop."""
        self.shop = shop
        self.system = System(
            self.journal,
            Partners({"main": self.shop}, self.erp, {"swift": self.carrier}),
            (settings,),
            RULES,
            Surroundings(lambda: datetime.now(UTC), lambda size: b"s" * size, random.Random(1)),
            carrier_poll_s=carrier_poll_s,
        )

    async def order(self, number: int) -> Order:
        return await self.system.hall.ask(f"main-{number}", Wake())

    async def until(self, number: int, stage: str) -> Order:
        while True:
            row = await self.journal.order_row(f"main-{number}")
            if row is not None and row.state == stage:
                return await self.order(number)
            await trio.sleep(0.005)

    async def pick_and_pack(self, warehouse: str) -> None:
        """Do everything that the floor of a warehouse can do now."""
        stock = self.system.directory.warehouses[warehouse].stock
        for fulfilment in [each for each in stock.fulfilments.values() if each.state == "floor"]:
            for line in fulfilment.lines:
                pick = Pick(fulfilment.fulfilment, stock.shelves[line.sku].slot, line.sku, line.to_pick)
                assert await self.system.directory.ask_warehouse(warehouse, pick) == Done()
            contents = tuple(Quantity(line.sku, line.picked) for line in fulfilment.lines)
            pack = Pack(fulfilment.fulfilment, (PackedParcel(f"{fulfilment.fulfilment}.1", contents, 900),))
            assert await self.system.directory.ask_warehouse(warehouse, pack) == Done()


@asynccontextmanager
async def open_house(
    stock: dict[str, dict[str, int]],
    carrier: MemoryCarrier | None = None,
    journal: MemoryJournal | None = None,
) -> AsyncGenerator[House]:
    house = House(stock, carrier, journal)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.system.run)
            yield house
            house.system.stop()


async def test_an_order_goes_from_the_shop_to_the_customer_and_into_the_books() -> None:
    async with open_house({"lyon": {"TEAPOT": 3}, "nantes": {}}) as house:
        house.shop.place(order_for(1, ("TEAPOT", 2)))
        await house.until(1, "picking")
        await house.pick_and_pack("lyon")
        order = await house.until(1, "shipped")
        while order.effects:
            await trio.sleep(0.01)
            order = await house.order(1)
        assert [type(d).__name__ for d in house.shop.told["1"]] == [
            "ShopStatus",
            "ShopTracking",
            "ShopStatus",
        ]
        assert {kind for kind, _ in house.erp.booked} == {"ErpOrder", "ErpDeliveryNote"}
        assert house.erp.stock_["lyon"]["TEAPOT"] == 1
        assert len(house.carrier.labels) == 1
        while house.shop.levels.get("TEAPOT") != 1:
            await trio.sleep(0.01)


async def test_an_order_that_only_two_warehouses_together_can_fill_is_split_between_them() -> None:
    async with open_house({"lyon": {"TEAPOT": 1}, "nantes": {"CUP": 1}}) as house:
        house.shop.place(order_for(1, ("TEAPOT", 1), ("CUP", 1)))
        await house.until(1, "picking")
        await house.pick_and_pack("lyon")
        await house.pick_and_pack("nantes")
        order = await house.until(1, "shipped")
        assert len(order.parcels) == 2


async def test_of_orders_that_come_in_one_page_the_first_placed_has_the_last_unit() -> None:
    """Eight times: Trio turns the order of its tasks about by a coin."""
    served: list[str] = []
    for _ in range(8):
        async with open_house({"lyon": {"TEAPOT": 1}, "nantes": {}}) as house:
            for number in range(1, 11):
                house.shop.place(order_for(number, ("TEAPOT", 1)))
            while len(await house.journal.orders_in(["picking", "backordered"], 10)) < 10:
                await trio.sleep(0.005)
            served += [row.order for row in await house.journal.orders_in(["picking"], 10)]
    assert served == ["main-1"] * 8


async def test_an_order_that_is_made_smaller_keeps_its_units_and_another_gets_those_that_it_gives_back() -> (
    None
):
    async with open_house({"lyon": {"TEAPOT": 3}, "nantes": {}}) as house:
        house.shop.place(order_for(1, ("TEAPOT", 3)))
        await house.until(1, "picking")
        house.shop.place(order_for(2, ("TEAPOT", 2)))
        house.shop.place(order_for(3, ("TEAPOT", 1)))
        await house.until(2, "backordered")
        await house.until(3, "backordered")
        house.shop.place(order_for(1, ("TEAPOT", 1)))
        await house.until(2, "picking")
        smaller = await house.order(1)
        assert smaller.parts["main-1.1"].lines == (Quantity("TEAPOT", 1),)
        assert (smaller.stage, smaller.parts_planned) == ("picking", 1)
        moved = [each.event for each in await house.journal.read("stock-lyon")]
        assert not any(isinstance(event, ReservationReleased) for event in moved)
        await house.pick_and_pack("lyon")
        await house.until(1, "shipped")
        await house.until(2, "shipped")
        await house.until(3, "backordered")


async def test_an_order_that_nobody_can_fill_waits_for_the_reception_that_frees_it() -> None:
    async with open_house({"lyon": {"TEAPOT": 1}, "nantes": {}}) as house:
        house.shop.place(order_for(1, ("TEAPOT", 2)))
        await house.until(1, "backordered")
        assert await house.journal.wanted() == {"TEAPOT": 2}
        await house.system.directory.ask_warehouse("lyon", Receive("D1", "TEAPOT", 5, "A-1"))
        await house.until(1, "picking")


async def test_a_cancel_before_the_pick_stops_the_order_and_frees_its_units() -> None:
    async with open_house({"lyon": {"TEAPOT": 1}, "nantes": {}}) as house:
        house.shop.place(order_for(1, ("TEAPOT", 1)))
        await house.until(1, "picking")
        house.shop.place(order_for(1, ("TEAPOT", 1), standing="cancelled"))
        await house.until(1, "cancelled")
        assert house.system.directory.picture("lyon", "TEAPOT") == 1


async def test_a_cancel_after_the_pack_is_refused_and_says_where_to_intercept() -> None:
    async with open_house({"lyon": {"TEAPOT": 1}, "nantes": {}}) as house:
        house.shop.place(order_for(1, ("TEAPOT", 1)))
        await house.until(1, "picking")
        await house.pick_and_pack("lyon")
        house.shop.place(order_for(1, ("TEAPOT", 1), standing="cancelled"))
        await house.until(1, "shipped")
        while not (anomalies := await house.journal.anomalies(10)):
            await trio.sleep(0.01)
        assert anomalies[0].problem == "cancelled_too_late"


async def test_the_census_in_memory_is_that_of_the_index() -> None:
    async with open_house({"lyon": {"TEAPOT": 2, "CUP": 1}, "nantes": {}}) as house:
        for number, lines in enumerate([("TEAPOT", 1), ("TEAPOT", 1), ("CUP", 9), ("SAUCER", 1)], 1):
            house.shop.place(order_for(number, lines))
        house.shop.place(order_for(5, ("CUP", 1), standing="unpaid"))
        for number, stage in ((1, "picking"), (2, "picking"), (3, "backordered"), (4, "held"), (5, "held")):
            await house.until(number, stage)
        await house.pick_and_pack("lyon")
        await house.until(1, "shipped")
        await house.until(2, "shipped")
        house.shop.place(order_for(3, ("CUP", 9), standing="cancelled"))
        await house.until(3, "cancelled")
        kept, read = house.system.census, Census()
        read.load(await house.journal.orders_since(WATCHED))
        assert {state: count for state, count in kept.counts().items() if count} == {"held": 2, "shipped": 2}
        now = datetime.now(UTC)
        assert kept.counts() == read.counts()
        assert kept.by_age(now) == read.by_age(now)
        assert kept.oldest(now) == read.oldest(now)


async def test_an_order_tells_when_its_units_were_promised_and_whether_it_had_waited() -> None:
    async with open_house({"lyon": {"TEAPOT": 1}, "nantes": {}}) as house:
        house.shop.place(order_for(1, ("TEAPOT", 1)))
        at_once = await house.until(1, "picking")
        house.shop.place(order_for(2, ("TEAPOT", 1)))
        waiting = await house.until(2, "backordered")
        assert (waiting.promised, waiting.waited) == (None, True)
        await house.system.directory.ask_warehouse("lyon", Receive("D1", "TEAPOT", 1, "A-1"))
        after_all = await house.until(2, "picking")
    assert at_once.noticed is not None
    assert at_once.promised is not None
    assert after_all.promised is not None
    assert at_once.noticed <= at_once.promised <= after_all.promised
    assert (at_once.waited, after_all.waited) == (False, True)


class ForgettingCarrier(MemoryCarrier):
    """A carrier that is still printing a label when its person is forgotten."""

    def __init__(self, journal: MemoryJournal) -> None:
        super().__init__()
        self.journal = journal

    async def carry_out(self, document: LabelPurchase, contact: Contact | None) -> Outcome:
        bought = await MemoryCarrier.carry_out(self, document, contact)
        await self.journal.forget("main:7")
        return bought


async def test_a_person_who_is_forgotten_while_a_label_is_bought_leaves_no_page_of_it() -> None:
    journal = MemoryJournal()
    async with open_house(
        {"lyon": {"TEAPOT": 1}, "nantes": {}}, ForgettingCarrier(journal), journal
    ) as house:
        house.shop.place(order_for(1, ("TEAPOT", 1)))
        await house.until(1, "picking")
        await house.pick_and_pack("lyon")
        await house.until(1, "shipped")
        events = [recorded.event for recorded in await journal.read("order-main-1")]
        (label,) = [event.label for event in events if isinstance(event, ParcelLabelled)]
        assert await journal.beside(label.id) is None
        assert await journal.forget("main:7") == 0


class SlowErp(MemoryErp):
    """Answers no document before it is told to."""

    def __init__(self, stock: dict[str, dict[str, int]]) -> None:
        super().__init__(stock)
        self.asked, self.answers = trio.Event(), trio.Event()

    async def carry_out(self, document: ErpDocument, contact: Contact | None) -> Outcome:
        self.asked.set()
        await self.answers.wait()
        return await super().carry_out(document, contact)


async def test_who_drains_begins_nothing_at_one_partner_while_it_waits_for_another() -> None:
    """Else the others go on until the slow one has answered, and what they are at by then is cut short."""
    erp = SlowErp({"lyon": {"TEAPOT": 1}, "nantes": {}})
    house = House({}, erp=erp)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.system.run)
            house.shop.place(order_for(1, ("TEAPOT", 1)))
            await house.until(1, "picking")
            await erp.asked.wait()
            house.system.stop()
            await trio.testing.wait_all_tasks_blocked(0.01)
            await house.pick_and_pack("lyon")
            await house.until(1, "packed")
            await trio.sleep(0.05)
            erp.answers.set()
    assert (house.carrier.sold, len(erp.booked)) == (0, 1)
    assert [effect.effect for effect in await house.journal.pending("carrier-swift", 10)]
