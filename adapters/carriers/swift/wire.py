"""Swift's JSON, built and parsed: pure functions between our documents and the bytes of its API, version 1.

What the carrier says more than we ask for is ignored; what it says less, or otherwise, is a `SenselessError`.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from actors.domain.documents import LabelPurchase
from actors.domain.order_events import ParcelStatus
from actors.ports.carrier import TrackingEvent, TrackingPage, UnreadableEvent
from actors.ports.partner import Outcome
from actors.ports.people import Contact

T = TypeVar("T")

LabelFormat = Literal["pdf", "zpl"]

STATUSES: Mapping[str, ParcelStatus] = {
    "LABEL_CREATED": "announced",
    "PICKED_UP": "in_transit",
    "IN_TRANSIT": "in_transit",
    "OUT_FOR_DELIVERY": "out_for_delivery",
    "DELIVERED": "delivered",
    "DELIVERY_FAILED": "exception",
    "RETURNED_TO_SENDER": "returned",
}
"""The carrier's vocabulary in ours; a word it adds some day reads "exception", so that a person looks."""

S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
"""Of the check digit of item identifiers, UPU standard S10-12."""

FIELDS_TOLD_MAX = 5
"""So many fields of a refusal name the trouble; more would drown it."""

REFUSAL_LENGTH_MAX = 300
"""A line of an anomaly."""

ID_LENGTH_MAX = 100
"""An event's id names what a person is to look at; one that is longer or cannot be printed is of no use."""

_AMOUNT_MAX = Decimal(100_000)
"""A label that costs more than this is a price in another unit."""


class SenselessError(ValueError):
    """The carrier's answer cannot be understood; the text names the field and holds no person's data."""


class Address(Struct, frozen=True, omit_defaults=True):
    """A recipient as the carrier wants it."""

    name: str
    street: str
    postcode: str
    city: str
    country: str
    company: str = ""
    street2: str = ""
    state: str = ""
    email: str = ""
    phone: str = ""


class LabelRequest(Struct, frozen=True):
    """The body of POST /v1/labels."""

    reference: str
    service: str
    weight_g: int
    ship_from: str
    ship_to: Address
    format: LabelFormat


class Price(Struct, frozen=True):
    """What a label costs; `amount` is a decimal number in a string."""

    amount: str
    currency: str


class Pages(Struct, frozen=True):
    """A label to print; `content` is base64."""

    format: str
    content: str


class Label(Struct, frozen=True):
    """A label as POST and GET /v1/labels answer it."""

    id: str
    reference: str
    tracking_number: str
    price: Price
    document: Pages
    created_at: datetime
    status: Literal["active", "void"] = "active"


class LabelList(Struct, frozen=True):
    """The body of the answer to GET /v1/labels?reference=..., the first bought first."""

    labels: tuple[Label, ...]


class FeedEvent(Struct, frozen=True):
    """One line of the tracking feed."""

    id: str
    reference: str
    tracking_number: str
    status: str
    occurred_at: datetime


class Feed(Struct, frozen=True):
    """The body of the answer to GET /v1/events?after=...

    Each of the events is a `FeedEvent`; `next` is where to go on.
    """

    events: tuple[msgspec.Raw, ...]
    next: str


class _Named(Struct, frozen=True):
    id: str = ""


class FieldError(Struct, frozen=True):
    """A field that the carrier does not like; `message` may repeat a person's data and is never passed on."""

    field: str
    code: str = ""


class ProblemDetails(Struct, frozen=True):
    """An error's body (RFC 9457) with the carrier's extension `errors`."""

    title: str
    errors: tuple[FieldError, ...] = ()


def s10_check_digit(serial: str) -> int:
    """Return the check digit of an eight-digit serial number (UPU S10-12)."""
    total = sum(weight * int(digit) for weight, digit in zip(S10_WEIGHTS, serial, strict=True))
    return {10: 0, 11: 5}.get(11 - total % 11, 11 - total % 11)


def is_tracking_number(text: str) -> bool:
    """Whether `text` is two letters, eight digits, their check digit and a country."""
    serial, check = text[2:10], text[10:11]
    return (
        len(text) == 13  # noqa: PLR2004 - of S10
        and text.isascii()
        and text[:2].isalpha()
        and (serial + check).isdigit()
        and text[11:].isalpha()
        and int(check) == s10_check_digit(serial)
    )


def label_request(document: LabelPurchase, contact: Contact, pages: LabelFormat) -> bytes:
    """Build the body of POST /v1/labels; the document's service is the carrier's own product code."""
    address = Address(
        name=contact.name,
        street=contact.street,
        postcode=contact.postcode,
        city=contact.city,
        country=document.country,
        company=contact.company,
        street2=contact.street2,
        state=contact.state,
        email=contact.email,
        phone=contact.phone,
    )
    asked = LabelRequest(
        reference=document.parcel,
        service=document.service,
        weight_g=document.weight_g,
        ship_from=document.warehouse,
        ship_to=address,
        format=pages,
    )
    return msgspec.json.encode(asked)


def label_outcome(body: bytes, parcel: str) -> Outcome:
    """Read the answer to POST /v1/labels.

    Raises:
        SenselessError: it is no label, or another parcel's.
    """
    return _outcome(_decoded(body, Label), parcel)


def found_outcome(body: bytes, parcel: str) -> Outcome | None:
    """Read the answer to GET /v1/labels: the first label that is still good, None where there is none.

    Raises:
        SenselessError: it is no list of labels, or holds another parcel's.
    """
    labels = _decoded(body, LabelList).labels
    return next((_outcome(label, parcel) for label in labels if label.status == "active"), None)


def feed(body: bytes) -> TrackingPage:
    """Read the answer to GET /v1/events: the news in our vocabulary, and where to go on.

    Raises:
        SenselessError: it is no feed.
    """
    page = _decoded(body, Feed)
    events: list[TrackingEvent] = []
    unreadable: list[UnreadableEvent] = []
    for raw in page.events:
        try:
            events.append(_tracking_event(_decoded(bytes(raw), FeedEvent)))
        except SenselessError as error:
            unreadable.append(UnreadableEvent(_id_of(raw), str(error)))
    return TrackingPage(events, page.next, unreadable)


def _id_of(raw: msgspec.Raw) -> str:
    try:
        named = msgspec.json.decode(raw, type=_Named).id
    except msgspec.MsgspecError:
        return ""
    return named if named.isprintable() and len(named) <= ID_LENGTH_MAX else ""


def refusal(body: bytes) -> str:
    """Return the carrier's title and the fields it does not like, without what it says of their contents."""
    try:
        details = msgspec.json.decode(body, type=ProblemDetails)
    except msgspec.MsgspecError:
        return "no reason given"
    fields = [f"{error.field} {error.code}".strip() for error in details.errors[:FIELDS_TOLD_MAX]]
    told = f"{details.title} ({', '.join(fields)})" if fields else details.title
    return " ".join(told.split())[:REFUSAL_LENGTH_MAX]


def _outcome(label: Label, parcel: str) -> Outcome:
    if label.reference != parcel:
        raise SenselessError("reference: it is another parcel's")
    if not is_tracking_number(label.tracking_number):
        raise SenselessError("tracking_number: its check digit is wrong")
    try:
        price = Decimal(label.price.amount)
        pages = base64.b64decode(label.document.content, validate=True)
    except ArithmeticError as error:
        raise SenselessError("price.amount: not a number") from error
    except binascii.Error as error:
        raise SenselessError("document.content: not base64") from error
    if not price.is_finite() or not 0 <= price <= _AMOUNT_MAX:
        raise SenselessError("price.amount: not a price")
    if not pages:
        raise SenselessError("document.content: empty")
    return Outcome(label.id, label.tracking_number, price, label.price.currency, pages)


def _tracking_event(event: FeedEvent) -> TrackingEvent:
    if event.occurred_at.tzinfo is None:
        raise SenselessError("occurred_at: without a time zone")
    status: ParcelStatus = STATUSES.get(event.status, "exception")
    at = event.occurred_at.astimezone(UTC)
    return TrackingEvent(event.id, event.reference, event.tracking_number, status, at)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise SenselessError(str(error)) from error  # names the types and the path, not the contents
    except msgspec.DecodeError as error:
        raise SenselessError("not JSON") from error
