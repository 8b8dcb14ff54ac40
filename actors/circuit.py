"""A partner's circuit.

After several failures in a row nobody calls it for a while, then one call at a time tries.
"""

import random
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import trio

FAILURES_MAX = 5
"""Five in a row are an outage, not a lost packet."""

OPEN_S_FIRST = 1.0
OPEN_S_MAX = 30.0
"""A partner that is back should be noticed within half a minute."""

_AT_ONCE = nullcontext()


class Circuit:
    """Closed: everybody calls. Open: all wait.

    Then one call tries: its success closes the circuit, its failure not.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0
        self._open_until = 0.0
        self._probe = trio.Lock()
        self._now = trio.Event()

    @property
    def is_open(self) -> bool:
        """Whether the partner counts as down."""
        return self._failures >= FAILURES_MAX

    def admitted(self) -> AbstractAsyncContextManager[None]:
        """Wait for leave to call; while the circuit is open one caller at a time gets it, after the pause."""
        return self._admitted_after_the_pause() if self.is_open else _AT_ONCE

    @asynccontextmanager
    async def _admitted_after_the_pause(self) -> AsyncGenerator[None]:
        async with self._probe:
            if self.is_open:
                with trio.move_on_at(self._open_until):
                    await self._now.wait()
                yield
                return
        yield

    def try_now(self) -> None:
        """Let the call that waits for the pause try at once: a person says that the partner is back."""
        self._now.set()
        self._now = trio.Event()

    def succeeded(self) -> None:
        """Close the circuit: the partner answered."""
        self._failures = 0

    def failed(self) -> None:
        """Count a failure; the fifth in a row, and each after it, opens the circuit for longer."""
        now = trio.current_time()
        if self.is_open and now < self._open_until:
            return  # of a call that was under way when the circuit opened: the same outage, not a longer one
        self._failures += 1
        if self.is_open:
            pause = min(OPEN_S_FIRST * 2.0 ** (self._failures - FAILURES_MAX), OPEN_S_MAX)
            self._open_until = now + pause * self._rng.uniform(0.5, 1.0)
