"""A daemon that dies between a fact and whoever should hear of it: the next one makes up for it."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import trio
import trio.testing

from actors.channel import ChannelSettings
from actors.directory import Keyed
from actors.domain.carrier_choice import CarrierRule
from actors.domain.ledger import apply
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_commands import Done, Receive, ReportShort
from actors.domain.stock_events import PickFellShort, ReservationConfirmed, StockReceived, UnitsReserved
from actors.partners import Partners
from actors.ports.journal import Append, StockPicture
from actors.rows import fulfilment_row
from actors.system import Rules, Surroundings, System
from actors.warehouse import restore
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryCarrier, MemoryErp, MemoryShop
from tests.orders import shop_order

SITES = (WarehouseRule("lyon", priority=1), WarehouseRule("nantes", priority=2))
RULES = Rules(RoutingRules(SITES), (CarrierRule("swift", "home"),))


class NantesIsLate(MemoryJournal):
    """A journal that shows one warehouse's stock only when nobody else has anything to do any more."""

    async def stock_picture(self, warehouse: str) -> StockPicture:
        if warehouse == "nantes":
            await trio.testing.wait_all_tasks_blocked()
        return await MemoryJournal.stock_picture(self, warehouse)


class Wharf:
    """What outlives a daemon."""

    def __init__(self, **stock: int) -> None:
        self.journal = NantesIsLate()
        self.shop = MemoryShop()
        self.erp = MemoryErp({"lyon": dict(stock), "nantes": {}})
        self.carrier = MemoryCarrier()

    @asynccontextmanager
    async def daemon(self) -> AsyncGenerator[System]:
        """Run a daemon, and kill it."""
        system = System(
            self.journal,
            Partners({"main": self.shop}, self.erp, {"swift": self.carrier}),
            (ChannelSettings("main", poll_s=0.01),),
            RULES,
            Surroundings(lambda: datetime.now(UTC), lambda size: b"s" * size, random.Random(1)),
        )
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                await nursery.start(system.run)
                yield system
                nursery.cancel_scope.cancel()

    async def until(self, stage: str) -> None:
        while (row := await self.journal.order_row("main-1")) is None or row.state != stage:
            await trio.sleep(0.005)

    def place(self, units: int) -> None:
        order = shop_order(1, ("TEAPOT", units))
        self.shop.place(order)

    async def receive_unheard(self, units: int) -> None:
        """Take goods in as a daemon does that dies right after the commit."""
        version = len(self.journal.streams["stock-lyon"])
        received = StockReceived("D9", "TEAPOT", units, "")
        await self.journal.append(Append("stock-lyon", version, (received,), datetime.now(UTC)))

    async def fall_short_unheard(self) -> None:
        """Have the floor not find the order's teapot, as of which a daemon dies that has just recorded it."""
        picture = await self.journal.stock_picture("lyon")
        short = PickFellShort("main-1.1", "TEAPOT", 1, "", "not there")
        known = apply(restore(picture), short)
        assert known is not None
        rows = (fulfilment_row(known, "lyon"),)
        append = Append("stock-lyon", picture.version, (short,), datetime.now(UTC), fulfilments=rows)
        await self.journal.append(append)


async def test_units_that_came_unheard_free_the_order_that_waits_for_them() -> None:
    wharf = Wharf(TEAPOT=1)
    async with wharf.daemon():
        wharf.place(2)
        await wharf.until("backordered")
    await wharf.receive_unheard(1)
    async with wharf.daemon():
        await wharf.until("picking")


async def test_units_that_came_unheard_are_looked_for_even_where_the_floor_had_found_none() -> None:
    wharf = Wharf(TEAPOT=2)
    async with wharf.daemon() as system:
        wharf.place(1)
        await wharf.until("picking")
        short = Keyed("k1", ReportShort("main-1.1", "", "TEAPOT", 1, "not there"))
        assert await system.directory.ask_warehouse("lyon", short) == Done()
        await wharf.until("backordered")
    await wharf.receive_unheard(1)
    async with wharf.daemon():
        await wharf.until("picking")


async def test_what_a_floor_did_not_find_unheard_is_routed_by_all_warehouses_and_what_the_shop_says() -> None:
    wharf = Wharf(TEAPOT=1)
    wharf.erp.stock_["nantes"]["TEAPOT"] = 1
    async with wharf.daemon():
        wharf.place(1)
        await wharf.until("picking")
    wharf.shop.place(shop_order(1, ("TEAPOT", 1), standing="cancelled"))
    await wharf.fall_short_unheard()
    async with wharf.daemon():
        await wharf.until("cancelled")
    order = [type(each.event).__name__ for each in await wharf.journal.read("order-main-1")]
    assert "OrderBackordered" not in order, "nantes has one"
    nantes = [each.event for each in await wharf.journal.read("stock-nantes")]
    assert not any(isinstance(event, ReservationConfirmed) for event in nantes), "it was cancelled meanwhile"
    assert all(event.expires_at for event in nantes if isinstance(event, UnitsReserved))


async def test_a_daemon_that_is_stopped_before_the_erp_answers_ends() -> None:
    wharf = Wharf(TEAPOT=1)
    wharf.erp.away = True
    system = System(
        wharf.journal,
        Partners({"main": wharf.shop}, wharf.erp, {"swift": wharf.carrier}),
        (ChannelSettings("main"),),
        RULES,
        Surroundings(lambda: datetime.now(UTC), lambda size: b"s" * size, random.Random(1)),
    )
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(system.run)
            await trio.sleep(0.1)
            system.stop()


async def test_a_reception_is_heard_while_the_daemon_lives() -> None:
    wharf = Wharf(TEAPOT=1)
    async with wharf.daemon() as system:
        wharf.place(2)
        await wharf.until("backordered")
        receive = Keyed("k1", Receive("D1", "TEAPOT", 1, ""))
        assert await system.directory.ask_warehouse("lyon", receive) == Done()
        await wharf.until("picking")
