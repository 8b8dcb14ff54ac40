"""After an outage the outbox drains at the full cap and never above it, orders first, each document once."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import trio

from actors.attempt import Taken
from actors.domain.documents import Document, ErpDocument
from actors.drain import Drain
from actors.errors import UnreachableError
from actors.ports.journal import PendingEffect
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from adapters.erps.divalto.simulator.rehearsal import Site, line, note, open_site, order
from adapters.memory.journal import MemoryJournal

CAP = 3
ORDERS = 30


class Owned:
    """Whom the outcomes concern: takes note of them."""

    def __init__(self) -> None:
        self.settled: dict[str, str] = {}
        self.refused: list[str] = []

    def settle_soon(self, taken: Sequence[Taken], then: Callable[[Exception | None], None]) -> bool:
        del taken, then
        return False

    async def settle(self, taken: Sequence[Taken]) -> None:
        await trio.lowlevel.checkpoint()
        self.settled |= {each.effect.effect: each.outcome.reference for each in taken}

    async def refuse(self, effect: PendingEffect, why: str) -> None:
        del effect
        await trio.lowlevel.checkpoint()
        self.refused.append(why)

    async def report(self, effect: PendingEffect, why: str) -> None:
        await self.refuse(effect, why)


class Door:
    """The site as a drain sees it: its outbox holds documents of an ERP and no other."""

    def __init__(self, site: Site) -> None:
        self._erp: Any = site.erp

    async def find(self, document: Document) -> Outcome | None:
        found: Outcome | None = await self._erp.find(document)
        return found

    async def carry_out(self, document: Document, contact: Contact | None) -> Outcome:
        done: Outcome = await self._erp.carry_out(document, contact)
        return done


def documents(number: int) -> Sequence[ErpDocument]:
    ordered = order(line("TEAPOT", 2), reference=f"main-{number}")
    shipped = note(line("TEAPOT", 2))
    return (
        msgspec.structs.replace(ordered, contact=""),
        msgspec.structs.replace(shipped, reference=f"main-{number}.1", order_reference=f"main-{number}"),
    )


async def test_what_gathered_in_an_outage_leaves_at_the_cap_and_each_document_once() -> None:
    owned = Owned()
    with trio.fail_after(40):
        async with open_site(concurrency=CAP) as site, trio.open_nursery() as nursery:
            site.divalto.faults.outage = True
            drain = Drain(
                "erp",
                MemoryJournal(),
                Door(site),
                owned,
                workers=16,
                rng=random.Random(1),
                observe=lambda *_: None,
            )
            await nursery.start(drain.run)
            for number in range(ORDERS):
                for document in documents(number):
                    name = f"{type(document).__name__}:{number}"
                    drain.add(PendingEffect(name, f"order-main-{number}", "erp", document, datetime.now(UTC)))
            while not drain.circuit.is_open:
                await trio.sleep(0.01)
            readings = [0]
            for _ in range(20):
                nursery.start_soon(ask_stock, site, readings)
            await trio.sleep(0.2)
            assert owned.settled == {}
            assert site.divalto.pieces() == ()

            site.divalto.faults.outage = False
            site.divalto.switches.warm_seconds = 0.005
            while len(owned.settled) < 2 * ORDERS:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

    assert owned.refused == []
    assert site.divalto.duplicates() == ()
    assert len(site.divalto.pieces(picod=3)) == ORDERS
    assert site.divalto.most_at_once == CAP
    assert site.divalto.stock("D01")["TEAPOT"] == 10 - 2 * ORDERS
    assert readings == [20]


async def ask_stock(site: Site, readings: list[int]) -> None:
    """Ask until it is told, as whoever compares stock would."""
    while True:
        try:
            assert (await site.erp.stock())["paris"]["TEAPOT"] <= 10
        except UnreachableError:
            await trio.sleep(0.05)
        else:
            readings[0] += 1
            return
