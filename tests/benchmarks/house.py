"""Our side of the comparison: one warehouse's actor on the real journal, with as many askers as one likes."""

import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import trio

from actors.directory import Directory, WarehouseHandle
from actors.domain.order_commands import OrderCommand
from actors.domain.stock_commands import Granted, OpenStock, Reserve
from actors.domain.stock_events import Quantity
from actors.mailbox import Mailbox, ask
from actors.ports.journal import Journal
from actors.warehouse import MAILBOX_MAX, Warehouse
from adapters.postgres.journal import open_journal
from daemon.collector import collect_seldom
from tests.benchmarks.measure import Stopwatch, Timing
from tests.benchmarks.rowlocks import STOCK_EACH, Watch

SITE = "lyon"
SKUS = 10_000
ORDERS_DRAWN = 20_000

Lines = tuple[Quantity, ...]


def skus() -> list[str]:
    """Return the SKUs of the house."""
    return [f"SKU-{number:05d}" for number in range(SKUS)]


def spread_orders(lines: int = 3) -> list[Lines]:
    """Return orders of so many different SKUs each, drawn evenly; both sides work on the same."""
    draw = random.Random(7)
    names = skus()
    return [
        tuple(Quantity(sku, draw.choice((1, 1, 1, 2))) for sku in draw.sample(names, lines))
        for _ in range(ORDERS_DRAWN)
    ]


@dataclass(frozen=True, slots=True)
class House:
    """A warehouse at work."""

    journal: Journal
    handle: WarehouseHandle


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


async def _tell_nobody(order: str, command: OrderCommand) -> None:
    del order, command
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_warehouse(journal: Journal) -> AsyncGenerator[WarehouseHandle]:
    """Start the warehouse's actor as the system does; at the end it finishes what is in its mailbox."""
    handle = WarehouseHandle(SITE, Mailbox(MAILBOX_MAX))
    warehouse = Warehouse(handle, journal, Directory({SITE: handle}), _tell_nobody, now)
    async with trio.open_nursery() as nursery:
        await nursery.start(warehouse.run)
        yield handle
        handle.mailbox.close()


@asynccontextmanager
async def open_house(dsn: str) -> AsyncGenerator[House]:
    """Open the journal and start the actor."""
    async with (
        open_journal(dsn, owner=f"bench-{time.time_ns()}") as journal,
        open_warehouse(journal) as handle,
    ):
        yield House(journal, handle)


def furnish(dsn: str, names: Sequence[str], units: int = STOCK_EACH) -> None:
    """Take over stock of every SKU, through the actor."""

    async def fill() -> None:
        async with open_house(dsn) as house, trio.open_nursery() as nursery:
            for sku in names:
                nursery.start_soon(ask, house.handle.mailbox, OpenStock(sku, units, "A-1", "bench"))

    trio.run(fill)


def reserve(dsn: str, orders: Sequence[Lines], outstanding: int, watch: Watch) -> Timing:
    """Let `outstanding` askers reserve through the actor's mailbox, each again as soon as it was served."""

    async def run() -> Timing:
        async with open_house(dsn) as house:
            collect_seldom()
            stopwatch = watch()
            await _ask_all(house, orders, outstanding, stopwatch)
            return stopwatch.timing()

    return trio.run(run)


async def _ask_all(house: House, orders: Sequence[Lines], outstanding: int, stopwatch: Stopwatch) -> None:
    prefix = f"F{time.time_ns()}"

    async def ask_on(first: int) -> None:
        number = first
        while stopwatch.running:
            began = time.perf_counter()
            fulfilment = f"{prefix}-{number}"
            answer = await ask(
                house.handle.mailbox, Reserve(fulfilment, fulfilment, orders[number % len(orders)])
            )
            if not isinstance(answer, Granted):
                raise TypeError(f"there is plenty of everything, and yet: {answer}")
            stopwatch.note(began)
            number += outstanding

    async with trio.open_nursery() as nursery:
        for number in range(outstanding):
            nursery.start_soon(ask_on, number)
