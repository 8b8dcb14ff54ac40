"""The shop's dates: local, without an offset, to the second. Pure.

An hour repeats when summer time ends, and the shop does not say which of the two it means.
"""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

FORMAT = "%Y-%m-%d %H:%M:%S"
WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
FAR_FUTURE = "2999-12-31 23:59:59"
"""The upper bound of an open range: `>=` is silently ignored, and so is a range with one bound."""

HOUR = timedelta(hours=1)


def to_utc(text: str, zone: ZoneInfo) -> datetime:
    """Return the instant of a shop's date; of a repeated hour the first.

    Raises:
        ValueError: it is no date, such as 0000-00-00 00:00:00, or lies at the edge of what dates can be.
    """
    try:
        return _local(text).replace(tzinfo=zone).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("no date of a shop") from error


def to_local(instant: datetime, zone: ZoneInfo) -> str:
    """Return an instant as the shop writes it."""
    return instant.astimezone(zone).strftime(FORMAT)


def reach_back(mark: str, zone: ZoneInfo, overlap: timedelta) -> str:
    """Return where to look from, so that nothing dated `overlap` before `mark` or later is missed.

    Where summer time ends, what happens after `mark` may be dated up to an hour before it.
    """
    local = _local(mark)
    around = (local - 2 * HOUR - overlap, local + 2 * HOUR)
    before, after = (edge.replace(tzinfo=zone).utcoffset() or timedelta(0) for edge in around)
    repeated = before - after if before > after else timedelta(0)
    return (local - overlap - repeated).strftime(FORMAT)


def second_after(text: str) -> str:
    """Return the next date that the shop can write."""
    return (_local(text) + timedelta(seconds=1)).strftime(FORMAT)


def _local(text: str) -> datetime:
    """Read what the shop writes, without a zone; `strptime` takes twenty times as long.

    Raises:
        ValueError: it is no date.
    """
    if WRITTEN.fullmatch(text) is None:
        raise ValueError("no date of a shop")
    return datetime.fromisoformat(text)
