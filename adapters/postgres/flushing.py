"""Has the database put on its disk what the writer has committed, while the writer commits on.

The commits of the writer's large batches do not wait for the disk: such a commit is durable once a later one
of this second connection is, since the database's log is written in its order. One flush serves all that wait
for it.
"""

from collections.abc import Callable, Mapping
from typing import Final

import trio

from adapters.postgres.pipeline import Ended, Pipeline

FLUSH: Final = "SELECT pg_logical_emit_message(true, 'wharfinger', '')"
"""The least that a transaction can write, and so has to wait for: no row, and nothing that anybody reads."""

_NAME: Final = "flush"

FLUSHING: Final[Mapping[str, str]] = {_NAME: FLUSH}
"""What a flusher's pipeline has to have prepared."""


class Flusher:
    """Flushes by a connection of its own, whose commits wait for the disk, or whatever the server asks."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._asked: list[Ended] = []
        self._wanted = trio.Event()
        self.flushes = 0

    def after_flush(self, durable: Ended) -> None:
        """Call `durable` once all is durable that was committed before, or with why that is unknown."""
        self._asked.append(durable)
        self._wanted.set()

    async def run(self, lost: Callable[[], None]) -> None:
        """Flush for whoever asks, until cancelled; call `lost` when the connection is."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pipeline.run, lost)
            while True:
                await self._wanted.wait()
                self._wanted = trio.Event()
                # A flush that had begun before somebody asked does not serve him.
                served, self._asked = self._asked, []
                await self._flush_for(served)

    async def _flush_for(self, served: list[Ended]) -> None:
        over = trio.Event()

        def tell(error: Exception | None) -> None:
            self.flushes += 1
            for durable in served:
                durable(error)
            over.set()

        await self._pipeline.execute(_NAME, [], tell)
        await over.wait()
