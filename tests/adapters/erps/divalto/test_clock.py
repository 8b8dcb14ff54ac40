"""What changed since is found by the site's clock, which is set back in autumn and stamps before a commit."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
import trio

from adapters.erps.divalto.simulator.rehearsal import PERSON, Site, open_site, order

HALF_PAST_TWO = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
"""In Paris for the first time; at one o'clock UTC the clock there goes from three back to two."""


@pytest.fixture
async def in_autumn() -> AsyncGenerator[Site]:
    with trio.fail_after(20):
        async with open_site(timezone="Europe/Paris", begins=HALF_PAST_TWO) as site:
            yield site


async def test_what_is_invoiced_in_the_hour_that_comes_twice_is_told(in_autumn: Site) -> None:
    site = in_autumn
    await site.erp.carry_out(order(), PERSON)
    first, position = await site.erp.books.changed("")
    assert [piece.number for piece in first] == ["C2-1"]
    site.now.forward(timedelta(minutes=45))  # a quarter past two, once more
    site.divalto.turn_into_delivery_note("main-1042")
    site.divalto.invoice("main-1042")

    told, after = await site.erp.books.changed(position)

    assert "C4-1" in [piece.number for piece in told]
    site.now.forward(timedelta(hours=1))
    told, _ = await site.erp.books.changed(after)
    assert "C4-1" in [piece.number for piece in told]  # better twice than never


async def test_what_is_counted_in_the_hour_that_comes_twice_is_told(in_autumn: Site) -> None:
    site = in_autumn
    since = site.now()
    site.now.forward(timedelta(minutes=45))
    number = site.divalto.count("CUP", "D01", -2)
    moves = await site.erp.books.moves(since)
    assert moves is not None
    assert [move.number for move in moves] == [number]


async def test_what_is_committed_after_it_was_stamped_is_told(site: Site) -> None:
    await site.erp.carry_out(order(), PERSON)
    await site.erp.carry_out(order(reference="main-1043"), PERSON)
    site.now.forward(timedelta(minutes=-2))
    site.divalto.turn_into_delivery_note("main-1042")
    site.now.forward(timedelta(minutes=4))
    site.divalto.close("main-1043")
    before = site.divalto.pieces()
    _, position = await site.erp.books.changed("")
    site.now.forward(timedelta(minutes=-3))
    site.divalto.invoice("main-1042")  # its run began before what was read last, and is seen after it
    site.now.forward(timedelta(minutes=3))

    told, _ = await site.erp.books.changed(position)

    assert len(site.divalto.pieces()) == len(before) + 1
    assert "C4-1" in [piece.number for piece in told]


async def test_a_site_that_is_asked_every_minute_tells_the_last_minutes_alone(site: Site) -> None:
    await site.erp.carry_out(order(), PERSON)
    site.now.forward(timedelta(minutes=10))
    await site.erp.carry_out(order(reference="main-1043"), PERSON)
    _, position = await site.erp.books.changed("")
    told, _ = await site.erp.books.changed(position)
    assert [piece.reference for piece in told] == ["main-1043"]
