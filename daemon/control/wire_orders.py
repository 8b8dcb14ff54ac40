"""What the control socket answers about orders: lists, and one order's whole story."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from msgspec import Struct


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
