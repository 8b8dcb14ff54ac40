"""Facts of an order's stream, from the import to the delivery.

The tag of each class is its wire name in the log. It is pinned by a test and never changes. No event names a
person: names and addresses lie in a contact row that the event names by id and salted content hash.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from actors.domain.documents import CarrierDocument, ErpDocument, ShopDocument
from actors.domain.stock_events import Condition, PackedParcel, Quantity, Shortage

ParcelStatus = Literal["announced", "in_transit", "out_for_delivery", "delivered", "exception", "returned"]
HoldKind = Literal["validation", "payment", "address", "manual", "erp"]


class Beside(Struct, frozen=True, gc=False):
    """A row beside the log that can be erased: its id, and SHA-256 over its salt and content, as hex."""

    id: str
    digest: str


class OrderLine(Struct, frozen=True, gc=False):
    """A line as the shop sold it; `line` is the shop's stable row id, `unit_price` is without tax."""

    line: str
    sku: str
    units: int
    unit_price: Decimal


class OrderImported(Struct, frozen=True, gc=False, tag="order.imported"):
    """The shop's order is ours to fulfil."""

    channel: str
    shop_order: str
    reference: str
    placed_at: datetime
    currency: str
    total: Decimal
    shipping: Decimal
    service: str
    country: str
    lines: tuple[OrderLine, ...]
    contact: Beside
    payload: Beside


class ContactCorrected(Struct, frozen=True, gc=False, tag="order.contact_corrected"):
    """The shop has another address by now for an order that could not be shipped to the one before."""

    contact: Beside
    country: str


class ServiceNamed(Struct, frozen=True, gc=False, tag="order.service_named"):
    """The shop's carrier stands for a service of ours by now: at the import it stood for none."""

    service: str


class OrderRetold(Struct, frozen=True, gc=False, tag="order.retold"):
    """The shop tells more of the order than it did: a note, a message, or what was left out at first."""

    payload: Beside


class OrderReappeared(Struct, frozen=True, gc=False, tag="order.reappeared"):
    """The shop shows the order whole again, which was stopped since it did not: so it can vanish anew."""


class LinesCorrected(Struct, frozen=True, gc=False, tag="order.lines_corrected"):
    """The lines are understood otherwise than at the import, before anything was promised for them."""

    lines: tuple[OrderLine, ...]


class LinesEdited(Struct, frozen=True, gc=False, tag="order.lines_edited"):
    """The shop's order has other lines by now, and what was promised for those before can still follow."""

    lines: tuple[OrderLine, ...]
    total: Decimal
    shipping: Decimal


class OrderHeld(Struct, frozen=True, gc=False, tag="order.held"):
    """The order stops until the hold is released or expires; all `reasons` at once."""

    hold: HoldKind
    reasons: tuple[str, ...]
    expires_at: datetime | None
    by: str


class HoldReleased(Struct, frozen=True, gc=False, tag="order.hold_released"):
    """The hold is gone; the order goes on."""

    hold: HoldKind
    by: str


class Candidate(Struct, frozen=True, gc=False):
    """A warehouse, or a set of them, that routing looked at.

    `rejected` says why it was not taken, "" if it was.
    """

    warehouses: tuple[str, ...]
    rank: tuple[int, ...]
    rejected: str


class PlannedFulfilment(Struct, frozen=True, gc=False):
    """The part of an order that one warehouse is to ship."""

    fulfilment: str
    warehouse: str
    lines: tuple[Quantity, ...]


class OrderRouted(Struct, frozen=True, gc=False, tag="order.routed"):
    """A plan was chosen; recorded with every candidate and with the hash of the rules that chose."""

    plan: tuple[PlannedFulfilment, ...]
    candidates: tuple[Candidate, ...]
    rules: str


class OrderBackordered(Struct, frozen=True, gc=False, tag="order.backordered"):
    """No plan can fill the order now; it waits for these SKUs."""

    missing: tuple[Shortage, ...]
    candidates: tuple[Candidate, ...]
    rules: str


class FulfilmentAllocated(Struct, frozen=True, gc=False, tag="order.allocated"):
    """The warehouse has promised the fulfilment's units."""

    fulfilment: str


class AllocationRefused(Struct, frozen=True, gc=False, tag="order.allocation_refused"):
    """The warehouse had less than the picture showed; the order is routed again."""

    fulfilment: str
    shortages: tuple[Shortage, ...]


class AllocationReleased(Struct, frozen=True, gc=False, tag="order.allocation_released"):
    """The promise was given back."""

    fulfilment: str
    reason: Literal["cancelled", "expired", "rerouted"]


class PromisesKept(Struct, frozen=True, gc=False, tag="order.promises_kept"):
    """After an edit so much of what is promised is still wanted: it stays so without a gap.

    `kept` are all parts of which something stays and that would else be given back. Of those that hold more,
    the warehouse is asked to take the rest back alone; it refuses once its floor has begun.
    """

    kept: tuple[PlannedFulfilment, ...]


class AllocationReduced(Struct, frozen=True, gc=False, tag="order.allocation_reduced"):
    """The warehouse took back what is not wanted any more: these units alone are promised from now on."""

    fulfilment: str
    lines: tuple[Quantity, ...]


class ReductionRefused(Struct, frozen=True, gc=False, tag="order.reduction_refused"):
    """The warehouse cannot take back a part of it alone, so that all of it is given back and routed anew."""

    fulfilment: str
    why: str


class RerouteAsked(Struct, frozen=True, gc=False, tag="order.reroute_asked"):
    """A person wants it routed anew: what is not packed is given back, and not asked of `avoid` again.

    Where that is "", every warehouse may be asked again.
    """

    by: str
    avoid: str


class OrderConfirmed(Struct, frozen=True, gc=False, tag="order.confirmed"):
    """Every fulfilment of the plan is allocated: the floors may pick."""

    fulfilments: tuple[str, ...]


class FulfilmentFellShort(Struct, frozen=True, gc=False, tag="order.short"):
    """The floor did not find all units; the missing ones are routed again, elsewhere."""

    fulfilment: str
    sku: str
    missing: int


class FulfilmentReady(Struct, frozen=True, gc=False, tag="order.packed"):
    """The fulfilment stands packed and waits for its labels."""

    fulfilment: str
    parcels: tuple[PackedParcel, ...]


class FulfilmentShipped(Struct, frozen=True, gc=False, tag="order.fulfilment_shipped"):
    """The fulfilment's parcels have left the house."""

    fulfilment: str


class OrderShipped(Struct, frozen=True, gc=False, tag="order.shipped"):
    """Every unit that the order still asks for has left."""


class ParcelTracked(Struct, frozen=True, gc=False, tag="order.parcel_tracked"):
    """The carrier said where a parcel is, in our one vocabulary."""

    parcel: str
    status: ParcelStatus
    carrier_event: str
    at: datetime


class OrderDelivered(Struct, frozen=True, gc=False, tag="order.delivered"):
    """Every parcel has been delivered."""


class RefundNoted(Struct, frozen=True, gc=False, tag="order.refund_noted"):
    """The shop has refunded so many units of what has left, over all refunds: they are expected back."""

    lines: tuple[Quantity, ...]


class GoodsReturned(Struct, frozen=True, gc=False, tag="order.goods_returned"):
    """Units that had left came back to a warehouse; they are credited, and their warehouse takes them in."""

    delivery: str
    warehouse: str
    sku: str
    units: int
    condition: Condition
    slot: str
    by: str


class GoodsRestocked(Struct, frozen=True, gc=False, tag="order.goods_restocked"):
    """The warehouse has taken in what came back with that delivery."""

    delivery: str


class OrderInvoiced(Struct, frozen=True, gc=False, tag="order.invoiced"):
    """Accounts made an invoice of the order, or of a part of it: its number in the ERP."""

    invoice: str


class CancelAsked(Struct, frozen=True, gc=False, tag="order.cancel_asked"):
    """Somebody wants the order stopped; the warehouses answer whether it still can be."""

    by: str


class CancelRefused(Struct, frozen=True, gc=False, tag="order.cancel_refused"):
    """Too late: `where` says where it can still be intercepted."""

    where: str


class OrderCancelled(Struct, frozen=True, gc=False, tag="order.cancelled"):
    """The order is stopped and holds no stock."""

    by: str


class EffectRequested(Struct, frozen=True, gc=False, tag="order.effect_requested"):
    """A partner has to be told; recorded before it is told. `effect` is unique in all time."""

    effect: str
    partner: str
    document: ErpDocument | ShopDocument | CarrierDocument


class EffectDone(Struct, frozen=True, gc=False, tag="order.effect_done"):
    """The partner has taken it; `reference` is its own number for it."""

    effect: str
    reference: str


class EffectRefused(Struct, frozen=True, gc=False, tag="order.effect_refused"):
    """The partner will not take it; an anomaly says what to mend."""

    effect: str
    why: str


class ParcelLabelled(Struct, frozen=True, gc=False, tag="order.labelled"):
    """A label was bought for a parcel: what it cost, how to follow it, and the row that holds its pages."""

    effect: str
    parcel: str
    tracking: str
    reference: str
    price: Decimal
    currency: str
    label: Beside


OrderEvent = (
    OrderImported
    | ContactCorrected
    | ServiceNamed
    | OrderRetold
    | OrderReappeared
    | LinesCorrected
    | LinesEdited
    | OrderHeld
    | HoldReleased
    | OrderRouted
    | OrderBackordered
    | FulfilmentAllocated
    | AllocationRefused
    | AllocationReleased
    | PromisesKept
    | AllocationReduced
    | ReductionRefused
    | RerouteAsked
    | OrderConfirmed
    | FulfilmentFellShort
    | FulfilmentReady
    | FulfilmentShipped
    | OrderShipped
    | ParcelTracked
    | OrderDelivered
    | RefundNoted
    | GoodsReturned
    | GoodsRestocked
    | OrderInvoiced
    | CancelAsked
    | CancelRefused
    | OrderCancelled
    | EffectRequested
    | EffectDone
    | EffectRefused
    | ParcelLabelled
)
