"""Supervision: restarts with back-off, gives up in time, and lets through what no restart mends."""

import pytest
import trio
import trio.testing

from actors.ports.journal import ConflictError, CorruptionError, FencedError
from actors.supervisor import GaveUpError, RestartPolicy, supervise

Clock = trio.testing.MockClock

POLICY = RestartPolicy(crashes_max=3, window_s=60.0, delay_s_first=1.0, delay_s_max=30.0)


class Flaky:
    """An actor that crashes as often as it is told to, and then runs until it is cancelled."""

    def __init__(self, crashes: int, *, after_s: float = 0.0, error: Exception | None = None) -> None:
        self.crashes = crashes
        self.after_s = after_s
        self.error = error or ValueError("crash")
        self.began = trio.current_time()
        self.started_at: list[float] = []

    async def __call__(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self.started_at.append(round(trio.current_time() - self.began, 3))
        task_status.started()
        await trio.sleep(self.after_s)
        if len(self.started_at) <= self.crashes:
            raise self.error
        await trio.sleep_forever()


async def test_back_off_doubles_between_restarts(autojump_clock: Clock) -> None:
    actor = Flaky(crashes=3)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervise, "flaky", actor, POLICY)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert actor.started_at == [0, 1, 3, 7]


async def test_back_off_has_an_end(autojump_clock: Clock) -> None:
    policy = RestartPolicy(crashes_max=10, window_s=1000.0, delay_s_first=1.0, delay_s_max=4.0)
    assert [policy.delay(crashes) for crashes in range(1, 7)] == [1, 2, 4, 4, 4, 4]


async def test_an_actor_that_crashes_too_often_is_given_up_with_the_last_crash_as_the_cause(
    autojump_clock: Clock,
) -> None:
    actor = Flaky(crashes=99)
    with trio.fail_after(100), pytest.raises(GaveUpError) as caught:
        await supervise("flaky", actor, POLICY)
    assert len(actor.started_at) == 4
    assert isinstance(caught.value.__cause__, ValueError)


async def test_crashes_long_ago_are_forgotten(autojump_clock: Clock) -> None:
    actor = Flaky(crashes=20, after_s=40.0)
    with trio.fail_after(5_000):
        async with trio.open_nursery() as nursery:
            await nursery.start(supervise, "flaky", actor, POLICY)
            await trio.sleep(2_000)
            nursery.cancel_scope.cancel()
    assert len(actor.started_at) == 21


@pytest.mark.parametrize("fatal", [FencedError(), CorruptionError(), ConflictError()])
async def test_what_no_restart_mends_passes_at_once(autojump_clock: Clock, fatal: Exception) -> None:
    actor = Flaky(crashes=1, error=fatal)
    with trio.fail_after(5), pytest.raises(type(fatal)):
        await supervise("flaky", actor, POLICY)
    assert actor.started_at == [0]


async def test_it_passes_at_once_out_of_a_nursery_too(autojump_clock: Clock) -> None:
    actor = Flaky(crashes=1, error=ExceptionGroup("", [ValueError(), ExceptionGroup("", [FencedError()])]))
    fenced = pytest.RaisesGroup(ValueError, pytest.RaisesGroup(FencedError))
    with trio.fail_after(5), fenced:
        await supervise("flaky", actor, POLICY)
    assert actor.started_at == [0]


async def test_what_was_in_hand_is_taken_back_before_the_restart(autojump_clock: Clock) -> None:
    seen: list[str] = []

    async def crashed(error: Exception) -> None:
        seen.append(f"{type(error).__name__} after {len(actor.started_at)}")

    actor = Flaky(crashes=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: supervise("flaky", actor, POLICY, on_crash=crashed))
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert seen == ["ValueError after 1", "ValueError after 2"]


async def test_an_actor_that_ends_by_itself_is_not_started_again(autojump_clock: Clock) -> None:
    starts = 0

    async def brief(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        nonlocal starts
        starts += 1
        task_status.started()
        await trio.lowlevel.checkpoint()

    await supervise("brief", brief, POLICY)
    assert starts == 1


async def test_whoever_starts_it_waits_until_it_is_truly_ready(autojump_clock: Clock) -> None:
    class Slow(Flaky):
        async def __call__(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            self.started_at.append(trio.current_time())
            if len(self.started_at) == 1:
                raise self.error
            await trio.sleep(10)
            task_status.started()
            await trio.sleep_forever()

    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        await nursery.start(supervise, "slow", Slow(1), POLICY)
        assert trio.current_time() - begin == pytest.approx(11)
        nursery.cancel_scope.cancel()
