"""The processes that the simulated Divalto works in: one a request, few at once, slow to start.

Both services share them. It owns waiting and counting, and no request.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from adapters.erps.divalto.simulator.switches import Switches


class Processes:
    """As many as the switches say; what comes beyond that waits.

    Attributes:
        most_at_once: how many requests have been at work or waiting at once.
    """

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._free = trio.CapacityLimiter(switches.processes)
        self._warm = False
        self._at_once = 0
        self.most_at_once = 0

    @asynccontextmanager
    async def one(self, *, writes: bool) -> AsyncGenerator[None]:
        """Wait for a process, and for it to have started; a business action takes longer."""
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self._free.total_tokens = self._switches.processes
        try:
            async with self._free:
                await self._start(writes=writes)
                yield
        finally:
            self._at_once -= 1

    async def _start(self, *, writes: bool) -> None:
        seconds = self._switches.warm_seconds if self._warm else self._switches.cold_seconds
        seconds += self._switches.write_seconds if writes else 0.0
        self._warm = True
        if seconds > 0:
            await trio.sleep(seconds)
        else:
            await trio.lowlevel.checkpoint()
