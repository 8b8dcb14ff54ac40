"""What every journal promises: one suite on the fake and on each Postgres that this machine has."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Protocol

import msgspec
import pytest
import trio

from actors.domain.anomaly_events import AnomalyRaised, AnomalyResolved
from actors.domain.documents import ErpAdjustment, ErpCancellation, ErpLine, ErpReception
from actors.domain.log import GENESIS
from actors.domain.order_events import (
    CancelAsked,
    EffectDone,
    EffectRequested,
    OrderCancelled,
    OrderShipped,
)
from actors.domain.stock_events import (
    FulfilmentDispatched,
    Quantity,
    ReservationReleased,
    SlotAssigned,
    StockAdjusted,
    StockEffectDone,
    StockEffectRequested,
    StockMirrored,
    StockOpened,
    StockReceived,
    UnitsPicked,
    UnitsReserved,
    UnitsReturned,
)
from actors.inspection import Inspection, LogEnd, OrderFilter
from actors.ports.journal import (
    Append,
    Balance,
    ConflictError,
    CorruptionError,
    Event,
    FulfilmentRow,
    Journal,
    KeyedAnswer,
    OpenAnomaly,
    OrderRow,
    PendingEffect,
)
from actors.ports.people import BesideRow, Contact
from adapters.memory.journal import MemoryJournal
from adapters.postgres.embedded_binaries import Binaries, available_binaries
from adapters.postgres.journal import open_journal


class ForgettingJournal(Journal, Protocol):
    async def forget(self, customer: str) -> int: ...


KINDS: list[Binaries] = list(available_binaries())
NOW = datetime.now(UTC)
PARIS = "stock-paris"


@pytest.fixture(params=["memory", *KINDS])
async def journal(request: pytest.FixtureRequest) -> AsyncIterator[ForgettingJournal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    dsn = request.getfixturevalue("database_of")(request.param)
    with trio.fail_after(60):
        async with open_journal(dsn, owner="the test") as opened:
            yield opened


def stock(expected: int, *events: Event, rows: tuple[FulfilmentRow, ...] = (), at: datetime = NOW) -> Append:
    return Append(PARIS, expected, events, at, fulfilments=rows)


def order(name: str, expected: int, *events: Event, **rest: object) -> Append:
    return msgspec.structs.replace(Append(f"order-{name}", expected, events, NOW), **rest)


def opened(sku: str, units: int, slot: str = "A1") -> StockOpened:
    return StockOpened(sku, units, slot, "count of the first day")


def reserved(fulfilment: str, **units: int) -> UnitsReserved:
    lines = tuple(Quantity(sku, count) for sku, count in units.items())
    return UnitsReserved(fulfilment, f"order of {fulfilment}", lines, None)


def fulfilment(name: str, state: str = "floor", *, closed: bool = False) -> FulfilmentRow:
    body = msgspec.json.encode({"fulfilment": name, "state": state})
    return FulfilmentRow(name, f"order of {name}", "paris", state, closed, body)


def row(name: str, state: str = "picking", **rest: object) -> OrderRow:
    plain = OrderRow(name, "main", f"shop {name}", f"R{name}", state, NOW, None, NOW, (), 1)
    return msgspec.structs.replace(plain, **rest)


async def test_what_was_appended_is_read_back_in_order_with_versions_and_positions(journal: Journal) -> None:
    await journal.append(stock(0, opened("TEAPOT", 5), opened("CUP", 12)))
    await journal.append(stock(2, StockAdjusted("CUP", -2, "broken")))

    events = await journal.read(PARIS)

    assert [recorded.event for recorded in events] == [
        opened("TEAPOT", 5),
        opened("CUP", 12),
        StockAdjusted("CUP", -2, "broken"),
    ]
    assert [(recorded.version, recorded.position) for recorded in events] == [(1, 1), (2, 2), (3, 3)]
    assert {(recorded.stream, recorded.at) for recorded in events} == {(PARIS, NOW)}
    assert await journal.read(PARIS, after=2) == events[2:]
    assert list(await journal.read("stock-lyon")) == []


async def test_each_events_hash_covers_the_one_before_it_in_the_same_partition(journal: Journal) -> None:
    await journal.append(stock(0, opened("TEAPOT", 5), opened("CUP", 12)))
    first, second = await journal.read(PARIS)

    def hashed(previous: bytes, position: int, version: int, data: bytes) -> bytes:
        microseconds = (NOW - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        head = f"{first.partition}\0{position}\0{PARIS}\0{version}\0stock.opened\0{microseconds}\0"
        return sha256(previous + head.encode() + data).digest()

    assert first.hash == hashed(GENESIS, 1, 1, msgspec.json.encode(first.event))
    assert second.hash == hashed(first.hash, 2, 2, msgspec.json.encode(second.event))


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_an_append_that_expects_another_version_is_refused_and_leaves_nothing(
    journal: Journal, expected: int
) -> None:
    await journal.append(stock(0, opened("TEAPOT", 5), opened("CUP", 12)))

    with pytest.raises(ConflictError):
        await journal.append(stock(expected, StockAdjusted("CUP", 1, "found")))

    assert len(await journal.read(PARIS)) == 2
    await journal.append(stock(2, StockAdjusted("CUP", 1, "found")))


@pytest.mark.parametrize("expected", [0, 2])
async def test_a_version_that_only_the_database_knows_is_checked_too(journal: Journal, expected: int) -> None:
    """A hole in a stream is refused as an overlap is, also in a stream that nobody used for long."""
    if expected:
        with pytest.raises(ConflictError):
            await journal.append(order("1", expected, OrderShipped()))
        assert list(await journal.read("order-1")) == []
    else:
        await journal.append(order("1", expected, OrderShipped()))
        assert len(await journal.read("order-1")) == 1


async def test_one_conflicting_append_fails_none_of_those_that_wait_beside_it(journal: Journal) -> None:
    failed: list[str] = []

    async def append(name: str, expected: int) -> None:
        try:
            await journal.append(order(name, expected, CancelAsked("shop"), OrderCancelled("shop")))
        except ConflictError:
            failed.append(name)

    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(append, str(number), 7 if number % 10 == 3 else 0)

    assert sorted(failed) == ["13", "23", "3", "33"]
    for number in range(40):
        assert len(await journal.read(f"order-{number}")) == (0 if str(number) in failed else 2)


async def test_a_large_append_that_is_refused_takes_none_down_that_came_after_it(journal: Journal) -> None:
    """On Postgres the next batches are on their way already when the first is refused."""
    await journal.append(stock(0, StockReceived("D-100", "CUP", 1, "A1")))
    outcomes: dict[str, str] = {}

    async def receive(warehouse: str, expected: int) -> None:
        for begin in (0, 300):
            deliveries = tuple(StockReceived(f"D-{n}", "CUP", 1, "A1") for n in range(begin, begin + 300))
            try:
                await journal.append(Append(f"stock-{warehouse}", expected + begin, deliveries, NOW))
            except ConflictError:
                outcomes[warehouse] = "refused"
                return
        outcomes[warehouse] = "taken in"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive, "paris", 1)
        for _ in range(5):  # long enough to be on its way, much too short to be there
            await trio.lowlevel.checkpoint()
        for warehouse in ("lyon", "lille", "nice"):
            nursery.start_soon(receive, warehouse, 0)

    assert outcomes == {"paris": "refused", "lyon": "taken in", "lille": "taken in", "nice": "taken in"}
    for warehouse, units in (("paris", 1), ("lyon", 600), ("lille", 600), ("nice", 600)):
        picture = await journal.stock_picture(warehouse)
        assert (picture.version, picture.balances[0].available) == (units, units)


async def test_appends_of_many_streams_at_once_keep_every_partition_without_gaps(journal: Journal) -> None:
    async def append(name: str) -> None:
        for version in range(5):
            await journal.append(order(name, version, CancelAsked(f"{name} {version}")))

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(append, f"{number:03}")

    positions: dict[int, list[int]] = {}
    for number in range(100):
        for recorded in await journal.read(f"order-{number:03}"):
            positions.setdefault(recorded.partition, []).append(recorded.position)
    assert sum(map(len, positions.values())) == 500
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in positions.values())


async def test_appends_to_one_stream_are_recorded_in_the_order_of_the_calls_however_full_it_is(
    journal: Journal,
) -> None:
    last = None
    for first in range(0, 15_000, 1_500):
        counted = [StockAdjusted("TEAPOT", 1, f"count {first + number}") for number in range(1_500)]
        last = await journal.enqueue(stock(first, *counted))
    assert last is not None
    await last()
    recorded = [each.event for each in await journal.read(PARIS)]
    assert [event.reason for event in recorded if isinstance(event, StockAdjusted)] == [
        f"count {number}" for number in range(15_000)
    ]


async def test_what_is_enqueued_is_recorded_although_nobody_waits_for_it(journal: Journal) -> None:
    for number in range(3):
        await journal.enqueue(order("17", number, CancelAsked(f"person {number}")))
    await journal.append(order("17", 3, CancelAsked("person 3")))
    assert [each.version for each in await journal.read("order-17")] == [1, 2, 3, 4]


async def test_whoever_waits_for_what_was_enqueued_hears_that_it_was_refused(journal: Journal) -> None:
    await journal.append(order("17", 0, CancelAsked("anna")))
    with pytest.raises(ConflictError):
        await (await journal.enqueue(order("17", 0, CancelAsked("bea"))))()


async def test_a_reservation_moves_units_and_the_picture_shows_where_they_stand(journal: Journal) -> None:
    await journal.append(stock(0, opened("TEAPOT", 5), opened("CUP", 12)))
    await journal.append(stock(2, reserved("F1", TEAPOT=2, CUP=6), rows=(fulfilment("F1"),)))
    await journal.append(stock(3, UnitsPicked("F1", "CUP", 4, "A1"), rows=(fulfilment("F1"),)))

    picture = await journal.stock_picture("paris")

    assert picture.version == 4
    assert picture.balances == (
        Balance("CUP", available=6, reserved=2, picked=4, opening=-12),
        Balance("TEAPOT", available=3, reserved=2, opening=-5),
    )
    assert picture.open_fulfilments == (fulfilment("F1").body,)
    assert picture.closed_fulfilments == ()


async def test_open_fulfilments_are_pictured_as_they_were_last_changed(journal: Journal) -> None:
    await journal.append(stock(0, opened("CUP", 12)))
    names = ("F9", "F1", "F5")
    for number, name in enumerate(names, 1):
        await journal.append(stock(number, reserved(name, CUP=1), rows=(fulfilment(name),)))
    await journal.append(stock(4, UnitsPicked("F1", "CUP", 1, "A1"), rows=(fulfilment("F1"),)))

    picture = await journal.stock_picture("paris")

    assert picture.open_fulfilments == tuple(fulfilment(name).body for name in ("F9", "F5", "F1"))


async def test_a_warehouse_never_seen_has_an_empty_picture(journal: Journal) -> None:
    picture = await journal.stock_picture("atlantis")
    assert picture.version == 0
    assert (picture.balances, picture.open_fulfilments, picture.deliveries) == ((), (), ())
    assert (dict(picture.slots), picture.closed_fulfilments, picture.answers) == ({}, (), ())


async def test_slots_and_deliveries_are_remembered_and_an_empty_slot_says_nothing(journal: Journal) -> None:
    await journal.append(
        stock(
            0,
            opened("CUP", 1, "A1"),
            StockReceived("D1", "CUP", 6, ""),
            StockReceived("D2", "TEAPOT", 6, "B2"),
            SlotAssigned("TEAPOT", "B3"),
        )
    )
    picture = await journal.stock_picture("paris")
    assert dict(picture.slots) == {"CUP": "A1", "TEAPOT": "B3"}
    assert picture.deliveries == ("D1", "D2")


async def test_a_fulfilment_that_is_done_with_is_still_known(journal: Journal) -> None:
    await journal.append(stock(0, opened("CUP", 12)))
    for number in range(3):
        name = f"F{number}"
        await journal.append(stock(1 + number, reserved(name, CUP=1), rows=(fulfilment(name),)))
    leaving = [
        event
        for name in ("F1", "F0")
        for event in (UnitsPicked(name, "CUP", 1, "A1"), FulfilmentDispatched(name, (Quantity("CUP", 1),)))
    ]
    gone = (fulfilment("F1", "dispatched", closed=True), fulfilment("F0", "dispatched", closed=True))
    await journal.append(stock(4, *leaving, rows=gone))

    picture = await journal.stock_picture("paris")

    assert picture.open_fulfilments == (fulfilment("F2").body,)
    # The oldest of those that were closed first.
    assert picture.closed_fulfilments == tuple(row.body for row in gone)
    assert picture.balances == (Balance("CUP", available=9, reserved=1, customer=2, opening=-12),)


async def test_a_second_reservation_under_one_fulfilments_id_is_refused(journal: Journal) -> None:
    await journal.append(stock(0, opened("CUP", 12)))
    await journal.append(stock(1, reserved("F1", CUP=1), rows=(fulfilment("F1"),)))

    with pytest.raises(ConflictError):
        await journal.append(stock(2, reserved("F1", CUP=1), rows=(fulfilment("F1"),)))

    picture = await journal.stock_picture("paris")
    assert picture.version == 2
    assert picture.balances[0].reserved == 1


async def test_two_appends_that_reserve_the_same_in_one_breath_are_one_reservation(journal: Journal) -> None:
    await journal.append(stock(0, opened("CUP", 12)))
    outcomes: list[str] = []

    async def reserve(version: int) -> None:
        try:
            await journal.append(stock(version, reserved("F1", CUP=1), rows=(fulfilment("F1"),)))
            outcomes.append("granted")
        except ConflictError:
            outcomes.append("refused")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reserve, 1)
        nursery.start_soon(reserve, 1)

    assert sorted(outcomes) == ["granted", "refused"]
    assert (await journal.stock_picture("paris")).balances[0].reserved == 1


async def test_a_delivery_is_taken_in_once(journal: Journal) -> None:
    await journal.append(stock(0, StockReceived("D1", "CUP", 6, "A1")))
    with pytest.raises(ConflictError):
        await journal.append(stock(1, StockReceived("D1", "CUP", 6, "A1")))
    assert (await journal.stock_picture("paris")).balances == (Balance("CUP", available=6, supplier=-6),)


async def test_what_comes_back_is_taken_in_once_and_shares_its_names_with_deliveries(
    journal: Journal,
) -> None:
    came = UnitsReturned("main-1/R1", "main-1", "CUP", 2, "sellable", "A1")
    await journal.append(stock(0, came))
    for again in (came, StockReceived("main-1/R1", "CUP", 6, "A1")):
        with pytest.raises(ConflictError):
            await journal.append(stock(1, again))
    picture = await journal.stock_picture("paris")
    assert picture.balances == (Balance("CUP", available=2, customer=-2),)
    assert (picture.deliveries, picture.slots) == (("main-1/R1",), {"CUP": "A1"})


async def test_the_order_index_shows_an_order_as_it_stands_now(journal: Journal) -> None:
    first = row("1", "routing", due_at=NOW + timedelta(minutes=5))
    await journal.append(order("1", 0, CancelAsked("shop"), orders=(first,)))
    assert await journal.order_row("1") == first

    now = row("1", "shipped", version=2)
    await journal.append(order("1", 1, OrderShipped(), orders=(now,)))
    assert await journal.order_row("1") == now
    assert await journal.order_row("2") is None
    assert await journal.known_orders(["2", "1", "3"]) == {"1"}
    assert await journal.known_orders([]) == frozenset()


async def test_orders_are_found_by_state_by_clock_and_by_what_they_wait_for(journal: Journal) -> None:
    def hours(count: int) -> datetime:
        return NOW + timedelta(hours=count)

    rows = [
        row("1", "picking", placed_at=hours(-1), due_at=hours(2)),
        row("2", "backordered", placed_at=hours(-2), waiting_for=(Quantity("CUP", 2), Quantity("POT", 1))),
        row("3", "backordered", placed_at=hours(-3), waiting_for=(Quantity("CUP", 5),), due_at=hours(-1)),
        row("4", "shipped", placed_at=hours(-4), due_at=hours(-2)),
    ]
    for each in rows:
        await journal.append(order(each.order, 0, CancelAsked("shop"), orders=(each,)))

    assert await journal.orders_due(NOW, 10) == ["4", "3"]
    assert await journal.orders_due(NOW, 1) == ["4"]
    assert await journal.orders_waiting_for("CUP", 10) == ["3", "2"]
    assert await journal.orders_waiting_for("CUP", 1) == ["3"]
    assert await journal.wanted() == {"CUP": 7, "POT": 1}
    assert [each.order for each in await journal.orders_in(("picking", "shipped"), 10)] == ["4", "1"]
    assert [each.order for each in await journal.orders_in((), 3)] == ["4", "3", "2"]
    waiting = await journal.orders_in(("backordered",), 1)
    assert [each.order for each in waiting] == ["3"]
    assert [each.order for each in await journal.orders_in(("backordered",), 2, waiting[0])] == ["2"]
    assert [each.order for each in await journal.orders_in((), 2, waiting[0])] == ["2", "1"]
    assert await journal.order_counts() == {"backordered": 2, "picking": 1, "shipped": 1}

    await journal.append(order("5", 0, CancelAsked("shop"), orders=(row("5", "picking"),)))
    told = {each.state: (each.since, each.orders) for each in await journal.orders_since(("picking", "held"))}
    assert told == {"picking": (rows[0].state_since.replace(second=0, microsecond=0), 2)}

    freed = row("2", "picking", placed_at=hours(-2), waiting_for=(Quantity("POT", 1),))
    await journal.append(order("2", 1, CancelAsked("shop"), orders=(freed,)))
    assert await journal.orders_waiting_for("CUP", 10) == ["3"]
    assert await journal.wanted() == {"CUP": 5, "POT": 1}


async def test_an_effect_is_pending_from_its_request_until_its_outcome(journal: Journal) -> None:
    cancel, reception = ErpCancellation("R1"), ErpReception("D1", "paris", (), NOW)
    await journal.append(order("1", 0, EffectRequested("E1", "erp", cancel)))
    await journal.append(
        stock(0, StockEffectRequested("E2", "erp", reception), at=NOW + timedelta(seconds=1))
    )
    await journal.append(order("2", 0, EffectRequested("E3", "shop", cancel), EffectDone("E3", "at once")))

    first = PendingEffect("E1", "order-1", "erp", cancel, NOW)
    second = PendingEffect("E2", PARIS, "erp", reception, NOW + timedelta(seconds=1))
    assert await journal.pending("erp", 10) == [first, second]
    assert await journal.pending("erp", 1) == [first]
    assert await journal.pending("shop", 10) == []
    assert list(await journal.owed()) == ["erp"]
    assert await journal.effect("E2", PARIS) == second

    await journal.append(order("1", 1, EffectDone("E1", "4711")))
    await journal.append(stock(1, StockEffectDone("E2", "4712")))
    assert await journal.pending("erp", 10) == []
    assert list(await journal.owed()) == []
    assert await journal.effect("E1", "order-1") is None


async def test_the_effects_of_a_stream_keep_their_order_though_the_clock_was_set_back(
    journal: Journal,
) -> None:
    for version, (effect, s) in enumerate((("E1", 5), ("E2", 1), ("E3", 9))):
        event = EffectRequested(effect, "erp", ErpCancellation("R1"))
        await journal.append(Append("order-1", version, (event,), NOW + timedelta(seconds=s)))
    other = EffectRequested("E9", "erp", ErpCancellation("R2"))
    await journal.append(Append("order-2", 0, (other,), NOW + timedelta(seconds=3)))
    assert [each.effect for each in await journal.pending("erp", 10)] == ["E1", "E9", "E2", "E3"]


async def test_an_effect_that_is_pending_is_not_requested_again(journal: Journal) -> None:
    request = EffectRequested("E1", "erp", ErpCancellation("R1"))
    await journal.append(order("1", 0, request))
    with pytest.raises(ConflictError):
        await journal.append(order("1", 1, request))
    assert len(await journal.pending("erp", 10)) == 1


async def test_anomalies_stay_open_until_they_are_settled_and_may_come_back(journal: Journal) -> None:
    raised = AnomalyRaised("A1", "silent", "no news for 3 h", "look at the floor")
    await journal.append(Append("partner-erp", 0, (raised, AnomalyRaised("A2", "x", "y", "z")), NOW))
    expected = OpenAnomaly("A1", "partner-erp", "silent", "no news for 3 h", "look at the floor", NOW)
    assert (await journal.anomalies(10))[0] == expected
    assert await journal.anomalies(1) == [expected]

    await journal.append(Append("partner-erp", 2, (AnomalyResolved("A1", "anna"),), NOW))
    assert [anomaly.anomaly for anomaly in await journal.anomalies(10)] == ["A2"]

    both = (
        AnomalyResolved("A2", "anna"),
        AnomalyRaised("A3", "x", "y", "z"),
        AnomalyResolved("A3", "bob"),
        raised,
    )
    await journal.append(Append("partner-erp", 3, both, NOW))
    assert [anomaly.anomaly for anomaly in await journal.anomalies(10)] == ["A1"]


async def test_people_lie_beside_the_log_and_can_be_forgotten(journal: ForgettingJournal) -> None:
    person = Contact("Ada Lovelace", city="London", email="ada@example.org", customer="main:7")
    rows = (
        BesideRow("1:contact", "contact", "main:7", b"salt", msgspec.json.encode(person)),
        BesideRow("1:payload", "payload", "main:7", b"pepper", b"\x00<xml/>\xff"),
        BesideRow("2:payload", "payload", "main:8", b"paprika", b"{}"),
    )
    await journal.append(order("1", 0, CancelAsked("shop"), beside=rows))
    assert await journal.contact("1:contact") == person
    assert await journal.contacts(["1:contact", "never"]) == {"1:contact": person}
    assert await journal.beside("1:payload") == b"\x00<xml/>\xff"

    assert await journal.forget("main:7") == 2
    assert await journal.forget("main:7") == 0
    assert await journal.contact("1:contact") is None
    assert await journal.contacts(["1:contact", "never"]) == {}
    assert await journal.beside("1:payload") is None
    assert await journal.beside("2:payload") == b"{}"
    assert await journal.contact("never") is None
    assert len(await journal.read("order-1")) == 1


async def test_what_comes_of_a_person_who_was_forgotten_meanwhile_comes_erased(
    journal: ForgettingJournal,
) -> None:
    async def come(version: int, *names: str) -> None:
        rows = (BesideRow(n, "label", "main:7", b"salt", b"^XA", erased_with="1:contact") for n in names)
        await journal.append(order("1", version, CancelAsked("shop"), beside=tuple(rows)))

    person = BesideRow("1:contact", "contact", "main:7", b"salt", b"{}")
    await journal.append(order("1", 0, CancelAsked("shop"), beside=(person,)))
    await come(1, "before")
    assert await journal.beside("before") == b"^XA"
    assert await journal.forget("main:7") == 2
    await come(2, "after", "later")
    assert [await journal.beside(name) for name in ("before", "after", "later")] == [None, None, None]
    assert await journal.forget("main:7") == 0


async def test_the_first_copy_of_a_row_beside_the_log_stays(journal: Journal) -> None:
    """An event names it by its digest, so a later copy must not take its place."""
    for version, body in enumerate((b"first", b"second")):
        rows = (BesideRow("1:payload", "payload", "main:7", b"salt", body),)
        await journal.append(order("1", version, CancelAsked("shop"), beside=rows))
    assert await journal.beside("1:payload") == b"first"


async def test_an_answer_is_kept_under_its_key_for_a_day(journal: Journal) -> None:
    yesterday = NOW - timedelta(hours=25)
    answers = (KeyedAnswer("K1", b'"done"'),)
    await journal.append(msgspec.structs.replace(stock(0, opened("CUP", 2), at=yesterday), answers=answers))
    await journal.append(Append(PARIS, 1, (), NOW, answers=(KeyedAnswer("K2", b'"no"'),)))

    assert await journal.keyed_answer(PARIS, "K1") is None
    assert await journal.keyed_answer(PARIS, "K2") == b'"no"'
    assert await journal.keyed_answer("stock-lyon", "K2") is None
    picture = await journal.stock_picture("paris")
    assert picture.answers == (KeyedAnswer("K2", b'"no"'),)
    assert picture.version == 1

    await journal.append(Append(PARIS, 1, (), NOW, answers=(KeyedAnswer("K1", b'"again"'),)))
    assert await journal.keyed_answer(PARIS, "K1") == b'"again"'
    with pytest.raises(ConflictError):
        await journal.append(Append(PARIS, 1, (), NOW, answers=(KeyedAnswer("K2", b'"yes"'),)))
    assert await journal.keyed_answer(PARIS, "K2") == b'"no"'


async def test_a_cursor_is_replaced(journal: Journal) -> None:
    assert await journal.cursor("shop main") is None
    await journal.save_cursor("shop main", "1")
    await journal.save_cursor("shop main", "2")
    assert await journal.cursor("shop main") == "2"


async def test_a_fulfilments_row_without_its_event_is_refused(journal: Journal) -> None:
    with pytest.raises(ValueError, match="F9"):
        await journal.append(stock(0, opened("CUP", 2), rows=(fulfilment("F9"),)))
    await journal.append(stock(0, opened("CUP", 2)))
    assert len(await journal.read(PARIS)) == 1


async def test_texts_of_any_script_survive(journal: Journal) -> None:
    odd = 'тэапот "№ 7" \\ {1,2} NULL ☕'
    await journal.append(stock(0, opened(odd, 3, slot=odd)))
    await journal.append(
        stock(1, UnitsReserved(odd, odd, (Quantity(odd, 1),), None), rows=(fulfilment(odd),))
    )
    picture = await journal.stock_picture("paris")
    assert picture.balances == (Balance(odd, available=2, reserved=1, opening=-3),)
    assert dict(picture.slots) == {odd: odd}
    assert picture.open_fulfilments == (fulfilment(odd).body,)
    assert (await journal.read(PARIS))[1].event == UnitsReserved(odd, odd, (Quantity(odd, 1),), None)


@pytest.mark.parametrize("kind", ["memory", *KINDS])
async def test_what_would_make_stock_negative_stops_the_journal(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """It is the last guard, behind the warehouse's own decision: nothing is written, and the daemon falls."""
    too_many = stock(1, reserved("F1", CUP=3), rows=(fulfilment("F1"),))
    if kind == "memory":
        journal = MemoryJournal()
        await journal.append(stock(0, opened("CUP", 2)))
        with pytest.raises(CorruptionError):
            await journal.append(too_many)
        return
    dsn = request.getfixturevalue("database_of")(kind)
    with trio.fail_after(30):
        with pytest.RaisesGroup(CorruptionError, flatten_subgroups=True):
            async with open_journal(dsn, owner="the test") as opened_:
                await opened_.append(stock(0, opened("CUP", 2)))
                with pytest.raises(CorruptionError, match="never_negative"):
                    await opened_.append(too_many)
                await trio.sleep_forever()
        async with open_journal(dsn, owner="the next") as opened_:
            picture = await opened_.stock_picture("paris")
    assert picture.version == 1
    assert picture.balances == (Balance("CUP", available=2, opening=-2),)


class InspectedJournal(Journal, Inspection, Protocol):
    """Both of what a daemon's journal is."""


def found(rows: Sequence[OrderRow]) -> list[str]:
    return [each.order for each in rows]


async def test_orders_are_found_by_state_channel_age_and_the_warehouse_that_holds_something(
    journal: InspectedJournal,
) -> None:
    old, new = NOW - timedelta(days=3), NOW - timedelta(hours=1)
    shipped = OrderShipped()
    await journal.append(order("1", 0, shipped, orders=(row("1", placed_at=old),)))
    await journal.append(order("2", 0, shipped, orders=(row("2", "held", placed_at=new, channel="b2b"),)))
    await journal.append(order("3", 0, shipped, orders=(row("3", placed_at=new),)))
    for name, version in (("1", 1), ("3", 2)):
        held = msgspec.structs.replace(fulfilment(f"f{name}"), order=name)
        if version == 1:
            await journal.append(stock(0, opened("CUP", 9)))
        promise = UnitsReserved(f"f{name}", name, (Quantity("CUP", 1),), None)
        await journal.append(stock(version, promise, rows=(held,)))
    picked = UnitsPicked("f1", "CUP", 1, "A1")
    gone = FulfilmentDispatched("f1", (Quantity("CUP", 1),))
    over = msgspec.structs.replace(fulfilment("f1", "dispatched", closed=True), order="1")
    await journal.append(stock(3, picked, gone, rows=(over,)))

    assert found(await journal.find_orders(OrderFilter(), 10)) == ["1", "2", "3"]
    assert found(await journal.find_orders(OrderFilter(), 2)) == ["1", "2"]
    assert found(await journal.find_orders(OrderFilter(states=("held",)), 10)) == ["2"]
    assert found(await journal.find_orders(OrderFilter(channel="main"), 10)) == ["1", "3"]
    assert found(await journal.find_orders(OrderFilter(placed_before=NOW - timedelta(days=1)), 10)) == ["1"]
    later = await journal.find_orders(OrderFilter(moved_after=NOW + timedelta(seconds=1)), 10)
    assert found(later) == []
    assert found(await journal.find_orders(OrderFilter(moved_after=NOW), 10)) == ["1", "2", "3"]
    assert found(await journal.find_orders(OrderFilter(warehouse="paris"), 10)) == ["3"]
    assert found(await journal.find_orders(OrderFilter(warehouse="lyon"), 10)) == []
    assert found(await journal.find_orders(OrderFilter(("picking",), "main", "paris", NOW), 10)) == ["3"]


async def test_a_skus_movements_are_told_newest_first_with_the_event_that_moved_them(
    journal: InspectedJournal,
) -> None:
    events = (opened("CUP", 9), opened("TEAPOT", 4), StockAdjusted("CUP", -2, "broken"))
    await journal.append(stock(0, *events))
    await journal.append(stock(3, reserved("f1", CUP=3, TEAPOT=1), rows=(fulfilment("f1"),)))

    told = await journal.movements("paris", "CUP", 10)
    assert [(each.source, each.target, each.units) for each in told] == [
        ("available", "reserved", 3),
        ("available", "count", 2),
        ("opening", "available", 9),
    ]
    assert [each.event for each in told] == [reserved("f1", CUP=3, TEAPOT=1), events[2], events[0]]
    assert {each.at for each in told} == {NOW}
    assert await journal.movements("paris", "CUP", 1) == told[:1]
    assert list(await journal.movements("paris", "SPOON", 10)) == []
    assert list(await journal.movements("lyon", "CUP", 10)) == []


async def test_what_a_release_gives_back_is_booked_apart_for_what_was_picked_and_what_was_not(
    journal: InspectedJournal,
) -> None:
    await journal.append(stock(0, opened("CUP", 9)))
    await journal.append(stock(1, reserved("f1", CUP=3), rows=(fulfilment("f1"),)))
    await journal.append(stock(2, UnitsPicked("f1", "CUP", 1, "A1"), rows=(fulfilment("f1"),)))
    released = ReservationReleased("f1", (Quantity("CUP", 2),), (Quantity("CUP", 1),), "cancelled")
    over = fulfilment("f1", "released", closed=True)
    await journal.append(stock(3, released, rows=(over,)))

    told = await journal.movements("paris", "CUP", 2)
    assert [(each.source, each.target, each.units) for each in told] == [
        ("picked", "available", 1),
        ("reserved", "available", 2),
    ]
    assert {each.event for each in told} == {released}


async def test_the_newest_events_of_a_stream_are_told_backwards_page_by_page(
    journal: InspectedJournal,
) -> None:
    events = [StockAdjusted("CUP", number, "found") for number in range(1, 6)]
    await journal.append(stock(0, *events))
    await journal.append(order("1", 0, CancelAsked("shop")))
    told = await journal.newest("stock-paris", 2)
    assert [each.event for each in told] == [events[4], events[3]]
    assert [each.version for each in told] == [5, 4]
    rest = await journal.newest("stock-paris", 10, before=4)
    assert [each.event for each in rest] == events[2::-1]
    assert list(await journal.newest("stock-paris", 10, before=1)) == []
    assert list(await journal.newest("stock-lyon", 10)) == []


async def test_where_the_log_ends_and_what_it_was_at_a_position_is_told(journal: InspectedJournal) -> None:
    await journal.append(stock(0, opened("CUP", 9), opened("TEAPOT", 4)))
    first, second = await journal.read(PARIS)
    paris, other = first.partition, (first.partition + 1) % 64

    assert {end.partition: end for end in await journal.ends({paris: 1, other: 3})} == {
        paris: LogEnd(paris, 2, first.hash),
        other: LogEnd(other, 0, None),
    }
    assert await journal.ends({paris: 2}) == [LogEnd(paris, 2, second.hash)]
    assert await journal.ends({paris: 3}) == [LogEnd(paris, 2, None)]


async def test_what_a_warehouse_has_asked_for_is_found_by_its_effect_or_its_reference(
    journal: InspectedJournal,
) -> None:
    counts = {
        name: StockEffectRequested(
            f"erp-adjustment:paris:{name}",
            "erp",
            ErpAdjustment(name, "paris", (ErpLine("1", "CUP", -1, Decimal(0), "paris"),), NOW),
        )
        for name in ("a", "b", "c")
    }
    for version, (name, effect) in enumerate(counts.items()):
        mirrored = StockMirrored(f"SKU-{name}", 1, "I3-5")
        await journal.append(stock(2 * version, mirrored, effect))
    told = await journal.asked("stock-paris", ["c", "erp-adjustment:paris:a", "d"])
    assert [(each.effect, each.document, each.at) for each in told] == [
        (counts[name].effect, counts[name].document, NOW) for name in ("a", "c")
    ]
    assert list(await journal.asked("stock-lyon", ["a"])) == []


async def test_what_was_appended_since_is_told_once_and_in_its_order(journal: InspectedJournal) -> None:
    await journal.append(stock(0, opened("CUP", 9), opened("TEAPOT", 4)))
    end = await journal.tip(0)
    assert (list((await journal.news(end, 10))[0])) == []
    await journal.append(order("1", 0, CancelAsked("shop"), at=NOW + timedelta(seconds=1)))
    await journal.append(stock(2, StockAdjusted("CUP", 1, "found"), at=NOW + timedelta(seconds=2)))
    told, end = await journal.news(end, 10)
    assert [each.event for each in told] == [CancelAsked("shop"), StockAdjusted("CUP", 1, "found")]
    assert list((await journal.news(end, 10))[0]) == []
    back = await journal.tip(1)
    assert [each.event for each in (await journal.news(back, 10))[0]] == [each.event for each in told]
    everything, _ = await journal.news(await journal.tip(100), 1)
    assert [each.event for each in everything] == [opened("CUP", 9), CancelAsked("shop")]
