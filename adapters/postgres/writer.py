"""The one writer: takes all appends that wait, commits them together, and answers all.

It has two stages. An append is encoded and chained in its caller's task, into the batch that is still open;
the writer's task seals that batch and commits it on the database's thread while the next one fills. It owns
the chain's tips, the versions of hot streams and the connection; it knows nothing of reads or leases.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import structlog
import trio
from msgspec import Struct

from actors.domain.partitions import partition_of
from actors.ports import Append, ConflictError, CorruptionError, FencedError
from adapters.postgres.bridge import Bridge
from adapters.postgres.connect import Connection
from adapters.postgres.encoding import Argument, Batch, Tip, UnwritableError
from adapters.postgres.failures import Verdict, judge
from adapters.postgres.lifeline import lifeline

BATCH_EVENTS_MAX: Final = 4_096
"""About 0.1 s of the database's work: larger batches gain nothing any more, and all in one wait for its last
row."""

BATCH_BYTES_MAX: Final = 8_000_000
"""The same bound where events or labels are large; what is encoded and not yet written stays below twice
this."""

APPEND_EVENTS_MAX: Final = 32_768
"""One append may exceed a batch, but not the `line` and memory that a single transaction should take."""

VERSIONS_MAX: Final = 100_000
"""Streams whose version is kept, some 15 MB. For another the database is asked, within the same commit."""

_CALL: Final = f"SELECT journal_append({', '.join(f'${number}' for number in range(1, 56))})"

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


class _Ticket:
    """An append that waits for its commit."""

    __slots__ = ("_waiter", "append", "done", "error")

    def __init__(self, append: Append) -> None:
        self.append = append
        self.done = False
        self.error: Exception | None = None
        self._waiter: trio.lowlevel.Task | None = None

    def settle(self, error: Exception | None = None) -> None:
        """Tell its outcome; the first counts."""
        if not self.done:
            self.done = True
            self.error = error
            if self._waiter is not None:
                trio.lowlevel.reschedule(self._waiter)

    async def settled(self) -> None:
        """Return once it is recorded, or raise why not.

        Nobody is cancelled meanwhile: it takes as long as a commit, which the command's timeout bounds.
        """
        if self.done:
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            self._waiter = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(_not_now)
        if self.error is not None:
            raise self.error


def _not_now(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


class Writer:
    """Appends to the partitions of a claim. `run` has to run; when it ends, every append is refused."""

    def __init__(
        self,
        bridge: Bridge,
        connection: Connection,
        claim: Claim,
        tips: Mapping[int, Tip],
        observe: Callable[[Committed], None],
    ) -> None:
        self._bridge = bridge
        self._connection = connection
        self._claim = claim
        self._observe = observe
        self._tips = dict(tips)
        self._versions: dict[str, int] = {}
        self._open = Batch(self._tips)
        self._waiting: list[_Ticket] = []
        self._one_by_one: deque[_Ticket] = deque()
        self._work = trio.Event()
        self._room = trio.lowlevel.ParkingLot()
        self._line = trio.StrictFIFOLock()
        self._stopped: str | None = None
        self._cut_off = False

    async def append(self, append: Append) -> None:
        """Return when `append` is durable. Not to be cancelled on the way: its outcome would be unknown.

        Several appends to one stream may be under way, in the order of the calls.

        Raises:
            ConflictError: the stream is at another version, or a key in it was used before.
            CorruptionError: the append would make the books contradict themselves.
            FencedError: the partition is not ours any more, or the database is gone.
            UnwritableError: no database could take it.
        """
        if len(append.events) > APPEND_EVENTS_MAX:
            raise UnwritableError(f"{len(append.events)} events are more than one append may hold")
        ticket = _Ticket(append)
        if self._line.locked() or self._is_full(append):
            async with self._line:  # whoever comes while somebody waits for room stands behind them
                while self._stopped is None and self._is_full(append):
                    await self._room.park()
                self._take(ticket)
        else:
            self._take(ticket)
        await ticket.settled()

    def _take(self, ticket: _Ticket) -> None:
        if self._stopped is not None:
            raise FencedError(self._stopped)
        stream = ticket.append.stream
        if partition_of(stream) not in self._claim.fences:
            raise FencedError(f"the partition of {stream} is not ours")
        if self._one_by_one:
            self._one_by_one.append(ticket)
        else:
            self._encode(ticket)
        self._work.set()

    async def run(self) -> None:
        """Commit what comes, until cancelled.

        Raises:
            FencedError: a partition was taken over, or the database is gone.
            CorruptionError: the books contradict themselves.
        """
        stopped = "the journal was closed"
        try:
            with lifeline(self._connection, self._lose_connection):
                while True:
                    await self._work.wait()
                    self._check_connection()
                    await self._commit_open()
                    while self._one_by_one:
                        await self._commit_alone(self._one_by_one[0])
                        self._one_by_one.popleft()
                    if not self._waiting and not self._cut_off:
                        self._work = trio.Event()
        except (FencedError, CorruptionError) as error:
            stopped = str(error)
            raise
        finally:
            self._stop(stopped)

    def _lose_connection(self) -> None:
        self._cut_off = True
        self._work.set()

    def _check_connection(self) -> None:
        """Raise when others may have taken over by now; what waits is not even tried."""
        if self._cut_off:
            raise FencedError("the writer's connection to the database was lost")

    def _is_full(self, append: Append) -> bool:
        batch = self._open
        if not batch.events:
            return False
        return batch.events + len(append.events) > BATCH_EVENTS_MAX or batch.bytes > BATCH_BYTES_MAX

    def _encode(self, ticket: _Ticket) -> None:
        append = ticket.append
        version = self._versions.get(append.stream)
        if version is not None and version != append.expected:
            raise ConflictError(f"{append.stream} is at version {version}, not {append.expected}")
        try:
            self._open.add(append)
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

    def _seal(self) -> tuple[Batch, list[_Ticket]]:
        sealed = self._open, self._waiting
        self._open, self._waiting = Batch(self._tips), []
        self._room.unpark_all()
        return sealed

    async def _commit_open(self) -> None:
        if not self._waiting:
            return
        batch, tickets = self._seal()
        try:
            await self._commit(batch, tickets)
        except (ConflictError, CorruptionError, UnwritableError) as error:
            log.warning("journal.batch_refused", appends=len(tickets), why=str(error))
            self._take_apart(batch, tickets)

    def _take_apart(self, batch: Batch, tickets: list[_Ticket]) -> None:
        """Queue the appends of a refused batch, and those encoded on top of it, to be committed one by one.

        So the one that cannot be written fails, and no other.
        """
        self._tips.update(self._open.before)
        self._tips.update(batch.before)
        self._versions.clear()
        self._one_by_one.extend([*tickets, *self._waiting])
        self._open, self._waiting = Batch(self._tips), []
        self._room.unpark_all()

    async def _commit_alone(self, ticket: _Ticket) -> None:
        try:
            self._encode(ticket)
        except (ConflictError, UnwritableError) as error:
            ticket.settle(error)
            return
        batch, tickets = self._seal()
        try:
            await self._commit(batch, tickets)
        except (ConflictError, UnwritableError) as error:
            self._tips.update(batch.before)
            self._versions.clear()
            ticket.settle(error)
        except CorruptionError as error:
            ticket.settle(error)
            raise

    async def _commit(self, batch: Batch, tickets: list[_Ticket]) -> None:
        began = trio.current_time()
        try:
            arguments = batch.arguments(self._claim.owner, self._claim.fences)
            with trio.CancelScope(
                shield=True
            ):  # a commit under way is not broken off: its outcome would be unknown
                await self._bridge.run(_call, self._connection, arguments)
        except UnwritableError:
            raise
        except Exception as error:
            failed = _translated(error)
            if isinstance(failed, FencedError):
                _fail(tickets, str(failed))
            raise failed from error
        self._observe(
            Committed(len(tickets), batch.events, batch.movements, batch.bytes, trio.current_time() - began)
        )
        for ticket in tickets:
            ticket.settle()

    def _stop(self, why: str) -> None:
        self._stopped = why
        _fail([*self._waiting, *self._one_by_one], why)
        self._waiting.clear()
        self._one_by_one.clear()
        self._room.unpark_all()


async def _call(connection: Connection, arguments: tuple[Argument, ...]) -> None:
    # The only statement, and so the whole transaction: no message of ours is waited for while it holds locks.
    await connection.fetch(_CALL, *arguments)


def _fail(tickets: list[_Ticket], why: str) -> None:
    for ticket in tickets:
        ticket.settle(FencedError(why))


def _translated(error: Exception) -> Exception:
    match judge(error):
        case Verdict.CONFLICT:
            return ConflictError(str(error))
        case Verdict.UNWRITABLE:
            return UnwritableError(str(error))
        case Verdict.CORRUPT:
            return CorruptionError(str(error))
        case Verdict.FENCED:
            return FencedError(
                f"the writer lost its partitions or its database: {type(error).__name__}: {error}"
            )
