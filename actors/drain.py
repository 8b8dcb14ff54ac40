"""Tells a partner what its outbox holds: in order per order, many orders side by side, nothing twice.

An effect that may have been carried out already (after a restart, a lost answer, nonsense) is looked up
before it is sent again. What follows from an answer stands in `aftermath`. It knows neither the partner's
protocol nor what a document means.

A lane of effects passes three hands: one that finds the persons its documents are about, one of the few that
call the partner, and a task that has recorded what came of it. So the few are never kept from calling by the
journal.
"""

import random
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice

import structlog
import trio

from actors.aftermath import Aftermath, EffectOwners, End
from actors.attempt import Caller, Leave, Observe, PartnerDoor, PutOff, Refused, Taken, Verdict, contact_of
from actors.circuit import Circuit
from actors.concerning import concerning_stream
from actors.domain.documents import is_found_by_what_stands
from actors.lanes import Lane, Lanes
from actors.ports.journal import Journal, PendingEffect
from actors.ports.people import Contact
from actors.precedence import Precedence

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 60.0
"""How often the outbox is looked at for what nobody said.

An actor that fell between a commit and its word of it.
"""

IN_HAND_MAX = 512
"""Lanes in hand: outcomes that are being recorded, and what waits for a caller.

An outcome lies for up to 0.1 s so that others are recorded with it (`GATHER_S` in `order`), so 5,000 a
second pass: with half as many, the last thousands of a peak waited for that alone. As many outcomes a crash
can have unrecorded, so as many are looked up after it."""

IN_A_ROW_MAX = 8
"""Effects of one order carried out before their outcomes are recorded.

More than an order asks of one partner at a time."""

CONTACT_FRESH_S = 1.0
"""A person who was read longer ago is read again before a partner is told: a lane may wait for minutes, and
who is erased meanwhile must not be named any more. To read one costs a millisecond."""

ERASED = Refused("the person's data was erased")


@dataclass(slots=True)
class _Errand:
    """A lane in hand: the persons that were asked for, those that were there, and what was taken so far.

    `lanes` are all that this run of the drain has; `read_at` is when the persons were read.
    """

    lanes: Lanes
    lane: Lane
    persons: Collection[str]
    contacts: Mapping[str, Contact]
    read_at: float
    taken: list[Taken] = field(default_factory=list)

    def next(self) -> PendingEffect | None:
        """Return the first effect that was not taken, None where the row ends with what was."""
        told = len(self.taken)
        if told >= min(len(self.lane.effects), IN_A_ROW_MAX):
            return None
        if told and is_found_by_what_stands(self.taken[-1].effect.document):
            return None  # the next would hide what became of it
        effect = self.lane.effects[told]
        person = contact_of(effect)
        if person and person not in self.persons:
            return None  # it came since, and somebody has to be looked up
        return effect


class Drain:
    """One partner's outbox at work. `workers` calls of the partner run side by side.

    With `precedence` it lets a channel's import go first: what the partner is to be told is recorded all the
    same, and told after it, or after a minute.

    Attributes:
        gives_way: whether it waits for an import.
    """

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
        precedence: Precedence | None = None,
    ) -> None:
        self.partner = partner
        self.circuit = Circuit(rng)
        self._journal = journal
        self._caller = Caller(partner, door, self.circuit, observe)
        self._owners = owners
        self._aftermath = Aftermath(partner, owners, rng, self._settled)
        self._workers = workers
        self._precedence = precedence
        self.gives_way = False
        self._lanes = Lanes()
        self._finishing = trio.Event()
        self._under_way: set[str] = set()
        self._quiet = trio.Event()
        self._hurry = trio.Event()
        self._given_up: dict[str, str] = {}
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._lanes = Lanes()
        self._errands: deque[_Errand] = deque()
        self._idle = trio.lowlevel.ParkingLot()
        self._in_hand = 0
        self._room = trio.lowlevel.ParkingLot()
        self._unheard: list[tuple[_Errand, Exception]] = []
        self._unheard_came = trio.Event()

    @property
    def depth(self) -> int:
        """How many effects are held in memory: all that wait, unless there are more than `lanes.HELD_MAX`."""
        return len(self._lanes)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest of these effects was asked for; None where there are none."""
        return self._lanes.oldest

    def add(self, effect: PendingEffect) -> None:
        """Take on an effect whose row is durable."""
        self._lanes.add(effect)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Drain until cancelled; what an earlier daemon, or run, left is looked up before it is sent."""
        self._begin_anew()
        await self._read_outbox()
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_for_the_overlooked)
            nursery.start_soon(self._conclude_the_unheard, nursery)
            nursery.start_soon(self._prepare, nursery, name=f"drain {self.partner}")
            for number in range(self._workers):
                nursery.start_soon(self._call, nursery, name=f"drain {self.partner} {number}")

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

    async def _prepare(self, nursery: trio.Nursery) -> None:
        """Take lanes in hand as they get ready, with the persons that their documents are about."""
        while not self._finishing.is_set():
            if self._lanes.wants_more:
                await self._read_outbox()
            while self._in_hand >= IN_HAND_MAX:
                await self._room.park()
            lanes = await self._lanes.ready(IN_HAND_MAX - self._in_hand)
            await self._give_way()
            self._in_hand += len(lanes)
            rows = (islice(lane.effects, IN_A_ROW_MAX) for lane in lanes)
            persons = {person for row in rows for effect in row if (person := contact_of(effect))}
            read_at = trio.current_time()
            contacts = await self._journal.contacts(persons) if persons else {}
            for lane in lanes:
                self._hand_on(nursery, _Errand(self._lanes, lane, persons, contacts, read_at))

    async def _give_way(self) -> None:
        if self._precedence is None or not self._precedence.is_held:
            return
        began = trio.current_time()
        log.info("import_goes_first", partner=self.partner)
        self.gives_way = True
        try:
            await self._precedence.give_way()
        finally:
            self.gives_way = False
        waited_s = round(trio.current_time() - began, 1)
        log.info("import_let_pass", partner=self.partner, waiting=self.depth, waited_s=waited_s)

    def _hand_on(self, nursery: trio.Nursery, errand: _Errand) -> None:
        """Hand a lane to who calls the partner, or to who records where nobody has to be asked."""
        refusal = self._refusal(errand, errand.lane.effects[0])
        if refusal is not None:
            with concerning_stream(errand.lane.stream):
                nursery.start_soon(self._conclude, errand, refusal)
        else:
            self._errands.append(errand)
            self._idle.unpark()

    async def _call(self, nursery: trio.Nursery) -> None:
        """Tell the partner one lane after another, and leave the recording to others."""
        while not self._finishing.is_set():
            while not self._errands:
                await self._idle.park()
            errand = self._errands.popleft()
            with concerning_stream(errand.lane.stream):
                end = await self._tell(errand)
                if end is not None or not self._owners.settle_soon(
                    errand.taken, partial(self._heard, errand)
                ):
                    nursery.start_soon(self._conclude, errand, end)

    async def _tell(self, errand: _Errand) -> End:
        """Tell the partner the lane's effects in their order while it takes them.

        Return what ended the row.
        """
        while (effect := errand.next()) is not None:
            try:
                verdict = self._refusal(errand, effect) or await self._attempt(errand, effect)
            except Exception as error:  # noqa: BLE001 - a bug, of which whoever records has to hear
                return error
            if not isinstance(verdict, Taken):
                return verdict
            errand.taken.append(verdict)
        return None

    def _refusal(self, errand: _Errand, effect: PendingEffect) -> Refused | None:
        """Return why the partner is not to be told an effect, if so."""
        given_up = self._given_up.get(effect.effect)
        if given_up is not None:
            return Refused(given_up)
        person = contact_of(effect)
        return ERASED if person and person not in errand.contacts else None

    async def _attempt(self, errand: _Errand, effect: PendingEffect) -> Verdict:
        may_be_done = self._lanes.may_be_done(effect)

        async def begin() -> Leave:
            person = contact_of(effect)
            contact = errand.contacts.get(person)
            if person and trio.current_time() > errand.read_at + CONTACT_FRESH_S:
                contact = (await self._journal.contacts({person})).get(person)
                if contact is None:
                    return ERASED
            if (refusal := self._refusal(errand, effect)) is not None:
                return refusal  # given up while it waited for the partner to come back
            if self._finishing.is_set() or not self._journal.is_ours():
                return PutOff()  # a daemon that was frozen may wake here, and another has told it since
            self._under_way.add(effect.stream)
            self._lanes.doubt(effect)
            return contact

        return await self._caller.attempt(effect, may_be_done=may_be_done, begin=begin)

    def _heard(self, errand: _Errand, error: Exception | None) -> None:
        """Let a lane go whose outcomes are recorded, or have it seen why they are not."""
        if errand.lanes is not self._lanes:
            return  # the drain fell meanwhile, and looks up by itself what its partner has taken
        if error is not None:
            self._unheard.append((errand, error))
            self._unheard_came.set()
            return
        for _ in errand.taken:
            self._aftermath.settle_first(errand.lane)
        self._let_go(errand.lane)
        self._lanes.put_back(errand.lane)

    async def _conclude_the_unheard(self, nursery: trio.Nursery) -> None:
        while True:
            await self._unheard_came.wait()
            self._unheard_came = trio.Event()
            unheard, self._unheard = self._unheard, []
            for errand, error in unheard:
                errand.taken.clear()
                with concerning_stream(errand.lane.stream):
                    nursery.start_soon(self._conclude, errand, error)

    async def _conclude(self, errand: _Errand, end: End) -> None:
        """Have recorded what the partner made of a lane, and see to its next attempt."""
        lane = errand.lane
        try:
            wait_s = await self._aftermath.record(lane, errand.taken, end)
        finally:
            self._let_go(lane)
        if wait_s is None:
            return
        if wait_s > 0:
            with trio.move_on_after(wait_s):
                await self._hurry.wait()
            self._lanes.make_ready(lane)
        else:
            self._lanes.put_back(lane)

    def _let_go(self, lane: Lane) -> None:
        self._in_hand -= 1
        self._room.unpark()
        self._under_way.discard(lane.stream)
        if self._finishing.is_set() and not self._under_way:
            self._quiet.set()

    def _settled(self, lane: Lane) -> None:
        self._given_up.pop(lane.effects[0].effect, None)  # if it was given up, that came too late
        self._lanes.settle_first(lane)
