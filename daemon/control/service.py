"""What the control socket can ask of the daemon. The composition implements it over the actors.

Every change carries the key under which a repeat is recognised: its answer is the answer to the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from daemon.control.wire import (
    Adjustment,
    AnomalyTold,
    Done,
    Drain,
    HoldOrder,
    LogLevel,
    OrderStory,
    OrderSummary,
    PackFulfilment,
    PickList,
    Reception,
    ReleaseOrder,
    Reload,
    Scan,
    Short,
    SlotAssignment,
    Status,
    StockLevel,
    Trial,
    Untold,
)

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


class Desk(Protocol):
    """What concerns orders and the daemon as a whole. Every method may raise `Refused`."""

    async def status(self) -> Status:
        """Return the daemon at a glance."""
        ...

    async def orders(self, states: Sequence[str], limit: int) -> Sequence[OrderSummary]:
        """Return orders in these states (all when empty), the first placed first."""
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

    async def release(self, order: str, asked: ReleaseOrder, mandate: Mandate) -> Done | Trial:
        """Let the order go on."""
        ...

    async def cancel(self, order: str, mandate: Mandate) -> Done | Trial:
        """Stop the order for good; refused where it is too late, saying where it can be intercepted."""
        ...

    async def anomalies(self, limit: int) -> Sequence[AnomalyTold]:
        """Return what a person should look at, the oldest first."""
        ...

    async def outbox(self, limit: int) -> Sequence[Untold]:
        """Return what partners have still to be told, the oldest first."""
        ...


class Floor(Protocol):
    """What concerns one warehouse; refused with 404 where there is none of that name."""

    async def picklists(self, warehouse: str, limit: int) -> Sequence[PickList]:
        """Return the fulfilments to be picked, the first promised first, each along its slots."""
        ...

    async def stock(self, warehouse: str, sku: str | None) -> Sequence[StockLevel]:
        """Return where the units of one SKU stand, or of all, by SKU."""
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

    async def adjust(self, warehouse: str, asked: Adjustment, mandate: Mandate) -> Done | Trial:
        """Correct the shelf."""
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
