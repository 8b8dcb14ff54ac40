"""How actors meet the outside: the journal, and the three kinds of partner.

Adapters implement these protocols.
Every method raises only the errors of `actors.errors` (the journal: only those below). Time bounds are the
caller's cancel scopes. Sizes of what is read are bounded by the adapters.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec
from msgspec import Struct

from actors.domain.anomaly_events import AnomalyEvent, AnomalyTaken
from actors.domain.control_events import ControlEvent
from actors.domain.documents import CarrierDocument, Document, ErpDocument, ShopDocument
from actors.domain.gates import GateEvent
from actors.domain.order_events import OrderEvent, ParcelStatus
from actors.domain.stock_events import Quantity, StockEvent

Event = OrderEvent | StockEvent | AnomalyEvent | AnomalyTaken | GateEvent | ControlEvent


# --- people: what lies beside the log and can be erased -----------------------------------------------------


class Contact(Struct, frozen=True, gc=False):
    """A person and an address, as partners need them. Never logged above debug, never in an event.

    `customer` is what the person's rows are erased by, see `BesideRow`.
    """

    name: str
    company: str = ""
    street: str = ""
    street2: str = ""
    postcode: str = ""
    city: str = ""
    state: str = ""
    country: str = ""
    email: str = ""
    phone: str = ""
    customer: str = ""


class BesideRow(Struct, frozen=True, gc=False):
    """A row to be stored beside the log in the same transaction as the event that names it.

    `kind` is "contact", "payload" or "label"; `customer` is what `wharfinger forget --customer` erases by, as
    "channel:shop customer id"; `body` is JSON of a `Contact`, a shop's payload (see `Payload`), or a label's
    pages.
    """

    id: str
    kind: str
    customer: str
    salt: bytes
    body: bytes


# --- the journal --------------------------------------------------------------------------------------------


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


class Journal(Protocol):
    """The append-only log and what is projected from it. All reads see every append that has returned."""

    async def append(self, append: Append) -> None:
        """Return when `append` is durable.

        Several appends to one stream may be under way; they are recorded in the order of the calls.

        Raises:
            ConflictError: the stream is at another version.
            FencedError: the partition is no longer ours, or the database is gone.
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

    async def orders_in(self, states: Sequence[str], limit: int) -> Sequence[OrderRow]:
        """Return rows of orders in these states (all states when empty), the first placed first."""
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


# --- partners -----------------------------------------------------------------------------------------------


class Outcome(Struct, frozen=True, gc=False):
    """What a partner made of a document: its own number for it, and for a label what came with it.

    `remark` is what a person should look at although the document is there, such as another amount; "" for
    nothing.
    """

    reference: str
    tracking: str = ""
    price: Decimal = Decimal(0)
    currency: str = ""
    pages: bytes = b""
    remark: str = ""


class ShopLine(Struct, frozen=True, gc=False):
    """A line of a shop's order; `unit_price` is without tax.

    `sku` is the name of the article, which need not be a SKU of ours (see `Assortment`); "" where the shop
    gives it none.
    """

    line: str
    sku: str
    units: int
    unit_price: Decimal


class Packing(Struct, frozen=True, gc=False):
    """What whoever packs an order should read: a person's words, so it lies beside the log alone.

    `notes` are what the customer wrote about the order, and the shop's own note, each cut to a page.
    """

    is_gift: bool = False
    gift_message: str = ""
    notes: tuple[str, ...] = ()


class ShopOrder(Struct, frozen=True, gc=False):
    """An order as the shop tells it now.

    `standing` is "open" (to be fulfilled), "unpaid" (to be held), "cancelled", "shipped" (somebody shipped it
    without us, or we did) or "unfinished" (half built: to be looked at again). What is cancelled or shipped
    may come without its contact and country: nobody needs them any more. `service` is the carrier's
    `id_reference` as the settings map it to one of our services, "" when unknown. Instants are UTC.
    `refunded` names the articles of which units were refunded: they are in no line any more, and the shop may
    sell them again. `credited` are the units that were refunded of each line of an order that has shipped,
    where the shop was asked. `raw` is JSON that can be read as a `Payload`. `language` is an ISO code, the
    customer's. `is_whole` tells whether everything was read that people want to know of it (see
    `ShopPort.reread`).
    """

    shop_order: str
    reference: str
    standing: str
    placed_at: datetime
    currency: str
    total: Decimal
    shipping: Decimal
    service: str
    country: str
    lines: tuple[ShopLine, ...]
    customer: str
    contact: Contact
    raw: bytes
    refunded: tuple[str, ...] = ()
    credited: tuple[ShopLine, ...] = ()
    packing: Packing = Packing()
    language: str = ""
    is_whole: bool = True


class Payload(Struct, frozen=True, gc=False):
    """What a shop's payload says in every shop's: the rest of it is as the shop told it."""

    packing: Packing = Packing()
    is_whole: bool = True


def payload_of(body: bytes) -> Payload:
    """Return what the body of a payload's row says; what is no JSON, as a channel may keep, says nothing."""
    try:
        return msgspec.json.decode(body, type=Payload)
    except msgspec.MsgspecError:
        return Payload()


class UnreadableOrder(Struct, frozen=True, gc=False):
    """An order of the shop that cannot be understood; `why` names the field, without a person's data.

    `customer` is the shop's id of the customer, by which `raw` is erased; "" when that cannot be read either.
    `standing` is as a `ShopOrder`'s and `placed_at` its instant, as far as these can be read. `units` are
    those of each article that it holds as long as it may be open, so that they are not sold once more.
    """

    shop_order: str
    why: str
    raw: bytes
    customer: str = ""
    standing: str = ""
    placed_at: datetime | None = None
    units: Mapping[str, int] = {}


class ShopStanding(Struct, frozen=True, gc=False):
    """How an order stands in the shop, and no more: as a `ShopOrder`, or "" where its state means nothing."""

    shop_order: str
    standing: str


class Poll(Struct, frozen=True, gc=False):
    """What changed in the shop; `cursor` is saved once all is durable, `more` asks for another poll.

    `ahead_s` is by how many seconds the oldest of it was asked for before the poll was: a page that was read
    ahead.
    `partial` says that it looked for a part only of what may have changed: an order that was placed or edited
    before it may be missing, and comes with the next poll, which is never partial.
    """

    orders: tuple[ShopOrder | UnreadableOrder, ...]
    cursor: str
    more: bool
    ahead_s: float = 0.0
    partial: bool = False


class Pushed(Struct, frozen=True, gc=False):
    """What became of levels that a shop was asked to show; those that are in none of these are shown.

    Attributes:
        unknown: articles that the shop does not sell.
        refused: why the shop will not show it, by article.
        unsettled: articles whose figure moved meanwhile: the shop may have sold some. Make new levels of
            them.
    """

    unknown: tuple[str, ...] = ()
    refused: Mapping[str, str] = {}
    unsettled: tuple[str, ...] = ()


class ShopPort(Protocol):
    """A place that sells. Stock is spoken of by the names of articles, as a line of an order names them."""

    async def poll(self, cursor: str | None) -> Poll:
        """Return the orders that changed since the cursor (None: since the beginning), a page at most."""
        ...

    async def cursor_at(self, since: datetime, cursor: str | None = None) -> str:
        """Return a cursor from which polls tell of the orders placed since, and then of every change.

        What the given cursor has still to tell is told as well.
        """
        ...

    async def order(self, shop_order: str) -> ShopOrder | UnreadableOrder | None:
        """Read one order again, None when the shop has deleted it."""
        ...

    async def reread(
        self, shop_orders: Collection[str], *, whole: bool = True
    ) -> Mapping[str, ShopOrder | UnreadableOrder]:
        """Read orders again; those that the shop has deleted are not among the answer.

        Not `whole` is quicker: it leaves out what only people want to know (payments, messages, returns).
        """
        ...

    async def survey(self, after: str) -> Sequence[ShopStanding]:
        """Return how the shop's next orders stand, by rising ids above `after`; empty when there are none."""
        ...

    async def find(self, document: ShopDocument) -> Outcome | None:
        """Look whether the shop already shows what the document asks for."""
        ...

    async def carry_out(self, document: ShopDocument) -> Outcome:
        """Bring the shop to show it. Only called when `find` answered None or nothing was ever sent."""
        ...

    async def stock(self) -> Mapping[str, int]:
        """Return the shop's sellable quantity of every article it sells."""
        ...

    async def push_stock(self, levels: Mapping[str, int]) -> Pushed:
        """Set the sellable quantity of these articles, and read back what the shop shows.

        Raises:
            UnreachableError: some may be set and some not. The levels may be stale by now: make new ones.
            RefusedError: the shop takes no levels at all.
        """
        ...


class ErpPort(Protocol):
    """The system that keeps the books."""

    async def find(self, document: ErpDocument) -> Outcome | None:
        """Look the document up by its reference, whatever has become of it meanwhile."""
        ...

    async def carry_out(self, document: ErpDocument, contact: Contact | None) -> Outcome:
        """Write the document, asking for the partner's own duplicate check where there is one."""
        ...

    async def stock(self) -> Mapping[str, Mapping[str, int]]:
        """Return the physical stock by warehouse (ours, not the depot's code) and SKU."""
        ...


class TrackingEvent(Struct, frozen=True, gc=False):
    """A carrier's news of a parcel in our vocabulary (see `ParcelTracked`).

    `event` is unique with that carrier.
    """

    event: str
    parcel: str
    tracking: str
    status: ParcelStatus
    at: datetime


class CarrierPort(Protocol):
    """Somebody who moves parcels."""

    async def find(self, document: CarrierDocument) -> Outcome | None:
        """Look for a label already bought for the parcel."""
        ...

    async def carry_out(self, document: CarrierDocument, contact: Contact | None) -> Outcome:
        """Buy the label, with the parcel's id as the idempotency key."""
        ...

    async def events(self, cursor: str | None) -> tuple[Sequence[TrackingEvent], str]:
        """Return the parcels' news since the cursor, a page at most, and the new cursor."""
        ...
