"""The simulator answers as the real shop did: every recorded conversation is replayed, and compared.

Compared are the status, the content type, the error codes, and the shape: which elements or keys there are,
and of which JSON type their values. Values are not: the shops do not hold the same goods. None is left out;
six bodies that were sent from a file were not recorded, and are made again.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import msgspec
import pytest
import trio
from lxml import etree

from adapters.channels.prestashop.simulated.service import Service
from adapters.channels.prestashop.simulated.tables import RESOURCES, Value
from adapters.channels.prestashop.simulator import Key, Shop, Shopper, rights
from adapters.http.server import Request, Response

HOST = "127.0.0.1:8480"
FULL, READ_ONLY, DISABLED = (
    "PSFULLKEY00000000000000000000001",
    "PSROORDERSKEY0000000000000000002",
    "PSDISABLEDKEY0000000000000000003",
)

BY_ROWS_TOO = frozenset(
    {"ms_orders", "ms_orders_2b", "ms_orders_all", "ms_orders_all2", "ms_orders_def", "f_id_range", "f_id_or"}
)
"""Conversations about which rows are shown: their ids are compared as well."""


class Conversation(msgspec.Struct, frozen=True):
    name: str
    method: str
    target: str
    curl: str
    basic: bool
    sent: str
    status: int
    content_type: str
    location: str
    answer: str


def recorded() -> list[Conversation]:
    lines = (Path(__file__).parent / "recorded" / "conversations.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Conversation) for line in lines]


# --- a shop in which every id that the conversations name is there


def furnished() -> Shop:
    shop = Shop(seed=1, now=lambda: datetime(2026, 11, 23, 6, 13, 20, tzinfo=UTC))
    shop.keys = {FULL: Key(), READ_ONLY: Key(rights=rights(orders="GET")), DISABLED: Key(active=False)}
    for each in range(1, 21):
        combinations = {} if each == 8 else {f"d{each}a": 9, f"d{each}b": 9}
        shop.add_product(f"demo_{each}", stock=300, combinations=combinations)
    for each in range(1, 18):
        order = shop.place_order([("d1a", 1), ("d2b", 1)], Shopper(email=f"shopper{each}@example.com"))
        shop.tables["orders"][order]["reference"] = f"XKBKN{each:04}"
    for resource, row_id in (("orders", 300), ("orders", 5024), ("addresses", 1399), ("customers", 1395)):
        rows = shop.tables[resource]
        rows[row_id] = rows[1] | {"id": row_id}
    # As the first order of the demo data: falsy fields are dropped where nothing asks for them.
    shop.tables["orders"][1] |= {
        "current_state": 6,
        "note": "Test",
        "invoice_number": 0,
        "round_mode": 0,
        "round_type": 0,
        "valid": "0",
    }
    shop.tables["carts"][1]["id_guest"] = 1
    cart_row: dict[str, Value] = {"id_product": 1, "id_product_attribute": 1, "quantity": 2}
    shop.lists["carts", 1] = {"cart_rows": [RESOURCES["carts"].associations["cart_rows"].entry(cart_row)]}
    shop.ordering.details |= {300: [1, 2], 5024: [1, 2]}
    shop.tables["orders"][5024]["id_cart"] = 5026
    for resource, field in (("order_carriers", "id_order"), ("order_histories", "id_order")):
        shop.tables[resource][5237] = shop.tables[resource][1] | {"id": 5237, field: 300}
    shop.tables["order_histories"][5237]["date_add"] = "2026-11-23 07:30:00"
    shop.tables["order_details"][35] = shop.tables["order_details"][1] | {"id": 35, "id_order": 300}
    for cart in (6, 7, 8, 9, 10):
        row: dict[str, Value] = {"id_product": 1, "id_product_attribute": 1, "quantity": 2}
        shop.lists["carts", cart] = {"cart_rows": [RESOURCES["carts"].associations["cart_rows"].entry(row)]}
        shop.tables["orders"][cart]["id_cart"] = 100 + cart
    return shop


def two_shops(shop: Shop) -> None:
    shop.tables.insert("shops", {"name": "Second", "id_shop_group": 1, "id_category": 2, "active": 1}, 2)
    for order, its_shop in ((14, 0), (15, 2), (16, 2)):  # a PUT has made 14 forget its shop
        shop.tables["orders"][order]["id_shop"] = its_shop


def two_shops_allowed(shop: Shop) -> None:
    two_shops(shop)
    shop.keys[FULL].shops = frozenset({1, 2})


def with_note(note: str, gift_message: str = "") -> Callable[[Shop], None]:
    def prepare(shop: Shop) -> None:
        shop.tables["orders"][9] |= {"note": note, "gift_message": gift_message}

    return prepare


def set_row(resource: str, row_id: int, **values: Value) -> Callable[[Shop], None]:
    return lambda shop: shop.tables[resource][row_id].update(values)


def remove(resource: str, row_id: int) -> Callable[[Shop], None]:
    def prepare(shop: Shop) -> None:
        del shop.tables[resource][row_id]

    return prepare


def without_payments(shop: Shop) -> None:
    shop.tables["order_payments"].clear()


def disabled(shop: Shop) -> None:
    shop.disabled = True


def down(what: Literal["database", "php"]) -> Callable[[Shop], None]:
    def prepare(shop: Shop) -> None:
        shop.down = what

    return prepare


def invoice_warns(shop: Shop) -> None:
    shop.invoice_warns = True


PREPARE: dict[str, Callable[[Shop], None]] = {
    "cust_put_min": lambda shop: shop.lists.update({("customers", 2): {}}),
    "db_down": down("database"),
    "db_down_json": down("database"),
    "fpm_down": down("php"),
    "order5_deliveryopt": invoice_warns,
    "cust_post_dup": set_row("customers", 3, email="zoe1@example.com"),
    "f_two": set_row("orders", 2, current_state=10),
    "fulljson_order_payments": without_payments,
    "json_assoc_single": lambda shop: shop.lists.update({("customers", 4): {"groups": [{"id": 3}]}}),
    "json_empty_assoc": remove("customers", 2),
    "ms_order15": two_shops,
    "ms_orders": two_shops,
    "ms_orders_2": two_shops,
    "ms_orders_2b": two_shops_allowed,
    "ms_orders_all": two_shops,
    "ms_orders_all2": two_shops_allowed,
    "ms_orders_def": two_shops_allowed,
    "ms_sa2": two_shops,
    "order2_post_dup": set_row("orders", 7, id_cart=7),
    "order_delete2": remove("orders", 10),
    "order_post": set_row("customers", 2, secure_key=""),
    "order_post_dup": set_row("customers", 2, secure_key=""),
    "sa_put_noshop_after": set_row("stock_availables", 28, id_shop=0),
    "ws_disabled": disabled,
    "xml_cdata_end": with_note("a ]]> b <x> & é", "ctrl\x0bx"),
    "xml_cdata_only": with_note("a ]]> b"),
    "xml_ctrl_only": with_note("ctrl\x0bx"),
}


def prepared(conversation: Conversation) -> Shop:
    shop = furnished()
    prepare = PREPARE.get(conversation.name)
    if prepare is not None:
        prepare(shop)
    return shop


# --- replay and comparison


def request_of(conversation: Conversation) -> Request:
    headers = [("host", HOST)]
    user, method = FULL if conversation.basic else None, conversation.method
    words = conversation.curl.split()
    for word, value in pairwise(words):
        if word == "-u":
            user = value
        elif word == "-X":
            method = value
    if words[:1] == ["-H"]:
        name, _, value = conversation.curl.removeprefix("-H ").partition(": ")
        user = FULL
        headers = [each for each in headers if each[0] != name.lower()] + [(name.lower(), value)]
    if user is not None:
        text = user if ":" in user else f"{user}:"
        headers.append(("authorization", "Basic " + base64.b64encode(text.encode()).decode()))
    target = quote(conversation.target, safe="/?&=%[]|,><!:;+*'()")
    return Request(method, target, headers, conversation.sent.encode(), None)


def json_shape(value: object, at: str = "") -> Iterator[str]:
    match value:
        case dict():
            for name, inner in value.items():
                yield from json_shape(inner, f"{at}/{name}")
        case list():
            yield f"{at}[]"
            for inner in value:
                yield from json_shape(inner, f"{at}[]")
        case _:
            # A text that was never given is null in one order and "" in another.
            yield f"{at}:{'str' if value is None else type(value).__name__}"


def xml_shape(node: etree._Element, at: str = "") -> Iterator[str]:
    here = f"{at}/{node.tag}"
    yield here
    for child in node:
        yield from xml_shape(child, here)


def shape(content_type: str, body: bytes) -> set[str]:
    if not body:
        return {"empty"}
    if "json" in content_type:
        return set(json_shape(json.loads(body)))
    if "xml" in content_type:
        try:
            return set(xml_shape(etree.fromstring(body)))
        except etree.XMLSyntaxError:
            return {"malformed"}
    return {"a page"}


def codes(body: bytes) -> list[str]:
    if body[:1] == b"{":
        errors: list[dict[str, object]] = json.loads(body).get("errors", [])
        return [str(each["code"]) for each in errors]
    text = body.decode()
    return [part.split("]]>")[0] for part in text.split("<code><![CDATA[")[1:]]


def row_ids(body: bytes) -> list[str]:
    return sorted(str(each.get("id") or each.findtext("id")) for each in etree.fromstring(body)[0])


# --- what was sent but not recorded ("body sent from a file"), made again

Send = Callable[[Service], Awaitable[bytes]]


def what_is_shown(target: str, leave_out: Callable[[etree._Element], bool] = lambda _: False) -> Send:
    async def body(service: Service) -> bytes:
        root = etree.fromstring((await service.handle(plain_get(target))).body)
        for field in [each for each in root[0] if leave_out(each)]:
            root[0].remove(field)
        return etree.tostring(root)

    return body


def is_optional(field: etree._Element) -> bool:
    known = RESOURCES["orders"].fields.get(field.tag)
    return field.tag != "id" and (known is None or not known.required)


def exactly(body: bytes) -> Send:
    async def sent(_service: Service) -> bytes:
        await trio.lowlevel.checkpoint()
        return body

    return sent


NOT_RECORDED: dict[str, Send] = {
    "o14_put_same": what_is_shown("/api/orders/14"),
    "o14_put_noassoc": what_is_shown("/api/orders/14", lambda field: field.tag == "associations"),
    "o14_put_min": what_is_shown("/api/orders/14", is_optional),
    "p8_put_same": what_is_shown("/api/products/8"),
    "xml_badutf8": exactly(b"<prestashop><order><id>9</id><note>badutf8 \xff</note></order></prestashop>"),
    "xml_latin1": exactly(
        b'<?xml version="1.0" encoding="ISO-8859-1"?>'
        b"<prestashop><order><id>9</id><note>latin1 \xe9</note></order></prestashop>"
    ),
}


def plain_get(target: str) -> Request:
    authorization = "Basic " + base64.b64encode(f"{FULL}:".encode()).decode()
    return Request("GET", target, [("host", HOST), ("authorization", authorization)], b"", None)


async def replayed(conversation: Conversation) -> Response:
    service = Service(prepared(conversation), HOST)
    request = request_of(conversation)
    if conversation.name in NOT_RECORDED:
        request = replace(request, body=await NOT_RECORDED[conversation.name](service))
    if conversation.name == "h_cond":  # the hash is that of this shop's content, as it was of the other's
        known = dict((await service.handle(plain_get(conversation.target))).headers)["Content-Sha1"]
        headers = [each for each in request.headers if each[0] != "local-content-sha1"]
        request = replace(request, headers=[*headers, ("local-content-sha1", known)])
    return await service.handle(request)


@pytest.mark.parametrize("conversation", recorded(), ids=lambda each: each.name)
async def test_the_simulator_answers_as_the_real_shop_did(conversation: Conversation) -> None:
    answer = await replayed(conversation)
    headers = dict(answer.headers)
    real = conversation.answer.encode()
    assert answer.status == conversation.status
    assert headers.get("Content-Type", "") == conversation.content_type
    assert headers.get("Location", "") == conversation.location
    assert codes(answer.body) == codes(real)
    if conversation.method != "HEAD":
        mine = shape(conversation.content_type, answer.body)
        assert mine == shape(conversation.content_type, real)
    if conversation.name in BY_ROWS_TOO:
        assert row_ids(answer.body) == row_ids(real)


def test_every_exception_is_a_conversation() -> None:
    assert NOT_RECORDED.keys() | PREPARE.keys() | BY_ROWS_TOO <= {each.name for each in recorded()}
