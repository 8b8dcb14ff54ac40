"""How old the shop's copy of each order is that we go by. It reads nothing; who reads says so here.

An order goes onto a floor only by a copy that was read a moment ago: what a customer cancelled or changed
since must not be picked. An order that comes straight from a poll has one; one that waited (for units, a
payment, a person, a restart) is read again first.
"""

from collections.abc import Callable

import trio

FRESH_S = 10.0
"""Polls tell every five to ten seconds what happened to an order's row, so a copy of this age misses one of
them at most; and an order takes a second or two from its poll to the floor, also when many come at once."""

REMEMBERED_S = 120.0
"""An older copy that is handed on more slowly than a newer one arrives long before."""

Ask = Callable[[str], None]
"""Asks for an order to be read again; returns at once, and asking twice is asking once."""


class ShopCopies:
    """When the shop's copies of orders were read, on the clock of Trio. What is not in here is old."""

    def __init__(self) -> None:
        self._read_at: dict[str, float] = {}
        self._readers: dict[str, Ask] = {}
        self._excused: set[str] = set()

    def on_old(self, channel: str, ask: Ask) -> None:
        """Register who reads a channel's orders again. Without one every copy counts as fresh."""
        self._readers[channel] = ask

    def is_late(self, order: str, at: float) -> bool:
        """Tell whether a copy that was read at that time comes after a newer one."""
        return self._read_at.get(order, at) > at

    def note(self, order: str, at: float) -> None:
        """Note that the order goes by a copy that was read at that time, or by a later one."""
        if self.is_late(order, at):
            return
        self._read_at.pop(order, None)  # the dictionary is kept in the order of reading
        self._read_at[order] = at
        self._forget(trio.current_time() - REMEMBERED_S)

    def excuse(self, order: str) -> None:
        """Let an order go by the copy that there is: the shop has not answered for as long as it may wait."""
        self._excused.add(order)

    def answers(self) -> None:
        """Note that the shop answers again: nobody is excused any more."""
        self._excused.clear()

    def are_fresh(self, order: str, channel: str) -> bool:
        """Tell whether an order may go onto a floor; if not, its shop is asked, which wakes the order."""
        ask = self._readers.get(channel)
        if ask is None or order in self._excused:
            return True
        read_at = self._read_at.get(order)
        if read_at is not None and read_at > trio.current_time() - FRESH_S:
            return True
        ask(order)
        return False

    def _forget(self, before: float) -> None:
        while (oldest := next(iter(self._read_at), None)) is not None and self._read_at[oldest] < before:
            del self._read_at[oldest]
