"""What is read of an order beside its row, what is never asked for, and what is found without a date."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest

from actors.ports.shop import Packing, Payload, ShopOrder, UnreadableOrder
from adapters.channels.prestashop.client import IDS_A_REQUEST
from adapters.channels.prestashop.cursor import ID_REACH_BACK
from adapters.channels.prestashop.feeds import TURNS
from adapters.channels.prestashop.polling import READ_IN_DETAIL_MAX
from adapters.channels.prestashop.simulated import aftermath
from adapters.channels.prestashop.simulated.keys import METHODS
from adapters.channels.prestashop.simulated.tables import RESOURCES
from adapters.channels.prestashop.simulator import FULL_KEY, Shopper
from adapters.http.server import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.http.server import Drop, Request
    from tests.adapters.channels.prestashop.conftest import World

BESIDE = (
    "order_details",
    "order_carriers",
    "order_cart_rules",
    "order_returns",
    "order_payments",
    "customer_threads",
    "customer_messages",
    "customizations",
    "languages",
    "shops",
    "shop_groups",
)
"""Resources that an order can be shipped without."""

SECRET = re.compile(r"passwd|secure_key|card_|ip_address|user_agent|token|display=full|display=&")


async def read(world: World, order: int) -> ShopOrder:
    found = await world.adapter.order(str(order))
    assert isinstance(found, ShopOrder)
    return found


async def an_order_long_ago(world: World, state: int, reference: str = "") -> tuple[int, str]:
    """Return an order, and a cursor, that no poll by date or id reaches back to by now."""
    order = world.shop.place_order([("cup", 1)], state=state)
    if reference:
        world.shop.tables["orders"][order]["reference"] = reference
    for _ in range(ID_REACH_BACK + 1):
        world.shop.place_order([("cup", 1)])
    _, cursor = await world.drained()
    world.clock.tick(hours=2)
    _, cursor = await told_in_a_round(world, cursor)
    return order, cursor


async def told_in_a_round(world: World, cursor: str) -> tuple[list[ShopOrder | UnreadableOrder], str]:
    """Poll until every list has had its turn."""
    told: list[ShopOrder | UnreadableOrder] = []
    for _ in range(TURNS + 1):
        orders, cursor = await world.drained(cursor)
        told += orders
    return told, cursor


async def test_an_order_is_kept_with_all_that_the_shop_knows_about_it(world: World) -> None:
    shop = world.shop
    order = shop.place_order(
        [("teapot", 2), ("shirt-m", 1)],
        Shopper(country="FR"),
        note="Fragile",
        gift_message="Bon anniversaire",
    )
    shop.tables["orders"][order] |= {
        "total_wrapping_tax_incl": "2.400000",
        "total_wrapping_tax_excl": "2.000000",
    }
    aftermath.use_voucher(shop, order, "WELCOME", Decimal(5))
    aftermath.pay(shop, order, Decimal("3.50"), "Card", "TX-1")
    aftermath.write_message(shop, order, "Ring twice")
    aftermath.write_message(shop, order, "We shall", employee=1)
    aftermath.write_message(shop, order, "He always says that", employee=1, private=True)
    aftermath.ask_return(shop, order, "teapot", 1, "It leaks")
    shop.refund(order, [("teapot", 1)])

    found = await read(world, order)
    kept = json.loads(found.raw)
    assert found.packing == Packing(True, "Bon anniversaire", ("Fragile", "Ring twice"))
    assert msgspec.json.decode(found.raw, type=Payload).packing == found.packing
    assert (found.language, found.total) == ("en", Decimal("79.84"))
    assert [(line.sku, line.units) for line in found.lines] == [("teapot", 1), ("shirt-m", 1)]
    assert kept["order"]["total_discounts_tax_incl"] == "5.000000"
    assert kept["order"]["total_wrapping_tax_excl"] == "2.000000"
    assert [each["product_weight"] for each in kept["lines"]] == ["0.300000", "0.300000"]
    assert kept["lines"][0]["product_quantity_return"] == 1
    assert [each["name"] for each in kept["vouchers"]] == ["WELCOME"]
    assert [(each["amount"], each["payment_method"]) for each in kept["payments"]][-1] == ("3.500000", "Card")
    assert [each["message"] for each in kept["messages"]] == ["Ring twice", "We shall", "He always says that"]
    assert [each["question"] for each in kept["returns"]] == ["It leaks"]
    (refunded,) = kept["refunds"][0]["associations"]["order_slip_details"]
    assert refunded["product_quantity"] == 1
    assert kept["invoice"]["city"] == kept["delivery"]["city"] == "Paris"
    assert (kept["shop"]["name"], kept["shop"]["group"]["name"]) == ("TestShop", "Default")


async def test_numbers_are_written_as_the_real_shop_writes_them(world: World) -> None:
    order = world.shop.place_order([("teapot", 2)])
    aftermath.write_message(world.shop, order, "internal", employee=1, private=True)
    aftermath.ask_return(world.shop, order, "teapot", 1, "It leaks")
    world.shop.refund(order, [("teapot", 1)])
    kept = json.loads((await read(world, order)).raw)
    assert kept["order"]["carrier_tax_rate"] == "20.000"
    assert kept["lines"][0]["reduction_percent"] == "0.00"
    assert kept["messages"][0]["private"] == "1"
    assert kept["returns"][0]["state"] == 1
    (refunded,) = kept["refunds"][0]["associations"]["order_slip_details"]
    assert (refunded["amount_tax_excl"], refunded["amount_tax_incl"]) == ("19.900000", "23.880000")


async def test_what_is_to_stand_on_an_article_is_told_to_whoever_packs_it(world: World) -> None:
    order = world.shop.place_order([("cup", 1), ("teapot", 2), ("shirt-m", 3)])
    aftermath.customize(world.shop, order, "teapot", "Zoé ]]>", "born 2026")
    aftermath.customize(world.shop, order, "shirt-m", images=1)
    found = await read(world, order)
    assert found.packing.notes == (
        "2 teapot: Zoé ]]> / born 2026",
        "3 shirt-m: an image, to be looked at in the shop",
    )
    asked = [request.target for request in world.requests if request.path == "/api/customizations"]
    assert len(asked) == 1
    plain = world.shop.place_order([("cup", 1)])
    assert (await read(world, plain)).packing.notes == ()
    assert len([each for each in world.requests if each.path == "/api/customizations"]) == 1


async def test_an_article_that_was_made_for_its_customer_is_not_packed_as_a_plain_one(world: World) -> None:
    order = world.shop.place_order([("cup", 1), ("teapot", 2)])
    aftermath.customize(world.shop, order, "teapot")  # its text field was taken from the article since
    found = await read(world, order)
    assert found.packing.notes == ("2 teapot: made for its customer, to be looked at in the shop",)


async def test_whoever_packs_reads_what_was_written_and_not_how_the_shop_keeps_it(world: World) -> None:
    written = 'R&D, 2 < 3, l\'étage "B" ]]>\nsecond line'
    order = world.shop.place_order([("cup", 1)], note=written, gift_message=written)
    aftermath.write_message(world.shop, order, written)
    found = await read(world, order)
    assert json.loads(found.raw)["messages"][0]["message"].startswith("R&amp;D, 2 &lt; 3, l'étage"), (
        "the shop"
    )
    assert found.packing == Packing(True, written, (written, written))


async def test_what_was_refunded_by_a_voucher_is_not_shipped_although_no_slip_tells(world: World) -> None:
    order = world.shop.place_order([("teapot", 2), ("cup", 1)])
    both = world.shop.place_order([("teapot", 3)])
    aftermath.refund_by_voucher(world.shop, order, "teapot", 1)
    world.shop.refund(both, [("teapot", 1)])
    aftermath.refund_by_voucher(world.shop, both, "teapot", 1)
    found, _ = await world.drained()
    again = await world.adapter.reread([str(order), str(both)], whole=False)
    for copies in (found, again.values()):
        left = {
            each.shop_order: {line.sku: line.units for line in each.lines}
            for each in copies
            if isinstance(each, ShopOrder)
        }
        assert left == {str(order): {"teapot": 1, "cup": 1}, str(both): {"teapot": 1}}
    async with world.connect(refunds=False) as adapter:
        (whole, _), _ = await world.drained(None, adapter)
    assert isinstance(whole, ShopOrder)
    assert [line.units for line in whole.lines] == [2, 1]


async def test_who_carries_an_order_that_may_have_several_carriers_stands_below_it(world: World) -> None:
    order = world.shop.place_order([("cup", 1)])
    others = [world.shop.place_order([("cup", 1)]) for _ in range(2)]
    world.shop.edit_order(order, id_carrier=0)  # as PrestaShop 9.1 does with improved_shipment
    found, _ = await world.drained()
    services = {each.shop_order: each.service for each in found if isinstance(each, ShopOrder)}
    assert services == dict.fromkeys(map(str, (order, *others)), "express")
    assert (await read(world, order)).service == "express"
    for row in world.shop.tables["order_carriers"].values():
        row["id_carrier"] = 0
    assert (await read(world, order)).service == "", "nobody carries what is not shipped, such as a download"


async def test_only_named_fields_are_ever_asked_for_and_no_secret_is_kept(world: World) -> None:
    shop = world.shop
    placed = [shop.place_order([("teapot", 1)], state=state) for state in (2, 4, 6, 10)]
    aftermath.write_message(shop, placed[0], "Ring twice")
    orders, cursor = await world.drained()
    shop.refund(placed[0], [("teapot", 1)])
    more, _ = await told_in_a_round(world, cursor)
    again = await world.adapter.reread([str(order) for order in placed])
    await world.adapter.survey("")
    await world.adapter.stock()
    asked = [request.target for request in world.requests]
    assert all("display=" in target for target in asked)
    assert [target for target in asked if SECRET.search(target)] == []
    secrets = [
        str(row[name])
        for resource, name in (("customers", "passwd"), ("customers", "secure_key"), ("orders", "secure_key"))
        for row in shop.tables[resource].values()
    ]
    payloads = [order.raw.decode() for order in (*orders, *more, *again.values())]
    assert len(payloads) >= 2 * len(placed)
    assert [secret for secret in secrets for payload in payloads if secret in payload] == []


async def test_a_key_that_may_not_read_what_people_want_to_know_still_ships_orders(world: World) -> None:
    order = world.shop.place_order([("teapot", 1)], note="Fragile")
    aftermath.write_message(world.shop, order, "Ring twice")
    aftermath.customize(world.shop, order, "teapot", "Zoe")
    world.shop.keys[FULL_KEY].rights = dict.fromkeys(RESOURCES.keys() - set(BESIDE), METHODS)
    (found,), cursor = await world.drained()
    assert isinstance(found, ShopOrder)
    told = ("Fragile", "1 teapot: made for its customer, to be looked at in the shop")
    assert (found.standing, found.language, found.packing.notes) == ("open", "", told)
    async with world.connect(language="fr") as adapter:
        (french,), _ = await world.drained(None, adapter)
    assert isinstance(french, ShopOrder)
    assert french.language == json.loads(french.raw)["language"] == "fr", "the channel's own stands for it"
    await told_in_a_round(world, cursor)
    world.shop.keys[FULL_KEY].rights = None
    assert (await read(world, order)).packing.notes == ("Fragile", "Ring twice", "1 teapot: Zoe")


@pytest.mark.parametrize("code", [27, 32, 35])
async def test_a_shop_that_lacks_what_people_want_to_know_still_ships_orders(world: World, code: int) -> None:
    order = world.shop.place_order([("teapot", 1)], note="Fragile")
    lacks = Response(400, b'{"errors":[{"code":%d,"message":"Did you mean?"}]}' % code)
    world.faults.answer_next(lacks, lambda request: request.path.removeprefix("/api/") in BESIDE, count=100)
    (found,), cursor = await world.drained()
    assert isinstance(found, ShopOrder)
    assert (found.shop_order, found.standing, found.packing.notes) == (str(order), "open", ("Fragile",))
    await told_in_a_round(world, cursor)


async def test_two_orders_with_one_reference_are_two_orders_and_share_their_payment(world: World) -> None:
    one, two = (world.shop.place_order([(sku, 1)]) for sku in ("teapot", "cup"))
    row = world.shop.tables["orders"]
    row[two]["reference"] = row[one]["reference"]
    for payment in world.shop.tables["order_payments"].values():
        payment["order_reference"] = row[one]["reference"]
    orders, _ = await world.drained()
    assert [(each.shop_order, each.lines[0].sku) for each in orders if isinstance(each, ShopOrder)] == [
        (str(one), "teapot"),
        (str(two), "cup"),
    ]
    assert [len(json.loads(each.raw)["payments"]) for each in orders] == [2, 2]


async def test_an_order_that_is_edited_between_two_reads_of_it_is_told_as_it_is_in_the_end(
    world: World,
) -> None:
    order = world.shop.place_order([("teapot", 1)])

    def edit(answer: Response) -> Response | Drop:
        # The row is read, and the rest is not: somebody sends it elsewhere and takes another carrier.
        world.clock.tick(seconds=1)
        _, address = world.shop.ordering.add_shopper(Shopper(city="Lille"))
        world.shop.edit_order(order, id_address_delivery=address, id_carrier=1)
        return answer

    def of_orders(request: Request) -> bool:
        return request.path == "/api/orders"

    world.faults.change_next(edit, of_orders)
    (before,), cursor = await world.drained()
    (after,), _ = await world.drained(cursor)
    assert isinstance(before, ShopOrder)
    assert isinstance(after, ShopOrder)
    assert (before.contact.city, before.service) == ("Paris", "express")
    assert (after.contact.city, after.service) == ("Lille", "")


async def test_an_order_that_has_lost_its_shop_is_not_taken_for_deleted(world: World) -> None:
    lost, there, elsewhere = (world.shop.place_order([("cup", 1)]) for _ in range(3))
    _, cursor = await world.drained()
    world.shop.tables.insert("shops", {"name": "Second", "id_shop_group": 1, "id_category": 2}, 2)
    world.shop.tables["orders"][lost]["id_shop"] = 0
    world.shop.tables["orders"][elsewhere]["id_shop"] = 2
    world.shop.set_state(lost, 6)
    asked = [str(lost), str(there), str(elsewhere), "999"]
    assert (await world.adapter.reread(asked)).keys() == set(asked[:3])
    async with world.connect(id_shop=1) as adapter:
        found = await adapter.reread(asked)
    assert {order: each.standing for order, each in found.items()} == {
        str(lost): "cancelled",
        str(there): "open",
    }
    # No list shows it, so no poll tells of it: only whoever reads it again by its id.
    told, _ = await told_in_a_round(world, cursor)
    assert told == []


@pytest.mark.parametrize("reference", ["XKBKNABJK", "SHOP-2026_1042"])
async def test_a_payment_that_moves_no_date_is_found_by_its_id(world: World, reference: str) -> None:
    order, cursor = await an_order_long_ago(world, state=10, reference=reference)
    aftermath.pay(world.shop, order, Decimal("3.50"), "Card")
    world.shop.tables["orders"][order]["total_paid_real"] = "3.500000"
    told, cursor = await told_in_a_round(world, cursor)
    assert [each.shop_order for each in told] == [str(order)]
    assert [each["amount"] for each in json.loads(told[0].raw)["payments"]] == ["3.500000"]
    told, _ = await told_in_a_round(world, cursor)
    assert told == []


async def test_a_status_under_a_clock_that_was_set_back_is_found_by_its_id(world: World) -> None:
    order, cursor = await an_order_long_ago(world, state=2)
    # Somebody sets the shop's clock back and cancels, long before what was seen last.
    world.clock.tick(hours=-1)
    world.shop.cancel_order(order)
    world.clock.tick(hours=1, seconds=1)
    told, _ = await told_in_a_round(world, cursor)
    assert [(each.shop_order, each.standing) for each in told] == [(str(order), "cancelled")]


async def test_a_shop_whose_clock_is_an_hour_off_and_then_set_right_loses_no_order(world: World) -> None:
    placed = [world.shop.place_order([("cup", 1)])]
    _, cursor = await world.drained()
    told: list[ShopOrder | UnreadableOrder] = []
    for hours in (1, -1, -1, 1):
        world.clock.tick(hours=hours, seconds=1)
        placed.append(world.shop.place_order([("cup", 1)]))
        orders, cursor = await world.drained(cursor)
        told += orders
    more, _ = await told_in_a_round(world, cursor)
    assert sorted(int(each.shop_order) for each in (*told, *more)) == placed[1:]


async def test_a_first_import_of_many_open_orders_reads_only_what_they_are_shipped_by(world: World) -> None:
    few = [world.shop.place_order([("cup", 1)]) for _ in range(2)]
    _, cursor = await world.drained()
    assert world.count("GET", "/api/order_returns") == 1
    many = [world.shop.place_order([("cup", 1)]) for _ in range(READ_IN_DETAIL_MAX)]
    world.requests.clear()
    orders, _ = await world.drained()
    assert [int(order.shop_order) for order in orders] == few + many
    assert world.count("GET", "/api/order_returns") == 0
    assert [order.is_whole for order in orders if isinstance(order, ShopOrder)] == [False] * len(orders)
    await world.adapter.reread([str(order) for order in (*few, *many)], whole=False)
    assert world.count("GET", "/api/order_returns") == 0
    world.requests.clear()
    orders, _ = await world.drained(cursor)
    assert [int(order.shop_order) for order in orders] == many
    assert world.count("GET", "/api/order_returns") == 1


async def test_however_many_orders_are_read_again_each_comes_with_all_that_people_want_to_know(
    world: World,
) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(IDS_A_REQUEST + 1)]
    for order in placed:
        aftermath.write_message(world.shop, order, f"Ring twice {order}")
    orders, _ = await world.drained()
    first_page = orders[:IDS_A_REQUEST]  # the one behind it comes whole, as few orders do
    assert {order.is_whole for order in first_page if isinstance(order, ShopOrder)} == {False}
    found = await world.adapter.reread([str(order) for order in placed])
    for order in placed:
        again = found[str(order)]
        assert isinstance(again, ShopOrder)
        kept = msgspec.json.decode(again.raw)
        assert (again.is_whole, kept["is_whole"]) == (True, True)
        assert again.packing.notes == (f"Ring twice {order}",)
        assert len(kept["payments"]) == len(kept["lines"]) == 1


async def test_a_survey_says_how_every_order_stands_and_asks_for_nothing_else(world: World) -> None:
    standings: Mapping[str, str] = {
        str(world.shop.place_order([("cup", 1)], state=state)): standing
        for state, standing in ((2, "open"), (10, "unpaid"), (4, "shipped"), (6, "cancelled"))
    } | {str(world.shop.begin_order([("cup", 1)])): "unfinished"}
    found = await world.adapter.survey("")
    assert {each.shop_order: each.standing for each in found} == standings
    assert [each.shop_order for each in await world.adapter.survey("3")] == ["4", "5"]
    assert await world.adapter.survey("5") == []
    assert {request.path for request in world.requests} == {"/api/orders"}
    async with world.connect(after_order=4) as adapter:
        assert [each.shop_order for each in await adapter.survey("")] == ["5"]


async def test_a_note_that_breaks_the_shops_xml_is_read_and_stops_nothing(world: World) -> None:
    order = world.shop.place_order([("cup", 1)], note="a ]]> b \x0b & é")
    (found,), _ = await world.drained()
    assert isinstance(found, ShopOrder)
    assert (found.shop_order, found.packing.notes) == (str(order), ("a ]]> b \x0b & é",))
