"""The simulator answers as the real shop did: every recorded conversation is replayed, and compared.

Compared are the status, the content type, the error codes, and the shape: which elements or keys there are,
and of which JSON type their values. Values are not: the shops do not hold the same goods.
"""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
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

NOT_REPLAYED = {
    "fulljson_languages": "the shop gives numbers in one row and texts in the next",
    "h_cond": "it names the hash of that shop's content; a test of its own follows",
    "order5_deliveryopt": "a failing image in an invoice's PDF is a fault; see `test_telling.py`",
    "db_down": "an outage is a fault, not an answer of the shop's code",
    "db_down_json": "the same",
    "fpm_down": "the same",
    "o14_put_min": "what was sent was not recorded",
    "o14_put_noassoc": "the same",
    "o14_put_same": "the same",
    "p8_put_same": "the same",
    "xml_badutf8": "the same",
    "xml_latin1": "the same",
}


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
    for order in (15, 16):
        shop.tables["orders"][order]["id_shop"] = 2


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


PREPARE: dict[str, Callable[[Shop], None]] = {
    "cust_put_min": lambda shop: shop.lists.update({("customers", 2): {}}),
    "cust_post_dup": set_row("customers", 3, email="zoe1@example.com"),
    "f_two": set_row("orders", 2, current_state=10),
    "fulljson_order_payments": without_payments,
    "json_assoc_single": lambda shop: shop.lists.update({("customers", 4): {"groups": [{"id": 3}]}}),
    "json_empty_assoc": remove("customers", 2),
    "ms_orders": two_shops,
    "ms_orders_2": two_shops,
    "ms_orders_2b": two_shops_allowed,
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
    text = body.decode()
    return [part.split("]]>")[0] for part in text.split("<code><![CDATA[")[1:]]


@pytest.mark.parametrize(
    "conversation", [each for each in recorded() if each.name not in NOT_REPLAYED], ids=lambda each: each.name
)
async def test_the_simulator_answers_as_the_real_shop_did(conversation: Conversation) -> None:
    answer = await Service(prepared(conversation), HOST).handle(request_of(conversation))
    assert isinstance(answer, Response)
    headers = dict(answer.headers)
    real = conversation.answer.encode()
    assert answer.status == conversation.status
    assert headers.get("Content-Type", "") == conversation.content_type
    assert headers.get("Location", "") == conversation.location
    assert codes(answer.body) == codes(real)
    if conversation.method != "HEAD":
        mine = shape(conversation.content_type, answer.body)
        assert mine == shape(conversation.content_type, real)


async def test_what_has_not_changed_is_not_sent_again() -> None:
    service = Service(furnished(), HOST)
    authorization = "Basic " + base64.b64encode(f"{FULL}:".encode()).decode()
    headers = [("host", HOST), ("authorization", authorization)]
    first = await service.handle(Request("GET", "/api/orders/1", headers, b"", None))
    known = ("local-content-sha1", dict(first.headers)["Content-Sha1"])
    again = await service.handle(Request("GET", "/api/orders/1", [*headers, known], b"", None))
    assert (again.status, again.body) == (304, b"")


def test_every_exception_is_a_conversation() -> None:
    assert NOT_REPLAYED.keys() | PREPARE.keys() <= {each.name for each in recorded()}
