"""Keeps an actor running: restarts it with back-off, and gives up when it crashes too often.

It knows no actor.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
import trio

from actors.ports.journal import ConflictError, CorruptionError, FencedError

log = structlog.get_logger(__name__)

FATAL = (ConflictError, CorruptionError, FencedError)
"""After these the actor's memory and the log disagree, or the log is not ours.

Only a new daemon can go on.
"""


class GaveUpError(Exception):
    """An actor crashed more often than its policy allows; the daemon falls and is started anew."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often an actor may crash, and how long it waits before each restart (seconds).

    Five crashes in a minute is what Erlang's field experience calls a fault that restarting does not mend.
    """

    crashes_max: int = 5
    window_s: float = 60.0
    delay_s_first: float = 1.0
    delay_s_max: float = 30.0

    def delay(self, crashes: int) -> float:
        """Return how long to wait after the n-th crash of the window.

        Doubled each time, up to the maximum.
        """
        return min(self.delay_s_first * 2.0 ** (crashes - 1), self.delay_s_max)


POLICY = RestartPolicy()


class Actor(Protocol):
    """Something that runs until it is done or crashes; `started` is called once it is truly ready."""

    def __call__(self, *, task_status: trio.TaskStatus[None]) -> Awaitable[None]:
        """Run."""
        ...


async def supervise(
    name: str,
    actor: Actor,
    policy: RestartPolicy = POLICY,
    *,
    on_crash: Callable[[Exception], Awaitable[None]] | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run `actor` until it ends by itself; restart it when it crashes.

    `on_crash` runs between a crash and the restart, so that a mailbox can take back what was in hand. The
    first start counts as `started`; a crash before it is retried like any other.

    Raises:
        GaveUpError: more than `crashes_max` crashes within the window.
        FencedError, ConflictError, CorruptionError: at once, as they come.
    """
    crashes: list[float] = []
    first_start = _FirstStart(task_status)
    while True:
        try:
            await actor(task_status=first_start)
        except FATAL:
            raise
        except Exception as error:
            if _is_fatal(error):
                raise
            now = trio.current_time()
            crashes = [*(at for at in crashes if at > now - policy.window_s), now]
            log.exception("actor_crashed", actor=name, crashes=len(crashes), error=type(error).__name__)
            if len(crashes) > policy.crashes_max:
                raise GaveUpError(
                    f"{name} crashed {len(crashes)} times in {policy.window_s:.0f} s"
                ) from error
            if on_crash is not None:
                await on_crash(error)
            await trio.sleep(policy.delay(len(crashes)))
        else:
            return


class _FirstStart(trio.TaskStatus[None]):
    """Hands on the first `started` and keeps those of the restarts to itself."""

    def __init__(self, waiting: trio.TaskStatus[None]) -> None:
        self._waiting: trio.TaskStatus[None] | None = waiting

    def started(self, value: None = None) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.started(value)


def _is_fatal(error: Exception) -> bool:
    """Look into the groups that nurseries make."""
    return isinstance(error, ExceptionGroup) and error.subgroup(FATAL) is not None
