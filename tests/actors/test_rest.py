"""Orders at rest: who is not spoken to goes to sleep, who is spoken to stays awake, each can be woken."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import trio
from trio.testing import MockClock

from actors.directory import Directory
from actors.domain.order_commands import Wake
from actors.domain.order_draft import Facts
from actors.domain.order_state import Order
from actors.domain.routing import RoutingRules
from actors.order import IDLE_S, REST_CHECK_S, OrderHall
from adapters.memory.journal import MemoryJournal


def facts() -> Facts:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return Facts(now, RoutingRules(()), (), lambda _warehouse, _sku: 0, lambda _sku: False)


async def nobody(*_: str) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_hall() -> AsyncGenerator[OrderHall]:
    hall = OrderHall(MemoryJournal(), Directory({}), facts, nobody, lambda *_: None)
    with trio.fail_after(10 * IDLE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(hall.run)
            yield hall
            nursery.cancel_scope.cancel()


async def test_an_order_nobody_speaks_to_goes_to_rest_and_can_be_woken(
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    async with open_hall() as hall:
        await hall.ask("main-1", Wake())
        await trio.sleep(IDLE_S - 2 * REST_CHECK_S)
        assert hall.live == 1
        await trio.sleep(IDLE_S + 4 * REST_CHECK_S)
        assert hall.live == 0
        assert isinstance(await hall.ask("main-1", Wake()), Order)
        assert hall.live == 1


async def test_an_order_that_is_spoken_to_now_and_then_stays_awake(autojump_clock: MockClock) -> None:
    del autojump_clock
    async with open_hall() as hall:
        await hall.ask("main-1", Wake())
        await hall.ask("main-2", Wake())
        for _ in range(5):
            await trio.sleep(IDLE_S / 2)
            await hall.ask("main-1", Wake())
        assert hall.live == 1
