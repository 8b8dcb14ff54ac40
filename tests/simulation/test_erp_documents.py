"""All actors before a simulated Divalto, over HTTP: what the shop and the floor change, its books follow."""

import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal

import pytest
import structlog
import trio
from msgspec.structs import replace

from actors.channel import ChannelSettings
from actors.domain.carrier_choice import CarrierRule
from actors.domain.order_commands import Reroute, TakeBack, Wake
from actors.domain.order_state import Order
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_commands import Done, Pack, Pick
from actors.domain.stock_events import PackedParcel, Quantity
from actors.erp_reader import Arrival, Pauses
from actors.partners import Partners
from actors.ports.people import Contact
from actors.ports.shop import ShopLine, ShopOrder
from actors.system import Rules, Surroundings, System
from adapters.erps.divalto.simulator import PieceSeen, is_write
from adapters.erps.divalto.simulator.rehearsal import Site, open_site
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryCarrier, MemoryShop
from tests.orders import shop_order

RULES = Rules(
    RoutingRules((WarehouseRule("paris", priority=1), WarehouseRule("lyon", priority=2))),
    (CarrierRule("swift", "home"),),
)
ZOE = Contact("Zoe Martin", street="1 rue du Port", postcode="69008", city="Lyon", country="FR")


@pytest.fixture(autouse=True)
def quiet() -> object:
    with structlog.testing.capture_logs() as logged:
        yield logged


def sold(lines: Mapping[str, int], number: int = 1) -> ShopOrder:
    return shop_order(
        number,
        lines=tuple(ShopLine(sku, sku, units, Decimal("12.50")) for sku, units in lines.items()),
        contact=ZOE,
    )


class House:
    """A merchant whose shop and carrier are fakes, and whose ERP answers over HTTP."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.journal = MemoryJournal()
        self.shop = MemoryShop()
        self.system = System(
            self.journal,
            Partners({"main": self.shop}, site.erp, {"swift": MemoryCarrier()}, site.erp.books),
            (ChannelSettings("main", poll_s=0.01),),
            RULES,
            Surroundings(site.now, lambda size: b"s" * size, random.Random(1)),
            carrier_poll_s=0.01,
            erp_pauses=Pauses(0.05, 0.05, 0.05, 0.05),
        )

    async def order(self, number: int = 1) -> Order:
        return await self.system.hall.ask(f"main-{number}", Wake())

    async def becomes(self, is_so: Callable[[], bool]) -> None:
        """Return once it is so and the ERP has been told everything."""
        while not is_so() or await self.journal.pending("erp", 1):
            await trio.sleep(0.01)

    async def stands(self, stage: str, number: int = 1) -> None:
        """Return once the order is in that stage and the ERP has been told everything."""
        while True:
            row = await self.journal.order_row(f"main-{number}")
            if row is not None and row.state == stage and not await self.journal.pending("erp", 1):
                return
            await trio.sleep(0.01)

    def pieces(self, picod: int) -> list[PieceSeen]:
        return [piece for piece in self.site.divalto.pieces() if piece.picod == picod]

    async def pick_and_pack(self, warehouse: str) -> None:
        """Do everything that the floor of a warehouse can do now."""
        directory = self.system.directory
        stock = directory.warehouses[warehouse].stock
        for fulfilment in [each for each in stock.fulfilments.values() if each.state == "floor"]:
            name = fulfilment.fulfilment
            for line in fulfilment.lines:
                pick = Pick(name, stock.shelves[line.sku].slot, line.sku, line.to_pick)
                assert await directory.ask_warehouse(warehouse, pick) == Done()
            contents = tuple(Quantity(line.sku, line.picked) for line in fulfilment.lines)
            pack = Pack(name, (PackedParcel(f"{name}.1", contents, 900),))
            assert await directory.ask_warehouse(warehouse, pack) == Done()


def summed(lines: Iterable[tuple[str, str, int | Decimal]]) -> Counter[tuple[str, str]]:
    """Return the units by article and depot."""
    units: Counter[tuple[str, str]] = Counter()
    for article, depot, count in lines:
        units[article, depot] += int(count)
    return units


@asynccontextmanager
async def open_house() -> AsyncGenerator[House]:
    with trio.fail_after(20):
        async with open_site() as site, trio.open_nursery() as nursery:
            house = House(site)
            await nursery.start(house.system.run)
            yield house
            house.system.stop()


async def test_an_order_that_is_edited_before_its_pack_is_changed_in_divalto_and_delivered_so() -> None:
    async with open_house() as house:
        house.shop.place(sold({"TEAPOT": 3, "CUP": 1}))
        await house.stands("picking")
        house.site.divalto.faults.lose_next(is_write)  # the answer to the change
        house.shop.place(sold({"TEAPOT": 1, "CUP": 2}))
        fee = ("PORT", "D01", 1)
        kept, added = (("TEAPOT", "D01", 1), ("CUP", "D01", 1)), ("CUP", "D01", 1)
        await house.becomes(lambda: summed(house.pieces(2)[0].lines) == summed((*kept, added, fee)))
        await house.pick_and_pack("paris")
        await house.stands("shipped")
        notes = house.pieces(3)
        assert len(notes) == 2, "what was kept leaves as it was promised, what was added beside it"
        assert summed(line for note in notes for line in note.lines) == summed((*kept, added, fee))
        stock = await house.site.erp.stock()
        assert (stock["paris"]["TEAPOT"], stock["paris"]["CUP"]) == (9, 18)
        assert house.site.divalto.duplicates() == ()
        assert not (await house.order()).anomalies


async def test_an_order_that_is_rerouted_after_it_was_booked_is_delivered_from_its_new_depot() -> None:
    async with open_house() as house:
        house.shop.place(sold({"TEAPOT": 2}))
        await house.stands("picking")
        assert house.pieces(2)[0].lines[0] == ("TEAPOT", "D01", 2)
        await house.system.hall.ask("main-1", Reroute("jane", "paris"))
        await house.becomes(lambda: ("TEAPOT", "D02", 2) in house.pieces(2)[0].lines)
        await house.pick_and_pack("lyon")
        await house.stands("shipped")
        stock = await house.site.erp.stock()
        assert (stock["paris"]["TEAPOT"], stock["lyon"]["TEAPOT"]) == (10, 3)


async def test_an_order_that_the_shop_empties_after_a_part_was_refunded_is_closed_once() -> None:
    async with open_house() as house:
        house.shop.place(sold({"TEAPOT": 2, "CUP": 1}))
        await house.stands("picking")
        refunded = sold({"CUP": 1})
        house.shop.place(replace(refunded, refunded=("TEAPOT",)))
        await house.becomes(lambda: all(line[0] != "TEAPOT" for line in house.pieces(2)[0].lines))
        house.shop.place(replace(refunded, standing="cancelled"))
        await house.stands("cancelled")
        assert house.pieces(2)[0].closed
        shelves = house.system.directory.warehouses["paris"].stock.shelves
        assert (shelves["TEAPOT"].available, shelves["CUP"].available) == (10, 20)
        assert (await house.site.erp.stock())["paris"] == {"TEAPOT": 10, "CUP": 20}


async def test_what_comes_back_is_credited_in_divalto_and_in_stock_once_whatever_becomes_of_the_answers() -> (
    None
):
    async with open_house() as house:
        house.shop.place(sold({"TEAPOT": 3}))
        await house.stands("picking")
        await house.pick_and_pack("paris")
        await house.stands("shipped")
        shelf = house.system.directory.warehouses["paris"].stock.shelves["TEAPOT"]
        assert shelf.available == 7
        house.site.divalto.faults.lose_next(is_write)
        back = TakeBack("R1/TEAPOT", "paris", "TEAPOT", 1, "sellable", "", "jane")
        damaged = TakeBack("R2/TEAPOT", "paris", "TEAPOT", 1, "damaged", "", "jane")
        for command in (back, back, damaged):
            await house.system.hall.ask("main-1", command)
        await house.becomes(lambda: len(house.pieces(4)) == 2)
        assert [piece.reference for piece in house.pieces(4)] == ["main-1.R1", "main-1.R2"]
        assert [piece.lines for piece in house.pieces(4)] == [(("TEAPOT", "D01", 1),)] * 2
        assert (shelf.available, shelf.quarantine) == (8, 1)
        assert (await house.site.erp.stock())["paris"]["TEAPOT"] == 9
        assert house.site.divalto.duplicates() == ()


async def test_an_article_that_divalto_has_closed_holds_its_orders_until_it_is_opened_again() -> None:
    async with open_house() as house:
        house.site.divalto.close_article("CUP")
        await house.becomes(lambda: house.system.facts().erp.closed == {"CUP"})
        house.shop.place(sold({"CUP": 1}))
        await house.stands("held")
        assert (await house.order()).holds["erp"].reasons == ("the ERP has closed the article CUP",)
        assert house.site.divalto.pieces() == ()


async def test_a_customer_that_divalto_has_blocked_holds_every_order_until_it_is_free_again() -> None:
    async with open_house() as house:
        house.site.divalto.add_third_party("C", "WEB", feu=3)
        await house.becomes(lambda: bool(house.system.facts().erp.customers))
        house.shop.place(sold({"TEAPOT": 1}))
        await house.stands("held")
        (anomaly,) = [each for each in await house.journal.anomalies(10) if each.stream == "desk"]
        assert anomaly.detail == "orders of main are held: the ERP has blocked the customer WEB"
        house.site.divalto.add_third_party("C", "WEB")
        await house.stands("picking")
        assert await house.journal.anomalies(10) == []


async def test_the_invoice_that_accounts_make_comes_back_to_its_order_once() -> None:
    async with open_house() as house:
        house.shop.place(sold({"TEAPOT": 1}))
        await house.stands("picking")
        await house.pick_and_pack("paris")
        await house.stands("shipped")
        await house.system.hall.ask(
            "main-1", TakeBack("R1/TEAPOT", "paris", "TEAPOT", 1, "sellable", "", "jane")
        )
        invoice = house.site.divalto.invoice("main-1.1")
        while (await house.order()).erp.invoices != (invoice,):
            await trio.sleep(0.01)
        await trio.sleep(0.2)
        assert (await house.order()).erp.invoices == (invoice,), "neither twice nor the credit note"


async def test_what_suppliers_owe_is_known_by_warehouse_and_date() -> None:
    async with open_house() as house:
        name = house.site.divalto.expect("F0000001", "CUP", "D01", 40, "20261203")
        await house.becomes(lambda: bool(house.system.expected))
        assert house.system.expected == {("paris", "CUP"): [Arrival(name, 40, date(2026, 12, 3))]}
