"""How a shop's orders come to their actors, and what is read again since a person was to mend it there.

Importing twice changes nothing. What changes without the shop moving the order's date (an address, a country)
is not polled; so whatever stands before a person is looked at again now and then. It keeps no cursor.
"""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec
import structlog
import trio

from actors.adopting import Adopting
from actors.concerning import concerning
from actors.desk import Desk, Raise
from actors.directory import Directory
from actors.domain.assortment import Assortment
from actors.domain.order_commands import Import, Readdressed, Retell, Standing, Vanished, Wake
from actors.domain.order_events import Beside, OrderLine
from actors.domain.order_import import is_another
from actors.domain.order_state import Order, order_id
from actors.mailbox import SetAsideError
from actors.order import OrderHall
from actors.ports.journal import Journal
from actors.ports.people import BesideRow, Contact
from actors.ports.shop import ShopLine, ShopOrder, ShopPort, UnreadableOrder, payload_of

C = TypeVar("C", ShopOrder, ShopOrder | UnreadableOrder)

log = structlog.get_logger(__name__)

IMPORTS_MAX = 256
"""Orders imported side by side, so that they share commits: with 64 each cost a fifth more of our time."""

SALT_BYTES = 16
"""Enough that nobody can guess an erased address from its digest."""

LOOK_AGAIN_MAX = 25
"""Orders read again at a time, some requests each: the shop's stock has to be right within seconds."""

ANOMALIES_MAX = 1_000
"""Open anomalies looked through, the oldest first; with more of them people have another trouble."""

MENDED_IN_SHOP = frozenset(
    {
        "unreadable_order",
        "unfinished_order",
        "invalid_order",
        "unknown_sku",
        "no_carrier",
        "refused_by_partner",
    }
)
"""Problems that may end by what somebody does in the shop's back office, or to the list of its articles."""

STANDINGS: dict[str, Standing] = {
    "open": "open",
    "unpaid": "unpaid",
    "cancelled": "cancelled",
    "shipped": "shipped",
}


class Sifted(NamedTuple):
    """What of a page has to be imported, and the ids of the orders in it that are ours already."""

    ours: Sequence[ShopOrder | UnreadableOrder]
    known: Collection[str]


class Intake:
    """One channel's way in.

    Attributes:
        assortment: what the shop's articles hold of our SKUs.
    """

    def __init__(
        self,
        channel: str,
        shop: ShopPort,
        journal: Journal,
        hall: OrderHall,
        desk: Desk,
        directory: Directory,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._channel = channel
        self._shop = shop
        self._journal = journal
        self._hall = hall
        self._desk = desk
        self._directory = directory
        self._entropy = entropy
        self.adopting = Adopting(channel, journal, desk)
        self.assortment = Assortment()
        self._to_look_at: list[str] = []
        self._is_mended = True  # nobody knows what was mended since an earlier daemon, nor what it held back

    @property
    def is_looking(self) -> bool:
        """Whether something was mended here, and not all that waits for it was looked at yet."""
        return self._is_mended

    def sells(self, assortment: Assortment) -> None:
        """Understand lines by this list of articles, and look again at what waits for a better one."""
        self.assortment = assortment
        self._to_look_at.clear()
        self._is_mended = True

    async def take(self, orders: Sequence[ShopOrder | UnreadableOrder], read_at: float) -> None:
        """Import a page side by side; where it holds an order twice, the later copy counts.

        `read_at` is when it was asked for, on the clock of Trio: a copy that came later is not overwritten.
        """
        await self.bring_in(await self.sift(orders), read_at)
        await self.adopting.save()

    async def sift(self, orders: Sequence[ShopOrder | UnreadableOrder]) -> Sifted:
        """Return what of a page has to be imported; pages are to be sifted in the order of their reading.

        What ended in the shop before it came here, or was somebody else's when the shop was taken over, is
        no order of ours and wakes none: most of an old shop's orders cost one look at the index, all at once.
        """
        newest = {order_id(self._channel, order.shop_order): order for order in orders}
        known = await self._journal.known_orders(newest)
        for id_, order in newest.items():
            if isinstance(order, UnreadableOrder) and id_ not in known:
                self._directory.hold_back(id_, self.assortment.units(order.units))

        ours: list[ShopOrder | UnreadableOrder] = []
        for id_, order in newest.items():
            if self.adopting.takes(order, is_known=id_ in known):
                ours.append(order)
            else:
                await self._nothing_to_mend(id_)
        return Sifted(ours, known)

    async def bring_in(self, sifted: Sifted, read_at: float) -> None:
        """Import what was sifted out of a page that was asked for at `read_at`; return once it is durable."""
        await self._side_by_side(sifted.ours, partial(self._import, read_at=read_at, known=sifted.known))

    async def _side_by_side(self, orders: Sequence[C], work: Callable[[C], Awaitable[None]]) -> None:
        left = iter(orders)

        async def work_through() -> None:
            for order in left:
                with concerning(order_id(self._channel, order.shop_order)):
                    await work(order)

        async with trio.open_nursery() as nursery:
            for _ in range(min(IMPORTS_MAX, len(orders))):
                nursery.start_soon(work_through)

    async def _nothing_to_mend(self, id_: str) -> None:
        """Take back what a person was asked to mend, if anything: it is mended by now, or nobody's matter."""
        self._directory.let_go(id_)
        await self._desk.resolve(_unreadable(id_), "system")
        await self._desk.resolve(_unfinished(id_), "system")

    async def look_again(self) -> None:
        """Read the orders again that a person was asked to mend, some at a time.

        Raises:
            PartnerError: as the shop's port.
        """
        if not self._to_look_at:
            self._to_look_at = await self._to_be_mended()
        some, self._to_look_at = self._to_look_at[:LOOK_AGAIN_MAX], self._to_look_at[LOOK_AGAIN_MAX:]
        self._is_mended = self._is_mended and bool(self._to_look_at)
        for shop_order in some:
            read_at = trio.current_time()
            order = await self._shop.order(shop_order)
            id_ = order_id(self._channel, shop_order)
            if order is None:  # deleted in the shop
                await self._nothing_to_mend(id_)
                continue
            await self.take_again([order], read_at)

    async def take_again(self, orders: Sequence[ShopOrder | UnreadableOrder], read_at: float) -> None:
        """Import orders that were read again, and their addresses with them where those are others by now."""
        await self.take(orders, read_at)
        living = [
            order for order in orders if isinstance(order, ShopOrder) and order.standing in ("open", "unpaid")
        ]
        await self._side_by_side(living, partial(self._readdress, read_at=read_at))

    def has_read(self, id_: str, read_at: float) -> None:
        """Note that an order of ours was read again, and there is nothing to hand on."""
        self._directory.copies.note(id_, read_at)

    async def stop(self, id_: str, reason: str) -> None:
        """Hold an order of ours until a person lets it go on, who is not overruled."""
        await self._hall.tell(id_, Vanished(reason))

    async def _to_be_mended(self) -> list[str]:
        prefix = f"{self._channel}-"
        found = [
            each.anomaly.partition(":")[0].removeprefix(prefix)
            for each in await self._journal.anomalies(ANOMALIES_MAX)
            if each.problem in MENDED_IN_SHOP and each.anomaly.startswith(prefix)
        ]
        return list(dict.fromkeys(found))

    async def _import(
        self, order: ShopOrder | UnreadableOrder, read_at: float, known: Collection[str]
    ) -> None:
        id_ = order_id(self._channel, order.shop_order)
        if isinstance(order, UnreadableOrder):
            await self._put_before_a_person(id_, order)
            return
        standing = STANDINGS.get(order.standing)
        if standing is None:
            await self._take_unfinished(id_, order.shop_order, read_at, is_ours=id_ in known)
            return
        command, beside = self._command(id_, order, standing)
        try:
            state = await self._hall.ask(id_, command, beside, read_at=read_at)
            if id_ in known and order.is_whole and _is_copy(order, state) and not state.ended:
                await self._retell(id_, order, state.facts.payload, read_at)
        except SetAsideError:
            log.warning("import_set_aside")
        await self._nothing_to_mend(id_)

    async def _take_unfinished(self, id_: str, shop_order: str, read_at: float, *, is_ours: bool) -> None:
        """Put before a person what the shop shows without lines or state; one of ours is stopped with it.

        Somebody who exchanges an order's only article empties it first, so that this is no cancel yet; but
        nothing may leave by lines that are no longer in the shop. Whoever lets it go on is not overruled.
        """
        detail = f"the shop is still building order {shop_order}, long after it was placed"
        mend = f"finish or delete order {shop_order} in the shop; it is read again by itself"
        if is_ours:
            why = "the shop shows it without lines, or without a state"
            try:
                state = await self._hall.ask(id_, Vanished(why), read_at=read_at)
            except SetAsideError:
                log.warning("import_set_aside")
                return
            if state.ended:
                await self._nothing_to_mend(id_)
                return
            detail = (
                f"all lines of order {shop_order} were taken out in the shop, or its state; here it is held"
            )
            mend = f"cancel it in the shop, or mend it there and wharfctl order release {id_}"
        await self._desk.raise_anomaly(Raise(_unfinished(id_), "unfinished_order", detail, mend))

    async def _put_before_a_person(self, id_: str, order: UnreadableOrder) -> None:
        customer = f"{self._channel}:{order.customer or '?'}"
        payload = BesideRow(_unreadable(id_), "payload", customer, self._entropy(SALT_BYTES), order.raw)
        mend = f"mend order {order.shop_order} in the shop; it is read again by itself"
        await self._desk.raise_anomaly(
            Raise(_unreadable(id_), "unreadable_order", order.why, mend, (payload,))
        )

    async def _readdress(self, order: ShopOrder, read_at: float) -> None:
        """Hand on another address than the order has, until it has ended."""
        id_ = order_id(self._channel, order.shop_order)
        standing = STANDINGS.get(order.standing)
        try:
            known = await self._hall.ask(id_, Wake())
            if standing is None or known.imported is None or known.ended:
                return
            last = await self._journal.contact(known.facts.contact.id)
            if last is None:  # what was erased here does not come back
                return
            changed = readdressed(last, self._person(order))
            if not changed:
                return
            command, (contact, _) = self._command(id_, order, standing, self._entropy(4).hex())
            contact = msgspec.structs.replace(contact, erased_with=known.facts.contact.id)
            command = msgspec.structs.replace(command, readdressed=changed)
            await self._hall.ask(id_, command, (contact,), read_at=read_at)
        except SetAsideError:
            log.warning("address_set_aside")

    async def _retell(self, id_: str, order: ShopOrder, kept: Beside, read_at: float) -> None:
        """Keep what the shop tells by now, where it is more than is kept, or other words to whoever packs."""
        body = await self._journal.beside(kept.id)
        if body is None:  # what was erased here does not come back
            return
        last = payload_of(body)
        if last.is_whole and last.packing == order.packing:
            return
        name = f"{id_}:payload:{self._entropy(4).hex()}"
        person, salt = self._person(order).customer, self._entropy(SALT_BYTES)
        row = BesideRow(name, "payload", person, salt, order.raw, erased_with=kept.id)
        await self._hall.ask(id_, Retell(digest(row)), (row,), read_at=read_at)

    def _person(self, order: ShopOrder) -> Contact:
        return msgspec.structs.replace(order.contact, customer=f"{self._channel}:{order.customer}")

    def _ours(self, lines: Iterable[ShopLine]) -> tuple[OrderLine, ...]:
        """Return what lines of the shop hold of our SKUs."""
        return tuple(
            ours
            for line in lines
            for ours in self.assortment.lines(OrderLine(line.line, line.sku, line.units, line.unit_price))
        )

    def _command(
        self, id_: str, order: ShopOrder, standing: Standing, readdressed: str = ""
    ) -> tuple[Import, tuple[BesideRow, BesideRow]]:
        """Return the command and the rows beside it; `readdressed` names a later contact's row."""
        person = self._person(order)
        contact_id = f"{id_}:contact:{readdressed}" if readdressed else f"{id_}:contact"
        contact = BesideRow(
            contact_id, "contact", person.customer, self._entropy(SALT_BYTES), msgspec.json.encode(person)
        )
        payload = BesideRow(
            f"{id_}:payload", "payload", person.customer, self._entropy(SALT_BYTES), order.raw
        )
        command = Import(
            channel=self._channel,
            shop_order=order.shop_order,
            reference=order.reference,
            standing=standing,
            placed_at=order.placed_at,
            currency=order.currency,
            total=order.total,
            shipping=order.shipping,
            service=order.service,
            country=order.country,
            lines=self._ours(order.lines),
            address_problems=address_problems(order.contact),
            contact=digest(contact),
            payload=digest(payload),
            credited=self._ours(order.credited),
        )
        return command, (contact, payload)


def _is_copy(order: ShopOrder, known: Order) -> bool:
    """Tell whether what the shop shows is a copy of an order of ours, and not another under its number."""
    return known.imported is not None and not is_another(known.facts, order.reference, order.placed_at)


def _unreadable(id_: str) -> str:
    return f"{id_}:unreadable"


def _unfinished(id_: str) -> str:
    return f"{id_}:unfinished"


def digest(row: BesideRow) -> Beside:
    """Return how an event names a row beside the log."""
    return Beside(row.id, hashlib.sha256(row.salt + row.body).hexdigest())


def readdressed(last: Contact, now: Contact) -> Readdressed:
    """Return what of a contact is another by now, what matters most to a parcel that is under way first."""
    if last == now:
        return ""
    if _place(last) != _place(now):
        return "address"
    return "phone" if last.phone != now.phone else "else"


def _place(contact: Contact) -> Contact:
    """Return who it goes to and where, without how they are reached."""
    return msgspec.structs.replace(contact, email="", phone="", customer="")


def address_problems(contact: Contact) -> tuple[str, ...]:
    """Return what an address lacks to be shipped to; no part of the address itself."""
    parts = {
        "name": contact.name or contact.company,
        "street": contact.street,
        "postcode": contact.postcode,
        "city": contact.city,
        "country": contact.country,
    }
    return tuple(f"the delivery address has no {part}" for part, value in parts.items() if not value.strip())
