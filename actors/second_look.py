"""Orders that waited are read again in their shop right before a floor sees them, many with one request.

It owns who waits for that, and how long: a shop that is away keeps no floor standing for ever. What a new
copy means is the intake's and the order's matter.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import structlog
import trio

from actors.concerning import concerning
from actors.copies import ShopCopies
from actors.domain.order_commands import OrderCommand, Wake
from actors.errors import PartnerError

log = structlog.get_logger(__name__)

LOOK_MAX = 300
"""Orders read again with one request: what fits into its filter."""

AGAIN_S = 5.0
"""A shop that is away, or an order that cannot be read, is asked so often: one request for all that wait."""

WAIT_S = 300.0
"""So long an order waits for its shop before a floor gets it by the copy that was read last. A shop that is
away takes no cancellations either, so that little is missed; and a floor that stands still costs a day."""

Look = Callable[[Sequence[str]], Awaitable[Collection[str]]]
"""Reads orders again and hands on what is new; returns those that need not be read again."""

Tell = Callable[[str, OrderCommand], Awaitable[None]]


@dataclass(slots=True)
class _Waiting:
    since: float
    due_at: float


class SecondLook:
    """One channel's orders that wait for being read again.

    Args:
        channel: its name, for the log.
        look: reads orders again.
        copies: where it is noted that nobody has to wait any longer.
        tell: the way to an order.
        wait_s: how long an order waits at most.
    """

    def __init__(self, channel: str, look: Look, copies: ShopCopies, tell: Tell, wait_s: float) -> None:
        self._channel = channel
        self._look = look
        self._copies = copies
        self._tell = tell
        self._wait_s = wait_s
        self._waiting: dict[str, _Waiting] = {}
        self._asked = trio.Event()

    def ask(self, order: str) -> None:
        """Have an order read again; it is woken once it was, or has waited long enough."""
        if order not in self._waiting:
            now = trio.current_time()
            self._waiting[order] = _Waiting(now, now)
            self._asked.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look until cancelled; what is asked for during a look is the next one's."""
        task_status.started()
        while True:
            now = trio.current_time()
            some = [order for order, each in self._waiting.items() if each.due_at <= now][:LOOK_MAX]
            if some:
                await self._look_at(some)
                continue
            due_at = min((each.due_at for each in self._waiting.values()), default=float("inf"))
            with trio.move_on_at(due_at):
                await self._asked.wait()
            self._asked = trio.Event()

    async def _look_at(self, some: Sequence[str]) -> None:
        done: Collection[str] = ()
        try:
            done = await self._look(some)
        except PartnerError as error:
            log.warning(
                "second_look_failed",
                channel=self._channel,
                orders=len(some),
                error=type(error).__name__,
                detail=str(error),
            )
        else:
            self._copies.answers()
        now = trio.current_time()
        for order in some:
            each = self._waiting[order]
            if order not in done and now < each.since + self._wait_s:
                each.due_at = min(now + AGAIN_S, each.since + self._wait_s)
                continue
            if order not in done:
                with concerning(order):
                    log.warning("released_unread", channel=self._channel, waited_s=self._wait_s)
                self._copies.excuse(order)
            del self._waiting[order]
            await self._tell(order, Wake())
