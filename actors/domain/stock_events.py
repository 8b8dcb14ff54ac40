"""Facts of a warehouse's stream: what happened to its stock, and on its floor.

The tag of each class is its wire name in the log. It is pinned by a test and never changes; a new shape gets
a new tag and an upcast. Quantities are whole base units. No event names a person.

`gc=False`: a value made of values stands in no cycle, so the collector need not walk the hundred thousands
of them.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from actors.domain.documents import ErpDocument


class Quantity(Struct, frozen=True, gc=False):
    """So many base units of one SKU."""

    sku: str
    units: int


class Shortage(Struct, frozen=True, gc=False):
    """What a reservation asked for and what there was."""

    sku: str
    asked: int
    available: int


class PackedParcel(Struct, frozen=True, gc=False):
    """One closed box: what lies in it and what it weighs, in grams."""

    parcel: str
    lines: tuple[Quantity, ...]
    weight_g: int


class StockOpened(Struct, frozen=True, gc=False, tag="stock.opened"):
    """The stock that was there when Wharfinger took custody (opening to available)."""

    sku: str
    units: int
    slot: str
    source: str


class StockReceived(Struct, frozen=True, gc=False, tag="stock.received"):
    """Goods came in from a supplier (supplier to available)."""

    delivery: str
    sku: str
    units: int
    slot: str


Condition = Literal["sellable", "damaged"]
"""How goods come back: fit to be sold again, or to be looked at by a person first."""


class UnitsReturned(Struct, frozen=True, gc=False, tag="stock.returned"):
    """Units that had left for an order came back (customer to available, or to quarantine when damaged)."""

    delivery: str
    order: str
    sku: str
    units: int
    condition: Condition
    slot: str


class StockAdjusted(Struct, frozen=True, gc=False, tag="stock.adjusted"):
    """A person corrected the shelf (count to available, or back when `units` is negative)."""

    sku: str
    units: int
    reason: str


class StockCounted(Struct, frozen=True, gc=False, tag="stock.counted"):
    """A person counted the units of a SKU that lie in its slot, and the books follow.

    `counted` are the units that lay there, promised ones included. `found` are those that short picks had put
    into quarantine and that are there (quarantine to available), `lost` those that are not (quarantine to
    count), `surplus` what the shelf holds more than the books (count to available, or back when negative).
    """

    sku: str
    slot: str
    counted: int
    found: int
    lost: int
    surplus: int
    reason: str


class StockMirrored(Struct, frozen=True, gc=False, tag="stock.mirrored"):
    """The shelf was corrected by what stands in the ERP's books already, as `booked_as` (count to available).

    So the ERP is not told of it; `units` may be negative.
    """

    sku: str
    units: int
    booked_as: str


class SlotAssigned(Struct, frozen=True, gc=False, tag="stock.slot_assigned"):
    """The SKU is picked from this slot from now on."""

    sku: str
    slot: str


class UnitsReserved(Struct, frozen=True, gc=False, tag="stock.reserved"):
    """All lines of a fulfilment were promised to its order (available to reserved).

    `expires_at` is set while the order still waits for other warehouses; without it the floor may pick.
    """

    fulfilment: str
    order: str
    lines: tuple[Quantity, ...]
    expires_at: datetime | None


class ReservationRefused(Struct, frozen=True, gc=False, tag="stock.reservation_refused"):
    """Not all lines were there, so none was promised."""

    fulfilment: str
    order: str
    shortages: tuple[Shortage, ...]


class ReservationConfirmed(Struct, frozen=True, gc=False, tag="stock.reservation_confirmed"):
    """Every warehouse of the order's plan has promised: the floor may pick."""

    fulfilment: str


class ReservationReleased(Struct, frozen=True, gc=False, tag="stock.released"):
    """The promise was taken back (reserved and picked to available)."""

    fulfilment: str
    reserved: tuple[Quantity, ...]
    picked: tuple[Quantity, ...]
    reason: Literal["cancelled", "expired", "rerouted"]


class ReservationReduced(Struct, frozen=True, gc=False, tag="stock.reservation_reduced"):
    """Fewer units are promised from now on; the others stay so without a gap.

    `released` are those that are not (reserved to available).
    """

    fulfilment: str
    released: tuple[Quantity, ...]


class UnitsPicked(Struct, frozen=True, gc=False, tag="stock.picked"):
    """A scan took units from a slot for a fulfilment (reserved to picked)."""

    fulfilment: str
    sku: str
    units: int
    slot: str


class PickFellShort(Struct, frozen=True, gc=False, tag="stock.pick_short"):
    """The slot did not hold what was promised (reserved to quarantine, until somebody counts)."""

    fulfilment: str
    sku: str
    missing: int
    slot: str
    reason: str


class FulfilmentPacked(Struct, frozen=True, gc=False, tag="stock.packed"):
    """Everything picked lies in closed parcels."""

    fulfilment: str
    parcels: tuple[PackedParcel, ...]


class FulfilmentDispatched(Struct, frozen=True, gc=False, tag="stock.dispatched"):
    """The parcels left the house (picked to customer)."""

    fulfilment: str
    lines: tuple[Quantity, ...]


class StockEffectRequested(Struct, frozen=True, gc=False, tag="stock.effect_requested"):
    """The ERP has to be told of a reception or a correction; recorded before it is told."""

    effect: str
    partner: str
    document: ErpDocument


class StockEffectDone(Struct, frozen=True, gc=False, tag="stock.effect_done"):
    """The ERP has the document; `reference` is its number there."""

    effect: str
    reference: str


class StockEffectRefused(Struct, frozen=True, gc=False, tag="stock.effect_refused"):
    """The ERP will not take the document; a person has to look."""

    effect: str
    why: str


StockEvent = (
    UnitsReserved  # what there is most of comes first: `isinstance` looks at one after the other
    | UnitsPicked
    | FulfilmentPacked
    | FulfilmentDispatched
    | ReservationConfirmed
    | StockMirrored
    | StockOpened
    | StockReceived
    | UnitsReturned
    | StockAdjusted
    | StockCounted
    | SlotAssigned
    | ReservationRefused
    | ReservationReleased
    | ReservationReduced
    | PickFellShort
    | StockEffectRequested
    | StockEffectDone
    | StockEffectRefused
)
