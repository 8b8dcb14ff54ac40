"""What a warehouse's actor starts from, read from the projections as of one instant."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

import asyncpg

from actors.domain.partitions import partition_of, stock_stream
from actors.ports.journal import Balance, KeyedAnswer, StockPicture
from adapters.postgres.connect import Pool
from adapters.postgres.reads import ANSWERS_HOURS

CLOSED_REMEMBERED: Final = 50_000
"""As many as the ledger remembers: a late copy of a command names a fulfilment of the last days."""


async def stock_picture(pool: Pool, warehouse: str) -> StockPicture:
    """Return what a warehouse's actor starts from, all as of one instant."""
    stream = stock_stream(warehouse)
    partition = partition_of(stream)
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        version = await connection.fetchval(
            "SELECT version FROM event WHERE partition = $1 AND stream = $2 ORDER BY version DESC LIMIT 1",
            partition,
            stream,
        )
        balances = await connection.fetch(
            "SELECT sku, available, reserved, picked, quarantine, supplier, customer, count_,"
            " opening, transit"
            " FROM stock_balance WHERE partition = $1 AND warehouse = $2 ORDER BY sku",
            partition,
            warehouse,
        )
        slots = await connection.fetch(
            "SELECT sku, slot FROM slot WHERE partition = $1 AND warehouse = $2 ORDER BY sku",
            partition,
            warehouse,
        )
        open_ = await connection.fetch(
            "SELECT position, body FROM fulfilment"
            " WHERE partition = $1 AND warehouse = $2 AND closed_position IS NULL",
            partition,
            warehouse,
        )
        closed = await connection.fetch(
            "SELECT closed_position, body FROM fulfilment"
            " WHERE partition = $1 AND warehouse = $2 AND closed_position IS NOT NULL"
            " ORDER BY closed_position DESC LIMIT $3",
            partition,
            warehouse,
            CLOSED_REMEMBERED,
        )
        deliveries = await connection.fetch(
            "SELECT delivery FROM delivery WHERE partition = $1 AND warehouse = $2 ORDER BY delivery",
            partition,
            warehouse,
        )
        answers = await connection.fetch(
            "SELECT key, answer FROM command_answer WHERE partition = $1 AND stream = $2"
            " AND at > clock_timestamp() - $3 * interval '1 hour' ORDER BY at, key",
            partition,
            stream,
            ANSWERS_HOURS,
        )
    return StockPicture(
        version=version or 0,
        balances=tuple(_balance(row) for row in balances),
        slots={row["sku"]: row["slot"] for row in slots},
        open_fulfilments=_bodies(open_),
        closed_fulfilments=_bodies(closed),
        deliveries=tuple(row["delivery"] for row in deliveries),
        answers=tuple(KeyedAnswer(row["key"], row["answer"]) for row in answers),
    )


def _balance(row: asyncpg.Record) -> Balance:
    return Balance(*row)


def _bodies(rows: Sequence[asyncpg.Record]) -> tuple[bytes, ...]:
    """Return the bodies in the order of the positions that come first in the rows.

    A hundred thousand are sorted here in milliseconds: the server would sort what it has to send on its disk.
    """
    return tuple([body.encode() for _, body in sorted(rows, key=itemgetter(0))])
