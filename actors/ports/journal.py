"""The journal: the append-only log, and what is projected from it.

Its methods raise only the errors below.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from actors.domain.anomaly_events import AnomalyEvent, AnomalyTaken
from actors.domain.control_events import ControlEvent
from actors.domain.documents import Document
from actors.domain.gates import GateEvent
from actors.domain.order_events import OrderEvent
from actors.domain.stock_events import Quantity, StockEvent
from actors.ports.people import BesideRow, Contact

Event = OrderEvent | StockEvent | AnomalyEvent | AnomalyTaken | GateEvent | ControlEvent


class FencedError(Exception):
    """This daemon no longer owns the partition, or lost its writer's connection: it must stop."""


class CorruptionError(Exception):
    """The log or a balance contradicts itself. Not to be caught: the daemon stops."""


class ConflictError(Exception):
    """The stream is not at the version the append expected: two actors think that they own it."""


class Recorded(Struct, frozen=True, gc=False):
    """An event as it stands in the log."""

    partition: int
    position: int
    stream: str
    version: int
    event: Event
    at: datetime
    hash: bytes


class OrderRow(Struct, frozen=True, gc=False):
    """The order index: what lists, clocks and look-ups need of an order without hydrating it.

    `due_at` is when the desk has to wake the order, None when nothing is to be watched. `waiting_for` is what
    an open order wants and no warehouse has promised yet. The row is a pure function of the order's state, so
    `rebuild` makes it again.
    """

    order: str
    channel: str
    shop_order: str
    reference: str
    state: str
    state_since: datetime
    due_at: datetime | None
    placed_at: datetime
    waiting_for: tuple[Quantity, ...]
    version: int


class OrdersSince(Struct, frozen=True, gc=False):
    """How many orders came into a state within one minute; `since` is when that minute began."""

    state: str
    since: datetime
    orders: int


class FulfilmentRow(Struct, frozen=True, gc=False):
    """A reservation as the warehouse keeps it; `body` is JSON of the fulfilment's whole state."""

    fulfilment: str
    order: str
    warehouse: str
    state: str
    closed: bool
    body: bytes


class KeyedAnswer(Struct, frozen=True, gc=False):
    """The answer that was given under an idempotency key; it is given again to a repeat for 24 hours."""

    key: str
    answer: bytes


class Append(Struct, frozen=True, gc=False):
    """What one actor wants recorded, all or nothing.

    `expected` is the version of the stream's last event before this append (0 for a new stream). Movements,
    balances, outbox rows and anomaly rows follow from the events by themselves; `orders` and `fulfilments`
    are the rows as they stand after the events.
    """

    stream: str
    expected: int
    events: tuple[Event, ...]
    at: datetime
    orders: tuple[OrderRow, ...] = ()
    fulfilments: tuple[FulfilmentRow, ...] = ()
    beside: tuple[BesideRow, ...] = ()
    answers: tuple[KeyedAnswer, ...] = ()


class Balance(Struct, frozen=True, gc=False):
    """Where a SKU's units stand in one warehouse.

    All nine sum to zero; the first four are never below zero.
    """

    sku: str
    available: int = 0
    reserved: int = 0
    picked: int = 0
    quarantine: int = 0
    supplier: int = 0
    customer: int = 0
    count: int = 0
    opening: int = 0
    transit: int = 0


class StockPicture(Struct, frozen=True, gc=False):
    """Everything a warehouse actor starts from.

    Its stream's version, balances, slots, and the bodies (see `FulfilmentRow`) of open and late fulfilments:
    the open ones as they were last changed, the closed ones as they were closed, the oldest first.
    """

    version: int
    balances: tuple[Balance, ...]
    slots: Mapping[str, str]
    open_fulfilments: tuple[bytes, ...]
    closed_fulfilments: tuple[bytes, ...]
    deliveries: tuple[str, ...]
    answers: tuple[KeyedAnswer, ...]


class PendingEffect(Struct, frozen=True, gc=False):
    """A row of the outbox: a partner has still to be told. `stream` gets the outcome."""

    effect: str
    stream: str
    partner: str
    document: Document
    requested_at: datetime


class OpenAnomaly(Struct, frozen=True, gc=False):
    """A row of the anomaly queue."""

    anomaly: str
    stream: str
    problem: str
    detail: str
    mend: str
    raised_at: datetime


Durable = Callable[[], Awaitable[None]]
"""Returns once what it stands for is durable, or raises why it never will be. Not to be cancelled."""


class Journal(Protocol):
    """The append-only log and what is projected from it. All reads see every append that has returned."""

    def is_ours(self) -> bool:
        """Tell whether nobody else can have taken our partitions over.

        Appends are fenced by the database; what is done outside of it is not, so whoever does it asks first.
        """
        ...

    async def append(self, append: Append) -> None:
        """Return when `append` is durable.

        Several appends to one stream may be under way; they are recorded in the order of the calls.

        Raises:
            ConflictError: the stream is at another version.
            FencedError: the partition is no longer ours, or the database is gone.
        """
        ...

    async def enqueue(self, append: Append) -> Durable:
        """Return once `append` stands behind all that came before it, with what returns when it is durable.

        It becomes durable, or is refused, whether or not anybody waits. Both raise what `append` does.
        """
        ...

    async def read(self, stream: str, after: int = 0) -> Sequence[Recorded]:
        """Return the stream's events with versions above `after`, oldest first."""
        ...

    async def stock_picture(self, warehouse: str) -> StockPicture:
        """Return what the warehouse's actor starts from; everything empty for a warehouse never seen."""
        ...

    async def order_row(self, order: str) -> OrderRow | None:
        """Return an order's row of the index, None for an order never seen."""
        ...

    async def known_orders(self, orders: Collection[str]) -> frozenset[str]:
        """Return those of these ids that orders of ours have."""
        ...

    async def orders_due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return up to `limit` ids of our orders whose `due_at` has come, the longest due first."""
        ...

    async def orders_waiting_for(self, sku: str, limit: int) -> Sequence[str]:
        """Return ids of orders that wait for the SKU, the first placed first."""
        ...

    async def wanted(self) -> Mapping[str, int]:
        """Return how many units of each SKU open orders want that no warehouse has promised yet."""
        ...

    async def orders_in(
        self, states: Sequence[str], limit: int, after: OrderRow | None = None
    ) -> Sequence[OrderRow]:
        """Return rows of orders in these states (all states when empty), the first placed first.

        With `after` only those that stand behind that row.
        """
        ...

    async def order_counts(self) -> Mapping[str, int]:
        """Return how many orders stand in each state."""
        ...

    async def orders_since(self, states: Sequence[str]) -> Sequence[OrdersSince]:
        """Return how many orders stand in each of these states, by the minute in which they came into it."""
        ...

    async def pending(self, partner: str, limit: int) -> Sequence[PendingEffect]:
        """Return the partner's outbox, oldest first."""
        ...

    async def owed(self) -> Collection[str]:
        """Return the names of all partners that have still to be told something."""
        ...

    async def effect(self, effect: str, stream: str) -> PendingEffect | None:
        """Return one outbox row, None when it is settled."""
        ...

    async def anomalies(self, limit: int) -> Sequence[OpenAnomaly]:
        """Return the open anomalies, oldest first."""
        ...

    async def contact(self, id: str) -> Contact | None:  # noqa: A002 - it reads best by that name
        """Return a contact, None when it was erased."""
        ...

    async def contacts(self, ids: Collection[str]) -> Mapping[str, Contact]:
        """Return these contacts, less those that were erased."""
        ...

    async def beside(self, id: str) -> bytes | None:  # noqa: A002 - the same
        """Return the body of a row beside the log, None when it was erased or never was."""
        ...

    async def keyed_answer(self, stream: str, key: str) -> bytes | None:
        """Return the answer given under an idempotency key to a command for `stream`."""
        ...

    async def cursor(self, name: str) -> str | None:
        """Return a poller's durable cursor."""
        ...

    async def save_cursor(self, name: str, value: str) -> None:
        """Replace a poller's durable cursor."""
        ...
