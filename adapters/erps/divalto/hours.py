"""The site's clock: which day a piece bears, and when the site takes no calls. Pure."""

from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from adapters.erps.divalto.plugin import WINDOW, DivaltoSettings


def at_site(at: datetime, settings: DivaltoSettings) -> datetime:
    """Return the instant on the site's own clock."""
    zone: tzinfo = UTC if settings.timezone == "UTC" else ZoneInfo(settings.timezone)
    return at.astimezone(zone)


def closed_until(now: datetime, settings: DivaltoSettings) -> datetime | None:
    """Return when the site opens again, by its own clock; None while it is open."""
    if not settings.closed_hours:
        return None
    here = at_site(now, settings)
    for window in settings.closed_hours:
        match = WINDOW.fullmatch(window)
        if match is None:
            continue  # `problems` has told of it
        from_hour, from_minute, to_hour, to_minute = map(int, match.groups())
        begins, ends = time(from_hour, from_minute), time(to_hour, to_minute)
        clock = here.time()
        over_midnight = ends <= begins
        if (clock >= begins or clock < ends) if over_midnight else (begins <= clock < ends):
            opens = here.replace(hour=to_hour, minute=to_minute, second=0, microsecond=0)
            return opens + timedelta(days=1) if opens <= here else opens
    return None
