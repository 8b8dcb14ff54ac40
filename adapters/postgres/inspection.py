"""Answers what people ask of the journal, see `actors.inspection`; on the database's thread.

There is no index for them: what a person asks now and then must not slow down what is written all the time. A
SKU's movements are read backwards along the log of its warehouse's partition, until there are enough.
"""

from collections.abc import Collection, Mapping, Sequence

from actors.domain.log import decode_event
from actors.domain.partitions import partition_of, stock_stream
from actors.domain.stock_events import StockEffectRequested
from actors.inspection import Asked, BookedMovement, LogEnd, OrderFilter, Tip
from actors.ports.journal import OrderRow, Recorded
from adapters.postgres.connect import Connection, Pool
from adapters.postgres.reads import order_of, recorded_of


async def find_orders(pool: Pool, wanted: OrderFilter, limit: int) -> Sequence[OrderRow]:
    """Return rows of the orders that fit, the first placed first."""
    rows = await pool.fetch(
        "SELECT order_id, channel, shop_order, reference, state, state_since, due_at, placed_at, waiting_for,"
        " version FROM order_index WHERE ($1::text[] = '{}' OR state = ANY ($1))"
        " AND ($2 = '' OR channel = $2) AND ($3::timestamptz IS NULL OR placed_at <= $3)"
        " AND ($6::timestamptz IS NULL OR state_since >= $6)"
        " AND ($4 = '' OR order_id IN"
        " (SELECT order_id FROM fulfilment WHERE warehouse = $4 AND closed_position IS NULL))"
        " ORDER BY placed_at, order_id LIMIT $5",
        list(wanted.states),
        wanted.channel,
        wanted.placed_before,
        wanted.warehouse,
        limit,
        wanted.moved_after,
    )
    return [order_of(row) for row in rows]


async def tip(pool: Pool, back: int) -> Tip:
    """Return where the log ends, or stood `back` events a partition before."""
    rows = await pool.fetch("SELECT partition, position FROM partition_head")
    return Tip({row["partition"]: max(0, row["position"] - back) for row in rows})


async def news(pool: Pool, after: Tip, limit: int) -> tuple[Sequence[Recorded], Tip]:
    """Return the events beyond `after`, and how far they reach."""
    rows = await pool.fetch(
        "SELECT e.partition, e.position, e.stream, e.version, e.kind, e.data, e.at, e.hash"
        " FROM unnest($1::smallint[], $2::bigint[]) AS q (partition, position) CROSS JOIN LATERAL"
        " (SELECT * FROM event WHERE partition = q.partition AND position > q.position"
        " ORDER BY position LIMIT $3) AS e ORDER BY e.at, e.partition, e.position",
        list(after.positions),
        list(after.positions.values()),
        limit,
    )
    recorded = [recorded_of(row["partition"], row["stream"], row) for row in rows]
    reached = dict(after.positions)
    for each in recorded:
        reached[each.partition] = max(reached[each.partition], each.position)
    return recorded, Tip(reached)


async def newest(pool: Pool, stream: str, limit: int, before: int | None) -> Sequence[Recorded]:
    """Return the stream's last events before that version, the newest first."""
    partition = partition_of(stream)
    rows = await pool.fetch(
        "SELECT position, version, kind, data, at, hash FROM event WHERE partition = $1 AND stream = $2"
        " AND ($3::bigint IS NULL OR version < $3) ORDER BY version DESC LIMIT $4",
        partition,
        stream,
        before,
        limit,
    )
    return [recorded_of(partition, stream, row) for row in rows]


async def ends(database: Pool | Connection, at: Mapping[int, int]) -> Sequence[LogEnd]:
    """Return where these partitions end, and which hash they have at these positions."""
    rows = await database.fetch(
        "SELECT q.partition, h.position, e.hash FROM unnest($1::smallint[], $2::bigint[])"
        " AS q (partition, position) JOIN partition_head AS h USING (partition)"
        " LEFT JOIN event AS e ON e.partition = q.partition AND e.position = q.position"
        " ORDER BY q.partition",
        list(at),
        list(at.values()),
    )
    return [LogEnd(*row) for row in rows]


async def movements(pool: Pool, warehouse: str, sku: str, limit: int) -> Sequence[BookedMovement]:
    """Return the SKU's last movements, the newest first."""
    rows = await pool.fetch(
        "SELECT e.at, e.kind, e.data, m.source, m.target, m.units FROM stock_movement AS m"
        " JOIN event AS e USING (partition, position)"
        " WHERE m.partition = $1 AND m.warehouse = $2 AND m.sku = $3"
        " ORDER BY m.position DESC, m.line DESC LIMIT $4",
        partition_of(stock_stream(warehouse)),
        warehouse,
        sku,
        limit,
    )
    return [
        BookedMovement(
            row["at"],
            decode_event(row["kind"], row["data"].encode()),
            row["source"],
            row["target"],
            row["units"],
        )
        for row in rows
    ]


async def asked(pool: Pool, stream: str, names: Collection[str]) -> Sequence[Asked]:
    """Return what a stream asked for under these names; the whole stream is gone through."""
    rows = await pool.fetch(
        "SELECT kind, data, at FROM event WHERE partition = $1 AND stream = $2"
        " AND kind = 'stock.effect_requested'"
        " AND (data->>'effect' = ANY ($3) OR data->'document'->>'reference' = ANY ($3)) ORDER BY version",
        partition_of(stream),
        stream,
        list(names),
    )
    found: list[Asked] = []
    for row in rows:
        event = decode_event(row["kind"], row["data"].encode())
        if isinstance(event, StockEffectRequested):
            found.append(Asked(event.effect, event.document, row["at"]))
    return found
