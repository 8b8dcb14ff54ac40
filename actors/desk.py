"""The desk: keeps what a person should look at, and who looks after it.

Orders that nobody else would move again are woken by the `Waker` beside it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, assert_never, cast

import structlog
import trio

from actors.concerning import concerned, concerning
from actors.directory import Clock
from actors.domain.anomaly_events import AnomalyRaised, AnomalyResolved, AnomalyTaken
from actors.mailbox import Mailbox, SetAsideError, ask
from actors.order import SetAside
from actors.ports.journal import Append, Journal, KeyedAnswer
from actors.ports.people import BesideRow

log = structlog.get_logger(__name__)

STREAM = "desk"

DONE = b"done"
"""What is kept under the key of somebody who took or settled a matter."""

DeskEvent = AnomalyRaised | AnomalyResolved | AnomalyTaken

OUTBOX_LATE = timedelta(minutes=15)
"""A partner is told within seconds, or minutes after an outage; beyond this a person should know."""

OUTBOX_CHECK_S = 30.0

TAKEN_REMEMBERED = 10_000
"""Matters somebody looks after, the oldest forgotten first: a hundred people with a hundred each."""

MAILBOX_MAX = 1_000
"""Anomalies to be recorded; whoever raises one more waits a commit."""


@dataclass(frozen=True, slots=True)
class Raise:
    """Put something before a person; `anomaly` names the matter, and the same matter is raised once.

    `order` is the one that it is about, for the log.
    """

    anomaly: str
    problem: str
    detail: str
    mend: str
    beside: tuple[BesideRow, ...] = ()
    order: str = field(default_factory=concerned)


@dataclass(frozen=True, slots=True)
class Resolve:
    """The matter is settled; under one key it is settled once, whatever is raised later."""

    anomaly: str
    by: str
    key: str = ""
    order: str = field(default_factory=concerned)


@dataclass(frozen=True, slots=True)
class Take:
    """Somebody looks after the matter that was raised then; with `over` also what another looks after."""

    anomaly: str
    by: str
    raised_at: datetime
    over: bool = False
    key: str = ""
    order: str = field(default_factory=concerned)


Matter = Raise | Resolve | Take
"""What the desk records."""


class Taken(NamedTuple):
    """Who looks after a matter, and since when."""

    by: str
    at: datetime


class Desk:
    """The desk's actor, and its watch over what partners have still to be told."""

    def __init__(self, journal: Journal, clock: Clock, mailbox: Mailbox[Matter]) -> None:
        self._journal = journal
        self._clock = clock
        self._mailbox = mailbox
        self._version = 0
        self._open: set[str] = set()
        self._taken: dict[str, Taken] = {}

    @property
    def mailbox(self) -> Mailbox[Matter]:
        """What it has still to record, to look at."""
        return self._mailbox

    def now(self) -> datetime:
        """Return the instant by which matters are raised."""
        return self._clock()

    def has(self, anomaly: str) -> bool:
        """Tell whether the matter is open."""
        return anomaly in self._open

    async def raise_anomaly(self, anomaly: Raise) -> None:
        """Record that a person should look, unless the matter is open already; return once it is durable."""
        if anomaly.anomaly in self._open and not len(self._mailbox):  # what lies there may be its settling
            return
        await ask(self._mailbox, anomaly)

    async def resolve(self, anomaly: str, by: str, key: str = "") -> None:
        """Record that the matter is settled, if it was open; return once it is durable."""
        if anomaly not in self._open:
            return
        await ask(self._mailbox, Resolve(anomaly, by, key))

    def taken(self, anomaly: str, raised_at: datetime) -> Taken | None:
        """Return who looks after the matter that was raised then.

        Whoever looked after one of that name before is done with it.
        """
        taken = self._taken.get(anomaly)
        return taken if taken is not None and taken.at >= raised_at else None

    def would_take(self, take: Take) -> tuple[AnomalyTaken, ...]:
        """Return what taking it records: nothing where somebody looks after it who is not to be relieved."""
        taken = self.taken(take.anomaly, take.raised_at)
        if taken is not None and (taken.by == take.by or not take.over):
            return ()
        return (AnomalyTaken(take.anomaly, take.by),)

    async def take(self, take: Take) -> Taken | None:
        """Record that somebody looks after a matter; return who does once that is durable.

        A repeat under the same key changes nothing, and is answered as the first was.
        """
        if take.key and await self._journal.keyed_answer(STREAM, take.key) is not None:
            return Taken(take.by, self._clock())
        await ask(self._mailbox, take)
        return self.taken(take.anomaly, take.raised_at)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Record anomalies until the mailbox is closed."""
        self._open.clear()
        self._taken.clear()
        self._version = 0
        for recorded in await self._journal.read(STREAM):
            self._version = recorded.version
            self._follow(cast("DeskEvent", recorded.event), recorded.at)
        task_status.started()
        while letters := await self._mailbox.take(1):
            with concerning(letters[0].message.order):
                await self._record(letters[0].message)
            if letters[0].reply is not None:
                letters[0].reply.send(None)
            self._mailbox.settle()

    async def crashed(self, error: Exception) -> None:
        """Take back what was in hand.

        What crashes the desk itself cannot be put before a person but in the log.
        """
        for letter in self._mailbox.after_crash():
            with concerning(letter.message.order):
                log.error("anomaly_set_aside", anomaly=letter.message.anomaly, error=type(error).__name__)
            if letter.reply is not None:
                letter.reply.fail(SetAsideError(f"{letter.message.anomaly} was set aside"))

    async def _record(self, message: Matter) -> None:
        key = "" if isinstance(message, Raise) else message.key
        events = self._decide(message)
        if not events or (key and await self._journal.keyed_answer(STREAM, key) is not None):
            return
        if isinstance(message, Raise):
            log.warning("anomaly_raised", anomaly=message.anomaly, problem=message.problem)
        now = self._clock()
        beside = message.beside if isinstance(message, Raise) else ()
        answers = (KeyedAnswer(key, DONE),) if key else ()
        append = Append(STREAM, self._version, events, now, beside=beside, answers=answers)
        await self._journal.append(append)
        for event in events:
            self._version += 1
            self._follow(event, now)

    def _decide(self, message: Matter) -> tuple[DeskEvent, ...]:
        anomaly = message.anomaly
        match message:
            case Raise(_, problem, detail, mend):
                is_open = anomaly in self._open
                return () if is_open else (AnomalyRaised(anomaly, problem, detail, mend),)
            case Resolve(_, by):
                return (AnomalyResolved(anomaly, by),) if anomaly in self._open else ()
            case Take():
                return self.would_take(message)
            case _:
                assert_never(message)

    def _follow(self, event: DeskEvent, at: datetime) -> None:
        match event:
            case AnomalyRaised(anomaly):
                self._open.add(anomaly)
            case AnomalyResolved(anomaly):
                self._open.discard(anomaly)
            case AnomalyTaken(anomaly, by):
                self._taken.pop(anomaly, None)
                self._taken[anomaly] = Taken(by, at)
                if len(self._taken) > TAKEN_REMEMBERED:
                    del self._taken[next(iter(self._taken))]
            case _:
                assert_never(event)

    async def watch_outboxes(
        self, partners: Sequence[str], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Put a partner before a person as long as it has not been told something for `OUTBOX_LATE`.

        One that is not in the settings any more is never told, and nothing else would show it.
        """
        task_status.started()
        while True:
            for gone in sorted(set(await self._journal.owed()) - set(partners)):
                detail = f"{gone} has still to be told something, and is not in the settings"
                mend = "put it back into the settings until it was told"
                await self.raise_anomaly(Raise(f"late:{gone}", "partner_behind", detail, mend))
            for partner in partners:
                oldest = await self._journal.pending(partner, 1)
                if oldest and oldest[0].requested_at < self._clock() - OUTBOX_LATE:
                    detail = f"{oldest[0].effect} waits since {oldest[0].requested_at:%Y-%m-%d %H:%M} UTC"
                    await self.raise_anomaly(
                        Raise(
                            f"late:{partner}",
                            "partner_behind",
                            detail,
                            "wharfctl outbox list, then wharfctl outbox retry",
                        )
                    )
                else:
                    await self.resolve(f"late:{partner}", "system")
            await trio.sleep(OUTBOX_CHECK_S)


def set_aside_by(raise_anomaly: Callable[[Raise], Awaitable[None]]) -> SetAside:
    """Return what puts a message that was set aside before a person."""

    async def set_aside(actor: str, message: str, error: str) -> None:
        mend = f"report the log of {actor}, then wharfctl order show"
        detail = f"{message} crashed {actor} with {error}"
        await raise_anomaly(Raise(f"poison:{actor}:{message}", "poison_message", detail, mend))

    return set_aside
