"""A small log to look into: a warehouse with five fulfilments in different states, and one order."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

import asyncpg
import pytest
import trio

from actors.domain.documents import ErpOrder
from actors.domain.ledger import Stock, apply
from actors.domain.log import KINDS as WIRE_NAMES
from actors.domain.log import chain, encode_event, header, microseconds
from actors.domain.order_events import (
    Beside,
    EffectDone,
    EffectRequested,
    FulfilmentAllocated,
    OrderConfirmed,
    OrderImported,
    OrderLine,
    OrderRouted,
    PlannedFulfilment,
)
from actors.domain.order_fold import evolve
from actors.domain.order_state import Order
from actors.domain.partitions import partition_of
from actors.domain.stock_events import (
    FulfilmentDispatched,
    FulfilmentPacked,
    PackedParcel,
    PickFellShort,
    Quantity,
    ReservationConfirmed,
    ReservationRefused,
    ReservationReleased,
    Shortage,
    StockAdjusted,
    StockEvent,
    StockOpened,
    StockReceived,
    UnitsPicked,
    UnitsReserved,
)
from actors.ports.journal import Append, Event, FulfilmentRow
from actors.ports.people import BesideRow
from actors.rows import fulfilment_row, order_row
from adapters.postgres.journal import open_journal

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SQL = Callable[..., list[asyncpg.Record]]

ONE_CUP = (Quantity("CUP", 1),)

# Positions in the comments are those in the partition of stock-paris.
STOCK: tuple[StockEvent, ...] = (
    StockOpened("CUP", 10, "A1", "count"),  # 1
    StockReceived("D1", "POT", 6, "A2"),  # 2
    StockAdjusted("CUP", -1, "broken"),  # 3
    UnitsReserved("F-shipped", "O1", (Quantity("CUP", 2), Quantity("POT", 1)), None),  # 4
    UnitsReserved("F-floor", "O2", ONE_CUP, None),  # 5
    UnitsReserved("F-released", "O3", (Quantity("POT", 2),), NOW),  # 6
    ReservationRefused("F-refused", "O4", (Shortage("POT", 9, 3),)),  # 7
    UnitsReserved("F-short", "O5", ONE_CUP, NOW),  # 8
    ReservationConfirmed("F-short"),  # 9
    UnitsPicked("F-shipped", "CUP", 2, "A1"),  # 10
    UnitsPicked("F-shipped", "POT", 1, "A2"),  # 11
    FulfilmentPacked("F-shipped", (PackedParcel("P1", (Quantity("CUP", 2), Quantity("POT", 1)), 900),)),  # 12
    FulfilmentDispatched("F-shipped", (Quantity("CUP", 2), Quantity("POT", 1))),  # 13
    ReservationReleased("F-released", (Quantity("POT", 2),), (), "expired"),  # 14
    PickFellShort("F-short", "CUP", 1, "A1", "not there"),  # 15
    UnitsPicked("F-floor", "CUP", 1, "A1"),  # 16
)

CONTACT = BesideRow("O1:contact", "contact", "main:7", b"salt", b'{"name":"Ada"}')
PAYLOAD = BesideRow("O1:payload", "payload", "main:7", b"pepper", b"<order/>")
ERP_ORDER = ErpOrder("R1", "main", "R1", NOW, "EUR", (), Decimal(0), "O1:contact")


def digest(row: BesideRow) -> Beside:
    return Beside(row.id, sha256(row.salt + row.body).hexdigest())


ORDER: tuple[Event, ...] = (
    OrderImported(
        channel="main",
        shop_order="1",
        reference="R1",
        placed_at=NOW,
        currency="EUR",
        total=Decimal(30),
        shipping=Decimal(5),
        service="",
        country="FR",
        lines=(OrderLine("1", "CUP", 2, Decimal(5)), OrderLine("2", "POT", 1, Decimal(15))),
        contact=digest(CONTACT),
        payload=digest(PAYLOAD),
    ),
    EffectRequested("E1", "erp", ERP_ORDER),
    EffectDone("E1", "4711"),
    OrderRouted(
        (PlannedFulfilment("F-shipped", "paris", (Quantity("CUP", 2), Quantity("POT", 1))),), (), "rules"
    ),
    FulfilmentAllocated("F-shipped"),
    OrderConfirmed(("F-shipped",)),
    EffectRequested("E2", "erp", ERP_ORDER),
)


def stock_append(events: Sequence[StockEvent], stock: Stock, expected: int) -> Append:
    """Return the append that a warehouse's actor would make of these events."""
    rows: dict[str, FulfilmentRow] = {}
    for event in events:
        fulfilment = apply(stock, event)
        if fulfilment is not None:
            rows[fulfilment.fulfilment] = fulfilment_row(fulfilment, "paris")
    return Append("stock-paris", expected, tuple(events), NOW, fulfilments=tuple(rows.values()))


def order_append(
    events: Sequence[Event], order: Order, beside: tuple[BesideRow, ...] = ()
) -> tuple[Append, Order]:
    """Return the append that the order's actor would make of these events, and the order after it."""
    expected = order.version
    for event in events:
        order = evolve(order, event, NOW)  # type: ignore[arg-type] # events of an order
    return Append(
        "order-main-1", expected, tuple(events), NOW, orders=(order_row(order),), beside=beside
    ), order


async def write_log(dsn: str) -> None:
    stock, order = Stock(), Order()
    async with open_journal(dsn, owner="the test") as journal:
        for begin in range(0, len(STOCK), 3):
            await journal.append(stock_append(STOCK[begin : begin + 3], stock, begin))
        append, order = order_append(ORDER[:2], order, beside=(CONTACT, PAYLOAD))
        await journal.append(append)
        append, order = order_append(ORDER[2:], order)
        await journal.append(append)


@pytest.fixture
def log_dsn(dsn: str) -> str:
    """A database with the log above in it."""
    trio.run(write_log, dsn)
    return dsn


@pytest.fixture
def forge(log_dsn: str, sql: SQL) -> Callable[[str, Event], None]:
    """Write an event past the journal, well chained: what a journal with a bug could have written."""
    del log_dsn

    def write(stream: str, event: Event) -> None:
        partition = partition_of(stream)
        (head,) = sql(f"SELECT position, hash FROM partition_head WHERE partition = {partition}")
        versions = sql(f"SELECT coalesce(max(version), 0) FROM event WHERE stream = '{stream}'")
        position, version = head["position"] + 1, versions[0][0] + 1
        data, kind = encode_event(event), WIRE_NAMES[type(event)]
        hashed = chain(
            head["hash"], header(partition, position, stream, version, kind, microseconds(NOW)), data
        )
        sql(
            f"INSERT INTO event VALUES ({partition}, {position}, '{stream}', {version}, '{kind}',"
            f" $json${data.decode()}$json$, '{NOW.isoformat()}', '\\x{hashed.hex()}')",
            f"UPDATE partition_head SET position = {position}, hash = '\\x{hashed.hex()}'"
            f" WHERE partition = {partition}",
            "SELECT 1",
        )

    return write
