"""Compares what a shop shows with what the ledger says, and puts what lasts before a person.

It runs with every sweep of the window, before that sets the shop right, and whenever somebody asks. It
changes nothing in the shop and nothing in the books; why figures differ `actors.domain.reconciliation` says.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain

import structlog
import trio
from msgspec import Struct

from actors.adopting import adoption_of, cursor_name, judged
from actors.desk import Desk, Raise
from actors.domain.assortment import Assortment
from actors.domain.order_state import order_id
from actors.domain.reconciliation import (
    PATIENCE,
    Books,
    Cause,
    Difference,
    Told,
    Unheard,
    aged,
    differences,
    matters,
)
from actors.ports.journal import Journal
from actors.ports.shop import ShopOrder, ShopPort
from actors.slices import slices

log = structlog.get_logger(__name__)

PROBLEM = "stock_difference"

WRITE_SHOWN_FOR = timedelta(days=1)
"""What somebody wrote is set back within minutes, and still to be seen by whoever comes in the next day."""

PEEK_PAGES_MAX = 4
"""A thousand orders that wait to be imported; beyond them it is the import that a person has to look at."""

SAME_MOMENT = timedelta(seconds=2)
"""The shop's dates have one second, and an order shows a moment after its units are gone."""

ANOMALIES_MAX = 1_000

OPEN = ("open", "unpaid")
ENDED = ("cancelled", "shipped", "delivered")


class Reconciliation(Struct, frozen=True):
    """What was found at one look at one shop.

    `compared` counts articles, `moving` those whose figures moved meanwhile: the next look tells of them.
    """

    channel: str
    at: datetime
    compared: int
    moving: int
    differences: tuple[Difference, ...]


class Figures(Struct, frozen=True):
    """What the ledger says that the shop should show, what the shop was told last, and what articles hold."""

    levels: Mapping[str, int]
    told: Mapping[str, Told]
    assortment: Assortment


class Reconciler:
    """Reconciles one window, in which the orders of one or several shops are sold.

    Attributes:
        last: what was found last; None before the first look.
    """

    def __init__(self, channel: str, shop: ShopPort, journal: Journal, desk: Desk) -> None:
        self._channel = channel
        self._journal = journal
        self._desk = desk
        self._sellers: list[tuple[str, ShopPort]] = [(channel, shop)]
        self.last: Reconciliation | None = None

    @property
    def _prefix(self) -> str:
        """With what the names of this window's anomalies begin."""
        return f"stock:{self._channel}:"

    def hears(self, channel: str, shop: ShopPort) -> None:
        """Take into account what another shop sells from the same stock."""
        self._sellers.append((channel, shop))

    async def look(
        self, shown: Mapping[str, int], began: datetime, before: Figures, after: Figures
    ) -> Reconciliation:
        """Compare what the shop shows, and return what differs and why.

        Args:
            shown: what the shop shows of each article.
            began: when the reading of it began.
            before: our side as it stood then.
            after: our side now: what moved in between is left to the next look.

        Raises:
            PartnerError: as the shop's port.
        """
        now = self._desk.now()
        moving = await _moving(before, after)
        articles, differing = await _compare(shown, after.levels, moving)
        unheard: list[Unheard] = []
        if differing:
            unheard = await self._unheard()
            sold = {each.article for each in unheard}
            moving |= {each.article for each in unheard if each.at > began - SAME_MOMENT}
            # What shares a SKU with something that was sold is moved by the import alone.
            moving |= after.assortment.moved_with(sold) - sold
            differing -= moving
        books = Books(
            ledger={article: after.levels[article] for article in differing & after.levels.keys()},
            partner={article: shown[article] for article in differing & shown.keys()},
            told=after.told,
            unheard=tuple(each for each in unheard if each.article in differing),
        )
        found = aged(differences(books, now), await self._known())
        compared = articles - sum(article in shown or article in after.levels for article in moving)
        self.last = Reconciliation(self._channel, now, compared, len(moving), found)
        return self.last

    async def put_before_a_person(self, found: Reconciliation) -> None:
        """Raise what lasts too long, and take back what is over."""
        if found.differences:
            log.info("stock_differs", channel=self._channel, differences=len(found.differences))
        prefix = self._prefix
        shown = {
            f"{prefix}{each.id}": each
            for each in matters(found.differences, f"shop {self._channel}", found.at)
            if each.cause != "unknown_there"  # the window says so itself, as soon as it has tried
        }
        for anomaly, matter in shown.items():
            await self._desk.raise_anomaly(Raise(anomaly, PROBLEM, matter.detail, matter.mend))
        for open_ in await self._journal.anomalies(ANOMALIES_MAX):
            if open_.problem != PROBLEM or not open_.anomaly.startswith(prefix) or open_.anomaly in shown:
                continue
            is_write = open_.anomaly.endswith("foreign_write")
            if not is_write or open_.raised_at < found.at - WRITE_SHOWN_FOR:
                await self._desk.resolve(open_.anomaly, "system")

    async def _known(self) -> Mapping[tuple[str, Cause], datetime]:
        """Return since when each difference is known: an open anomaly tells, also of an earlier daemon's."""
        known: dict[tuple[str, Cause], datetime] = {}
        for open_ in await self._journal.anomalies(ANOMALIES_MAX):
            if open_.problem == PROBLEM and open_.anomaly.startswith(self._prefix):
                article, _, cause = open_.anomaly.removeprefix(self._prefix).rpartition(":")
                if cause in PATIENCE:
                    known[article, cause] = open_.raised_at  # type: ignore[index] # a cause, as PATIENCE has it
        for each in self.last.differences if self.last is not None else ():
            key = (each.article, each.cause)
            known[key] = min(each.since, known.get(key, each.since))
        return known

    async def _unheard(self) -> list[Unheard]:
        """Read, without importing anything, what the shops sold or put back that has not come here yet."""
        unheard: list[Unheard] = []
        for channel, shop in self._sellers:
            orders = await self._waiting(channel, shop)
            known = await self._journal.known_orders([order_id(channel, each.shop_order) for each in orders])
            adoption = await adoption_of(self._journal, channel)
            for order in orders:
                name = order_id(channel, order.shop_order)
                if judged(order, adoption, is_known=name in known) == "older":
                    continue  # it is left alone, so nobody waits for its import
                sign = await self._sign(order, name, is_known=name in known)
                unheard += [
                    Unheard(name, line.sku, sign * line.units, order.placed_at)
                    for line in order.lines
                    if sign
                ]
        return unheard

    async def _waiting(self, channel: str, shop: ShopPort) -> Sequence[ShopOrder]:
        newest: dict[str, ShopOrder] = {}
        cursor = await self._journal.cursor(cursor_name(channel))
        for _ in range(PEEK_PAGES_MAX):
            poll = await shop.poll(cursor)
            newest.update((each.shop_order, each) for each in poll.orders if isinstance(each, ShopOrder))
            if not poll.more and not poll.partial:
                break
            cursor = poll.cursor
        return list(newest.values())

    async def _sign(self, order: ShopOrder, name: str, *, is_known: bool) -> int:
        """Return which way the shop has moved its figures for an order, as far as we do not know of it."""
        if not is_known:
            return -1 if order.standing in OPEN else 0
        if order.standing != "cancelled":
            return 0
        row = await self._journal.order_row(name)
        return 1 if row is not None and row.state not in ENDED else 0


async def _moving(before: Figures, after: Figures) -> set[str]:
    """Return the articles whose figures on our side moved, looking slice by slice."""
    moving: set[str] = set()
    for some in slices(_either(before.levels, after.levels)):
        moving.update(
            article
            for article in some
            if before.levels.get(article) != after.levels.get(article)
            or before.told.get(article) != after.told.get(article)
        )
        await trio.lowlevel.checkpoint()
    return moving


async def _compare(
    shown: Mapping[str, int], levels: Mapping[str, int], moving: Container[str]
) -> tuple[int, set[str]]:
    """Return how many articles there are, and which of them stand still and differ, slice by slice."""
    articles, differing = 0, set[str]()
    for some in slices(_either(shown, levels)):
        articles += len(some)
        differing.update(
            article
            for article in some
            if shown.get(article, 0) != levels.get(article, 0) and article not in moving
        )
        await trio.lowlevel.checkpoint()
    return articles, differing


def _either(one: Mapping[str, int], other: Mapping[str, int]) -> Iterator[str]:
    """Return the articles of both, each once, without a set of all of them."""
    return chain(one, (article for article in other if article not in one))
