"""A channel: hands the shop's orders to their actors without losing any, and shows the shop what may be sold.

The cursor moves only when everything before it is durable; the rest of the safety is that importing twice
changes nothing. Status and tracking go out through the channel's drain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import structlog
import trio

from actors.desk import Desk, Raise
from actors.directory import Directory
from actors.domain.ledger import sellable
from actors.errors import OutcomeUnknownError, PartnerError, UnreachableError
from actors.intake import Intake
from actors.order import OrderHall
from actors.ports import Journal, Poll, ShopOrder, ShopPort, UnreadableOrder

log = structlog.get_logger(__name__)

PAUSE_S_MAX = 60.0
"""A shop that does not answer is asked again within a minute."""

SWEEP_EVERY_S = 900.0
"""How often all of the shop's figures are read and set right, whoever changed them."""

FAILURES_UNSEEN_MAX = 5
"""A shop that is away this often in a row is put before a person."""

LOOK_AGAIN_POLLS = 12
"""Polls between two looks at what a person was asked to mend in the shop: a minute at five seconds."""

PUSH_MAX = 1_000
"""SKUs pushed before the shop is polled again, so that a just-placed order is not sold twice."""


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """How a channel is worked: its name, how often it is polled, and what it may not sell.

    `orders_since` draws the line for a channel that is new: orders placed before are left alone until
    somebody adopts them; None takes all that are open.
    """

    name: str
    poll_s: float = 10.0
    safety: int = 0
    buffer: int = 0
    orders_since: datetime | None = None


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
        self._intake = Intake(settings.name, shop, journal, hall, desk, entropy)
        self._desk = desk
        self._directory = directory
        self._shown: dict[str, int] | None = None
        self._unknown: frozenset[str] = frozenset()
        self._swept_at = 0.0
        self.polled_at: float | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Poll and push until cancelled. An outage of the shop slows it down, nothing else."""
        task_status.started()
        failures = turn = 0
        while True:
            try:
                await self.poll()
                turn += 1
                if turn % LOOK_AGAIN_POLLS == 0:
                    await self._intake.look_again()
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
        """Import everything that has changed since the cursor, then move the cursor.

        The next page is read while this one is imported; the cursor is saved only after what it passes over.
        """
        name = cursor_name(self._settings.name)
        cursor = await self._journal.cursor(name)
        await self._intake.adopting.begin(cursor, self._settings.orders_since)
        poll = await self._shop.poll(cursor)
        while True:
            ahead = _Ahead(self._shop, poll.cursor)
            async with trio.open_nursery() as nursery:
                if poll.more:
                    nursery.start_soon(ahead.read)
                await self._intake.take(poll.orders)
                self._forget_shown(poll.orders)
                if poll.cursor != cursor:
                    cursor = poll.cursor
                    await self._journal.save_cursor(name, cursor)
            self.polled_at = trio.current_time()
            if not poll.more:
                await self._intake.adopting.read_through()
                return
            poll = ahead.page()

    def _forget_shown(self, orders: Sequence[ShopOrder | UnreadableOrder]) -> None:
        """The shop moved its own figures with the orders (sold, cancelled): the next push sets them right."""
        if self._shown is None:
            return
        for order in orders:
            if isinstance(order, ShopOrder):
                for line in order.lines:
                    self._shown.pop(line.sku, None)

    async def push(self) -> None:
        """Bring the shop's sellable stock to what the ledger can promise."""
        levels = await self._levels()
        now = trio.current_time()
        if self._shown is None or now >= self._swept_at + SWEEP_EVERY_S:
            self._shown = dict(await self._shop.stock())
            self._swept_at = now
            await self._forget_unknown(self._shown)
        shown = self._shown
        wrong = (sku for sku, units in levels.items() if sku not in self._unknown and shown.get(sku) != units)
        changed = {sku: levels[sku] for sku in islice(wrong, PUSH_MAX)}
        if not changed:
            return
        unknown = await self._shop.push_stock(changed)
        self._shown.update(changed)
        self._unknown |= frozenset(unknown)
        for sku in unknown:
            mend = f"give a product of the shop {self._settings.name} the reference {sku}"
            detail = f"the shop has no product with the reference {sku}"
            await self._desk.raise_anomaly(Raise(f"{self._settings.name}:{sku}", "unknown_sku", detail, mend))

    async def _forget_unknown(self, shown: Mapping[str, int]) -> None:
        """Take back what was said, perhaps by an earlier daemon, of SKUs that the shop knows by now."""
        for sku in shown:
            await self._desk.resolve(f"{self._settings.name}:{sku}", "system")
        self._unknown -= shown.keys()

    async def _levels(self) -> dict[str, int]:
        """Return what may be sold: what is available, less what open orders already wait for."""
        wanted = await self._journal.wanted()
        free = {sku: units - wanted.get(sku, 0) for sku, units in self._directory.available().items()}
        return sellable(free, safety=self._settings.safety, buffer=self._settings.buffer)


class _Ahead:
    """The next page, read while the last one is imported."""

    def __init__(self, shop: ShopPort, cursor: str) -> None:
        self._shop = shop
        self._cursor = cursor
        self._page: Poll | None = None
        self._error: PartnerError | None = None

    async def read(self) -> None:
        """Read it; a partner's error waits until the last page is durable."""
        try:
            self._page = await self._shop.poll(self._cursor)
        except PartnerError as error:
            self._error = error

    def page(self) -> Poll:
        """Return it.

        Raises:
            PartnerError: it could not be read.
        """
        if self._error is not None:
            raise self._error
        if self._page is None:
            raise RuntimeError("the next page was asked for and never read")
        return self._page


def cursor_name(channel: str) -> str:
    """Return under which name the journal keeps a channel's cursor."""
    return f"shop-{channel}"
