"""Tells a partner what its outbox holds: in order per order, many orders side by side, nothing twice.

An effect that may have been carried out already (after a restart, a lost answer, nonsense) is looked up
before it is sent again. What the partner refuses goes back to its owner as a fact; what nobody understands is
put before a person and tried again now and then. It knows neither the partner's protocol nor what a document
means.
"""

import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog
import trio

from actors.circuit import Circuit
from actors.domain.documents import Document
from actors.errors import MalformedError, OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from actors.mailbox import SetAsideError
from actors.ports import Contact, Journal, Outcome, PendingEffect

log = structlog.get_logger(__name__)

QUEUE_MAX = 20_000
"""Effects held in memory (some 20 MB): an hour's outage at five a second.

What is beyond waits in the outbox.
"""

RETRY_S_FIRST = 0.5
RETRY_S_MAX = 60.0
"""A partner that answers again after an outage should not have to wait longer than a minute to be asked."""

IN_HAND_MAX = 64
"""Orders whose effects are in hand.

Only the partner's calls are few at a time. What waits for the journal side by side is recorded by one commit.
"""

NONSENSE_MAX = 5
"""Nonsense this many times in a row is not a proxy's hiccup: a person has to look."""

NONSENSE_RETRY_S = 600.0
"""What a person has to mend is tried again every ten minutes, in case somebody did."""


class PartnerDoor(Protocol):
    """What a drain needs of a partner, whichever it is."""

    async def find(self, document: Document) -> Outcome | None:
        """Look for what an earlier attempt did."""

    async def carry_out(self, document: Document, contact: Contact | None) -> Outcome:
        """Do it."""


Settle = Callable[[PendingEffect, Outcome, Contact | None], Awaitable[None]]
Refuse = Callable[[PendingEffect, str], Awaitable[None]]
Report = Callable[[PendingEffect, str], Awaitable[None]]
Observe = Callable[[str, str, float], None]
"""Called with the partner, the outcome's name and the seconds that a call took."""


@dataclass(slots=True)
class _Lane:
    """The effects of one stream, in order. `unsure` says that the first may have been carried out already."""

    effects: deque[PendingEffect] = field(default_factory=deque)
    unsure: bool = False
    attempts: int = 0
    nonsense: int = 0
    began: float = 0.0


class Drain:
    """One partner's outbox at work."""

    def __init__(
        self,
        partner: str,
        journal: Journal,
        door: PartnerDoor,
        *,
        settle: Settle,
        refuse: Refuse,
        report: Report,
        workers: int,
        rng: random.Random,
        observe: Observe,
    ) -> None:
        self.partner = partner
        self.circuit = Circuit(rng)
        self._journal = journal
        self._door = door
        self._settle = settle
        self._refuse = refuse
        self._report = report
        self._calls = trio.CapacityLimiter(workers)
        self._rng = rng
        self._observe = observe
        self._lanes: dict[str, _Lane] = {}
        self._held: set[str] = set()
        self._ready: deque[str] = deque()
        self._work = trio.Event()
        self._left_in_outbox = False
        self._finishing = trio.Event()
        self._under_way: set[str] = set()
        self._quiet = trio.Event()

    @property
    def depth(self) -> int:
        """How many effects are held in memory."""
        return len(self._held)

    def add(self, effect: PendingEffect, *, unsure: bool = False) -> None:
        """Take on an effect whose row is durable. Beyond `QUEUE_MAX` it is read from the outbox later."""
        if effect.effect in self._held:
            return
        if len(self._held) >= QUEUE_MAX:
            self._left_in_outbox = True
            return
        self._held.add(effect.effect)
        lane = self._lanes.get(effect.stream)
        if lane is None:
            lane = self._lanes[effect.stream] = _Lane(unsure=unsure)
            self._make_ready(effect.stream)
        lane.effects.append(effect)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Drain until cancelled; what an earlier daemon left is looked up before it is sent."""
        await self._load()
        task_status.started()
        async with trio.open_nursery() as nursery:
            for number in range(IN_HAND_MAX):
                nursery.start_soon(self._serve, nursery, name=f"drain {self.partner} {number}")

    async def finish(self) -> None:
        """Begin no further attempt, and return once those under way have their outcome recorded."""
        self._finishing.set()
        if self._under_way:
            await self._quiet.wait()

    async def _load(self) -> None:
        self._left_in_outbox = False
        for effect in await self._journal.pending(self.partner, QUEUE_MAX):
            self.add(effect, unsure=True)

    def _make_ready(self, stream: str) -> None:
        self._ready.append(stream)
        self._work.set()

    async def _serve(self, nursery: trio.Nursery) -> None:
        while not self._finishing.is_set():
            if self._left_in_outbox and len(self._held) < QUEUE_MAX // 2:
                await self._load()
            while not self._ready:
                if self._work.is_set():
                    self._work = trio.Event()
                await self._work.wait()
            stream = self._ready.popleft()
            try:
                wait_s = await self._attempt(self._lanes[stream])
            finally:
                self._under_way.discard(stream)
                if self._finishing.is_set() and not self._under_way:
                    self._quiet.set()
            if wait_s is None:
                return
            if wait_s > 0:
                nursery.start_soon(self._ready_after, stream, wait_s)
            elif self._lanes[stream].effects:
                self._make_ready(stream)
            else:
                del self._lanes[stream]

    async def _ready_after(self, stream: str, seconds: float) -> None:
        await trio.sleep(seconds)
        self._make_ready(stream)

    async def _attempt(self, lane: _Lane) -> float | None:
        """Try the lane's first effect once.

        Return how many seconds to leave the lane alone, 0 when it is settled; None when the daemon drains and
        it was not begun any more.
        """
        effect = lane.effects[0]
        lane.began = trio.current_time()
        outcome = "ok"
        try:
            outcome = await self._try(lane)
            if outcome == "put_off":
                return None
        except SetAsideError:
            # The partner has answered, and whom it concerns cannot hear it. What comes after in the lane must not
            # overtake it: the answer is found again when its owner is mended.
            outcome = "set_aside"
            return NONSENSE_RETRY_S
        except (UnreachableError, OutcomeUnknownError) as error:
            outcome = "unreachable" if isinstance(error, UnreachableError) else "unknown"
            self.circuit.failed()
            return self._retry_later(effect, lane, error)
        except MalformedError as error:
            outcome = "malformed"
            lane.nonsense += 1
            if lane.nonsense == NONSENSE_MAX:
                await self._report(effect, str(error))
            wait_s = self._retry_later(effect, lane, error)
            return NONSENSE_RETRY_S if lane.nonsense >= NONSENSE_MAX else wait_s
        finally:
            self._observe(self.partner, outcome, trio.current_time() - lane.began)
        lane.effects.popleft()
        self._held.discard(effect.effect)
        lane.attempts = lane.nonsense = 0
        lane.unsure = False
        return 0.0

    async def _try(self, lane: _Lane) -> str:
        """Have the lane's first effect carried out and its outcome recorded; return the outcome's name."""
        effect = lane.effects[0]
        try:
            contact = await self._contact(effect.document)
            done = await self._call(lane, contact)
        except RefusedError as error:
            self.circuit.succeeded()
            await self._refuse(effect, error.why or str(error))
            return "refused"
        if done is None:
            return "put_off"
        await self._settle(effect, done, contact)
        return "ok"

    async def _call(self, lane: _Lane, contact: Contact | None) -> Outcome | None:
        """Look for what the lane's first effect did already, else carry it out, as one of the few callers.

        Return None when the daemon drains by now.
        """
        effect = lane.effects[0]
        async with self._calls, self.circuit.admitted():
            if self._finishing.is_set():
                return None
            self._under_way.add(effect.stream)
            lane.began = trio.current_time()
            done = await self._door.find(effect.document) if lane.unsure else None
            if done is None:
                lane.unsure = True
                done = await self._door.carry_out(effect.document, contact)
            self.circuit.succeeded()
            return done

    def _retry_later(self, effect: PendingEffect, lane: _Lane, error: PartnerError) -> float:
        lane.attempts += 1
        longest = min(RETRY_S_FIRST * 2.0 ** (lane.attempts - 1), RETRY_S_MAX)
        wait_s = longest * self._rng.uniform(0.5, 1.0)
        log.warning(
            "effect_delayed",
            partner=self.partner,
            effect=effect.effect,
            attempts=lane.attempts,
            error=type(error).__name__,
            detail=str(error),
            wait_s=round(wait_s, 2),
        )
        return wait_s

    async def _contact(self, document: Document) -> Contact | None:
        """Return the person a document names.

        Raises:
            RefusedError: the person was erased meanwhile.
        """
        id_ = getattr(document, "contact", "")
        if not id_:
            return None
        contact = await self._journal.contact(id_)
        if contact is None:
            raise RefusedError(self.partner, "look up the contact", "the person's data was erased")
        return contact
