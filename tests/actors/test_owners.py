"""The way back: what a partner answered is recorded once, wherever it was asked for."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import trio
import trio.testing

from actors.attempt import Taken
from actors.desk import Desk, Matter
from actors.directory import Directory, WarehouseHandle
from actors.domain.documents import ErpReception, LabelPurchase
from actors.domain.order_draft import Facts
from actors.domain.order_events import Beside, EffectRequested, OrderImported, OrderLine, ParcelLabelled
from actors.domain.routing import RoutingRules
from actors.domain.stock_commands import Receive
from actors.domain.stock_events import (
    StockEffectDone,
    StockEffectRefused,
    StockEffectRequested,
    StockReceived,
)
from actors.mailbox import Mailbox
from actors.order import OrderHall
from actors.owners import Owners
from actors.ports.journal import Append, PendingEffect
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from actors.warehouse import Warehouse
from adapters.memory.journal import MemoryJournal

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
RECEPTION = ErpReception("D1", "lyon", (), NINE)
TOLD = PendingEffect("erp-reception:D1", "stock-lyon", "erp", RECEPTION, NINE)
LABEL = LabelPurchase("main-1.1.1", "swift", "home", "lyon", "FR", 900, contact="main-1:contact")


class House:
    """Owners, and all to whom they hand something."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.lyon: WarehouseHandle = WarehouseHandle("lyon", Mailbox(10))
        self.directory = Directory({"lyon": self.lyon})
        self.hall = OrderHall(self.journal, self.directory, facts, nobody, lambda *_: None)
        self.desk = Desk(self.journal, now, Mailbox[Matter](10))
        self.owners = Owners(self.hall, self.directory, self.desk, lambda size: b"s" * size)
        self.warehouse = Warehouse(self.lyon, self.journal, self.directory, self.hall.tell, now)

    async def kinds(self, stream: str) -> list[type]:
        return [type(each.event) for each in await self.journal.read(stream)]


def now() -> datetime:
    return NINE


def facts() -> Facts:
    return Facts(NINE, RoutingRules(()), (), lambda _site, _sku: 0, lambda _sku: True)


async def nobody(*_: str) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_house(*, desk: bool = True) -> AsyncGenerator[House]:
    house = House()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.hall.run)
            if desk:
                await nursery.start(house.desk.run)
            await nursery.start(house.warehouse.run)
            effect = StockEffectRequested(TOLD.effect, "erp", RECEPTION)
            await house.directory.ask_warehouse("lyon", Receive("D1", "TEAPOT", 1, "A-1", (effect,)))
            yield house
            nursery.cancel_scope.cancel()


async def test_a_document_that_is_found_twice_is_recorded_once() -> None:
    async with open_house() as house:
        await house.owners.settle([Taken(TOLD, Outcome("N1"), None)])
        await house.owners.settle([Taken(TOLD, Outcome("N1"), None)])
        assert (await house.kinds("stock-lyon")).count(StockEffectDone) == 1
        assert await house.journal.pending("erp", 10) == []


async def test_a_document_that_the_erp_refuses_is_recorded_once_and_put_before_a_person() -> None:
    async with open_house() as house:
        await house.owners.refuse(TOLD, "no such depot")
        await house.owners.refuse(TOLD, "no such depot")
        assert (await house.kinds("stock-lyon")).count(StockEffectRefused) == 1
        (anomaly,) = await house.journal.anomalies(10)
        assert (anomaly.problem, anomaly.detail) == ("refused_by_partner", "no such depot")


async def test_a_refusal_is_not_over_before_a_person_can_see_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_house(desk=False) as house:
        with trio.move_on_after(1):  # the daemon falls while the desk records
            await house.owners.refuse(TOLD, "no such depot")
        assert await house.kinds("stock-lyon") == [StockReceived, StockEffectRequested]
        assert [each.effect for each in await house.journal.pending("erp", 10)] == [TOLD.effect]


async def test_what_a_partner_remarked_on_what_it_took_is_put_before_a_person_once() -> None:
    async with open_house() as house:
        told = Outcome("N1", remark="it comes to 13.96 there, to 13.90 here")
        await house.owners.settle([Taken(TOLD, told, None)])
        await house.owners.settle([Taken(TOLD, told, None)])
        (anomaly,) = await house.journal.anomalies(10)
        assert anomaly.problem == "partner_differs"
        assert anomaly.detail == "erp-reception:D1: it comes to 13.96 there, to 13.90 here"
        assert (await house.kinds("stock-lyon")).count(StockEffectDone) == 1


async def test_nonsense_is_settled_by_the_answer_that_makes_sense() -> None:
    async with open_house() as house:
        await house.owners.report(TOLD, "HTML instead of JSON")
        assert [each.problem for each in await house.journal.anomalies(10)] == ["partner_nonsense"]
        await house.owners.settle([Taken(TOLD, Outcome("N1"), None)])
        assert await house.journal.anomalies(10) == []


async def test_a_label_is_kept_beside_the_log_under_the_name_of_its_person() -> None:
    lines = (OrderLine("1", "TEAPOT", 1, Decimal(5)),)
    imported = OrderImported(
        channel="main",
        shop_order="1",
        reference="R",
        placed_at=NINE,
        currency="EUR",
        total=Decimal(5),
        shipping=Decimal(0),
        service="",
        country="FR",
        lines=lines,
        contact=Beside("main-1:contact", "d"),
        payload=Beside("main-1:payload", "d"),
    )
    asked = EffectRequested("label:main-1.1.1", "carrier-swift", LABEL)
    async with open_house() as house:
        await house.journal.append(Append("order-main-1", 0, (imported, asked), NINE))
        effect = PendingEffect(asked.effect, "order-main-1", asked.partner, LABEL, NINE)
        outcome = Outcome("N1", tracking="", price=Decimal("4.90"), currency="EUR", pages=b"^XA")
        for _ in range(2):
            await house.owners.settle([Taken(effect, outcome, Contact("Camille Martin", customer="main:7"))])
        assert (await house.kinds("order-main-1")).count(ParcelLabelled) == 1, (
            "even without a tracking number"
        )
        assert await house.journal.beside("main-1:label:main-1.1.1") == b"^XA"
        assert "Camille" not in repr(house.journal.streams)
