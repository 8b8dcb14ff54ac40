"""The figures: each is right, each label has a bound, and what names an order stands in exemplars alone."""

import inspect
import io
import logging
import random
import re
import shutil
import subprocess
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import structlog
import trio
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

import actors.order
import actors.system
from actors.channel import ChannelSettings
from actors.circuit import FAILURES_MAX
from actors.desk import Raise
from actors.domain.carrier_choice import CarrierRule
from actors.domain.order_commands import Wake
from actors.domain.order_events import AllocationRefused, Beside, OrderImported
from actors.domain.order_fold import evolve
from actors.domain.order_state import Order, Part
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_commands import Pack, Pick
from actors.domain.stock_events import PackedParcel, Quantity
from actors.domain.tracing import trace_id
from actors.errors import MalformedError, OutcomeUnknownError, RefusedError, UnreachableError
from actors.inspection import AuditRun
from actors.partners import Partners
from actors.ports.carrier import CarrierPort
from actors.ports.erp import ErpPort
from actors.ports.people import Contact
from actors.ports.shop import Poll, ShopLine, ShopOrder, ShopPort
from actors.supervisor import RestartPolicy, supervise
from actors.system import Rules, Surroundings, System
from adapters.memory.erp_books import MemoryErpBooks
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryCarrier, MemoryErp, MemoryShop
from daemon import logs
from daemon.exemplars import Exemplars
from daemon.measured import OPERATIONS, measured
from daemon.metric_labels import NAMES_MAX, OTHER
from daemon.metrics import ACTOR_KINDS, Metrics

CAMILLE = Contact("Camille Martin", "", "1 rue du Port", "", "69008", "Lyon", "", "FR", "camille@example.org")
RULES = Rules(RoutingRules((WarehouseRule("lyon"),)), (CarrierRule("swift", "home"),))
PROMTOOL = shutil.which("promtool") or ""
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def utc_now() -> datetime:
    return datetime.now(UTC)


def figures(metrics: Metrics) -> dict[str, float]:
    """Return every sample as "name{label=value}": figure."""
    return {
        sample.name
        + "".join(f"{{{key}={value}}}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.exposed()[0].decode())
        for sample in family.samples
    }


def exemplars(metrics: Metrics) -> dict[str, dict[str, str]]:
    """Return the labels of the exemplars by the metrics that have any."""
    text = metrics.exposed("application/openmetrics-text; version=1.0.0")[0].decode()
    samples: list[Sample] = [sample for family in openmetrics_families(text) for sample in family.samples]  # type: ignore[no-untyped-call]
    return {sample.name: dict(sample.exemplar.labels) for sample in samples if sample.exemplar is not None}


@dataclass
class Told:
    appends: int = 5
    events: int = 12
    movements: int = 7
    bytes: int = 3_000
    seconds: float = 0.004


@dataclass
class FakeBooks:
    owned: frozenset[int] = frozenset(range(64))
    audits: list[AuditRun] = field(default_factory=list)

    def lease_remaining_s(self) -> float:
        return 7.5

    async def last_audit(self) -> AuditRun | None:
        await trio.lowlevel.checkpoint()
        return self.audits[-1] if self.audits else None


class House:
    """A system at work in memory, measured as the daemon measures it."""

    def __init__(self, units: int = 3) -> None:
        self.metrics = Metrics(utc_now)
        self.journal = MemoryJournal()
        self.shop = MemoryShop()
        self.books = FakeBooks()
        partners = Partners(
            {"main": self.shop}, MemoryErp({"lyon": {"TEAPOT": units}}), {"swift": MemoryCarrier()}
        )
        self.system = System(
            self.journal,
            measured(partners, self.metrics.called),
            (ChannelSettings("main", poll_s=0.01),),
            RULES,
            Surroundings(
                utc_now,
                lambda size: b"s" * size,
                random.Random(1),
                self.metrics.attempted,
                self.metrics.moved,
            ),
            carrier_poll_s=0.01,
        )
        self.metrics.standing.watch(self.system, self.books)

    def place(self, number: int, units: int = 1) -> None:
        line = ShopLine("1", "TEAPOT", units, Decimal("5.00"))
        amounts = ("EUR", Decimal("10.00"), Decimal("4.90"))
        order = ShopOrder(str(number), "REF", "open", NOON, *amounts, "", "FR", (line,), "7", CAMILLE, b"{}")
        self.shop.place(order)

    async def until(self, number: int, state: str) -> None:
        while (row := await self.journal.order_row(f"main-{number}")) is None or row.state != state:
            await trio.sleep(0.005)
        await self.system.hall.ask(f"main-{number}", Wake())  # it has told of itself once it answers

    async def ship(self, number: int) -> None:
        """Do what the floor does with an order, and wait until it has left."""
        await self.until(number, "picking")
        part, contents = f"main-{number}.1", (Quantity("TEAPOT", 1),)
        slot = self.system.directory.warehouses["lyon"].stock.shelves["TEAPOT"].slot
        await self.system.directory.ask_warehouse("lyon", Pick(part, slot, "TEAPOT", 1))
        await self.system.directory.ask_warehouse(
            "lyon", Pack(part, (PackedParcel(f"{part}.1", contents, 9),))
        )
        await self.until(number, "shipped")

    async def scraped(self) -> dict[str, float]:
        await self.metrics.standing.refresh(self.system.phase)
        return figures(self.metrics)


@asynccontextmanager
async def open_house(units: int = 3) -> AsyncGenerator[House]:
    house = House(units)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.system.run)
            yield house
            house.system.stop()


# --- what is counted as it happens ------------------------------------------------------------------------


def test_commits_are_counted() -> None:
    metrics = Metrics(utc_now)
    metrics.committed(Told())
    metrics.committed(Told())
    got = figures(metrics)
    assert got["wharfinger_appends_total"] == 10
    assert got["wharfinger_movements_total"] == 14
    assert got["wharfinger_committed_bytes_total"] == 6_000
    assert got["wharfinger_commit_seconds_count"] == 2
    assert got["wharfinger_commit_events_bucket{le=16.0}"] == 2
    assert got["wharfinger_commit_events_bucket{le=8.0}"] == 0


async def test_an_orders_way_is_counted_and_its_times_name_it_in_exemplars() -> None:
    async with open_house() as house:
        house.place(1)
        await house.ship(1)
        got = await house.scraped()
        named = exemplars(house.metrics)
    for state in ("picking", "packed", "shipped"):
        assert got[f"wharfinger_order_transitions_total{{state={state}}}"] == 1
    assert got["wharfinger_notice_to_reserved_seconds_count{waited=no}"] == 1
    assert 0 < got["wharfinger_notice_to_reserved_seconds_sum{waited=no}"] < 10
    assert got["wharfinger_reserved_to_shipped_seconds_count"] == 1
    order = {"trace_id": trace_id("main-1"), "order": "main-1"}
    assert named["wharfinger_notice_to_reserved_seconds_bucket"] == order
    assert named["wharfinger_reserved_to_shipped_seconds_bucket"] == order
    assert named["wharfinger_effect_seconds_bucket"] == order
    assert "main-1" not in house.metrics.exposed()[0].decode()
    assert "Camille" not in house.metrics.exposed("application/openmetrics-text")[0].decode()


async def test_an_order_that_waited_for_goods_is_told_apart_from_those_that_we_kept_waiting() -> None:
    async with open_house(units=0) as house:
        house.place(1)
        await house.until(1, "backordered")
        got = await house.scraped()
        assert not any(value for name, value in got.items() if name.startswith("wharfinger_notice_"))
        assert got["wharfinger_orders{age=under_5m}{state=backordered}"] == 1
        assert got["wharfinger_orders{age=under_5m}{state=picking}"] == 0


def test_each_bucket_names_one_order_a_second() -> None:
    named = Exemplars((0.1, 1.0))
    told = [named.of(f"main-{n}", seconds) for n, seconds in enumerate((0.05, 0.05, 0.5, 9.0, 0.1))]
    assert [None if each is None else each["order"] for each in told] == [
        "main-0",
        None,
        "main-2",
        "main-3",
        None,
    ]


def test_units_that_were_not_there_are_an_oversell_refused() -> None:
    metrics = Metrics(utc_now)
    part = Part("main-1.1", "lyon", (Quantity("TEAPOT", 2),), "gone")
    amounts, beside = ("EUR", Decimal("10.00"), Decimal("4.90")), Beside("row", "digest")
    imported = OrderImported("main", "1", "REF", NOON, *amounts, "", "FR", (), beside, beside)
    parts = {"main-1.1": part}
    before = replace(evolve(Order(), imported, NOON), version=3, stage="allocating", parts=parts)
    metrics.moved(before, before, (AllocationRefused("main-1.1", ()), AllocationRefused("main-1.1", ())))
    assert figures(metrics)["wharfinger_oversells_refused_total{warehouse=lyon}"] == 2
    assert exemplars(metrics)["wharfinger_oversells_refused_total"]["order"] == "main-1"


def test_what_alerts_see_rise_is_told_before_it_does() -> None:
    metrics = Metrics(utc_now)
    metrics.expect(("lyon", "nantes"))
    got = figures(metrics)
    assert got["wharfinger_oversells_refused_total{warehouse=nantes}"] == 0
    assert got["wharfinger_actor_restarts_total{kind=warehouse}"] == 0


async def test_every_call_to_a_partner_is_counted_by_what_it_was_and_how_it_ended() -> None:
    async with open_house() as house:
        house.place(1)
        await house.ship(1)
        while not any(house.shop.levels.values()):
            await trio.sleep(0.01)
        got = await house.scraped()
    for partner, operation in (
        ("shop-main", "poll"),
        ("shop-main", "push_stock"),
        ("erp", "stock"),
        ("erp", "carry_out"),
        ("carrier-swift", "carry_out"),
        ("carrier-swift", "events"),
    ):
        labels = f"{{operation={operation}}}"
        assert got[f"wharfinger_partner_calls_total{labels}{{outcome=ok}}{{partner={partner}}}"] >= 1
        assert got[f"wharfinger_partner_call_seconds_count{labels}{{partner={partner}}}"] >= 1
    assert got["wharfinger_effects_total{outcome=ok}{partner=erp}"] >= 1


class FailingShop(MemoryShop):
    """A shop whose polls end as its test says."""

    error: Exception | None = None

    async def poll(self, cursor: str | None) -> Poll:
        if self.error is not None:
            raise self.error
        return await super().poll(cursor)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RefusedError("shop main", "GET"), "refused"),
        (UnreachableError("shop main", "GET"), "unreachable"),
        (OutcomeUnknownError("shop main", "GET"), "unknown"),
        (MalformedError("shop main", "GET", "<b>teapot</b>"), "malformed"),
        (ZeroDivisionError("a bug of ours"), "crashed"),
    ],
)
async def test_a_call_that_fails_is_counted_by_whose_fault_it_is(error: Exception, outcome: str) -> None:
    metrics, shop = Metrics(utc_now), FailingShop()
    shop.error = error
    watched = measured(Partners({"main": shop}, MemoryErp({}), {}), metrics.called)
    with pytest.raises(type(error)):
        await watched.shops["main"].poll(None)
    got = figures(metrics)
    assert (
        got[f"wharfinger_partner_calls_total{{operation=poll}}{{outcome={outcome}}}{{partner=shop-main}}"]
        == 1
    )


def test_the_erps_books_are_handed_on_beside_what_is_measured() -> None:
    books = MemoryErpBooks()
    assert measured(Partners({}, MemoryErp({}), {}, books), Metrics(utc_now).called).books is books


@pytest.fixture
def log_as_before() -> Iterator[None]:
    before = [*logging.getLogger().handlers]
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers = before


async def test_a_crash_of_any_order_is_counted_under_one_label(log_as_before: None) -> None:
    metrics = Metrics(utc_now)
    logs.configure(level="error", stream=io.StringIO(), pretty=False)
    logs.observe(metrics.logged)

    async def falls(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError

    with trio.fail_after(5):
        for name in ("order main-1", "order main-2", "second look main", "teapot"):
            with pytest.raises(Exception, match="crashed"):
                await supervise(name, falls, RestartPolicy(crashes_max=0))
    got = figures(metrics)
    told = {name: value for name, value in got.items() if name.startswith("wharfinger_actor_restarts_total")}
    assert {name: value for name, value in told.items() if value} == {
        "wharfinger_actor_restarts_total{kind=order}": 2,
        "wharfinger_actor_restarts_total{kind=second look}": 1,
        "wharfinger_actor_restarts_total{kind=other}": 1,
    }
    assert got["wharfinger_log_events_total{level=error}"] == 4


# --- what stands somewhere --------------------------------------------------------------------------------


async def test_what_stands_is_told_as_it_stands_at_each_scrape() -> None:
    async with open_house() as house:
        house.place(1)
        await house.until(1, "picking")
        for _ in range(FAILURES_MAX):
            house.system.drains["erp"].circuit.failed()
        await house.system.desk.raise_anomaly(Raise("a", "no_carrier", "", ""))
        got = await house.scraped()
        assert got["wharfinger_orders{age=under_5m}{state=picking}"] == 1
        assert 0 <= got["wharfinger_order_oldest_age_seconds{state=picking}"] < 70
        assert got["wharfinger_anomalies_open{problem=no_carrier}"] == 1
        assert 0 <= got["wharfinger_anomaly_oldest_age_seconds{problem=no_carrier}"] < 5
        assert got["wharfinger_circuit_open{partner=erp}"] == 1
        assert got["wharfinger_circuit_open{partner=shop-main}"] == 0
        assert got["wharfinger_outbox_depth{partner=carrier-swift}"] == 0
        assert got["wharfinger_units_available{warehouse=lyon}"] == 2
        assert got["wharfinger_mailbox_letters{kind=warehouse}{name=lyon}"] == 0
        assert 0 <= got["wharfinger_channel_poll_lag_seconds{channel=main}"] < 5
        assert got["wharfinger_partitions_owned"] == 64
        assert got["wharfinger_lease_remaining_seconds"] == 7.5
        assert got["wharfinger_orders_awake"] == 1
        assert got["wharfinger_phase{phase=running}"] == 1
        await house.system.desk.resolve("a", "test")
        await house.ship(1)
        after = await house.scraped()
        assert after["wharfinger_orders{age=under_5m}{state=picking}"] == 0
        assert after["wharfinger_orders{age=under_5m}{state=shipped}"] == 1
        assert "wharfinger_anomalies_open{problem=no_carrier}" not in after


async def test_what_a_partner_that_is_away_has_still_to_be_told_is_told_with_its_age() -> None:
    async with open_house() as house:
        house.place(1)
        await house.until(1, "picking")
        house.shop.away = True
        await house.ship(1)
        while (await house.scraped())["wharfinger_outbox_oldest_age_seconds{partner=shop-main}"] < 0.05:
            await trio.sleep(0.01)
        got = await house.scraped()
        assert got["wharfinger_outbox_depth{partner=shop-main}"] >= 2
        assert got["wharfinger_outbox_oldest_age_seconds{partner=carrier-swift}"] == 0
        house.shop.away = False


async def test_a_letter_that_waits_makes_its_mailbox_old() -> None:
    async with open_house() as house:
        mailbox = house.system.directory.warehouses["lyon"].mailbox
        before = await house.scraped()
        assert before["wharfinger_mailbox_oldest_age_seconds{kind=warehouse}{name=lyon}"] == 0
        house.place(1)
        await house.until(1, "picking")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                house.system.directory.ask_warehouse, "lyon", Pick("main-1.1", "?", "TEAPOT", 1)
            )
            while not len(mailbox):
                await trio.lowlevel.checkpoint()
            got = await house.scraped()
            assert got["wharfinger_mailbox_letters{kind=warehouse}{name=lyon}"] == 1
            assert 0 < got["wharfinger_mailbox_oldest_age_seconds{kind=warehouse}{name=lyon}"] < 5


async def test_the_last_audit_is_told_with_its_age_and_what_came_of_it() -> None:
    metrics, books = Metrics(utc_now), FakeBooks()
    async with open_house() as house:
        metrics.standing.watch(house.system, books)
        await metrics.standing.refresh("running")
        never = figures(metrics)
        books.audits.append(AuditRun(NOON, ok=False, events=9, oversold_units=1, findings=3))
        await metrics.standing.refresh("running")
        failed = figures(metrics)
        books.audits.append(
            AuditRun(NOON + timedelta(days=1), ok=True, events=9, oversold_units=0, findings=0)
        )
        await metrics.standing.refresh("running")
        well = figures(metrics)
    told = [
        (
            got["wharfinger_audit_timestamp_seconds"],
            got["wharfinger_audit_failed"],
            got["wharfinger_audit_findings"],
        )
        for got in (never, failed, well)
    ]
    noon = NOON.timestamp()
    assert told == [(0, 0, 0), (noon, 1, 3), (noon + 86_400, 0, 0)]


# --- bounds -----------------------------------------------------------------------------------------------


def series(metrics: Metrics) -> int:
    return len(figures(metrics))


def tell_nonsense(metrics: Metrics, of: Sequence[str]) -> None:
    """Tell the metrics of everything under labels that nobody knows."""
    for word in of:
        metrics.called(word, word, word, 0.1)
        metrics.attempted(word, word, 0.1, f"order-{word}")
        metrics.controlled(word, sum(word.encode()), 0.1)
        metrics.logged(word, "actor_crashed", {"actor": f"{word} {word}"})


def test_whatever_comes_in_the_number_of_series_has_a_bound() -> None:
    metrics = Metrics(utc_now)
    tell_nonsense(metrics, [f"made up {number}" for number in range(NAMES_MAX + 20)])
    full = series(metrics)
    tell_nonsense(metrics, [f"made up later {number}" for number in range(300)])
    assert series(metrics) == full < 10_000


def test_an_answer_or_a_path_that_nobody_knows_makes_no_label_of_its_own() -> None:
    metrics = Metrics(utc_now)
    metrics.called("erp", "find", "418 I'm a teapot", 0.1)
    metrics.attempted("erp", "teapot", 0.1, "stock-lyon")
    metrics.logged("teapot", "x", {})
    metrics.controlled(OTHER, 418, 0.1)
    text = metrics.exposed()[0].decode()
    assert "eapot" not in text
    assert '"418' not in text, "as a label: the process's own figures may well hold these digits"
    got = figures(metrics)
    assert got[f"wharfinger_partner_calls_total{{operation=find}}{{outcome={OTHER}}}{{partner=erp}}"] == 1
    assert got[f"wharfinger_control_requests_total{{route={OTHER}}}{{status={OTHER}}}"] == 1


def test_every_actor_that_is_supervised_has_its_kind() -> None:
    source = inspect.getsource(actors.system) + inspect.getsource(actors.order)
    supervised = re.findall(r"\bsupervise(?:\(|,)\s*f?\"([^\"{]+?) ?[\"{]", source)
    assert len(supervised) > 8
    assert set(supervised) == set(ACTOR_KINDS)


def test_every_question_to_a_partner_has_its_name() -> None:
    asked = {
        name for port in (ShopPort, ErpPort, CarrierPort) for name in vars(port) if not name.startswith("_")
    }
    assert asked == set(OPERATIONS)


@pytest.mark.skipif(not PROMTOOL, reason="there is no promtool: it comes with Debian's package prometheus")
async def test_names_and_types_are_as_prometheus_wants_them() -> None:
    async with open_house() as house:
        house.place(1)
        await house.ship(1)
        await house.scraped()
    tell_nonsense(house.metrics, ["made up"])
    told = subprocess.run(  # noqa: ASYNC221 - nothing else has to go on meanwhile
        [PROMTOOL, "check", "metrics"],
        input=house.metrics.exposed()[0],
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")
