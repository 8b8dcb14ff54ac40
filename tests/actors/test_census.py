"""The census: how many orders stand where and since when, without anybody counting a table."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from actors.census import AGES, WATCHED, Census
from actors.domain.order_state import Order, Stage
from actors.ports.journal import OrdersSince

NINE = datetime(2026, 11, 26, 9, tzinfo=UTC)


def standing(stage: Stage, since: datetime, version: int = 1) -> Order:
    return Order(stage=stage, since=since, version=version)


def test_an_order_is_counted_where_it_stands_and_nowhere_else() -> None:
    census, new = Census(), standing("new", NINE)
    census.moved(Order(), new)
    assert census.counts() == {state: int(state == "new") for state in WATCHED}
    picking = standing("picking", NINE, 2)
    census.moved(new, picking)
    assert census.counts() == {state: int(state == "picking") for state in WATCHED}
    census.moved(picking, msgspec.structs.replace(picking, version=3))
    assert census.counts()["picking"] == 1
    census.moved(picking, standing("cancelled", NINE, 4))
    assert set(census.counts().values()) == {0}
    assert set(census.oldest(NINE + timedelta(days=1)).values()) == {0.0}


def test_an_order_that_comes_back_into_a_state_is_as_old_as_its_return() -> None:
    census, before = Census(), standing("picking", NINE)
    census.moved(Order(), before)
    census.moved(before, standing("picking", NINE + timedelta(minutes=30)))
    assert census.oldest(NINE + timedelta(minutes=40))["picking"] == 600


@pytest.mark.parametrize(
    ("minutes", "age"),
    [
        (0, "under_5m"),
        (5, "under_1h"),
        (59, "under_1h"),
        (60, "under_1d"),
        (1_440, "under_1w"),
        (10_080, "over_1w"),
    ],
)
def test_an_orders_age_is_one_of_five(minutes: int, age: str) -> None:
    census = Census()
    census.moved(Order(), standing("held", NINE))
    told = census.by_age(NINE + timedelta(minutes=minutes))
    assert {key for key, orders in told.items() if orders} == {("held", age)}
    assert len(told) == len(WATCHED) * len(AGES)


def test_the_census_begins_with_what_the_index_holds() -> None:
    census = Census()
    census.load([OrdersSince("picking", NINE, 3), OrdersSince("picking", NINE + timedelta(minutes=1), 2)])
    assert census.counts()["picking"] == 5
    assert census.oldest(NINE + timedelta(minutes=2))["picking"] == 120
    for _ in range(3):
        census.moved(standing("picking", NINE + timedelta(seconds=59)), standing("packed", NINE))
    assert census.oldest(NINE + timedelta(minutes=2))["picking"] == 60
    assert census.counts()["packed"] == 3


def test_an_order_from_the_future_is_no_older_than_now() -> None:
    census = Census()
    census.moved(Order(), standing("picking", NINE + timedelta(hours=1)))
    assert census.oldest(NINE)["picking"] == 0.0
    assert census.by_age(NINE)["picking", "under_5m"] == 1
