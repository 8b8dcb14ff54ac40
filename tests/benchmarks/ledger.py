"""`ledger`: durable three-line reservations a second, beside row locks, one SQL function, a bare COPY.

Ours go through the warehouse's mailbox and actor and the real journal: an event with its hash, three
movements, three balances and the fulfilment's row each, answered when they are on the disk. All sides work on
the same orders, drawn over 10,000 SKUs, on one server, in turns; a ratio is the median of the rounds' ratios.
"""

from tests.benchmarks import house, rowlocks
from tests.benchmarks.measure import (
    FULL_LOAD_ROUNDS,
    Figure,
    Lab,
    Timing,
    figure,
    goal,
    median_ms,
    median_rate,
    median_ratio,
)

NAME = "ledger"
MANY = 1_024
FEW = 16
COPY_BATCH = 512


def measure(lab: Lab) -> list[Figure]:
    """Return the figures."""
    ours, theirs = lab.database(), lab.database()
    names, orders, watch = house.skus(), house.spread_orders(), lab.size.stopwatch
    house.furnish(ours, names)
    rowlocks.furnish(theirs, names)
    prepared = rowlocks.Prepared
    many, few, locks, function, copy = lab.turns(
        lambda: house.reserve(ours, orders, MANY, watch),
        lambda: house.reserve(ours, orders, FEW, watch),
        lambda: rowlocks.reserve_by(theirs, prepared.row_locked, orders, watch),
        lambda: rowlocks.reserve_by(theirs, prepared.one_function, orders, watch),
        lambda: rowlocks.bare_copy(theirs, orders, COPY_BATCH, watch),
        rounds=lab.size.of(FULL_LOAD_ROUNDS),
    )
    lab.drop(ours)
    lab.drop(theirs)
    return [*_rates(many, few, locks, function, copy), *_ratios(many, few, locks, function, copy)]


def _rates(
    many: list[Timing], few: list[Timing], locks: list[Timing], function: list[Timing], copy: list[Timing]
) -> list[Figure]:
    unit = "reservations/s"
    return [
        figure(NAME, f"actor and journal, {MANY} outstanding", median_rate(many), unit),
        figure(NAME, f"actor and journal, {FEW} outstanding", median_rate(few), unit),
        figure(NAME, f"row locks, {rowlocks.CONNECTIONS} connections", median_rate(locks), unit),
        figure(NAME, "one SQL function each", median_rate(function), unit),
        figure(NAME, "bare COPY of their movements", median_rate(copy), unit),
        figure(NAME, f"p50, {MANY} outstanding", median_ms(many, 50), "ms"),
        figure(NAME, f"p99, {MANY} outstanding", median_ms(many, 99), "ms"),
        figure(NAME, f"p50, {FEW} outstanding", median_ms(few, 50), "ms"),
        figure(NAME, "p50, row locks", median_ms(locks, 50), "ms"),
    ]


def _ratios(
    many: list[Timing], few: list[Timing], locks: list[Timing], function: list[Timing], copy: list[Timing]
) -> list[Figure]:
    return [
        goal(NAME, f"{MANY} outstanding over row locks", median_ratio(many, locks), "x", ">=", 8),
        goal(NAME, f"{FEW} outstanding over row locks", median_ratio(few, locks), "x", ">=", 3),
        goal(
            NAME,
            f"p99, {FEW} outstanding, at most row locks'",
            median_ms(few, 99),
            "ms",
            "<=",
            median_ms(locks, 99),
        ),
        figure(NAME, f"{MANY} outstanding over one SQL function each", median_ratio(many, function), "x"),
        figure(NAME, f"{MANY} outstanding over bare COPY", median_ratio(many, copy), "x"),
    ]
