"""`flow`: whole orders a second, from the shop to shipped with all partners told, beside a connector.

Ours: all actors on the real journal, partners in process, a crew that scans each of three lines and packs.
The orders lie in the shop when the clock starts; it stops when all are shipped and no outbox holds anything.
Theirs: `connector.py`, the same steps one order after another, a transaction a step. Both turn about, the
median of the ratios.

Then at a steady hundred orders a second: from an order's appearance in the shop to its reservation on the
disk.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import asyncpg
import trio

from actors.ports.shop import ShopOrder
from tests.benchmarks import connector
from tests.benchmarks.measure import (
    Figure,
    Lab,
    Timing,
    figure,
    goal,
    median_rate,
    median_ratio,
    percentile,
    progress,
)
from tests.benchmarks.merchant import UNITS_EACH, new_shop, open_merchant, shop_order, skus

NAME = "flow"
ORDERS = 3_000
WARM_UP = 200
CONNECTOR_ORDERS = 150
CONNECTOR_WARM_UP = 20
ARRIVALS_PER_S = 100
ARRIVAL_S = 15
POLL_S = 0.1


def measure(lab: Lab) -> list[Figure]:
    """Return the figures."""
    drawn = _orders(lab.size.of(ORDERS) + WARM_UP)
    plain = _orders(lab.size.of(CONNECTOR_ORDERS) + CONNECTOR_WARM_UP)

    def ours() -> Timing:
        dsn = lab.database()
        rate = trio.run(_ship_all, dsn, drawn)
        lab.drop(dsn)
        return Timing(rate)

    def theirs() -> Timing:
        dsn = lab.database()
        connector.furnish(dsn, skus(), UNITS_EACH)
        rate = connector.ship_all(dsn, plain[:CONNECTOR_WARM_UP], plain[CONNECTOR_WARM_UP:])
        lab.drop(dsn)
        return Timing(rate)

    our_turns, their_turns = lab.turns(ours, theirs)
    progress(f"  {ARRIVALS_PER_S} orders a second")
    dsn = lab.database()
    placed = trio.run(_arrive, dsn, _orders(lab.size.of(ARRIVALS_PER_S * ARRIVAL_S) + WARM_UP))
    waits_s = _waits_s(dsn, placed)
    lab.drop(dsn)
    return [
        figure(NAME, "plain connector", median_rate(their_turns), "orders/s"),
        goal(NAME, "from import to shipped, all told", median_rate(our_turns), "orders/s", ">=", 300),
        goal(NAME, "over the plain connector", median_ratio(our_turns, their_turns), "x", ">=", 10),
        figure(NAME, "p50 from notice to reserved at 100/s", percentile(waits_s, 50) * 1_000, "ms"),
        goal(
            NAME, "p99 from notice to reserved at 100/s", percentile(waits_s, 99) * 1_000, "ms", "<=", 1_000
        ),
    ]


def _orders(count: int) -> list[ShopOrder]:
    draw = random.Random(11)
    return [shop_order(number, draw) for number in range(1, count + 1)]


async def _ship_all(dsn: str, orders: Sequence[ShopOrder]) -> float:
    shop = new_shop()
    async with open_merchant(dsn, shop, poll_s=POLL_S) as merchant:
        shop.orders.extend(orders[:WARM_UP])
        await merchant.until_told(WARM_UP)
        began = time.perf_counter()
        shop.orders.extend(orders[WARM_UP:])
        await merchant.until_told(len(orders))
        return (len(orders) - WARM_UP) / (time.perf_counter() - began)


async def _arrive(dsn: str, orders: Sequence[ShopOrder]) -> dict[str, datetime]:
    """Place orders evenly, after others that warm up; return when each could first be seen in the shop."""
    shop = new_shop()
    placed: dict[str, datetime] = {}
    async with open_merchant(dsn, shop, poll_s=POLL_S) as merchant:
        shop.orders.extend(orders[:WARM_UP])
        await merchant.until_told(WARM_UP)
        began = trio.current_time()
        for number, order in enumerate(orders[WARM_UP:]):
            await trio.sleep_until(began + number / ARRIVALS_PER_S)
            placed[f"order-main-{order.shop_order}"] = datetime.now(UTC)
            shop.orders.append(order)
        await merchant.until_told(len(orders))
    return placed


def _waits_s(dsn: str, placed: Mapping[str, datetime]) -> list[float]:
    """Return how long each order waited for its units, in seconds.

    An order records the allocation once it has heard of it, which is after the reservation was on the disk.
    """

    async def read() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetch("SELECT stream, at FROM event WHERE kind = 'order.allocated'")
        finally:
            connection.terminate()

    allocated = {row["stream"]: row["at"] for row in asyncio.run(read())}
    return [(allocated[stream] - at).total_seconds() for stream, at in placed.items()]
