"""Documents through their whole life while every request may lose its answer: booked once, stock exact.

`make test-storm` plays thousands of them; the suite a sample.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.domain.documents import (
    ErpAdjustment,
    ErpCancellation,
    ErpChange,
    ErpCustomer,
    ErpDeliveryNote,
    ErpDocument,
    ErpOrder,
    ErpReception,
    ErpReturn,
)
from actors.errors import MalformedError, OutcomeUnknownError, UnreachableError
from adapters.erps.divalto.simulator import Switches
from adapters.erps.divalto.simulator.custom import PROFILE
from adapters.erps.divalto.simulator.rehearsal import (
    NOON,
    PERSON,
    Site,
    adjustment,
    cancellation,
    change,
    credit,
    customer,
    line,
    note,
    open_site,
    order,
    reception,
)
from adapters.http.server import Drop, Request

SAMPLE, LISTED_SAMPLE = 40, 12
WHOLE, LISTED_WHOLE = 2_000, 200
"""Orders of a storm, of some three documents each; fewer where a look-up lists all of a customer's pieces."""

STEPS = 7
"""No document takes more requests than this: a token, look-ups, lines, the write, the look-up after it."""


async def push_through(site: Site, document: ErpDocument) -> None:
    """Do as the outbox does, without its pauses: look up once something may have happened, never give up."""
    unsure = False
    while True:
        try:
            if unsure and await site.erp.find(document) is not None:
                return
            await site.erp.carry_out(document, PERSON)
        except (OutcomeUnknownError, MalformedError):
            unsure = True
        except UnreachableError:
            await trio.lowlevel.checkpoint()
        else:
            return


# --- one answer, at each step ------------------------------------------------------------------------------

KINDS: dict[str, Callable[[], ErpDocument]] = {
    "order": order,
    "note": note,
    "part": lambda: note(line("TEAPOT", 1)),
    "change": lambda: change(line("TEAPOT", 1), line("CUP", 5), line("SHIRT/XL/BLUE", 2)),
    "cancellation": cancellation,
    "return": credit,
    "reception": reception,
    "adjustment": adjustment,
    "customer": customer,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_whichever_answer_of_a_document_is_lost_it_is_there_once_and_so_is_its_stock(kind: str) -> None:
    seen: set[str] = set()
    with trio.fail_after(30):
        for step in range(STEPS):
            for carried_out in (True, False):
                async with open_site() as site:
                    if kind in ("note", "part", "change", "cancellation", "return"):
                        await site.erp.carry_out(order(), PERSON)
                    site.divalto.expire_tokens()
                    matches = nth(step)
                    if carried_out:
                        site.divalto.faults.lose_next(matches)
                    else:
                        site.divalto.faults.answer_next(Drop(), matches)
                    await push_through(site, KINDS[kind]())
                    seen.add(
                        repr((site.divalto.pieces(), site.divalto.stock("D01"), site.divalto.duplicates()))
                    )
    assert len(seen) == 1  # the company file is the same, whichever answer was lost


def nth(step: int) -> Callable[[Request], bool]:
    """Match the request that comes after `step` others."""
    left = iter(range(step, -1, -1))
    return lambda _request: next(left, -1) == 0


# --- a storm -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Storm:
    """Lives of orders, and what is to be in Divalto at their end."""

    chance: random.Random
    lives: list[list[ErpDocument]] = field(default_factory=list[list[ErpDocument]])

    def fill(self, orders: int) -> None:
        for number in range(orders):
            self.lives.append(self._life(number))

    def _life(self, number: int) -> list[ErpDocument]:
        """Return an order, perhaps changed, delivered from one or two depots, cancelled, or sent back."""
        chance, name = self.chance, f"main-{number}"
        here, there = chance.randint(1, 3), chance.randint(0, 3)
        lines = [line("TEAPOT", here), line("CUP", 1, "3")]
        lines += [line("TEAPOT", there, warehouse="lyon")] if there else []
        ordered = ErpOrder(
            name, "main", f"REF{number}", NOON, "EUR", tuple(lines), Decimal("4.90"), "contact"
        )
        life: list[ErpDocument] = [ordered]
        if chance.random() < 0.2:
            lines[1] = line("CUP", 2, "3")
            life.append(ErpChange(name, tuple(lines)))
        shipped = (line("TEAPOT", here), lines[1])
        life.append(ErpDeliveryNote(f"{name}.1", name, "paris", shipped, NOON))
        if there:
            away = (line("TEAPOT", there),)
            life.append(ErpDeliveryNote(f"{name}.2", name, "lyon", away, NOON))
        if chance.random() < 0.3:
            life[chance.randint(1, len(life)) :] = [ErpCancellation(name)]
        elif chance.random() < 0.3:
            back = (line("TEAPOT", 1),)
            life.append(ErpReturn(f"{name}.R1", name, "main", "paris", back, NOON))
        if chance.random() < 0.2:
            counted = (line("CUP", chance.choice([-1, 1])),)
            life.append(ErpAdjustment(f"count-{number}", "paris", counted, NOON))
        if chance.random() < 0.2:
            life.append(ErpReception(f"ASN-{number}", "lyon", (line("TEAPOT", 2, "6"),), NOON))
        if chance.random() < 0.1:
            life.append(ErpCustomer(f"main:{number}", "main", "contact"))
        return life

    @property
    def documents(self) -> list[ErpDocument]:
        return [document for life in self.lives for document in life]

    def stock(self) -> dict[str, Counter[str]]:
        """Return what lies there once all is booked."""
        stock = {"paris": Counter({"TEAPOT": 10, "CUP": 20}), "lyon": Counter({"TEAPOT": 5})}
        for document in self.documents:
            match document:
                case ErpDeliveryNote() | ErpAdjustment() | ErpReception() | ErpReturn():
                    sign = -1 if isinstance(document, ErpDeliveryNote) else 1
                    for moved in document.lines:
                        stock[document.warehouse][moved.sku] += sign * moved.units
                case _:
                    pass
        return stock

    async def play(self, site: Site, workers: int = 4) -> None:
        """Push all lives through, some side by side, while tokens expire at times."""
        waiting = iter(self.lives)

        async def work() -> None:
            for life in waiting:
                for document in life:
                    await push_through(site, document)
                if self.chance.random() < 0.2:
                    site.divalto.expire_tokens()

        async with trio.open_nursery() as nursery:
            for _ in range(workers):
                nursery.start_soon(work)

    async def check(self, site: Site) -> None:
        """Compare what stands in Divalto with what was meant to."""
        await site.told()
        assert site.divalto.duplicates() == ()
        written = Counter(piece.reference for piece in site.divalto.pieces() if piece.picod in (3, 4))
        meant = Counter(
            document.reference
            for document in self.documents
            if isinstance(document, ErpDeliveryNote | ErpAdjustment | ErpReception | ErpReturn)
        )
        assert written == meant
        told = await site.erp.stock()
        assert {name: Counter(levels) for name, levels in told.items()} == self.stock()
        still_open = {piece.reference for piece in site.divalto.pieces(picod=2) if not piece.closed}
        cancelled = {
            document.order_reference for document in self.documents if isinstance(document, ErpCancellation)
        }
        assert not still_open & cancelled


HABITS: dict[str, dict[str, Any]] = {
    "usual": {},
    "gone": {"switches": Switches(expired_token="error", delivered_header="gone", remainder="same_line")},
    "malformed": {"switches": Switches(malformed_result=True, delivered_header="gone")},
    "nameless": {"switches": Switches(answers_number=False)},
    "soap": {"way": "soap", "actions": PROFILE},
}


async def weather(habit: str, orders: int, seed: int) -> Storm:
    """Play a storm at a site with that habit, and check what stands there in the end."""
    storm = Storm(random.Random(seed))
    storm.fill(orders)
    async with open_site(**HABITS[habit], concurrency=4) as site:
        faults = site.divalto.faults
        faults.lose_answer, faults.refuse, faults.html, faults.server_error = 0.15, 0.05, 0.05, 0.05
        await storm.play(site)
        faults.lose_answer = faults.refuse = faults.html = faults.server_error = 0.0
        await storm.check(site)
        for document in storm.documents if orders <= SAMPLE else storm.documents[::50]:
            if not isinstance(document, ErpChange):  # what came after it has changed the order again
                assert await site.erp.find(document) is not None
        assert min(faults.struck.values()) >= 3
    return storm


@pytest.mark.parametrize("habit", HABITS)
async def test_nothing_is_booked_twice_and_nothing_is_lost_in_a_storm(habit: str) -> None:
    with trio.fail_after(180):  # 20 s by SOAP on a machine that has nothing else to do
        await weather(habit, LISTED_SAMPLE if habit == "soap" else SAMPLE, 20260302)


@pytest.mark.storm
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("habit", HABITS)
async def test_thousands_of_documents_come_through_a_storm(habit: str, seed: int) -> None:
    with trio.fail_after(1800):
        storm = await weather(habit, LISTED_WHOLE if habit == "soap" else WHOLE, seed)
    assert len(storm.documents) > (500 if habit == "soap" else 6_000)


async def test_a_task_for_files_that_dies_again_and_again_books_nothing_twice(tmp_path: Path) -> None:
    storm = Storm(random.Random(7))
    storm.fill(8)
    with trio.fail_after(60):
        async with (
            open_site(way="files", folder=tmp_path, concurrency=4) as site,
            trio.open_nursery() as nursery,
        ):

            async def let_it_die() -> None:
                while True:
                    site.divalto.switches.dies_before_removing = True
                    await trio.sleep(0.1)

            nursery.start_soon(let_it_die)
            await storm.play(site)
            nursery.cancel_scope.cancel()
            site.divalto.switches.dies_before_removing = False
            await storm.check(site)
