"""Keeps an outage from filling the log with one line: of each key so many, then now and then one.

Only warnings and errors are held back. What is only information is not written more often than something
is done, and what is critical ends the daemon.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from structlog.typing import EventDict

BURST = 100
"""Lines of one key at once: what an ordinary trouble has to say."""

LINES_A_SECOND = 1.0
"""Lines of one key in the long run: an outage of a day is 86,400 lines at most, some 30 MB."""

SETTLE_SECONDS = 30.0
"""After so long without a line of its key it is told how many were left out: the flood is over."""

_HELD_BACK = ("warning", "error")


@dataclass(slots=True)
class _Key:
    room: float
    at: float
    left_out: int = 0


class Flood:
    """A processor that drops the lines of a key beyond its share; the next that passes says how many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: dict[str, _Key] = {}
        self._settled_at = clock()

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        """Return the event, or raise DropEvent."""
        now = self._clock()
        self._tell_what_is_over(now)
        if event.get("level") not in _HELD_BACK:
            return event
        key = self._keys.setdefault(_key_of(event), _Key(BURST, now))
        key.room = min(BURST, key.room + (now - key.at) * LINES_A_SECOND)
        key.at = now
        if key.room < 1:
            key.left_out += 1
            raise structlog.DropEvent
        key.room -= 1
        if key.left_out:
            event["left_out"] = key.left_out
            key.left_out = 0
        return event

    def _tell_what_is_over(self, now: float) -> None:
        if now - self._settled_at < SETTLE_SECONDS:
            return
        self._settled_at = now
        for name, key in self._keys.items():
            if key.left_out and now - key.at >= SETTLE_SECONDS:
                left_out, key.left_out = key.left_out, 0
                structlog.get_logger(__name__).info("log.left_out", of=name, lines=left_out)


def _key_of(event: EventDict) -> str:
    """Return what counts as one line: libraries share a key, and are told apart by their names."""
    return f"{event.get('event')} {event.get('library', '')}".strip()
