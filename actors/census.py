"""How many orders stand in which state, and since when: in memory, so that nobody counts a table to know.

It is read from the index once, at the start, and follows each order's events from then on. It only counts;
what an order's state means stands in `actors.domain.order_state`.
"""

from bisect import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from actors.domain.order_state import CLOCKS, Order
from actors.ports.journal import OrdersSince

WATCHED: Final = tuple(CLOCKS)
"""The states in which an order has still to go on; delivered and cancelled orders rest."""

AGES: Final = ("under_5m", "under_1h", "under_1d", "under_1w", "over_1w")
"""What machines need, a packer's round, a floor's day, a carrier's week, and what is too old in any state."""

_AGES_END: Final = (5, 60, 1_440, 10_080)
"""How many minutes each of them lasts, but the last."""

_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Census:
    """Counts orders by state and by the minute in which each came into it.

    A state has at most as many minutes as orders, and 1,440 a day: 100,000 open orders are some thousand
    numbers.
    """

    def __init__(self) -> None:
        self._orders: dict[str, Counter[int]] = {state: Counter() for state in WATCHED}

    def load(self, rows: Sequence[OrdersSince]) -> None:
        """Begin with what the index holds."""
        self._orders = {state: Counter() for state in WATCHED}
        for row in rows:
            self._add(row.state, row.since, row.orders)

    def moved(self, before: Order, after: Order) -> None:
        """Follow an order from one state to the next; one without events is new."""
        if before.version:
            if (before.stage, before.since) == (after.stage, after.since):
                return
            self._add(before.stage, before.since, -1)
        self._add(after.stage, after.since, 1)

    def _add(self, state: str, since: datetime | None, orders: int) -> None:
        minutes = self._orders.get(state)
        if minutes is None or since is None:
            return
        minute = (since - _EPOCH) // _MINUTE
        minutes[minute] += orders
        if not minutes[minute]:
            del minutes[minute]

    def counts(self) -> Mapping[str, int]:
        """Return how many orders stand in each watched state."""
        return {state: minutes.total() for state, minutes in self._orders.items()}

    def by_age(self, now: datetime) -> Mapping[tuple[str, str], int]:
        """Return how many orders stand in each watched state for how long, by the names in `AGES`."""
        told: dict[tuple[str, str], int] = {}
        this_minute = (now - _EPOCH) // _MINUTE
        for state, minutes in self._orders.items():
            counts = [0] * len(AGES)
            for minute, orders in minutes.items():
                counts[bisect(_AGES_END, this_minute - minute)] += orders
            told |= {(state, age): count for age, count in zip(AGES, counts, strict=True)}
        return told

    def oldest(self, now: datetime) -> Mapping[str, float]:
        """Return for how many seconds the oldest order stands in each watched state; 0 where there is none.

        It is right to the minute.
        """
        return {
            state: max(0.0, (now - (_EPOCH + min(minutes) * _MINUTE)).total_seconds()) if minutes else 0.0
            for state, minutes in self._orders.items()
        }
