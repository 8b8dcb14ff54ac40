"""Orders as actors: hydrated from their streams when spoken to, put to rest when idle.

The decisions are the domain's.

The hall owns every live order's mailbox; 100,000 open orders are rows of the index, and only those that
somebody speaks to are tasks. One order that keeps crashing is set aside with its messages; the others never
notice.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog
import trio

from actors.directory import Directory, UnknownWarehouseError
from actors.domain.order_commands import Answered, OrderCommand, Stranded
from actors.domain.order_events import EffectRequested, OrderImported, ParcelLabelled
from actors.domain.order_fold import evolve
from actors.domain.order_life import Facts, Step, consider, next_steps
from actors.domain.order_state import Order
from actors.mailbox import Letter, Mailbox, SetAsideError, ask, tell
from actors.ports import Append, BesideRow, Event, Journal, KeyedAnswer, PendingEffect
from actors.rows import order_row
from actors.supervisor import GaveUpError, RestartPolicy, supervise

log = structlog.get_logger(__name__)

MAILBOX_MAX = 256
"""An order hears of a handful of parcels, scans and effects; more than this is a loop somewhere."""

TAKE_MAX = 16
"""Messages decided together: what arrives during one commit, rarely more than three."""

IDLE_S = 30.0
"""An order that nobody spoke to for this long is put to rest; waking it costs one indexed read."""

LIVE_CROWDED = 5_000
"""Above this many live orders (some 50 MB) the idle ones go to rest after a second."""

IDLE_CROWDED_S = 1.0

STEP_ROUNDS_MAX = 100
"""An order takes at most a few dozen steps before it waits for somebody.

More is a decision that goes in circles.
"""

POLICY = RestartPolicy(crashes_max=3, window_s=60.0, delay_s_first=0.1, delay_s_max=2.0)
"""An order restarts at once the first time; the third crash within a minute sets it aside."""


@dataclass(frozen=True, slots=True)
class OrderMessage:
    """A command, rows to be stored beside the log with its events, and its sender's key, if any."""

    command: OrderCommand
    beside: tuple[BesideRow, ...] = ()
    key: str = ""


DONE = b"done"
"""What is kept under an idempotency key: an order's answer is the order as it stands."""

SetAside = Callable[[str, str, str], Awaitable[None]]
"""Called with the actor's name, the message's kind and the error's, when a message is set aside."""


Reserved = Callable[[float], None]
"""Called with the seconds from an order's notice to the promise of its last unit."""


def stream_of(order: str) -> str:
    """Return the name of the order's stream."""
    return f"order-{order}"


class OrderHall:
    """The way to every order. `run` is its nursery; `ask` and `tell` work from `started` on."""

    def __init__(
        self,
        journal: Journal,
        directory: Directory,
        facts: Callable[[], Facts],
        set_aside: SetAside,
        reserved: Reserved,
    ) -> None:
        self._journal = journal
        self._directory = directory
        self._facts = facts
        self._set_aside = set_aside
        self._reserved = reserved
        self._live: dict[str, Mailbox[OrderMessage]] = {}
        self._nursery: trio.Nursery | None = None

    @property
    def live(self) -> int:
        """How many orders are awake."""
        return len(self._live)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Let orders live until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    async def drain(self) -> None:
        """Return once every live order has recorded what it was told. The caller bounds the time."""
        while busy := [mailbox for mailbox in self._live.values() if not mailbox.idle]:
            await busy[0].emptied()

    async def tell(self, order: str, command: OrderCommand) -> None:
        """Put a command into the order's mailbox, waking the order if it rests."""
        await tell(self._mailbox(order), OrderMessage(command))

    async def ask(
        self, order: str, command: OrderCommand, beside: tuple[BesideRow, ...] = (), *, key: str = ""
    ) -> Order:
        """Return the order as it stands once the command's events are durable.

        A key that was used does nothing.

        Raises:
            SetAsideError: the command kept crashing the order.
        """
        answer = await ask(self._mailbox(order), OrderMessage(command, beside, key))
        if not isinstance(answer, Order):
            raise TypeError(f"an order answered with {type(answer).__name__}")
        return answer

    def _mailbox(self, order: str) -> Mailbox[OrderMessage]:
        mailbox = self._live.get(order)
        if mailbox is None:
            if self._nursery is None:
                raise RuntimeError("the order hall is not running")
            mailbox = self._live[order] = Mailbox(MAILBOX_MAX)
            self._nursery.start_soon(self._live_through, order, mailbox, name=f"order {order}")
        return mailbox

    async def _live_through(self, order: str, mailbox: Mailbox[OrderMessage]) -> None:
        async def crashed(error: Exception) -> None:
            for letter in mailbox.after_crash():
                await self._aside(order, letter, error)

        actor = OrderActor(
            order=order,
            mailbox=mailbox,
            journal=self._journal,
            directory=self._directory,
            facts=self._facts,
            reserved=self._reserved,
            rest=self._rest,
            idle_s=self.idle_s,
        )
        try:
            await supervise(f"order {order}", actor.run, POLICY, on_crash=crashed)
        except GaveUpError as error:
            self._live.pop(order, None)
            for letter in mailbox.abandon():
                await self._aside(order, letter, error)

    def _rest(self, order: str) -> bool:
        """Take a resting order out of the hall.

        No await between the look and the leave, so nothing is lost.
        """
        mailbox = self._live[order]
        if not mailbox.idle:
            return False
        del self._live[order]
        return True

    async def _aside(self, order: str, letter: Letter[OrderMessage], error: Exception) -> None:
        cause = error.__cause__ or error
        await self._set_aside(f"order {order}", type(letter.message.command).__name__, type(cause).__name__)
        if letter.reply is not None:
            letter.reply.fail(
                SetAsideError(f"{type(letter.message.command).__name__} for {order} was set aside")
            )

    def idle_s(self) -> float:
        """Return how long an order may idle, given how many are awake."""
        return IDLE_S if len(self._live) < LIVE_CROWDED else IDLE_CROWDED_S


@dataclass(slots=True)
class OrderActor:
    """One order while it is awake."""

    order: str
    mailbox: Mailbox[OrderMessage]
    journal: Journal
    directory: Directory
    facts: Callable[[], Facts]
    rest: Callable[[str], bool]
    idle_s: Callable[[], float]
    reserved: Reserved
    state: Order = field(default_factory=Order)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hydrate, take up what was under way, then serve the mailbox until the order may rest."""
        self.state = Order()
        for recorded in await self.journal.read(stream_of(self.order)):
            self.state = evolve(self.state, recorded.event, recorded.at)  # type: ignore[arg-type] # an order's stream
        task_status.started()
        await self._take_steps()
        while True:
            letters: list[Letter[OrderMessage]] = []
            with trio.move_on_after(self.idle_s()):
                letters = await self.mailbox.take(TAKE_MAX)
            if letters:
                await self._handle(letters)
            elif self.rest(self.order):
                return

    async def _handle(self, letters: Sequence[Letter[OrderMessage]]) -> None:
        turn = _Turn(self.state, self.facts())
        for letter in letters:
            message = letter.message
            if message.key and await self._was_done(message.key, turn):
                continue
            turn.take(message)
        await self._record(turn)
        for letter in letters:
            if letter.reply is not None:
                letter.reply.send(self.state)
        await self._take_steps()
        self.mailbox.settle(len(letters))

    async def _was_done(self, key: str, turn: "_Turn") -> bool:
        if any(answer.key == key for answer in turn.answers):
            return True
        return await self.journal.keyed_answer(stream_of(self.order), key) is not None

    async def _take_steps(self) -> None:
        """Ask warehouses what the state asks for, until the order waits for somebody else.

        A step that changes nothing (its warehouse is away) does not keep the others from being taken.
        """
        for _ in range(STEP_ROUNDS_MAX):
            before = self.state.version
            for step in next_steps(self.state, self.facts().now):
                await self._take(step)
                if self.state.version != before:
                    break
            else:
                return
        raise RuntimeError(f"{self.order} took {STEP_ROUNDS_MAX} steps and is not done")

    async def _take(self, step: Step) -> None:
        command: OrderCommand
        try:
            answer = await self.directory.ask_warehouse(step.warehouse, step.command)
        except UnknownWarehouseError:
            command = Stranded(step.fulfilment)
        else:
            command = Answered(step.kind, step.fulfilment, answer)
        turn = _Turn(self.state, self.facts())
        turn.take(OrderMessage(command))
        await self._record(turn)

    async def _record(self, turn: "_Turn") -> None:
        if not turn.events and not turn.answers:
            return
        stream = stream_of(self.order)
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
        if turn.state.stage == "picking" and self.state.stage != "picking" and turn.state.noticed is not None:
            self.reserved((turn.facts.now - turn.state.noticed).total_seconds())
        self.state = turn.state
        for event in turn.events:
            if isinstance(event, EffectRequested):
                pending = PendingEffect(event.effect, stream, event.partner, event.document, turn.facts.now)
                self.directory.effect_pending(pending)


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
        if any(isinstance(event, OrderImported | ParcelLabelled) for event in draft.events):
            self.beside.extend(message.beside)
        if message.key:
            self.answers.append(KeyedAnswer(message.key, DONE))
