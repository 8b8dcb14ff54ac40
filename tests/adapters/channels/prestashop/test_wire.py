"""What the real shop answered is understood, and what we send is what it took."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ports.shop import Packing, ShopLine, ShopOrder, UnreadableOrder
from adapters.channels.prestashop import wire, writes
from adapters.channels.prestashop.dates import reach_back, to_utc
from adapters.channels.prestashop.details import packing_of
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.simulated.writing import parse
from adapters.channels.prestashop.vouchers import less

PARIS = ZoneInfo("Europe/Paris")


def answered(name: str) -> dict[str, list[dict[str, object]]]:
    lines = (Path(__file__).parent / "recorded" / "conversations.jsonl").read_text().splitlines()
    conversation = next(each for each in map(json.loads, lines) if each["name"] == name)
    found: dict[str, list[dict[str, object]]] = json.loads(conversation["answer"])
    return found


def around() -> wire.Surroundings:
    address = answered("fulljson_addresses")["addresses"][2]
    return wire.Surroundings(
        zone=PARIS,
        standings={1: "unpaid", 2: "open", 6: "cancelled", 8: "unpaid"},
        customers={1: answered("fulljson_customers")["customers"][0]},
        addresses={4: address, 41: address},
        countries={8: "FR"},
        states={0: ""},
        currencies={1: "EUR"},
        services={2: "express"},
        refunded={},
    )


def test_recorded_orders_are_understood() -> None:
    orders = [wire.read_order(row, around()) for row in answered("fulljson_orders")["orders"]]
    first = orders[0]
    assert isinstance(first, ShopOrder)
    assert (first.shop_order, first.reference, first.standing) == ("1", "XKBKNABJK", "cancelled")
    assert first.placed_at == datetime(2026, 11, 23, 6, 13, 20, tzinfo=UTC)
    assert (first.total, first.shipping, first.currency) == (Decimal("61.80"), Decimal("7.00"), "EUR")
    assert [(each.line, each.sku, each.units, each.unit_price) for each in first.lines] == [
        ("1", "demo_1", 1, Decimal("23.90")),
        ("2", "demo_3", 1, Decimal("35.90")),
    ]
    assert (first.contact.city, first.contact.country, first.contact.email) == (
        "Bayonne",
        "FR",
        "pub@prestashop.com",
    )
    assert [order.standing for order in orders if isinstance(order, ShopOrder)] == [
        "cancelled",
        "unpaid",
        "unpaid",
    ]


def test_a_note_that_breaks_the_shops_xml_does_no_harm_in_json() -> None:
    orders = [wire.read_order(row, around()) for row in answered("json_ctrl")["orders"][:1]]
    (order,) = orders
    assert isinstance(order, ShopOrder)
    assert "ctrl" in order.raw.decode()
    assert sum(line.units for line in order.lines) == 13


@pytest.mark.parametrize("empty", [[], {}, "", None])
def test_an_order_without_rows_has_no_lines_however_php_writes_that(empty: object) -> None:
    row = answered("fulljson_orders")["orders"][0] | {"associations": {"order_rows": empty}}
    order = wire.read_order(row, around())
    assert isinstance(order, ShopOrder)
    assert order.lines == ()


def test_numbers_may_come_as_texts() -> None:
    row = answered("fulljson_orders")["orders"][0]
    as_texts = json.loads(
        json.dumps(row), parse_int=str
    )  # as a shop shows them after a PATCH, and other versions always
    order = wire.read_order(as_texts, around())
    assert isinstance(order, ShopOrder)
    assert order.shop_order == "1"


def test_what_php_calls_false_is_no_text_on_a_label() -> None:
    row = answered("fulljson_orders")["orders"][0] | {"gift": True, "note": False, "current_state": 2}
    surroundings = around()
    address = {**surroundings.addresses[4], "company": False, "address2": False, "phone_mobile": False}
    order = wire.read_order(row, replace(surroundings, addresses={4: address}))
    assert isinstance(order, ShopOrder)
    contact = order.contact
    assert (contact.company, contact.street2, contact.phone) == ("", "", "0102030405")
    assert packing_of(row, {}) == Packing(is_gift=True, gift_message="", notes=())


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"total_paid": "NaN"}, "total_paid is no amount"),
        ({"total_paid": "-1"}, "total_paid is no amount"),
        ({"total_paid": "1e400000"}, "total_paid is no amount"),
        ({"current_state": []}, "current_state is no whole number"),
        ({"current_state": 99}, "current_state 99 is no state of the shop"),
        ({"reference": {}}, "reference is no text"),
        ({"date_add": "yesterday"}, "date_add is no date"),
        ({"date_add": "0000-00-00 00:00:00"}, "date_add is no date"),
        ({"date_add": "0001-01-01 00:00:00"}, "date_add is no date"),
        ({"id_address_delivery": None}, "id_address_delivery names no address"),
        ({"associations": {"order_rows": "none"}}, "order_rows is no list"),
        ({"associations": {"order_rows": [{"id": 1, "product_quantity": 0}]}}, "product_quantity"),
        (
            {
                "current_state": 2,
                "associations": {"order_rows": [{"id": 1, "product_quantity": 1, "product_reference": []}]},
            },
            "product_reference is no text",
        ),
    ],
)
def test_what_cannot_be_understood_is_named_by_its_field(changed: dict[str, object], why: str) -> None:
    order = wire.read_order(answered("fulljson_orders")["orders"][0] | changed, around())
    assert isinstance(order, UnreadableOrder)
    assert why in order.why


@pytest.mark.parametrize(
    ("shipping", "wrapping", "discount", "fee", "prices"),
    [
        ("7", "0", "0", "7.00", ("23.90", "35.90")),
        ("7", "2", "0", "9.00", ("23.90", "35.90")),
        ("7", "0", "5.98", "7.00", ("21.51", "32.31")),  # a tenth of the goods
        ("7", "0", "7", "0.00", ("23.90", "35.90")),  # as much as the fee: a free delivery
        ("7", "0", "59.80", "7.00", ("0.00", "0.00")),
        ("7", "0", "60", "6.80", ("0.00", "0.00")),
        ("0", "0", "70", "0.00", ("0.00", "0.00")),  # more than there is
        ("7", "0", "0.01", "7.00", ("23.90", "35.89")),
    ],
)
def test_vouchers_are_taken_off_and_wrapping_is_a_fee(
    shipping: str, wrapping: str, discount: str, fee: str, prices: tuple[str, str]
) -> None:
    changed = {
        "total_shipping_tax_excl": shipping,
        "total_wrapping_tax_excl": wrapping,
        "total_discounts_tax_excl": discount,
    }
    order = wire.read_order(answered("fulljson_orders")["orders"][0] | changed, around())
    assert isinstance(order, ShopOrder)
    assert order.shipping == Decimal(fee)
    assert tuple(line.unit_price for line in order.lines) == tuple(map(Decimal, prices))


@given(
    lines=st.lists(st.tuples(st.integers(1, 99), st.decimals(0, 500, places=2)), min_size=1, max_size=9),
    discount=st.decimals(0, 9_999, places=2),
)
def test_the_lines_of_an_order_and_its_fee_come_to_what_was_paid_to_the_cent(
    lines: list[tuple[int, Decimal]], discount: Decimal
) -> None:
    sold = [ShopLine(str(n), "cup", units, price) for n, (units, price) in enumerate(lines)]
    full = sum((line.units * line.unit_price for line in sold), Decimal(5))
    left, fee = less(sold, Decimal(5), discount)
    amounts = [(line.units * line.unit_price).quantize(Decimal("0.01")) for line in left]
    assert sum(amounts, fee) == max(Decimal(0), full - discount)
    assert min([*amounts, fee]) >= 0


def test_what_is_sent_is_what_the_shop_takes() -> None:
    (history,) = parse(writes.new_history(7, 4))
    assert history.fields == {"id_order": "7", "id_order_state": "4"}
    (carrier,) = parse(writes.tracking_change(3, "A & B <"))
    assert (carrier.id, carrier.fields) == ("3", {"tracking_number": "A & B <"})
    stock = parse(writes.stock_change({20: 5, 21: 0}))
    assert [(row.id, row.fields["quantity"]) for row in stock] == [("20", "5"), ("21", "0")]


def test_a_window_reaches_an_hour_further_back_only_where_the_hour_repeats() -> None:
    overlap = timedelta(minutes=5)
    assert reach_back("2026-11-23 08:00:00", PARIS, overlap) == "2026-11-23 07:55:00"
    assert reach_back("2026-10-25 02:50:00", PARIS, overlap) == "2026-10-25 01:45:00"
    assert reach_back("2026-10-25 06:00:00", PARIS, overlap) == "2026-10-25 05:55:00"
    assert reach_back("2026-03-29 03:10:00", PARIS, overlap) == "2026-03-29 03:05:00"
    assert to_utc("2026-07-01 12:00:00", PARIS) == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_the_key_is_in_no_text_of_the_settings() -> None:
    settings = PrestaShopSettings(url="https://shop.example", key="K" * 32)
    assert "K" * 32 not in f"{settings!r} {settings}"
