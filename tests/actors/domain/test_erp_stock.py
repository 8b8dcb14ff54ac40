"""An ERP's stock is compared as of when it was read: what is under way is no difference."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from actors.domain.documents import (
    ErpAdjustment,
    ErpCancellation,
    ErpDeliveryNote,
    ErpDocument,
    ErpLine,
    ErpReception,
)
from actors.domain.erp_reconciliation import Books, differing, stock_discrepancies
from actors.domain.erp_stock import AsOf, Place, Underway, moves_of, newest

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
READ = AsOf(NOON, NOON + timedelta(seconds=10))
SKUS = st.sampled_from(["CUP", "TEAPOT"])
MOVES = st.lists(
    st.tuples(SKUS, st.integers(-5, 5).filter(bool), st.sampled_from(["in", "out", "lost"])), max_size=8
)


def line(sku: str, units: int) -> ErpLine:
    return ErpLine("1", sku, units, Decimal(0), "lyon")


def counted(sku: str, units: int) -> ErpAdjustment:
    return ErpAdjustment(f"count {sku} {units}", "lyon", (line(sku, units),), NOON)


def at(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


def unexplained(
    theirs: Mapping[Place, int], ours: Mapping[Place, int], *underway: Underway
) -> dict[Place, int]:
    """Return by how much each place's figure lies beyond what is under way."""
    books = Books(READ, theirs, ours, underway)
    found = stock_discrepancies(books, differing(theirs, ours))
    units = {each.subject: each.units for each in found if each.cause == "unknown"}
    places = theirs.keys() | ours.keys()
    return {place: units[" ".join(place)] for place in places if " ".join(place) in units}


@given(st.dictionaries(SKUS, st.integers(0, 50)), MOVES)
def test_whatever_of_what_is_under_way_was_booked_in_time_there_is_no_gap(
    opened: dict[str, int], moves: list[tuple[str, int, str]]
) -> None:
    theirs = {("lyon", sku): units for sku, units in opened.items()}
    ours = dict(theirs)
    under_way: list[Underway] = []
    for sku, units, fate in moves:
        place = ("lyon", sku)
        ours[place] = ours.get(place, 0) + units
        booked = {"in": at(-1), "out": at(11), "lost": None}[fate]
        under_way.append(Underway(counted(sku, units), at(-5), booked))
        if fate == "in" or (fate == "lost" and units > 0):
            theirs[place] = theirs.get(place, 0) + units
    assert unexplained(theirs, ours, *under_way) == {}


@given(st.integers(1, 20), st.integers(-9, 9).filter(bool))
def test_what_somebody_took_on_his_own_is_a_gap_whatever_is_under_way(shipped: int, taken: int) -> None:
    note: ErpDocument = ErpDeliveryNote("main-1.1", "main-1", "lyon", (line("CUP", shipped),), NOON)
    ours = {("lyon", "CUP"): 50 - shipped}
    for booked in (0, shipped):
        theirs = {("lyon", "CUP"): 50 - booked - taken}
        found = unexplained(theirs, ours, Underway(note, at(-5), None))
        least, most = 50 - shipped, 50
        told = 50 - booked - taken
        beyond = told - min(max(told, least), most)
        assert found == ({("lyon", "CUP"): beyond} if beyond else {})


def test_a_document_that_was_booked_before_the_reading_explains_nothing() -> None:
    booked = Underway(counted("CUP", -3), at(-9), at(-1))
    assert unexplained({("lyon", "CUP"): 10}, {("lyon", "CUP"): 7}, booked) == {("lyon", "CUP"): 3}


def test_a_sku_that_one_of_the_two_does_not_know_has_none_there() -> None:
    found = unexplained({("lyon", "CUP"): 2}, {("lyon", "TEAPOT"): 3})
    assert found == {("lyon", "CUP"): 2, ("lyon", "TEAPOT"): -3}


def test_a_stale_reading_never_takes_the_place_of_a_newer_one() -> None:
    older = AsOf(at(-60), at(60))  # it began first and ended last
    assert newest(None, older)
    assert newest(older, READ)
    assert not newest(READ, older)
    assert not newest(READ, READ)


def test_only_what_moves_goods_moves_stock() -> None:
    received = ErpReception("ASN-1", "lyon", (line("CUP", 2), line("CUP", 3), line("TEAPOT", 1)), NOON)
    assert moves_of(received) == {("lyon", "CUP"): 5, ("lyon", "TEAPOT"): 1}
    assert moves_of(ErpCancellation("main-1")) == {}
