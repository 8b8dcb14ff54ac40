"""Whose turn it is at a partner that takes few calls at once: documents, stock, articles; nobody starves.

It owns the queue and no call.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import IntEnum

import trio

PASSED_OVER_MAX = 20
"""So many turns may go to others of higher rank before whoever has waited longest goes first: a stock read of
eleven pages then takes at most some 200 documents' time, however busy the day."""


class Rank(IntEnum):
    """What goes first."""

    DOCUMENT = 0
    STOCK = 1
    ARTICLE = 2


class _Waiter:
    __slots__ = ("called", "passed_over", "rank")

    def __init__(self, rank: Rank) -> None:
        self.rank = rank
        self.called = trio.Event()
        self.passed_over = 0


class Turns:
    """At most `places` callers at once; the others wait by rank, then by arrival.

    A waiter that is cancelled leaves the queue; a place that was given to it goes to the next.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[
            _Waiter
        ] = []  # in order of arrival; some dozens at most, as many as there are workers

    @asynccontextmanager
    async def turn(self, rank: Rank) -> AsyncGenerator[None]:
        """Wait for a place and keep it for the block."""
        await self._enter(rank)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, rank: Rank) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        waiter = _Waiter(rank)
        self._waiting.append(waiter)
        try:
            await waiter.called.wait()
        except BaseException:  # cancelled: nobody else may wait for a place that nobody uses
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:
                self._leave()
            raise

    def _leave(self) -> None:
        """Hand the place to whoever is next, or put it back."""
        if not self._waiting:
            self._free += 1
            return
        first = self._waiting[0]
        chosen = min(self._waiting, key=lambda waiter: waiter.rank)
        if first.passed_over >= PASSED_OVER_MAX:
            chosen = first
        if chosen is not first:
            first.passed_over += 1
        self._waiting.remove(chosen)
        chosen.called.set()
