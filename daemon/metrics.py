"""What happens in the daemon, counted as it happens, for Prometheus. What stands somewhere is in `standing`.

Every label is bounded: a name from the settings (at most `NAMES_MAX` of a kind) or a word of a closed
vocabulary; see `metric_labels`. No figure names a person, and an order stands in exemplars alone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.gc_collector import GCCollector

from actors.attempt import OUTCOMES
from actors.domain.order_events import AllocationRefused
from actors.domain.order_state import Order, Stage
from actors.domain.partitions import order_of
from actors.ports.journal import Event
from daemon.exemplars import Exemplars, exemplar
from daemon.exposition import exposed
from daemon.measured import CALL_OUTCOMES, OPERATIONS
from daemon.metric_labels import OTHER, Children, names, words
from daemon.standing import Standing

COMMIT_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Seconds of a commit: a fast disk takes one or two milliseconds, a lost one forever."""

BATCH_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
"""Events of a commit: one where nothing waits, hundreds at a peak."""

CALL_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds of a partner's answer: a shop takes a tenth, an ERP some seconds, a time-out ends most."""

NOTICE_BUCKETS: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    30.0,
    300.0,
    3_600.0,
    86_400.0,
)
"""Seconds from an order's notice to its reservation; the goal is a second at the 99th percentile. What waits
for money or goods takes days."""

SHIPPING_BUCKETS: Final = (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 172_800, 604_800)
"""Seconds from an order's reservation to its dispatch: an hour where it is urgent, a day on most floors."""

CONTROL_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
"""Seconds of an answer on the control socket: a scanner's beep comes within a tenth, 30 is the time-out."""

ROUTES_MAX: Final = 100
"""Paths of the control socket, as they are described: some forty."""

STATUSES: Final = tuple(str(code) for code in (200, 400, 403, 404, 405, 409, 413, 422, 500, 501, 503, 504))
"""What the control socket answers."""

LEVELS: Final = ("debug", "info", "warning", "error", "critical")

ACTOR_KINDS: Final = (
    "order", "warehouse", "desk", "drain", "channel", "second look", "carrier", "erp reader", "clocks",
    "arrivals", "outboxes",
)  # fmt: skip
"""What the name of each supervised actor begins with; which one it was stands in the log."""

# A second series for each counter, which the text format has no use for.
disable_created_metrics()  # type: ignore[no-untyped-call]


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
    """Every figure, in a registry of its own; `standing` is to be refreshed before they are told."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._count_commits()
        self._count_orders()
        self._count_partners()
        self._count_process()
        self.standing = Standing(self.registry, now)

    def _count_commits(self) -> None:
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

    def _count_orders(self) -> None:
        registry = self.registry
        entered = Counter(
            "wharfinger_order_transitions", "Orders that came into a state.", ["state"], registry=registry
        )
        self._entered = Children(entered, words(get_args(Stage)))
        notice = Histogram(
            "wharfinger_notice_to_reserved_seconds",
            "From the notice of an order to all its units on floors; waited: for money, a person or goods.",
            ["waited"],
            buckets=NOTICE_BUCKETS,
            registry=registry,
        )
        self._notice = Children(notice, words(("yes", "no")))
        self._named = {"yes": Exemplars(NOTICE_BUCKETS), "no": Exemplars(NOTICE_BUCKETS)}
        self._shipping = Histogram(
            "wharfinger_reserved_to_shipped_seconds",
            "From all units of an order on floors to the last one dispatched.",
            buckets=SHIPPING_BUCKETS,
            registry=registry,
        )
        self._named_shipping = Exemplars(SHIPPING_BUCKETS)
        oversells = Counter(
            "wharfinger_oversells_refused",
            "Reservations that a warehouse refused, since its units were not there.",
            ["warehouse"],
            registry=registry,
        )
        self._oversells = Children(oversells, names())

    def _count_partners(self) -> None:
        registry = self.registry
        partner = names()
        calls = Counter(
            "wharfinger_partner_calls",
            "Calls to a partner.",
            ["partner", "operation", "outcome"],
            registry=registry,
        )
        self._calls = Children(calls, partner, words(OPERATIONS), words(CALL_OUTCOMES))
        call_seconds = Histogram(
            "wharfinger_partner_call_seconds",
            "One call to a partner.",
            ["partner", "operation"],
            buckets=CALL_BUCKETS,
            registry=registry,
        )
        self._call_seconds = Children(call_seconds, partner, words(OPERATIONS))
        effects = Counter(
            "wharfinger_effects",
            "Attempts to tell a partner a document.",
            ["partner", "outcome"],
            registry=registry,
        )
        self._effects = Children(effects, partner, words(OUTCOMES))
        effect_seconds = Histogram(
            "wharfinger_effect_seconds",
            "One attempt to tell a partner a document, with the look whether it has it.",
            ["partner"],
            buckets=CALL_BUCKETS,
            registry=registry,
        )
        self._effect_seconds = Children(effect_seconds, partner)
        self._named_effects = defaultdict[str, Exemplars](lambda: Exemplars(CALL_BUCKETS))

    def _count_process(self) -> None:
        registry = self.registry
        restarts = Counter(
            "wharfinger_actor_restarts",
            "Crashes of an actor, each followed by its restart, or its end.",
            ["kind"],
            registry=registry,
        )
        self._restarts = Children(restarts, words(ACTOR_KINDS))
        for kind in (*ACTOR_KINDS, OTHER):
            self._restarts.of(kind)  # told from the start: Prometheus sees no rise in what begins above zero
        logged = Counter("wharfinger_log_events", "Events logged.", ["level"], registry=registry)
        self._logged = Children(logged, words(LEVELS))
        requests = Counter(
            "wharfinger_control_requests",
            "Requests on the control socket.",
            ["route", "status"],
            registry=registry,
        )
        self._requests = Children(requests, names(ROUTES_MAX), words(STATUSES))
        self._request_seconds = Histogram(
            "wharfinger_control_request_seconds",
            "One request on the control socket.",
            buckets=CONTROL_BUCKETS,
            registry=registry,
        )

    def expect(self, warehouses: Iterable[str]) -> None:
        """Tell of these warehouses from the start, as of every kind of actor: alerts are on a rise."""
        for warehouse in warehouses:
            self._oversells.of(warehouse)

    def committed(self, told: CommitTold) -> None:
        """Count a commit."""
        self._commit_seconds.observe(told.seconds)
        self._commit_events.observe(told.events)
        self._appends.inc(told.appends)
        self._movements.inc(told.movements)
        self._bytes.inc(told.bytes)

    def moved(self, before: Order, after: Order, events: Sequence[Event]) -> None:
        """Count what an order has done, once it is durable."""
        if before.stage != after.stage or not before.version:
            self._entered.of(after.stage).inc()
        if after.promised is not None and before.promised is None:
            waited, seconds = "yes" if after.waited else "no", _seconds(after.noticed, after.promised)
            self._notice.of(waited).observe(seconds, self._named[waited].of(after.id, seconds))
        if after.ended == "shipped" and not before.ended and after.promised is not None:
            seconds = _seconds(after.promised, after.since)
            self._shipping.observe(seconds, self._named_shipping.of(after.id, seconds))
        for event in events:
            if isinstance(event, AllocationRefused):
                self._oversells.of(after.parts[event.fulfilment].warehouse).inc(1, exemplar(after.id))

    def called(self, partner: str, operation: str, outcome: str, seconds: float) -> None:
        """Count a call to a partner."""
        self._calls.of(partner, operation, outcome).inc()
        self._call_seconds.of(partner, operation).observe(seconds)

    def attempted(self, partner: str, outcome: str, seconds: float, stream: str) -> None:
        """Count an attempt to tell a partner something, on behalf of a stream."""
        self._effects.of(partner, outcome).inc()
        order = order_of(stream)
        named = None if order is None else self._named_effects[partner].of(order, seconds)
        self._effect_seconds.of(partner).observe(seconds, named)

    def controlled(self, route: str, status: int, seconds: float) -> None:
        """Count a request on the control socket; `route` is the path as it is described."""
        self._requests.of(route, str(status)).inc()
        self._request_seconds.observe(seconds)

    def logged(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Count what the log says; it is where every crash of an actor passes."""
        self._logged.of(level).inc()
        if event == "actor_crashed":
            self._restarts.of(_kind_of(str(fields.get("actor", "")))).inc()

    def exposed(self, accept: str = "") -> tuple[bytes, str]:
        """Return the figures and their content type, as an Accept header wants them."""
        return exposed(self.registry, accept)


def _kind_of(actor: str) -> str:
    return next((kind for kind in ACTOR_KINDS if actor == kind or actor.startswith(f"{kind} ")), OTHER)


def _seconds(since: datetime | None, until: datetime | None) -> float:
    """Return how long it was; nothing where the clock was set back in between, or nobody knows."""
    return max(0.0, (until - since).total_seconds()) if since is not None and until is not None else 0.0
