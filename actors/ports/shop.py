"""A place that sells: its orders as it tells them, and what it is told."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec
from msgspec import Struct

from actors.domain.documents import ShopDocument, ShopTracking
from actors.ports.partner import Outcome
from actors.ports.people import Contact


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

    async def tracked(self, tellings: Sequence[ShopTracking]) -> Sequence[bool]:
        """Return of each whether the shop shows all of its tracking numbers; of many by one question."""
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
