"""The desk behind the control socket, over real actors with a journal and partners in memory."""

import random
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest
import trio
import trio.testing
from msgspec.structs import replace

from actors.channel import ChannelSettings
from actors.desk import Raise
from actors.domain.anomaly_events import AnomalyResolved
from actors.domain.order_events import OrderHeld
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_commands import Dispatch, Done, Pack, Pick
from actors.domain.stock_events import PackedParcel, Quantity
from actors.erp_books import ErpPiece, ExpectedLine
from actors.erp_reader import Pauses
from actors.inspection import OrderFilter
from actors.order import stream_of
from actors.partners import Partners
from actors.ports.journal import StockPicture
from actors.ports.people import Contact
from actors.ports.shop import Packing, Payload, ShopLine, ShopOrder
from actors.system import Rules, Surroundings, System
from adapters.memory.erp_books import MemoryErpBooks
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryCarrier, MemoryErp, MemoryShop
from daemon.backlog import OpenBacklog
from daemon.control.asked import (
    CapWarehouse,
    CloseGate,
    DropEffect,
    HoldOrder,
    OpenGate,
    ReleaseOrder,
    RerouteOrder,
    ResolveAnomalies,
    RetryAnomalies,
    RetryOutbox,
    TakeAnomalies,
)
from daemon.control.service import Mandate, Refused
from daemon.control.wire import Trial, WarehouseTold
from daemon.control.wire_floor import StockLevel
from daemon.control.wire_orders import ExpectedTold, PackingTold, Step
from daemon.gates import SystemGates
from daemon.order_desk import OrderDesk
from daemon.warehouse_floor import WarehouseFloor

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
TRIED = Mandate("uid 0", "", dry_run=True)


def shop_order(number: str, *lines: tuple[str, int]) -> ShopOrder:
    contact = Contact("Ada Lovelace", street="1 rue X", postcode="69001", city="Lyon", country="FR")
    return ShopOrder(
        shop_order=number,
        reference=f"REF{number}",
        standing="open",
        placed_at=AT,
        currency="EUR",
        total=Decimal(12),
        shipping=Decimal(0),
        service="standard",
        country="FR",
        lines=tuple(ShopLine(str(at), sku, units, Decimal(10)) for at, (sku, units) in enumerate(lines, 1)),
        customer="7",
        contact=contact,
        raw=b"{}",
    )


@dataclass
class Opened:
    """A desk over a system that runs."""

    desk: OrderDesk
    backlog: OpenBacklog
    system: System
    shop: MemoryShop
    erp: MemoryErp

    async def until(self, order: str, state: str) -> None:
        while (row := await self.system.journal.order_row(order)) is None or row.state != state:
            await trio.sleep(0.01)

    async def send_off(self, fulfilment: str, warehouse: str) -> None:
        """Pick one teapot, pack it, and let it leave the house."""
        parcel = PackedParcel(f"{fulfilment}.1", (Quantity("TEAPOT", 1),), 900)
        for command in (
            Pick(fulfilment, "", "TEAPOT", 1),
            Pack(fulfilment, (parcel,)),
            Dispatch(fulfilment),
        ):
            assert await self.system.directory.ask_warehouse(warehouse, command) == Done()


@asynccontextmanager
async def open_desk(*orders: ShopOrder, books: MemoryErpBooks | None = None) -> AsyncGenerator[Opened]:
    shop, erp = MemoryShop(), MemoryErp({"lyon": {"TEAPOT": 3}, "nantes": {"TEAPOT": 5, "LAMP": 1}})
    for order in orders:
        shop.place(order)
    sites = (WarehouseRule("lyon", priority=1), WarehouseRule("nantes", priority=2))
    journal = MemoryJournal()
    system = System(
        journal,
        Partners({"main": shop}, erp, {"swift": MemoryCarrier()}, books),
        (ChannelSettings("main", poll_s=0.05),),
        Rules(RoutingRules(sites), ()),
        Surroundings(lambda: AT, lambda size: b"s" * size, random.Random(1)),
        erp_pauses=Pauses(0.05, 0.05, 0.05, 0.05),
    )
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(system.run)
            backlog = OpenBacklog(system)
            desk = OrderDesk(system, journal, backlog, version="1", started_at=AT, partitions=64)
            yield Opened(desk, backlog, system, shop, erp)
            system.stop()


class SlowJournal(MemoryJournal):
    """Takes its time to tell a warehouse's stock."""

    def __init__(self) -> None:
        super().__init__()
        self.tells = trio.Event()

    async def stock_picture(self, warehouse: str) -> StockPicture:
        await self.tells.wait()
        return await super().stock_picture(warehouse)


async def test_who_asks_while_the_daemon_starts_is_told_what_is_so_and_not_that_there_is_nothing() -> None:
    """The service manager keeps the socket open over a restart: who asked meanwhile is answered at once."""
    erp, journal = MemoryErp({"lyon": {"TEAPOT": 3}}), SlowJournal()
    rules = Rules(RoutingRules((WarehouseRule("lyon"),)), ())

    def composed() -> System:
        partners = Partners({"main": MemoryShop()}, erp, {})
        surroundings = Surroundings(lambda: AT, lambda size: b"s" * size, random.Random(1))
        return System(journal, partners, (ChannelSettings("main", poll_s=0.05),), rules, surroundings)

    async def partner(system: System) -> str:
        return next(each.state for each in await OpenBacklog(system).partners() if each.partner == "erp")

    with trio.fail_after(10):
        first, second = composed(), composed()
        erp.away = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.run)
            journal.tells.set()
            while not first.stock_untold:
                await trio.sleep(0.01)
            assert await partner(first) == "has not told its stock yet"
            desk = OrderDesk(first, journal, OpenBacklog(first), version="1", started_at=AT, partitions=64)
            with pytest.raises(Refused, match="the daemon is starting"):
                await desk.reconcile(None)
            nursery.cancel_scope.cancel()
        erp.away = False
        async with trio.open_nursery() as nursery:
            await nursery.start(composed().run)
            nursery.cancel_scope.cancel()
        journal.tells = trio.Event()
        async with trio.open_nursery() as nursery:
            floor, told = WarehouseFloor(second, journal), list[int]()

            async def tell(asked: Awaitable[Sequence[StockLevel | WarehouseTold]]) -> None:
                told.extend(each.available for each in await asked)

            nursery.start_soon(second.run)
            nursery.start_soon(tell, floor.stock("lyon", "TEAPOT"))
            nursery.start_soon(tell, floor.stock_everywhere("TEAPOT"))
            nursery.start_soon(tell, SystemGates(second).warehouses())
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert told == []
            journal.tells.set()
            await second.started.wait()
            assert await partner(second) == "well"
            second.stop()
        assert told == [3, 3, 3]


async def test_why_an_order_waits_tells_when_its_units_are_expected_and_its_invoices_are_shown() -> None:
    owed = ExpectedLine("F2-7", "F1", "nantes", "LAMP", Decimal(4), date(2026, 12, 3))
    books = MemoryErpBooks(expected_=[owed, replace(owed, sku="TEAPOT", purchase_order="F2-8")])
    async with open_desk(shop_order("1", ("LAMP", 3)), books=books) as opened:
        await opened.until("main-1", "backordered")
        books.pieces_.append(ErpPiece("main-1", "C4-1", "invoice", closed=True, amount=None))
        while not (story := await opened.desk.order("main-1")).invoices or not story.expected:
            await trio.sleep(0.01)
        assert story.invoices == ("C4-1",)
        assert story.expected == (ExpectedTold("LAMP", "nantes", 4, date(2026, 12, 3), "F2-7"),)
        floor = WarehouseFloor(opened.system, MemoryJournal())
        levels = {level.sku: (level.expected, level.due) for level in await floor.stock("nantes", None)}
        assert levels == {"LAMP": (4, date(2026, 12, 3)), "TEAPOT": (4, date(2026, 12, 3))}
        told = {each.warehouse: each.expected for each in await SystemGates(opened.system).warehouses()}
        assert told == {"lyon": 0, "nantes": 8}


def kinds(tried: object) -> list[str]:
    assert isinstance(tried, Trial)
    return [each.kind for each in tried.would]


async def test_whoever_packs_reads_what_the_customer_wrote_until_the_customer_is_forgotten() -> None:
    raw = b'{"packing":{"is_gift":true,"gift_message":"Happy birthday","notes":["Ring twice"]},"order":{}}'
    orders = (
        replace(shop_order("1", ("TEAPOT", 1)), raw=raw),
        replace(shop_order("2", ("LAMP", 1)), raw=b"<a/>"),
    )
    async with open_desk(*orders) as opened:
        for order in ("main-1", "main-2"):
            await opened.until(order, "picking")
        told = (await opened.desk.order("main-1")).packing
        assert told == PackingTold(is_gift=True, gift_message="Happy birthday", notes=("Ring twice",))
        assert (await opened.desk.order("main-2")).packing == PackingTold()
        assert isinstance(opened.system.journal, MemoryJournal)
        await opened.system.journal.forget("main:7")
        assert (await opened.desk.order("main-1")).packing == PackingTold()


async def test_a_pick_list_says_what_the_customer_wrote_until_the_customer_is_forgotten() -> None:
    first = shop_order("1", ("TEAPOT", 1))
    async with open_desk(first, shop_order("2", ("LAMP", 1))) as opened:
        journal = opened.system.journal
        assert isinstance(journal, MemoryJournal)
        floor = WarehouseFloor(opened.system, journal)

        async def words(order: str) -> PackingTold:
            lists = [each for site in ("lyon", "nantes") for each in await floor.picklists(site, 10)]
            return next(each.packing for each in lists if each.order == order)

        for order in ("main-1", "main-2"):
            await opened.until(order, "picking")
            assert await words(order) == PackingTold()
        said = Packing(is_gift=True, gift_message="Happy birthday", notes=("Ring twice",))
        opened.shop.place(replace(first, packing=said, raw=msgspec.json.encode(Payload(said))))
        while await words("main-1") == PackingTold():
            await trio.sleep(0.01)
        told = PackingTold(is_gift=True, gift_message="Happy birthday", notes=("Ring twice",))
        assert (await words("main-1"), await words("main-2")) == (told, PackingTold())
        await journal.forget("main:7")
        assert await words("main-1") == PackingTold()


async def test_what_a_hold_would_record_is_told_and_not_recorded() -> None:
    async with open_desk(shop_order("1", ("TEAPOT", 1))) as opened:
        await opened.until("main-1", "picking")
        while await opened.backlog.outbox(10):
            await trio.sleep(0.01)
        before = await opened.system.journal.read(stream_of("main-1"))
        tried = await opened.desk.hold("main-1", HoldOrder(reason="call first"), TRIED)
        assert kinds(tried) == ["order.held"]
        assert kinds(await opened.desk.release("main-1", ReleaseOrder(), TRIED)) == []
        assert kinds(await opened.desk.cancel("main-1", TRIED)) == ["order.cancel_asked"]
        assert await opened.system.journal.read(stream_of("main-1")) == before
        with pytest.raises(Refused, match="no order main-2"):
            await opened.desk.hold("main-2", HoldOrder(reason="r"), TRIED)


async def test_a_hold_until_the_end_of_dates_in_another_zone_is_one_that_utc_can_say() -> None:
    async with open_desk(shop_order("1", ("TEAPOT", 1))) as opened:
        await opened.until("main-1", "picking")
        at = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-5)))
        await opened.desk.hold("main-1", HoldOrder(reason="for ever", expires_at=at), Mandate("uid 7", "k"))
        recorded = [each.event for each in await opened.system.journal.read(stream_of("main-1"))]
        (held,) = [event for event in recorded if isinstance(event, OrderHeld)]
        assert held.expires_at == datetime.max.replace(tzinfo=UTC)


async def test_orders_are_listed_by_what_is_asked_for() -> None:
    async with open_desk(shop_order("1", ("TEAPOT", 1)), shop_order("2", ("LAMP", 1))) as opened:
        await opened.until("main-1", "picking")
        await opened.until("main-2", "picking")
        in_nantes = await opened.desk.orders(OrderFilter(warehouse="nantes"), 10)
        assert [row.order for row in in_nantes] == ["main-2"]
        assert await opened.desk.orders(OrderFilter(states=("held",)), 10) == []


async def test_an_orders_timeline_says_who_did_what_and_how_long_a_partner_took() -> None:
    async with open_desk(shop_order("1", ("TEAPOT", 1))) as opened:
        await opened.until("main-1", "picking")
        while await opened.backlog.outbox(10):
            await trio.sleep(0.01)
        told = {step.kind: step for step in (await opened.desk.order("main-1")).timeline}
        assert told["order.imported"].actor == "channel main"
        assert told["order.routed"].actor == "order"
        assert (told["order.allocated"].actor, told["order.allocated"].cause) == (
            "warehouse lyon",
            "main-1.1",
        )
        done = [
            step for step in (await opened.desk.order("main-1")).timeline if step.kind == "order.effect_done"
        ]
        assert {step.actor for step in done} == {"erp", "shop-main"}
        assert all(step.seconds is not None and step.call.startswith(f"{step.actor}: ") for step in done)


async def test_an_orders_timeline_says_what_it_kept_after_an_edit_and_who_took_back_the_rest() -> None:
    async with open_desk(shop_order("1", ("TEAPOT", 2))) as opened:
        await opened.until("main-1", "picking")
        opened.shop.place(shop_order("1", ("TEAPOT", 1)))
        told: dict[str, Step] = {}
        while "order.allocation_reduced" not in told:
            await trio.sleep(0.01)
            told = {step.kind: step for step in (await opened.desk.order("main-1")).timeline}
        kept, back = told["order.promises_kept"], told["order.allocation_reduced"]
        one = ({"sku": "TEAPOT", "units": 1},)
        part = {"fulfilment": "main-1.1", "warehouse": "lyon", "lines": one}
        assert (kept.actor, kept.data) == ("order", {"kept": (part,)})
        assert (back.actor, back.cause, back.data["lines"]) == ("warehouse lyon", "main-1.1", one)


async def test_what_a_person_settles_or_retries_reaches_whom_it_concerns() -> None:
    async with open_desk(shop_order("1", ("UNHEARD-OF", 1))) as opened:
        await opened.until("main-1", "held")
        (matter,) = await opened.backlog.anomalies(10)
        asked = ResolveAnomalies(anomalies=(matter.anomaly,))
        assert kinds(await opened.backlog.resolve(asked, TRIED)) == ["anomaly.resolved"]
        assert len(await opened.backlog.anomalies(10)) == 1
        await opened.backlog.resolve(asked, Mandate("uid 7", "k"))
        assert await opened.backlog.anomalies(10) == []
        recorded = await opened.system.journal.read(stream_of("main-1"))
        assert recorded[-1].event == AnomalyResolved(matter.anomaly, "uid 7")
        with pytest.raises(Refused, match="no open anomaly"):
            await opened.backlog.resolve(asked, Mandate("uid 7", "l"))
        await opened.system.desk.raise_anomaly(Raise("late:erp", "partner_behind", "d", "m"))
        await opened.backlog.retry_anomalies(RetryAnomalies(), Mandate("uid 7", "m"))
        await opened.backlog.resolve(ResolveAnomalies(anomalies=("late:erp",)), Mandate("uid 7", "n"))
        assert await opened.backlog.anomalies(10) == []


async def test_an_anomaly_is_looked_after_by_one_person_until_another_takes_it_over() -> None:
    async with open_desk(shop_order("1", ("UNHEARD-OF", 1))) as opened:
        await opened.until("main-1", "held")
        (matter,) = await opened.backlog.anomalies(10)
        assert (matter.taken_by, matter.taken_at) == ("", None)
        asked = TakeAnomalies(anomalies=(matter.anomaly,))
        assert kinds(await opened.backlog.take(asked, TRIED)) == ["anomaly.taken"]
        for key in ("k", "k"):
            await opened.backlog.take(asked, Mandate("uid 7", key))
        (taken,) = await opened.backlog.anomalies(10)
        assert (taken.taken_by, taken.taken_at) == ("uid 7", AT)
        with pytest.raises(Refused, match=r"uid 7 looks after .* since 2026-11-23 09:00 UTC"):
            await opened.backlog.take(asked, Mandate("uid 8", "l"))
        over = TakeAnomalies(anomalies=(matter.anomaly,), over=True)
        await opened.backlog.take(over, Mandate("uid 8", "m"))
        (taken,) = await opened.backlog.anomalies(10)
        assert taken.taken_by == "uid 8"
        await opened.backlog.resolve(ResolveAnomalies(anomalies=(matter.anomaly,)), Mandate("uid 8", "n"))
        with pytest.raises(Refused, match="no open anomaly"):
            await opened.backlog.take(asked, Mandate("uid 7", "o"))


async def test_what_is_given_up_is_told_no_more_and_can_be_asked_for_again() -> None:
    async with open_desk() as opened:
        opened.erp.away = True
        opened.shop.place(shop_order("1", ("TEAPOT", 1)))
        await opened.until("main-1", "picking")
        asked = DropEffect(effect="erp-order:main-1", reason="booked by hand")
        assert kinds(await opened.backlog.drop(asked, TRIED)) == ["order.effect_refused"]
        await opened.backlog.drop(asked, Mandate("uid 7", "k"))
        assert [each.effect for each in await opened.backlog.outbox(10) if each.partner == "erp"] == []
        (matter,) = await opened.backlog.anomalies(10)
        assert "given up by uid 7: booked by hand" in matter.detail
        with pytest.raises(Refused, match="nobody has still to be told"):
            await opened.backlog.drop(asked, Mandate("uid 7", "l"))
        with pytest.raises(Refused, match="there is no partner moon: erp, shop-main, carrier-swift"):
            await opened.backlog.retry_outbox(RetryOutbox(partner="moon"), Mandate("uid 7", "m"))
        opened.erp.away = False
        await opened.backlog.retry_anomalies(RetryAnomalies(), Mandate("uid 7", "n"))
        while "main-1" not in str(opened.erp.booked):
            await trio.sleep(0.01)
        assert await opened.backlog.anomalies(10) == []


async def test_an_order_that_a_person_reroutes_leaves_the_warehouse_that_is_to_be_avoided() -> None:
    async with open_desk(shop_order("1", ("TEAPOT", 2))) as opened:
        await opened.until("main-1", "picking")
        asked = RerouteOrder(avoid="lyon")
        assert kinds(await opened.desk.reroute("main-1", asked, TRIED)) == ["order.reroute_asked"]
        await opened.desk.reroute("main-1", asked, Mandate("uid 7", "k"))
        while not await opened.desk.orders(OrderFilter(warehouse="nantes", states=("picking",)), 10):
            await trio.sleep(0.01)
        shelves = {
            name: house.stock.shelves["TEAPOT"] for name, house in opened.system.directory.warehouses.items()
        }
        assert {name: (shelf.available, shelf.reserved) for name, shelf in shelves.items()} == {
            "lyon": (3, 0),
            "nantes": (3, 2),
        }
        with pytest.raises(Refused, match="there is no warehouse paris"):
            await opened.desk.reroute("main-1", RerouteOrder(avoid="paris"), Mandate("uid 7", "l"))


async def test_whoever_asks_for_what_cannot_come_of_it_is_told_so() -> None:
    async with open_desk(shop_order("1", ("TEAPOT", 1))) as opened:
        await opened.until("main-1", "picking")
        desk = opened.desk
        await desk.hold("main-1", HoldOrder(reason="call first", hold="address"), Mandate("uid 7", "k"))
        with pytest.raises(Refused, match="main-1 has no hold manual: it has address"):
            await desk.release("main-1", ReleaseOrder(), Mandate("uid 7", "l"))
        await desk.release("main-1", ReleaseOrder(hold="address"), Mandate("uid 7", "m"))
        await desk.release("main-1", ReleaseOrder(hold="address"), Mandate("uid 7", "n"))  # it is so already
        await desk.cancel("main-1", Mandate("uid 7", "o"))
        with pytest.raises(Refused, match="main-1 is cancelled already"):
            await desk.reroute("main-1", RerouteOrder(), Mandate("uid 7", "p"))
        assert await desk.orders(OrderFilter(warehouse="nantes"), 10) == []
        for wanted, no in (
            (OrderFilter(warehouse="nante"), "there is no warehouse nante: lyon, nantes"),
            (OrderFilter(channel="mian"), "there is no channel mian: main"),
        ):
            with pytest.raises(Refused, match=no):
                await desk.orders(wanted, 10)


async def test_a_closed_warehouse_gets_no_new_order_and_an_opened_one_wakes_those_that_waited() -> None:
    async with open_desk() as opened:
        gates = SystemGates(opened.system)
        asked = CloseGate(reason="flood")
        assert kinds(await gates.close_warehouse("nantes", asked, TRIED)) == ["gate.shut"]
        await gates.close_warehouse("nantes", asked, Mandate("uid 7", "k"))
        told = {each.warehouse: each for each in await gates.warehouses()}
        assert (told["nantes"].is_open, told["nantes"].reason, told["nantes"].closed_by) == (
            False,
            "flood",
            "uid 7",
        )
        assert (told["lyon"].is_open, told["lyon"].available) == (True, 3)
        opened.shop.place(shop_order("1", ("LAMP", 1)))
        await opened.until("main-1", "backordered")
        assert (await opened.desk.status()).rules.endswith(" without nantes")
        await gates.open_warehouse("nantes", OpenGate(), Mandate("uid 7", "l"))
        await opened.until("main-1", "picking")
        with pytest.raises(Refused, match="there is no carrier snail: swift"):
            await gates.close_carrier("snail", asked, Mandate("uid 7", "m"))


async def test_a_warehouse_at_its_cap_gets_the_next_order_once_one_has_left_it_and_says_so() -> None:
    async with open_desk() as opened:
        gates, desk = SystemGates(opened.system), opened.desk
        asked = CapWarehouse(in_hand_max=1, reason="two pickers are ill")
        assert kinds(await gates.cap_warehouse("nantes", asked, TRIED)) == ["gate.capped"]
        await gates.cap_warehouse("nantes", asked, Mandate("uid 7", "k"))
        await gates.close_warehouse("lyon", CloseGate(reason="flood"), Mandate("uid 7", "l"))
        for number in ("1", "2", "3"):
            opened.shop.place(shop_order(number, ("TEAPOT", 1)))
        while sum((await desk.status()).orders.values()) < 3 or "allocating" in (await desk.status()).orders:
            await trio.sleep(0.01)
        assert (await desk.status()).orders == {"picking": 1, "backordered": 2}
        (told,) = [each for each in await gates.warehouses() if each.warehouse == "nantes"]
        assert (told.fulfilments, told.in_hand_max, told.cap_reason) == (1, 1, "two pickers are ill")
        (first,) = await desk.orders(OrderFilter(states=("picking",)), 10)
        waiting = await desk.orders(OrderFilter(states=("backordered",)), 10)
        why = (await desk.order(waiting[0].order)).routing[-1]
        assert [each.rejected for each in why.candidates] == ["nantes has 1 in hand, its cap"]
        assert why.rules.endswith(" without lyon, at most 1 at nantes")
        await opened.send_off(f"{first.order}.1", "nantes")
        await opened.until(waiting[0].order, "picking")
        assert (await desk.status()).orders == {"packed": 1, "picking": 1, "backordered": 1}
        lifted = CapWarehouse(in_hand_max=None, reason="they are back")
        await gates.cap_warehouse("nantes", lifted, Mandate("uid 7", "n"))
        await opened.until(waiting[1].order, "picking")
