"""Requests built and answers parsed, without a network."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.documents import LabelPurchase
from actors.domain.order_events import ParcelStatus
from actors.ports.carrier import TrackingEvent, TrackingPage
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from adapters.carriers.swift import wire
from adapters.carriers.swift.wire import SenselessError

PURCHASE = LabelPurchase(
    parcel="F1-P1",
    carrier="swift",
    service="HOME",
    warehouse="lyon",
    country="FR",
    weight_g=1200,
    contact="c1",
)
CONTACT = Contact(name="Ada Lovelace", street="1 rue Ada", postcode="69001", city="Lyon", country="XX")

GOOD: dict[str, Any] = {
    "id": "lbl_1",
    "reference": "F1-P1",
    "tracking_number": "RB473124829FR",
    "price": {"amount": "4.90", "currency": "EUR"},
    "document": {"format": "pdf", "content": base64.b64encode(b"%PDF").decode()},
    "created_at": "2026-11-23T10:00:00+00:00",
    "status": "active",
    "something_new": [1, 2],
}


def changed(**fields: object) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


def test_a_request_names_the_parcel_the_product_and_the_documents_country() -> None:
    asked = json.loads(wire.label_request(PURCHASE, CONTACT, "zpl"))
    assert asked == {
        "reference": "F1-P1",
        "service": "HOME",
        "weight_g": 1200,
        "ship_from": "lyon",
        "ship_to": {
            "name": "Ada Lovelace",
            "street": "1 rue Ada",
            "postcode": "69001",
            "city": "Lyon",
            "country": "FR",
        },
        "format": "zpl",
    }


def test_a_label_is_read_and_what_we_did_not_ask_for_is_ignored() -> None:
    expected = Outcome("lbl_1", "RB473124829FR", Decimal("4.90"), "EUR", b"%PDF")
    assert wire.label_outcome(changed(), "F1-P1") == expected


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"<html>Oops</html>", "not JSON"),
        (b"", "not JSON"),
        (b"[]", "Expected `object`, got `array`"),
        (json.dumps({key: value for key, value in GOOD.items() if key != "price"}).encode(), "price"),
        (changed(reference="F1-P2"), "reference"),
        (changed(tracking_number="RB473124828FR"), "tracking_number"),
        (changed(tracking_number=""), "tracking_number"),
        (changed(tracking_number=7), "tracking_number"),
        (changed(price={"amount": "four", "currency": "EUR"}), "price.amount"),
        (changed(price={"amount": "NaN", "currency": "EUR"}), "price.amount"),
        (changed(price={"amount": "-1", "currency": "EUR"}), "price.amount"),
        (changed(price={"amount": "1e9", "currency": "EUR"}), "price.amount"),
        (changed(document={"format": "pdf", "content": "***"}), "document.content"),
        (changed(document={"format": "pdf", "content": ""}), "document.content"),
    ],
)
def test_a_label_that_makes_no_sense_is_named_by_its_field(body: bytes, named: str) -> None:
    with pytest.raises(SenselessError, match=named):
        wire.label_outcome(body, "F1-P1")


def test_of_several_labels_the_first_that_is_still_good_is_found() -> None:
    body = json.dumps(
        {"labels": [{**GOOD, "status": "void"}, {**GOOD, "id": "lbl_2"}, {**GOOD, "id": "lbl_3"}]}
    )
    found = wire.found_outcome(body.encode(), "F1-P1")
    assert found is not None
    assert found.reference == "lbl_2"


def test_no_label_is_found_where_there_is_none() -> None:
    assert wire.found_outcome(b'{"labels": []}', "F1-P1") is None


def test_a_list_that_answers_for_another_parcel_is_not_believed() -> None:
    with pytest.raises(SenselessError, match="reference"):
        wire.found_outcome(json.dumps({"labels": [GOOD]}).encode(), "F9-P9")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("LABEL_CREATED", "announced"),
        ("IN_TRANSIT", "in_transit"),
        ("DELIVERED", "delivered"),
        ("RETURNED_TO_SENDER", "returned"),
        ("ABDUCTED", "exception"),
    ],
)
def test_news_come_in_our_words_and_in_utc(theirs: str, ours: ParcelStatus) -> None:
    event = {
        "id": "e1",
        "reference": "F1-P1",
        "tracking_number": "RB473124829FR",
        "status": theirs,
        "occurred_at": "2026-11-23T11:30:00+01:00",
    }
    at = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    page = wire.feed(json.dumps({"events": [event], "next": "7"}).encode())
    assert page == TrackingPage([TrackingEvent("e1", "F1-P1", "RB473124829FR", ours, at)], "7", [])
    assert page.events[0].at.tzinfo is UTC


@pytest.mark.parametrize(
    ("event", "name", "why"),
    [
        ({"id": "e1", "occurred_at": "2026-11-23T11:30:00"}, "e1", "time zone"),
        ({"id": "e1", "occurred_at": "yesterday"}, "e1", "occurred_at"),
        ({"id": "e1", "reference": None}, "e1", "reference"),
        ({"id": 7}, "", "id"),
        ({"id": "e\x1f1", "reference": None}, "", "reference"),
        ({"id": "e" * 101, "reference": None}, "", "reference"),
        (["DELIVERED"], "", "object"),
    ],
)
def test_news_that_make_no_sense_stop_no_others(event: object, name: str, why: str) -> None:
    whole = {
        "id": "e2",
        "reference": "p",
        "tracking_number": "t",
        "status": "DELIVERED",
        "occurred_at": "2026-11-23T11:30:00Z",
    }
    odd = {**whole, **event} if isinstance(event, dict) else event
    page = wire.feed(json.dumps({"events": [odd, whole], "next": "2"}).encode())
    assert [each.event for each in page.events] == ["e2"]
    (unreadable,) = page.unreadable
    assert unreadable.event == name
    assert why in unreadable.why


@pytest.mark.parametrize("body", [b"", b"[]", b'{"events": []}', b'{"events": 5, "next": "1"}'])
def test_what_is_no_feed_is_an_error(body: bytes) -> None:
    with pytest.raises(SenselessError):
        wire.feed(body)


def test_a_refusal_names_the_fields_and_not_what_stood_in_them() -> None:
    body = {
        "title": "The label cannot be made",
        "errors": [{"field": "ship_to.postcode", "code": "invalid", "message": "got '69001 Ada'"}],
    }
    told = wire.refusal(json.dumps(body).encode())
    assert told == "The label cannot be made (ship_to.postcode invalid)"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"title": 5}'])
def test_a_refusal_that_cannot_be_read_still_is_one(body: bytes) -> None:
    assert wire.refusal(body) == "no reason given"


def test_the_check_digit_is_that_of_the_postal_union() -> None:
    assert wire.s10_check_digit("47312482") == 9  # the example of UPU S10-12
    assert wire.is_tracking_number("RB473124829FR")


@given(st.text(alphabet="0123456789", min_size=8, max_size=8), st.integers(0, 7), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(serial: str, place: int, shift: int) -> None:
    check = wire.s10_check_digit(serial)
    wrong = serial[:place] + str((int(serial[place]) + shift) % 10) + serial[place + 1 :]
    if wire.s10_check_digit(wrong) == check:
        # S10 folds the remainders 10 and 11 into 0 and 5, so that a few pairs remain: known, and few.
        assert check in (0, 5)
    else:
        assert not wire.is_tracking_number(f"RB{wrong}{check}FR")
