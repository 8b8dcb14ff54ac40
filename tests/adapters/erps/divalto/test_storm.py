"""Orders through their whole life while every request may lose its answer: booked once, stock exact."""

import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import pytest
import trio

from actors.domain.documents import ErpAdjustment, ErpCancellation, ErpDeliveryNote, ErpDocument, ErpOrder
from actors.errors import MalformedError, OutcomeUnknownError, UnreachableError
from adapters.erps.divalto.simulator import Switches
from adapters.erps.divalto.simulator.rehearsal import NOON, PERSON, Site, line, open_site

ORDERS = 60


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
            continue
        else:
            return


def life_of(number: int, chance: random.Random) -> Sequence[ErpDocument]:
    """Return an order, delivered from one or two depots, sometimes cancelled before, between or after."""
    order = f"main-{number}"
    here, there = chance.randint(1, 3), chance.randint(0, 3)
    lines = [
        line("TEAPOT", here),
        line("CUP", 1, "3"),
        *([line("TEAPOT", there, warehouse="lyon")] if there else []),
    ]
    first = ErpDeliveryNote(f"{order}.1", order, "paris", (line("TEAPOT", here), line("CUP", 1, "3")), NOON)
    life: list[ErpDocument] = [
        ErpOrder(order, "main", f"REF{number}", NOON, "EUR", tuple(lines), Decimal("4.90"), "contact"),
        first,
    ]
    if there:
        life.append(ErpDeliveryNote(f"{order}.2", order, "lyon", (line("TEAPOT", there),), NOON))
    if chance.random() < 0.4:
        life[chance.randint(1, len(life)) :] = [ErpCancellation(order)]
    if chance.random() < 0.3:
        life.append(ErpAdjustment(f"count-{number}", "paris", (line("CUP", chance.choice([-1, 1])),), NOON))
    return life


def expected_stock(lives: Sequence[Sequence[ErpDocument]]) -> dict[str, Counter[str]]:
    stock = {"paris": Counter({"TEAPOT": 10, "CUP": 20}), "lyon": Counter({"TEAPOT": 5})}
    for life in lives:
        for document in life:
            if isinstance(document, ErpDeliveryNote | ErpAdjustment):
                sign = -1 if isinstance(document, ErpDeliveryNote) else 1
                for moved in document.lines:
                    stock[document.warehouse][moved.sku] += sign * moved.units
    return stock


@pytest.mark.parametrize(
    "switches",
    [
        Switches(),
        Switches(expired_token="error", delivered_header="gone", remainder="same_line"),
        Switches(malformed_result=True, delivered_header="gone"),
        Switches(answers_number=False),
    ],
    ids=["usual", "gone", "malformed", "nameless"],
)
async def test_nothing_is_booked_twice_and_nothing_is_lost_in_a_storm(switches: Switches) -> None:
    chance = random.Random(20260302)
    lives = [life_of(number, chance) for number in range(ORDERS)]
    with trio.fail_after(60):
        async with open_site(switches=switches, concurrency=4) as site:
            faults = site.divalto.faults
            faults.lose_answer, faults.refuse, faults.html, faults.server_error = 0.15, 0.05, 0.05, 0.05
            waiting = iter(lives)

            async def work() -> None:
                for life in waiting:
                    for document in life:
                        await push_through(site, document)
                    if chance.random() < 0.2:
                        site.divalto.expire_tokens()

            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(work)
            faults.lose_answer = faults.refuse = faults.html = faults.server_error = 0.0

            assert site.divalto.duplicates() == ()
            written = Counter(piece.reference for piece in site.divalto.pieces(picod=3))
            meant = Counter(
                document.reference
                for life in lives
                for document in life
                if isinstance(document, ErpDeliveryNote | ErpAdjustment)
            )
            assert written == meant
            told = await site.erp.stock()
            assert {warehouse: Counter(levels) for warehouse, levels in told.items()} == expected_stock(lives)
            for life in lives:
                for document in life:
                    assert await site.erp.find(document) is not None
            still_open = {piece.reference for piece in site.divalto.pieces(picod=2) if not piece.closed}
            cancelled = {
                document.order_reference
                for life in lives
                for document in life
                if isinstance(document, ErpCancellation)
            }
            assert not still_open & cancelled
            assert min(faults.struck.values()) > 5
