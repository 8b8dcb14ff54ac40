"""The other side of `flow`: a plain connector, one order after another, a transaction a step.

It takes the steps that the product takes for an order, with the same durability: an intent is committed
before the outside is touched and its outcome after, rows are locked in a fixed order of SKUs, each step
leaves a line of history. Its statements are prepared and sent for all lines at a time, and its partners
answer at once.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import asyncpg
import msgspec
import uvloop

from actors.domain.documents import (
    Document,
    ErpDeliveryNote,
    ErpLine,
    ErpOrder,
    LabelPurchase,
    ShopParcel,
    ShopStatus,
    ShopTracking,
)
from actors.ports import ShopOrder
from tests.benchmarks.rowlocks import Connection

SITE: Final = "lyon"

SCHEMA = """
CREATE TABLE shop_order (
    id text PRIMARY KEY, reference text NOT NULL, state text NOT NULL, placed_at timestamptz NOT NULL,
    currency text NOT NULL, total numeric NOT NULL, changed_at timestamptz NOT NULL
);
CREATE INDEX shop_order_state ON shop_order (state, changed_at);
CREATE TABLE order_line (
    order_id text, line text, sku text NOT NULL, units bigint NOT NULL, picked bigint NOT NULL DEFAULT 0,
    unit_price numeric NOT NULL, PRIMARY KEY (order_id, line)
);
CREATE TABLE person (id text PRIMARY KEY, body bytea NOT NULL);
CREATE TABLE payload (id text PRIMARY KEY, body bytea NOT NULL);
CREATE TABLE balance (
    warehouse text, sku text, available bigint NOT NULL CHECK (available >= 0),
    reserved bigint NOT NULL CHECK (reserved >= 0), picked bigint NOT NULL CHECK (picked >= 0),
    PRIMARY KEY (warehouse, sku)
) WITH (fillfactor = 50);
CREATE TABLE movement (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id text NOT NULL, sku text NOT NULL,
    source text NOT NULL, target text NOT NULL, units bigint NOT NULL, at timestamptz NOT NULL
);
CREATE TABLE parcel (
    id text PRIMARY KEY, order_id text NOT NULL, weight_g int NOT NULL, tracking text, label bytea
);
CREATE TABLE outbox (
    id text PRIMARY KEY, order_id text NOT NULL, partner text NOT NULL, document json NOT NULL
);
CREATE TABLE history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id text NOT NULL, step text NOT NULL,
    detail text NOT NULL, at timestamptz NOT NULL
);
"""

STATEMENTS = {
    "import": "INSERT INTO shop_order VALUES ($1, $2, 'new', $3, $4, $5, $6)",
    "lines": "INSERT INTO order_line (order_id, line, sku, units, unit_price)"
    " SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::numeric[])",
    "person": "INSERT INTO person VALUES ($1, $2)",
    "payload": "INSERT INTO payload VALUES ($1, $2)",
    "lock": "SELECT state FROM shop_order WHERE id = $1 FOR UPDATE",
    "move_on": "UPDATE shop_order SET state = $2, changed_at = $3 WHERE id = $1",
    "balances": "SELECT sku, available, reserved, picked FROM balance WHERE warehouse = $1 AND sku = ANY ($2)"
    " ORDER BY sku FOR UPDATE",
    "reserve": "UPDATE balance AS b SET available = available - n.units, reserved = reserved + n.units"
    " FROM unnest($2::text[], $3::bigint[]) AS n (sku, units) WHERE b.warehouse = $1 AND b.sku = n.sku",
    "pick": "UPDATE balance AS b SET reserved = reserved - n.units, picked = picked + n.units"
    " FROM unnest($2::text[], $3::bigint[]) AS n (sku, units) WHERE b.warehouse = $1 AND b.sku = n.sku",
    "ship": "UPDATE balance AS b SET picked = picked - n.units"
    " FROM unnest($2::text[], $3::bigint[]) AS n (sku, units) WHERE b.warehouse = $1 AND b.sku = n.sku",
    "picked": "UPDATE order_line SET picked = picked + $3 WHERE order_id = $1 AND sku = $2",
    "moved": "INSERT INTO movement (order_id, sku, source, target, units, at)"
    " SELECT $1, n.sku, $4, $5, n.units, $6 FROM unnest($2::text[], $3::bigint[]) AS n (sku, units)",
    "parcel": "INSERT INTO parcel VALUES ($1, $2, $3)",
    "labelled": "UPDATE parcel SET tracking = $2, label = $3 WHERE id = $1",
    "ask": "INSERT INTO outbox SELECT n.id, $1, n.partner, n.document::json"
    " FROM unnest($2::text[], $3::text[], $4::text[]) AS n (id, partner, document)",
    "told": "SELECT document FROM outbox WHERE id = $1",
    "settle": "DELETE FROM outbox WHERE id = $1",
    "known": "SELECT 1 FROM shop_order WHERE id = $1",
    "history": "INSERT INTO history (order_id, step, detail, at) VALUES ($1, $2, $3, $4)",
}

_encode = msgspec.json.Encoder().encode


class Connector:
    """One connection, and an order at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers = count(1)

    async def prepare(self) -> None:
        """Prepare every statement."""
        prepare = self._connection.prepare
        self._prepared = {name: await prepare(statement) for name, statement in STATEMENTS.items()}

    async def ship(self, order: ShopOrder) -> None:
        """Take one order from its import to shipped, with all partners told."""
        id_ = order.shop_order
        lines = sorted(order.lines, key=_sku)
        skus, units = [line.sku for line in lines], [line.units for line in lines]
        erp_lines = tuple(
            ErpLine(line.line, line.sku, line.units, line.unit_price, SITE) for line in order.lines
        )
        booked = ErpOrder(
            id_, "main", order.reference, order.placed_at, order.currency, erp_lines, order.shipping, id_
        )
        await self._import(id_, order)
        await self._reserve(id_, skus, units, booked)
        await self._settle(id_, "erp-order")
        await self._settle(id_, "status-preparing")
        for line in lines:
            await self._pick(id_, line.sku, line.units)
        await self._pack(id_, order.country)
        tracking = await self._label(id_)
        now = datetime.now(UTC)
        parcels = (ShopParcel(f"{id_}.1", "swift", tracking, 900),)
        note = ErpDeliveryNote(id_, id_, SITE, erp_lines, now)
        await self._dispatch(id_, skus, units, (note, ShopTracking(id_, parcels), ShopStatus(id_, "shipped")))
        for kind in ("delivery-note", "tracking", "status-shipped"):
            await self._settle(id_, kind)

    async def _import(self, id_: str, order: ShopOrder) -> None:
        lines = order.lines
        await self._begin()
        if await self._do("known", id_):
            raise ValueError(f"{id_} is imported already")
        await self._do(
            "import", id_, order.reference, order.placed_at, order.currency, order.total, datetime.now(UTC)
        )
        await self._do(
            "lines",
            id_,
            [line.line for line in lines],
            [line.sku for line in lines],
            [line.units for line in lines],
            [line.unit_price for line in lines],
        )
        await self._do("person", id_, _encode(order.contact))
        await self._do("payload", id_, order.raw)
        await self._commit(id_, "imported", order.reference)

    async def _reserve(self, id_: str, skus: Sequence[str], units: Sequence[int], booked: ErpOrder) -> None:
        await self._begin()
        await self._do("lock", id_)
        held = {row["sku"]: row["available"] for row in await self._do("balances", SITE, skus)}
        if any(held[sku] < wanted for sku, wanted in zip(skus, units, strict=True)):
            raise ValueError("there is plenty of everything")
        await self._do("reserve", SITE, skus, units)
        await self._do("moved", id_, skus, units, "available", "reserved", datetime.now(UTC))
        await self._do("move_on", id_, "picking", datetime.now(UTC))
        await self._ask(id_, {"erp-order": booked, "status-preparing": ShopStatus(id_, "preparing")})
        await self._commit(id_, "reserved", SITE)

    async def _pick(self, id_: str, sku: str, units: int) -> None:
        await self._begin()
        await self._do("lock", id_)
        await self._do("balances", SITE, [sku])
        await self._do("pick", SITE, [sku], [units])
        await self._do("moved", id_, [sku], [units], "reserved", "picked", datetime.now(UTC))
        await self._do("picked", id_, sku, units)
        await self._commit(id_, "picked", sku)

    async def _pack(self, id_: str, country: str) -> None:
        await self._begin()
        await self._do("lock", id_)
        await self._do("parcel", f"{id_}.1", id_, 900)
        await self._do("move_on", id_, "packed", datetime.now(UTC))
        await self._ask(id_, {"label": LabelPurchase(f"{id_}.1", "swift", "home", SITE, country, 900, id_)})
        await self._commit(id_, "packed", f"{id_}.1")

    async def _label(self, id_: str) -> str:
        await self._do("told", f"{id_}:label")
        tracking = f"M{next(self._numbers):010d}"
        await self._begin()
        await self._do("lock", id_)
        await self._do("settle", f"{id_}:label")
        await self._do("labelled", f"{id_}.1", tracking, b"^XA^XZ")
        await self._commit(id_, "labelled", tracking)
        return tracking

    async def _dispatch(
        self, id_: str, skus: Sequence[str], units: Sequence[int], told: Sequence[Document]
    ) -> None:
        await self._begin()
        await self._do("lock", id_)
        await self._do("balances", SITE, skus)
        await self._do("ship", SITE, skus, units)
        await self._do("moved", id_, skus, units, "picked", "customer", datetime.now(UTC))
        await self._do("move_on", id_, "shipped", datetime.now(UTC))
        await self._ask(id_, dict(zip(("delivery-note", "tracking", "status-shipped"), told, strict=True)))
        await self._commit(id_, "shipped", SITE)

    async def _ask(self, id_: str, documents: dict[str, Document]) -> None:
        texts = [_encode(document).decode() for document in documents.values()]
        await self._do("ask", id_, [f"{id_}:{kind}" for kind in documents], ["partner"] * len(texts), texts)

    async def _settle(self, id_: str, kind: str) -> None:
        await self._do("told", f"{id_}:{kind}")
        await self._begin()
        await self._do("lock", id_)
        await self._do("settle", f"{id_}:{kind}")
        await self._commit(id_, kind, "taken")

    async def _begin(self) -> None:
        await self._connection.execute("BEGIN")

    async def _commit(self, id_: str, step: str, detail: str) -> None:
        await self._do("history", id_, step, detail, datetime.now(UTC))
        await self._connection.execute("COMMIT")

    async def _do(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:  # noqa: ANN401 - as asyncpg
        return await self._prepared[statement].fetch(*arguments)


def _sku(line: Any) -> str:  # noqa: ANN401
    return str(line.sku)


def furnish(dsn: str, skus: Sequence[str], units: int) -> None:
    """Make the tables, with plenty of every SKU."""

    async def make() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(SCHEMA)
        await connection.copy_records_to_table("balance", records=[(SITE, sku, units, 0, 0) for sku in skus])
        await connection.execute("VACUUM ANALYZE")
        await connection.close()

    uvloop.run(make())


def ship_all(dsn: str, warm_up: Sequence[ShopOrder], orders: Sequence[ShopOrder]) -> float:
    """Ship the orders one after another; return how many that were a second."""

    async def run() -> float:
        connection = await asyncpg.connect(dsn, server_settings={"jit": "off"})
        connector = Connector(connection)
        await connector.prepare()
        for order in warm_up:
            await connector.ship(order)
        began = time.perf_counter()
        for order in orders:
            await connector.ship(order)
        rate = len(orders) / (time.perf_counter() - began)
        await connection.close()
        return rate

    return uvloop.run(run())
