"""How the control socket's desks speak to orders: ask, tell, or try what an order would record."""

from collections.abc import Iterable

import trio

from actors.domain.order_commands import OrderCommand
from actors.domain.order_fold import evolve
from actors.domain.order_life import decide
from actors.domain.order_state import Order
from actors.order import stream_of
from actors.ports.journal import OrderRow, Recorded
from actors.system import System
from daemon.control.service import NOT_FOUND, Mandate, Refused
from daemon.control.trial import trial
from daemon.control.wire import Done, Trial

UNAVAILABLE = 503

ASK_SECONDS_MAX = 10.0
"""Warehouses answer within milliseconds; a person waits no longer to hear whether it was in time."""


class OrderAsking:
    """The way of people to every order."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def row(self, order: str) -> OrderRow:
        """Return an order's row of the index; refused with 404 where there is none."""
        row = await self._system.journal.order_row(order)
        if row is None:
            raise Refused(f"there is no order {order}", NOT_FOUND)
        return row

    async def tell(self, order: str, command: OrderCommand, mandate: Mandate) -> Done | Trial:
        """Have the order do it, or only tell what it would record."""
        if mandate.dry_run:
            return await self.would(order, command)
        await self.row(order)
        await self.ask(order, command, mandate.key)
        return Done()

    async def would(self, order: str, command: OrderCommand) -> Trial:
        """Decide as the order would, on what is recorded of it, and record nothing."""
        await self.row(order)
        state = folded(await self._system.journal.read(stream_of(order)))
        return trial(decide(state, command, self._system.facts()))

    async def ask(self, order: str, command: OrderCommand, key: str = "") -> Order:
        """Have the order do it, and return it as it then stands; refused with 503 when it takes too long."""
        if self._system.draining:
            raise Refused("the daemon is draining: ask again when it is back", UNAVAILABLE)
        with trio.move_on_after(ASK_SECONDS_MAX):
            return await self._system.hall.ask(order, command, key=key)
        raise Refused(f"{order} has not answered in {ASK_SECONDS_MAX:.0f} s: ask again", UNAVAILABLE)


def told_holds(order: Order) -> tuple[str, ...]:
    """Return what holds the order, each with its reasons."""
    return tuple(f"{kind}: {'; '.join(held.reasons)}" for kind, held in order.holds.items())


def folded(recorded: Iterable[Recorded]) -> Order:
    """Return the order that an order's stream tells of."""
    state = Order()
    for each in recorded:
        state = evolve(state, each.event, each.at)  # type: ignore[arg-type] # an order's stream
    return state
