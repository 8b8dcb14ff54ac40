"""Wire names and shapes of everything that stands in the log: they are for ever, and name no person.

A test here that fails is right and the change is wrong: a new shape gets a new wire name, and the old one an
upcast.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given
from msgspec import inspect
from msgspec.structs import fields

from actors.domain.log import KINDS, LogEvent, decode_event, encode_event
from actors.ports.people import Contact

EVENTS = {
    "anomaly.raised": ("anomaly", "problem", "detail", "mend"),
    "anomaly.resolved": ("anomaly", "by"),
    "anomaly.taken": ("anomaly", "by"),
    "gate.capped": ("warehouse", "in_hand_max", "reason", "by"),
    "control.asked": ("path", "key", "terms", "digest", "dry_run", "uid", "pid", "user", "role"),
    "control.settled": ("asked", "outcome", "why"),
    "gate.opened": ("kind", "gate", "by"),
    "gate.shut": ("kind", "gate", "reason", "by"),
    "order.allocated": ("fulfilment",),
    "order.allocation_reduced": ("fulfilment", "lines"),
    "order.allocation_refused": ("fulfilment", "shortages"),
    "order.allocation_released": ("fulfilment", "reason"),
    "order.backordered": ("missing", "candidates", "rules"),
    "order.cancel_asked": ("by",),
    "order.cancel_refused": ("where",),
    "order.cancelled": ("by",),
    "order.confirmed": ("fulfilments",),
    "order.contact_corrected": ("contact", "country"),
    "order.reappeared": (),
    "order.retold": ("payload",),
    "order.service_named": ("service",),
    "order.delivered": (),
    "order.effect_done": ("effect", "reference"),
    "order.effect_refused": ("effect", "why"),
    "order.effect_requested": ("effect", "partner", "document"),
    "order.fulfilment_shipped": ("fulfilment",),
    "order.goods_restocked": ("delivery",),
    "order.goods_returned": ("delivery", "warehouse", "sku", "units", "condition", "slot", "by"),
    "order.held": ("hold", "reasons", "expires_at", "by"),
    "order.hold_released": ("hold", "by"),
    "order.imported": (
        "channel",
        "shop_order",
        "reference",
        "placed_at",
        "currency",
        "total",
        "shipping",
        "service",
        "country",
        "lines",
        "contact",
        "payload",
    ),
    "order.invoiced": ("invoice",),
    "order.labelled": ("effect", "parcel", "tracking", "reference", "price", "currency", "label"),
    "order.lines_corrected": ("lines",),
    "order.lines_edited": ("lines", "total", "shipping"),
    "order.packed": ("fulfilment", "parcels"),
    "order.parcel_tracked": ("parcel", "status", "carrier_event", "at"),
    "order.promises_kept": ("kept",),
    "order.reduction_refused": ("fulfilment", "why"),
    "order.refund_noted": ("lines",),
    "order.reroute_asked": ("by", "avoid"),
    "order.routed": ("plan", "candidates", "rules"),
    "order.shipped": (),
    "order.short": ("fulfilment", "sku", "missing"),
    "stock.adjusted": ("sku", "units", "reason"),
    "stock.counted": ("sku", "slot", "counted", "found", "lost", "surplus", "reason"),
    "stock.mirrored": ("sku", "units", "booked_as"),
    "stock.dispatched": ("fulfilment", "lines"),
    "stock.effect_done": ("effect", "reference"),
    "stock.effect_refused": ("effect", "why"),
    "stock.effect_requested": ("effect", "partner", "document"),
    "stock.opened": ("sku", "units", "slot", "source"),
    "stock.packed": ("fulfilment", "parcels"),
    "stock.pick_short": ("fulfilment", "sku", "missing", "slot", "reason"),
    "stock.picked": ("fulfilment", "sku", "units", "slot"),
    "stock.received": ("delivery", "sku", "units", "slot"),
    "stock.released": ("fulfilment", "reserved", "picked", "reason"),
    "stock.reservation_confirmed": ("fulfilment",),
    "stock.reservation_reduced": ("fulfilment", "released"),
    "stock.reservation_refused": ("fulfilment", "order", "shortages"),
    "stock.reserved": ("fulfilment", "order", "lines", "expires_at"),
    "stock.returned": ("delivery", "order", "sku", "units", "condition", "slot"),
    "stock.slot_assigned": ("sku", "slot"),
}
"""The wire name of each event, and its fields."""

WITHIN = {
    "Beside": ("id", "digest"),
    "Candidate": ("warehouses", "rank", "rejected"),
    "erp.adjustment": ("reference", "warehouse", "lines", "adjusted_at"),
    "erp.cancellation": ("order_reference",),
    "erp.change": ("order_reference", "lines"),
    "erp.customer": ("reference", "channel", "contact"),
    "erp.return": ("reference", "order_reference", "channel", "warehouse", "lines", "returned_at"),
    "erp.delivery_note": ("reference", "order_reference", "warehouse", "lines", "shipped_at"),
    "ErpLine": ("line", "sku", "units", "unit_price", "warehouse"),
    "erp.order": (
        "reference",
        "channel",
        "shop_reference",
        "placed_at",
        "currency",
        "lines",
        "shipping",
        "contact",
    ),
    "erp.reception": ("reference", "warehouse", "lines", "received_at"),
    "carrier.label": ("parcel", "carrier", "service", "warehouse", "country", "weight_g", "contact"),
    "OrderLine": ("line", "sku", "units", "unit_price"),
    "PackedParcel": ("parcel", "lines", "weight_g"),
    "PlannedFulfilment": ("fulfilment", "warehouse", "lines"),
    "Quantity": ("sku", "units"),
    "ShopParcel": ("parcel", "carrier", "tracking", "weight_g"),
    "shop.status": ("shop_order", "status"),
    "shop.tracking": ("shop_order", "parcels"),
    "Shortage": ("sku", "asked", "available"),
}
"""What events hold, by tag or, where it has none, by class."""

MONEY = {"total", "shipping", "price", "unit_price"}

OF_A_PERSON = {
    *(field.name for field in fields(Contact)),
    "address",
    "first_name",
    "last_name",
    "mail",
    "mobile",
    "recipient",
    "pages",
    "body",
    "raw",
} - {"country"}
"""What a person could be known by. A country is not: half a continent shares it, and routing needs it."""


def structs(shape: inspect.Type) -> Iterator[inspect.StructType]:
    """Yield every struct that a shape can hold, itself included."""
    match shape:
        case inspect.StructType():
            yield shape
            for field in shape.fields:
                yield from structs(field.type)
        case inspect.UnionType(types=types) | inspect.TupleType(item_types=types):
            for each in types:
                yield from structs(each)
        case inspect.VarTupleType(item_type=item):
            yield from structs(item)
        case _:
            pass


SHAPES = {shape.cls: shape for shape in structs(inspect.type_info(LogEvent))}


def test_every_event_keeps_its_wire_name_and_fields() -> None:
    written = {kind: tuple(field.encode_name for field in fields(event)) for event, kind in KINDS.items()}
    assert written == EVENTS


def test_what_events_hold_keeps_its_shape() -> None:
    written = {
        str(shape.tag or cls.__name__): tuple(field.encode_name for field in shape.fields)
        for cls, shape in SHAPES.items()
        if cls not in KINDS
    }
    assert written == WITHIN


@pytest.mark.parametrize("cls", SHAPES, ids=lambda cls: cls.__name__)
def test_no_event_can_name_a_person(cls: type) -> None:
    assert OF_A_PERSON.isdisjoint(field.name for field in SHAPES[cls].fields)


def test_money_is_decimal_and_nothing_is_a_float() -> None:
    for shape in SHAPES.values():
        for field in shape.fields:
            assert not isinstance(field.type, inspect.FloatType), (shape.cls, field.name)
            assert isinstance(field.type, inspect.DecimalType) == (field.name in MONEY), (
                shape.cls,
                field.name,
            )


instants = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
st.register_type_strategy(datetime, instants)
st.register_type_strategy(Decimal, st.decimals(-10_000, 10_000, places=2))


@given(st.sampled_from(sorted(KINDS, key=lambda event: KINDS[event])).flatmap(st.from_type))
def test_every_event_comes_back_from_its_bytes_as_it_went(event: LogEvent) -> None:
    assert decode_event(KINDS[type(event)], encode_event(event)) == event


def test_what_the_log_cannot_hold_is_said_by_its_wire_name() -> None:
    with pytest.raises(ValueError, match=r"unreadable order\.imported"):
        decode_event("order.imported", b'{"type":"order.imported"}')
