"""An append on its way, and whoever waits for it. It knows nothing of batches or of the database."""

from collections.abc import Iterable

import trio

from actors.ports.journal import Append, FencedError


class Ticket:
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


def fence_all(tickets: Iterable[Ticket], why: str) -> None:
    """Tell those that were told nothing yet that the journal is ours no more."""
    for ticket in tickets:
        ticket.settle(FencedError(why))


def _not_now(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED
