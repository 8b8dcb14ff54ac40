"""Manners: few calls at once, documents before stock, nothing at night, and amounts that are compared."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
import trio
import trio.testing

from actors.errors import UnreachableError
from actors.ports.partner import Outcome
from adapters.erps.divalto.adapter import DivaltoErp
from adapters.erps.divalto.checking import problems
from adapters.erps.divalto.hours import closed_until
from adapters.erps.divalto.plugin import DivaltoSettings, FlowSettings
from adapters.erps.divalto.simulator.rehearsal import Site, line, open_site, order
from adapters.erps.divalto.turns import PASSED_OVER_MAX, Rank, Turns
from adapters.settings import Secret


async def test_no_more_callers_have_a_turn_than_there_are_places() -> None:
    turns, now, most = Turns(2), 0, 0

    async def call() -> None:
        nonlocal now, most
        async with turns.turn(Rank.DOCUMENT):
            now += 1
            most = max(most, now)
            await trio.testing.wait_all_tasks_blocked()
            now -= 1

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for _ in range(7):
                nursery.start_soon(call)
    assert (now, most) == (0, 2)


async def test_documents_go_before_stock_but_stock_has_its_turn_in_the_end() -> None:
    turns = Turns(1)
    went: list[str] = []

    async def call(name: str, rank: Rank) -> None:
        async with turns.turn(rank):
            went.append(name)
            await trio.lowlevel.checkpoint()

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery, turns.turn(Rank.DOCUMENT):
            nursery.start_soon(call, "stock", Rank.STOCK)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(PASSED_OVER_MAX + 5):
                nursery.start_soon(call, str(number), Rank.DOCUMENT)
                await trio.testing.wait_all_tasks_blocked()
    assert went.index("stock") == PASSED_OVER_MAX
    assert [name for name in went if name != "stock"] == [
        str(number) for number in range(PASSED_OVER_MAX + 5)
    ]


async def test_who_gives_up_waiting_takes_no_place_along() -> None:
    turns = Turns(1)
    with trio.fail_after(5):
        async with turns.turn(Rank.DOCUMENT):
            with trio.move_on_after(0):
                async with turns.turn(Rank.DOCUMENT):
                    raise AssertionError("there was no place")
        async with trio.open_nursery() as nursery:
            async with turns.turn(Rank.DOCUMENT):
                waiting = trio.CancelScope()

                async def wait_and_be_called_too_late() -> None:
                    with waiting:
                        async with turns.turn(Rank.DOCUMENT):
                            pass

                nursery.start_soon(wait_and_be_called_too_late)
                await trio.testing.wait_all_tasks_blocked()
            waiting.cancel()  # called and cancelled at once: the place has to come back
        async with turns.turn(Rank.DOCUMENT):
            pass


async def test_the_cap_holds_towards_divalto() -> None:
    with trio.fail_after(20):
        async with open_site(concurrency=2) as site:
            await site.erp.find(order())
            site.divalto.switches.warm_seconds = 0.05
            began = trio.current_time()
            async with trio.open_nursery() as nursery:
                for number in range(6):
                    nursery.start_soon(site.erp.carry_out, order(reference=f"main-{number}"), None)
            assert trio.current_time() - began > 0.14  # three rounds of two
            assert len(site.divalto.pieces()) == 6


async def test_the_cap_is_the_sites_whichever_ways_its_flows_go() -> None:
    flows = FlowSettings(write="soap", look_up="rest", stock="soap", books="rest")
    with trio.fail_after(20):
        async with open_site(concurrency=2, flows=flows) as site:
            await site.erp.find(order())
            site.divalto.switches.warm_seconds = 0.01
            async with trio.open_nursery() as nursery:
                for number in range(6):
                    nursery.start_soon(site.erp.carry_out, order(reference=f"main-{number}"), None)
                    nursery.start_soon(site.erp.find, order())
                nursery.start_soon(site.erp.stock)
                nursery.start_soon(site.erp.books.articles)
            assert site.divalto.most_at_once == 2
            assert len(site.divalto.pieces()) == 6


async def test_documents_go_before_stock_and_stock_before_articles() -> None:
    turns, went = Turns(1), list[Rank]()

    async def call(rank: Rank) -> None:
        async with turns.turn(rank):
            went.append(rank)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery, turns.turn(Rank.DOCUMENT):
            for rank in (Rank.ARTICLE, Rank.STOCK, Rank.DOCUMENT, Rank.ARTICLE, Rank.STOCK, Rank.DOCUMENT):
                nursery.start_soon(call, rank)
                await trio.testing.wait_all_tasks_blocked()
    assert went == sorted(went)


NIGHT = DivaltoSettings(
    url="http://erp.example",
    user="u",
    password=Secret("p"),
    dos="1",
    customer="WEB",
    depots={"paris": "D01"},
    timezone="Europe/Paris",
    closed_hours=("22:00-05:30", "12:00-12:10"),
)


@pytest.mark.parametrize(
    ("utc", "opens"),
    [
        ((2026, 3, 2, 20, 59), None),
        ((2026, 3, 2, 21, 0), "0303 05:30"),
        ((2026, 3, 3, 4, 29), "0303 05:30"),
        ((2026, 3, 3, 4, 30), None),
        ((2026, 3, 3, 11, 5), "0303 12:10"),
        ((2026, 3, 3, 11, 10), None),
        ((2026, 7, 3, 20, 0), "0704 05:30"),  # by the site's clock, in summer too
    ],
)
def test_the_nightly_window_goes_by_the_sites_clock(
    utc: tuple[int, int, int, int, int], opens: str | None
) -> None:
    until = closed_until(datetime(*utc, tzinfo=UTC), NIGHT)
    assert (until and f"{until:%m%d %H:%M}") == opens


def test_a_window_that_is_none_is_named() -> None:
    for window in ("22-5", "24:00-05:00", "22:00-05:30 ", "22:60-05:30"):
        wrong = msgspec.structs.replace(NIGHT, closed_hours=(window,))
        assert [problem.key for problem in problems(wrong)] == ["closed_hours"]


async def test_documents_wait_while_the_site_is_closed(site: Site) -> None:
    clock = [datetime(2026, 3, 2, 23, tzinfo=UTC)]
    settings = msgspec.structs.replace(site.settings, closed_hours=("22:00-05:30",))
    erp = DivaltoErp("divalto", settings, now=lambda: clock[0])
    with pytest.raises(UnreachableError, match="closed until 05:30"):
        await erp.carry_out(order(), None)
    with pytest.raises(UnreachableError, match="closed until 05:30"):
        await erp.find(order())
    assert site.divalto.authentications == 0
    clock[0] = datetime(2026, 3, 3, 6, tzinfo=UTC)
    await erp.carry_out(order(), None)
    await erp.aclose()


@pytest.mark.parametrize("shipping", ["line", "footer", "none"])
async def test_an_amount_that_divalto_makes_as_we_do_is_no_news(shipping: str) -> None:
    ordered = order(line("CUP", 3, "3.33335"), line("TEAPOT", 1, "0.005"))
    with trio.fail_after(20):
        async with open_site(shipping=shipping, amount_tolerance=Decimal(0)) as site:
            assert (await site.erp.carry_out(ordered, None)).remark == ""
            assert await site.erp.find(ordered) == Outcome("C2-1")


async def test_an_amount_that_four_decimals_of_a_price_cannot_hold_is_told(site: Site) -> None:
    site.divalto.add_article("SCREW")
    ordered = order(line("SCREW", 10_000, "0.004512"), shipping="0")
    told = await site.erp.carry_out(ordered, None)
    assert told.remark == "it comes to 45.00 without tax at Divalto, to 45.12 here"
    assert await site.erp.find(ordered) == told


async def test_an_amount_that_divalto_makes_otherwise_is_told_although_the_answer_was_lost(
    site: Site,
) -> None:
    site.divalto.switches.price_added = Decimal("0.02")
    ordered = order(line("CUP", 3, "3"))
    told = await site.erp.carry_out(ordered, None)
    assert told.remark == "it comes to 13.96 without tax at Divalto, to 13.90 here"
    assert await site.erp.find(ordered) == told
    site.divalto.turn_into_delivery_note("main-1042")
    found = await site.erp.find(ordered)
    assert found is not None
    assert found.remark == ""  # what a user makes of it is not ours to compare
