"""The way across to the database's thread, without a database."""

import asyncio
import sys
import threading

import pytest
import trio
import trio.testing

from adapters.postgres.bridge import SWITCH_SECONDS, Bridge, BridgeClosedError, open_bridge


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
