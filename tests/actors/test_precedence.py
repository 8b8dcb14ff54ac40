"""An import goes first, and nobody waits for it for long."""

import trio
import trio.testing

from actors.precedence import HOLD_EVERY_S, HOLD_S_MAX, Precedence

Clock = trio.testing.MockClock


async def waited_s(precedence: Precedence) -> float:
    began = trio.current_time()
    with trio.fail_after(1_000):
        await precedence.give_way()
    return trio.current_time() - began


async def test_nobody_waits_while_nothing_is_imported(autojump_clock: Clock) -> None:
    assert await waited_s(Precedence()) == 0


async def test_others_go_on_as_soon_as_the_last_page_is_imported(autojump_clock: Clock) -> None:
    precedence = Precedence()
    precedence.reads_on("main")
    precedence.reads_on("outlet")
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            await trio.sleep(3)
            precedence.has_read("main")
            await trio.sleep(4)
            precedence.has_read("outlet")

        nursery.start_soon(read)
        assert await waited_s(precedence) == 7
    assert await waited_s(precedence) == 0


async def test_an_import_without_an_end_holds_nobody_back_for_longer_than_a_minute_in_two(
    autojump_clock: Clock,
) -> None:
    precedence = Precedence()
    precedence.reads_on("main")
    assert await waited_s(precedence) == HOLD_S_MAX
    for _ in range(3):  # the next polls find as much again
        precedence.has_read("main")
        precedence.reads_on("main")
        assert await waited_s(precedence) == 0
    await trio.sleep(HOLD_EVERY_S - HOLD_S_MAX)
    precedence.reads_on("main")
    assert not precedence.is_held, "it goes on reading"
    precedence.has_read("main")
    precedence.reads_on("main")
    assert await waited_s(precedence) == HOLD_S_MAX
