"""Takes an existing shop over: `wharfinger adopt` draws the line between its old orders and ours.

Nothing is imported here. The line and the cursor are recorded, and the daemon judges each order by how it
stands when it comes: what is shipped between this command and the daemon's start is not shipped again.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.adopting import adoption_name, cursor_name, judged, standing_of
from actors.domain.adoption import WAITING_MAX, Adoption, Verdict
from actors.domain.order_state import order_id
from actors.ports.journal import Journal
from actors.ports.shop import ShopOrder, ShopPort, UnreadableOrder

Progress = Callable[[int], None]
"""Told from time to time how many orders were read so far."""

DOES: Mapping[Verdict, str] = {
    "known": "nothing: it is ours already",
    "open": "adopt as open",
    "unpaid": "hold: unpaid",
    "shipped": "skip: shipped",
    "cancelled": "skip: cancelled",
    "older": "skip: older",
    "person": "person: cannot be read",
}
"""What each verdict means to an order, in the order of the summary."""


class OrderJudged(Struct, frozen=True):
    """What becomes of one order of the shop; `detail` says why it cannot be read."""

    shop_order: str
    reference: str
    placed_at: datetime | None
    verdict: Verdict
    does: str
    detail: str = ""


class AdoptionReport(Struct, frozen=True):
    """What `adopt` did, or would do.

    `changes` says whether anything had to be recorded; `since` is the line as it stands afterwards.
    """

    channel: str
    since: datetime
    dry_run: bool
    changes: bool
    summary: Mapping[str, int]
    orders: tuple[OrderJudged, ...]


async def take_over(
    journal: Journal,
    shop: ShopPort,
    channel: str,
    since: datetime,
    *,
    dry_run: bool,
    progress: Progress | None = None,
) -> AdoptionReport:
    """Judge every order of the shop by the line at `since`, and record the line unless it is a dry run.

    A line that was drawn earlier stays: what it lets in is ours already.

    Raises:
        PartnerError: the shop does not answer, or makes no sense.
    """
    before = await _line(journal, channel)
    cursor = await journal.cursor(cursor_name(channel))
    orders = await _all_orders(shop, progress)
    known = await journal.known_orders([order_id(channel, order.shop_order) for order in orders])
    stays = before is not None and cursor is not None and before.since <= since
    line = replace(before, by="command") if stays and before is not None else _drawn(orders, since)
    found = [_judged(order, line, is_known=order_id(channel, order.shop_order) in known) for order in orders]
    if line != before and not dry_run:
        begins = None if stays else await shop.cursor_at(line.since, cursor)
        await _record(journal, channel, line, begins, is_new=before is None and cursor is None)
    counted = Counter(each.does for each in found)
    return AdoptionReport(
        channel=channel,
        since=line.since,
        dry_run=dry_run,
        changes=line != before,
        summary={does: counted[does] for does in DOES.values()},
        orders=tuple(found),
    )


async def _line(journal: Journal, channel: str) -> Adoption | None:
    text = await journal.cursor(adoption_name(channel))
    return msgspec.json.decode(text, type=Adoption) if text is not None else None


async def _all_orders(shop: ShopPort, progress: Progress | None) -> list[ShopOrder | UnreadableOrder]:
    """Read the whole shop, which changes nothing in it; of two copies the later counts."""
    newest: dict[str, ShopOrder | UnreadableOrder] = {}
    cursor: str | None = None
    while True:
        poll = await shop.poll(cursor)
        newest.update((order.shop_order, order) for order in poll.orders)
        if progress is not None:
            progress(len(newest))
        if not poll.more:
            return list(newest.values())
        cursor = poll.cursor


def _drawn(orders: list[ShopOrder | UnreadableOrder], since: datetime) -> Adoption:
    ids = [int(order.shop_order) for order in orders if order.shop_order.isdecimal()]
    unpaid = sorted(
        int(order.shop_order)
        for order in orders
        if order.shop_order.isdecimal()
        and standing_of(order) == "unpaid"
        and order.placed_at is not None
        and order.placed_at < since
    )
    return Adoption(since, tuple(unpaid[-WAITING_MAX:]), read_to=max(ids, default=0), by="command")


def _judged(order: ShopOrder | UnreadableOrder, line: Adoption, *, is_known: bool) -> OrderJudged:
    found = judged(order, line, is_known=is_known)
    reference, detail = (order.reference, "") if isinstance(order, ShopOrder) else ("", order.why)
    return OrderJudged(order.shop_order, reference, order.placed_at, found, DOES[found], detail)


async def _record(
    journal: Journal, channel: str, line: Adoption, begins: str | None, *, is_new: bool
) -> None:
    """Record line and cursor so that whoever dies in between has only to be asked again.

    A channel that is new stays so as long as it has no cursor; else the line would already look drawn.
    """
    cursor = () if begins is None else ((cursor_name(channel), begins),)
    drawn = (adoption_name(channel), msgspec.json.encode(line).decode())
    for name, value in (drawn, *cursor) if is_new else (*cursor, drawn):
        await journal.save_cursor(name, value)
