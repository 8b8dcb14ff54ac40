"""What the control socket answers under /v1/.

Nothing in an answer names a person. Instants are UTC, quantities whole base units, weights grams.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

from msgspec import Struct


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
    """One event of an order's timeline: `kind` is its name in the log, `data` what it says.

    `actor` is who did it, `cause` why as far as the event says so, `call` which call to a partner it is
    about, and `seconds` how long that took from the request to its outcome.
    """

    version: int
    at: datetime
    kind: str
    data: Mapping[str, Any]
    actor: str = ""
    cause: str = ""
    call: str = ""
    seconds: float | None = None


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


class PackingTold(Struct, frozen=True):
    """What whoever packs the order should read: a person's words, gone once the person is forgotten."""

    is_gift: bool = False
    gift_message: str = ""
    notes: tuple[str, ...] = ()


class ExpectedTold(Struct, frozen=True):
    """Units of a SKU that a supplier still owes to a warehouse, by the ERP's purchase orders."""

    sku: str
    warehouse: str
    units: int
    due: date | None
    purchase_order: str


class OrderStory(Struct, frozen=True):
    """Everything about an order: where it stands, how it came there, and why it was routed so.

    `invoices` are the ERP's numbers; `expected` is what comes of the SKUs that it waits for.
    """

    order: OrderSummary
    holds: tuple[str, ...]
    anomalies: tuple[str, ...]
    timeline: tuple[Step, ...]
    routing: tuple[RoutingTold, ...]
    packing: PackingTold = PackingTold()
    invoices: tuple[str, ...] = ()
    expected: tuple[ExpectedTold, ...] = ()


class PickLine(Struct, frozen=True):
    """A line of a pick list; what is left to pick is `units` less `picked` less `missing`."""

    slot: str
    sku: str
    units: int
    picked: int
    missing: int = 0


class PickList(Struct, frozen=True):
    """What the floor is to do for one fulfilment: its lines along the slots, and words to its packer."""

    fulfilment: str
    order: str
    lines: tuple[PickLine, ...]
    packing: PackingTold = PackingTold()


class PickLists(Struct, frozen=True):
    """The open pick lists of a warehouse, the first promised first."""

    picklists: tuple[PickList, ...]


class StockLevel(Struct, frozen=True):
    """Where the units of a SKU stand in a warehouse.

    `expected` are those that suppliers still owe by the ERP's purchase orders, `due` is the first date of
    them, null where none was named.
    """

    warehouse: str
    sku: str
    slot: str
    available: int
    reserved: int
    picked: int
    quarantine: int
    expected: int = 0
    due: date | None = None


class StockLevels(Struct, frozen=True):
    """The stock of a warehouse by SKU, or of a SKU by warehouse."""

    stock: tuple[StockLevel, ...]


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


class MovementTold(Struct, frozen=True):
    """So many units from one account to another; `kind` is the event that moved them, `about` for what."""

    at: datetime
    kind: str
    about: str
    source: str
    target: str
    units: int


class StockExplained(Struct, frozen=True):
    """Which movements make up a SKU's figures, the newest first.

    `earlier` are the figures before the oldest movement told: with all that is told they add up to `now`.
    """

    now: StockLevel
    earlier: StockLevel
    movements: tuple[MovementTold, ...]


class StockExplanations(Struct, frozen=True):
    """Which movements make up a SKU's figures in each warehouse that knows it, by the warehouse's name."""

    warehouses: tuple[StockExplained, ...]


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


class DifferenceTold(Struct, frozen=True):
    """A part of a difference between a shop and the ledger that has one cause; `units` is what it explains.

    `ledger` and `shop` are the two figures, null where that side does not know the article; `about` names the
    orders that have not come. `since` is when it was first seen, of a write when it was told last.
    """

    article: str
    cause: str
    units: int
    ledger: int | None
    shop: int | None
    since: datetime
    about: tuple[str, ...]
    detail: str
    mend: str
    is_new: bool = True


class ChannelReconciled(Struct, frozen=True):
    """One look at one shop; `moving` articles moved meanwhile and are left to the next look."""

    channel: str
    at: datetime
    compared: int
    moving: int
    differences: tuple[DifferenceTold, ...]


class FiguresTold(Struct, frozen=True):
    """One SKU in one warehouse on all sides.

    `erp` is what the ERP says, `corrected` what it would say with everything in flight booked; `ledger` is
    what physically lies there. `shops` is what each shop shows of the article of that name, everywhere.
    """

    warehouse: str
    sku: str
    ledger: int
    erp: int
    corrected: int
    shops: Mapping[str, int]


class ErpReconciled(Struct, frozen=True):
    """One reading of the ERP's stock; `moving` places moved meanwhile and are left to the next look.

    `traced` is whether the ERP tells what its users booked: where it does not, that has no known cause.
    """

    began_at: datetime
    ended_at: datetime
    compared: int
    moving: int
    traced: bool
    figures: tuple[FiguresTold, ...]


class DiscrepancyTold(Struct, frozen=True):
    """A difference of an order, or of the ERP's stock, or the part of one that has one cause.

    `scope` is "erp" or a shop as the outbox names it; `units` is what it explains of a stock difference,
    above zero where the ERP has too many. `since_is` tells how well `since` is known: "exact",
    "at_the_earliest" or "at_the_latest". `settles_by` is null where it does not settle by itself. `anomaly`
    is another open anomaly that tells it, "" where there is none.
    """

    scope: str
    kind: str
    subject: str
    cause: str
    units: int
    since: datetime
    since_is: str
    is_new: bool
    evidence: tuple[str, ...]
    detail: str
    mend: str
    commands: tuple[str, ...]
    settles_by: datetime | None
    anomaly: str


class Reconciled(Struct, frozen=True):
    """Where shops, ledger and ERP differ.

    `channels` is about what the shops show as stock; `differences` about orders and about the ERP's stock, of
    which `erp` tells how it was read, null where it was not. `unread` is what could not be compared.
    """

    at: datetime
    channels: tuple[ChannelReconciled, ...]
    orders: int
    orders_moving: int
    erp: ErpReconciled | None
    differences: tuple[DiscrepancyTold, ...]
    unread: tuple[str, ...]


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


class ProblemDetails(Struct, frozen=True):
    """Why a request was not done (RFC 9457); `title` is the status's name, `detail` for who asked."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
