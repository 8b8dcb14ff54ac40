"""The simulated shop has the real one's traps: each sentence of what was measured, as an effect on its rows.

How each request is answered stands in `test_contract.py`; here is what it does, and what it silently
does not.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
import trio
from lxml import etree

from adapters.channels.prestashop.simulated import aftermath
from adapters.channels.prestashop.simulated.service import FULL_ORDERS_MAX, Service
from adapters.channels.prestashop.simulator import FULL_KEY, Key, Shop, rights
from adapters.http.server import Request, Response

HOST = "shop.example"
Rows = list[dict[str, object]]


@dataclass(slots=True)
class Front:
    """A shop and its webservice, asked without a wire."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 23, 6, 13, 20, tzinfo=UTC))
    shop: Shop = field(init=False)
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        self.shop = Shop(seed=1, now=lambda: self.now)
        self.shop.add_product("teapot", stock=10)
        self.shop.add_product("shirt", combinations={"shirt-s": 5, "shirt-m": 7})
        self.service = Service(self.shop, HOST)

    async def ask(self, method: str, target: str, body: str = "", host: str = HOST) -> Response:
        authorization = "Basic " + base64.b64encode(f"{FULL_KEY}:".encode()).decode()
        headers = [("host", host), ("authorization", authorization)]
        safe = quote(target, safe="/?&=%[]|,><!:;+*'()")
        return await self.service.handle(Request(method, safe, headers, body.encode(), None))

    async def rows(self, resource: str, query: str) -> Rows:
        answer = await self.ask("GET", f"/api/{resource}?output_format=JSON&{query}")
        assert answer.status == 200
        page = json.loads(answer.body)
        return [] if page == [] else list(page[resource])

    async def ids(self, resource: str, query: str) -> list[int]:
        return [int(str(row["id"])) for row in await self.rows(resource, f"display=[id]&{query}")]


@pytest.fixture
def front() -> Front:
    return Front()


def code(answer: Response) -> tuple[int, str]:
    found = etree.fromstring(answer.body).find("errors/error/code") if answer.body else None
    return answer.status, "" if found is None else str(found.text)


# --- filters, sorting, limits: what they silently do not do


async def test_filters_that_are_not_understood_filter_nothing(front: Front) -> None:
    placed = [front.shop.place_order([("teapot", 1)]) for _ in range(4)]
    assert sorted(await front.ids("orders", f"filter[id]=>=[{placed[2]}]")) == placed
    assert sorted(await front.ids("orders", "id=2")) == placed
    assert sorted(await front.ids("orders", f"filter[id]=>[{placed[1]}]")) == placed[2:]


async def test_an_iso_date_in_a_range_finds_nothing_and_the_shops_own_way_of_writing_it_does(
    front: Front,
) -> None:
    placed = front.shop.place_order([("teapot", 1)])
    assert (
        await front.ids("orders", "date=1&filter[date_upd]=[2026-11-23T00:00:00,2026-11-24T00:00:00]") == []
    )
    window = "[2026-11-23 07:13:20,2999-12-31 23:59:59]"
    assert await front.ids("orders", f"date=1&filter[date_upd]={window}") == [placed]
    assert code(await front.ask("GET", f"/api/orders?filter[date_upd]={window}")) == (400, "32")
    assert code(await front.ask("GET", "/api/orders?sort=[date_upd_ASC]")) == (400, "38")


async def test_of_two_filters_on_one_field_the_last_one_counts(front: Front) -> None:
    placed = [front.shop.place_order([("teapot", 1)]) for _ in range(3)]
    query = f"filter[id]=[{placed[0]}]&filter[id]=[{placed[2]}]"
    assert await front.ids("orders", query) == [placed[2]]


async def test_a_limit_of_zero_is_an_empty_page_and_without_sorting_there_is_no_order(front: Front) -> None:
    placed = [front.shop.place_order([("teapot", 1)]) for _ in range(12)]
    assert await front.rows("orders", "display=[id]&limit=0") == []
    unsorted = await front.ids("orders", "")
    assert unsorted != placed
    assert sorted(unsorted) == placed
    assert await front.ids("orders", "sort=[id_ASC]&limit=2,3") == placed[2:5]


async def test_more_than_a_thousand_whole_orders_on_a_page_run_php_out_of_memory(front: Front) -> None:
    order = front.shop.place_order([("teapot", 1)])
    rows = front.shop.tables["orders"]
    rows.update((extra, rows[order] | {"id": extra}) for extra in range(10, 10 + FULL_ORDERS_MAX))
    front.shop.ordering.details.update((extra, []) for extra in rows if extra != order)
    answer = await front.ask("GET", "/api/orders?display=full&output_format=JSON")
    assert (answer.status, answer.body) == (500, b"")
    assert len(await front.rows("orders", f"display=full&limit={FULL_ORDERS_MAX}")) == FULL_ORDERS_MAX
    assert len(await front.ids("orders", "")) == FULL_ORDERS_MAX + 1


# --- what a poller sees


async def test_an_order_that_is_being_built_is_shown_in_state_0_with_some_of_its_rows(front: Front) -> None:
    placed = front.shop.begin_order([("teapot", 1), ("shirt-m", 2)])
    display = "display=[id,current_state,order_rows[id]]"
    (row,) = await front.rows("orders", display)
    below = row["associations"]
    assert isinstance(below, dict)
    assert (row["current_state"], len(below["order_rows"])) == (0, 1)
    front.shop.finish_order(placed)
    (row,) = await front.rows("orders", display)
    below = row["associations"]
    assert isinstance(below, dict)
    assert (row["current_state"], len(below["order_rows"])) == (2, 2)


async def test_an_orders_date_moves_with_its_state_and_its_own_fields_and_with_nothing_else(
    front: Front,
) -> None:
    shop = front.shop
    order = shop.place_order([("teapot", 2)])

    async def moved(method: str, resource: str, body: str) -> bool:
        before = shop.order(order).date_upd
        front.now += timedelta(seconds=1)
        answer = await front.ask(method, f"/api/{resource}", f"<prestashop>{body}</prestashop>")
        assert answer.status in (200, 201)
        return shop.order(order).date_upd != before

    carrier = next(iter(shop.tables["order_carriers"]))
    detail = shop.ordering.details[order][0]
    address = shop.tables["orders"][order]["id_address_delivery"]
    reference = shop.order(order).reference
    tracking = f"<order_carrier><id>{carrier}</id><tracking_number>1Z</tracking_number></order_carrier>"
    payment = (
        f"<order_payment><order_reference>{reference}</order_reference><id_currency>1</id_currency>"
        "<amount>10</amount></order_payment>"
    )
    quantity = f"<order_detail><id>{detail}</id><product_quantity>1</product_quantity></order_detail>"
    status = f"<order_history><id_order>{order}</id_order><id_order_state>3</id_order_state></order_history>"
    assert not await moved("PATCH", "order_carriers", tracking)
    edited = f"<address><id>{address}</id><city>Lyon</city></address>"
    assert not await moved("PATCH", "addresses", edited)
    assert not await moved("POST", "order_payments", payment)
    assert not await moved("PATCH", "order_details", quantity)
    assert await moved("POST", "order_histories", status)
    assert await moved("PATCH", "orders", f"<order><id>{order}</id><note>hello</note></order>")
    before = shop.order(order).date_upd
    front.now += timedelta(seconds=1)
    shop.refund(order, [("teapot", 1)])
    aftermath.write_message(shop, order, "ring twice")
    aftermath.use_voucher(shop, order, "Welcome", Decimal(5))
    aftermath.ask_return(shop, order, "teapot", 1, "It leaks.")
    assert shop.order(order).date_upd == before


async def test_a_customers_password_hash_is_there_for_whoever_asks_for_everything(front: Front) -> None:
    front.shop.place_order([("teapot", 1)])
    (row,) = await front.rows("customers", "display=full")
    assert row["passwd"]
    assert row["secure_key"]
    (row,) = await front.rows("customers", "display=[id,email]")
    assert row.keys() == {"id", "email"}


async def test_a_note_can_make_a_whole_page_of_xml_malformed_and_not_of_json(front: Front) -> None:
    front.shop.place_order([("teapot", 1)])
    front.shop.place_order([("teapot", 1)], note="say ]]> & run")
    answer = await front.ask("GET", "/api/orders?display=full")
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(answer.body)
    notes = [row["note"] for row in await front.rows("orders", "display=[id,note]")]
    assert sorted(map(str, notes)) == ["", "say ]]> & run"]


async def test_every_answer_tells_the_servers_time_and_begins_another_session(front: Front) -> None:
    answers = [await front.ask("GET", "/api/orders") for _ in range(2)]
    heads = [dict(answer.headers) for answer in answers]
    assert {head["Access-Time"] for head in heads} == {str(int(front.now.timestamp()))}
    assert len({head["Set-Cookie"] for head in heads}) == 2


# --- writes


async def test_the_id_in_the_body_wins_over_the_one_in_the_address(front: Front) -> None:
    one, two = (front.shop.place_order([("teapot", 1)]) for _ in range(2))
    body = f"<prestashop><order><id>{two}</id><note>for two</note></order></prestashop>"
    assert (await front.ask("PATCH", f"/api/orders/{one}", body)).status == 200
    notes = {order: front.shop.tables["orders"][order]["note"] for order in (one, two)}
    assert notes == {one: "", two: "for two"}
    assert code(await front.ask("PATCH", f"/api/orders/{one}", "<prestashop><order/></prestashop>")) == (
        400,
        "90",
    )


async def test_a_put_blanks_what_it_leaves_out_and_the_order_is_in_no_list_any_more(front: Front) -> None:
    order = front.shop.place_order([("teapot", 1)], note="keep me")
    shown = etree.fromstring((await front.ask("GET", f"/api/orders/{order}")).body)
    for element in list(shown[0]):
        if element.tag in ("reference", "id_shop", "id_shop_group", "note", "associations"):
            shown[0].remove(element)
    body = etree.tostring(shown, encoding="unicode")
    assert (await front.ask("PUT", f"/api/orders/{order}", body)).status == 200
    row = front.shop.tables["orders"][order]
    assert (row["reference"], row["note"], row["id_shop"]) == ("", "", 0)
    assert await front.ids("orders", "") == []
    assert await front.ids("orders", "id_shop=all") == []
    assert (await front.ask("GET", f"/api/orders/{order}")).status == 200


async def test_a_batch_that_goes_wrong_has_written_what_came_before(front: Front) -> None:
    rows = [await row_of(front, reference) for reference in ("teapot", "shirt-s", "shirt-m")]
    changes = "".join(
        f"<stock_available><id>{row}</id><quantity>{units}</quantity></stock_available>"
        for row, units in zip(rows, ("41", "abc", "43"), strict=True)
    )
    answer = await front.ask("PATCH", "/api/stock_availables", f"<prestashop>{changes}</prestashop>")
    assert code(answer) == (400, "85")
    assert front.shop.stocks() == {"teapot": 41, "shirt-s": 5, "shirt-m": 7}


async def row_of(front: Front, reference: str) -> int:
    article = front.shop.stockroom.article(reference)
    query = f"filter[id_product]=[{article.product}]&filter[id_product_attribute]=[{article.combination}]"
    (row,) = await front.ids("stock_availables", query)
    return row


async def set_quantity(front: Front, row: int, units: int) -> Response:
    body = f"<stock_available><id>{row}</id><quantity>{units}</quantity></stock_available>"
    return await front.ask("PATCH", "/api/stock_availables", f"<prestashop>{body}</prestashop>")


async def test_the_parent_row_follows_its_combinations_and_they_do_not_follow_it(front: Front) -> None:
    product = front.shop.stockroom.article("shirt-s").product
    (parent,) = await front.ids(
        "stock_availables", f"filter[id_product]=[{product}]&filter[id_product_attribute]=[0]"
    )
    await set_quantity(front, await row_of(front, "shirt-s"), 9)
    assert front.shop.tables["stock_availables"][parent]["quantity"] == 16
    await set_quantity(front, parent, 99)
    assert [front.shop.stock(each) for each in ("shirt-s", "shirt-m")] == [9, 7]


async def test_where_stock_is_shared_the_old_row_says_yes_and_nothing_comes_of_it(front: Front) -> None:
    old = await row_of(front, "teapot")
    live = front.shop.stockroom.share_stock("teapot")
    assert (await set_quantity(front, old, 3)).status == 200
    assert front.shop.stock("teapot") == 10
    product = front.shop.stockroom.article("teapot").product
    (row,) = await front.rows("products", f"display=full&filter[id]=[{product}]")
    below = row["associations"]
    assert isinstance(below, dict)
    assert [each["id"] for each in below["stock_availables"]] == [live]


async def test_a_sale_during_a_patch_of_the_same_row_is_undone(front: Front) -> None:
    front.shop.patch_seconds = 0.05
    row = await row_of(front, "teapot")
    body = (
        f"<prestashop><stock_available><id>{row}</id><location>A1</location></stock_available></prestashop>"
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(front.ask, "PATCH", "/api/stock_availables", body)
        await trio.sleep(0.01)
        front.shop.place_order([("teapot", 4)])
        assert front.shop.stock("teapot") == 6
    assert front.shop.stock("teapot") == 10


async def test_a_status_posted_twice_stands_there_twice_and_mails_only_when_asked_to(front: Front) -> None:
    order = front.shop.place_order([("teapot", 1)], state=10)
    body = (
        f"<prestashop><order_history><id_order>{order}</id_order><id_order_state>2</id_order_state>"
        "</order_history></prestashop>"
    )
    await front.ask("POST", "/api/order_histories", body)
    assert front.shop.mails == []
    await front.ask("POST", "/api/order_histories?sendemail=1", body)
    assert front.shop.mails == [("order_histories", order)]
    assert front.shop.order(order).states == (10, 2, 2)
    assert len(front.shop.tables["order_payments"]) == 1
    assert front.shop.tables["orders"][order]["invoice_number"] == 1


async def test_what_makes_an_invoice_may_be_done_and_answered_by_a_warning(front: Front) -> None:
    order = front.shop.place_order([("teapot", 1)], state=10)
    front.shop.invoice_warns = True
    body = (
        f"<prestashop><order_history><id_order>{order}</id_order><id_order_state>2</id_order_state>"
        "</order_history></prestashop>"
    )
    answer = await front.ask("POST", "/api/order_histories", body)
    assert (answer.status, dict(answer.headers)["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert front.shop.order(order).state == 2


async def test_stock_falls_when_an_order_is_placed_stays_when_it_ships_and_comes_back_when_it_is_cancelled(
    front: Front,
) -> None:
    order = front.shop.place_order([("teapot", 3)])
    assert front.shop.stock("teapot") == 7
    front.shop.set_state(order, 4)
    assert front.shop.stock("teapot") == 7
    front.shop.cancel_order(order)
    assert front.shop.stock("teapot") == 10


# --- who may ask, and where


async def test_a_resource_without_rights_and_a_method_without_rights_are_refused_differently(
    front: Front,
) -> None:
    front.shop.keys[FULL_KEY] = Key(rights=rights(orders="GET", stock_availables="GET POST"))
    assert code(await front.ask("GET", "/api/products")) == (401, "26")
    assert code(await front.ask("PATCH", "/api/orders/1", "<prestashop/>")) == (405, "25")
    assert code(await front.ask("POST", "/api/stock_availables", "<prestashop/>")) == (405, "101")
    assert code(await front.ask("GET", "/api/orders?id_shop=all")) == (200, "")


async def test_a_wrong_host_and_an_unknown_shop_lead_to_the_front_page(front: Front) -> None:
    for target, host in (("/api/orders", "www.shop.example"), ("/api/orders?id_shop=99", HOST)):
        answer = await front.ask("GET", target, host=host)
        assert (answer.status, answer.body) == (302, b"")
        assert dict(answer.headers)["Location"].startswith(f"http://{HOST}/?")


async def test_a_carrier_that_is_edited_gets_another_id_and_keeps_its_reference(front: Front) -> None:
    new = front.shop.edit_carrier(2)
    (row,) = await front.rows(
        "carriers", "display=[id,id_reference]&filter[id_reference]=[2]&filter[deleted]=[0]"
    )
    assert row == {"id": new, "id_reference": 2}
    assert new != 2
