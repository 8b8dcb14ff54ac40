"""The other side of `flow`: a plain connector, one order after another, a transaction a step.

It takes the sixteen steps that the product's records show for an order of three lines, with the same
durability: an intent is committed before the outside is touched and its outcome after, rows are locked in a
fixed order of SKUs, each step leaves a line of history. A step can be taken up again after a crash, so it
begins by reading where the order stands. Its statements are prepared and sent for all lines at a time, on
asyncpg and uvloop; its partners answer at once.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Final

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
from actors.ports.shop import ShopOrder
from tests.benchmarks.connector_sql import SCHEMA, STATEMENTS
from tests.benchmarks.rowlocks import Connection

SITE: Final = "lyon"

_encode = msgspec.json.Encoder().encode


class Connector:
    """One connection, an order at a time. A step knows the order by its id, and reads what else it needs."""

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
        await self._import(id_, order)
        await self._reserve(id_)
        await self._allocated(id_)
        await self._settle(id_, "erp-order")
        await self._settle(id_, "status-preparing")
        for line in order.lines:
            await self._pick(id_, line.sku)
        await self._pack(id_)
        await self._packed(id_)
        await self._label(id_)
        await self._dispatch(id_)
        await self._shipped(id_)
        for kind in ("delivery-note", "tracking", "status-shipped"):
            await self._settle(id_, kind)

    async def _import(self, id_: str, order: ShopOrder) -> None:
        lines = order.lines
        await self._connection.execute("BEGIN")
        if await self._do("known", id_):
            raise ValueError(f"{id_} is imported already")
        now = datetime.now(UTC)
        await self._do(
            "import", id_, order.reference, order.placed_at, order.currency, order.total, order.country, now
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
        await self._do("cursor", "main", id_)
        await self._commit(id_, "imported", order.reference)

    async def _reserve(self, id_: str) -> None:
        _, lines = await self._begin(id_)
        skus, units = _columns(lines)
        held = {row["sku"]: row["available"] for row in await self._do("balances", SITE, skus)}
        if any(held[sku] < wanted for sku, wanted in zip(skus, units, strict=True)):
            raise ValueError("there is plenty of everything")
        await self._do("reserve", SITE, skus, units)
        await self._do("moved", id_, skus, units, "available", "reserved", datetime.now(UTC))
        await self._do("reservation", id_, SITE, "floor")
        await self._commit(id_, "reserved", SITE)

    async def _allocated(self, id_: str) -> None:
        order, lines = await self._begin(id_)
        booked = ErpOrder(
            id_, "main", order["reference"], order["placed_at"], "EUR", _erp(lines), Decimal("4.90"), id_
        )
        await self._do("move_on", id_, "picking", datetime.now(UTC))
        await self._ask(id_, {"erp-order": booked, "status-preparing": ShopStatus(id_, "preparing")})
        await self._commit(id_, "allocated", SITE)

    async def _pick(self, id_: str, sku: str) -> None:
        _, lines = await self._begin(id_)
        units = next(line["units"] for line in lines if line["sku"] == sku)
        await self._do("balances", SITE, [sku])
        await self._do("pick", SITE, [sku], [units])
        await self._do("moved", id_, [sku], [units], "reserved", "picked", datetime.now(UTC))
        await self._do("picked", id_, sku, units)
        await self._commit(id_, "picked", sku)

    async def _pack(self, id_: str) -> None:
        await self._begin(id_)
        await self._do("parcel", f"{id_}.1", id_, 900)
        await self._do("reservation_on", id_, "packed")
        await self._commit(id_, "packed", f"{id_}.1")

    async def _packed(self, id_: str) -> None:
        order, _ = await self._begin(id_)
        await self._do("move_on", id_, "packed", datetime.now(UTC))
        label = LabelPurchase(f"{id_}.1", "swift", "home", SITE, order["country"], 900, id_)
        await self._ask(id_, {"label": label})
        await self._commit(id_, "label asked", f"{id_}.1")

    async def _label(self, id_: str) -> None:
        await self._do("told", f"{id_}:label")
        await self._do("who", id_)
        tracking = f"M{next(self._numbers):010d}"
        await self._begin(id_)
        await self._do("settle", f"{id_}:label")
        await self._do("labelled", f"{id_}.1", tracking, b"^XA^XZ")
        await self._commit(id_, "labelled", tracking)

    async def _dispatch(self, id_: str) -> None:
        _, lines = await self._begin(id_)
        skus, units = _columns(lines)
        await self._do("balances", SITE, skus)
        await self._do("ship", SITE, skus, units)
        await self._do("moved", id_, skus, units, "picked", "customer", datetime.now(UTC))
        await self._do("reservation_on", id_, "dispatched")
        await self._commit(id_, "dispatched", SITE)

    async def _shipped(self, id_: str) -> None:
        _, lines = await self._begin(id_)
        now = datetime.now(UTC)
        tracking = (await self._do("parcels", id_))[0]["tracking"]
        await self._do("move_on", id_, "shipped", now)
        told: dict[str, Document] = {
            "delivery-note": ErpDeliveryNote(id_, id_, SITE, _erp(lines), now),
            "tracking": ShopTracking(id_, (ShopParcel(f"{id_}.1", "swift", tracking, 900),)),
            "status-shipped": ShopStatus(id_, "shipped"),
        }
        await self._ask(id_, told)
        await self._commit(id_, "shipped", tracking)

    async def _ask(self, id_: str, documents: Mapping[str, Document]) -> None:
        texts = [_encode(document).decode() for document in documents.values()]
        await self._do("ask", id_, [f"{id_}:{kind}" for kind in documents], ["partner"] * len(texts), texts)

    async def _settle(self, id_: str, kind: str) -> None:
        """Tell a partner, who answers at once, and record that it was told."""
        await self._do("told", f"{id_}:{kind}")
        await self._begin(id_)
        await self._do("settle", f"{id_}:{kind}")
        await self._commit(id_, kind, "taken")

    async def _begin(self, id_: str) -> tuple[asyncpg.Record, list[asyncpg.Record]]:
        await self._connection.execute("BEGIN")
        return (await self._do("lock", id_))[0], await self._do("lines_of", id_)

    async def _commit(self, id_: str, step: str, detail: str) -> None:
        await self._do("history", id_, step, detail, datetime.now(UTC))
        await self._connection.execute("COMMIT")

    async def _do(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return await self._prepared[statement].fetch(*arguments)


def _columns(lines: Sequence[asyncpg.Record]) -> tuple[list[str], list[int]]:
    return [line["sku"] for line in lines], [line["units"] for line in lines]


def _erp(lines: Sequence[asyncpg.Record]) -> tuple[ErpLine, ...]:
    return tuple(
        ErpLine(line["line"], line["sku"], line["units"], line["unit_price"], SITE) for line in lines
    )


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
