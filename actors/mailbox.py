"""Where an actor's messages wait. The mailbox is its supervisor's, so a crash of the actor loses none.

What the actor has taken stays "in hand" until it settles it; after a crash it is handed out again, one at a
time, so that a message that crashes its actor twice can be told from its neighbours and set aside.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Generic, TypeVar

import trio

M = TypeVar("M")
R = TypeVar("R")

CRASHES_MAX = 2
"""Once may be chance (a lost connection, a race).

A second crash on the same message, handed out alone, is not.
"""


class AbandonedError(Exception):
    """The mailbox was given up with its actor; a new actor has another."""


class SetAsideError(Exception):
    """The message was taken out of the mailbox because it kept crashing its actor; an anomaly names it."""


class Reply(Generic[R]):
    """One answer, for one asker. An asker that gave up does not disturb whoever answers late."""

    __slots__ = ("_answer", "_asker", "_error", "_given")

    def __init__(self) -> None:
        self._given = False
        self._answer: R | None = None
        self._error: Exception | None = None
        self._asker: trio.lowlevel.Task | None = None

    def send(self, answer: R) -> None:
        """Give the answer."""
        self._answer = answer
        self._wake()

    def fail(self, error: Exception) -> None:
        """Give an error instead of an answer."""
        self._error = error
        self._wake()

    def _wake(self) -> None:
        self._given = True
        if self._asker is not None:
            trio.lowlevel.reschedule(self._asker)
            self._asker = None

    async def wait(self) -> R:
        """Return the answer, or raise the error, once it is there."""
        if self._given:
            await trio.lowlevel.checkpoint()
        else:
            self._asker = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._give_up)
        if self._error is not None:
            raise self._error
        return self._answer  # type: ignore[return-value] # `send` was called, with an R

    def _give_up(self, _: object) -> trio.lowlevel.Abort:
        self._asker = None
        return trio.lowlevel.Abort.SUCCEEDED


class Hearing:
    """The answers to some letters that nobody waits for: once all are given, `then` hears whether one failed.

    It is called by whoever answers, between two of his own steps: so it may neither wait nor raise.
    """

    __slots__ = ("_error", "_left", "_then")

    def __init__(self, letters: int, then: Callable[[Exception | None], None]) -> None:
        self._left = letters
        self._then = then
        self._error: Exception | None = None

    def send(self, answer: object) -> None:
        """Give one answer."""
        del answer
        self._hear()

    def fail(self, error: Exception) -> None:
        """Give an error instead of one answer."""
        self._error = self._error or error
        self._hear()

    def _hear(self) -> None:
        self._left -= 1
        if not self._left:
            self._then(self._error)


class Letter(Generic[M]):
    """A message on its way, with whoever is to have its answer."""

    __slots__ = ("crashes", "message", "put_at", "reply")

    def __init__(self, message: M, reply: Reply[object] | Hearing | None = None) -> None:
        self.message = message
        self.reply = reply
        self.put_at = 0.0
        self.crashes = 0


class Mailbox(Generic[M]):
    """A bounded queue with a memory of what is in hand. One actor takes, anybody puts.

    `heard` counts the letters that were put. Every order that is awake has a mailbox, so events that hardly
    any of them ever needs are made when somebody waits for them, and its actor is woken by hand.
    """

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._waiting: deque[Letter[M]] = deque()
        self._in_hand: deque[Letter[M]] = deque()
        self._taker: trio.lowlevel.Task | None = None
        self._room: trio.Event | None = None
        self._empty: trio.Event | None = None
        self._settled: trio.Event | None = None
        self._one_by_one = 0
        self._at_the_door = 0
        self._closed = False
        self._abandoned = False
        self.heard = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_hand)

    @property
    def oldest_at(self) -> float | None:
        """When the oldest letter that is not settled was put, by Trio's clock; None where there is none.

        It looks at all of them, which whoever reads figures now and then can afford: `take` may have arranged
        them, and is too busy to note the oldest.
        """
        return min((letter.put_at for letter in chain(self._in_hand, self._waiting)), default=None)

    @property
    def awaited(self) -> bool:
        """Whether the actor does nothing but wait for a letter."""
        return self._taker is not None

    @property
    def idle(self) -> bool:
        """Whether nothing waits, nothing is in hand, and nobody waits for room."""
        return not self._waiting and not self._in_hand and not self._at_the_door

    async def put(self, letter: Letter[M]) -> None:
        """Add a letter; wait while the mailbox is full, which slows the sender down to the actor's pace.

        Raises:
            AbandonedError: the actor was given up.
        """
        while len(self._waiting) >= self._size_max and not self._abandoned:
            if self._room is None:
                self._room = trio.Event()
            self._at_the_door += 1
            try:
                await self._room.wait()
            finally:
                self._at_the_door -= 1
                self._say_if_empty()
        if self._abandoned:
            raise AbandonedError
        letter.put_at = trio.current_time()
        self._waiting.append(letter)
        self.heard += 1
        self.wake()

    def post(self, letters: Sequence[Letter[M]]) -> bool:
        """Add the letters if there is room, without waiting, and let them lie until another comes or `wake`.

        Return whether they were added; none is where not all can be.
        """
        if self._abandoned or self._at_the_door or len(self._waiting) + len(letters) > self._size_max:
            return False
        now = trio.current_time()
        for letter in letters:
            letter.put_at = now
        self._waiting.extend(letters)
        self.heard += len(letters)
        return True

    async def take(
        self,
        most: int,
        *,
        half_above: int | None = None,
        arrange: Callable[[Sequence[Letter[M]]], Sequence[Letter[M]]] | None = None,
    ) -> list[Letter[M]]:
        """Return up to `most` letters, oldest first, and hold them in hand; none only once it is closed.

        `arrange` may put all that wait into another order before; it neither adds nor loses one.

        With `half_above` no more than half of what waits or is in hand is taken, but so many at least: the
        other half is taken while the first is being recorded, so that neither side waits for the other.

        After a crash letters come one by one, each when the one before is settled, so that it is alone in
        hand.
        """
        while not self._waiting:
            if self._closed:
                return []
            self._taker = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._give_up)
        while self._one_by_one and self._in_hand:
            self._settled = trio.Event()
            await self._settled.wait()
        if half_above is not None:
            most = min(most, max(half_above, -(-len(self) // 2)))
        if self._one_by_one:
            most = 1
            self._one_by_one -= 1
        elif arrange is not None and len(self._waiting) > 1:
            self._waiting = deque(arrange(self._waiting))
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._in_hand.extend(taken)
        self._let_in()
        return taken

    def wake(self) -> None:
        """Let the actor take what lies here."""
        if self._taker is not None:
            trio.lowlevel.reschedule(self._taker)
            self._taker = None

    def _give_up(self, _: object) -> trio.lowlevel.Abort:
        self._taker = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _let_in(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    def settle(self, count: int = 1) -> None:
        """Forget the `count` letters that have been longest in hand: what they ask for is done."""
        for _ in range(count):
            self._in_hand.popleft()
        if self._settled is not None:
            self._settled.set()
            self._settled = None
        self._say_if_empty()

    def _say_if_empty(self) -> None:
        if self._empty is not None and self.idle:
            self._empty.set()
            self._empty = None

    async def emptied(self) -> None:
        """Return once nothing waits and nothing is in hand."""
        if not self.idle:
            if self._empty is None:
                self._empty = trio.Event()
            await self._empty.wait()

    def abandon(self) -> list[Letter[M]]:
        """Return every letter and hold none: the actor will not be started again."""
        left = [*self._in_hand, *self._waiting]
        self._in_hand.clear()
        self._waiting.clear()
        self._abandoned = True
        self._let_in()
        self._say_if_empty()
        return left

    def close(self) -> None:
        """Let the actor end once it has taken everything."""
        self._closed = True
        self.wake()

    def after_crash(self) -> list[Letter[M]]:
        """Put what was in hand back, to be taken one by one; return the letters that are set aside instead.

        A letter that was in hand alone is to blame for the crash. Among several nobody is blamed yet.
        """
        blamed = len(self._in_hand) == 1
        aside: list[Letter[M]] = []
        while self._in_hand:
            letter = self._in_hand.pop()
            letter.crashes += blamed
            if letter.crashes >= CRASHES_MAX:
                aside.append(letter)
                continue
            self._waiting.appendleft(letter)
            self._one_by_one += 1
        self.wake()
        self._let_in()
        self._say_if_empty()
        return aside


async def ask(mailbox: Mailbox[M], message: M) -> object:
    """Put `message` and wait for its answer.

    The caller bounds the time; giving up does not take the message back.

    Raises:
        SetAsideError: the message crashed the actor and was set aside.
    """
    reply: Reply[object] = Reply()
    await mailbox.put(Letter(message, reply))
    return await reply.wait()


async def ask_all(mailbox: Mailbox[M], messages: Sequence[M]) -> object:
    """Put the messages, which an idle actor then takes together, and wait for all answers; return the last.

    Raises:
        SetAsideError: as `ask`, of the first that was.
    """
    letters = [(message, Reply[object]()) for message in messages]
    for message, reply in letters:
        await mailbox.put(Letter(message, reply))
    answer: object = None
    for _, reply in letters:
        answer = await reply.wait()
    return answer


async def tell(mailbox: Mailbox[M], message: M) -> None:
    """Put `message` and go on."""
    await mailbox.put(Letter(message))
