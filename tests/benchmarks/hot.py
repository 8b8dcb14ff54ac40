"""`hot`: everybody wants the same article. Reservations of one SKU a second, beside those spread over 10,000.

An order cannot hold three lines of one SKU, so both of ours reserve a single line each, 1,024 outstanding.
The row locks queue on that one row over 16 connections.
"""

from actors.domain.stock_events import Quantity
from tests.benchmarks import house, rowlocks
from tests.benchmarks.measure import FULL_LOAD_ROUNDS, Figure, Lab, figure, goal, median_rate, median_ratio

NAME = "hot"
MANY = 1_024


def measure(lab: Lab) -> list[Figure]:
    """Return the figures."""
    ours, theirs = lab.database(), lab.database()
    names, watch = house.skus(), lab.size.stopwatch
    spread_orders = house.spread_orders(lines=1)
    hot_orders = [(Quantity(names[0], order[0].units),) for order in spread_orders]
    house.furnish(ours, names)
    rowlocks.furnish(theirs, names)
    spread, hot, locks = lab.turns(
        lambda: house.reserve(ours, spread_orders, MANY, watch),
        lambda: house.reserve(ours, hot_orders, MANY, watch),
        lambda: rowlocks.reserve_by(theirs, rowlocks.Prepared.row_locked, hot_orders, watch),
        rounds=lab.size.of(FULL_LOAD_ROUNDS),
    )
    lab.drop(ours)
    lab.drop(theirs)
    unit = "reservations/s"
    return [
        figure(NAME, "one line each, over 10,000 SKUs", median_rate(spread), unit),
        figure(NAME, "one line each, all of one SKU", median_rate(hot), unit),
        figure(NAME, "row locks on that one row", median_rate(locks), unit),
        goal(NAME, "one SKU over many", median_ratio(hot, spread), "x", ">=", 0.9),
        figure(NAME, "one SKU over row locks on it", median_ratio(hot, locks), "x"),
    ]
