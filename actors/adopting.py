"""Holds one channel's line between orders that are somebody else's and ours, and says what was left alone.

The line is durable before the cursor moves past what it was drawn through. What it decides stands in
`actors.domain.adoption`.
"""

from datetime import datetime

import msgspec
import structlog

from actors.desk import Desk, Raise
from actors.domain.adoption import Adoption, Standing, Verdict, line_for, noted, verdict
from actors.ports.journal import Journal
from actors.ports.shop import ShopOrder, UnreadableOrder

log = structlog.get_logger(__name__)

STANDINGS: dict[str, Standing] = {
    "open": "open",
    "unpaid": "unpaid",
    "cancelled": "cancelled",
    "shipped": "shipped",
    "unfinished": "unfinished",
}

_decode = msgspec.json.Decoder(Adoption).decode


def adoption_name(channel: str) -> str:
    """Return under which name the journal keeps a channel's line, beside its cursor."""
    return f"adopted-{channel}"


def cursor_name(channel: str) -> str:
    """Return under which name the journal keeps a channel's cursor."""
    return f"shop-{channel}"


async def adoption_of(journal: Journal, channel: str) -> Adoption | None:
    """Return a channel's line as it is durable, None for one without."""
    text = await journal.cursor(adoption_name(channel))
    return _decode(text) if text is not None else None


def standing_of(order: ShopOrder | UnreadableOrder) -> Standing:
    """Return how an order stands; one that cannot be read counts as ended where at least that can be read."""
    found = STANDINGS.get(order.standing, "unreadable")
    if isinstance(order, UnreadableOrder) and found not in ("cancelled", "shipped"):
        return "unreadable"
    return found


def judged(order: ShopOrder | UnreadableOrder, adoption: Adoption | None, *, is_known: bool) -> Verdict:
    """Return what becomes of an order of the shop; without a line everything is ours."""
    since = line_for(adoption, order.shop_order)
    waited_for = adoption is not None and order.shop_order.isdecimal() and is_waited_for(order, adoption)
    return verdict(standing_of(order), order.placed_at, since, known=is_known, waited_for=waited_for)


def is_waited_for(order: ShopOrder | UnreadableOrder, adoption: Adoption) -> bool:
    """Tell whether an older order was only not paid yet when the line was drawn, and is by now."""
    return standing_of(order) == "open" and int(order.shop_order) in adoption.waiting


class Adopting:
    """One channel's line."""

    def __init__(self, channel: str, journal: Journal, desk: Desk) -> None:
        self._channel = channel
        self._journal = journal
        self._desk = desk
        self._saved: Adoption | None = None
        self._adoption: Adoption | None = None
        self._is_read = False

    async def begin(self, cursor: str | None, orders_since: datetime | None) -> None:
        """Read the line; draw it at `orders_since` for a channel that never had a cursor nor a line."""
        if self._is_read:
            return
        self._adoption = self._saved = await adoption_of(self._journal, self._channel)
        if self._adoption is None and cursor is None and orders_since is not None:
            self._adoption = Adoption(orders_since, is_reading=True)
            await self.save()
        if self._adoption is not None and self._adoption.by == "command":
            await self._desk.resolve(self._matter, "command")
        self._is_read = True

    @property
    def _matter(self) -> str:
        return f"adopt:{self._channel}"

    def takes(self, order: ShopOrder | UnreadableOrder, *, is_known: bool) -> bool:
        """Tell whether an order of the shop is ours, or has to be looked at by somebody of ours."""
        found = judged(order, self._adoption, is_known=is_known)
        if self._adoption is not None:
            self._adoption = noted(self._adoption, order.shop_order, standing_of(order), found)
        return found in ("known", "open", "unpaid", "person")

    async def save(self) -> None:
        """Return once what was noted is durable."""
        adoption = self._adoption  # more may be noted while this is being recorded
        if adoption is not None and adoption != self._saved:
            text = msgspec.json.encode(adoption).decode()
            await self._journal.save_cursor(adoption_name(self._channel), text)
            self._saved = adoption

    async def read_through(self) -> None:
        """Note that the first import is over, and put before a person what it has left alone."""
        adoption = self._adoption
        if adoption is None or not adoption.is_reading:
            return
        if adoption.left:
            log.warning("orders_left_alone", channel=self._channel, orders=adoption.left)
            detail = (
                f"{adoption.left} orders stand open in the shop that were placed before"
                f" {adoption.since:%Y-%m-%d %H:%M} UTC: they are left alone, since somebody else may"
                " have shipped them"
            )
            mend = (
                f"stop the daemon; wharfinger adopt --channel {self._channel} --since DATE --dry-run shows"
                " them, and without --dry-run those since DATE are taken over"
            )
            await self._desk.raise_anomaly(Raise(self._matter, "orders_left_alone", detail, mend))
        self._adoption = msgspec.structs.replace(adoption, is_reading=False)
        await self.save()
