"""A desk and a waker at work, for the tests of both."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import trio
import trio.testing

from actors.desk import Desk, Matter, Raise
from actors.directory import Directory
from actors.domain.order_commands import Import, OrderCommand, Wake
from actors.domain.order_draft import Facts
from actors.domain.order_events import Beside, OrderLine
from actors.domain.order_state import Order
from actors.domain.routing import RoutingRules
from actors.mailbox import Mailbox
from actors.order import OrderHall
from actors.ports.journal import Append, Durable
from actors.ports.people import BesideRow
from actors.supervisor import supervise
from actors.waker import Waker
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
        self.desk = Desk(self.journal, self.now, Mailbox[Matter](10))
        self.waker = Waker(self.journal, self.hall, self.now)

    def now(self) -> datetime:
        return NINE + self.passed + timedelta(seconds=trio.current_time())

    def facts(self) -> Facts:
        return Facts(self.now(), RoutingRules(()), (), lambda _site, _sku: 0, lambda _sku: True)

    async def place(self, number: int, sku: str = "TEAPOT") -> None:
        await self.hall.ask(f"main-{number}", order(number, sku))

    async def watch_arrivals(self) -> None:
        """Have the waker look out for units, and forget whom it has woken at its beginning."""
        await self.start(self.waker.watch_arrivals)
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
