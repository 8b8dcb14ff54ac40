"""A warehouse whose mailbox is full: who asks waits at its door, and every question is answered once."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import trio
import trio.testing

from actors.directory import Directory, WarehouseHandle
from actors.domain.order_commands import OrderCommand
from actors.domain.stock_commands import Answer, OpenStock, Reserve
from actors.domain.stock_events import Quantity
from actors.mailbox import Letter, Mailbox, Reply
from actors.ports.journal import Append, Durable
from actors.warehouse import Warehouse
from adapters.memory.journal import MemoryJournal

MAILBOX_MAX = 3
IN_WORK_MAX = 6
"""What a warehouse takes out of its mailbox while nothing can be recorded: some batches, as they come."""

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
UNITS = 40
ASKED = 100


@dataclass(slots=True)
class SlowJournal(MemoryJournal):
    """Records nothing while somebody holds its lock, and then in the order of the calls."""

    lock: trio.StrictFIFOLock = field(default_factory=trio.StrictFIFOLock)

    async def enqueue(self, append: Append) -> Durable:
        async with self.lock:
            return await MemoryJournal.enqueue(self, append)


async def test_a_full_mailbox_slows_its_senders_and_loses_nothing() -> None:
    journal = SlowJournal()
    handle = WarehouseHandle("lyon", Mailbox(MAILBOX_MAX))
    directory = Directory({"lyon": handle})
    answers: list[Answer] = []
    sent = 0

    async def tell_order(_order: str, _command: OrderCommand) -> None:
        await trio.lowlevel.checkpoint()

    async def keep_asking() -> None:
        nonlocal sent
        for number in range(ASKED):
            order = f"main-{number}"
            reply: Reply[object] = Reply()
            reserve = Reserve(f"{order}.1", order, (Quantity("CUP", 1),), None)
            await handle.mailbox.put(Letter(reserve, reply))
            sent += 1
            nursery.start_soon(hear, reply)

    async def hear(reply: Reply[object]) -> None:
        answers.append(await reply.wait())  # type: ignore[arg-type] # what its actor sends

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            actor = Warehouse(handle, journal, directory, tell_order, lambda: NOW)
            await nursery.start(actor.run)
            await directory.ask_warehouse("lyon", OpenStock("CUP", UNITS, "A-01", "erp"))
            async with journal.lock:
                nursery.start_soon(keep_asking)
                await trio.testing.wait_all_tasks_blocked()
                assert MAILBOX_MAX <= sent <= MAILBOX_MAX * IN_WORK_MAX
                assert answers == []
            while len(answers) < ASKED:
                await trio.testing.wait_all_tasks_blocked()
            told = Counter(type(answer).__name__ for answer in answers)
            assert told == {"Granted": UNITS, "NotEnough": ASKED - UNITS}
            assert handle.stock.shelves["CUP"].reserved == UNITS
            nursery.cancel_scope.cancel()
