"""What follows from what a partner made of a lane of effects: it is recorded, and it is tried again or not.

Whoever asked for an effect hears that it was taken or refused; what nobody understands is put before a person
and tried again now and then. It calls no partner, and knows nothing of who else waits.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol, assert_never

import structlog

from actors.attempt import Failed, PutOff, Refused, Taken
from actors.errors import MalformedError, PartnerError
from actors.lanes import Lane
from actors.mailbox import CRASHES_MAX, SetAsideError
from actors.ports.journal import PendingEffect
from actors.supervisor import FATAL

log = structlog.get_logger(__name__)

RETRY_S_FIRST = 0.5
RETRY_S_MAX = 60.0
"""A partner that answers again after an outage should not have to wait longer than a minute to be asked."""

NONSENSE_MAX = 5
"""Nonsense this many times in a row is not a proxy's hiccup: a person has to look."""

NONSENSE_RETRY_S = 600.0
"""What a person has to mend is tried again every ten minutes, in case somebody did."""


End = Refused | Failed | PutOff | Exception | None
"""What ended a row of effects: what the partner did not take, a crash, or nothing, since it took all."""


class EffectOwners(Protocol):
    """Whom the outcome of an effect concerns. Each returns once it is durable."""

    async def settle(self, taken: Sequence[Taken]) -> None:
        """Record that the partner has taken these documents of one stream."""
        ...

    def settle_soon(self, taken: Sequence[Taken], then: Callable[[Exception | None], None]) -> bool:
        """Have `settle` done and `then` called with what went wrong, if so; False if it must be awaited."""
        ...

    async def refuse(self, effect: PendingEffect, why: str) -> None:
        """Record that the partner will not take it."""
        ...

    async def report(self, effect: PendingEffect, why: str) -> None:
        """Put before a person that nobody understands the partner's answers; the same matter once."""
        ...


class Aftermath:
    """What follows, for one partner. `settled` is called with a lane whose first effect has its outcome."""

    def __init__(
        self, partner: str, owners: EffectOwners, rng: random.Random, settled: Callable[[Lane], None]
    ) -> None:
        self._partner = partner
        self._owners = owners
        self._rng = rng
        self._settled = settled
        self._crashes: Counter[str] = Counter()

    async def record(self, lane: Lane, taken: list[Taken], end: End) -> float | None:
        """Record what the partner took in a row together, then do what follows from what ended it.

        A fall in between has it looked up, as any lost answer. Return how many seconds to leave the lane
        alone; None when the daemon ends and the next was not begun any more.
        """
        try:
            if taken:
                await self._owners.settle(taken)
                for _ in taken:
                    self.settle_first(lane)
                taken.clear()
            if not isinstance(end, Exception):
                return await self._react(lane, end)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - a bug: it is put before a person, unless it was chance
            end = error
        if isinstance(end, SetAsideError):
            # The partner has answered, and whom it concerns cannot hear it. What comes after in the lane must
            # not overtake it: the answer is found again when its owner is mended.
            log.warning("outcome_not_heard", partner=self._partner, stream=lane.stream)
            return NONSENSE_RETRY_S
        return await self._after_crash(lane.effects[0], end)

    def settle_first(self, lane: Lane) -> None:
        """Forget the lane's first effect: its outcome is recorded."""
        self._crashes.pop(lane.effects[0].effect, None)
        self._settled(lane)

    async def _react(self, lane: Lane, end: Refused | Failed | PutOff | None) -> float | None:
        """Do what follows from what ended the row, and return as `record`."""
        match end:
            case None:
                return 0.0
            case PutOff():
                return None
            case Refused(why):
                effect = lane.effects[0]
                await self._owners.refuse(effect, why)
                self.settle_first(lane)
                return 0.0
            case Failed(error):
                return await self._retry_later(lane, error)
            case _:
                assert_never(end)

    async def _retry_later(self, lane: Lane, error: PartnerError) -> float:
        effect = lane.effects[0]
        lane.attempts += 1
        longest = min(RETRY_S_FIRST * 2.0 ** (lane.attempts - 1), RETRY_S_MAX)
        wait_s = longest * self._rng.uniform(0.5, 1.0)
        log.warning(
            "effect_delayed",
            partner=self._partner,
            effect=effect.effect,
            attempts=lane.attempts,
            error=type(error).__name__,
            detail=str(error),
            wait_s=round(wait_s, 2),
        )
        if isinstance(error, MalformedError):
            lane.nonsense += 1
            if lane.nonsense >= NONSENSE_MAX:
                await self._owners.report(effect, str(error))
                return NONSENSE_RETRY_S
        return wait_s

    async def _after_crash(self, effect: PendingEffect, error: Exception) -> float:
        """Try it once more, as that may have been chance; the second time, the effect is to blame.

        The drain does not fall of it: what one document meets, many may meet within a minute.
        """
        self._crashes[effect.effect] += 1
        if self._crashes[effect.effect] < CRASHES_MAX:
            log.error("effect_crashed", partner=self._partner, effect=effect.effect, exc_info=error)
            return RETRY_S_FIRST
        log.error("effect_set_aside", partner=self._partner, effect=effect.effect, error=type(error).__name__)
        await self._owners.report(effect, f"it crashed the drain with {type(error).__name__}")
        return NONSENSE_RETRY_S
