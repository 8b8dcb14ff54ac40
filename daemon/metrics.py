"""The daemon's figures for Prometheus: what they are called, and where each comes from. It serves nothing.

What happens is counted as it happens; what stands somewhere (orders, outboxes, anomalies) is asked for when
Prometheus asks, in `refresh`. Labels are names from the settings and closed vocabularies: they are bounded.
"""

from collections import Counter as Tally
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, Protocol, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector

from actors.system import System
from daemon.version import VERSION

COMMIT_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Seconds of a commit: a fast disk takes one or two milliseconds, a lost one forever."""

BATCH_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
"""Events of a commit: one where nothing waits, hundreds at a peak."""

CALL_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds of a partner's answer: a shop takes a tenth, an ERP some seconds, a time-out ends most."""

NOTICE_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 300.0)
"""Seconds from an order's notice to its reservation; the goal is a second at the 99th percentile."""

ANOMALIES_COUNTED_MAX: Final = 1_000
"""More open anomalies than this are a flood; the figures then say "at least"."""

PHASES: Final = ("standby", "starting", "running", "draining")

# A second series for each counter, which the text format has no use for.
disable_created_metrics()  # type: ignore[no-untyped-call]

M = TypeVar("M", Counter, Gauge, Histogram)


class _Children(Generic[M]):
    """A metric's children by their label values: finding one in a dict costs a fraction of `labels()`."""

    __slots__ = ("_children", "_metric")

    def __init__(self, metric: M) -> None:
        self._metric: M = metric
        self._children: dict[tuple[str, ...], M] = {}

    def of(self, *values: str) -> M:
        """Return the child with these label values."""
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._metric.labels(*values)
        return child


class CommitTold(Protocol):
    """What the journal's writer tells of a commit."""

    @property
    def appends(self) -> int:
        """How many appends were written together."""
        ...

    @property
    def events(self) -> int:
        """How many events they held."""
        ...

    @property
    def movements(self) -> int:
        """How many stock movements followed from them."""
        ...

    @property
    def bytes(self) -> int:
        """How large the events were."""
        ...

    @property
    def seconds(self) -> float:
        """How long the database took."""
        ...


class Metrics:
    """Every figure, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._system: System | None = None
        self._phase: Callable[[], str] = lambda: "standby"
        self._commits()
        self._partners()
        self._standing()

    def _commits(self) -> None:
        registry = self.registry
        self._commit_seconds = Histogram(
            "wharfinger_commit_seconds", "One commit.", buckets=COMMIT_BUCKETS, registry=registry
        )
        self._commit_events = Histogram(
            "wharfinger_commit_events", "Events in one commit.", buckets=BATCH_BUCKETS, registry=registry
        )
        self._appends = Counter("wharfinger_appends", "Appends made durable.", registry=registry)
        self._movements = Counter("wharfinger_movements", "Stock movements made durable.", registry=registry)
        self._bytes = Counter(
            "wharfinger_committed_bytes", "Bytes written to the journal.", registry=registry
        )
        self._notice = Histogram(
            "wharfinger_notice_to_reserved_seconds",
            "From the notice of an order to all its units reserved.",
            buckets=NOTICE_BUCKETS,
            registry=registry,
        )
        crashes = Counter("wharfinger_actor_crashes", "Crashes of an actor.", ["actor"], registry=registry)
        self._crashes = _Children(crashes)
        logged = Counter("wharfinger_log_events", "Events logged.", ["level"], registry=registry)
        self._logged = _Children(logged)

    def _partners(self) -> None:
        registry = self.registry
        self._calls = _Children(
            Counter(
                "wharfinger_partner_calls", "Calls to a partner.", ["partner", "outcome"], registry=registry
            )
        )
        self._call_seconds = _Children(
            Histogram(
                "wharfinger_partner_call_seconds",
                "One call to a partner.",
                ["partner"],
                buckets=CALL_BUCKETS,
                registry=registry,
            )
        )
        self._outbox = _Children(
            Gauge(
                "wharfinger_outbox_depth",
                "Documents a partner is to be told.",
                ["partner"],
                registry=registry,
            )
        )
        self._away = _Children(
            Gauge(
                "wharfinger_partner_away", "1 while a partner counts as down.", ["partner"], registry=registry
            )
        )

    def _standing(self) -> None:
        registry = self.registry
        build = Gauge("wharfinger_build_info", "Always 1.", ["version"], registry=registry)
        build.labels(VERSION).set(1)
        self._in_phase = _Children(
            Gauge("wharfinger_phase", "1 for the phase the daemon is in.", ["phase"], registry=registry)
        )
        self._partitions = Gauge(
            "wharfinger_partitions_owned", "Partitions under our lease.", registry=registry
        )
        self._orders = Gauge("wharfinger_orders", "Orders by state.", ["state"], registry=registry)
        self._anomalies = Gauge(
            "wharfinger_anomalies_open", "Open anomalies.", ["problem"], registry=registry
        )
        self._mailbox = _Children(
            Gauge("wharfinger_mailbox_depth", "Messages in a mailbox.", ["actor"], registry=registry)
        )
        self._available = _Children(
            Gauge(
                "wharfinger_units_available", "Units that can be promised.", ["warehouse"], registry=registry
            )
        )

    def committed(self, told: CommitTold) -> None:
        """Count a commit."""
        self._commit_seconds.observe(told.seconds)
        self._commit_events.observe(told.events)
        self._appends.inc(told.appends)
        self._movements.inc(told.movements)
        self._bytes.inc(told.bytes)

    def called(self, partner: str, outcome: str, seconds: float) -> None:
        """Count a call to a partner."""
        self._calls.of(partner, outcome).inc()
        self._call_seconds.of(partner).observe(seconds)

    def reserved(self, seconds: float) -> None:
        """Count an order whose units are all reserved, so long after we heard of it."""
        self._notice.observe(seconds)

    def logged(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Count what the log says; it is where every crash of an actor passes."""
        self._logged.of(level).inc()
        if event == "actor_crashed":
            self._crashes.of(str(fields.get("actor", ""))).inc()

    def watch(self, system: System) -> None:
        """Ask this system for what stands in it from now on."""
        self._system = system

    async def refresh(self, phase: str) -> None:
        """Ask for everything that is asked for only when somebody wants to know."""
        for name in PHASES:
            self._in_phase.of(name).set(name == phase)
        system = self._system
        if system is None:
            return
        for name, drain in system.drains.items():
            self._outbox.of(name).set(drain.depth)
            self._away.of(name).set(drain.circuit.is_open)
        for name, handle in system.directory.warehouses.items():
            self._mailbox.of(f"warehouse {name}").set(len(handle.mailbox))
            self._available.of(name).set(sum(shelf.available for shelf in handle.stock.shelves.values()))
        _replace(self._orders, await system.journal.order_counts())
        anomalies = await system.journal.anomalies(ANOMALIES_COUNTED_MAX)
        _replace(self._anomalies, Tally(anomaly.problem for anomaly in anomalies))

    def owns(self, partitions: int) -> None:
        """Say how many partitions are under our lease."""
        self._partitions.set(partitions)

    def exposed(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        return generate_latest(self.registry)


def _replace(gauge: Gauge, figures: Mapping[str, int]) -> None:
    """Set a gauge to exactly these children: a state that nothing is in any more must not keep its figure."""
    gauge.clear()
    for label, figure in figures.items():
        gauge.labels(label).set(figure)
