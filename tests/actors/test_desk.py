"""The desk: wakes who is due or whose units came, and puts each matter before a person once."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import trio
import trio.testing

from actors.desk import (
    ARRIVALS_LOOKED_UP_MAX,
    ARRIVALS_MAX,
    OUTBOX_LATE,
    WAITING_MAX,
    WAKE_AGAIN_S_FIRST,
    WAKE_AGAIN_S_MAX,
    Desk,
    Matter,
    Raise,
    Take,
)
from actors.directory import Directory
from actors.domain.documents import ShopStatus
from actors.domain.order_commands import Hold, Import, OrderCommand, Wake
from actors.domain.order_draft import Facts
from actors.domain.order_events import Beside, EffectDone, EffectRequested, OrderLine
from actors.domain.order_state import CLOCKS, Order
from actors.domain.routing import RoutingRules
from actors.domain.stock_events import Quantity
from actors.mailbox import Mailbox
from actors.order import OrderHall
from actors.ports.journal import Append, Durable, OrderRow
from actors.ports.people import BesideRow
from actors.supervisor import supervise
from adapters.memory.journal import MemoryJournal

Clock = trio.testing.MockClock
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)

Start = Callable[..., Awaitable[object]]
"""A nursery's, for one that is open longer than who uses it."""


class ListeningHall(OrderHall):
    """A hall that notes who is woken, and when."""

    woken: list[tuple[str, float, bool]]

    async def ask(
        self,
        order: str,
        command: OrderCommand,
        beside: tuple[BesideRow, ...] = (),
        *,
        key: str = "",
        read_at: float | None = None,
    ) -> Order:
        if isinstance(command, Wake):
            self.woken.append((order, round(trio.current_time() - self.began), command.units_came))
        return await super().ask(order, command, beside, key=key, read_at=read_at)

    began = 0.0


@dataclass
class Journal(MemoryJournal):
    """A journal that notes by which SKUs it was asked who waits, and takes its time where that is told."""

    looked_up: list[str] = field(default_factory=list)
    takes_s: float = 0.0

    async def enqueue(self, append: Append) -> Durable:
        if self.takes_s:
            await trio.sleep(self.takes_s)
        return await super().enqueue(append)

    async def orders_waiting_for(self, sku: str, limit: int) -> Sequence[str]:
        self.looked_up.append(sku)
        return await super().orders_waiting_for(sku, limit)


class Office:
    """A desk at work, with a hall and no warehouses; `start` has it do more, until the office is closed."""

    def __init__(self, start: Start, journal: Journal | None = None) -> None:
        self.start = start
        self.passed = timedelta()
        self.journal = journal or Journal()
        self.hall = ListeningHall(self.journal, Directory({}), self.facts, nobody, lambda *_: None)
        self.hall.woken = []
        self.hall.began = trio.current_time()
        self.desk = Desk(self.journal, self.hall, self.now, Mailbox[Matter](10))

    def now(self) -> datetime:
        return NINE + self.passed + timedelta(seconds=trio.current_time())

    def facts(self) -> Facts:
        return Facts(self.now(), RoutingRules(()), (), lambda _site, _sku: 0, lambda _sku: True)

    async def place(self, number: int, sku: str = "TEAPOT") -> None:
        await self.hall.ask(f"main-{number}", order(number, sku))

    async def watch_arrivals(self) -> None:
        """Have the desk look out for units, and forget whom it has woken at its beginning."""
        await self.start(self.desk.watch_arrivals)
        await trio.sleep(10)
        self.hall.woken.clear()

    async def problems(self) -> list[str]:
        return [each.problem for each in await self.journal.anomalies(100)]

    def woken(self) -> list[str]:
        return [order for order, _, _ in self.hall.woken]


async def nobody(*_: str) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_office(journal: Journal | None = None) -> AsyncGenerator[Office]:
    with trio.fail_after(10_000_000):
        async with trio.open_nursery() as nursery:
            office = Office(nursery.start, journal)
            await nursery.start(office.hall.run)
            await nursery.start(supervise, "desk", office.desk.run)
            yield office
            nursery.cancel_scope.cancel()


def order(number: int, sku: str = "TEAPOT") -> Import:
    return Import(
        channel="main",
        shop_order=str(number),
        reference="R",
        standing="open",
        placed_at=NINE + timedelta(seconds=number),
        currency="EUR",
        total=Decimal(10),
        shipping=Decimal(0),
        service="",
        country="FR",
        lines=(OrderLine("1", sku, 1, Decimal(5)),),
        address_problems=(),
        contact=Beside("c", "d"),
        payload=Beside("p", "d"),
    )


def matter(name: str = "fire") -> Raise:
    return Raise(name, "smoke", "it smells", "call somebody")


# --- clocks -------------------------------------------------------------------------------------------------


async def test_an_order_is_woken_when_its_clock_is_due_and_says_that_it_is_silent(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        await office.place(1)
        office.passed = CLOCKS["backordered"] - timedelta(seconds=10)
        await office.start(office.desk.watch_clocks)
        await trio.sleep(5)
        assert office.woken() == []
        await trio.sleep(10)
        assert office.woken() == ["main-1"]
        assert await office.problems() == ["silent"]
        await trio.sleep(2 * WAKE_AGAIN_S_FIRST)
        assert office.woken() == ["main-1"], "a person knows"


async def test_a_hold_is_lifted_at_its_hour_without_anybody_asking(autojump_clock: Clock) -> None:
    async with open_office() as office:
        await office.place(1)
        until = office.now() + timedelta(hours=2)
        await office.hall.ask("main-1", Hold("manual", "x", until, "jane"))
        office.passed = timedelta(hours=2, seconds=-10)
        await office.start(office.desk.watch_clocks)
        await trio.sleep(5)
        assert (await office.hall.ask("main-1", Wake())).stage == "held"
        await trio.sleep(10)
        row = await office.journal.order_row("main-1")
        assert row is not None
        assert row.state == "backordered"


async def test_an_order_that_stays_due_is_woken_ever_more_rarely_and_keeps_no_other_asleep(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        stuck = OrderRow(
            order="main-9",
            channel="main",
            shop_order="9",
            reference="R",
            state="allocating",
            state_since=NINE,
            due_at=NINE,
            placed_at=NINE,
            waiting_for=(),
            version=1,
        )
        request = EffectRequested("x", "shop-main", ShopStatus("9", "preparing"))
        await office.journal.append(Append("other", 0, (request,), NINE, orders=(stuck,)))
        await office.start(office.desk.watch_clocks)
        await trio.sleep(3_600)
        times = [at for order, at, _ in office.hall.woken if order == "main-9"]
        pauses = [after - before for before, after in pairwise(times)]
        assert pauses[:3] == [WAKE_AGAIN_S_FIRST, 2 * WAKE_AGAIN_S_FIRST, 4 * WAKE_AGAIN_S_FIRST]
        assert max(pauses) == WAKE_AGAIN_S_MAX


# --- arrivals -----------------------------------------------------------------------------------------------


async def test_units_that_come_wake_those_who_wait_for_them_the_first_placed_first(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        for number in (3, 1, 2):
            await office.place(number)
        await office.place(4, "CUP")
        await office.watch_arrivals()
        office.desk.stock_arrived("TEAPOT")
        await trio.sleep(10)
        assert office.woken() == ["main-1", "main-2", "main-3"]
        assert all(units_came for _, _, units_came in office.hall.woken)


async def test_units_wake_everybody_who_waits_for_them_as_long_as_some_are_left(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        for number in range(WAITING_MAX + 1):
            await office.place(number)
        await office.start(office.desk.watch_arrivals, lambda _sku: len(office.hall.woken) <= WAITING_MAX)
        for woken in (WAITING_MAX + 1, 2 * WAITING_MAX + 1):
            office.desk.stock_arrived("TEAPOT")
            await trio.sleep(10)
            assert len(office.hall.woken) == woken
        assert office.woken()[: WAITING_MAX + 1] == [f"main-{number}" for number in range(WAITING_MAX + 1)]


async def test_other_rules_and_room_are_looked_at_for_everybody_who_waits(autojump_clock: Clock) -> None:
    async with open_office() as office:
        for number in range(WAITING_MAX):
            await office.place(number, "CUP")
        await office.place(WAITING_MAX)
        await office.start(office.desk.watch_arrivals)
        office.hall.woken.clear()
        office.desk.room_came(lambda wanted: wanted[0].sku == "TEAPOT")
        await trio.sleep(10)
        assert office.woken() == [f"main-{WAITING_MAX}"]


async def test_of_many_articles_that_come_at_once_only_those_that_are_waited_for_are_looked_up(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        await office.place(1)
        await office.place(2, "CUP")
        await office.watch_arrivals()
        for number in range(ARRIVALS_LOOKED_UP_MAX):
            office.desk.stock_arrived(f"SKU-{number}")
        office.desk.stock_arrived("TEAPOT")
        await trio.sleep(10)
        assert (office.woken(), office.journal.looked_up) == (["main-1"], ["TEAPOT"])


async def test_of_more_articles_than_it_can_remember_none_that_is_waited_for_is_overlooked(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        await office.place(1)
        await office.watch_arrivals()
        for number in range(ARRIVALS_MAX):
            office.desk.stock_arrived(f"SKU-{number}")
        office.desk.stock_arrived("TEAPOT")
        await trio.sleep(10)
        assert (office.woken(), office.journal.looked_up) == (["main-1"], ["TEAPOT"])


async def test_other_rules_wake_who_could_not_be_filled_by_those_before(autojump_clock: Clock) -> None:
    async with open_office() as office:
        await office.place(1)
        await office.watch_arrivals()
        office.desk.rules_changed(lambda _wanted: True)
        await trio.sleep(10)
        assert office.woken() == ["main-1"]


async def test_room_in_a_warehouse_wakes_whom_it_helps_as_long_as_there_is_some(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        for number in (3, 1, 2):
            await office.place(number)
        await office.place(4, "CUP")
        await office.watch_arrivals()
        asked: list[str] = []

        def fillable(wanted: Sequence[Quantity]) -> bool:
            asked.append(wanted[0].sku)
            return wanted[0].sku == "TEAPOT" and len(office.hall.woken) < 2

        office.desk.room_came(fillable)
        await trio.sleep(10)
        assert office.woken() == ["main-1", "main-2"]
        assert asked == ["TEAPOT", "TEAPOT", "TEAPOT", "CUP"]


# --- matters ------------------------------------------------------------------------------------------------


async def test_a_matter_is_put_before_a_person_once_however_often_it_is_raised(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(office.desk.raise_anomaly, matter())
        await office.desk.raise_anomaly(matter())
        assert len(office.journal.streams["desk"]) == 1


async def test_a_matter_that_is_settled_is_gone_and_may_come_again(autojump_clock: Clock) -> None:
    async with open_office() as office:
        await office.desk.resolve("fire", "jane")
        assert "desk" not in office.journal.streams, "there was none"
        await office.desk.raise_anomaly(matter())
        await office.desk.resolve("fire", "jane")
        assert await office.problems() == []
        await office.desk.raise_anomaly(matter())
        assert await office.problems() == ["smoke"]


async def test_a_matter_that_comes_anew_while_it_is_being_settled_is_not_lost(autojump_clock: Clock) -> None:
    async with open_office() as office:
        await office.desk.raise_anomaly(matter())
        office.journal.takes_s = 1.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(office.desk.resolve, "fire", "anna")
            await trio.sleep(0.5)
            nursery.start_soon(office.desk.raise_anomaly, matter())
        assert await office.problems() == ["smoke"]


async def test_a_matter_that_was_settled_under_a_key_is_not_settled_anew_by_a_repeat(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        for _ in range(2):
            await office.desk.raise_anomaly(matter())
            await office.desk.resolve("fire", "jane", "k")
        assert await office.problems() == ["smoke"]


async def test_a_desk_that_starts_anew_knows_what_is_open(autojump_clock: Clock) -> None:
    async with open_office() as office:
        await office.desk.raise_anomaly(matter())
        await office.desk.raise_anomaly(matter("flood"))
        await office.desk.resolve("flood", "jane")
    async with open_office(office.journal) as again:
        await again.desk.raise_anomaly(matter())
        await again.desk.raise_anomaly(matter("flood"))
    assert len(office.journal.streams["desk"]) == 4


async def test_who_looks_after_a_matter_is_known_after_a_restart_and_until_it_comes_anew(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        raised_at = office.now()
        assert office.desk.taken("fire", raised_at) is None
        await trio.sleep(5)
        by_jane = await office.desk.take(Take("fire", "jane", raised_at))
        assert by_jane == ("jane", raised_at + timedelta(seconds=5))
        assert await office.desk.take(Take("fire", "anna", raised_at)) == by_jane
        await trio.sleep(5)
        assert await office.desk.take(Take("fire", "jane", raised_at, over=True)) == by_jane, "it is hers"
        by_anna = await office.desk.take(Take("fire", "anna", raised_at, over=True))
        assert by_anna == ("anna", raised_at + timedelta(seconds=10))
        assert len(office.journal.streams["desk"]) == 2
        keyed = Take("flood", "jane", raised_at, key="k")
        await office.desk.take(keyed)
        await office.desk.take(Take("flood", "anna", raised_at, over=True))
        repeated = await office.desk.take(keyed)
        assert repeated is not None
        assert repeated.by == "jane", "the repeat is answered as the first"
        flooded = office.desk.taken("flood", raised_at)
        assert flooded is not None
        assert flooded.by == "anna", "and takes nothing away again"
        again = Desk(office.journal, office.hall, office.now, Mailbox[Matter](10))
        async with trio.open_nursery() as nursery:
            await nursery.start(again.run)
            assert again.taken("fire", raised_at) == by_anna
            assert again.taken("fire", office.now() + timedelta(seconds=1)) is None, "it was raised anew"
            nursery.cancel_scope.cancel()


async def test_a_partner_that_is_owed_something_and_gone_from_the_settings_is_seen_at_once(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        request = EffectRequested("x", "shop-old", ShopStatus("9", "shipped"))
        await office.journal.append(Append("other", 0, (request,), office.now()))
        await office.start(office.desk.watch_outboxes, ("erp", "shop-main"))
        await trio.sleep(1)
        (told,) = await office.journal.anomalies(10)
        assert (told.problem, told.anomaly) == ("partner_behind", "late:shop-old")
        assert told.detail == "shop-old has still to be told something, and is not in the settings"
    async with open_office(office.journal) as office:
        await office.start(office.desk.watch_outboxes, ("erp", "shop-main", "shop-old"))
        await trio.sleep(1)
        assert await office.problems() == [], "it is put back, and is told"


async def test_a_partner_that_is_not_told_for_long_is_seen_until_it_is_told(autojump_clock: Clock) -> None:
    async with open_office() as office:
        request = EffectRequested("x", "erp", ShopStatus("9", "preparing"))
        await office.journal.append(Append("other", 0, (request,), office.now()))
        await office.start(office.desk.watch_outboxes, ("erp", "shop-main"))
        await trio.sleep(OUTBOX_LATE.total_seconds() - 60)
        assert await office.problems() == []
        await trio.sleep(120)
        assert await office.problems() == ["partner_behind"]
        await office.journal.append(Append("other", 1, (EffectDone("x", "1"),), office.now()))
        await trio.sleep(60)
        assert await office.problems() == []
