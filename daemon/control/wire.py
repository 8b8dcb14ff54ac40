"""What the control socket answers under /v1/ about the daemon, its partners and gates, and what waits.

What concerns one order is in `wire_orders`, a floor in `wire_floor`, the books in `wire_books`, the log in
`wire_log`. Nothing in an answer names a person, but what a packer should read. Instants are UTC, quantities
whole base units, weights grams.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct


class Done(Struct, frozen=True):
    """It is so, now or since an earlier copy of the request."""

    done: bool = True


class Reloaded(Done, frozen=True):
    """What is read again is in force; `waits_for_restart` are keys that have changed as well, and are not."""

    waits_for_restart: tuple[str, ...] = ()


class Consequence(Struct, frozen=True):
    """An event that would be recorded: its name in the log, and what it says."""

    kind: str
    data: Mapping[str, Any]


class Trial(Struct, frozen=True):
    """What a change would have recorded at once; nothing was changed. None when it is so already."""

    would: tuple[Consequence, ...]
    dry_run: Literal[True] = True


class PartnerStatus(Struct, frozen=True):
    """How it goes with a partner; `state` is for people, such as "well" or "away since 10:02"."""

    partner: str
    state: str
    pending: int
    oldest: datetime | None


class Status(Struct, frozen=True):
    """The daemon at a glance. `state` is "starting", "standby", "running" or "draining"."""

    version: str
    state: str
    started_at: datetime
    rules: str
    partitions: int
    orders: Mapping[str, int]
    anomalies: int
    warehouses: tuple[str, ...]
    partners: tuple[PartnerStatus, ...]


class Partners(Struct, frozen=True):
    """Everybody outside whom the daemon tells something."""

    partners: tuple[PartnerStatus, ...]


class WarehouseTold(Struct, frozen=True):
    """A warehouse as routing sees it, and what is in hand there.

    `is_open` says whether it gets new orders; `closed_by` and `reason` who shut it, if a person did. With
    `in_hand_max` of `fulfilments` it gets no more, as `capped_by` says for `cap_reason`. `expected` are the
    units that suppliers still owe it by the ERP's purchase orders.
    """

    warehouse: str
    is_open: bool
    closed_by: str
    reason: str
    country: str
    priority: int
    available: int
    reserved: int
    picked: int
    quarantine: int
    fulfilments: int
    in_hand_max: int | None = None
    capped_by: str = ""
    cap_reason: str = ""
    expected: int = 0


class Warehouses(Struct, frozen=True):
    """The warehouses of the settings."""

    warehouses: tuple[WarehouseTold, ...]


class CarrierTold(Struct, frozen=True):
    """A carrier's service as parcels are assigned by; see `WarehouseTold` for the first four."""

    carrier: str
    is_open: bool
    closed_by: str
    reason: str
    service: str
    takes: str
    countries: tuple[str, ...]
    weight_g_max: int


class Carriers(Struct, frozen=True):
    """What the carriers take, in the order in which it is looked through."""

    carriers: tuple[CarrierTold, ...]


class AnomalyTold(Struct, frozen=True):
    """Something that a person should look at; `mend` is the command that is proposed.

    `taken_by` is who looks after it, "" where nobody does.
    """

    anomaly: str
    stream: str
    problem: str
    detail: str
    mend: str
    raised_at: datetime
    taken_by: str = ""
    taken_at: datetime | None = None


class Anomalies(Struct, frozen=True):
    """The open anomalies, the oldest first."""

    anomalies: tuple[AnomalyTold, ...]


class Untold(Struct, frozen=True):
    """What a partner has still to be told; `document` is its kind, such as "erp.order"."""

    effect: str
    stream: str
    partner: str
    document: str
    requested_at: datetime


class Outbox(Struct, frozen=True):
    """What partners have still to be told, the oldest first."""

    outbox: tuple[Untold, ...]


class ProblemDetails(Struct, frozen=True):
    """Why a request was not done (RFC 9457); `title` is the status's name, `detail` for who asked."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
