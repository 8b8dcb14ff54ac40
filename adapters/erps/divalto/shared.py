"""One answer for all who wait for the same: it owns who shares it, and that it was begun after they asked.

A reading is absolute, so of many that were asked for during an outage only the last is of use.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

from actors.errors import PartnerError

Read = TypeVar("Read")


class _Round(Generic[Read]):
    """One reading and those who wait for it."""

    def __init__(self) -> None:
        self.over = trio.Event()
        self.result: list[Read] = []
        self.failure: PartnerError | None = None


class Shared(Generic[Read]):
    """Reads when it is asked; who asks while a reading is under way gets the next one, with all who wait.

    Args:
        read: makes one reading; raises the errors of `actors.errors` alone.
    """

    def __init__(self, read: Callable[[], Awaitable[Read]]) -> None:
        self._read = read
        self._reading = trio.Lock()
        self._next: _Round[Read] | None = None

    async def ask(self) -> Read:
        """Return a reading that begins after this call.

        Raises whatever the reading raised, to everyone who shared it. Whoever reads and is cancelled leaves
        the reading to the next who waits.
        """
        mine = self._next = self._next or _Round()
        async with self._reading:
            if not mine.over.is_set():
                await self._make(mine)
        if mine.failure is not None:
            failure = mine.failure
            raise type(failure)(failure.system, failure.doing, failure.why) from failure
        return mine.result[0]

    async def _make(self, this: _Round[Read]) -> None:
        if self._next is this:
            self._next = None  # whoever asks from now on wants one that begins later
        try:
            this.result.append(await self._read())
        except PartnerError as error:
            this.failure = error
        this.over.set()
