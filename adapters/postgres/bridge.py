"""The database's own thread with an asyncio loop, and the one way across to it from Trio.

asyncpg needs asyncio. Each unit of work is one coroutine, run whole on the thread; nothing else of asyncio is
known outside. It knows nothing of SQL.
"""

import asyncio
import contextlib
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple

import outcome
import trio
from msgspec import Struct

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SWITCH_SECONDS: Final = 0.001
"""How long Trio's thread may compute on while the database's thread waits for Python's lock.

What that thread has to do takes 0.1 ms: hand an answer on, send the next batch. Python's own 5 ms are as long
as seven commits of eight reservations.
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

    def post(self, function: Callable[[*Ts], object], *args: *Ts) -> None:
        """Have `function(*args)` called on the database's thread, soon; it must not raise, and nobody waits.

        Raises:
            BridgeClosedError: the thread has ended.
        """
        self._refuse_when_closed()
        self._loop.call_soon_threadsafe(function, *args)

    def close(self) -> None:
        """Take no more work."""
        self._closed = True

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise BridgeClosedError("the database's thread has ended")


class BrokenOffError(Exception):
    """A piece of a series was not begun, because one before it had failed."""


class _Piece(Struct, frozen=True):
    work: Callable[[], Coroutine[Any, Any, object]]
    afterwards: Callable[[], Coroutine[Any, Any, None]] | None
    tell: Callable[[Exception | None], None]


class Series:
    """Pieces of work that the thread does one after another: the next begins without a way back through Trio.

    What a piece still has to wait for `afterwards` does not keep the next one waiting. After a failure those
    that wait are broken off, until `mend` is called once none is left.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._waiting: deque[_Piece] = deque()
        self._at_work: asyncio.Task[None] | None = None
        self._afterwards: set[asyncio.Task[None]] = set()
        self._broken = False

    def begin(
        self,
        work: Callable[[], Coroutine[Any, Any, object]],
        ended: Callable[[Exception | None], None],
        *,
        afterwards: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """Have `work()` run on the thread when all before it are done; nobody can take it back.

        Trio's loop itself calls `ended`, and would not outlive an error of it: with None when all went well,
        with BrokenOffError when one before it had failed, with BridgeClosedError when the thread ended.

        Raises:
            BridgeClosedError: the thread has ended.
        """
        token = trio.lowlevel.current_trio_token()

        def tell(error: Exception | None) -> None:
            with contextlib.suppress(trio.RunFinishedError):  # nobody is left who waits
                token.run_sync_soon(ended, error)

        self._bridge.post(self._take, _Piece(work, afterwards, tell))

    def mend(self) -> None:
        """Begin anew after a failure."""
        self._broken = False

    def _take(self, piece: _Piece) -> None:
        self._waiting.append(piece)
        if self._at_work is None:
            self._at_work = asyncio.get_running_loop().create_task(self._work())
            self._at_work.add_done_callback(self._ended)

    async def _work(self) -> None:
        while self._waiting:
            await self._do(self._waiting[0])
            self._waiting.popleft()
        self._at_work = None

    async def _do(self, piece: _Piece) -> None:
        if self._broken:
            piece.tell(BrokenOffError())
            return
        self._broken = True
        if await _done(piece, piece.work):
            self._broken = False
            if piece.afterwards is None:
                piece.tell(None)
            else:
                task = asyncio.get_running_loop().create_task(_finish(piece, piece.afterwards))
                self._afterwards.add(task)
                task.add_done_callback(partial(self._ended_afterwards, piece))

    # A task that is cancelled before its first step never runs: so it is not itself that tells of its end.

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            for piece in self._waiting:
                piece.tell(BridgeClosedError(_CLOSED_MEANWHILE))
            self._waiting.clear()

    def _ended_afterwards(self, piece: _Piece, task: asyncio.Task[None]) -> None:
        self._afterwards.discard(task)
        if task.cancelled():
            piece.tell(BridgeClosedError(_CLOSED_MEANWHILE))


async def _finish(piece: _Piece, afterwards: Callable[[], Coroutine[Any, Any, None]]) -> None:
    if await _done(piece, afterwards):
        piece.tell(None)


async def _done(piece: _Piece, work: Callable[[], Coroutine[Any, Any, object]]) -> bool:
    """Whether it ended well; if not, it is told why."""
    try:
        await work()
    except Exception as error:  # noqa: BLE001 - it is told to whoever handed the work over
        piece.tell(error)
        return False
    return True


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
