"""What is read of the ERP: when, what becomes of it, and what is said when it cannot be."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import trio

from actors.desk import Desk
from actors.directory import Directory
from actors.domain.order_commands import Import
from actors.domain.order_draft import Facts
from actors.domain.order_events import Beside, OrderInvoiced, OrderLine
from actors.domain.order_state import Order
from actors.domain.partitions import order_stream
from actors.domain.routing import RoutingRules
from actors.erp_books import ErpArticle, ErpCustomerFlags, ErpPiece, ExpectedLine
from actors.erp_reader import TOLD_AFTER, Arrival, ErpReader, Pauses, why_not
from actors.mailbox import Mailbox
from actors.order import OrderHall
from adapters.memory.erp_books import MemoryErpBooks
from adapters.memory.journal import MemoryJournal

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


class House:
    """A reader, and those whom it tells something."""

    def __init__(self) -> None:
        self.books = MemoryErpBooks()
        self.journal = MemoryJournal()
        self.hall = OrderHall(self.journal, Directory({}), self.facts, nobody, lambda _b, _a, _e: None)
        self.desk = Desk(self.journal, lambda: NINE, Mailbox(10))
        self.reader = ErpReader(self.books, self.journal, self.hall, self.desk, ("main",), Pauses())

    def facts(self) -> Facts:
        return Facts(
            NINE, RoutingRules(()), (), lambda _site, _sku: 0, lambda _sku: True, erp=self.reader.word
        )

    async def sold(self, sku: str) -> Order:
        """Import the order main-1."""
        command = Import(
            channel="main",
            shop_order="1",
            reference="REF1",
            standing="open",
            placed_at=NINE,
            currency="EUR",
            total=Decimal(5),
            shipping=Decimal(0),
            service="",
            country="FR",
            lines=(OrderLine("1", sku, 1, Decimal(5)),),
            address_problems=(),
            contact=Beside("main-1:contact", "d"),
            payload=Beside("main-1:payload", "d"),
        )
        return await self.hall.ask("main-1", command)

    async def state(self) -> str:
        row = await self.journal.order_row("main-1")
        return row.state if row is not None else ""

    async def problems(self) -> list[tuple[str, str]]:
        return [(each.anomaly, each.problem) for each in await self.journal.anomalies(10)]


async def nobody(*_: str) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_house() -> AsyncGenerator[House]:
    house = House()
    with trio.fail_after(100_000):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.hall.run)
            await nursery.start(house.desk.run)
            await nursery.start(house.reader.run)
            await trio.sleep(1)
            yield house
            nursery.cancel_scope.cancel()


def article(sku: str, *, closed: bool) -> ErpArticle:
    return ErpArticle(sku, sku, "", "U", 100, closed=closed, stocked=True)


def invoice(reference: str, number: str) -> ErpPiece:
    return ErpPiece(reference, number, "invoice", closed=True, amount=Decimal(5))


async def test_each_matter_is_read_in_its_own_time_and_what_orders_wait_for_comes_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_house() as house:
        assert house.books.reads == ["changed", "customers", "expected", "articles"]
        house.books.reads.clear()
        await trio.sleep(3_600)
        times = {table: house.books.reads.count(table) for table in ("changed", "customers", "articles")}
        assert times == {"changed": 60, "customers": 12, "articles": 2}


async def test_an_order_of_a_closed_article_is_held_and_goes_on_once_it_is_open_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_house() as house:
        await house.sold("CUP")
        assert await house.state() == "backordered"
        house.books.articles_ = [article("CUP", closed=True), article("LID", closed=False)]
        await trio.sleep(1_800)
        assert await house.state() == "held"
        assert await house.problems() == [("main-1:erp", "erp_objects")]
        house.books.articles_ = [article("CUP", closed=False)]
        await trio.sleep(1_800)
        assert await house.state() == "backordered"
        assert await house.problems() == []


async def test_a_blocked_customer_is_one_matter_however_many_orders_it_holds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_house() as house:
        house.books.customers["MAIN"] = ErpCustomerFlags("MAIN", True, False, True, False)
        await trio.sleep(300)
        order = await house.sold("CUP")
        assert order.holds["erp"].reasons == ("the ERP has blocked the customer MAIN",)
        assert await house.problems() == [("erp:customer:main", "erp_objects")]
        del house.books.customers["MAIN"]
        await trio.sleep(300)
        assert await house.state() == "backordered"
        assert await house.problems() == []


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (None, "the ERP has no customer WEB"),
        (ErpCustomerFlags("WEB", True, True, False, False), ""),
        (ErpCustomerFlags("WEB", True, False, False, True), "the ERP has closed the customer WEB"),
        (ErpCustomerFlags("WEB", False, False, False, False), "the ERP's customer WEB may not be used yet"),
    ],
)
def test_a_customer_is_refused_for_what_stops_its_pieces_and_not_for_a_warning(
    flags: ErpCustomerFlags | None, why: str
) -> None:
    assert why_not("WEB", flags) == why


async def test_an_invoice_is_told_to_its_order_once_and_a_credit_note_or_a_stranger_to_nobody(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_house() as house:
        await house.sold("CUP")
        house.books.pieces_ = [
            invoice("main-1.1", "C4-1"),
            invoice("main-1.R1", "C4-2"),
            invoice("other-9", "C4-3"),
            invoice("", "C4-4"),
            invoice("main-1", "C4-5"),
        ]
        await trio.sleep(300)
        events = [each.event for each in await house.journal.read(order_stream("main-1"))]
        told = [event.invoice for event in events if isinstance(event, OrderInvoiced)]
        assert told == ["C4-1", "C4-5"]
        assert await house.journal.cursor("erp-changed") == "5"


async def test_what_is_expected_is_told_by_place_the_first_due_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_house() as house:
        december, january = date(2026, 12, 3), date(2027, 1, 9)
        house.books.expected_ = [
            ExpectedLine("F2-3", "F1", "lyon", "CUP", Decimal(5), None),
            ExpectedLine("F2-1", "F1", "lyon", "CUP", Decimal(5), january),
            ExpectedLine("F2-2", "F1", "lyon", "CUP", Decimal("2.5"), december),
        ]
        await trio.sleep(300)
        assert house.reader.expected == {
            ("lyon", "CUP"): [
                Arrival("F2-2", 2, december),
                Arrival("F2-1", 5, january),
                Arrival("F2-3", 5, None),
            ]
        }


async def test_what_cannot_be_read_again_and_again_is_put_before_a_person_until_it_can(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_house() as house:
        house.books.away = True
        await trio.sleep(60 * (TOLD_AFTER - 1))
        assert await house.problems() == []
        await trio.sleep(61)
        assert await house.problems() == [("erp:unread:what was changed", "erp_unread")]
        house.books.away = False
        await trio.sleep(61)
        assert await house.problems() == []
