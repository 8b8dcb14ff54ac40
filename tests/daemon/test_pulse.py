"""What the service manager hears: that the daemon lives, as long as work moves on, and how it is."""

from collections.abc import Mapping

import pytest
import structlog
import trio
import trio.testing

from actors.mailbox import Letter, Mailbox
from daemon.pulse import Line, Stuck, keep_pulse, tell_status

WATCHDOG = 60.0


class Manager:
    """Hears what systemd would."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str]] = []

    def notify(self, *lines: str) -> None:
        self.heard += [(trio.current_time(), line) for line in lines]

    def fed(self, since: float = 0.0) -> int:
        return sum(line == "WATCHDOG=1" for at, line in self.heard if at >= since)


async def test_a_standby_asks_for_more_time_and_a_ready_daemon_feeds_the_watchdog(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    manager, ready = Manager(), [False]
    nursery.start_soon(keep_pulse, dict, lambda: ready[0], WATCHDOG, manager.notify)
    await trio.sleep(100)
    assert {line for _, line in manager.heard} == {"EXTEND_TIMEOUT_USEC=60000000"}
    ready[0] = True
    began = trio.current_time()
    await trio.sleep(WATCHDOG)
    assert manager.fed(began) >= 3
    nursery.cancel_scope.cancel()
    assert autojump_clock.rate == 0


async def test_the_watchdog_goes_hungry_while_an_actor_sits_on_its_work(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    manager, mailbox = Manager(), Mailbox[str](4)
    lines: Mapping[str, Line] = {"warehouse lyon": mailbox}
    with structlog.testing.capture_logs() as logged:
        nursery.start_soon(keep_pulse, lambda: lines, lambda: True, WATCHDOG, manager.notify)
        await mailbox.put(Letter("a scan"))
        await mailbox.take(1)
        await trio.sleep(WATCHDOG)
        hungry = trio.current_time()
        await trio.sleep(WATCHDOG)
        assert manager.fed(hungry) == 0
        mailbox.settle()
        await trio.sleep(WATCHDOG / 2)
        assert manager.fed(hungry) > 0
        nursery.cancel_scope.cancel()
    assert [(line["event"], line["actors"]) for line in logged] == [
        ("actors_stuck", ("warehouse lyon",)),
        ("actors_move_on", ("warehouse lyon",)),
    ]
    assert autojump_clock.rate == 0


async def test_a_busy_actor_is_not_stuck_however_long_its_queue_is() -> None:
    stuck, mailbox = Stuck(30.0), Mailbox[int](100)
    for number in range(50):
        await mailbox.put(Letter(number))
        await mailbox.put(Letter(number))
        await mailbox.take(1)
        mailbox.settle()
        assert stuck.look({"desk": mailbox}, now=20.0 * number) == ()
    assert stuck.look({"desk": mailbox}, now=20.0 * 49 + 30) == ("desk",)


@pytest.mark.parametrize("watchdog", [None, 4.0])
async def test_an_idle_daemon_is_never_stuck(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, watchdog: float | None
) -> None:
    manager, mailbox = Manager(), Mailbox[str](4)
    lines: Mapping[str, Line] = {"desk": mailbox}
    nursery.start_soon(keep_pulse, lambda: lines, lambda: True, watchdog, manager.notify)
    await trio.sleep(600)
    assert manager.fed(since=560) >= 2
    nursery.cancel_scope.cancel()
    assert autojump_clock.rate == 0


async def test_the_status_is_told_when_it_changes(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    manager, orders = Manager(), [3]

    def status() -> str:
        return f"running: {orders[0]} orders in hand"

    nursery.start_soon(tell_status, status, manager.notify)
    await trio.sleep(200)
    orders[0] = 4
    await trio.sleep(200)
    nursery.cancel_scope.cancel()
    told = [line for _, line in manager.heard]
    assert told == ["STATUS=running: 3 orders in hand", "STATUS=running: 4 orders in hand"]
    assert autojump_clock.rate == 0
