"""The way across to the database's thread, without a database."""

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trio
import trio.testing

from adapters.postgres.bridge import SWITCH_SECONDS, Bridge, BridgeClosedError, Series, open_bridge


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def test_a_coroutine_runs_whole_on_the_databases_thread() -> None:
    async def where() -> str:
        return threading.current_thread().name

    async with open_bridge() as bridge:
        assert await bridge.run(double, 21) == 42
        assert await bridge.run(where) == "postgres"


async def test_python_lets_the_databases_thread_in_sooner_for_as_long_as_there_is_one() -> None:
    before = sys.getswitchinterval()
    async with open_bridge():
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    assert sys.getswitchinterval() == before


async def test_an_error_comes_across_as_it_is() -> None:
    async def fail() -> None:
        raise KeyError("lost")

    async with open_bridge() as bridge:
        with pytest.raises(KeyError, match="lost"):
            await bridge.run(fail)


async def test_a_cancelled_caller_waits_until_the_work_has_really_ended() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)  # noqa: ASYNC102 - on the thread of asyncio, and what is tried here
            ended.append("cleaned up")

    with trio.fail_after(5):
        async with open_bridge() as bridge:
            with trio.move_on_after(0.05) as scope:
                await bridge.run(work)
            assert ended == ["cleaned up"]
            assert scope.cancelled_caught


async def test_work_that_ended_well_before_its_cancellation_arrived_gives_its_result() -> None:
    begun = threading.Event()
    go_on = threading.Event()

    async def work() -> str:
        begun.set()
        go_on.wait(5)  # blocks the thread, so that the cancellation comes too late
        return "done"

    results: list[str] = []

    async def call(bridge: Bridge, scope: trio.CancelScope) -> None:
        with scope:
            results.append(await bridge.run(work))

    with trio.fail_after(5):
        async with open_bridge() as bridge, trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            nursery.start_soon(call, bridge, scope)
            await trio.to_thread.run_sync(begun.wait)
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()

    assert results == ["done"]


async def test_a_caller_that_is_cancelled_already_starts_nothing() -> None:
    started: list[int] = []

    async def work() -> None:
        started.append(1)

    async with open_bridge() as bridge:
        with trio.CancelScope() as scope:
            scope.cancel()
            await bridge.run(work)
    assert started == []


async def test_the_thread_is_gone_at_the_end_and_takes_no_more_work() -> None:
    async with open_bridge() as bridge:
        pass
    with pytest.raises(BridgeClosedError):
        await bridge.run(double, 1)
    assert "postgres" not in {thread.name for thread in threading.enumerate()}


async def test_many_callers_at_once_each_get_their_own_answer() -> None:
    answers: dict[int, int] = {}

    async def ask(bridge: Bridge, number: int) -> None:
        answers[number] = await bridge.run(double, number)

    with trio.fail_after(10):
        async with open_bridge() as bridge, trio.open_nursery() as nursery:
            for number in range(500):
                nursery.start_soon(ask, bridge, number)
    assert answers == {number: 2 * number for number in range(500)}


class Told:
    """What became of the pieces of a series, in the order in which it was told."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self._more = trio.Event()

    def of(self, name: str) -> Callable[[Exception | None], None]:
        def ended(error: Exception | None) -> None:
            self.outcomes.append((name, "well" if error is None else type(error).__name__))
            self._more.set()

        return ended

    async def all_of(self, count: int) -> list[tuple[str, str]]:
        while len(self.outcomes) < count:
            self._more = trio.Event()
            await self._more.wait()
        return self.outcomes


async def test_pieces_of_a_series_run_one_after_another_on_the_databases_thread() -> None:
    done: list[str] = []

    def piece(name: str) -> Callable[[], Coroutine[Any, Any, None]]:
        async def work() -> None:
            done.append(f"{name} begun on {threading.current_thread().name}")
            await asyncio.sleep(0.01)
            done.append(f"{name} done")

        return work

    with trio.fail_after(5):
        async with open_bridge() as bridge:
            series, told = Series(bridge), Told()
            for name in "ab":
                series.begin(piece(name), told.of(name))
            assert await told.all_of(2) == [("a", "well"), ("b", "well")]
    assert done == ["a begun on postgres", "a done", "b begun on postgres", "b done"]


async def test_what_a_piece_waits_for_afterwards_does_not_keep_the_next_one_waiting() -> None:
    flush = threading.Event()

    async def work() -> None:
        await asyncio.sleep(0)

    async def release() -> None:
        flush.set()

    async def afterwards() -> None:
        while not flush.is_set():  # it is the next piece that sets it
            await asyncio.sleep(0.001)

    with trio.fail_after(5):
        async with open_bridge() as bridge:
            series, told = Series(bridge), Told()
            series.begin(work, told.of("a"), afterwards=afterwards)
            series.begin(release, told.of("b"))
            assert sorted(await told.all_of(2)) == [("a", "well"), ("b", "well")]


async def test_after_a_failure_a_series_does_no_piece_until_it_is_mended() -> None:
    done: list[str] = []

    async def fail() -> None:
        raise KeyError("lost")

    async def work() -> None:
        done.append("done")

    with trio.fail_after(5):
        async with open_bridge() as bridge:
            series, told = Series(bridge), Told()
            series.begin(fail, told.of("a"))
            series.begin(work, told.of("b"))
            assert await told.all_of(2) == [("a", "KeyError"), ("b", "BrokenOffError")]
            assert done == []
            series.mend()
            series.begin(work, told.of("c"))
            assert (await told.all_of(3))[2:] == [("c", "well")]
    assert done == ["done"]


async def test_all_pieces_are_told_when_the_thread_goes_and_no_other_is_taken() -> None:
    async def work() -> None:
        await asyncio.sleep(60)

    told = Told()
    with trio.fail_after(5):
        async with open_bridge() as bridge:
            series = Series(bridge)
            series.begin(work, told.of("working"))
            series.begin(work, told.of("waiting"))
            await bridge.run(double, 1)  # so it has taken both
        assert await told.all_of(2) == [("working", "BridgeClosedError"), ("waiting", "BridgeClosedError")]
        with pytest.raises(BridgeClosedError):
            series.begin(work, told.of("late"))


async def test_a_piece_that_the_thread_had_only_just_taken_when_it_went_is_told_too() -> None:
    go_on = threading.Event()

    async def work() -> None:
        await asyncio.sleep(60)

    told = Told()
    with trio.fail_after(5):
        async with open_bridge() as bridge:
            bridge.post(go_on.wait, 5)  # so that it takes the pieces and ends in one breath
            series = Series(bridge)
            series.begin(work, told.of("first"))
            series.begin(work, told.of("second"))
            trio.lowlevel.current_trio_token().run_sync_soon(go_on.set)
        assert await told.all_of(2) == [("first", "BridgeClosedError"), ("second", "BridgeClosedError")]


async def test_what_the_thread_was_only_about_to_wait_for_afterwards_when_it_went_is_told_too() -> None:
    go_on = threading.Event()

    async def work() -> None:
        go_on.wait(5)

    async def afterwards() -> None:
        await asyncio.sleep(60)

    told = Told()
    with trio.fail_after(5):
        async with open_bridge() as bridge:
            Series(bridge).begin(work, told.of("piece"), afterwards=afterwards)
            trio.lowlevel.current_trio_token().run_sync_soon(go_on.set)
        assert await told.all_of(1) == [("piece", "BridgeClosedError")]
