"""What the control socket answers about the log: its events, its ends, who asked for what, and its audit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct


class EventTold(Struct, frozen=True):
    """An event of the log as it was recorded: in which stream, its name, and what it says."""

    at: datetime
    stream: str
    version: int
    kind: str
    data: Mapping[str, Any]


class ChangeTold(Struct, frozen=True):
    """A change that somebody asked for over this socket, and what came of it.

    `terms` is the JSON of what was asked, without what was written in own words. `outcome` is "done",
    "refused" (`why` says so), "crashed", or "unknown": nobody waited for its end, and it may have been made.
    """

    at: datetime
    path: str
    terms: str
    key: str
    dry_run: bool
    uid: int | None
    pid: int | None
    user: str
    role: str
    outcome: str
    why: str


class Changes(Struct, frozen=True):
    """The last changes, the newest first."""

    changes: tuple[ChangeTold, ...]


class EndTold(Struct, frozen=True):
    """Where a partition's log ends, and its hash at the position asked for; null where it is shorter."""

    partition: int
    position: int
    hash: str | None


class LogEnds(Struct, frozen=True):
    """Where partitions of the log end, and which hashes they have at the positions asked for."""

    ends: tuple[EndTold, ...]


class FindingTold(Struct, frozen=True):
    """A contradiction in the log, and at which event; position 0 stands for the tables of a partition."""

    partition: int
    position: int
    what: str


class LastAudit(Struct, frozen=True):
    """When the log was audited last, and what came of it; `findings` counts contradictions."""

    at: datetime
    ok: bool
    events: int
    oversold_units: int
    findings: int


class AuditTold(Struct, frozen=True):
    """How far an audit is, and in the last line what came of it: "whole", "broken" or, with `why`, "failed".

    `events` were read so far. `findings` are the first hundred of `findings_total`, in the order of the log.
    """

    state: Literal["running", "whole", "broken", "failed"]
    events: int = 0
    movements: int = 0
    chain: bool = True
    oversold_units: int = 0
    findings_total: int = 0
    findings: tuple[FindingTold, ...] = ()
    why: str = ""
