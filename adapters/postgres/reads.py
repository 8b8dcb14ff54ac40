"""What the journal is asked: each question one SQL statement, run on the database's thread.

It writes nothing. Rows become the shapes of `actors.ports.journal` here.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Final

import asyncpg
from msgspec.json import Decoder

from actors.domain.documents import Document
from actors.domain.log import decode_event
from actors.domain.partitions import partition_of, partition_of_key
from actors.domain.stock_events import Quantity
from actors.ports.journal import OpenAnomaly, OrderRow, OrdersSince, PendingEffect, Recorded
from actors.projections import in_line
from adapters.postgres.connect import Pool
from adapters.postgres.flushing import FLUSH

ANSWERS_HOURS: Final = 24
"""How long a repeat is given the first answer (see `KeyedAnswer`)."""

READ_EVENTS_AT_ONCE: Final = 5_000
"""A long stream is read in pieces, so that no single answer of the database grows without bound."""

READ_EVENTS_EACH: Final = 200
"""Read of a stream together with others: an order has some thirty events. A longer one is read on."""

_document = Decoder(Document).decode
_quantities = Decoder(tuple[Quantity, ...]).decode


async def read_stream(pool: Pool, stream: str, after: int) -> Sequence[Recorded]:
    """Return the stream's events with versions above `after`."""
    partition = partition_of(stream)
    found: list[Recorded] = []
    while True:
        rows = await pool.fetch(
            "SELECT position, version, kind, data, at, hash FROM event"
            " WHERE partition = $1 AND stream = $2 AND version > $3 ORDER BY version LIMIT $4",
            partition,
            stream,
            found[-1].version if found else after,
            READ_EVENTS_AT_ONCE,
        )
        found += [recorded_of(partition, stream, row) for row in rows]
        if len(rows) < READ_EVENTS_AT_ONCE:
            return found


async def read_streams(pool: Pool, streams: Sequence[str]) -> Mapping[str, Sequence[Recorded]]:
    """Return the first events of each stream, at most `READ_EVENTS_EACH`; empty streams are left out."""
    rows = await pool.fetch(
        "SELECT q.stream, q.partition, e.position, e.version, e.kind, e.data, e.at, e.hash"
        " FROM unnest($1::smallint[], $2::text[]) AS q (partition, stream) CROSS JOIN LATERAL ("
        " SELECT * FROM event WHERE partition = q.partition AND stream = q.stream"
        " ORDER BY version LIMIT $3) AS e ORDER BY q.stream, e.version",
        [partition_of(stream) for stream in streams],
        streams,
        READ_EVENTS_EACH,
    )
    found: dict[str, list[Recorded]] = {}
    for row in rows:
        found.setdefault(row["stream"], []).append(recorded_of(row["partition"], row["stream"], row))
    return found


async def order_row(pool: Pool, order: str) -> OrderRow | None:
    """Return an order's row."""
    row = await pool.fetchrow(
        "SELECT order_id, channel, shop_order, reference, state, state_since, due_at,"
        " placed_at, waiting_for, version FROM order_index WHERE partition = $1 AND order_id ="
        " $2",
        partition_of_key(order),
        order,
    )
    return order_of(row) if row is not None else None


async def known_orders(pool: Pool, orders: Collection[str]) -> frozenset[str]:
    """Return those of these ids that have a row."""
    rows = await pool.fetch(
        "SELECT o.order_id FROM unnest($1::smallint[], $2::text[]) AS q (partition, order_id)"
        " JOIN order_index AS o USING (partition, order_id)",
        [partition_of_key(order) for order in orders],
        list(orders),
    )
    return frozenset(row["order_id"] for row in rows)


async def orders_due(pool: Pool, owned: Sequence[int], now: datetime, limit: int) -> Sequence[str]:
    """Return ids of orders of these partitions whose clock has run out."""
    rows = await pool.fetch(
        "SELECT order_id FROM order_index WHERE due_at <= $1 AND partition = ANY ($2) ORDER BY"
        " due_at, order_id LIMIT $3",
        now,
        owned,
        limit,
    )
    return [row["order_id"] for row in rows]


async def orders_waiting_for(pool: Pool, sku: str, limit: int) -> Sequence[str]:
    """Return ids of orders that wait for the SKU."""
    rows = await pool.fetch(
        "SELECT order_id FROM backorder WHERE sku = $1 ORDER BY placed_at, order_id LIMIT $2", sku, limit
    )
    return [row["order_id"] for row in rows]


async def wanted(pool: Pool) -> Mapping[str, int]:
    """Return how many units of each SKU are waited for."""
    rows = await pool.fetch(
        "SELECT sku, sum(units)::bigint AS units FROM backorder GROUP BY sku ORDER BY sku"
    )
    return {row["sku"]: row["units"] for row in rows}


async def orders_in(
    pool: Pool, states: Sequence[str], limit: int, after: OrderRow | None
) -> Sequence[OrderRow]:
    """Return rows of orders in these states, or in all; with `after` those behind that row."""
    rows = await pool.fetch(
        "SELECT order_id, channel, shop_order, reference, state, state_since, due_at,"
        " placed_at, waiting_for, version FROM order_index WHERE ($1::text[] = '{}' OR state ="
        " ANY ($1)) AND ($3::timestamptz IS NULL OR (placed_at, order_id) > ($3, $4::text))"
        " ORDER BY placed_at, order_id LIMIT $2",
        list(states),
        limit,
        *((after.placed_at, after.order) if after is not None else (None, None)),
    )
    return [order_of(row) for row in rows]


async def order_counts(pool: Pool) -> Mapping[str, int]:
    """Return how many orders stand in each state."""
    rows = await pool.fetch("SELECT state, count(*) AS orders FROM order_index GROUP BY state ORDER BY state")
    return {row["state"]: row["orders"] for row in rows}


async def orders_since(pool: Pool, states: Sequence[str]) -> Sequence[OrdersSince]:
    """Return how many orders came into each of these states in which minute."""
    rows = await pool.fetch(
        "SELECT state, date_trunc('minute', state_since) AS since, count(*) AS orders FROM order_index"
        " WHERE state = ANY ($1) GROUP BY 1, 2 ORDER BY 1, 2",
        list(states),
    )
    return [OrdersSince(*row) for row in rows]


async def pending(pool: Pool, owned: Sequence[int], partner: str, limit: int) -> Sequence[PendingEffect]:
    """Return the partner's outbox as far as it belongs to these partitions, when all of it is durable.

    What is committed shows before it is on the disk, and nobody may be told of what a crash could undo.
    """
    async with pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT effect, stream, partner, document, requested_at, position FROM outbox WHERE partner = $1"
            " AND partition = ANY ($2)"
            " ORDER BY requested_at, partition, position LIMIT $3",
            partner,
            owned,
            limit,
        )
        if rows:
            await connection.fetch(FLUSH)
    return [_effect(row) for row in in_line(rows, itemgetter("stream", "position"))]


async def owed(pool: Pool) -> Collection[str]:
    """Return the partners that stand in the outbox."""
    return [row["partner"] for row in await pool.fetch("SELECT DISTINCT partner FROM outbox ORDER BY 1")]


async def effect(pool: Pool, effect_id: str, stream: str) -> PendingEffect | None:
    """Return one row of the outbox."""
    row = await pool.fetchrow(
        "SELECT effect, stream, partner, document, requested_at FROM outbox WHERE partition ="
        " $1 AND effect = $2",
        partition_of(stream),
        effect_id,
    )
    return _effect(row) if row is not None else None


async def anomalies(pool: Pool, limit: int) -> Sequence[OpenAnomaly]:
    """Return the open anomalies."""
    rows = await pool.fetch(
        "SELECT anomaly, stream, problem, detail, mend, raised_at FROM anomaly WHERE resolved_at IS NULL"
        " ORDER BY raised_at, anomaly LIMIT $1",
        limit,
    )
    return [OpenAnomaly(*row) for row in rows]


async def beside(pool: Pool, ids: Sequence[str]) -> Mapping[str, bytes]:
    """Return the bodies of rows beside the log, but those that were erased or never were."""
    rows = await pool.fetch(
        "SELECT q.id, (SELECT body FROM beside AS b WHERE b.id = q.id LIMIT 1) AS body"
        " FROM unnest($1::text[]) AS q (id)",
        ids,
    )
    return {row["id"]: row["body"] for row in rows if row["body"] is not None}


async def keyed_answer(pool: Pool, stream: str, key: str) -> bytes | None:
    """Return the answer given under a key in the last 24 hours."""
    answer: bytes | None = await pool.fetchval(
        "SELECT answer FROM command_answer WHERE partition = $1 AND stream = $2 AND key = $3"
        " AND at > clock_timestamp() - $4 * interval '1 hour'",
        partition_of(stream),
        stream,
        key,
        ANSWERS_HOURS,
    )
    return answer


async def cursor(pool: Pool, name: str) -> str | None:
    """Return a cursor."""
    value: str | None = await pool.fetchval(
        "SELECT value FROM cursor WHERE partition = $1 AND name = $2", partition_of_key(name), name
    )
    return value


def recorded_of(partition: int, stream: str, row: asyncpg.Record) -> Recorded:
    """Return the event that a row of the log holds."""
    return Recorded(
        partition=partition,
        position=row["position"],
        stream=stream,
        version=row["version"],
        event=decode_event(row["kind"], row["data"].encode()),
        at=row["at"],
        hash=row["hash"],
    )


def order_of(row: asyncpg.Record) -> OrderRow:
    """Return the order that a row of the index tells of."""
    return OrderRow(
        order=row["order_id"],
        channel=row["channel"],
        shop_order=row["shop_order"],
        reference=row["reference"],
        state=row["state"],
        state_since=row["state_since"],
        due_at=row["due_at"],
        placed_at=row["placed_at"],
        waiting_for=_quantities(row["waiting_for"]),
        version=row["version"],
    )


def _effect(row: asyncpg.Record) -> PendingEffect:
    return PendingEffect(
        effect=row["effect"],
        stream=row["stream"],
        partner=row["partner"],
        document=_document(row["document"]),
        requested_at=row["requested_at"],
    )
