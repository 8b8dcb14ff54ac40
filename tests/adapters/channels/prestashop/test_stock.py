"""What the shop may still sell is what we say it may, and nothing that it has just sold is given back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import trio

from actors.errors import RefusedError, UnreachableError
from actors.ports.shop import Pushed, ShopOrder, UnreadableOrder
from adapters.channels.prestashop.catalogue import catalogue_of
from adapters.channels.prestashop.simulator import FULL_KEY, rights
from adapters.channels.prestashop.stock import REFUSED_IN_A_ROW_MAX
from adapters.http.faults import HTML_HEADERS, any_change
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


async def test_an_empty_500_after_which_the_levels_stand_is_no_failure(world: World) -> None:
    world.faults.change_next(lambda _: Response(500, b"", HTML_HEADERS), any_change)
    assert await world.adapter.push_stock({"teapot": 4, "cup": 5}) == Pushed()
    assert world.count("PATCH") == 1


async def test_levels_that_are_written_after_we_stopped_waiting_are_read_back(world: World) -> None:
    async with world.connect(settle_seconds=0.4, seconds_max=0.1) as adapter:
        world.faults.delay_next(0.3)
        assert await adapter.push_stock({"teapot": 4}) == Pushed()
    assert (world.shop.stock("teapot"), world.count("PATCH")) == (4, 1)


async def test_what_a_daemon_that_died_had_under_way_does_not_fall_on_the_next_ones_levels(
    world: World,
) -> None:
    async with world.connect(seconds_max=0.1) as adapter:
        world.faults.delay_next(0.3)
        with pytest.raises(UnreachableError):
            await adapter.push_stock({"teapot": 4})
    async with world.connect(settle_seconds=0.4) as adapter:
        await adapter.push_stock({"teapot": 6})
    await trio.sleep(0.3)
    assert world.shop.stock("teapot") == 6


async def test_a_wrong_row_amid_a_batch_keeps_neither_those_before_nor_those_after_it_back(
    world: World,
) -> None:
    levels = {f"spoon-{each}": each + 20 for each in range(9)}
    for spoon in levels:
        world.shop.add_product(spoon, stock=1)
    rows = world.shop.tables["stock_availables"]
    fifth = [row_id for row_id, row in rows.items() if row["quantity"] == 1][4]
    gone = rows.pop(fifth)
    pushed = await world.adapter.push_stock(levels)
    rows[fifth] = gone
    assert list(pushed.refused) == ["spoon-4"]
    assert {spoon: world.shop.stock(spoon) for spoon in levels} == levels | {"spoon-4": 1}
    sent = [each.body.count(b"<stock_available>") for each in world.requests if each.method == "PATCH"]
    assert sent == [9, 1, 1, 1, 1, 1]


async def test_a_shop_that_refuses_every_row_is_not_asked_for_each(world: World) -> None:
    for each in range(40):
        world.shop.add_product(f"spoon-{each}", stock=1)
    refusal = Response(405, b"<errors><error><code><![CDATA[23]]></code></error></errors>")
    world.faults.answer_next(refusal, any_change, count=100)
    with pytest.raises(RefusedError, match="code 23"):
        await world.adapter.push_stock({f"spoon-{each}": 5 for each in range(40)})
    assert world.count("PATCH") == 1 + REFUSED_IN_A_ROW_MAX


async def test_a_key_that_is_revoked_amid_the_batches_ends_the_push_and_the_next_one_mends_it(
    world: World,
) -> None:
    levels = {f"spoon-{each}": each + 20 for each in range(9)}
    for spoon in levels:
        world.shop.add_product(spoon, stock=1)

    def revoke(answer: Response) -> Response:
        world.shop.keys[FULL_KEY].active = False
        return answer

    async with world.connect(stock_batch=3) as adapter:
        world.faults.change_next(revoke, any_change)
        with pytest.raises(UnreachableError, match="code 20"):
            await adapter.push_stock(levels)
        assert sum(world.shop.stock(spoon) == units for spoon, units in levels.items()) == 3
        world.shop.keys[FULL_KEY].active = True
        assert await adapter.push_stock(levels) == Pushed()
    assert {spoon: world.shop.stock(spoon) for spoon in levels} == levels


async def test_without_the_right_to_patch_nothing_is_pushed_and_the_right_is_named(world: World) -> None:
    world.shop.keys[FULL_KEY].rights = rights(
        products="GET", combinations="GET", stock_availables="GET PUT POST DELETE"
    )
    with pytest.raises(UnreachableError, match="Method PATCH is not allowed for the resource stock_avail"):
        await world.adapter.push_stock({"teapot": 4})
    assert world.shop.stock("teapot") == 10


async def test_of_two_batches_at_once_neither_holds_rows_of_the_others_products(world: World) -> None:
    for each in range(6):
        world.shop.add_product(f"coat-{each}", combinations={f"coat-{each}-{size}": 1 for size in "sml"})
    async with world.connect(stock_batch=4) as adapter:
        levels = {f"coat-{each}-{size}": 9 for each in range(6) for size in "sml"}
        assert await adapter.push_stock(levels) == Pushed()
    product_of = {row_id: row["id_product"] for row_id, row in world.shop.tables["stock_availables"].items()}
    sent = [each.body for each in world.requests if each.method == "PATCH"]
    written = [{product_of[int(row)] for row in re.findall(rb"<id>(\d+)</id>", body)} for body in sent]
    first, second = written[0], written[1]
    assert first.isdisjoint(second)
    assert all(products <= {4, 6, 8} or products <= {5, 7, 9} for products in written)
    rows = world.shop.tables["stock_availables"].values()
    assert sum(row["id_product_attribute"] == 0 and row["quantity"] == 27 for row in rows) == 6


async def test_articles_are_named_by_their_ean_or_their_ids_where_the_settings_say_so(world: World) -> None:
    world.shop.add_product("kettle", stock=3, ean13="3700000000017")
    world.shop.add_product("", stock=2)
    async with world.connect(sku_from=("ean13", "id")) as adapter:
        assert await adapter.stock() == {
            "id:1": 10,
            "id:2": 100,
            "id:3-1": 5,
            "id:3-2": 7,
            "3700000000017": 3,
            "id:5": 2,
        }
        await adapter.push_stock({"3700000000017": 8, "id:3-2": 6})
        assert (world.shop.stock("kettle"), world.shop.stock("shirt-m")) == (8, 6)
        world.shop.place_order([("kettle", 1), ("shirt-m", 2)])
        (order,), _ = await world.drained(adapter=adapter)
    assert isinstance(order, ShopOrder)
    assert [line.sku for line in order.lines] == ["3700000000017", "id:3-2"]


async def test_an_article_that_the_ledger_does_not_know_keeps_its_figure(world: World) -> None:
    await world.adapter.push_stock({"teapot": 4})
    assert world.shop.stocks() == {"teapot": 4, "cup": 100, "shirt-s": 5, "shirt-m": 7}


async def test_a_refunded_article_is_named_although_no_line_holds_it_any_more(world: World) -> None:
    order = world.shop.place_order([("teapot", 2), ("cup", 1)])
    world.shop.refund(order, [("teapot", 2)])
    (told,), _ = await world.drained()
    assert isinstance(told, ShopOrder)
    assert ([line.sku for line in told.lines], told.refunded) == (["cup"], ("teapot",))


async def test_an_order_that_cannot_be_read_says_what_it_holds(world: World) -> None:
    order = world.shop.place_order([("teapot", 2), ("cup", 1)])
    cancelled = world.shop.place_order([("cup", 5)], state=6)
    for each in (order, cancelled):
        world.shop.tables["orders"][each]["total_paid"] = "ten"
    orders, _ = await world.drained()
    assert [each.units for each in orders if isinstance(each, UnreadableOrder)] == [
        {"teapot": 2, "cup": 1},
        {},
    ]


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


async def test_each_shop_of_an_installation_has_its_own_rows_until_they_are_shared(world: World) -> None:
    world.shop.keys[FULL_KEY].shops = frozenset({1, 2})
    assert world.shop.open_shop("Outlet", shares_stock=False) == 2
    async with world.connect(id_shop=2) as outlet:
        assert (await outlet.stock())["teapot"] == 0
        await outlet.push_stock({"teapot": 3, "shirt-s": 2})
        assert (world.shop.stock("teapot"), world.shop.stock("teapot", 2)) == (10, 3)
        world.shop.place_order([("teapot", 1)], shop=2)
        assert (world.shop.stock("teapot"), world.shop.stock("teapot", 2)) == (10, 2)
        world.shop.stockroom.share_all_stock()
        assert (await outlet.stock())["teapot"] == 10
        await outlet.push_stock({"teapot": 6})
    assert (world.shop.stock("teapot"), world.shop.stock("teapot", 2)) == (6, 6)
    assert (await world.adapter.stock())["teapot"] == 6


async def test_levels_go_to_the_live_row_however_lately_stock_was_shared(world: World) -> None:
    async with world.connect(rows_seconds=0.0) as adapter:
        await adapter.push_stock({"teapot": 9})
        live = world.shop.stockroom.share_stock("teapot")
        await adapter.push_stock({"teapot": 4})
    assert world.shop.stock("teapot") == 4
    assert world.shop.tables["stock_availables"][live]["quantity"] == 4


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
