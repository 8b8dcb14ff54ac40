"""`shop`: beside the shop's own limit: a first import, an idle poll, sellable stock.

The shop is simulated in a process of its own that takes as long as the real one took (`shop_child.py` says
how that was measured and what is assumed), so a ratio says how well the shop is kept busy. Its limit is what
it gives to bare reads: the same requests over as many connections, each begun as soon as one is free, nothing
parsed.

A first import is measured twice: of an old shop, most of whose orders ended long ago, and of one whose orders
are all open, which need their customers and addresses. Each through the adapter alone, and the whole way:
adapter, intake, order actors, journal on Postgres with fsync; it ends when every order is durable and so is
the cursor behind them. The ERP takes 20 ms for a document, as in the benchmark `erp`: one that answered at
once would have a document of every order recorded while the next ones are imported.
"""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import trio

from actors.adopting import cursor_name
from actors.channel import ChannelSettings
from actors.domain.documents import ErpDocument
from actors.domain.order_state import order_id
from actors.partners import Partners
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from actors.ports.shop import Poll
from actors.system import Surroundings, System
from adapters.channels.prestashop.adapter import PrestaShop
from adapters.channels.prestashop.cursor import Cursor
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.simulator import FULL_KEY
from adapters.memory.partners import MemoryCarrier, MemoryErp
from adapters.postgres.journal import open_journal
from daemon.collector import collect_seldom
from tests.benchmarks.erp import CALL_S
from tests.benchmarks.measure import Figure, Lab, Timing, figure, goal, median_rate, median_ratio, progress
from tests.benchmarks.merchant import RULES, SITE
from tests.benchmarks.shop_child import Asked

NAME = "shop"
ORDERS = 5_000
ARTICLES = 2_000
OLD_SHOP_OPEN_PERCENT = 3
EVERY = 100
IDLE_POLLS = 24
"""A whole round of what is asked in place of the orders by date."""

LOOK_S = 0.025
"""How often it is looked whether all is imported: 200 looks a second took a twentieth of the thread."""


class Child:
    """A costly shop in a process of its own."""

    def __init__(self, url: str) -> None:
        self.settings = PrestaShopSettings(url=url, key=FULL_KEY, service_of={"2": "standard"})

    def asked(self) -> list[Asked]:
        """Return what the shop was asked since this was last called."""
        answer = httpx.get(f"{self.settings.url}/bench/asked")
        return msgspec.json.decode(answer.content, type=list[Asked])


class CostlyErp(MemoryErp):
    """An ERP that needs its time for each document."""

    async def carry_out(self, document: ErpDocument, contact: Contact | None) -> Outcome:
        """Book it."""
        await trio.sleep(CALL_S)
        return await super().carry_out(document, contact)


@contextlib.contextmanager
def open_child(orders: int, open_percent: int, articles: int) -> Generator[Child]:
    """Start a shop, and end it at the end."""
    root = Path(__file__).resolve().parents[2]
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.shop_child",
        *map(str, (orders, open_percent, articles)),
    ]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Child(process.stdout.readline().strip())
        finally:
            process.stdin.close()


def measure(lab: Lab) -> list[Figure]:
    """Return the figures."""
    orders, articles = lab.size.of(ORDERS, least=20), lab.size.of(ARTICLES, least=10)
    figures: list[Figure] = []
    for kind, open_percent in (("an old shop", OLD_SHOP_OPEN_PERCENT), ("open orders", EVERY)):
        progress(f"  a first import of {kind}")
        with open_child(orders, open_percent, articles) as child:
            figures += _first_import(lab, child, kind, orders)
            if open_percent != EVERY:
                figures += _idle(child, lab.size.of(IDLE_POLLS, least=2)) + _stock(lab, child, articles)
    return figures


# --- a first import -----------------------------------------------------------------------------------------


def _first_import(lab: Lab, child: Child, kind: str, orders: int) -> list[Figure]:
    _, open_orders = trio.run(_read_all, child)  # renders what is asked, and tells what that is
    targets = [each.target for each in child.asked()]
    durable: list[int] = []

    def bare() -> Timing:
        return Timing(orders / trio.run(_bare, child, targets))

    def adapter() -> Timing:
        return Timing(orders / trio.run(_read_all, child)[0])

    def whole() -> Timing:
        dsn = lab.database()
        seconds, count = trio.run(_import_all, child, dsn, orders)
        durable.append(count)
        lab.drop(dsn)
        return Timing(orders / seconds)

    limit, read, imported = lab.turns(bare, adapter, whole)
    return [
        figure(NAME, f"{kind}: bare reads", median_rate(limit), "orders/s"),
        figure(NAME, f"{kind}: read by the adapter", median_rate(read), "orders/s"),
        goal(NAME, f"{kind}: read, of bare reads", median_ratio(read, limit), "x", ">=", 0.9),
        figure(NAME, f"{kind}: imported and durable", median_rate(imported), "orders/s"),
        goal(
            NAME,
            f"{kind}: imported and durable, of bare reads",
            median_ratio(imported, limit),
            "x",
            ">=",
            0.9,
        ),
        goal(NAME, f"{kind}: open orders not durable", open_orders - min(durable), "orders", "==", 0),
    ]


async def _bare(child: Child, targets: list[str]) -> float:
    """Read everything over as many connections as we use, and parse nothing; return the seconds it took."""
    settings = child.settings
    left = iter(targets)
    limits = httpx.Limits(max_connections=settings.connections)
    async with httpx.AsyncClient(base_url=settings.url, auth=(FULL_KEY, ""), limits=limits) as client:

        async def read() -> None:
            for target in left:
                (await client.get(target)).raise_for_status()

        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for _ in range(settings.connections):
                nursery.start_soon(read)
        return time.perf_counter() - began


async def _read_all(child: Child) -> tuple[float, int]:
    """Read everything; return the seconds that it took, and how many orders are open."""
    async with PrestaShop.open(child.settings, "main") as shop:
        began = time.perf_counter()
        poll = await shop.poll(None)
        count = _open_of(poll)
        while poll.more:
            poll = await shop.poll(poll.cursor)
            count += _open_of(poll)
        return time.perf_counter() - began, count


def _open_of(poll: Poll) -> int:
    return sum(order.standing == "open" for order in poll.orders)


async def _import_all(child: Child, dsn: str, orders: int) -> tuple[float, int]:
    """Import everything the whole way.

    Return the seconds from the first poll to the durable cursor, and how many orders are durable by then.
    """
    skus = {f"SKU-{number:05d}": 1_000_000 for number in range(ARTICLES)}
    async with (
        open_journal(dsn, owner=f"bench-{time.time_ns()}") as journal,
        PrestaShop.open(child.settings, "main") as shop,
        trio.open_nursery() as nursery,
    ):
        erp = CostlyErp({SITE: skus})
        system = System(
            journal,
            Partners({"main": shop}, erp, {"swift": MemoryCarrier()}),
            (ChannelSettings("main", poll_s=60),),
            RULES,
            Surroundings(
                lambda: datetime.now(UTC),
                random.Random(3).randbytes,
                random.Random(5),
                before_intake=lambda: began.append(_collected()),
            ),
        )
        began: list[float] = []
        await nursery.start(system.run)
        while not _is_imported(await journal.cursor(cursor_name("main"))):
            await trio.sleep(LOOK_S)
        seconds = time.perf_counter() - began[0]
        ids = [order_id("main", str(number)) for number in range(1, orders + 1)]
        count = len(await journal.known_orders(ids))
        nursery.cancel_scope.cancel()
    return seconds, count


def _collected() -> float:
    """Collect garbage as the daemon does at the end of its start, and return when that was done."""
    collect_seldom()
    return time.perf_counter()


def _is_imported(cursor: str | None) -> bool:
    return cursor is not None and not msgspec.json.decode(cursor, type=Cursor).importing


# --- an idle poll -------------------------------------------------------------------------------------------


def _idle(child: Child, polls_count: int) -> list[Figure]:
    """Poll a shop of 105,000 orders in which nothing happens."""

    async def poll() -> list[list[Asked]]:
        polls: list[list[Asked]] = []
        async with PrestaShop.open(child.settings, "main") as shop:
            cursor = None
            while True:
                last = await shop.poll(cursor)
                cursor = last.cursor
                if not last.more:
                    break
            cursor = (await shop.poll(cursor)).cursor
            await trio.to_thread.run_sync(child.asked)
            for _ in range(polls_count):
                cursor = (await shop.poll(cursor)).cursor
                polls.append(await trio.to_thread.run_sync(child.asked))
        return polls

    polls = trio.run(poll)
    slowest_ms = max(each.shop_s for asked in polls for each in asked) * 1_000
    return [
        goal(NAME, "idle poll: the most requests that one took", max(map(len, polls)), "requests", "==", 1),
        goal(NAME, "idle poll: the longest request, 105,000 orders", slowest_ms, "ms", "<=", 200),
    ]


# --- stock --------------------------------------------------------------------------------------------------


def _stock(lab: Lab, child: Child, articles: int) -> list[Figure]:
    numbers = iter(range(1, 1_000))

    def ours() -> Timing:
        return Timing(articles / trio.run(_push, child, articles, next(numbers)))

    (pushed,) = lab.turns(ours)
    return [goal(NAME, "stock: rows shown, each read back", median_rate(pushed), "rows/s", ">=", 200)]


async def _push(child: Child, articles: int, units: int) -> float:
    async with PrestaShop.open(child.settings, "main") as shop:
        levels = {f"SKU-{number:05d}": units for number in range(articles)}
        await shop.stock()  # as the channel does before its first push
        began = time.perf_counter()
        await shop.push_stock(levels)
        return time.perf_counter() - began
