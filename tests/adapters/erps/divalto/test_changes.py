"""A change is told as a difference: what stands as is wanted is left alone, and so nothing is done twice."""

from decimal import Decimal

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.documents import ErpChange, ErpLine
from actors.errors import OutcomeUnknownError, RefusedError, UnreachableError
from adapters.erps.divalto.changing import change as change_blocks
from adapters.erps.divalto.pieces import Article, OpenLine, Piece
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.simulator import Switches, is_write
from adapters.erps.divalto.simulator.rehearsal import Site, cancellation, change, line, note, open_site, order

steady = settings(deadline=None, derandomize=True)

SETTINGS = DivaltoSettings(dos="1", customer="WEB", depots={"paris": "D01", "lyon": "D02"})
PIECE = Piece("C", "2", "WEB", "", "1", "1", "main-1042")

LINES = st.lists(
    st.builds(
        lambda sku, units, cents, where: line(sku, units, str(Decimal(cents) / 100), where),
        st.sampled_from(["CUP", "TEAPOT", "SHIRT/XL"]),
        st.integers(1, 9),
        st.sampled_from([0, 250, 300]),
        st.sampled_from(["paris", "lyon"]),
    ),
    min_size=1,
    max_size=6,
)


def opened(lines: list[ErpLine]) -> list[OpenLine]:
    """Return order lines as Divalto would hold them, with the fee at their end."""
    depots = {"paris": "D01", "lyon": "D02"}
    held = [
        OpenLine(
            str(number),
            Article(*each.sku.split("/")),
            depots[each.warehouse],
            Decimal(each.units),
            each.unit_price,
        )
        for number, each in enumerate(lines, 1)
    ]
    return [*held, OpenLine("99", Article("PORT"), "D01", Decimal(1), Decimal("4.90"))]


def carried_out(before: list[OpenLine], wanted: list[ErpLine]) -> list[OpenLine]:
    """Do with the lines what Divalto does with a modification."""
    built = change_blocks(ErpChange("main-1042", tuple(wanted)), PIECE, before, SETTINGS)
    if built is None:
        return before
    lines = {each.record: each for each in before}
    for number, row in enumerate(each["imouv"] for each in built.data["imouvtb"]):
        record = row.get("ENRNO", f"new{number}")
        if row.get("CEF") == "S":
            del lines[record]
            continue
        old = lines.get(record)
        article = old.article if old else Article(row["REF"], row["SREF1"], row["SREF2"])
        depot = row.get("DEPO") or (old.depot if old else "")
        price = Decimal(row["PUB"]) if "PUB" in row else (old.price if old else Decimal(0))
        lines[record] = OpenLine(record, article, depot, Decimal(row["QTE"]), price)
    return list(lines.values())


def totals(lines: list[OpenLine]) -> dict[tuple[Article, str, Decimal], Decimal]:
    summed: dict[tuple[Article, str, Decimal], Decimal] = {}
    for each in lines:
        at = (each.article, each.depot, each.price.quantize(Decimal("0.0001")))
        summed[at] = summed.get(at, Decimal(0)) + each.units
    return summed


@steady
@given(LINES, LINES)
def test_after_a_change_exactly_what_is_wanted_is_open_and_the_fee_as_it_was(
    before: list[ErpLine], wanted: list[ErpLine]
) -> None:
    after = carried_out(opened(before), wanted)
    assert totals(after) == totals(opened(wanted))
    assert change_blocks(ErpChange("main-1042", tuple(wanted)), PIECE, after, SETTINGS) is None


@steady
@given(LINES)
def test_what_stands_as_is_wanted_is_left_alone(lines: list[ErpLine]) -> None:
    merged = {(each.sku, each.warehouse, each.unit_price): each for each in lines}
    wanted = list(merged.values())
    assert change_blocks(ErpChange("main-1042", tuple(wanted)), PIECE, opened(wanted), SETTINGS) is None


async def test_a_change_of_an_order_that_is_closed_or_not_there_is_refused(site: Site) -> None:
    with pytest.raises(RefusedError, match="is not there"):
        await site.erp.carry_out(change(line("CUP", 1)), None)
    await site.erp.carry_out(order(), None)
    await site.erp.carry_out(cancellation(), None)
    with pytest.raises(RefusedError, match="nothing of it is open"):
        await site.erp.carry_out(change(line("CUP", 1)), None)
    await site.erp.carry_out(order(reference="main-2"), None)
    with pytest.raises(RefusedError, match="is a cancellation"):
        await site.erp.carry_out(ErpChange("main-2", ()), None)


async def test_what_was_delivered_stays_delivered(site: Site) -> None:
    await site.erp.carry_out(order(), None)
    await site.erp.carry_out(note(line("TEAPOT", 2)), None)
    await site.erp.carry_out(change(line("TEAPOT", 4)), None)
    order_left, delivered = site.divalto.pieces()
    assert order_left.lines == (("TEAPOT", "D01", 4),)
    assert delivered.lines == (("TEAPOT", "D01", 2), ("PORT", "D01", 1))


async def test_the_first_change_of_a_daemon_that_runs_for_long_is_told_at_once() -> None:
    with trio.fail_after(20):
        async with open_site(settle_seconds=0.2) as site:
            await site.erp.carry_out(order(), None)
            await trio.sleep(0.2)  # whatever an earlier daemon sent is there by now, or never will be
            await site.erp.carry_out(change(line("CUP", 1)), None)
            (piece,) = site.divalto.pieces()
            assert sorted(piece.lines) == [("CUP", "D01", 1), ("PORT", "D01", 1)]


async def test_another_price_comes_to_the_same_where_the_site_states_prices_for_a_hundred() -> None:
    with trio.fail_after(20):
        async with open_site(switches=Switches(price_per=Decimal(100))) as site:
            await site.erp.carry_out(order(line("CUP", 2, "12.5"), shipping="0"), None)
            assert site.divalto.pieces()[0].amount == Decimal("25.00")
            await site.erp.carry_out(change(line("CUP", 2, "11.5")), None)
            assert site.divalto.pieces()[0].amount == Decimal("23.00")


async def test_a_change_that_may_still_be_under_way_is_not_sent_again() -> None:
    with trio.fail_after(20):
        async with open_site(settle_seconds=1.0) as site:
            await site.erp.carry_out(order(), None)
            with pytest.raises(UnreachableError, match="under way"):  # everything is, as a daemon begins
                await site.erp.carry_out(change(line("CUP", 1)), None)
            await trio.sleep(1.0)
            site.divalto.faults.lose_next(is_write)
            with pytest.raises(OutcomeUnknownError):
                await site.erp.carry_out(change(line("CUP", 1), line("SHIRT/XL/BLUE", 1)), None)
            assert (
                await site.erp.carry_out(change(line("CUP", 1), line("SHIRT/XL/BLUE", 1)), None)
            ).reference == "C2-1"
            (piece,) = site.divalto.pieces()
            assert sorted(piece.lines) == [("CUP", "D01", 1), ("PORT", "D01", 1), ("SHIRT/XL/BLUE", "D01", 1)]


@pytest.mark.parametrize(("rows_max", "page_rows"), [(50, 10_000), (10_000, 20)])
async def test_an_order_of_more_lines_than_are_told_at_once_is_changed_and_delivered_whole(
    rows_max: int, page_rows: int
) -> None:
    skus = [f"ART-{number:03}" for number in range(120)]
    with trio.fail_after(20):
        async with open_site(switches=Switches(rows_max=rows_max), page_rows=page_rows) as site:
            for sku in skus:
                site.divalto.add_article(sku)
            await site.erp.carry_out(order(*(line(sku, 2) for sku in skus)), None)
            await site.erp.carry_out(change(line(skus[0], 1), *(line(sku, 2) for sku in skus[1:])), None)
            (piece,) = site.divalto.pieces()
            assert sorted((sku, units) for sku, _, units in piece.lines) == [
                (skus[0], 1), *((sku, 2) for sku in skus[1:]), ("PORT", 1),
            ]  # fmt: skip
            delivered = note(line(skus[0], 1), *(line(sku, 2) for sku in skus[1:]))
            assert (await site.erp.carry_out(delivered, None)).reference == "C3-1"
