"""What the control socket can ask of the daemon. The composition implements it over the actors.

Every change carries the key under which a repeat is recognised: its answer is the answer to the first.
"""

from collections.abc import Sequence
from typing import Protocol

from daemon.control.wire import (
    Adjustment,
    AnomalyTold,
    Done,
    HoldOrder,
    OrderStory,
    OrderSummary,
    PackFulfilment,
    PickList,
    Reception,
    ReleaseOrder,
    Scan,
    Short,
    SlotAssignment,
    Status,
    StockLevel,
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

    async def hold(self, order: str, asked: HoldOrder, *, by: str, key: str) -> Done:
        """Stop the order."""
        ...

    async def retry(self, order: str, *, by: str, key: str) -> Done:
        """Ask partners once more for what they refused."""
        ...

    async def release(self, order: str, asked: ReleaseOrder, *, by: str, key: str) -> Done:
        """Let the order go on."""
        ...

    async def cancel(self, order: str, *, by: str, key: str) -> Done:
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

    async def scan(self, warehouse: str, asked: Scan, *, key: str) -> Done:
        """Record a pick."""
        ...

    async def short(self, warehouse: str, asked: Short, *, key: str) -> Done:
        """Record that a slot held too few."""
        ...

    async def pack(self, warehouse: str, asked: PackFulfilment, *, key: str) -> Done:
        """Record what lies in which parcel."""
        ...

    async def receive(self, warehouse: str, asked: Reception, *, key: str) -> Done:
        """Take in goods."""
        ...

    async def adjust(self, warehouse: str, asked: Adjustment, *, key: str) -> Done:
        """Correct the shelf."""
        ...

    async def assign_slot(self, warehouse: str, asked: SlotAssignment, *, key: str) -> Done:
        """Say where a SKU lies."""
        ...
