"""Which of the orders that lie in a shop already become ours when Wharfinger takes the shop over.

Somebody else has worked the shop until then. What he may have shipped must not be shipped again, and nothing
in the shop says so of an order that stands open there: so an order comes in by itself only if it was placed
after an instant that somebody chose. It decides; who asks, and what is recorded, it does not know.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Standing = Literal["open", "unpaid", "cancelled", "shipped", "unfinished", "unreadable"]
Verdict = Literal["known", "open", "unpaid", "shipped", "cancelled", "older", "person"]

WAITING_MAX = 10_000
"""Unpaid orders remembered, the newest of them: a transfer comes within weeks, and few orders are paid so."""


class Adoption(Struct, frozen=True, omit_defaults=True):
    """Where the line was drawn for one channel.

    Attributes:
        since: orders placed before are somebody else's.
        waiting: older orders, by the shop's ids, that were not paid when the line was drawn: nobody can have
            shipped them, so they come in once they are paid.
        is_reading: the first import is under way, and unpaid orders are still noted.
        left: how many older orders stood open in the shop and were left alone.
        read_to: the highest of the shop's ids when the line was drawn.
        by: "command" or "start": a person has drawn the line, or a daemon for want of a person.
    """

    since: datetime
    waiting: tuple[int, ...] = ()
    is_reading: bool = False
    left: int = 0
    read_to: int = 0
    by: Literal["command", "start"] = "start"


def verdict(
    standing: Standing, placed_at: datetime | None, since: datetime | None, *, known: bool, waited_for: bool
) -> Verdict:
    """Return what becomes of an order of the shop.

    Args:
        standing: how it stands in the shop.
        placed_at: None where that cannot be read.
        since: orders placed before are somebody else's; None where nobody's.
        known: it is ours already.
        waited_for: it is an older one that was not paid when the line was drawn.

    Returns:
        "known": whatever the shop says of it now is news of an order of ours. "open", "unpaid": it comes in,
        an unpaid one to be held. "shipped", "cancelled": it ended in the shop and never comes in. "older":
        it is left alone. "person": somebody has to look at it.
    """
    if known:
        return "known"
    if standing in ("shipped", "cancelled"):
        return standing
    if standing == "unfinished":  # nobody ships what the shop never completed, and few shops have any
        return "person"
    if since is not None and placed_at is not None and placed_at < since and not waited_for:
        return "older"
    if standing in ("open", "unpaid"):
        return standing
    return "person"


def line_for(adoption: Adoption | None, shop_order: str) -> datetime | None:
    """Return before which instant this order has to be placed to be somebody else's; None if it never is.

    What came after the line was drawn is ours whatever its date says: clocks are wrong at times.
    """
    if adoption is None:
        return None
    is_later = shop_order.isdecimal() and int(shop_order) > adoption.read_to
    return None if is_later and not adoption.is_reading else adoption.since


def noted(adoption: Adoption, shop_order: str, standing: Standing, found: Verdict) -> Adoption:
    """Return the line with an order noted that the first import, by rising ids, has met."""
    if not adoption.is_reading or not shop_order.isdecimal() or int(shop_order) <= adoption.read_to:
        return adoption
    number = int(shop_order)
    is_left, is_unpaid = found == "older" and standing == "open", found == "older" and standing == "unpaid"
    waiting = (*adoption.waiting, number)[-WAITING_MAX:] if is_unpaid else adoption.waiting
    return replace(adoption, waiting=waiting, left=adoption.left + is_left, read_to=number)
