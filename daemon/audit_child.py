"""The audit as a process of its own: python -m daemon.audit_child, begun by `daemon.auditor`.

It is told where the database is on standard input, which nobody else can read, and tells lines of JSON on
standard output. What it owns is that telling; the audit itself stands in `adapters.postgres`.
"""

import os
import sys
import time
from contextlib import suppress

import msgspec
from msgspec import Struct

from daemon import logs, upkeep
from daemon.control.wire_log import AuditTold, FindingTold

TELL_EVERY_S = 0.5
"""A person sees that it gets on; a line a page of events would be hundreds a second."""

NICENESS = 10
"""Orders come first, as for the nightly audit."""


class Asked(Struct, frozen=True):
    """Which database, and how many seconds to wait for one that is away."""

    dsn: str
    seconds_max: float


def main() -> None:
    """Audit, telling how far it is and at last what came of it."""
    logs.configure(level="warning")  # on standard error: what is told on standard output is for the daemon
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    with suppress(OSError):  # a sandbox may forbid even this
        os.nice(NICENESS)
    told_at = time.monotonic()

    def progress(events: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TELL_EVERY_S:
            told_at = time.monotonic()
            _tell(AuditTold(state="running", events=events))

    try:
        report = upkeep.audited(asked.dsn, asked.seconds_max, progress)
    except upkeep.UNUSABLE as error:
        _tell(AuditTold(state="failed", why=str(error)))
    else:
        _tell(_outcome(report))


def _outcome(report: upkeep.AuditReport) -> AuditTold:
    return AuditTold(
        state="whole" if report.ok else "broken",
        events=report.events,
        movements=report.movements,
        chain=report.chain,
        oversold_units=report.oversold_units,
        findings_total=report.findings_total,
        findings=tuple(FindingTold(each.partition, each.position, each.what) for each in report.findings),
    )


def _tell(told: AuditTold) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
