"""Reads what the ERP knows beside our documents, each matter in its turn, and hands on what concerns whom.

It writes nothing there and keeps nothing durable but how far it has read what was changed: master data and
purchase orders are read anew by every daemon.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_FLOOR

import structlog
import trio
from msgspec import Struct
from msgspec.structs import replace

from actors.desk import Desk, Raise
from actors.domain.erp_word import ErpWord
from actors.domain.order_commands import Invoiced, Wake
from actors.erp_books import ErpBooks, ErpCustomerFlags
from actors.errors import PartnerError
from actors.mailbox import SetAsideError
from actors.order import OrderHall
from actors.ports.journal import Journal

log = structlog.get_logger(__name__)

CURSOR = "erp-changed"

FIRST_LOOK_BACK = timedelta(days=1)
"""How far back a daemon that has never read it looks for what was changed: older invoices are history."""

TOLD_AFTER = 5
"""So many failures in a row are not a hiccup: a site that does not open a table never will by itself."""

WAKE_MAX = 10_000
"""Orders woken when the ERP changes its mind, the first placed first: more than wait of several days."""

MINDED = ("held", "backordered", "new")
"""The stages in which an order may be held for, or released by, what the ERP says now."""

RETURN_MARK = ".R"
"""Stands in the reference of a credit note of ours, which is no invoice of the order."""


class Arrival(Struct, frozen=True):
    """Units that a supplier still owes to a warehouse; `due` is None where nobody said when."""

    purchase_order: str
    units: int
    due: date | None


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between two reads of each matter.

    People who have invoiced or blocked something look at the order within minutes. A purchase order is dated
    in days. A large site's articles take it half a minute to tell.
    """

    changed_s: float = 60.0
    customers_s: float = 300.0
    expected_s: float = 300.0
    articles_s: float = 1_800.0


@dataclass(slots=True)
class _Matter:
    name: str
    read: Callable[[], Awaitable[None]]
    pause_s: float
    due: float = 0.0
    failures: int = 0


class ErpReader:
    """The actor that reads one ERP's books for the channels that sell.

    Attributes:
        word: what the ERP objects to, as read last.
        expected: what suppliers owe, by warehouse and SKU, the first due first.
    """

    def __init__(
        self,
        books: ErpBooks,
        journal: Journal,
        hall: OrderHall,
        desk: Desk,
        channels: Collection[str],
        pauses: Pauses,
    ) -> None:
        self._books = books
        self._journal = journal
        self._hall = hall
        self._desk = desk
        self._channels = channels
        self._told: frozenset[str] = frozenset()
        # Documents go before all of these, by the rank that the adapter gives each read.
        self._matters = (
            _Matter("what was changed", self._read_changed, pauses.changed_s),
            _Matter("customers", self._read_customers, pauses.customers_s),
            _Matter("purchase orders", self._read_expected, pauses.expected_s),
            _Matter("articles", self._read_articles, pauses.articles_s),
        )
        self.word = ErpWord()
        self.expected: Mapping[tuple[str, str], Sequence[Arrival]] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read until cancelled, one matter after another."""
        task_status.started()
        while True:
            for matter in self._matters:
                if matter.due <= trio.current_time():
                    await self._try(matter)
                    matter.due = trio.current_time() + matter.pause_s
            await trio.sleep_until(min(matter.due for matter in self._matters))

    async def _try(self, matter: _Matter) -> None:
        anomaly = f"erp:unread:{matter.name}"
        try:
            await matter.read()
        except PartnerError as error:
            matter.failures += 1
            log.warning("erp_unread", matter=matter.name, error=type(error).__name__, detail=str(error))
            if matter.failures == TOLD_AFTER:
                detail = f"the ERP's {matter.name} cannot be read: {error}"
                await self._desk.raise_anomaly(Raise(anomaly, "erp_unread", detail, "wharfinger check --erp"))
            return
        matter.failures = 0
        await self._desk.resolve(anomaly, "system")

    async def _read_changed(self) -> None:
        """Hand on the invoices that were made since the last time, then move the cursor."""
        cursor = await self._journal.cursor(CURSOR)
        since = cursor or self._books.position(self._desk.now() - FIRST_LOOK_BACK)
        pieces, moved = await self._books.changed(since)
        invoices = {
            piece.number: piece.reference.partition(".")[0]
            for piece in pieces
            if piece.stage == "invoice" and piece.reference and RETURN_MARK not in piece.reference
        }
        known = await self._journal.known_orders(set(invoices.values()))
        ours = {number: order for number, order in invoices.items() if order in known}
        for number, order in ours.items():
            if number not in self._told:
                await self._ask(order, Invoiced(number))
        self._told = frozenset(ours)  # what lies at the position, or shortly before, comes again
        if moved != cursor:
            await self._journal.save_cursor(CURSOR, moved)

    async def _read_customers(self) -> None:
        """Look whether orders of each channel may stand under the customer that they all stand under."""
        objections: dict[str, str] = {}
        for channel in self._channels:
            customer = self._books.customer_of(channel)
            why = why_not(customer, await self._books.customer(customer)) if customer else ""
            anomaly = f"erp:customer:{channel}"
            if why:
                objections[channel] = why
                detail = f"orders of {channel} are held: {why}"
                mend = "mend it in the ERP, and they go on by themselves"
                await self._desk.raise_anomaly(Raise(anomaly, "erp_objects", detail, mend))
            else:
                await self._desk.resolve(anomaly, "system")
        await self._say(replace(self.word, customers=objections))

    async def _read_articles(self) -> None:
        articles = await self._books.articles()
        closed = frozenset(article.sku for article in articles if article.closed)
        await self._say(replace(self.word, closed=closed))

    async def _read_expected(self) -> None:
        owed: dict[tuple[str, str], list[Arrival]] = {}
        for line in await self._books.expected():
            arrival = Arrival(line.purchase_order, int(line.units.to_integral_value(ROUND_FLOOR)), line.due)
            owed.setdefault((line.warehouse, line.sku), []).append(arrival)
        for arrivals in owed.values():
            arrivals.sort(key=lambda each: (each.due or date.max, each.purchase_order))
        self.expected = owed

    async def _say(self, word: ErpWord) -> None:
        """Decide by the ERP's word from now on, and wake the orders that it may concern."""
        if word == self.word:
            return
        self.word = word
        log.info("erp_word_changed", closed=len(word.closed), customers=len(word.customers))
        for row in await self._journal.orders_in(MINDED, WAKE_MAX):
            await self._ask(row.order, Wake())

    async def _ask(self, order: str, command: Invoiced | Wake) -> None:
        try:
            await self._hall.ask(order, command)
        except SetAsideError:
            log.warning("erp_news_set_aside", order=order)


def why_not(customer: str, flags: ErpCustomerFlags | None) -> str:
    """Return why no piece may stand under a customer, "" if one may."""
    if flags is None:
        return f"the ERP has no customer {customer}"
    if flags.blocked:
        return f"the ERP has blocked the customer {customer}"
    if flags.closed:
        return f"the ERP has closed the customer {customer}"
    return "" if flags.usable else f"the ERP's customer {customer} may not be used yet"
