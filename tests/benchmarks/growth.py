"""`growth`: reservations a second with two million movements in the tables, over the rate with none.

The history is made through the journal itself by the domain's own decisions: orders of three lines that were
promised and cancelled again, so two events, six movements and a closed fulfilment each. Each turn of the
young side has a new database; both are vacuumed and analysed as autovacuum would.
"""

from collections.abc import Sequence

import trio

from actors.domain.ledger import Stock, apply
from actors.domain.stock_commands import Release, Reserve
from actors.domain.stock_decisions import decide
from actors.domain.stock_events import StockEvent
from actors.ports.journal import Append, FulfilmentRow, Journal
from actors.rows import fulfilment_row
from actors.warehouse import restore
from adapters.postgres.journal import open_journal
from tests.benchmarks import house
from tests.benchmarks.measure import (
    FULL_LOAD_ROUNDS,
    Figure,
    Lab,
    Timing,
    figure,
    goal,
    median_rate,
    median_ratio,
    progress,
)

NAME = "growth"
MOVEMENTS = 2_000_000
MOVEMENTS_EACH = 6
OUTSTANDING = 1_024
APPEND_ORDERS = 1_000


def measure(lab: Lab) -> list[Figure]:
    """Return the figures."""
    orders, watch = house.spread_orders(), lab.size.stopwatch
    old = lab.database()
    house.furnish(old, house.skus())
    wanted = lab.size.of(MOVEMENTS)
    progress(f"  making {wanted} movements")
    trio.run(_make_history, old, orders, wanted)
    lab.settle(old)

    def young_turn() -> Timing:
        young = lab.database()
        house.furnish(young, house.skus())
        lab.settle(young)
        turn = house.reserve(young, orders, OUTSTANDING, watch)
        lab.drop(young)
        return turn

    aged, fresh = lab.turns(
        lambda: house.reserve(old, orders, OUTSTANDING, watch),
        young_turn,
        rounds=lab.size.of(FULL_LOAD_ROUNDS),
    )
    lab.drop(old)
    unit = "reservations/s"
    return [
        figure(NAME, "with no movements", median_rate(fresh), unit),
        figure(NAME, f"with {wanted} movements", median_rate(aged), unit),
        goal(NAME, "with many over with none", median_ratio(aged, fresh), "x", ">=", 0.9),
    ]


async def _make_history(dsn: str, orders: list[house.Lines], movements: int) -> None:
    """Promise and cancel orders until so many movements stand in the tables."""
    async with open_journal(dsn, owner="bench-history") as journal:
        picture = await journal.stock_picture(house.SITE)
        stock, version, made = restore(picture), picture.version, 0
        async with trio.open_nursery() as nursery:
            while made * MOVEMENTS_EACH < movements:
                append = _history(stock, version, orders, range(made, made + APPEND_ORDERS))
                made += APPEND_ORDERS
                version += len(append.events)
                await nursery.start(_append, journal, append)


def _history(stock: Stock, version: int, orders: Sequence[house.Lines], numbers: range) -> Append:
    events: list[StockEvent] = []
    rows: list[FulfilmentRow] = []
    for number in numbers:
        id_ = f"H{number}"
        for command in (Reserve(id_, id_, orders[number % len(orders)]), Release(id_, "cancelled")):
            for event in decide(stock, command).events:
                apply(stock, event)
                events.append(event)
        rows.append(fulfilment_row(stock.closed[id_], house.SITE))
    return Append(f"stock-{house.SITE}", version, tuple(events), house.now(), fulfilments=tuple(rows))


async def _append(journal: Journal, append: Append, *, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    await journal.append(append)
