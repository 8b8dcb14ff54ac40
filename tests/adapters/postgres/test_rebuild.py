"""The rebuild: the projections from the events, to the same content as the journal wrote them."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import asyncpg
import pytest
import trio

from actors.domain.ledger import FulfilmentLine, Shelf, Stock, apply
from actors.domain.stock_events import (
    Quantity,
    ReservationConfirmed,
    ReservationReduced,
    ReservationReleased,
    StockEvent,
    StockOpened,
    StockReceived,
    UnitsPicked,
    UnitsReserved,
    UnitsReturned,
)
from actors.ports.journal import Append
from actors.rows import fulfilment_row
from adapters.postgres.audit import audit
from adapters.postgres.bridge import open_bridge
from adapters.postgres.journal import open_journal
from adapters.postgres.leases import LeaseTakenError
from adapters.postgres.rebuild import RebuildError, rebuild

PROJECTED = (
    "stock_movement",
    "stock_balance",
    "fulfilment",
    "slot",
    "delivery",
    "order_index",
    "backorder",
    "outbox",
    "anomaly",
)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ONE_CUP = (Quantity("CUP", 1),)
SQL = Callable[..., list[asyncpg.Record]]


def content(sql: SQL) -> dict[str, list[str]]:
    return {
        table: [row[0] for row in sql(f"SELECT t::text FROM {table} AS t ORDER BY 1")] for table in PROJECTED
    }


def test_what_was_rebuilt_is_what_the_journal_wrote(log_dsn: str, sql: SQL) -> None:
    before = content(sql)
    assert {table for table, rows in before.items() if not rows} == {"backorder", "anomaly"}
    sql(
        "ALTER TABLE stock_movement DISABLE TRIGGER stock_movement_append_only",
        "DELETE FROM stock_movement WHERE line = 0",
        "ALTER TABLE stock_movement ENABLE TRIGGER stock_movement_append_only",
        "UPDATE stock_balance SET available = available + 1, count_ = count_ - 1",
        "DELETE FROM fulfilment WHERE closed_position IS NULL",
        "UPDATE order_index SET state = 'lost'",
        "DELETE FROM outbox",
        "DELETE FROM slot",
        "SELECT 1",
    )
    assert content(sql) != before

    assert trio.run(rebuild, log_dsn) == 23

    assert content(sql) == before
    assert trio.run(audit, log_dsn).ok


def test_what_came_back_is_rebuilt_with_its_delivery(log_dsn: str, sql: SQL) -> None:
    came = UnitsReturned("O1/R1", "O1", "CUP", 1, "sellable", "")
    broken = UnitsReturned("O1/R2", "O1", "CUP", 1, "damaged", "Q1")

    async def book() -> None:
        async with open_journal(log_dsn, owner="the test") as journal:
            await journal.append(Append("stock-paris", 16, (came, broken), NOW))

    trio.run(book)
    before = content(sql)
    assert any("O1/R1" in row for row in before["delivery"])
    sql("DELETE FROM delivery", "SELECT 1")
    assert trio.run(rebuild, log_dsn) == 25
    assert content(sql) == before


def test_a_promise_that_was_reduced_is_rebuilt_with_what_it_keeps(log_dsn: str, sql: SQL) -> None:
    reserved = UnitsReserved("F-less", "O6", (Quantity("CUP", 3), Quantity("POT", 1)), NOW)
    reduced = ReservationReduced("F-less", (Quantity("CUP", 1), Quantity("POT", 1)))
    events: tuple[StockEvent, ...] = (reserved, reduced)

    async def promise() -> None:
        async with open_journal(log_dsn, owner="the test") as journal:
            stock = Stock(shelves={"CUP": Shelf(available=6), "POT": Shelf(available=5)})
            for number, event in enumerate(events):  # each in an append of its own, as its actor does
                fulfilment = apply(stock, event)
                assert fulfilment is not None
                row = fulfilment_row(fulfilment, "paris")
                await journal.append(Append("stock-paris", 16 + number, (event,), NOW, fulfilments=(row,)))
            assert stock.fulfilments["F-less"].lines == (FulfilmentLine("CUP", 2),)

    trio.run(promise)
    before = content(sql)
    report = trio.run(audit, log_dsn)
    assert (report.ok, report.events, report.movements) == (True, 25, 19)
    sql("DELETE FROM fulfilment", "SELECT 1")
    assert trio.run(rebuild, log_dsn) == 25
    assert content(sql) == before
    assert trio.run(audit, log_dsn).ok


@pytest.mark.parametrize("houses", [("lyon", "paris"), ("lyon",)], ids=["two warehouses", "one"])
def test_what_is_written_in_one_batch_is_what_each_event_alone_makes(
    dsn: str, sql: SQL, houses: tuple[str, ...]
) -> None:
    """A column of the batch may say the same in every row, or not: each of these batches has both."""
    breaths: tuple[dict[str, tuple[StockEvent, ...]], ...] = (
        {
            "lyon": (StockOpened("CUP", 9, "A1", "count"), StockReceived("D1", "POT", 4, "A2")),
            "paris": (StockOpened("CUP", 5, "B1", "count"), StockOpened("POT", 2, "B2", "count")),
        },
        {
            "lyon": (UnitsReserved("F1", "O1", (Quantity("CUP", 2), Quantity("POT", 1)), None),),
            "paris": (UnitsReserved("F2", "O1", ONE_CUP, NOW), UnitsReserved("F3", "O3", ONE_CUP, NOW)),
        },
        {
            "lyon": (UnitsPicked("F1", "CUP", 2, "A1"),),
            "paris": (ReservationReleased("F2", ONE_CUP, (), "cancelled"), ReservationConfirmed("F3")),
        },
    )
    stocks = {house: Stock() for house in houses}
    versions = Counter[str]()

    async def write() -> None:
        async with open_journal(dsn, owner="the test") as journal:
            for breath in breaths:
                durable = []
                for house, event in [(each, event) for each in houses for event in breath[each]]:
                    row = apply(stocks[house], event)
                    rows = (fulfilment_row(row, house),) if row is not None else ()
                    append = Append(f"stock-{house}", versions[house], (event,), NOW, fulfilments=rows)
                    durable.append(await journal.enqueue(append))
                    versions[house] += 1
                for wait in durable:
                    await wait()

    trio.run(write)
    before = content(sql)
    assert trio.run(audit, dsn).ok
    assert trio.run(rebuild, dsn) == sum(versions.values())
    assert content(sql) == before


def test_nothing_is_rebuilt_under_a_daemon_at_work(log_dsn: str) -> None:
    async def attempt() -> None:
        with trio.fail_after(30):
            async with open_journal(log_dsn, owner="a daemon"):
                with pytest.raises(RebuildError, match="daemon"):
                    await rebuild(log_dsn)
            await rebuild(log_dsn)

    trio.run(attempt)


def test_a_daemon_that_starts_during_a_rebuild_waits_for_it_as_a_standby(log_dsn: str) -> None:
    """However long it takes: here somebody's look at the movements keeps the rebuild from its first step."""
    order: list[str] = []
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"

    async def rebuild_it() -> None:
        assert await rebuild(log_dsn) == 23
        order.append("rebuilt")

    async def start() -> None:
        async with open_journal(log_dsn, owner="a daemon"):
            order.append("started")

    async def attempt() -> None:
        with trio.fail_after(30):
            async with open_bridge() as bridge:
                look = await bridge.run(asyncpg.connect, log_dsn)
                try:
                    await bridge.run(look.execute, "BEGIN; LOCK TABLE stock_movement IN ACCESS SHARE MODE")
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(rebuild_it)
                        while not await bridge.run(look.fetchval, waiting):
                            await trio.sleep(0.02)
                        nursery.start_soon(start)
                        with trio.fail_after(5), pytest.raises(LeaseTakenError, match="a rebuild"):
                            async with open_journal(log_dsn, owner="a command", standby=False):
                                pass
                        assert order == []
                        await bridge.run(look.execute, "COMMIT")
                finally:
                    with trio.CancelScope(shield=True):
                        await bridge.run(look.close)

    trio.run(attempt)
    assert order == ["rebuilt", "started"]


def test_movements_stay_append_only_after_a_rebuild(log_dsn: str, sql: SQL) -> None:
    trio.run(rebuild, log_dsn)
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        sql("DELETE FROM stock_movement")
