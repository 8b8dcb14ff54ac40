"""A channel's backlog of orders goes before what can wait: a first import takes all the time that we have.

It owns which channels read page after page, and for how long others let them go first. Whoever lets them go
first asks by himself: nothing here stops anybody.
"""

import trio

HOLD_S_MAX = 60.0
"""So long at most documents wait for an import: no longer than for a further try at a partner that was away.
Some 30,000 orders are imported in it."""

HOLD_EVERY_S = 2 * HOLD_S_MAX
"""A shop that is never read to its end keeps nobody waiting for more than half of the time."""


class Precedence:
    """Who goes first."""

    def __init__(self) -> None:
        self._reading: set[str] = set()
        self._held_since = -HOLD_EVERY_S
        self._over = trio.Event()

    @property
    def is_held(self) -> bool:
        """Whether others are to let an import go first."""
        return bool(self._reading) and trio.current_time() < self._held_since + HOLD_S_MAX

    def reads_on(self, channel: str) -> None:
        """Note that pages of a channel are still to come."""
        now = trio.current_time()
        if not self._reading and now >= self._held_since + HOLD_EVERY_S:
            self._held_since = now
        self._reading.add(channel)

    def has_read(self, channel: str) -> None:
        """Note that none are, or that they cannot be read now."""
        self._reading.discard(channel)
        if not self._reading:
            self._over.set()
            self._over = trio.Event()

    async def give_way(self) -> None:
        """Return once no import goes first, or after `HOLD_S_MAX`."""
        while self.is_held:
            with trio.move_on_at(self._held_since + HOLD_S_MAX):
                await self._over.wait()
