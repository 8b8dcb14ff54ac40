"""The effects that a drain holds in memory: in order per stream, a stream's first only at a time.

It calls nobody.

The outbox is the truth. Once an effect had to be left there, because memory was full or nothing was read yet,
every later one is left there too until the outbox has been read: otherwise it would overtake.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import trio

from actors.domain.order_state import AGAIN
from actors.ports.journal import PendingEffect

HELD_MAX = 20_000
"""Effects held in memory (some 20 MB): an hour's outage at five a second."""


@dataclass(slots=True)
class Lane:
    """The effects of one stream, the oldest first."""

    stream: str
    effects: deque[PendingEffect] = field(default_factory=deque)
    attempts: int = 0
    nonsense: int = 0


class Lanes:
    """All lanes of one partner, and which of them are ready to have their first effect tried."""

    def __init__(self, held_max: int = HELD_MAX) -> None:
        self._held_max = held_max
        self._lanes: dict[str, Lane] = {}
        self._held: set[str] = set()
        self._unsure: set[str] = set()
        self._ready: deque[str] = deque()
        self._idle = trio.lowlevel.ParkingLot()
        self._late: list[PendingEffect] | None = None
        self._settled_meanwhile: set[str] = set()
        self._behind = True

    def __len__(self) -> int:
        return len(self._held)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest of the effects was asked for; None where there are none."""
        return min(
            (lane.effects[0].requested_at for lane in self._lanes.values() if lane.effects), default=None
        )

    @property
    def wants_more(self) -> bool:
        """Whether effects wait in the outbox, there is room for them, and nobody is reading it."""
        return self._behind and self._late is None and len(self._held) < self._held_max // 2

    @property
    def has_room(self) -> bool:
        """Whether the outbox may be looked at for what was overlooked."""
        return self._late is None and len(self._held) < self._held_max // 2

    def add(self, effect: PendingEffect) -> None:
        """Take on an effect whose row is durable, or leave it to the next reading of the outbox."""
        if effect.effect in self._held:
            return
        if self._late is not None:
            self._late.append(effect)
        elif not self._behind:
            self._take_on(effect)

    def begin_reading(self) -> int:
        """Note what comes while the outbox is read; return how many rows are of use."""
        self._late = []
        self._settled_meanwhile.clear()
        return self._held_max

    def end_reading(self, rows: Sequence[PendingEffect] | None) -> None:
        """Take on what the outbox held, the oldest first, then what came meanwhile.

        None if it could not be read.

        What comes from the outbox may have been carried out already, by whoever was here before.
        """
        late, self._late = self._late or [], None
        self._behind = rows is None or len(rows) >= self._held_max
        for effect in rows or ():
            if effect.effect not in self._held and effect.effect not in self._settled_meanwhile:
                self._unsure.add(effect.effect)
                self._take_on(effect)
        for effect in () if self._behind else late:
            if effect.effect not in self._held and effect.effect not in self._settled_meanwhile:
                self._take_on(effect)

    def _take_on(self, effect: PendingEffect) -> None:
        if len(self._held) >= self._held_max:
            self._behind = True
            return
        self._held.add(effect.effect)
        lane = self._lanes.get(effect.stream)
        if lane is None:
            lane = self._lanes[effect.stream] = Lane(effect.stream)
            self.make_ready(lane)
        lane.effects.append(effect)

    def make_ready(self, lane: Lane) -> None:
        """Let the lane's first effect be tried."""
        self._ready.append(lane.stream)
        self._idle.unpark()

    async def ready(self, most: int) -> list[Lane]:
        """Wait for lanes that are ready, and hand the first `most` of them to the caller alone."""
        while not self._ready:
            await self._idle.park()
        return [self._lanes[self._ready.popleft()] for _ in range(min(most, len(self._ready)))]

    def may_be_done(self, effect: PendingEffect) -> bool:
        """Tell whether the partner may have the effect already, so that it has to be looked up first.

        So it is where it was asked for before: a person may have given it up after an answer that nobody
        understood.
        """
        return effect.effect in self._unsure or AGAIN in effect.effect

    def doubt(self, effect: PendingEffect) -> None:
        """Note that the partner may have the effect from now on."""
        self._unsure.add(effect.effect)

    def settle_first(self, lane: Lane) -> None:
        """Forget the lane's first effect, whose outcome is recorded."""
        effect = lane.effects.popleft()
        self._held.discard(effect.effect)
        self._unsure.discard(effect.effect)
        if self._late is not None:
            self._settled_meanwhile.add(effect.effect)
        lane.attempts = lane.nonsense = 0

    def put_back(self, lane: Lane) -> None:
        """Let what has come into the lane meanwhile be tried; an empty one is forgotten."""
        if lane.effects:
            self.make_ready(lane)
        else:
            del self._lanes[lane.stream]
