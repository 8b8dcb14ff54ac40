"""The audit against a log that is right, and against every way we could think of to make it wrong."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise

import asyncpg
import pytest
import trio

from actors.domain.anomaly_events import AnomalyRaised
from actors.domain.control_events import ChangeAsked, ChangeSettled
from actors.domain.order_events import (
    Beside,
    ContactCorrected,
    EffectDone,
    FulfilmentAllocated,
    OrderRetold,
)
from actors.domain.partitions import CONTROL, partition_of
from actors.domain.stock_events import (
    FulfilmentDispatched,
    FulfilmentPacked,
    PackedParcel,
    Quantity,
    ReservationConfirmed,
    ReservationReduced,
    ReservationReleased,
    StockAdjusted,
    StockCounted,
    StockEvent,
    UnitsPicked,
    UnitsReserved,
    UnitsReturned,
)
from actors.ports.journal import Append, Event, KeyedAnswer
from actors.ports.people import BesideRow
from adapters.postgres.audit import AuditReport, audit
from adapters.postgres.encoding import UnwritableError
from adapters.postgres.forget import forget
from adapters.postgres.journal import open_journal

NOW = datetime(2026, 11, 23, 13, tzinfo=UTC)
PARIS = partition_of("stock-paris")
ORDER = partition_of("order-main-1")

ONE = (Quantity("CUP", 1),)
BOX = (PackedParcel("F-floor.1", ONE, 900),)

UNLOCK = "ALTER TABLE event DISABLE TRIGGER event_append_only"
UNLOCK_MOVES = "ALTER TABLE stock_movement DISABLE TRIGGER stock_movement_append_only"
SWAP = f"""
    UPDATE event AS e SET data = o.data FROM event AS o
     WHERE e.partition = {PARIS} AND o.partition = {PARIS} AND (e.position, o.position) IN ((5, 8), (8, 5))
"""
MOVE_AT = (
    f"INSERT INTO stock_movement VALUES ({PARIS}, {{}}, 0, 'paris', 'CUP', '', 'available', 'reserved', 1)"
)
PARIS_AT = f"partition = {PARIS} AND position ="


def audited(dsn: str) -> AuditReport:
    async def run() -> AuditReport:
        with trio.fail_after(30):
            return await audit(dsn)

    return trio.run(run)


def test_a_log_that_nobody_touched_is_proven_right(log_dsn: str) -> None:
    report = audited(log_dsn)
    assert report == AuditReport(
        ok=True, chain=True, events=23, movements=15, oversold_units=0, findings=(), findings_total=0
    )


@pytest.mark.parametrize(
    ("booked", "movements"),
    [
        (StockCounted("CUP", "A1", 7, 1, 0, 1, ""), 17),
        (StockCounted("CUP", "A1", 3, 0, 1, -2, "stocktake"), 17),
        (UnitsReturned("O1/R1", "O1", "CUP", 1, "sellable", ""), 16),
        (UnitsReturned("O1/R1", "O1", "CUP", 1, "damaged", ""), 16),
    ],
    ids=["found", "lost", "came back", "came back damaged"],
)
def test_the_audit_reads_an_event_as_the_ledger_booked_it(
    log_dsn: str, booked: StockEvent, movements: int
) -> None:
    async def book() -> None:
        async with open_journal(log_dsn, owner="the test") as journal:
            await journal.append(Append("stock-paris", 16, (booked,), NOW))

    trio.run(book)
    assert audited(log_dsn) == AuditReport(
        ok=True, chain=True, events=24, movements=movements, oversold_units=0, findings=(), findings_total=0
    )


def test_a_return_that_stands_in_the_log_twice_is_seen(log_dsn: str, sql: Callable[..., object]) -> None:
    came = UnitsReturned("O1/R1", "O1", "CUP", 1, "sellable", "")
    other = UnitsReturned("O1/R2", "O1", "CUP", 1, "sellable", "")

    async def book() -> None:
        async with open_journal(log_dsn, owner="the test") as journal:
            await journal.append(Append("stock-paris", 16, (came, other), NOW))

    trio.run(book)
    assert audited(log_dsn).ok
    renamed = "UPDATE event SET data = replace(data::text, 'O1/R2', 'O1/R1')::json"
    sql(UNLOCK, f"{renamed} WHERE data::text LIKE '%O1/R2%'", "SELECT 1")
    assert "the delivery O1/R1 to stock-paris stands in the log a second time" in [
        finding.what for finding in audited(log_dsn).findings
    ]


def test_a_text_that_no_statement_could_read_again_is_refused_and_the_audit_goes_on(log_dsn: str) -> None:
    async def record() -> None:
        async with open_journal(log_dsn, owner="the test") as journal:
            with pytest.raises(UnwritableError, match="zero byte"):
                await journal.append(Append("order-main-1", 7, (EffectDone("E2", "N\x001"),), NOW))
            says = StockAdjusted("CUP", 1, "said \\u0000, which is no such text")
            await journal.append(Append("stock-paris", 16, (says,), NOW))

    trio.run(record)
    report = audited(log_dsn)
    assert (report.ok, report.events) == (True, 24)


def test_a_name_that_is_too_long_for_an_index_is_refused_and_ends_nobody(log_dsn: str) -> None:
    """As a partner may tell one: what is random does not shrink, and an index takes 2,704 bytes."""
    long = random.Random(1).randbytes(4_000).hex()

    async def record() -> None:
        async with open_journal(log_dsn, owner="the test") as journal:
            with pytest.raises(UnwritableError):
                await journal.append(Append("order-2", 0, (), NOW, answers=(KeyedAnswer(long, b"done"),)))
            await journal.append(Append("stock-paris", 16, (StockAdjusted("CUP", 1, ""),), NOW))

    trio.run(record)
    assert audited(log_dsn).ok


HALF = "half a pair: \ud800"
"""A lone surrogate, as a name from outside may have one: no UTF-8 says it."""


def test_a_text_that_is_no_unicode_is_refused_and_fails_nobody_elses_append(log_dsn: str) -> None:
    async def record() -> None:
        async with open_journal(log_dsn, owner="the test") as journal:

            async def refuse(append: Append) -> None:
                with pytest.raises(UnwritableError):
                    await journal.append(append)

            def moved(expected: int) -> Append:
                return Append("stock-paris", expected, (StockAdjusted("CUP", 1, ""),), NOW)

            half_answered = Append("order-2", 0, (), NOW, answers=(KeyedAnswer(HALF, b"done"),))
            async with (
                trio.open_nursery() as nursery
            ):  # one batch, which is taken apart for the answer's sake
                nursery.start_soon(refuse, half_answered)
                nursery.start_soon(journal.append, moved(16))
            half_said = Append("order-4", 0, (EffectDone("E2", HALF),), NOW)
            await refuse(half_said)
            taken_before = Append("order-3", 0, (), NOW, answers=(KeyedAnswer("k", b"done"),))
            await journal.append(taken_before)
            with trio.fail_after(10):
                async with trio.open_nursery() as nursery:
                    first = await journal.enqueue(moved(17))
                    await journal.enqueue(taken_before)  # refused by the database, and the batch with it
                    for version in range(18, 24):
                        await journal.enqueue(moved(version))
                    await first()  # the others are still committed one by one
                    nursery.start_soon(refuse, half_said)
                    await journal.append(moved(24))

    trio.run(record)
    report = audited(log_dsn)
    assert (report.ok, report.events) == (True, 23 + 9)


ASKED = ChangeAsked(
    path="/v1/reload", key="k", terms="{}", digest="0", dry_run=False, uid=0, pid=1, user="root", role="admin"
)


def done(number: int) -> ChangeSettled:
    return ChangeSettled(number, "done", "")


@pytest.mark.parametrize(
    ("trail", "wrong"),
    [
        ((ASKED, done(1), ASKED, done(3)), None),
        ((ASKED, ASKED, done(1)), None),
        ((ASKED, done(1), done(1)), 3),
        ((ASKED, done(2)), 2),
        ((done(2), ASKED), 1),
    ],
    ids=["all", "one is open", "twice", "no change", "too early"],
)
def test_what_came_of_a_change_is_told_once_and_only_after_it_was_asked_for(
    log_dsn: str, trail: tuple[Event, ...], wrong: int | None
) -> None:
    async def record() -> None:
        async with open_journal(log_dsn, owner="the test") as journal:
            await journal.append(Append(CONTROL, 0, trail, NOW))

    trio.run(record)
    found = [(finding.partition, finding.position) for finding in audited(log_dsn).findings]
    assert found == ([] if wrong is None else [(partition_of(CONTROL), wrong)])


def test_an_empty_database_is_right(dsn: str) -> None:
    assert audited(dsn).ok


def test_the_audit_tells_how_far_it_is(log_dsn: str) -> None:
    told: list[int] = []

    async def run() -> None:
        await audit(log_dsn, progress=told.append)

    trio.run(run)
    assert told[-1] == 23
    assert all(before < after for before, after in pairwise(told))


@pytest.mark.parametrize(
    ("statements", "position", "what"),
    [
        pytest.param(
            [f"UPDATE event SET data = replace(data::text, '10', '11')::json WHERE {PARIS_AT} 1"],
            1,
            "hash",
            id="changed data",
        ),
        pytest.param(
            [f"UPDATE event SET at = at + interval '1 us' WHERE {PARIS_AT} 4"], 4, "hash", id="changed time"
        ),
        pytest.param(
            [f"UPDATE event SET kind = 'stock.received' WHERE {PARIS_AT} 1"], 1, "hash", id="changed kind"
        ),
        pytest.param(
            [f"UPDATE event SET hash = sha256(hash) WHERE {PARIS_AT} 5"], 5, "hash", id="changed hash"
        ),
        pytest.param([f"DELETE FROM event WHERE {PARIS_AT} 3"], 3, "event 3 is missing", id="deleted event"),
        pytest.param(
            [f"DELETE FROM event WHERE {PARIS_AT} 1"], 1, "event 1 is missing", id="deleted first event"
        ),
        pytest.param([f"DELETE FROM event WHERE {PARIS_AT} 16"], 16, "head", id="deleted last event"),
        pytest.param(
            [SWAP],
            5,
            "hash",
            id="swapped events",
        ),
    ],
)
def test_a_log_that_was_tampered_with_is_found_at_the_first_wrong_event(
    log_dsn: str, sql: Callable[..., object], statements: list[str], position: int, what: str
) -> None:
    sql(UNLOCK, *statements, "SELECT 1")
    report = audited(log_dsn)
    assert not report.ok
    assert not report.chain
    assert report.first is not None
    assert (report.first.partition, report.first.position) == (PARIS, position)
    assert any(what in finding.what for finding in report.findings if finding.position == position)


@pytest.mark.parametrize(
    ("statement", "place", "what"),
    [
        pytest.param(
            "UPDATE stock_balance SET available = available + 1, count_ = count_ - 1 WHERE sku = 'CUP'",
            (PARIS, 0),
            "balance of CUP",
            id="altered balance",
        ),
        pytest.param(
            "DELETE FROM stock_balance WHERE sku = 'POT'", (PARIS, 0), "balance of POT", id="lost balance"
        ),
        pytest.param(
            f"INSERT INTO stock_balance VALUES ({PARIS}, 'paris', 'HAT', '', 1, 0, 0, 0, -1, 0, 0, 0, 0)",
            (PARIS, 0),
            "balance of HAT",
            id="invented balance",
        ),
        pytest.param(
            f"UPDATE stock_movement SET units = 9 WHERE {PARIS_AT} 4 AND line = 1",
            (PARIS, 4),
            "movements",
            id="altered movement",
        ),
        pytest.param(
            f"DELETE FROM stock_movement WHERE {PARIS_AT} 4 AND line = 0", (PARIS, 4), "movements", id="lost"
        ),
        pytest.param(
            MOVE_AT.format(7),
            (PARIS, 7),
            "movements",
            id="invented movement",
        ),
        pytest.param(
            MOVE_AT.format(99),
            (PARIS, 99),
            "does not exist",
            id="movement of no event",
        ),
        pytest.param(
            "UPDATE fulfilment SET state = 'released' WHERE fulfilment = 'F-shipped'",
            (PARIS, 13),
            "F-shipped",
            id="altered closed fulfilment",
        ),
        pytest.param(
            "UPDATE fulfilment SET body = replace(body::text, '\"picked\":1', '\"picked\":0')::json"
            " WHERE fulfilment = 'F-floor'",
            (PARIS, 16),
            "F-floor",
            id="altered open fulfilment",
        ),
        pytest.param(
            "DELETE FROM fulfilment WHERE fulfilment = 'F-floor'", (PARIS, 16), "F-floor", id="lost one"
        ),
        pytest.param(
            f"INSERT INTO fulfilment VALUES ({PARIS}, 'F-new', 'O9', 'paris', 'floor', NULL, '{{}}', 3)",
            (PARIS, 0),
            "no event made",
            id="invented fulfilment",
        ),
        pytest.param(
            "UPDATE order_index SET state = 'shipped'", (ORDER, 7), "order main-1", id="altered order"
        ),
        pytest.param("UPDATE order_index SET version = 6", (ORDER, 7), "order main-1", id="late order"),
        pytest.param("DELETE FROM order_index", (ORDER, 7), "order main-1", id="lost order"),
        pytest.param("DELETE FROM outbox", (ORDER, 7), "effect E2", id="lost effect"),
        pytest.param("UPDATE outbox SET effect = 'E1'", (ORDER, 7), "effect E1", id="effect asked for again"),
        pytest.param(
            "UPDATE beside SET body = 'other' WHERE kind = 'payload'",
            (ORDER, 1),
            "O1:payload",
            id="altered payload",
        ),
        pytest.param(
            "DELETE FROM beside WHERE kind = 'contact'", (ORDER, 1), "O1:contact", id="lost contact"
        ),
        pytest.param(
            "UPDATE beside SET erased_at = now(), body = 'other' WHERE kind = 'contact'",
            (ORDER, 1),
            "O1:contact",
            id="altered contact that looks erased",
        ),
        pytest.param("DELETE FROM delivery", (PARIS, 2), "delivery D1 to paris", id="forgotten delivery"),
        pytest.param(
            f"INSERT INTO delivery VALUES ({PARIS}, 'paris', 'D2')",
            (PARIS, 0),
            "delivery D2 to paris",
            id="invented delivery",
        ),
        pytest.param(
            "UPDATE slot SET slot = 'Z9' WHERE sku = 'CUP'", (PARIS, 1), "slot of CUP", id="altered slot"
        ),
        pytest.param(
            f"INSERT INTO backorder VALUES ({ORDER}, 'CUP', 'main-1', 2, now())",
            (ORDER, 0),
            "main-1 is not known to wait for CUP",
            id="invented wait",
        ),
        pytest.param("UPDATE order_index SET due_at = NULL", (ORDER, 0), "no clock", id="lost clock"),
    ],
)
def test_a_table_that_does_not_follow_from_the_events_is_found(
    log_dsn: str, sql: Callable[..., object], statement: str, place: tuple[int, int], what: str
) -> None:
    sql(UNLOCK_MOVES, statement, "SELECT 1")
    report = audited(log_dsn)
    assert report.chain
    assert report.first is not None
    assert any(
        (finding.partition, finding.position) == place and what in finding.what for finding in report.findings
    )
    assert (report.first.partition, report.first.position) == place


def test_what_was_kept_or_raised_later_is_compared_as_well(log_dsn: str, sql: Callable[..., object]) -> None:
    rows = tuple(BesideRow(f"O1:{kind}:2", kind, "main:7", b"salt", b"{}") for kind in ("contact", "payload"))
    contact, payload = (Beside(row.id, sha256(row.salt + row.body).hexdigest()) for row in rows)
    came = (ContactCorrected(contact, "FR"), OrderRetold(payload), AnomalyRaised("O1:fire", "smoke", "", ""))

    async def record() -> None:
        async with open_journal(log_dsn, owner="the test") as journal:
            await journal.append(Append("order-main-1", 7, came, NOW, beside=rows))

    def found() -> list[tuple[int, str]]:
        told = [(each.position, each.what) for each in audited(log_dsn).findings]
        return [each for each in told if "index" not in each[1]]  # no order's actor wrote these events

    trio.run(record)
    assert found() == []
    sql("UPDATE beside SET body = 'other' WHERE id LIKE '%:2'", "DELETE FROM anomaly", "SELECT 1")
    assert found() == [
        (8, "the row O1:contact:2 beside the log was altered or lost"),
        (9, "the row O1:payload:2 beside the log was altered or lost"),
        (10, "the anomaly O1:fire is not open as its events tell it"),
    ]


@pytest.mark.parametrize(
    ("events", "what"),
    [
        pytest.param(
            (UnitsReserved("F", "O9", ONE, NOW), UnitsPicked("F", "CUP", 1, "A1")),
            "F is reserved, and not floor",
            id="picked before it may be",
        ),
        pytest.param(
            (UnitsReserved("F", "O9", ONE, None), FulfilmentPacked("F", ())),
            "not all of it is picked",
            id="left",
        ),
        pytest.param(
            (FulfilmentPacked("F-floor", BOX), ReservationReleased("F-floor", (), ONE, "cancelled")),
            "F-floor is packed, and not reserved or floor",
            id="packed and given back",
        ),
        pytest.param(
            (FulfilmentDispatched("F-floor", ONE),), "F-floor is floor, and not packed", id="left unpacked"
        ),
        pytest.param((ReservationConfirmed("F-floor"),), "F-floor is floor, and not reserved", id="twice"),
        pytest.param(
            (ReservationReduced("F-floor", ONE),), "reduced after its floor began", id="reduced once picked"
        ),
        pytest.param(
            (UnitsReserved("F", "O9", ONE, None), ReservationReduced("F", (Quantity("CUP", 2),))),
            "2 of CUP go back of 1 of F",
            id="reduced by more than it holds",
        ),
        pytest.param(
            (UnitsReserved("F", "O9", ONE, None), ReservationReduced("F", ONE)),
            "reduced to nothing",
            id="reduced to nothing",
        ),
    ],
)
def test_a_promise_that_goes_a_way_that_there_is_not_is_seen(
    log_dsn: str, forge: Callable[[str, Event], None], events: Sequence[Event], what: str
) -> None:
    for event in events:
        forge("stock-paris", event)
    place = (PARIS, 16 + len(events))
    assert any(
        (each.partition, each.position) == place and what in each.what for each in audited(log_dsn).findings
    )


@pytest.mark.parametrize(
    ("stream", "event", "what"),
    [
        pytest.param(
            "stock-paris",
            UnitsReserved("F-floor", "O2", (Quantity("CUP", 1),), None),
            "promised a second time",
            id="an open promise made again",
        ),
        pytest.param(
            "stock-paris",
            UnitsReserved("F-shipped", "O1", (Quantity("CUP", 1),), None),
            "F-shipped stands in the log a second time",
            id="a closed promise made again",
        ),
        pytest.param(
            "stock-paris", UnitsPicked("F-floor", "CUP", 1, "A1"), "leave 0 of F-floor", id="picked twice"
        ),
        pytest.param(
            "stock-paris", UnitsPicked("F-never", "CUP", 1, "A1"), "holds no promise", id="no promise"
        ),
        pytest.param("order-main-1", EffectDone("E1", "4712"), "settled before", id="an effect done twice"),
        pytest.param(
            "order-main-1", FulfilmentAllocated("F-never"), "no warehouse promised", id="nobody promised"
        ),
    ],
)
def test_what_was_done_twice_is_found_although_the_chain_is_whole(
    log_dsn: str, forge: Callable[[str, Event], None], stream: str, event: Event, what: str
) -> None:
    forge(stream, event)
    report = audited(log_dsn)
    assert report.chain
    place = (PARIS, 17) if stream == "stock-paris" else (ORDER, 8)
    assert any(
        (finding.partition, finding.position) == place and what in finding.what for finding in report.findings
    )
    assert report.oversold_units == 0


def test_units_that_were_promised_without_being_there_are_counted(
    log_dsn: str, forge: Callable[[str, Event], None]
) -> None:
    forge("stock-paris", UnitsReserved("F-over", "O9", (Quantity("CUP", 8),), None))
    forge("stock-paris", UnitsReserved("F-more", "O9", (Quantity("CUP", 1),), None))
    report = audited(log_dsn)
    assert report.oversold_units == 4  # five cups were available
    assert any(
        finding.position == 17 and "-3 of CUP are available at paris" in finding.what
        for finding in report.findings
    )


def test_a_person_who_was_forgotten_leaves_the_log_whole(
    log_dsn: str, sql: Callable[..., list[object]]
) -> None:
    async def forget_in_a_daemon() -> int:
        async with open_journal(log_dsn, owner="the test again") as journal:
            return await journal.forget("main:7")

    assert trio.run(forget_in_a_daemon) == 2
    assert sql("SELECT 1 FROM beside WHERE salt IS NOT NULL OR body IS NOT NULL OR erased_at IS NULL") == []
    assert audited(log_dsn).ok


_WAITS = """
    SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


def test_an_erasure_waits_for_what_is_under_way_and_erases_it_too(
    log_dsn: str, sql: Callable[..., list[object]]
) -> None:
    """An append that has found the person's address still there cannot slip a label in behind the erasure."""

    async def forget_meanwhile() -> int:
        under_way = await asyncpg.connect(log_dsn)
        async with asyncio.timeout(30), under_way.transaction():
            await under_way.execute(f"SELECT pg_advisory_xact_lock_shared(1464353106, {ORDER})")
            await under_way.execute(
                f"INSERT INTO beside VALUES ({ORDER}, 'O1:label', 'label', 'main:7', 'salt', '^XA')"
            )
            forgetting = asyncio.create_task(asyncio.to_thread(lambda: trio.run(forget, log_dsn, "main:7")))
            while not await under_way.fetchval(_WAITS):
                await asyncio.sleep(0.005)
        await under_way.close()
        return await forgetting

    assert asyncio.run(forget_meanwhile()) == 3
    assert sql("SELECT 1 FROM beside WHERE body IS NOT NULL") == []
