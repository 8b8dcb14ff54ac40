"""What the shop may still sell is what we say it may, and nothing that it has just sold is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.errors import UnreachableError
from actors.ports import Pushed
from adapters.channels.prestashop.stock import catalogue_of
from adapters.http.faults import any_change
from adapters.http.server import Drop, Response

if TYPE_CHECKING:
    from tests.adapters.channels.prestashop.conftest import World


async def test_the_stock_of_every_sku_is_read_and_a_parent_is_none(world: World) -> None:
    assert await world.adapter.stock() == {"teapot": 10, "cup": 100, "shirt-s": 5, "shirt-m": 7}


async def test_levels_are_set_and_an_unknown_sku_is_told(world: World) -> None:
    pushed = await world.adapter.push_stock({"teapot": 3, "shirt-s": 0, "kettle": 9})
    assert pushed == Pushed(unknown=("kettle",))
    assert (world.shop.stock("teapot"), world.shop.stock("shirt-s")) == (3, 0)
    parent = next(row for row in world.shop.tables["stock_availables"].values() if row["id_product"] == 3)
    assert parent["quantity"] == 7


async def test_only_rows_that_differ_are_written_in_batches(world: World) -> None:
    for each in range(7):
        world.shop.add_product(f"spoon-{each}", stock=each)
    async with world.connect(stock_batch=3) as adapter:
        assert await adapter.push_stock({f"spoon-{each}": 5 for each in range(7)}) == Pushed()
    assert {world.shop.stock(f"spoon-{each}") for each in range(7)} == {5}
    sent = [request.body for request in world.requests if request.method == "PATCH"]
    counts = [body.count(b"<stock_available>") for body in sent]
    assert (sum(counts), max(counts), len(counts)) == (6, 3, 3)


async def test_a_new_product_is_known_at_the_next_push(world: World) -> None:
    assert await world.adapter.push_stock({"kettle": 9}) == Pushed(unknown=("kettle",))
    world.shop.add_product("kettle", stock=1)
    assert await world.adapter.push_stock({"kettle": 9}) == Pushed()
    assert world.shop.stock("kettle") == 9


async def test_one_row_that_the_shop_refuses_does_not_hold_back_the_others(world: World) -> None:
    await world.adapter.stock()
    rows = world.shop.tables["stock_availables"]
    cup = next(row_id for row_id, row in rows.items() if row["id_product"] == 2)
    gone = rows.pop(cup)
    pushed = await world.adapter.push_stock({"teapot": 1, "cup": 2, "shirt-s": 3, "shirt-m": 4})
    assert list(pushed.refused) == ["cup"]
    assert "code 92" in pushed.refused["cup"]
    rows[cup] = gone
    assert world.shop.stocks() == {"teapot": 1, "cup": 100, "shirt-s": 3, "shirt-m": 4}


async def test_a_push_whose_answer_was_lost_is_read_back(world: World) -> None:
    world.faults.lose_next()
    assert await world.adapter.push_stock({"teapot": 4}) == Pushed()
    assert world.shop.stock("teapot") == 4
    assert world.count("PATCH") == 1


async def test_a_unit_sold_while_the_answer_was_lost_is_not_given_back(world: World) -> None:
    def sold_and_lost(_answer: Response) -> Response | Drop:
        world.shop.place_order([("teapot", 1)])
        return Drop()

    world.faults.change_next(sold_and_lost, any_change)
    with pytest.raises(UnreachableError, match="1 of 2 rows"):
        await world.adapter.push_stock({"teapot": 8, "cup": 50})
    assert world.shop.stock("teapot") == 7
    assert world.count("PATCH") == 1


async def test_a_row_that_says_yes_and_keeps_its_figure_is_told(world: World) -> None:
    await world.adapter.stock()
    rows = world.shop.tables["stock_availables"]
    teapot = next(row_id for row_id, row in rows.items() if row["id_product"] == 1)

    def without_effect(answer: Response) -> Response | Drop:
        rows[teapot]["quantity"] = 10
        return answer

    world.faults.change_next(without_effect, any_change, count=2)
    levels = {"teapot": 4, "cup": 5}
    assert await world.adapter.push_stock(levels) == Pushed(unsettled=("teapot",))
    assert list((await world.adapter.push_stock(levels)).refused) == ["teapot"]
    assert world.shop.stock("cup") == 5


async def test_during_an_outage_nothing_is_pushed(world: World) -> None:
    await world.adapter.stock()
    world.faults.outage = True
    with pytest.raises(UnreachableError):
        await world.adapter.push_stock({"teapot": 1})
    world.faults.outage = False
    assert world.shop.stock("teapot") == 10


async def test_stock_shared_between_shops_is_written_in_its_live_row(world: World) -> None:
    world.shop.stockroom.share_stock("teapot")
    assert (await world.adapter.stock())["teapot"] == 10
    await world.adapter.push_stock({"teapot": 6})
    assert world.shop.stock("teapot") == 6


async def test_of_two_articles_with_one_reference_the_first_counts_and_it_is_told(world: World) -> None:
    world.shop.add_product("teapot", "Another teapot", stock=77)
    world.shop.add_product("", "A product without a reference", stock=1)
    assert (await world.adapter.stock())["teapot"] == 10
    assert world.adapter.problems == [
        "product 4 has reference teapot as well; the first one counts",
        "product 5 has no reference",
    ]


def test_the_combinations_of_the_demo_shop_share_their_reference_so_the_first_one_counts() -> None:
    products = [
        {
            "id": 1,
            "reference": "demo_1",
            "associations": {
                "stock_availables": [
                    {"id": 1, "id_product_attribute": 0},
                    {"id": 20, "id_product_attribute": 1},
                    {"id": "21", "id_product_attribute": "2"},
                ]
            },
        }
    ]
    combinations = [
        {"id": 1, "id_product": 1, "reference": "demo_1"},
        {"id": 2, "id_product": 1, "reference": "demo_1"},
    ]
    catalogue = catalogue_of(products, combinations)
    assert catalogue.rows == {"demo_1": 20}
    assert len(catalogue.problems) == 1
