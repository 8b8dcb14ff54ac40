"""The daemon's life: what opens before what, what a signal does, how it ends. The work it does not know."""

import faulthandler
import os
import signal
from collections.abc import Mapping
from datetime import datetime

import structlog
import trio

from actors.domain.partitions import PARTITIONS
from actors.system import Rules, System
from adapters.postgres.journal import open_journal
from daemon.auditor import LogAuditor
from daemon.backlog import OpenBacklog
from daemon.collector import collect_seldom
from daemon.compose import compose, open_work, owner_name, rules_of, utc_now
from daemon.control.access import access_of, gid_of
from daemon.control.accounts import Accounts
from daemon.control.api import Services
from daemon.control.serving import serve_control
from daemon.gates import SystemGates
from daemon.helm import ProcessHelm
from daemon.logs import observe
from daemon.measured import measured
from daemon.metrics import Metrics
from daemon.order_desk import OrderDesk
from daemon.plugins import PLUGINS
from daemon.pulse import Line, keep_pulse, tell_status
from daemon.sd_notify import notify, take_listener, watchdog_seconds
from daemon.settings import Settings, SettingsError
from daemon.settings_file import load_assortments, load_carrier_rules, load_rules, waiting_for_restart
from daemon.tail import LogTail
from daemon.trail import JournalTrail
from daemon.version import VERSION
from daemon.warehouse_floor import WarehouseFloor
from daemon.web import serve_web

log = structlog.get_logger(__name__)

ENDING_S = 75.0
"""What may come after draining: a database that does not answer is waited for, a minute, or what is under way
there would be unknown; then the leases are given back, and a Postgres of our own is stopped."""


class Daemon:
    """One run of the daemon. `run` returns after a clean end and raises what ended it otherwise."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        self._settings = settings
        self._dsn = dsn
        self._metrics = Metrics(utc_now)
        self._metrics.expect(settings.warehouses)
        self._system: System | None = None
        self._whole = trio.CancelScope()
        self._started_at: datetime = utc_now()
        self._handed_over = take_listener("control")

    @property
    def phase(self) -> str:
        """Return "standby" (waiting for the database or its lease), "starting", "running" or "draining"."""
        return self._system.phase if self._system is not None else "standby"

    async def run(self) -> None:
        """Serve until a signal ends it.

        Raises:
            ExceptionGroup: of what no part of it survives, such as `FencedError` or a taken port.
        """
        observe(self._metrics.logged)
        faulthandler.enable()  # a watchdog's SIGABRT leaves every thread's stack in the log
        with self._whole:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._obey_signals)
                nursery.start_soon(keep_pulse, self._lines, self._is_ready, watchdog_seconds(), notify)
                await nursery.start(serve_web, self._settings.daemon, self._metrics, lambda: self.phase)
                await self._work()
                nursery.cancel_scope.cancel()
        if self._whole.cancelled_caught and self._system is not None and self._system.draining:
            log.warning("drain_unfinished")

    async def _work(self) -> None:
        settings = self._settings
        opening = open_journal(
            self._dsn,
            owner=owner_name(),
            partitions_min=PARTITIONS,
            database_seconds_max=settings.database.wait_seconds,
            observe=self._metrics.committed,
        )
        async with open_work(settings, opening) as (journal, partners), trio.open_nursery() as nursery:
            metrics = self._metrics
            watched = measured(partners, metrics.called)
            system = compose(
                settings,
                watched,
                journal,
                observe=metrics.attempted,
                moved=metrics.moved,
                before_intake=collect_seldom,
                rules=self._reread(),  # a standby may have waited for days, and those of its start be old
            )
            self._system = system
            metrics.standing.watch(system, journal)
            trail = JournalTrail(journal, utc_now, Accounts().name_of)
            await trail.load()
            backlog = OpenBacklog(system)
            desk = OrderDesk(
                system,
                journal,
                backlog,
                version=VERSION,
                started_at=self._started_at,
                partitions=len(journal.owned),
            )
            await nursery.start(
                self._serve_control,
                Services(
                    desk,
                    backlog,
                    WarehouseFloor(system, journal),
                    self._helm(system),
                    SystemGates(system),
                    LogTail(journal),
                    LogAuditor(self._dsn, settings.database.wait_seconds, journal),
                    trail,
                ),
            )
            nursery.start_soon(tell_status, self._told_status, notify)
            log.info("daemon_starting", partitions=len(journal.owned), rules=system.rules.routing.version)
            nursery.start_soon(self._say_ready, system)
            await system.run()
            nursery.cancel_scope.cancel()

    async def _say_ready(self, system: System) -> None:
        await system.started.wait()
        notify("READY=1", f"STATUS={self._told_status()}")
        log.info("daemon_ready", warehouses=len(system.directory.warehouses))

    def _is_ready(self) -> bool:
        """Tell whether READY=1 was said: from then on only the watchdog counts."""
        return self._system is not None and self._system.started.is_set()

    def _lines(self) -> Mapping[str, Line]:
        """Return the mailboxes of whoever has to answer for the daemon to be well."""
        if self._system is None:
            return {}
        houses = self._system.directory.warehouses.values()
        lines: dict[str, Line] = {f"warehouse {house.name}": house.mailbox for house in houses}
        return lines | {"desk": self._system.desk.mailbox}

    def _told_status(self) -> str:
        if self._system is None or not self._is_ready():
            untold = self._system.stock_untold if self._system is not None else ""
            return f"{self.phase}: the ERP has not told its stock: {untold}" if untold else self.phase
        in_hand = sum(count for state, count in self._system.census.counts().items() if state != "shipped")
        to_tell = sum(drain.depth for drain in self._system.drains.values())
        away = [f"{name} is away" for name, drain in self._system.drains.items() if drain.circuit.is_open]
        return "; ".join((f"{self.phase}: {in_hand} orders in hand", f"{to_tell} documents to tell", *away))

    async def _obey_signals(self, *, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    self._reload()
                else:
                    self._stop(signal.Signals(number).name)

    def _stop(self, name: str) -> None:
        """Drain within the bound; what is not at a recorded point by then is taken up at the next start."""
        seconds = self._settings.daemon.drain_seconds
        if self._system is not None and self._system.draining and name != "SIGINT":
            return  # as when a service is stopped that was told to drain; only Ctrl-C again means: at once
        allowed_us = int((seconds + ENDING_S) * 1_000_000)  # the unit's own bound may be less
        notify("STOPPING=1", "STATUS=draining", f"EXTEND_TIMEOUT_USEC={allowed_us}")
        log.info("daemon_stopping", signal=name, drain_seconds_max=seconds)
        if self._system is None or not self._system.ready:
            self._whole.cancel()
            return
        self._system.stop()
        self._whole.deadline = trio.current_time() + seconds

    def _reload(self) -> None:
        """Read the rules again; what is wrong with them is said and changes nothing.

        A standby reads them when it takes over.
        """
        rules = self._reread()
        if rules is not None and self._system is not None:
            self._system.reload(rules)

    def _reread(self) -> Rules | None:
        """Return the rules as they stand in their files now; None, and say why, where they are wrong."""
        try:
            return self._rules()
        except SettingsError as error:
            log.warning("rules_not_reloaded", why=str(error))
            return None

    def _rules(self) -> Rules:
        rules = load_rules(self._settings)
        carriers = load_carrier_rules(self._settings, PLUGINS, os.environ)
        assortments = load_assortments(self._settings, PLUGINS, os.environ)
        if waiting := waiting_for_restart(self._settings):
            log.warning("settings_wait_for_restart", keys=waiting)
        return rules_of(self._settings, rules, carriers, assortments)

    def _helm(self, system: System) -> ProcessHelm:
        return ProcessHelm(self._rules, system.reload, lambda: waiting_for_restart(self._settings))

    async def _serve_control(self, services: Services, *, task_status: trio.TaskStatus[None]) -> None:
        daemon = self._settings.daemon
        await serve_control(
            daemon.socket_path,
            services,
            access_of(daemon.viewers, daemon.operators, daemon.admins),
            handed_over=self._handed_over,
            group=gid_of(daemon.viewers),
            told=self._metrics.controlled,
            task_status=task_status,
        )
