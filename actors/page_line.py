"""A shop's pages on their way in: imported side by side, made durable in the order in which they were read.

While the imports of one page wait for their commit, those of the next are decided; so neither the database
nor the actors stand idle between two pages. What makes a page's end durable is its channel's matter.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import trio

from actors.intake import Intake, Sifted
from actors.ports.shop import Poll

IN_HAND_MAX: Final = 2
"""Pages imported side by side: one waits for its commit while the other is decided. A third would be older
when its orders come to a floor, and gains nothing."""

Recorded = Callable[[Poll], Awaitable[None]]
"""Called once all that a page holds is durable, and all before it, its cursors too."""


class _InHand(NamedTuple):
    """A page that is imported."""

    orders: frozenset[str]
    is_durable: trio.Event


class PageLine:
    """Pages in hand, the oldest first."""

    def __init__(self, intake: Intake, recorded: Recorded, nursery: trio.Nursery) -> None:
        self._intake = intake
        self._recorded = recorded
        self._nursery = nursery
        self._in_hand: list[_InHand] = []

    async def take(self, poll: Poll, read_at: float) -> None:
        """Begin to import a page, once there is room for it.

        A page that holds another copy of an order that is in hand waits for it: what becomes of the later
        copy depends on whether the order is known.

        `read_at` is when it was asked for, on the clock of Trio.
        """
        orders = frozenset(each.shop_order for each in poll.orders)
        while len(self._in_hand) >= IN_HAND_MAX or any(orders & page.orders for page in self._in_hand):
            await self._in_hand[0].is_durable.wait()
        sifted = await self._intake.sift(poll.orders)
        page = _InHand(orders, trio.Event())
        before = self._in_hand[-1].is_durable if self._in_hand else None
        self._in_hand.append(page)
        self._nursery.start_soon(self._import, poll, sifted, read_at - poll.ahead_s, page, before)

    async def _import(
        self, poll: Poll, sifted: Sifted, read_at: float, page: _InHand, before: trio.Event | None
    ) -> None:
        await self._intake.bring_in(sifted, read_at)
        if before is not None:
            await before.wait()
        await self._recorded(poll)
        self._in_hand.remove(page)
        page.is_durable.set()


@asynccontextmanager
async def importing(intake: Intake, recorded: Recorded) -> AsyncGenerator[PageLine]:
    """Open a line; at the end of the block all that it took is durable."""
    async with trio.open_nursery() as nursery:
        yield PageLine(intake, recorded, nursery)
