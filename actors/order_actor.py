"""One order as an actor: hydrated from its stream, it decides, records, and asks warehouses.

The domain decides.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
import trio
from msgspec import Struct

from actors.directory import Directory, UnknownWarehouseError
from actors.domain.anomaly_events import AnomalyRaised
from actors.domain.order_allocation import TOWARDS_A_FLOOR, short_of_a_floor
from actors.domain.order_commands import Answered, OrderCommand, Stranded, Wake
from actors.domain.order_events import (
    ContactCorrected,
    EffectRequested,
    OrderBackordered,
    OrderImported,
    OrderRetold,
    OrderRouted,
    ParcelLabelled,
)
from actors.domain.order_fold import evolve
from actors.domain.order_life import Facts, Step, consider, next_steps
from actors.domain.order_state import Order, has_own_step
from actors.domain.partitions import order_stream
from actors.mailbox import Letter, Mailbox, SetAsideError
from actors.ports.journal import Append, Event, Journal, KeyedAnswer, PendingEffect
from actors.ports.people import BesideRow
from actors.rows import order_row

log = structlog.get_logger(__name__)

TAKE_MAX = 16
"""Messages decided together: what arrives during one commit, rarely more than three."""

STEP_ROUNDS_MAX = 100
"""An order takes at most a few dozen steps before it waits for somebody.

More is a decision that goes in circles.
"""

NAMES_BESIDE = frozenset({OrderImported, ContactCorrected, OrderRetold, ParcelLabelled})
"""Events that name rows beside the log."""


class OrderMessage(Struct, frozen=True, gc=False):
    """A command, rows to be stored beside the log with its events, and its sender's key, if any.

    `read_at` is when a copy of the shop's was asked for, on the clock of Trio; None for what is no copy.
    """

    command: OrderCommand
    beside: tuple[BesideRow, ...] = ()
    key: str = ""
    read_at: float | None = None


DONE = b"done"
"""What is kept under an idempotency key: an order's answer is the order as it stands."""


OrderMoved = Callable[[Order, Order, Sequence[Event]], None]
"""Called with the order as it was, as it is, and the events in between, once they are durable."""


@dataclass(slots=True)
class OrderActor:
    """One order while it is awake."""

    order: str
    mailbox: Mailbox[OrderMessage]
    journal: Journal
    directory: Directory
    facts: Callable[[], Facts]
    moved: OrderMoved
    state: Order = field(default_factory=Order)
    _looks_again: bool = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hydrate, take up what was under way, then serve the mailbox until it is closed for a rest."""
        self.state = Order()
        for recorded in await self.journal.read(order_stream(self.order)):
            self.state = evolve(self.state, recorded.event, recorded.at)  # type: ignore[arg-type] # an order's stream
        self._looks_again = self.state.backordered is not None
        task_status.started()
        await self._take_steps()
        while letters := await self.mailbox.take(TAKE_MAX):
            await self._handle(letters)

    async def _handle(self, letters: Sequence[Letter[OrderMessage]]) -> None:
        turn = _Turn(self.state, self.facts())
        copies = self.directory.copies
        newest = float("-inf")  # of the copies in this turn: they are noted once they are durable
        for letter in letters:
            message = letter.message
            if message.key and await self._was_done(message.key, turn):
                continue
            if (read_at := message.read_at) is not None:
                if read_at < newest or copies.is_late(self.order, read_at):
                    continue
                newest = read_at
            turn.take(message)
        await self._record(turn)
        for letter in letters:
            if letter.message.read_at is not None:
                copies.note(self.order, letter.message.read_at)
        for letter in letters:
            if letter.reply is not None:
                letter.reply.send(self.state)
        await self._take_steps()
        self.mailbox.settle(len(letters))

    async def _was_done(self, key: str, turn: "_Turn") -> bool:
        if any(answer.key == key for answer in turn.answers):
            return True
        return await self.journal.keyed_answer(order_stream(self.order), key) is not None

    async def _take_steps(self) -> None:
        """Ask warehouses what the state asks for, until the order waits for somebody else.

        A step that changes nothing (its warehouse is away) does not keep the others from being taken.
        """
        for _ in range(STEP_ROUNDS_MAX):
            before = self.state.version
            for step in self._next_steps():
                await self._take(step)
                if self.state.version != before:
                    break
            else:
                if not self._looks_again:
                    return
                # Units may have come between its look at the shelves and the moment at which the index said
                # that it waits for them: whoever told of them did not find it there.
                self._looks_again = False
                await self._decide(Wake())
        raise RuntimeError(f"{self.order} took {STEP_ROUNDS_MAX} steps and is not done")

    def _next_steps(self) -> Sequence[Step]:
        """Return the steps to take now; none that puts the order on a floor by an old copy of the shop's."""
        if not has_own_step(self.state):
            return ()
        now = self.facts().now
        steps = next_steps(self.state, now)
        if not any(step.kind in TOWARDS_A_FLOOR for step in steps):
            return steps
        if self.directory.copies.are_fresh(self.order, self.state.facts.channel):
            return steps
        return short_of_a_floor(steps, now)

    async def _take(self, step: Step) -> None:
        command: OrderCommand
        try:
            answer = await self.directory.ask_warehouse(step.warehouse, step.command)
        except UnknownWarehouseError:
            command = Stranded(step.fulfilment, gone=True)
        except SetAsideError:
            command = Stranded(step.fulfilment, gone=False)
        else:
            command = Answered(step.kind, step.fulfilment, answer)
        finally:
            self.directory.has_answered(step.warehouse, step.fulfilment)
        await self._decide(command)

    async def _decide(self, command: OrderCommand) -> None:
        turn = _Turn(self.state, self.facts())
        turn.take(OrderMessage(command))
        await self._record(turn)

    async def _record(self, turn: "_Turn") -> None:
        if not turn.events and not turn.answers:
            return
        for event in turn.events:
            if type(event) is OrderRouted:
                for part in event.plan:
                    self.directory.heads_for(part.warehouse, part.fulfilment)
        stream = order_stream(self.order)
        append = Append(
            stream=stream,
            expected=self.state.version,
            events=tuple(turn.events),
            at=turn.facts.now,
            orders=(order_row(turn.state),) if turn.events else (),
            beside=tuple(turn.beside),
            answers=tuple(turn.answers),
        )
        await self.journal.append(append)
        before, self.state = self.state, turn.state
        self.moved(before, turn.state, turn.events)
        for event in turn.events:
            match event:
                case EffectRequested(effect, partner, document):
                    self.directory.effect_pending(
                        PendingEffect(effect, stream, partner, document, turn.facts.now)
                    )
                case OrderRetold():
                    self.directory.words.pop(self.order, None)
                case OrderBackordered():
                    self._looks_again = True
                case AnomalyRaised(anomaly, problem):
                    log.warning("anomaly_raised", anomaly=anomaly, problem=problem)
                case _:
                    pass


class _Turn:
    """What is decided together: events, the state after them, and what is stored with them."""

    def __init__(self, state: Order, facts: Facts) -> None:
        self.state = state
        self.facts = facts
        self.events: list[Event] = []
        self.beside: list[BesideRow] = []
        self.answers: list[KeyedAnswer] = []

    def take(self, message: OrderMessage) -> None:
        """Decide on one more message. Rows beside the log are stored with the event that names them."""
        draft = consider(self.state, message.command, self.facts)
        self.state = draft.order
        self.events.extend(draft.events)
        if message.beside and not NAMES_BESIDE.isdisjoint(map(type, draft.events)):
            self.beside.extend(message.beside)
        if message.key:
            self.answers.append(KeyedAnswer(message.key, DONE))
