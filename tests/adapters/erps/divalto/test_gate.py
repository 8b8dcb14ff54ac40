"""The way to a site's door: one cold start at a time, and one reading for all who wait for the same."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
import trio
import trio.testing

from actors.errors import UnreachableError
from adapters.erps.divalto.gate import Gate
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.shared import Shared
from adapters.erps.divalto.simulator.rehearsal import Site
from adapters.erps.divalto.turns import Rank
from adapters.http.server import Drop, Request

SETTINGS = DivaltoSettings(
    dos="1", customer="WEB", depots={"paris": "D01"}, concurrency=4, warm_seconds=300.0
)


class Busy:
    """Counts who is at the door at once."""

    def __init__(self) -> None:
        self.gate = Gate("erp", SETTINGS, lambda: datetime.now(UTC))
        self.now = 0
        self.most: list[int] = []

    async def call(self, *, fails: bool = False) -> None:
        with suppress(UnreachableError):
            async with self.gate.turn(Rank.DOCUMENT):
                self.now += 1
                self.most.append(self.now)
                try:
                    await trio.sleep(1)
                finally:
                    self.now -= 1
                if fails:
                    raise UnreachableError("erp", "call", "away")

    async def calls(self, count: int, *, fails: bool = False) -> list[int]:
        """Make so many calls side by side, and return how many were at the door as each came in."""
        self.most.clear()
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(lambda: self.call(fails=fails))
        return self.most


async def test_the_first_call_goes_alone_and_the_others_then_side_by_side(
    autojump_clock: trio.testing.MockClock,
) -> None:
    busy = Busy()
    assert await busy.calls(5) == [1, 1, 2, 3, 4]
    assert await busy.calls(4) == [1, 2, 3, 4]


async def test_a_site_that_was_idle_for_long_is_warmed_up_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    busy = Busy()
    await busy.calls(2)
    await trio.sleep(299)
    assert await busy.calls(2) == [1, 2]
    await trio.sleep(301)
    assert await busy.calls(3) == [1, 1, 2]


async def test_as_long_as_a_site_fails_one_call_at_a_time_tries_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert await Busy().calls(3, fails=True) == [1, 1, 1]


async def test_who_is_cancelled_while_warming_up_leaves_it_to_the_next(
    autojump_clock: trio.testing.MockClock,
) -> None:
    busy = Busy()
    with trio.move_on_after(0.5):
        await busy.call()
    assert await busy.calls(2) == [1, 1]


async def test_all_who_wait_for_a_reading_share_one_that_began_after_they_asked() -> None:
    began: list[int] = []
    go = trio.Event()

    async def read() -> int:
        began.append(len(began))
        await go.wait()
        return began[-1]

    shared = Shared(read)
    got: list[int] = []

    async def ask() -> None:
        got.append(await shared.ask())

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(10):
                nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            go.set()
    assert sorted(got) == [0, *[1] * 10]


async def test_a_reading_that_fails_fails_for_all_who_shared_it_and_the_next_is_made_anew() -> None:
    attempts = 0

    async def read() -> int:
        nonlocal attempts
        attempts += 1
        await trio.lowlevel.checkpoint()
        if attempts == 1:
            raise UnreachableError("erp", "stock", "away")
        return attempts

    shared = Shared(read)
    failures = 0

    async def ask() -> None:
        nonlocal failures
        with pytest.raises(UnreachableError, match="away"):
            await shared.ask()
        failures += 1

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
        assert (attempts, failures) == (1, 3)
        assert await shared.ask() == 2


async def test_who_reads_and_gives_up_leaves_the_reading_to_who_waits() -> None:
    attempts = 0

    async def read() -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await trio.sleep_forever()
        return attempts

    shared = Shared(read)
    got: list[int] = []
    first = trio.CancelScope()

    async def ask(scope: trio.CancelScope) -> None:
        with scope:
            got.append(await shared.ask())

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, first)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(ask, trio.CancelScope())
            await trio.testing.wait_all_tasks_blocked()
            first.cancel()
    assert got == [2]


async def test_stock_that_many_asked_for_during_an_outage_is_read_twice_at_most(site: Site) -> None:
    readings = 0

    def counts(request: Request) -> bool:
        nonlocal readings
        readings += b"depo=D01" in request.body
        return False

    site.divalto.faults.answer_next(Drop(), counts)
    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(site.erp.stock)
    assert readings <= 4  # two readings of two pages each: one that ends, one for all who asked meanwhile
