"""The way to every order: awake while somebody speaks to it, at rest as a row of the index otherwise.

The hall owns every live order's mailbox; 100,000 open orders are rows of the index, and only those that
somebody speaks to are tasks. One order that keeps crashing is set aside with its messages; the others never
notice.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import trio

from actors.concerning import concerning
from actors.directory import Directory
from actors.domain.order_commands import OrderCommand
from actors.domain.order_life import Facts
from actors.domain.order_state import Order
from actors.domain.partitions import order_stream as stream_of
from actors.mailbox import AbandonedError, Hearing, Letter, Mailbox, SetAsideError, ask_all, tell
from actors.order_actor import OrderActor, OrderMessage, OrderMoved
from actors.ports.journal import Journal
from actors.ports.people import BesideRow
from actors.supervisor import GaveUpError, RestartPolicy, supervise

__all__ = ["OrderHall", "OrderMessage", "OrderMoved", "SetAside", "stream_of"]

MAILBOX_MAX = 256
"""An order hears of a handful of parcels, scans and effects; more than this is a loop somewhere."""

IDLE_S = 30.0
"""An order that nobody spoke to for this long is put to rest before twice as long has passed.

To wake it costs one indexed read.
"""

LIVE_CROWDED = 5_000
"""Above this many live orders (some 50 MB) the idle ones go to rest after a second."""

IDLE_CROWDED_S = 1.0

REST_CHECK_S = 1.0
"""How often the hall looks who may rest: a second more or less of some 10 KB each."""

GATHER_S = 0.05
"""How long what nobody waits for may lie in an order's mailbox, so that one append records it with more."""

POLICY = RestartPolicy(crashes_max=3, window_s=60.0, delay_s_first=0.1, delay_s_max=2.0)
"""An order restarts at once the first time; the third crash within a minute sets it aside."""


SetAside = Callable[[str, str, str], Awaitable[None]]
"""Called with the actor's name, the message's kind and the error's, when a message is set aside."""


class _Look(NamedTuple):
    """How much an order had heard when it was last looked at, and when that was, on the clock of Trio."""

    order: str
    mailbox: Mailbox[OrderMessage]
    heard: int
    at: float


class OrderHall:
    """The way to every order. `run` is its nursery; `ask` and `tell` work from `started` on."""

    def __init__(
        self,
        journal: Journal,
        directory: Directory,
        facts: Callable[[], Facts],
        set_aside: SetAside,
        moved: OrderMoved,
    ) -> None:
        self._journal = journal
        self._directory = directory
        self._facts = facts
        self._set_aside = set_aside
        self._moved = moved
        self._live: dict[str, Mailbox[OrderMessage]] = {}
        self._looks: deque[_Look] = deque()
        self._nursery: trio.Nursery | None = None
        self._gathering: list[Mailbox[OrderMessage]] = []
        self._gathers = trio.Event()

    @property
    def live(self) -> int:
        """How many orders are awake."""
        return len(self._live)

    def backlog(self) -> tuple[int, float | None]:
        """Return how many letters all orders have still to settle, and when the oldest of them was put."""
        busy = [mailbox for mailbox in self._live.values() if len(mailbox)]
        oldest = min((at for mailbox in busy if (at := mailbox.oldest_at) is not None), default=None)
        return sum(len(mailbox) for mailbox in busy), oldest

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Let orders live until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._wake_what_gathered)
                task_status.started()
                await self._put_to_rest()
        finally:
            self._nursery = None

    async def drain(self) -> None:
        """Return once every live order has recorded what it was told. The caller bounds the time."""
        while busy := [mailbox for mailbox in self._live.values() if not mailbox.idle]:
            await busy[0].emptied()

    async def tell(self, order: str, command: OrderCommand) -> None:
        """Put a command into the order's mailbox, waking the order if it rests."""
        await trio.lowlevel.checkpoint_if_cancelled()  # the hall may have closed for the same reason
        told = False
        while not told:
            with suppress(AbandonedError):  # while it waited for room; the order starts anew
                await tell(self._mailbox(order), OrderMessage(command))
                told = True

    async def ask(
        self,
        order: str,
        command: OrderCommand,
        beside: tuple[BesideRow, ...] = (),
        *,
        key: str = "",
        read_at: float | None = None,
    ) -> Order:
        """Return the order as it stands once the command's events are durable.

        A key that was used does nothing, nor does a copy of the shop's that was read before the last one.

        Raises:
            SetAsideError: the command kept crashing the order.
        """
        return await self.ask_all(order, (OrderMessage(command, beside, key, read_at),))

    async def ask_all(self, order: str, messages: Sequence[OrderMessage]) -> Order:
        """Return the order as it stands once the events of all these are durable, if it can be by one append.

        Raises:
            SetAsideError: one of them kept crashing the order.
        """
        await trio.lowlevel.checkpoint_if_cancelled()  # the hall may have closed for the same reason
        answer = None
        while answer is None:
            with suppress(AbandonedError):  # while it waited for room; the order starts anew
                answer = await ask_all(self._mailbox(order), messages)
        if not isinstance(answer, Order):
            raise TypeError(f"an order answered with {type(answer).__name__}")
        return answer

    def hand(
        self,
        order: str,
        messages: Sequence[OrderMessage],
        then: Callable[[Exception | None], None],
        *,
        may_gather: bool,
    ) -> bool:
        """Hand the order messages whose answers nobody waits for.

        Return False if its mailbox has no room, or the hall has closed.

        `then` is called once the events of all are durable, with the error of the first that has none; it may
        neither wait nor raise. Those that `may_gather` wait a moment for others, to be recorded with them.
        """
        if self._nursery is None:
            return False
        hearing = Hearing(len(messages), then)
        mailbox = self._mailbox(order)
        if not mailbox.post([Letter(message, hearing) for message in messages]):
            return False
        if may_gather:
            self._gathering.append(mailbox)
            self._gathers.set()
        else:
            mailbox.wake()
        return True

    async def _wake_what_gathered(self) -> None:
        """Let orders take what has lain for `GATHER_S` and less than twice that.

        One timer for all: one each would cost what it saves.
        """
        lain: list[Mailbox[OrderMessage]] = []
        while True:
            if not lain:
                await self._gathers.wait()
            await trio.sleep(GATHER_S)
            for mailbox in lain:
                mailbox.wake()
            lain, self._gathering = self._gathering, []
            self._gathers = trio.Event()

    def _mailbox(self, order: str) -> Mailbox[OrderMessage]:
        mailbox = self._live.get(order)
        if mailbox is None:
            if self._nursery is None:
                raise RuntimeError("the order hall is not running")
            mailbox = self._live[order] = Mailbox(MAILBOX_MAX)
            self._looks.append(_Look(order, mailbox, mailbox.heard, trio.current_time()))
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
            moved=self._moved,
        )
        with concerning(order):
            try:
                await supervise(f"order {order}", actor.run, POLICY, on_crash=crashed)
            except GaveUpError as error:
                self._live.pop(order, None)
                for letter in mailbox.abandon():
                    await self._aside(order, letter, error)

    async def _put_to_rest(self) -> None:
        """Close the mailboxes of orders that nobody has spoken to for a while, which ends their actors.

        Each is looked at once in that while: a timer for each message, or a look at all of them every second,
        costs more than it saves.
        """
        while True:
            await trio.sleep(REST_CHECK_S)
            now = trio.current_time()
            while self._looks and self._looks[0].at <= now - self.idle_s():
                order, mailbox, heard, _ = self._looks.popleft()
                if self._live.get(order) is not mailbox:
                    continue  # it was set aside
                if mailbox.heard == heard and mailbox.idle and mailbox.awaited:
                    # Nothing is awaited between the look and the leave, so no message is lost.
                    del self._live[order]
                    mailbox.close()
                else:
                    self._looks.append(_Look(order, mailbox, mailbox.heard, now))

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
