"""What goes over the control socket: the bodies of requests and answers under /v1/, and their bounds.

Nothing in an answer names a person. Instants are UTC, quantities whole base units, weights grams.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

TEXT_MAX = 200
"""A reason typed by a person; longer belongs into the desk's own notes."""

LINES_MAX = 1_000
"""More lines than any parcel or order of a shop has."""

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Text = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
Units = Annotated[int, Meta(ge=1, le=1_000_000)]
Weight = Annotated[int, Meta(ge=1, le=1_000_000)]


class _Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A misspelled field is refused, not ignored."""


# --- what is asked ---------------------------------------------------------------------------------------


class HoldOrder(_Asked, frozen=True):
    """Stop an order until somebody releases it, or until it expires."""

    reason: Text
    hold: Literal["payment", "address", "manual"] = "manual"
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class ReleaseOrder(_Asked, frozen=True):
    """Let an order go on; releasing a validation hold overrides what was wrong."""

    hold: Literal["validation", "payment", "address", "manual"] = "manual"


class CancelOrder(_Asked, frozen=True):
    """Stop an order for good, if that still can be."""


class RetryOrder(_Asked, frozen=True):
    """What made partners refuse documents was mended: ask them once more."""


class Reload(_Asked, frozen=True):
    """Read the rules again; when they are wrong, those in force stay and the answer says why."""


class Drain(_Asked, frozen=True):
    """Take nothing new in, bring what is in hand to a recorded point, and end, as SIGTERM does."""


class LogLevel(_Asked, frozen=True):
    """Log from this level on until the daemon ends; at debug customers' names and addresses are readable."""

    level: Literal["debug", "info", "warning", "error"]


class Scan(_Asked, frozen=True):
    """So many units of this SKU were taken from this slot."""

    fulfilment: Name
    slot: Annotated[str, Meta(max_length=64)]
    sku: Name
    units: Units


class Short(_Asked, frozen=True):
    """The slot holds fewer than the pick list says."""

    fulfilment: Name
    slot: Annotated[str, Meta(max_length=64)]
    sku: Name
    missing: Units
    reason: Text


class ParcelLine(_Asked, frozen=True):
    """What lies in a parcel."""

    sku: Name
    units: Units


class ParcelPacked(_Asked, frozen=True):
    """One closed box."""

    lines: Annotated[tuple[ParcelLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    weight_g: Weight


class PackFulfilment(_Asked, frozen=True):
    """Everything picked lies in these parcels."""

    fulfilment: Name
    parcels: Annotated[tuple[ParcelPacked, ...], Meta(min_length=1, max_length=LINES_MAX)]


class Reception(_Asked, frozen=True):
    """Goods came in; `delivery` is the supplier's, and counts once for each SKU."""

    delivery: Name
    sku: Name
    units: Units
    slot: Annotated[str, Meta(max_length=64)] = ""


class Adjustment(_Asked, frozen=True):
    """The shelf holds so many more (or, below zero, fewer) than the books say."""

    sku: Name
    units: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
    reason: Text


class SlotAssignment(_Asked, frozen=True):
    """Where the SKU is picked from now on."""

    sku: Name
    slot: Name


# --- what is answered ------------------------------------------------------------------------------------


class Done(Struct, frozen=True):
    """It is so, now or since an earlier copy of the request."""

    done: bool = True


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


class OrderSummary(Struct, frozen=True):
    """An order in a list; `waiting_for` are the SKUs that a backordered order misses."""

    order: str
    channel: str
    reference: str
    state: str
    since: datetime
    placed_at: datetime
    waiting_for: tuple[str, ...] = ()


class Orders(Struct, frozen=True):
    """A list of orders, the first placed first."""

    orders: tuple[OrderSummary, ...]


class Step(Struct, frozen=True):
    """One event of an order's timeline: `kind` is its name in the log, `data` what it says."""

    version: int
    at: datetime
    kind: str
    data: Mapping[str, Any]


class CandidateTold(Struct, frozen=True):
    """A set of warehouses that routing looked at; `rejected` is "" for the one that was taken."""

    warehouses: tuple[str, ...]
    rank: tuple[int, ...]
    rejected: str


class RoutingTold(Struct, frozen=True):
    """A routing decision and its reasons; `missing` says what nobody could fill, "SKU: has of asked"."""

    at: datetime
    rules: str
    chosen: tuple[str, ...]
    candidates: tuple[CandidateTold, ...]
    missing: tuple[str, ...] = ()


class OrderStory(Struct, frozen=True):
    """Everything about an order: where it stands, how it came there, and why it was routed so."""

    order: OrderSummary
    holds: tuple[str, ...]
    anomalies: tuple[str, ...]
    timeline: tuple[Step, ...]
    routing: tuple[RoutingTold, ...]


class PickLine(Struct, frozen=True):
    """A line of a pick list; what is left to pick is `units` less `picked` less `missing`."""

    slot: str
    sku: str
    units: int
    picked: int
    missing: int = 0


class PickList(Struct, frozen=True):
    """What the floor is to do for one fulfilment, its lines along the slots."""

    fulfilment: str
    order: str
    lines: tuple[PickLine, ...]


class PickLists(Struct, frozen=True):
    """The open pick lists of a warehouse, the first promised first."""

    picklists: tuple[PickList, ...]


class StockLevel(Struct, frozen=True):
    """Where the units of a SKU stand in a warehouse."""

    sku: str
    slot: str
    available: int
    reserved: int
    picked: int
    quarantine: int


class StockLevels(Struct, frozen=True):
    """The stock of a warehouse, by SKU."""

    stock: tuple[StockLevel, ...]


class AnomalyTold(Struct, frozen=True):
    """Something that a person should look at; `mend` is the command that is proposed."""

    anomaly: str
    stream: str
    problem: str
    detail: str
    mend: str
    raised_at: datetime


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
