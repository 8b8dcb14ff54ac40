"""`erp`: documents a second into Divalto beside what it takes at all, and 100,000 rows of stock compared.

The simulated site needs 20 ms for every call, as a Divalto that starts a process for each is far from being
faster. Its bare limit is the same calls without an adapter: requests that were built before, sent over the
same HTTP client by as many callers. The stock is read page by page and compared with a ledger that differs
in a few places.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count

import msgspec
import trio

from actors.directory import Directory, WarehouseHandle
from actors.domain.documents import ErpOrder
from actors.domain.ledger import apply
from actors.domain.stock_events import StockOpened
from actors.erp_reconciler import ErpReconciler
from actors.mailbox import Mailbox
from adapters.erps.divalto import blocks, wire
from adapters.erps.divalto.adapter import DivaltoErp
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.simulator import Divalto
from adapters.erps.divalto.simulator.rehearsal import PERSON, line, order, settings_for
from adapters.http.client import Client
from adapters.memory.journal import MemoryJournal
from tests.benchmarks.measure import (
    Figure,
    Lab,
    Stopwatch,
    Timing,
    figure,
    goal,
    median_rate,
    median_ratio,
)

NAME = "erp"
CALL_S = 0.02
CALLERS = (1, 2, 4)
STOCK_ROWS = 100_000
DIFFERENT = 100
RATIO_MIN = 0.8
STOCK_S_MAX = 30.0

Call = Callable[[int], Awaitable[None]]
Side = Callable[[DivaltoSettings], AbstractAsyncContextManager[Call]]
_numbers = count(1)


def measure(lab: Lab) -> list[Figure]:
    """Return the figures."""
    figures: list[Figure] = []
    for callers in CALLERS:
        ours, bare = lab.turns(
            _turn_of(_by_adapter, callers, lab.size.stopwatch), _turn_of(_bare, callers, lab.size.stopwatch)
        )
        name = f"{callers} at once"
        figures += [
            figure(NAME, f"ours, {name}", median_rate(ours), "documents/s"),
            figure(NAME, f"bare limit, {name}", median_rate(bare), "documents/s"),
            goal(NAME, f"of the limit, {name}", median_ratio(ours, bare), "", ">=", RATIO_MIN),
        ]
    rows = lab.size.of(STOCK_ROWS)
    seconds, found = trio.run(_compare_stock, rows)
    figures.append(goal(NAME, f"{rows} rows of stock compared", seconds, "s", "<=", STOCK_S_MAX))
    figures.append(goal(NAME, "differences attributed", found, "", "==", min(DIFFERENT, rows)))
    return figures


@asynccontextmanager
async def _site() -> AsyncGenerator[tuple[Divalto, DivaltoSettings]]:
    divalto = Divalto("1", 7, depots=("D01", "D02"))
    for ref in ("TEAPOT", "CUP"):
        divalto.add_article(ref)
    divalto.add_article("PORT", stocked=False)
    async with trio.open_nursery() as nursery:
        url = await nursery.start(divalto.serve)
        yield divalto, settings_for(divalto, url)
        nursery.cancel_scope.cancel()


def _turn_of(side: Side, callers: int, stopwatch: Callable[[], Stopwatch]) -> Callable[[], Timing]:
    return lambda: trio.run(_turn, side, callers, stopwatch)


async def _turn(side: Side, callers: int, stopwatch: Callable[[], Stopwatch]) -> Timing:
    """Let so many callers write orders for a turn."""
    async with (
        _site() as (divalto, settings),
        side(msgspec.structs.replace(settings, concurrency=callers)) as call,
    ):
        divalto.switches.warm_seconds = CALL_S
        divalto.switches.processes = callers
        await call(next(_numbers))  # the token, and a warm site
        watch = stopwatch()

        async def work() -> None:
            while watch.running:
                number, began = next(_numbers), time.perf_counter()
                await call(number)
                watch.note(began)

        async with trio.open_nursery() as nursery:
            for _ in range(callers):
                nursery.start_soon(work)
        return watch.timing()


def _order(number: int) -> ErpOrder:
    return order(line("TEAPOT", 3), line("CUP", 2, "3.3333"), reference=f"main-{number}")


@asynccontextmanager
async def _by_adapter(settings: DivaltoSettings) -> AsyncGenerator[Call]:
    erp = DivaltoErp("divalto", settings)

    async def call(number: int) -> None:
        await erp.carry_out(_order(number), PERSON)

    try:
        yield call
    finally:
        await erp.aclose()


@asynccontextmanager
async def _bare(settings: DivaltoSettings) -> AsyncGenerator[Call]:
    http = Client("divalto", settings.url)
    asked = wire.auth_request(
        domain=settings.domain, user=settings.user, password=settings.password.reveal(), env=settings.env
    )
    answer = await http.exchange("POST", wire.AUTH_PATH, content=asked)
    token = wire.read_envelope(answer.body).token
    data = blocks.order(_order(0), settings.customer, PERSON, settings).data
    param = wire.business_param("integration_piece", {"dos": "1", "etb": "1"}, data, inside=True)
    template = wire.execute_request("WEB_SERVICE_INFINITY", token, param)

    async def call(number: int) -> None:
        body = template.replace(b"main-0", b"main-%d" % number)
        answer = await http.exchange("POST", wire.EXECUTE_PATH, content=body)
        if b'resultcode\\": \\"0\\"' not in answer.body:
            raise RuntimeError("the simulated site refused an order of the benchmark")

    try:
        yield call
    finally:
        await http.aclose()


async def _compare_stock(rows: int) -> tuple[float, int]:
    """Return the seconds that reading and comparing take, and how many differences were attributed."""
    async with _site() as (divalto, settings):
        house: WarehouseHandle = WarehouseHandle("paris", Mailbox(1))
        for number in range(rows):
            sku, units = f"SKU{number:06}", number % 50
            divalto.set_stock(sku, "D01", units)
            if units:
                apply(house.stock, StockOpened(sku, units, "", "erp"))
        for number in range(min(DIFFERENT, rows)):
            divalto.count(f"SKU{number:06}", "D01", 1)
        erp, journal = DivaltoErp("divalto", settings), MemoryJournal()
        began = time.perf_counter()
        look = await ErpReconciler(erp.books, journal, journal, Directory({"paris": house})).look((), ())
        seconds = time.perf_counter() - began
        await erp.aclose()
        return seconds, sum(each.cause == "count" for each in look.discrepancies)
