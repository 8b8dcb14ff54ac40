"""What stands in the daemon, told when Prometheus asks: orders, queues, outboxes, leases, the last audit.

All of it is in memory but the open anomalies (an index, a thousand rows at most) and the last audit (one
row). A hundred thousand open orders, spread over a week and all states, add 20 ms to a scrape.
"""

from collections import Counter as Tally
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

import trio
from prometheus_client import CollectorRegistry, Gauge

from actors.census import AGES, WATCHED
from actors.inspection import AuditRun
from actors.system import System
from daemon.metric_labels import Children, names, words
from daemon.version import VERSION

ANOMALIES_COUNTED_MAX: Final = 1_000
"""More open anomalies than this are a flood; the figures then say "at least"."""

PROBLEMS_MAX: Final = 60
"""Kinds of anomalies: some thirty, and an old log may hold some that are raised no more."""

PHASES: Final = ("standby", "starting", "running", "draining")
MAILBOX_KINDS: Final = ("warehouse", "desk", "order")


class Books(Protocol):
    """What the journal tells of itself."""

    @property
    def owned(self) -> frozenset[int]:
        """The partitions under our lease."""
        ...

    def lease_remaining_s(self) -> float:
        """Return for how many seconds the leases hold if they are not renewed."""
        ...

    async def last_audit(self) -> AuditRun | None:
        """Return the last audit that was made of the log."""
        ...


class Standing:
    """The gauges, and where each is asked for."""

    def __init__(self, registry: CollectorRegistry, now: Callable[[], datetime]) -> None:
        self._registry = registry
        self._now = now
        self._system: System | None = None
        self._books: Books | None = None
        Gauge("wharfinger_build_info", "Always 1.", ["version"], registry=registry).labels(VERSION).set(1)
        self._phase = Children(self._gauge("phase", "1 for the phase it is in.", "phase"), words(PHASES))
        self._gauge_orders()
        self._gauge_queues()
        self._gauge_partners()

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"wharfinger_{name}", what, labels, registry=self._registry)

    def _gauge_orders(self) -> None:
        state = words(WATCHED)
        self._orders = Children(
            self._gauge(
                "orders", "Orders that have still to go on, by state and time in it.", "state", "age"
            ),
            state,
            words(AGES),
        )
        self._oldest_order = Children(
            self._gauge("order_oldest_age_seconds", "How long the oldest order is in a state.", "state"),
            state,
        )
        self._anomalies = Children(
            self._gauge("anomalies_open", "Open anomalies, a thousand at most.", "problem"),
            names(PROBLEMS_MAX),
        )
        self._oldest_anomaly = Children(
            self._gauge("anomaly_oldest_age_seconds", "How long the oldest has been open.", "problem"),
            names(PROBLEMS_MAX),
        )
        self._available = Children(
            self._gauge("units_available", "Units that can be promised.", "warehouse"), names()
        )

    def _gauge_queues(self) -> None:
        kind = words(MAILBOX_KINDS)
        self._letters = Children(
            self._gauge("mailbox_letters", "Messages that are not settled.", "kind", "name"), kind, names()
        )
        self._oldest_letter = Children(
            self._gauge("mailbox_oldest_age_seconds", "How long the oldest of them waits.", "kind", "name"),
            kind,
            names(),
        )
        self._awake = self._gauge("orders_awake", "Orders that are in memory.")
        self._partitions = self._gauge("partitions_owned", "Partitions under our lease.")
        self._lease = self._gauge(
            "lease_remaining_seconds", "How long the leases hold unless they are renewed."
        )
        self._audited = self._gauge(
            "audit_timestamp_seconds", "When the log was last audited, since 1970; 0 where it never was."
        )
        self._audit_failed = self._gauge("audit_failed", "1 where the last audit found contradictions.")
        self._findings = self._gauge("audit_findings", "Contradictions that the last audit found.")

    def _gauge_partners(self) -> None:
        partner = names()
        self._outbox = Children(
            self._gauge("outbox_depth", "Documents a partner is to be told, 20,000 at most.", "partner"),
            partner,
        )
        self._oldest_effect = Children(
            self._gauge("outbox_oldest_age_seconds", "How long the oldest of them waits.", "partner"), partner
        )
        self._circuit = Children(
            self._gauge("circuit_open", "1 while a partner counts as down.", "partner"), partner
        )
        self._lag = Children(
            self._gauge("channel_poll_lag_seconds", "Since the channel's shop was read.", "channel"), names()
        )

    def watch(self, system: System, books: Books) -> None:
        """Ask these for what stands from now on."""
        self._system = system
        self._books = books

    async def refresh(self, phase: str) -> None:
        """Ask for everything that is asked for only when somebody wants to know."""
        for name in PHASES:
            self._phase.of(name).set(name == phase)
        if self._system is not None:
            self._look_at_orders(self._system)
            self._look_at_queues(self._system)
            self._look_at_partners(self._system)
            await self._look_at_anomalies(self._system)
        if self._books is not None:
            await self._look_at_books(self._books)

    def _look_at_orders(self, system: System) -> None:
        now = self._now()
        for (state, age), orders in system.census.by_age(now).items():
            self._orders.of(state, age).set(orders)
        for state, seconds in system.census.oldest(now).items():
            self._oldest_order.of(state).set(seconds)
        self._awake.set(system.hall.live)
        for name, handle in system.directory.warehouses.items():
            self._available.of(name).set(sum(shelf.available for shelf in handle.stock.shelves.values()))

    def _look_at_queues(self, system: System) -> None:
        for name, handle in system.directory.warehouses.items():
            self._tell_queue("warehouse", name, len(handle.mailbox), handle.mailbox.oldest_at)
        desk = system.desk.mailbox
        self._tell_queue("desk", "", len(desk), desk.oldest_at)
        self._tell_queue("order", "", *system.hall.backlog())

    def _tell_queue(self, kind: str, name: str, letters: int, oldest_at: float | None) -> None:
        self._letters.of(kind, name).set(letters)
        waits_s = trio.current_time() - oldest_at if oldest_at is not None else 0.0
        self._oldest_letter.of(kind, name).set(waits_s)

    def _look_at_partners(self, system: System) -> None:
        now = self._now()
        for name, drain in system.drains.items():
            self._outbox.of(name).set(drain.depth)
            self._oldest_effect.of(name).set(_age_s(now, drain.oldest))
            self._circuit.of(name).set(drain.circuit.is_open)
        for name, channel in system.shops.items():
            self._lag.of(name).set(channel.poll_lag_s())

    async def _look_at_anomalies(self, system: System) -> None:
        anomalies = await system.journal.anomalies(ANOMALIES_COUNTED_MAX)
        now = self._now()
        self._anomalies.forget()
        self._oldest_anomaly.forget()
        for problem, count in Tally(anomaly.problem for anomaly in anomalies).items():
            self._anomalies.of(problem).inc(count)
        for anomaly in reversed(anomalies):  # the oldest comes first, and is told last
            self._oldest_anomaly.of(anomaly.problem).set(_age_s(now, anomaly.raised_at))

    async def _look_at_books(self, books: Books) -> None:
        self._partitions.set(len(books.owned))
        self._lease.set(books.lease_remaining_s())
        audit = await books.last_audit()
        if audit is not None:
            self._audited.set(audit.at.timestamp())
            self._audit_failed.set(not audit.ok)
            self._findings.set(audit.findings)


def _age_s(now: datetime, since: datetime | None) -> float:
    return max(0.0, (now - since).total_seconds()) if since is not None else 0.0
