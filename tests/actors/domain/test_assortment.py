"""What the shop sells is turned into what the warehouse holds, and back, without losing a unit or a cent."""

from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from actors.domain.assortment import Assortment, Contents
from actors.domain.order_events import OrderLine

PRICES = st.decimals(0, 10_000, places=6) | st.decimals(0, 10_000, places=2)
SKUS = st.sampled_from(["BOLT", "CUP", "LID", "TEAPOT"])
CONTENTS = st.dictionaries(SKUS, st.integers(1, 50), min_size=1).flatmap(
    lambda units: st.builds(
        Contents,
        st.just(units),
        st.just({}) | st.fixed_dictionaries({sku: st.integers(1, 20) for sku in units}),
    )
)


def sold(article: str, units: int, price: str) -> OrderLine:
    return OrderLine("7", article, units, Decimal(price))


SHOP = Assortment(
    {
        "CARTON-6": Contents({"BOLT": 6}),
        "OLD-CUP": Contents({"CUP": 1}),
        "TEA-SET": Contents({"TEAPOT": 1, "CUP": 4}),
        "GIFT": Contents({"TEAPOT": 1, "CUP": 2}, {"TEAPOT": 3, "CUP": 1}),
    }
)


def test_an_article_that_is_not_listed_is_one_unit_of_its_own_name() -> None:
    line = sold("CUP", 3, "4.50")
    assert SHOP.lines(line) == (line,)


def test_an_article_under_another_name_keeps_its_line() -> None:
    assert SHOP.lines(sold("OLD-CUP", 3, "4.50")) == (OrderLine("7", "CUP", 3, Decimal("4.50")),)


def test_a_carton_of_six_is_six_bolts_at_a_sixth_of_its_price() -> None:
    assert SHOP.lines(sold("CARTON-6", 2, "19.80")) == (OrderLine("7", "BOLT", 12, Decimal("3.30")),)


def test_a_price_that_does_not_divide_becomes_two_that_keep_the_total() -> None:
    lines = SHOP.lines(sold("CARTON-6", 1, "19.90"))
    assert lines == (
        OrderLine("7.1", "BOLT", 4, Decimal("3.32")),
        OrderLine("7.2", "BOLT", 2, Decimal("3.31")),
    )
    assert sum(line.unit_price * line.units for line in lines) == Decimal("19.90")


def test_a_packs_price_goes_over_its_components_alike_or_by_their_shares() -> None:
    assert SHOP.lines(sold("TEA-SET", 1, "40.00")) == (
        OrderLine("7.1", "TEAPOT", 1, Decimal("8.00")),
        OrderLine("7.2", "CUP", 4, Decimal("8.00")),
    )
    assert SHOP.lines(sold("GIFT", 2, "40.00")) == (
        OrderLine("7.1", "TEAPOT", 2, Decimal("30.00")),
        OrderLine("7.2", "CUP", 4, Decimal("5.00")),
    )


@given(CONTENTS, st.integers(1, 500), PRICES)
def test_whatever_is_packed_the_units_and_the_amount_stay_the_same(
    holds: Contents, units: int, price: Decimal
) -> None:
    lines = Assortment({"X": holds}).lines(OrderLine("7", "X", units, price))
    assert sum((line.unit_price * line.units for line in lines), Decimal(0)) == price * units
    got = {sku: sum(line.units for line in lines if line.sku == sku) for sku in holds.units}
    assert got == {sku: each * units for sku, each in holds.units.items()}
    assert len({line.line for line in lines}) == len(lines)
    assert all(line.units > 0 and line.unit_price >= 0 for line in lines)
    assert all(-6 <= int(line.unit_price.as_tuple().exponent) <= 0 for line in lines)


def test_a_pack_is_as_many_as_its_scarcest_component_and_a_carton_as_many_as_are_whole() -> None:
    levels = SHOP.levels({"BOLT": 17, "CUP": 11, "TEAPOT": 9})
    assert (levels["TEA-SET"], levels["GIFT"], levels["CARTON-6"], levels["OLD-CUP"]) == (2, 5, 2, 11)
    assert (levels["BOLT"], levels["CUP"], levels["TEAPOT"]) == (17, 11, 9)


def test_of_a_pack_with_a_component_that_nobody_knows_nothing_is_said() -> None:
    assert SHOP.levels({"CUP": 100}) == {"CUP": 100, "OLD-CUP": 100}


@given(st.dictionaries(SKUS, st.integers(0, 1000)), st.dictionaries(st.sampled_from("XYZ"), CONTENTS))
def test_of_no_article_more_is_sold_than_its_components_are_there(
    sellable: dict[str, int], contents: dict[str, Contents]
) -> None:
    for article, pieces in Assortment(contents).levels(sellable).items():
        holds = contents.get(article, Contents({article: 1}))
        assert all(pieces * units <= sellable[sku] for sku, units in holds.units.items())


@pytest.mark.parametrize(
    ("ordered", "moved"),
    [
        ("CUP", {"CUP", "OLD-CUP", "TEA-SET", "GIFT"}),
        ("TEA-SET", {"TEA-SET", "GIFT", "CUP", "OLD-CUP", "TEAPOT"}),
        ("CARTON-6", {"CARTON-6", "BOLT"}),
        ("SPOON", {"SPOON"}),
    ],
)
def test_a_sale_moves_the_figure_of_everything_that_shares_a_component(ordered: str, moved: set[str]) -> None:
    assert SHOP.moved_with([ordered]) == moved


def test_what_only_cartons_hold_need_not_be_sold_by_itself() -> None:
    assert SHOP.is_sold_packed("BOLT")
    assert not SHOP.is_sold_packed("SPOON")
