"""What partners are told: one self-contained document per external effect.

A document stands inside the event that records the intent, so it holds no personal data: a person is named by
the id of a contact row, which the adapter is handed beside the document and which can be erased.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

ERP = "erp"
"""The name under which the outbox knows the one system that keeps the books."""


class ErpLine(Struct, frozen=True, gc=False):
    """A line of an ERP document; `unit_price` is without tax, in the document's currency."""

    line: str
    sku: str
    units: int
    unit_price: Decimal
    warehouse: str


class ErpOrder(Struct, frozen=True, gc=False, tag="erp.order"):
    """A sales order. `reference` (at most 20 characters) is what a duplicate is found by."""

    reference: str
    channel: str
    shop_reference: str
    placed_at: datetime
    currency: str
    lines: tuple[ErpLine, ...]
    shipping: Decimal
    contact: str


class ErpDeliveryNote(Struct, frozen=True, gc=False, tag="erp.delivery_note"):
    """What one fulfilment shipped of a sales order; `reference` is the fulfilment's id."""

    reference: str
    order_reference: str
    warehouse: str
    lines: tuple[ErpLine, ...]
    shipped_at: datetime


class ErpCancellation(Struct, frozen=True, gc=False, tag="erp.cancellation"):
    """What is still open of a sales order is closed."""

    order_reference: str


class ErpReception(Struct, frozen=True, gc=False, tag="erp.reception"):
    """Goods that came in from a supplier."""

    reference: str
    warehouse: str
    lines: tuple[ErpLine, ...]
    received_at: datetime


class ErpAdjustment(Struct, frozen=True, gc=False, tag="erp.adjustment"):
    """A correction of the shelf; a line's units may be negative."""

    reference: str
    warehouse: str
    lines: tuple[ErpLine, ...]
    adjusted_at: datetime


class ErpCustomer(Struct, frozen=True, gc=False, tag="erp.customer"):
    """A shop's customer as a customer of the ERP's own; `reference` is "channel:shop customer id"."""

    reference: str
    channel: str
    contact: str


class ErpChange(Struct, frozen=True, gc=False, tag="erp.change"):
    """What is still open of a sales order becomes these lines; what was delivered stays delivered."""

    order_reference: str
    lines: tuple[ErpLine, ...]


class ErpReturn(Struct, frozen=True, gc=False, tag="erp.return"):
    """Goods that came back into a warehouse, and are credited at these prices."""

    reference: str
    order_reference: str
    channel: str
    warehouse: str
    lines: tuple[ErpLine, ...]
    returned_at: datetime


ErpDocument = (
    ErpOrder
    | ErpDeliveryNote
    | ErpCancellation
    | ErpReception
    | ErpAdjustment
    | ErpCustomer
    | ErpChange
    | ErpReturn
)


def about(document: ErpDocument) -> str:
    """Return the reference that a document is known by: its own, or its order's where it has none."""
    match document:
        case ErpCancellation() | ErpChange():
            return document.order_reference
        case _:
            return document.reference


def is_found_by_what_stands(document: "Document") -> bool:
    """Tell whether a document bears no reference of its own: that it was carried out shows in what stands.

    What is told after it changes that, so its outcome has to be recorded first.
    """
    return isinstance(document, ErpChange)


ShopState = Literal["preparing", "backordered", "shipped", "cancelled"]


class ShopStatus(Struct, frozen=True, gc=False, tag="shop.status"):
    """The shop's order takes the shop's state for `status`, once."""

    shop_order: str
    status: ShopState


class ShopParcel(Struct, frozen=True, gc=False):
    """A parcel as the shop's customer may follow it."""

    parcel: str
    carrier: str
    tracking: str
    weight_g: int


class ShopTracking(Struct, frozen=True, gc=False, tag="shop.tracking"):
    """The parcels that have left so far for the shop's order."""

    shop_order: str
    parcels: tuple[ShopParcel, ...]


ShopDocument = ShopStatus | ShopTracking


class LabelPurchase(Struct, frozen=True, gc=False, tag="carrier.label"):
    """One paid label for one parcel; `parcel` is the idempotency key and the reference to find it by."""

    parcel: str
    carrier: str
    service: str
    warehouse: str
    country: str
    weight_g: int
    contact: str


CarrierDocument = LabelPurchase

Document = ErpDocument | ShopDocument | CarrierDocument
