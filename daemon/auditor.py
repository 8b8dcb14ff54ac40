"""Has the log audited beside the daemon's work, in a process of its own, and tells how far it is."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog
import trio

from actors.inspection import Inspection
from daemon.audit_child import Asked
from daemon.control.service import NOT_FOUND, Refused
from daemon.control.wire_log import AuditTold, LastAudit

log = structlog.get_logger(__name__)

Tell = Callable[[AuditTold], Awaitable[None]]

LINE_BYTES_MAX = 1024 * 1024
"""A report names a hundred findings of some 200 bytes each."""

_read = msgspec.json.Decoder(AuditTold).decode


class LogAuditor:
    """Implements `daemon.control.service.Auditor`: one audit at a time, which ends when nobody listens."""

    def __init__(self, dsn: str, database_seconds_max: float, inspection: Inspection) -> None:
        self._asked = Asked(dsn, database_seconds_max)
        self._inspection = inspection
        self._under_way = False

    async def last(self) -> LastAudit:
        """Return what came of the last audit, whoever made it."""
        run = await self._inspection.last_audit()
        if run is None:
            raise Refused("the log was never audited", NOT_FOUND)
        return LastAudit(run.at, run.ok, run.events, run.oversold_units, run.findings)

    def begin(self) -> Callable[[Tell], Awaitable[None]]:
        """Return what runs it."""
        if self._under_way:
            raise Refused("an audit is under way")
        return self._run

    async def _run(self, tell: Tell) -> None:
        if self._under_way:  # somebody was quicker, after both were told that they may
            await tell(AuditTold(state="failed", why="an audit is under way"))
            return
        self._under_way = True
        try:
            await tell(AuditTold(state="running"))
            last = await self._follow_child(tell)
            if last.state == "running":
                last = AuditTold(state="failed", why="the audit's process died; the daemon's log has more")
                await tell(last)
            _note(last)
        finally:
            self._under_way = False

    async def _follow_child(self, tell: Tell) -> AuditTold:
        """Return the last that the child told; it is ended when nobody listens any more."""
        last = AuditTold(state="running")
        # Whoever runs us may have been told where our modules are by something that a child does not inherit.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        begin = partial(
            trio.run_process,
            [sys.executable, "-P", "-m", "daemon.audit_child"],
            stdin=msgspec.json.encode(self._asked),
            stdout=subprocess.PIPE,
            env=environment,
            check=False,
        )
        async with trio.open_nursery() as nursery:
            child: trio.Process = await nursery.start(begin)
            if child.stdout is None:
                raise AssertionError("it was asked for")
            unread = b""
            async for piece in child.stdout:
                *lines, unread = (unread + piece).split(b"\n")
                if len(unread) > LINE_BYTES_MAX:
                    raise ValueError("the audit tells a line without an end")
                for line in lines:
                    last = _read(line)
                    await tell(last)
        return last


def _note(outcome: AuditTold) -> None:
    match outcome.state:
        case "whole":
            log.info("audit_whole", events=outcome.events)
        case "broken":
            log.error("audit_broken", events=outcome.events, findings=outcome.findings_total)
        case _:
            log.warning("audit_unfinished", why=outcome.why)
