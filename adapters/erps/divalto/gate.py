"""The way to a site's door: how many go in at once, who first, that it is warmed up, and when it is closed.

All ways into one site share it, since a Divalto starts a process per request whichever way that comes.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

import trio

from actors.errors import UnreachableError
from adapters.erps.divalto.hours import closed_until
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.turns import Rank, Turns


class Gate:
    """Lets calls of one site in.

    A site that has been idle for a while has to start its processes anew, which takes long: the first call
    then goes alone, and the others wait for it rather than ask for as many cold starts.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        now: what time it is, aware of its zone; read for the closed hours alone.
    """

    def __init__(self, system: str, settings: DivaltoSettings, now: Callable[[], datetime]) -> None:
        self._system = system
        self._settings = settings
        self._now = now
        self._turns = Turns(settings.concurrency)
        self._first = trio.Lock()
        self._warm_until = -1.0

    def open_or_raise(self, doing: str) -> None:
        """Raise UnreachableError while the site is closed."""
        until = closed_until(self._now(), self._settings)
        if until is not None:
            raise UnreachableError(self._system, doing, f"closed until {until:%H:%M}")

    @asynccontextmanager
    async def turn(self, rank: Rank) -> AsyncGenerator[None]:
        """Wait for a turn and keep it for the block; the block's normal end shows that the site is warm."""
        async with AsyncExitStack() as stack:
            if not self._is_warm():
                alone = await stack.enter_async_context(AsyncExitStack())
                await alone.enter_async_context(self._first)
                if self._is_warm():  # by now: others have waited for whoever was first
                    await alone.aclose()
            await stack.enter_async_context(self._turns.turn(rank))
            yield
            self._warm_until = trio.current_time() + self._settings.warm_seconds

    def _is_warm(self) -> bool:
        return trio.current_time() < self._warm_until
