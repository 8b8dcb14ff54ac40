"""A channel: hands the shop's orders to their actors without losing any, and shows the shop what may be sold.

The cursor moves only when everything before it is durable; the rest of the safety is that importing twice
changes nothing. Status and tracking go out through the channel's drain.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog
import trio

from actors.desk import Desk, Raise
from actors.directory import Directory
from actors.domain.ledger import sellable
from actors.domain.order_commands import Import, Standing
from actors.domain.order_events import Beside, OrderLine
from actors.domain.order_state import order_id
from actors.errors import OutcomeUnknownError, PartnerError, UnreachableError
from actors.mailbox import SetAsideError
from actors.order import OrderHall
from actors.ports import BesideRow, Contact, Journal, Poll, ShopOrder, ShopPort, UnreadableOrder

log = structlog.get_logger(__name__)

PAUSE_S_MAX = 60.0
"""A shop that does not answer is asked again within a minute."""

SWEEP_EVERY_S = 900.0
"""How often all of the shop's figures are read and set right, whoever changed them."""

FAILURES_UNSEEN_MAX = 5
"""A shop that is away this often in a row is put before a person."""

IMPORTS_MAX = 64
"""Orders imported side by side, so that they share commits; a page holds a few hundred."""

SALT_BYTES = 16
"""Enough that nobody can guess an erased address from its digest."""

PUSH_MAX = 1_000
"""SKUs pushed before the shop is polled again, so that a just-placed order is not sold twice."""

STANDINGS: dict[str, Standing] = {
    "open": "open",
    "unpaid": "unpaid",
    "cancelled": "cancelled",
    "shipped": "shipped",
}


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """How a channel is worked: its name, how often it is polled, and what it may not sell."""

    name: str
    poll_s: float = 10.0
    safety: int = 0
    buffer: int = 0


class Channel:
    """A channel's actor."""

    def __init__(
        self,
        settings: ChannelSettings,
        shop: ShopPort,
        journal: Journal,
        hall: OrderHall,
        desk: Desk,
        directory: Directory,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._settings = settings
        self._shop = shop
        self._journal = journal
        self._hall = hall
        self._desk = desk
        self._directory = directory
        self._entropy = entropy
        self._shown: dict[str, int] | None = None
        self._unknown: frozenset[str] = frozenset()
        self._swept_at = 0.0
        self.polled_at: float | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Poll and push until cancelled. An outage of the shop slows it down, nothing else."""
        task_status.started()
        failures = 0
        while True:
            try:
                await self.poll()
                await self.push()
            except PartnerError as error:
                failures += 1
                self._shown = None
                log.warning(
                    "channel_away", channel=self._settings.name, error=type(error).__name__, detail=str(error)
                )
                if failures >= FAILURES_UNSEEN_MAX or not isinstance(
                    error, UnreachableError | OutcomeUnknownError
                ):
                    await self._desk.raise_anomaly(self._unusable(error))
            else:
                failures = 0
                await self._desk.resolve(f"channel:{self._settings.name}", "system")
            longest = max(PAUSE_S_MAX, self._settings.poll_s)
            await trio.sleep(min(self._settings.poll_s * 2.0**failures, longest))

    def _unusable(self, error: PartnerError) -> Raise:
        mend = f"wharfinger check, then look at the shop {self._settings.name}"
        return Raise(f"channel:{self._settings.name}", "shop_unusable", str(error), mend)

    async def poll(self) -> None:
        """Import everything that has changed since the cursor, then move the cursor."""
        name = f"shop-{self._settings.name}"
        cursor = await self._journal.cursor(name)
        while True:
            poll = await self._shop.poll(cursor)
            await self._import_all(poll)
            if poll.cursor != cursor:
                cursor = poll.cursor
                await self._journal.save_cursor(name, cursor)
            self.polled_at = trio.current_time()
            if not poll.more:
                return

    async def _import_all(self, poll: Poll) -> None:
        """Import a page side by side; where it holds an order twice, the later copy counts."""
        newest = {order.shop_order: order for order in poll.orders}
        limit = trio.CapacityLimiter(IMPORTS_MAX)

        async def import_one(order: ShopOrder | UnreadableOrder) -> None:
            async with limit:
                await self._import(order)

        async with trio.open_nursery() as nursery:
            for order in newest.values():
                nursery.start_soon(import_one, order)

    async def _import(self, order: ShopOrder | UnreadableOrder) -> None:
        id_ = order_id(self._settings.name, order.shop_order)
        if isinstance(order, UnreadableOrder):
            salt = self._entropy(SALT_BYTES)
            payload = BesideRow(f"{id_}:unreadable", "payload", f"{self._settings.name}:?", salt, order.raw)
            mend = f"mend order {order.shop_order} in the shop; it is read again by itself"
            await self._desk.raise_anomaly(
                Raise(f"{id_}:unreadable", "unreadable_order", order.why, mend, (payload,))
            )
            return
        standing = STANDINGS.get(order.standing)
        if standing is None:
            return
        command, beside = self._command(id_, order, standing)
        try:
            await self._hall.ask(id_, command, beside)
        except SetAsideError:
            log.warning("import_set_aside", order=id_)
        self._forget_shown(order)
        await self._desk.resolve(f"{id_}:unreadable", "system")

    def _forget_shown(self, order: ShopOrder) -> None:
        """The shop moved its own figures with the order (sold, cancelled): the next push sets them right."""
        if self._shown is not None:
            for line in order.lines:
                self._shown.pop(line.sku, None)

    def _command(
        self, id_: str, order: ShopOrder, standing: Standing
    ) -> tuple[Import, tuple[BesideRow, ...]]:
        customer = f"{self._settings.name}:{order.customer}"
        person = msgspec.structs.replace(order.contact, customer=customer)
        contact = BesideRow(
            f"{id_}:contact", "contact", customer, self._entropy(SALT_BYTES), msgspec.json.encode(person)
        )
        payload = BesideRow(f"{id_}:payload", "payload", customer, self._entropy(SALT_BYTES), order.raw)
        command = Import(
            channel=self._settings.name,
            shop_order=order.shop_order,
            reference=order.reference,
            standing=standing,
            placed_at=order.placed_at,
            currency=order.currency,
            total=order.total,
            shipping=order.shipping,
            service=order.service,
            country=order.country,
            lines=tuple(OrderLine(line.line, line.sku, line.units, line.unit_price) for line in order.lines),
            address_problems=address_problems(order.contact),
            contact=digest(contact),
            payload=digest(payload),
        )
        return command, (contact, payload)

    async def push(self) -> None:
        """Bring the shop's sellable stock to what the ledger can promise."""
        levels = await self._levels()
        now = trio.current_time()
        if self._shown is None or now >= self._swept_at + SWEEP_EVERY_S:
            self._shown = dict(await self._shop.stock())
            self._swept_at = now
        changed = {sku: units for sku, units in levels.items() if self._shown.get(sku) != units}
        changed = {sku: changed[sku] for sku in list(changed)[:PUSH_MAX] if sku not in self._unknown}
        if not changed:
            return
        unknown = await self._shop.push_stock(changed)
        self._shown.update(changed)
        self._unknown |= frozenset(unknown)
        for sku in unknown:
            mend = f"give a product of the shop {self._settings.name} the reference {sku}"
            detail = f"the shop has no product with the reference {sku}"
            await self._desk.raise_anomaly(Raise(f"{self._settings.name}:{sku}", "unknown_sku", detail, mend))

    async def _levels(self) -> dict[str, int]:
        """Return what may be sold: what is available, less what open orders already wait for."""
        wanted = await self._journal.wanted()
        free = {sku: units - wanted.get(sku, 0) for sku, units in self._directory.available().items()}
        return sellable(free, safety=self._settings.safety, buffer=self._settings.buffer)


def digest(row: BesideRow) -> Beside:
    """Return how an event names a row beside the log."""
    return Beside(row.id, hashlib.sha256(row.salt + row.body).hexdigest())


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
