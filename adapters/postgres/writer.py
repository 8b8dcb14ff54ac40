"""The one writer: takes all appends that wait, commits them together, and answers all.

An append is encoded and chained in its caller's task, into the batch that is still open; the writer's task
seals that batch and sends it behind the one that is being written, while the next one fills. While one batch
is being flushed to the disk the next is being written. It owns the chain's tips, the versions of hot streams
and the pipeline; it knows nothing of reads or leases.
"""

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog
import trio
from msgspec import Struct

from actors.domain.partitions import partition_of
from actors.ports.journal import Append, ConflictError, CorruptionError, FencedError
from adapters.postgres.connect import COMMAND_SECONDS_MAX, Connection
from adapters.postgres.encoding import Batch, Tip, UnwritableError
from adapters.postgres.failures import as_journal_error
from adapters.postgres.flushing import Flusher
from adapters.postgres.lifeline import lifeline
from adapters.postgres.pipeline import Ended, Pipeline
from adapters.postgres.ticket import Ticket, fence_all

BATCH_EVENTS_MAX: Final = 4_096
"""About 0.1 s of the database's work: larger batches gain nothing any more, and all in one wait for its last
row."""

BATCH_BYTES_MAX: Final = 8_000_000
"""The same bound where events or labels are large; what is encoded and not yet written stays below twice
this."""

APPEND_EVENTS_MAX: Final = 32_768
"""One append may exceed a batch, but not the `line` and memory that a single transaction should take."""

EARLY_EVENTS: Final = 8
"""A batch of so many is sent behind one that is being written, so that the database need not wait for us.
With fewer it would be a commit for hardly anything."""

VERSIONS_MAX: Final = 100_000
"""Streams whose version is kept, some 15 MB. For another the database is asked, within the same commit."""

FLUSH_APART_EVENTS: Final = 64
"""From so many events on, the next batch is written while this one goes to the disk, if one is close.
With fewer, or with none behind it, to hand the flush over costs more than it gains."""

OUTLAST_SECONDS_MAX: Final = 2 * COMMAND_SECONDS_MAX
"""At the end: twice as long as a commit may take, since two may be under way one after the other."""

_CALL: Final = f"SELECT journal_append({', '.join(f'${number}' for number in range(1, 56))})"
_DURABLE: Final = "append"
_APART: Final = "append_unflushed"

WRITING: Final[Mapping[str, str]] = {
    # Each the only statement, and so the whole transaction: it never waits for us while it holds locks.
    _DURABLE: _CALL,
    _APART: f"{_CALL}, set_config('synchronous_commit', 'off', true)",
}
"""What a writer's pipeline has to have prepared."""

log = structlog.get_logger(__name__)


class Committed(Struct, frozen=True):
    """What one commit wrote, for metrics; `seconds` from sealing the batch to the database's answer."""

    appends: int
    events: int
    movements: int
    bytes: int
    seconds: float


class Claim(Struct, frozen=True):
    """The partitions that are ours, each with its fence, under the owner's name."""

    owner: str
    fences: dict[int, int]


class _UnderWay:
    """A sealed batch at the database, and what became of it."""

    __slots__ = ("batch", "ended", "error", "tickets")

    def __init__(self, batch: Batch, tickets: list[Ticket]) -> None:
        self.batch = batch
        self.tickets = tickets
        self.ended = False
        self.error: Exception | None = None


class Writer:
    """Appends to the partitions of a claim. `run` has to run; when it ends, every append is refused.

    `claiming` is the connection by whose life others know that the claim is still held.
    """

    def __init__(
        self,
        claiming: Connection,
        pipeline: Pipeline,
        flusher: Flusher,
        claim: Claim,
        tips: Mapping[int, Tip],
        observe: Callable[[Committed], None],
    ) -> None:
        self._claiming = claiming
        self._pipeline = pipeline
        self._flusher = flusher
        self._under_way: deque[_UnderWay] = deque()
        self._claim = claim
        self._observe = observe
        self._tips = dict(tips)
        self._versions: dict[str, int] = {}
        self._open = Batch(self._tips)
        self._waiting: list[Ticket] = []
        self._one_by_one: deque[Ticket] = deque()
        self._work = trio.Event()
        self._room = trio.lowlevel.ParkingLot()
        self._line = trio.StrictFIFOLock()
        self._stopped: str | None = None
        self._cut_off = False

    async def enqueue(self, append: Append) -> Ticket:
        """Return once there was room for `append`; its ticket tells when it is durable.

        Several appends to one stream may be under way, in the order of the calls. None can be taken back: its
        outcome would be unknown.

        Raises:
            ConflictError: the stream is at another version, or a key in it was used before.
            CorruptionError: the append would make the books contradict themselves.
            FencedError: the partition is not ours any more, or the database is gone.
            UnwritableError: no database could take it.
        """
        if len(append.events) > APPEND_EVENTS_MAX:
            raise UnwritableError(f"{len(append.events)} events are more than one append may hold")
        ticket = Ticket(append)
        if self._line.locked() or self._is_full(append):
            async with self._line:  # whoever comes while somebody waits for room stands behind them
                while self._stopped is None and self._is_full(append):
                    await self._room.park()
                self._take(ticket)
        else:
            self._take(ticket)
        return ticket

    def _take(self, ticket: Ticket) -> None:
        if self._stopped is not None:
            raise FencedError(self._stopped)
        stream = ticket.append.stream
        if partition_of(stream) not in self._claim.fences:
            raise FencedError(f"the partition of {stream} is not ours")
        if self._one_by_one:
            self._one_by_one.append(ticket)
        else:
            self._encode(ticket)
        if self._may_seal():
            self._work.set()

    async def run(self) -> None:
        """Commit what comes, until cancelled.

        Raises:
            FencedError: a partition was taken over, or the database is gone.
            CorruptionError: the books contradict themselves.
        """
        failure: FencedError | CorruptionError | None = None
        answering = trio.CancelScope(shield=True)  # a cancelled writer still waits for answers
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hand_on_answers, answering)
            try:
                with lifeline(self._claiming, self._lose_connection):
                    await self._run()
            except (FencedError, CorruptionError) as error:
                failure = error
            finally:
                answering.cancel()
                self._stop(str(failure or "the journal was closed"))
        if failure is not None:
            raise failure

    async def _hand_on_answers(self, answering: trio.CancelScope) -> None:
        with answering:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pipeline.run, self._lose_connection)
                nursery.start_soon(self._flusher.run, self._lose_connection)

    async def _run(self) -> None:
        try:
            while True:
                await self._work.wait()
                if (failed := self._clear_away()) is not None:
                    raise failed
                if self._one_by_one and not self._under_way:
                    failed = await self._commit_alone(self._one_by_one[0])
                    self._one_by_one.popleft()
                    if failed is not None:
                        raise failed
                elif self._may_seal():
                    await self._commit(self._seal())
                else:
                    self._work = trio.Event()
        finally:
            # Whoever left them alone would not know their outcome.
            with trio.move_on_after(OUTLAST_SECONDS_MAX, shield=True):
                await self._outlast_what_is_under_way()

    async def _outlast_what_is_under_way(self) -> None:
        while not all(commit.ended for commit in self._under_way):
            self._work = trio.Event()
            await self._work.wait()

    def _lose_connection(self) -> None:
        self._cut_off = True
        self._work.set()

    def _is_full(self, append: Append) -> bool:
        batch = self._open
        if not batch.events:
            return False
        return batch.events + len(append.events) > BATCH_EVENTS_MAX or batch.bytes > BATCH_BYTES_MAX

    def _encode(self, ticket: Ticket) -> None:
        append = ticket.append
        version = self._versions.get(append.stream)
        if version is not None and version != append.expected:
            raise ConflictError(f"{append.stream} is at version {version}, not {append.expected}")
        try:
            self._open.add(append)
        except UnicodeEncodeError as error:
            self._encode_again()
            raise as_journal_error(error) from error
        except Exception:
            self._encode_again()
            raise
        self._waiting.append(ticket)
        if version is None:
            self._open.unsure.append((partition_of(append.stream), append.stream, append.expected))
            if len(self._versions) >= VERSIONS_MAX:
                del self._versions[next(iter(self._versions))]
        self._versions[append.stream] = append.expected + len(append.events)

    def _encode_again(self) -> None:
        """Make the open batch once more without the append that broke it."""
        self._tips.update(self._open.before)
        unsure = self._open.unsure
        self._open = Batch(self._tips)
        self._open.unsure = unsure
        for ticket in self._waiting:
            self._open.add(ticket.append)

    def _may_seal(self) -> bool:
        """Whether the open batch is to go to the database now.

        It goes when nothing is under way. One that is worth a commit is sent behind the one that is, so that
        the database need not wait for us; a smaller one stays open for others to join.
        """
        if not self._waiting or self._one_by_one:
            return False
        if not self._under_way:
            return True
        if len(self._under_way) > 1 or self._open.events < EARLY_EVENTS:
            return False
        return self._under_way[0].error is None

    def _seal(self) -> _UnderWay:
        sealed = _UnderWay(self._open, self._waiting)
        self._open, self._waiting = Batch(self._tips), []
        self._under_way.append(sealed)
        self._room.unpark_all()
        return sealed

    async def _commit(self, commit: _UnderWay) -> None:
        durable = partial(self._end, commit, trio.current_time())
        try:
            arguments = commit.batch.arguments(self._claim.owner, self._claim.fences)
        except (UnwritableError, UnicodeEncodeError) as error:
            durable(error)
            return
        with trio.CancelScope(shield=True):  # or it would be under way, and nobody could tell
            # Where one is under way already, the next is likely to follow this one as closely.
            if commit.batch.events >= FLUSH_APART_EVENTS and len(self._under_way) > 1:
                await self._pipeline.execute(_APART, arguments, partial(self._flush, durable))
            else:
                await self._pipeline.execute(_DURABLE, arguments, durable)

    def _flush(self, durable: Ended, error: Exception | None) -> None:
        if error is None:
            self._flusher.after_flush(durable)
        else:
            durable(error)

    def _end(self, commit: _UnderWay, began: float, error: Exception | None) -> None:
        batch = commit.batch
        if error is None:
            seconds = trio.current_time() - began
            self._observe(Committed(len(commit.tickets), batch.events, batch.movements, batch.bytes, seconds))
            for ticket in commit.tickets:
                ticket.settle()
        else:
            commit.error = as_journal_error(error)
        commit.ended = True
        self._work.set()

    def _clear_away(self) -> Exception | None:
        """Forget commits that ended well; return the error that ends the writer.

        When one was refused, its appends and all that were encoded on top of them are queued to be committed
        one by one: so the one that cannot be written fails, and no other.
        """
        if self._cut_off:
            return FencedError("the writer's connection to the database was lost")
        while self._under_way and self._under_way[0].ended and self._under_way[0].error is None:
            self._under_way.popleft()
        if not self._under_way or not all(commit.ended for commit in self._under_way):
            return None
        error = self._under_way[0].error
        if isinstance(error, FencedError):
            return error
        log.warning("journal.batch_refused", appends=len(self._under_way[0].tickets), why=str(error))
        self._roll_back()
        return None

    def _roll_back(self) -> None:
        # One behind the refused one is refused too, but where they have no partition in common.
        refused = [commit for commit in self._under_way if commit.error is not None]
        self._tips.update(self._open.before)
        for commit in reversed(refused):
            self._tips.update(commit.batch.before)
        self._versions.clear()
        for commit in refused:
            self._one_by_one.extend(commit.tickets)
        self._one_by_one.extend(self._waiting)
        self._under_way.clear()
        self._open, self._waiting = Batch(self._tips), []
        self._room.unpark_all()

    async def _commit_alone(self, ticket: Ticket) -> Exception | None:
        """Commit one append of a refused batch; return the error that ends the writer."""
        try:
            self._encode(ticket)
        except (ConflictError, UnwritableError) as error:
            ticket.settle(error)
            return None
        commit = self._seal()
        await self._commit(commit)
        with trio.CancelScope(shield=True):  # it ends by itself, as every command of the connection does
            await self._outlast_what_is_under_way()
        self._under_way.clear()
        if commit.error is None:
            return None
        self._tips.update(commit.batch.before)
        self._versions.clear()
        ticket.settle(commit.error)
        return commit.error if isinstance(commit.error, FencedError | CorruptionError) else None

    def _stop(self, why: str) -> None:
        self._stopped = why
        for commit in self._under_way:
            fence_all(commit.tickets, why)
        fence_all([*self._waiting, *self._one_by_one], why)
        self._waiting.clear()
        self._one_by_one.clear()
        self._room.unpark_all()
