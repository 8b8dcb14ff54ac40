"""The database's own thread with an asyncio loop, and the one way across to it from Trio.

asyncpg needs asyncio. Each unit of work is one coroutine, run whole on the thread; nothing else of asyncio is
known outside. It knows nothing of SQL.
"""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final, TypeVar, TypeVarTuple

import outcome
import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SWITCH_SECONDS: Final = 0.001
"""How long Trio's thread may compute on while another waits for Python's lock.

What the others have to do takes 0.1 ms: hand an answer on, ask the next question, end the sending of a large
batch, for which the database waits. Python's own 5 ms are a fifth of such a batch.
"""

_CLOSED_MEANWHILE: Final = "the database's thread was closed while it worked"


class BridgeClosedError(RuntimeError):
    """The database's thread is gone, or went while it worked for us."""


class Bridge:
    """A running loop on its own thread; made by `open_bridge`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._closed = False

    async def run(self, function: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        """Run `function(*args)` on the database's thread and return what it returns.

        When the caller is cancelled the coroutine is cancelled too, and the caller leaves only after it has
        really ended: no connection is left in the middle of something. If it ended well all the same, its
        result is returned.

        Raises:
            BridgeClosedError: the thread has ended.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._refuse_when_closed()
        caller = trio.lowlevel.current_task()
        token = trio.lowlevel.current_trio_token()
        work: asyncio.Task[T] | None = None
        cancel_wanted = False
        raise_cancel: Callable[[], Any] | None = None

        def report(done: asyncio.Task[T]) -> None:
            with contextlib.suppress(trio.RunFinishedError):  # nobody is left who waits
                token.run_sync_soon(trio.lowlevel.reschedule, caller, outcome.Value(done))

        def begin() -> None:
            nonlocal work
            work = self._loop.create_task(function(*args))
            work.add_done_callback(report)
            if cancel_wanted:
                work.cancel()

        def cancel() -> None:
            if work is not None:
                work.cancel()

        def abort(cancel_raiser: Callable[[], Any]) -> trio.lowlevel.Abort:
            nonlocal cancel_wanted, raise_cancel
            raise_cancel = cancel_raiser
            cancel_wanted = True
            self._loop.call_soon_threadsafe(cancel)
            return trio.lowlevel.Abort.FAILED

        self._loop.call_soon_threadsafe(begin)
        done: asyncio.Task[T] = await trio.lowlevel.wait_task_rescheduled(abort)
        if done.cancelled():
            if raise_cancel is not None:
                raise_cancel()
            raise BridgeClosedError(_CLOSED_MEANWHILE)
        return done.result()

    def close(self) -> None:
        """Take no more work."""
        self._closed = True

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise BridgeClosedError("the database's thread has ended")


@contextlib.asynccontextmanager
async def open_bridge() -> AsyncGenerator[Bridge]:
    """Start the thread; at the end cancel what still runs there, and wait until the thread is gone."""
    loop = _new_loop()
    switch_seconds_before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    thread = threading.Thread(target=_run_loop, args=(loop,), name="postgres", daemon=True)
    thread.start()
    bridge = Bridge(loop)
    try:
        yield bridge
    finally:
        bridge.close()
        loop.call_soon_threadsafe(loop.stop)
        with trio.CancelScope(
            shield=True
        ):  # it only has to cancel and close what is left: no network is waited for
            await trio.to_thread.run_sync(thread.join)
        sys.setswitchinterval(switch_seconds_before)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not built for this platform: slower, nothing else
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
