"""What the control socket can ask of the daemon. The composition implements it over the actors.

Every change carries the key under which a repeat is recognised: its answer is the answer to the first.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.domain.control_events import ChangeAsked, ChangeOutcome
from actors.inspection import OrderFilter
from daemon.control.asked import (
    Adjustment,
    CapWarehouse,
    CloseGate,
    Counting,
    Drain,
    DropEffect,
    HoldOrder,
    LogLevel,
    MirroredPiece,
    OpenGate,
    PackFulfilment,
    Reception,
    ReleaseOrder,
    Reload,
    RerouteOrder,
    ResolveAnomalies,
    RetryAnomalies,
    RetryOutbox,
    Return,
    Scan,
    Short,
    SlotAssignment,
    TakeAnomalies,
)
from daemon.control.wire import (
    AnomalyTold,
    CarrierTold,
    Done,
    PartnerStatus,
    Status,
    Trial,
    Untold,
    WarehouseTold,
)
from daemon.control.wire_books import Reconciled
from daemon.control.wire_floor import Label, PickList, StockExplained, StockLevel
from daemon.control.wire_log import AuditTold, ChangeTold, EndTold, EventTold, LastAudit
from daemon.control.wire_orders import OrderStory, OrderSummary

NOT_FOUND = 404
CONFLICT = 409


class Refused(Exception):  # noqa: N818 - a business "no", not a fault
    """The daemon understood and says no; `reason` is for the person who asked and names no other person."""

    def __init__(self, reason: str, status: int = CONFLICT) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


@dataclass(frozen=True, slots=True)
class Mandate:
    """On whose word something is changed, under which key; `dry_run` asks only what would come of it."""

    by: str
    key: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """Which changes are asked for; "" does not restrict.

    `user` is the name or number of who asked. `about` is what the path or the terms name, such as an order,
    which its fulfilments and parcels name too.
    """

    user: str = ""
    about: str = ""


class Trail(Protocol):
    """Who asked for which change, and what came of it."""

    async def asked(self, change: ChangeAsked) -> int:
        """Record that a change is asked for; return its number once that is durable."""
        ...

    async def settled(self, number: int, outcome: ChangeOutcome, why: str) -> None:
        """Record what came of it; return once that is durable."""
        ...

    async def changes(self, wanted: TrailFilter, limit: int) -> Sequence[ChangeTold]:
        """Return the last changes that fit, the newest first."""
        ...

    async def was_done(self, change: ChangeAsked) -> bool:
        """Tell whether the same was asked for under the same key within a day, and was done."""
        ...


class Desk(Protocol):
    """What concerns orders and the daemon as a whole. Every method may raise `Refused`."""

    async def status(self) -> Status:
        """Return the daemon at a glance."""
        ...

    async def orders(self, wanted: OrderFilter, limit: int) -> Sequence[OrderSummary]:
        """Return the orders that fit, the first placed first."""
        ...

    async def order(self, order: str) -> OrderStory:
        """Return everything about an order; refused with 404 where there is none."""
        ...

    async def hold(self, order: str, asked: HoldOrder, mandate: Mandate) -> Done | Trial:
        """Stop the order."""
        ...

    async def retry(self, order: str, mandate: Mandate) -> Done | Trial:
        """Ask partners once more for what they refused."""
        ...

    async def reroute(self, order: str, asked: RerouteOrder, mandate: Mandate) -> Done | Trial:
        """Have what is not packed routed anew; refused where nothing is left to be, or with 404."""
        ...

    async def release(self, order: str, asked: ReleaseOrder, mandate: Mandate) -> Done | Trial:
        """Let the order go on."""
        ...

    async def cancel(self, order: str, mandate: Mandate) -> Done | Trial:
        """Stop the order for good; refused where it is too late, saying where it can be intercepted."""
        ...

    async def reconcile(self, channel: str | None) -> Reconciled:
        """Compare shops, ledger and ERP, or one channel's shop with the ledger, and say what differs.

        Refused with 404 where there is none of that name, with 503 where a shop does not answer.
        """
        ...


class Backlog(Protocol):
    """What is still to be done: anomalies, what partners are to be told, and how it goes with them."""

    async def anomalies(self, limit: int) -> Sequence[AnomalyTold]:
        """Return what a person should look at, the oldest first."""
        ...

    async def outbox(self, limit: int) -> Sequence[Untold]:
        """Return what partners have still to be told, the oldest first."""
        ...

    async def partners(self) -> Sequence[PartnerStatus]:
        """Return how it goes with each partner."""
        ...

    async def resolve(self, asked: ResolveAnomalies, mandate: Mandate) -> Done | Trial:
        """Take it from a person that matters are settled; refused with 404 where one is not open."""
        ...

    async def take(self, asked: TakeAnomalies, mandate: Mandate) -> Done | Trial:
        """Note who looks after anomalies; refused where another does, with 404 where one is not open."""
        ...

    async def retry_anomalies(self, asked: RetryAnomalies, mandate: Mandate) -> Done | Trial:
        """Try again what anomalies are about."""
        ...

    async def retry_outbox(self, asked: RetryOutbox, mandate: Mandate) -> Done | Trial:
        """Try now what waits for a further attempt; refused with 404 where there is no such partner."""
        ...

    async def drop(self, asked: DropEffect, mandate: Mandate) -> Done | Trial:
        """Tell a partner something no more; refused with 404 where it is not in the outbox."""
        ...


class Tail(Protocol):
    """The log as it grows."""

    async def events(self, last: int, tell: Callable[[EventTold], Awaitable[None]], *, follow: bool) -> None:
        """Tell the last events, and with `follow` those that come, until cancelled."""
        ...

    async def ends(self, at: Mapping[int, int]) -> Sequence[EndTold]:
        """Return where these partitions end, and which hash they have at these positions."""
        ...


class Auditor(Protocol):
    """The proof of the log, made beside the work."""

    def begin(self) -> Callable[[Callable[[AuditTold], Awaitable[None]]], Awaitable[None]]:
        """Return what audits the log and tells how far it is; refused while an audit is under way."""
        ...

    async def last(self) -> LastAudit:
        """Return what came of the last audit, whoever made it; refused with 404 where there was none."""
        ...


class Gates(Protocol):
    """Which warehouses and carriers get something new; refused with 404 where there is none of that name."""

    async def warehouses(self) -> Sequence[WarehouseTold]:
        """Return the warehouses."""
        ...

    async def carriers(self) -> Sequence[CarrierTold]:
        """Return what the carriers take."""
        ...

    async def close_warehouse(self, warehouse: str, asked: CloseGate, mandate: Mandate) -> Done | Trial:
        """Give the warehouse no new orders."""
        ...

    async def open_warehouse(self, warehouse: str, asked: OpenGate, mandate: Mandate) -> Done | Trial:
        """Give the warehouse new orders again."""
        ...

    async def cap_warehouse(self, warehouse: str, asked: CapWarehouse, mandate: Mandate) -> Done | Trial:
        """Give the warehouse new orders only up to so many in hand."""
        ...

    async def close_carrier(self, carrier: str, asked: CloseGate, mandate: Mandate) -> Done | Trial:
        """Buy no new labels of the carrier."""
        ...

    async def open_carrier(self, carrier: str, asked: OpenGate, mandate: Mandate) -> Done | Trial:
        """Buy labels of the carrier again."""
        ...


class Floor(Protocol):
    """What concerns warehouses; refused with 404 where there is none of that name."""

    async def picklists(self, warehouse: str, limit: int) -> Sequence[PickList]:
        """Return the fulfilments to be picked, the first promised first, each along its slots."""
        ...

    async def label(self, parcel: str) -> Label:
        """Return a parcel's label; refused where it has none yet, with 404 where there is no such parcel."""
        ...

    async def stock(self, warehouse: str, sku: str | None) -> Sequence[StockLevel]:
        """Return where the units of one SKU stand, or of all, by SKU; refused with 404 for one never held."""
        ...

    async def explain(self, warehouse: str, sku: str, limit: int) -> StockExplained:
        """Return which movements make up a SKU's figures; refused with 404 for a SKU never held."""
        ...

    async def stock_everywhere(self, sku: str) -> Sequence[StockLevel]:
        """Return where a SKU's units stand in each warehouse that knows it; refused with 404 if none does."""
        ...

    async def explain_everywhere(self, sku: str, limit: int) -> Sequence[StockExplained]:
        """Return what `explain` does, of each warehouse that knows the SKU; refused with 404 if none does."""
        ...

    async def scan(self, warehouse: str, asked: Scan, mandate: Mandate) -> Done | Trial:
        """Record a pick."""
        ...

    async def short(self, warehouse: str, asked: Short, mandate: Mandate) -> Done | Trial:
        """Record that a slot held too few."""
        ...

    async def pack(self, warehouse: str, asked: PackFulfilment, mandate: Mandate) -> Done | Trial:
        """Record what lies in which parcel."""
        ...

    async def receive(self, warehouse: str, asked: Reception, mandate: Mandate) -> Done | Trial:
        """Take in goods."""
        ...

    async def take_back(self, warehouse: str, asked: Return, mandate: Mandate) -> Done | Trial:
        """Take in what came back of an order; refused where that is more than has left."""
        ...

    async def mirror(self, warehouse: str, asked: MirroredPiece, mandate: Mandate) -> Done | Trial:
        """Correct the shelf by what the ERP has booked already, without telling it."""
        ...

    async def adjust(self, warehouse: str, asked: Adjustment, mandate: Mandate) -> Done | Trial:
        """Correct the shelf."""
        ...

    async def count(self, warehouse: str, asked: Counting, mandate: Mandate) -> Done | Trial:
        """Bring the books to what was counted; refused while more is promised than that."""
        ...

    async def assign_slot(self, warehouse: str, asked: SlotAssignment, mandate: Mandate) -> Done | Trial:
        """Say where a SKU lies."""
        ...


class Helm(Protocol):
    """What concerns the process itself."""

    async def reload(self, asked: Reload, mandate: Mandate) -> Done | Trial:
        """Read the rules again; refused, with what is wrong, when they cannot be used."""
        ...

    async def drain(self, asked: Drain, mandate: Mandate) -> Done | Trial:
        """Begin to end; what is asked from now on is refused."""
        ...

    async def log_level(self, asked: LogLevel, mandate: Mandate) -> Done | Trial:
        """Log from another level on."""
        ...
