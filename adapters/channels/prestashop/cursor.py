"""How far a shop's polls have come: what a durable cursor holds, and how its marks move. Pure."""

from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from adapters.channels.prestashop.dates import FAR_FUTURE, reach_back, second_after, to_local, to_utc
from adapters.channels.prestashop.feeds import Marks
from adapters.channels.prestashop.fields import FieldError, Row, reference_to, text

ID_REACH_BACK = 20
"""Orders placed at the same time may show in another order than that of their ids."""

SEEN_MAX = 8000
"""Contents remembered: a cursor stays under 300 KiB. With more changes the polls reach less far back."""

LONG_AGO = "1970-01-01 00:00:00"

UTC_ZONE = ZoneInfo("UTC")

DIGEST_BYTES = 6

Seen = tuple[int, str]
"""What was handed out of an order: its date in the shop, in seconds, and a hash of its content."""


class Cursor(Struct, frozen=True, omit_defaults=True):
    """How far the polls have come.

    Attributes:
        importing: the first import is still under way, by id.
        last_id: the highest id seen.
        mark: up to where all changes are seen, as the shop writes dates; never later than its own clock.
        page_from: where the next page begins, while a window holds more than one; "" when it does not.
        began: the shop's clock when the window's first page was read. What changes while the other pages are
            read may be dated behind them, so the next window begins from here, however late the last page is.
        within: a second that fills more than a page: its orders are read by id, above this one.
        turn: counts the polls that found their window's end, or asked for something else in its place.
        seen: by order id.
        floor: the shop's date before which nothing is remembered; polls reach back no further.
        unfinished: orders to look at again.
        marks: how far the lists beside the orders are read.
    """

    importing: bool = True
    last_id: int = 0
    mark: str = ""
    page_from: str = ""
    within: tuple[str, int] | None = None
    turn: int = 0
    seen: dict[int, Seen] = {}
    unfinished: tuple[int, ...] = ()
    marks: Marks = {}
    floor: str = ""
    began: str = ""

    @property
    def is_in_window(self) -> bool:
        """Whether a window holds more than what was read of it."""
        return bool(self.page_from) or self.within is not None


def advanced(
    cursor: Cursor,
    rows: Iterable[Row],
    zone: ZoneInfo,
    now: datetime | None,
    *,
    imported: bool,
    whole: bool,
) -> Cursor:
    """Move the marks: an order that is dated in the future must not hide what happens until then.

    The import's mark stays where it began, since orders that it had read already may have changed meanwhile.
    A window that was read whole moves the mark to where it began although nothing happened: else a shop that
    goes quiet after a rush would be asked for the rush again by every poll.
    """
    rows = list(rows)
    mark = cursor.mark
    limit = min(to_local(now, zone), cursor.began or FAR_FUTURE) if now is not None else FAR_FUTURE
    if now is not None and (not mark or (whole and not imported)):
        mark = max(mark, limit)
    if not imported:
        mark = max([mark, *map(changed_at, rows)])
    return msgspec.structs.replace(cursor, last_id=highest(cursor.last_id, rows), mark=min(mark, limit))


def changed_at(row: Row) -> str:
    """Return when the shop says that an order changed; "" where it says nothing, which stops no other one."""
    try:
        return text(row, "date_upd")
    except FieldError:
        return ""


def highest(last_id: int, rows: Iterable[Row]) -> int:
    """Return the highest id seen, after these rows."""
    return max([last_id, *(reference_to(row, "id") for row in rows)])


def forgetting(cursor: Cursor, zone: ZoneInfo, overlap: timedelta) -> Cursor:
    """Forget what no poll reaches back to, and reach back no further than what is remembered."""
    window = reach_back(cursor.mark or LONG_AGO, zone, overlap)
    since = seconds(min(window, cursor.page_from or window))
    kept, newest_forgotten = remembered(cursor.seen, since, cursor.last_id)
    floor = cursor.floor
    if newest_forgotten:
        floor = max(floor, second_after(date_of(newest_forgotten)))
    return msgspec.structs.replace(cursor, seen=kept, floor=floor)


def digest(row: Row) -> str:
    """Return a hash of what an order's row holds."""
    return b64encode(blake2b(msgspec.json.encode(row), digest_size=DIGEST_BYTES).digest()).decode()


def seconds(date: str) -> int:
    """Return a shop's date as a number, for short cursors; what is no date is long ago."""
    try:
        return int(to_utc(date, UTC_ZONE).timestamp())
    except ValueError:
        return 0


def date_of(since_1970: int) -> str:
    """Return a number of `seconds` as a shop's date."""
    return to_local(datetime.fromtimestamp(since_1970, UTC), UTC_ZONE)


def remembered(seen: dict[int, Seen], since: int, last_id: int) -> tuple[dict[int, Seen], int]:
    """Return what is kept, and the latest date among what had to be forgotten (0: nothing had to)."""
    wanted = [
        (order, each) for order, each in seen.items() if each[0] >= since or order > last_id - ID_REACH_BACK
    ]
    wanted.sort(key=lambda pair: (pair[1][0], pair[0]))
    forgotten = wanted[: max(0, len(wanted) - SEEN_MAX)]
    return dict(wanted[len(forgotten) :]), forgotten[-1][1][0] if forgotten else 0
