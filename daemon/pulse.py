"""Tells the service manager that the daemon lives, and how it is; falls silent when an actor is stuck.

Before the daemon is ready a beat asks for more time, as a standby may wait for days; from then on it feeds
the watchdog. It judges only whether work moves on; to end and restart the daemon is the manager's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog
import trio

log = structlog.get_logger(__name__)

BEATS_A_WATCHDOG = 4
"""Beats in the time after which the watchdog bites: sd_watchdog_enabled(3) asks for two, a busy loop more."""

BEAT_SECONDS_UNASKED = 15.0
"""How often the daemon looks at itself, and tells its status, where no watchdog waits for it."""

STATUS_SECONDS = 30.0
"""How old the figures in the status may be: nobody looks at them more often."""


class Line(Protocol):
    """What a mailbox shows of itself: how much it ever heard, and how much of that is left to do."""

    heard: int

    def __len__(self) -> int:
        """Return how many letters wait or are in hand."""
        ...


Lines = Callable[[], Mapping[str, Line]]
"""The mailboxes to watch by their actors' names; none while there is no system."""

Notify = Callable[..., None]


@dataclass(slots=True)
class _Seen:
    done: int
    since: float


class Stuck:
    """Finds the actors that have work and have done none of it for `seconds_max`."""

    def __init__(self, seconds_max: float) -> None:
        self._seconds_max = seconds_max
        self._seen: dict[str, _Seen] = {}

    def look(self, lines: Mapping[str, Line], now: float) -> tuple[str, ...]:
        """Return their names, as of now; an actor without work is never stuck."""
        seen: dict[str, _Seen] = {}
        for name, line in lines.items():
            done = line.heard - len(line)
            last = self._seen.get(name)
            moved = last is None or last.done != done or not len(line)
            seen[name] = _Seen(done, now) if last is None or moved else last
        self._seen = seen
        return tuple(name for name, last in seen.items() if now - last.since >= self._seconds_max)


async def keep_pulse(lines: Lines, ready: Callable[[], bool], watchdog: float | None, notify: Notify) -> None:
    """Beat until cancelled. `watchdog` is in seconds, None where nobody waits for a beat.

    An actor may be stuck for half of that before the beat stops: the daemon is ended one and a half such
    times after it got stuck.
    """
    period = watchdog / BEATS_A_WATCHDOG if watchdog is not None else BEAT_SECONDS_UNASKED
    stuck = Stuck(period * BEATS_A_WATCHDOG / 2)
    told: tuple[str, ...] = ()
    while True:
        names = stuck.look(lines(), trio.current_time())
        if names != told:
            if names:
                log.error("actors_stuck", actors=names)
            else:
                log.warning("actors_move_on", actors=told)
            told = names
        if not ready():
            # As long again as there is between two beats, and some more: see sd_notify(3).
            notify(f"EXTEND_TIMEOUT_USEC={int(period * BEATS_A_WATCHDOG * 1_000_000)}")
        elif not names:
            notify("WATCHDOG=1")
        await trio.sleep(period)


async def tell_status(status: Callable[[], str], notify: Notify) -> None:
    """Tell the service manager how the daemon is, for `systemctl status`, until cancelled."""
    told = ""
    while True:
        text = status()
        if text != told:
            notify(f"STATUS={text}")
            told = text
        await trio.sleep(STATUS_SECONDS)
