"""The trail of the control socket: every change that somebody who may asked for, durable before it is made.

It knows no change: who asked, in which words and what came of it is told to it. Whoever may not ask, and what
makes no sense, is in the log alone: else anybody who may look could fill the database.
"""

import re
from collections.abc import Awaitable, Callable, Generator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec.structs import replace

from actors.domain.control_events import ChangeAsked, ChangeOutcome, ChangeSettled, ControlEvent
from actors.domain.partitions import CONTROL
from actors.inspection import Inspection
from actors.ports.journal import Append, Journal, Recorded
from daemon.control.service import TrailFilter
from daemon.control.wire_log import ChangeTold

PAGE = 1_000
"""Events read at a time, newest first; a change is two."""

PAGES_MAX = 100
"""A hundred thousand events, days of a busy floor, are looked through for what is rare, and no more."""

REPEATED_WITHIN = timedelta(days=1)
"""The journal keeps an answer under its key as long."""

REPEAT_PAGES_MAX = 10
"""Whoever has lost an answer repeats within seconds, or once the daemon is back: 5,000 changes at most."""

WHY_LENGTH_MAX = 300
"""The reason of a refusal is a sentence; that of wrong rules, told by the key, may be many."""


class TrailJournal(Journal, Inspection, Protocol):
    """What the trail is kept in."""


class JournalTrail:
    """Implements `daemon.control.service.Trail` over a stream of the journal. `load` comes first.

    `name_of` names the user of a number, "" where there is none.
    """

    def __init__(
        self, journal: TrailJournal, clock: Callable[[], datetime], name_of: Callable[[int], Awaitable[str]]
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._name_of = name_of
        self._version = 0

    async def load(self) -> None:
        """Find where the trail ends."""
        last = await self._journal.newest(CONTROL, 1)
        self._version = last[0].version if last else 0

    async def asked(self, change: ChangeAsked) -> int:
        """Record that a change is asked for; return its number once that is durable."""
        user = await self._name_of(change.uid) if change.uid is not None else ""
        return await self._record(replace(change, user=user))

    async def settled(self, number: int, outcome: ChangeOutcome, why: str) -> None:
        """Record what came of it; return once that is durable."""
        await self._record(ChangeSettled(number, outcome, why[:WHY_LENGTH_MAX]))

    async def _record(self, event: ControlEvent) -> int:
        expected = self._version
        self._version += 1
        # Nobody else runs between the count and the call, so appends keep their order; see `Journal.append`.
        await self._journal.append(Append(CONTROL, expected, (event,), self._clock()))
        return expected + 1

    async def changes(self, wanted: TrailFilter, limit: int) -> Sequence[ChangeTold]:
        """Return the last changes that fit, the newest first."""
        told: list[ChangeTold] = []
        settled: dict[int, ChangeSettled] = {}
        before: int | None = None
        for _ in range(PAGES_MAX):
            page = await self._journal.newest(CONTROL, PAGE, before)
            told += _paired(page, settled, wanted)
            if len(page) < PAGE or len(told) >= limit:
                break
            before = page[-1].version
        return told[:limit]

    async def was_done(self, change: ChangeAsked) -> bool:
        """Tell whether the same was asked for under the same key within a day, and was done."""
        since = self._clock() - REPEATED_WITHIN
        settled: dict[int, ChangeSettled] = {}
        before: int | None = None
        for _ in range(REPEAT_PAGES_MAX):
            page = await self._journal.newest(CONTROL, PAGE, before)
            lately = [each for each in page if each.at >= since]
            for told in _paired(lately, settled, TrailFilter(), change):
                if told.outcome == "done":
                    return True
            if len(lately) < PAGE:
                break
            before = page[-1].version
        return False


def _paired(
    page: Sequence[Recorded],
    settled: dict[int, ChangeSettled],
    wanted: TrailFilter,
    like: ChangeAsked | None = None,
) -> Generator[ChangeTold]:
    """Return the changes of a page that fit and repeat `like`; `settled` keeps what settles earlier ones."""
    for recorded in page:
        match recorded.event:
            case ChangeSettled(asked):
                settled[asked] = recorded.event
            case ChangeAsked():
                outcome = settled.pop(recorded.version, None)
                if _fits(recorded.event, wanted) and (like is None or _is_repeat(recorded.event, like)):
                    yield _told(recorded, recorded.event, outcome)
            case _:
                raise TypeError(f"a {type(recorded.event).__name__} stands in the trail")


def _fits(change: ChangeAsked, wanted: TrailFilter) -> bool:
    return wanted.user in ("", change.user, str(change.uid)) and (
        _names(change.path, wanted.about) or _names(change.terms, wanted.about)
    )


def _is_repeat(change: ChangeAsked, other: ChangeAsked) -> bool:
    return (change.path, change.key, change.digest, change.dry_run) == (
        other.path,
        other.key,
        other.digest,
        other.dry_run,
    )


def _names(text: str, about: str) -> bool:
    """Tell whether a text names something whole: main-1 stands in main-1.1, and not in main-10."""
    return not about or re.search(rf"(?<![\w-]){re.escape(about)}(?![\w-])", text) is not None


def _told(recorded: Recorded, change: ChangeAsked, settled: ChangeSettled | None) -> ChangeTold:
    return ChangeTold(
        at=recorded.at,
        path=change.path,
        terms=change.terms,
        key=change.key,
        dry_run=change.dry_run,
        uid=change.uid,
        pid=change.pid,
        user=change.user,
        role=change.role,
        outcome=settled.outcome if settled is not None else "unknown",
        why=settled.why if settled is not None else "no end of it was recorded",
    )
