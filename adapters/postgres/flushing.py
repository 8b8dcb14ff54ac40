"""Has the database put on its disk what the writer has committed, while the writer commits on.

The commits of the writer's large batches do not wait for the disk: such a commit is durable once a later one
of this second connection is, since the database's log is written in its order. One flush serves all that wait
for it. It runs on the database's thread.
"""

import asyncio
from typing import Final

from adapters.postgres.connect import Connection

FLUSH: Final = "SELECT pg_logical_emit_message(true, 'wharfinger', '')"
"""The least that a transaction can write, and so has to wait for: no row, and nothing that anybody reads."""


class Flusher:
    """Flushes by a connection of its own, whose commits wait for the disk, or whatever the server asks."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._one_at_a_time = asyncio.Lock()
        self._asked = 0
        self._served = 0
        self.flushes = 0

    async def flushed(self) -> None:
        """Return once everything that was committed before this call is durable."""
        self._asked = mine = self._asked + 1
        async with self._one_at_a_time:
            if self._served >= mine:  # a flush that began after we asked has served us too
                return
            serves = self._asked
            await self.connection.fetch(FLUSH)
            self.flushes += 1
            self._served = serves
