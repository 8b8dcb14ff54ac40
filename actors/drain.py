"""Tells a partner what its outbox holds: in order per order, many orders side by side, nothing twice.

An effect that may have been carried out already (after a restart, a lost answer, nonsense) is looked up
before it is sent again. What the partner refuses goes back to its owner as a fact; what nobody understands is
put before a person and tried again now and then. It knows neither the partner's protocol nor what a document
means.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

import structlog
import trio

from actors.circuit import Circuit
from actors.concerning import concerning_stream
from actors.domain.documents import Document, is_found_by_what_stands
from actors.errors import MalformedError, OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from actors.lanes import Lane, Lanes
from actors.mailbox import CRASHES_MAX, SetAsideError
from actors.ports import Contact, Journal, Outcome, PendingEffect
from actors.supervisor import FATAL

log = structlog.get_logger(__name__)

RETRY_S_FIRST = 0.5
RETRY_S_MAX = 60.0
"""A partner that answers again after an outage should not have to wait longer than a minute to be asked."""

LOOK_EVERY_S = 60.0
"""How often the outbox is looked at for what nobody said.

An actor that fell between a commit and its word of it.
"""

IN_HAND_MAX = 64
"""Orders whose effects are in hand.

Only the partner's calls are few at a time. What waits for the journal side by side is recorded by one commit.
"""

IN_A_ROW_MAX = 8
"""Effects of one order carried out before their outcomes are recorded.

More than an order asks of one partner at a time."""

NONSENSE_MAX = 5
"""Nonsense this many times in a row is not a proxy's hiccup: a person has to look."""

NONSENSE_RETRY_S = 600.0
"""What a person has to mend is tried again every ten minutes, in case somebody did."""


class PartnerDoor(Protocol):
    """What a drain needs of a partner, whichever it is."""

    async def find(self, document: Document) -> Outcome | None:
        """Look for what an earlier attempt did."""
        ...

    async def carry_out(self, document: Document, contact: Contact | None) -> Outcome:
        """Do it."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """An effect that the partner has carried out, what came of it, and the person it was about."""

    effect: PendingEffect
    outcome: Outcome
    contact: Contact | None


@dataclass(frozen=True, slots=True)
class _Refused:
    why: str
    name: str = "refused"


@dataclass(frozen=True, slots=True)
class _Failed:
    error: PartnerError
    name: str


class _PutOff:
    """It was not begun any more, since the daemon drains."""

    name = "put_off"


class EffectOwners(Protocol):
    """Whom the outcome of an effect concerns. Each returns once it is durable."""

    async def settle(self, taken: Sequence[Taken]) -> None:
        """Record that the partner has taken these documents of one stream."""
        ...

    async def refuse(self, effect: PendingEffect, why: str) -> None:
        """Record that the partner will not take it."""
        ...

    async def report(self, effect: PendingEffect, why: str) -> None:
        """Put before a person that nobody understands the partner's answers; the same matter once."""
        ...


Observe = Callable[[str, str, float], None]
"""Called with the partner, the outcome's name and the seconds that a call took."""


class Drain:
    """One partner's outbox at work. `workers` calls of the partner run side by side."""

    def __init__(
        self,
        partner: str,
        journal: Journal,
        door: PartnerDoor,
        owners: EffectOwners,
        *,
        workers: int,
        rng: random.Random,
        observe: Observe,
    ) -> None:
        self.partner = partner
        self.circuit = Circuit(rng)
        self._journal = journal
        self._door = door
        self._owners = owners
        self._calls = trio.CapacityLimiter(workers)
        self._rng = rng
        self._observe = observe
        self._lanes = Lanes()
        self._crashes: Counter[str] = Counter()
        self._finishing = trio.Event()
        self._under_way: set[str] = set()
        self._quiet = trio.Event()
        self._hurry = trio.Event()
        self._given_up: dict[str, str] = {}

    @property
    def depth(self) -> int:
        """How many effects are held in memory."""
        return len(self._lanes)

    def add(self, effect: PendingEffect) -> None:
        """Take on an effect whose row is durable."""
        self._lanes.add(effect)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Drain until cancelled; what an earlier daemon, or run, left is looked up before it is sent."""
        self._lanes = Lanes()
        await self._read_outbox()
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_for_the_overlooked)
            for number in range(IN_HAND_MAX):
                nursery.start_soon(self._serve, nursery, name=f"drain {self.partner} {number}")

    def hurry(self) -> None:
        """Try everything that waits for a further attempt now: a person says that the partner is mended."""
        self.circuit.try_now()
        self._hurry.set()
        self._hurry = trio.Event()

    def give_up(self, effect: str, why: str) -> None:
        """Tell the partner this effect no more: when its turn comes, it is recorded as refused, for `why`.

        It is the drain that records it, as every other outcome, so no attempt that is under way is overtaken.
        """
        self._given_up[effect] = why
        self.hurry()

    async def finish(self) -> None:
        """Begin no further attempt, and return once those under way have their outcome recorded."""
        self._finishing.set()
        if self._under_way:
            await self._quiet.wait()

    async def _read_outbox(self) -> None:
        limit = self._lanes.begin_reading()
        rows = None
        try:
            rows = await self._journal.pending(self.partner, limit)
        finally:
            self._lanes.end_reading(rows)

    async def _look_for_the_overlooked(self) -> None:
        while True:
            await trio.sleep(LOOK_EVERY_S)
            if self._lanes.has_room:
                await self._read_outbox()

    async def _serve(self, nursery: trio.Nursery) -> None:
        while not self._finishing.is_set():
            if self._lanes.wants_more:
                await self._read_outbox()
            lane = await self._lanes.ready()
            try:
                with concerning_stream(lane.stream):
                    wait_s = await self._work(lane)
            finally:
                self._under_way.discard(lane.stream)
                if self._finishing.is_set() and not self._under_way:
                    self._quiet.set()
            if wait_s is None:
                return
            if wait_s > 0:
                nursery.start_soon(self._ready_after, lane, wait_s)
            else:
                self._lanes.put_back(lane)

    async def _ready_after(self, lane: Lane, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self._hurry.wait()
        self._lanes.make_ready(lane)

    async def _work(self, lane: Lane) -> float | None:
        """Try the lane's effects in their order while the partner takes them, and record what came of it.

        What it took in a row is recorded together, but for what the next would hide. A fall in between has it
        looked up, as any lost answer.
        Return how many seconds to leave the lane alone; None when the daemon drains and the next was not
        begun any more.
        """
        taken: list[Taken] = []
        try:
            while len(taken) < min(len(lane.effects), IN_A_ROW_MAX):
                verdict = await self._attempt(lane, lane.effects[len(taken)])
                if not isinstance(verdict, Taken):
                    await self._settle(lane, taken)
                    return await self._react(lane, verdict)
                taken.append(verdict)
                if is_found_by_what_stands(verdict.effect.document):
                    await self._settle(lane, taken)
            await self._settle(lane, taken)
        except FATAL:
            raise
        except SetAsideError:
            # The partner has answered, and whom it concerns cannot hear it. What comes after in the lane must
            # not overtake it: the answer is found again when its owner is mended.
            self._observe(self.partner, "set_aside", 0.0)
            return NONSENSE_RETRY_S
        except Exception as error:  # noqa: BLE001 - a bug: it is raised again, or put before a person
            return await self._after_crash(lane.effects[min(len(taken), len(lane.effects) - 1)], error)
        return 0.0

    async def _settle(self, lane: Lane, taken: list[Taken]) -> None:
        if taken:
            await self._owners.settle(taken)
            for each in taken:
                self._given_up.pop(each.effect.effect, None)  # it came too late
                self._lanes.settle_first(lane)
            taken.clear()

    async def _attempt(self, lane: Lane, effect: PendingEffect) -> "Taken | _Refused | _Failed | _PutOff":
        """Have the effect carried out, and return what the partner made of it."""
        lane.began = trio.current_time()
        outcome = "cancelled"
        try:
            verdict = await self._carry_out(lane, effect)
            outcome = "ok" if isinstance(verdict, Taken) else verdict.name
        except Exception:
            outcome = "crashed"
            raise
        finally:
            self._observe(self.partner, outcome, trio.current_time() - lane.began)
        return verdict

    async def _carry_out(self, lane: Lane, effect: PendingEffect) -> "Taken | _Refused | _Failed | _PutOff":
        given_up = self._given_up.get(effect.effect)
        if given_up is not None:
            return _Refused(given_up, "given_up")
        id_ = getattr(effect.document, "contact", "")
        contact = await self._journal.contact(id_) if id_ else None
        if id_ and contact is None:
            return _Refused("the person's data was erased")
        try:
            outcome = await self._call(lane, effect, contact)
        except RefusedError as error:
            self.circuit.succeeded()
            return _Refused(error.why or str(error))
        except UnreachableError as error:
            return _Failed(error, "unreachable")
        except OutcomeUnknownError as error:
            return _Failed(error, "unknown")
        except MalformedError as error:
            return _Failed(error, "malformed")
        return Taken(effect, outcome, contact) if outcome is not None else _PutOff()

    async def _call(self, lane: Lane, effect: PendingEffect, contact: Contact | None) -> Outcome | None:
        """Look for what the effect did already, else carry it out, as one of the few callers.

        Return None when the daemon drains by now.
        """
        async with self._calls, self.circuit.admitted():
            if self._finishing.is_set():
                return None
            self._under_way.add(lane.stream)
            lane.began = trio.current_time()  # to wait for leave is not the partner's time
            done = await self._door.find(effect.document) if self._lanes.may_be_done(effect) else None
            if done is None:
                self._lanes.doubt(effect)
                done = await self._door.carry_out(effect.document, contact)
            self.circuit.succeeded()
            return done

    async def _react(self, lane: Lane, verdict: "_Refused | _Failed | _PutOff") -> float | None:
        """Do what follows from it that the lane's first effect was not taken; return as `_work`."""
        effect = lane.effects[0]
        match verdict:
            case _PutOff():
                return None
            case _Refused(why):
                await self._owners.refuse(effect, why)
                self._given_up.pop(effect.effect, None)
                self._lanes.settle_first(lane)
                return 0.0
            case _Failed(MalformedError() as error):
                lane.nonsense += 1
                wait_s = self._retry_later(effect, lane, error)
                if lane.nonsense < NONSENSE_MAX:
                    return wait_s
                await self._owners.report(effect, str(error))
                return NONSENSE_RETRY_S
            case _Failed(error):
                self.circuit.failed()
                return self._retry_later(effect, lane, error)
            case _:
                assert_never(verdict)

    def _retry_later(self, effect: PendingEffect, lane: Lane, error: PartnerError) -> float:
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

    async def _after_crash(self, effect: PendingEffect, error: Exception) -> float:
        """Let the drain fall and start anew, as any actor; the second time, the effect is to blame."""
        self._crashes[effect.effect] += 1
        if self._crashes[effect.effect] < CRASHES_MAX:
            raise error
        log.error("effect_set_aside", partner=self.partner, effect=effect.effect, error=type(error).__name__)
        await self._owners.report(effect, f"it crashed the drain with {type(error).__name__}")
        return NONSENSE_RETRY_S
