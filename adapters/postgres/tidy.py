"""Forget what is kept for a day only: answers under idempotency keys, and answered messages of the inbox."""

from collections.abc import Sequence
from typing import Final

import asyncpg
import structlog
import trio

from adapters.postgres.bridge import Bridge
from adapters.postgres.connect import Pool
from adapters.postgres.gone import GONE

TIDY_SECONDS: Final = 3_600.0
"""What is a day old may lie for an hour more."""

_TIDY: Final = (
    "DELETE FROM command_answer WHERE partition = ANY ($1) AND at < clock_timestamp() - interval '24 hours'",
    "DELETE FROM inbox WHERE partition = ANY ($1) AND answered_at < clock_timestamp() - interval '24 hours'",
)

log = structlog.get_logger(__name__)


async def tidy_forever(bridge: Bridge, pool: Pool, owned: Sequence[int]) -> None:
    """Tidy up our partitions now and every hour, until cancelled. A failure is tried again an hour later."""
    while True:
        try:
            await bridge.run(_tidy, pool, owned)
        except (*GONE, asyncpg.PostgresError) as error:
            log.warning("journal.not_tidied", error=type(error).__name__)
        await trio.sleep(TIDY_SECONDS)


async def _tidy(pool: Pool, owned: Sequence[int]) -> None:
    for statement in _TIDY:
        await pool.execute(statement, owned)
