"""What people may ask of the journal beside what actors need of it. It changes nothing.

It stands apart from `ports.Journal` because no actor may lean on it: its answers cost a search.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from actors.domain.documents import Document
from actors.ports.journal import Event, OrderRow, Recorded


class UnansweredError(Exception):
    """The database has not answered a question of these; whether it is there at all the actors find out."""


class OrderFilter(Struct, frozen=True):
    """Which orders are asked for; what is empty does not restrict.

    `warehouse` is one that holds a reservation of the order which is not dispatched or given back;
    `moved_after` is when the order came into its state at the earliest.
    """

    states: tuple[str, ...] = ()
    channel: str = ""
    warehouse: str = ""
    placed_before: datetime | None = None
    moved_after: datetime | None = None


class BookedMovement(Struct, frozen=True):
    """So many units of a SKU from one account to another, and the event that moved them."""

    at: datetime
    event: Event
    source: str
    target: str
    units: int


class Asked(Struct, frozen=True):
    """A document that a warehouse's stream has asked for, and when."""

    effect: str
    document: Document
    at: datetime


class Tip(Struct, frozen=True):
    """How far the log was read: the last position of each partition."""

    positions: Mapping[int, int]


class AuditRun(Struct, frozen=True):
    """When the log was audited, and what came of it; `findings` counts contradictions, none where `ok`."""

    at: datetime
    ok: bool
    events: int
    oversold_units: int
    findings: int


class LogEnd(Struct, frozen=True):
    """Where a partition's log ends, and the hash that it had at a position somebody asked for.

    `hash` is None where the log does not reach that far.
    """

    partition: int
    position: int
    hash: bytes | None


class Inspection(Protocol):
    """Questions of people, each bounded by its `limit`.

    Each may raise `UnansweredError`.
    """

    async def find_orders(self, wanted: OrderFilter, limit: int) -> Sequence[OrderRow]:
        """Return rows of the orders that fit, the first placed first."""
        ...

    async def tip(self, back: int) -> Tip:
        """Return where the log ends, or where each partition stood `back` events before."""
        ...

    async def news(self, after: Tip, limit: int) -> tuple[Sequence[Recorded], Tip]:
        """Return up to `limit` events of each partition beyond that, by their time, and how far."""
        ...

    async def newest(self, stream: str, limit: int, before: int | None = None) -> Sequence[Recorded]:
        """Return the stream's last events, of versions below `before` if that is given, the newest first."""
        ...

    async def ends(self, at: Mapping[int, int]) -> Sequence[LogEnd]:
        """Return where these partitions end, and which hash they have at these positions."""
        ...

    async def movements(self, warehouse: str, sku: str, limit: int) -> Sequence[BookedMovement]:
        """Return the SKU's last movements in the warehouse, the newest first."""
        ...

    async def last_audit(self) -> AuditRun | None:
        """Return the last audit that was made of the log, None where there was none."""
        ...

    async def asked(self, stream: str, names: Collection[str]) -> Sequence[Asked]:
        """Return what a warehouse's stream asked for under these effects' ids or documents' references."""
        ...
