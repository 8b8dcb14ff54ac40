"""A channel: hands the shop's orders to their actors without losing any, and shows the shop what may be sold.

The cursor moves only when everything before it is durable; the rest of the safety is that importing twice
changes nothing. What the shop shows is the matter of its window; status and tracking go out through the
channel's drain.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
import trio

from actors.adopting import cursor_name
from actors.desk import Desk, Raise
from actors.directory import Clock, Directory
from actors.domain.assortment import Assortment
from actors.errors import OutcomeUnknownError, PartnerError, UnreachableError
from actors.intake import Intake
from actors.order import OrderHall
from actors.page_line import importing
from actors.ports.journal import Journal
from actors.ports.shop import Poll, ShopPort
from actors.second_look import WAIT_S, SecondLook
from actors.shop_window import ShopWindow
from actors.sweep import Sweep

log = structlog.get_logger(__name__)

PAUSE_S_MAX = 60.0
"""A shop that does not answer is asked again within a minute."""

FAILURES_UNSEEN_MAX = 5
"""A shop that is away this often in a row is put before a person."""

REREAD_S = 60.0
"""How often what a person was asked to mend in the shop is looked at, and between two such looks some of the
orders that are still to leave: a second's work of a shop, which does not grow with how often it is polled."""

PUSH_MAX = 250
"""Articles pushed before the shop's orders are read again: about a second's work of a shop."""

AFTER_PARTIAL_S_MAX = 10.0
"""What a partial poll did not look for is looked for so soon, however seldom the shop is polled."""

FRESH_S = 0.5
"""Orders read so lately are not read once more before a push."""

DEBOUNCE_S = 1.0
"""How long changes of the ledger are gathered: a receipt of many SKUs, or a peak of orders, is one push."""

LOOK_EVERY_S = 5.0
"""How often figures are compared although no stock moved: what another channel's order waits for does not."""


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """How a channel is worked: its name, how often it is polled, and what it may not sell.

    `orders_since` draws the line for a channel that is new: orders placed before are left alone until
    somebody adopts them; None takes all that are open.
    `sells_all` tells whether its shop is meant to sell every SKU.
    `reread_s` is how often what no poll tells is looked at.
    `release_wait_s` is how long an order that waited is kept from the floor by a shop that does not answer.
    `stock_with` names another channel, which shows this one's stock as well; "" for none.
    """

    name: str
    poll_s: float = 10.0
    safety: int = 0
    buffer: int = 0
    orders_since: datetime | None = None
    sells_all: bool = True
    stock_with: str = ""
    reread_s: float = REREAD_S
    release_wait_s: float = WAIT_S


@dataclass(slots=True)
class _Matter:
    """What a channel does again and again; a matter that fails is tried again ever more rarely."""

    anomaly: str
    problem: str
    failures: int = 0
    due_at: float = 0.0

    @property
    def is_due(self) -> bool:
        return trio.current_time() >= self.due_at

    def failed(self, every_s: float) -> None:
        self.failures += 1
        self.due_at = trio.current_time() + min(every_s * 2.0**self.failures, max(PAUSE_S_MAX, every_s))

    def succeeded(self) -> None:
        self.failures = 0


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
        clock: Clock = utc_now,
    ) -> None:
        self._settings = settings
        self._shop = shop
        self._journal = journal
        self._intake = Intake(settings.name, shop, journal, hall, desk, directory, entropy)
        self._desk = desk
        self._sweep = Sweep(settings.name, shop, journal, self._intake, desk, clock)
        self.second_look = SecondLook(
            settings.name,
            self._sweep.look_before_release,
            directory.copies,
            hall.tell,
            settings.release_wait_s,
        )
        directory.copies.on_old(settings.name, self.second_look.ask)
        withheld = settings.safety + settings.buffer
        self.window = ShopWindow(settings.name, shop, journal, desk, directory, withheld=withheld)
        self.window.sells_all = settings.sells_all
        self.shows_stock = True
        self._sharing: list[Channel] = []
        self._orders = _Matter(f"channel:{settings.name}", "shop_unusable")
        self._stock = _Matter(f"channel:{settings.name}:stock", "stock_not_shown")
        self._polling = trio.Lock()
        self._precedence = directory.precedence
        self._moved = trio.Event()
        directory.on_movement(self._stock_moved)
        self._read_at: float | None = None
        self._cursor: str | None = None
        self.polled_at: float | None = None
        self._made_at = trio.current_time()
        self._open_due_at = self._made_at + settings.reread_s / 2
        self._mended_due_at = self._made_at + settings.reread_s

    def _stock_moved(self) -> None:
        self._moved.set()

    def sells(self, assortment: Assortment) -> None:
        """Take orders and show stock by these articles; what waits for one is looked at again."""
        if assortment == self._intake.assortment:
            return
        self._intake.sells(assortment)
        if self.shows_stock:
            self.window.sells(assortment)
        self._orders.due_at = 0.0
        self._moved.set()

    def share_stock(self, other: "Channel") -> None:
        """Show the figures of another channel's shop as well, whose stock is the same.

        They are what both may sell; the other's orders are read before each push too, and it shows nothing by
        itself.
        """
        self._sharing.append(other)
        self.window.reconciler.hears(other._settings.name, other._shop)  # noqa: SLF001 - another of its own kind
        self.window.for_sale.withhold(other.window.for_sale.withheld)
        other.window = self.window
        other.shows_stock = False

    def poll_lag_s(self) -> float:
        """Return for how many seconds the shop has not been read, since the start where it never was."""
        return trio.current_time() - (self._made_at if self.polled_at is None else self.polled_at)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Poll and push until cancelled. An outage of the shop slows it down, nothing else.

        Orders are not kept waiting by stock that the shop does not take; but no stock is pushed while nobody
        knows what the shop has sold.
        """
        task_status.started()
        while True:
            if self._orders.is_due:
                await self._attempt(self._orders, self._take_in)
            if self._stock.is_due and not self._orders.failures:
                await self._attempt(self._stock, self.push)
            await self._rest()

    async def _attempt(self, matter: "_Matter", work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except PartnerError as error:
            matter.failed(self._settings.poll_s)
            self._say(matter, error)
            can_pass = isinstance(error, UnreachableError | OutcomeUnknownError)
            if matter.failures >= FAILURES_UNSEEN_MAX or not can_pass:
                mend = f"wharfinger check, then look at the shop {self._settings.name}"
                await self._desk.raise_anomaly(Raise(matter.anomaly, matter.problem, str(error), mend))
        else:
            matter.succeeded()
            await self._desk.resolve(matter.anomaly, "system")

    def _say(self, matter: "_Matter", error: PartnerError) -> None:
        kind, detail = type(error).__name__, str(error)
        if matter is self._orders:
            log.warning("channel_away", channel=self._settings.name, error=kind, detail=detail)
        else:
            log.warning("stock_not_shown", channel=self._settings.name, error=kind, detail=detail)

    async def _take_in(self) -> None:
        is_whole = await self.poll()
        every_s = self._settings.poll_s
        pause_s = every_s if is_whole else min(every_s, AFTER_PARTIAL_S_MAX)
        self._orders.due_at = trio.current_time() + pause_s
        await self._reread()
        await self._sweep.compare()

    async def _reread(self) -> None:
        """Look at what moves no date in the shop, as often as is due; one that fails is not made up for."""
        now, every_s = trio.current_time(), self._settings.reread_s
        is_mended_due = now >= self._mended_due_at
        if is_mended_due:
            self._mended_due_at = now + every_s
        if is_mended_due or self._intake.is_looking:
            await self._intake.look_again()
        if now >= self._open_due_at:
            self._open_due_at = now + every_s
            await self._sweep.look_at_open()

    async def _rest(self) -> None:
        """Return when something is due, or a moment after the ledger has moved, or to see whether it has."""
        due_at = self._orders.due_at if self._stock.is_due else min(self._orders.due_at, self._stock.due_at)
        with trio.move_on_at(due_at):
            if self._orders.failures or self._stock.failures:
                await trio.sleep_forever()
            with trio.move_on_after(LOOK_EVERY_S):
                await self._moved.wait()
                await trio.sleep(DEBOUNCE_S)
        self._moved = trio.Event()

    async def poll_if_stale(self) -> None:
        """Read the shop's orders, unless they were read and taken in a moment ago.

        Raises:
            PartnerError: as the shop's port.
        """
        async with self._polling:
            if self._read_at is not None and trio.current_time() <= self._read_at + FRESH_S:
                return
            if not await self._poll():
                await self._poll()

    async def poll(self) -> bool:
        """Import what has changed since the cursor, then move the cursor; return whether that was all.

        The next page is read while this one is imported; the cursor is saved only after what it passes over.
        A partial poll looks for a part only.

        Raises:
            PartnerError: as the shop's port; the cursor stands where all before it is durable.
        """
        async with self._polling:
            return await self._poll()

    async def _poll(self) -> bool:
        try:
            return await self._read_through()
        finally:
            self._precedence.has_read(self._settings.name)

    async def _read_through(self) -> bool:
        self._cursor = await self._journal.cursor(cursor_name(self._settings.name))
        await self._intake.adopting.begin(self._cursor, self._settings.orders_since)
        read_at = trio.current_time()
        poll = await self._shop.poll(self._cursor)
        failure: PartnerError | None = None
        async with importing(self._intake, self._move_cursor) as line:
            while failure is None:
                await line.take(poll, read_at)
                if not poll.more:
                    break
                self._precedence.reads_on(self._settings.name)
                read_at = trio.current_time()
                try:
                    poll = await self._shop.poll(poll.cursor)
                except PartnerError as error:
                    failure = error  # it waits until all that was read is durable
        if failure is not None:
            raise failure
        await self._intake.adopting.read_through()
        if not poll.partial:
            self._read_at = read_at
        return not poll.partial

    async def _move_cursor(self, poll: Poll) -> None:
        """Move the cursor behind a page: all that it holds is durable, and all before it."""
        self.window.forget(poll.orders)
        await self._intake.adopting.save()
        if poll.cursor != self._cursor:
            await self._journal.save_cursor(cursor_name(self._settings.name), poll.cursor)
            self._cursor = poll.cursor
        if not poll.partial:
            self.polled_at = trio.current_time()

    async def push(self) -> None:
        """Bring the shop's sellable stock to what the ledger can promise.

        The shop's orders are read right before each part of it, so that what was just sold is not shown
        again.
        """
        while self.shows_stock and await self.window.behind(1):
            for each in (self, *self._sharing):
                await each.poll_if_stale()
            levels = await self.window.behind(PUSH_MAX)
            if levels and not await self._show(levels):
                return

    async def _show(self, levels: Mapping[str, int]) -> bool:
        """Show these levels; return whether more can be shown now, since none of them moved meanwhile."""
        try:
            return await self.window.show(levels)
        except PartnerError:
            self.window.forget_all()
            raise
