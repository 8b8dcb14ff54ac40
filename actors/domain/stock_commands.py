"""What a warehouse may be asked to do, and what it answers.

A repeat of any command is answered as the first was.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from actors.domain.stock_events import Condition, PackedParcel, Quantity, Shortage, StockEffectRequested


class OpenStock(Struct, frozen=True, gc=False, tag=True):
    """Take over what lies there already; only the first for a SKU counts."""

    sku: str
    units: int
    slot: str
    source: str


class Receive(Struct, frozen=True, gc=False, tag=True):
    """Take in a supplier's goods; `delivery` is unique.

    `effects` are recorded with it, to be told to the ERP.
    """

    delivery: str
    sku: str
    units: int
    slot: str
    effects: tuple[StockEffectRequested, ...] = ()


class Restock(Struct, frozen=True, gc=False, tag=True):
    """Take back units that had left for an order; `delivery` is unique, as a supplier's is."""

    delivery: str
    order: str
    sku: str
    units: int
    condition: Condition
    slot: str = ""


class Adjust(Struct, frozen=True, gc=False, tag=True):
    """Correct the shelf by so many units (below zero: fewer). Its idempotency key is the caller's matter."""

    sku: str
    units: int
    reason: str
    effects: tuple[StockEffectRequested, ...] = ()


class Count(Struct, frozen=True, gc=False, tag=True):
    """Take it that so many units of the SKU lie in its slot, those promised and not picked yet included.

    `slot` is where they were counted, "" where nobody said. The ERP is told of the difference, if there is
    one, as of `at` and under `reference`. Its idempotency key is the caller's matter.
    """

    sku: str
    slot: str
    counted: int
    reason: str
    warehouse: str
    reference: str
    at: datetime


class Mirror(Struct, frozen=True, gc=False, tag=True):
    """Take over so many units (below zero: fewer) that the ERP has booked already, as `booked_as`.

    Its idempotency key is the caller's matter.
    """

    sku: str
    units: int
    booked_as: str


class AssignSlot(Struct, frozen=True, gc=False, tag=True):
    """Say where the SKU is picked from now on."""

    sku: str
    slot: str


class Reserve(Struct, frozen=True, gc=False, tag=True):
    """Promise all lines or none; each SKU stands in one line.

    With `expires_at` the floor waits for `Confirm`. Of those that ask at the same moment whoever was placed
    first, at `placed_at`, is served first.
    """

    fulfilment: str
    order: str
    lines: tuple[Quantity, ...]
    expires_at: datetime | None = None
    placed_at: datetime | None = None


class Confirm(Struct, frozen=True, gc=False, tag=True):
    """Let the floor pick."""

    fulfilment: str


class Release(Struct, frozen=True, gc=False, tag=True):
    """Take the promise back, as long as nothing is packed."""

    fulfilment: str
    reason: Literal["cancelled", "expired", "rerouted"]


class Reduce(Struct, frozen=True, gc=False, tag=True):
    """Promise only what is to be kept from now on, as long as the floor has scanned nothing of it.

    `keep` has at least one unit, and of no SKU more than is promised.
    """

    fulfilment: str
    keep: tuple[Quantity, ...]


class Pick(Struct, frozen=True, gc=False, tag=True):
    """A scan: so many units of this SKU were taken from this slot."""

    fulfilment: str
    slot: str
    sku: str
    units: int


class ReportShort(Struct, frozen=True, gc=False, tag=True):
    """The slot holds fewer than were promised."""

    fulfilment: str
    slot: str
    sku: str
    missing: int
    reason: str


class Pack(Struct, frozen=True, gc=False, tag=True):
    """Everything picked lies in these parcels."""

    fulfilment: str
    parcels: tuple[PackedParcel, ...]


class Dispatch(Struct, frozen=True, gc=False, tag=True):
    """The labelled parcels leave the house."""

    fulfilment: str


class SettleStockEffect(Struct, frozen=True, gc=False, tag=True):
    """The ERP has answered; `refused` is "" where it took the document."""

    effect: str
    reference: str
    refused: str


StockCommand = (
    OpenStock
    | Receive
    | Restock
    | Adjust
    | Count
    | Mirror
    | AssignSlot
    | Reserve
    | Confirm
    | Release
    | Reduce
    | Pick
    | ReportShort
    | Pack
    | Dispatch
    | SettleStockEffect
)


class Granted(Struct, frozen=True, gc=False, tag=True):
    """The units are the fulfilment's; `waits` says that the floor does not pick them before a `Confirm`."""

    fulfilment: str
    waits: bool = False


class NotEnough(Struct, frozen=True, gc=False, tag=True):
    """Nothing was promised; so much is missing."""

    shortages: tuple[Shortage, ...]


class Reduced(Struct, frozen=True, gc=False, tag=True):
    """Exactly these units are promised (now, or since an earlier copy of the command)."""

    lines: tuple[Quantity, ...]


class Done(Struct, frozen=True, gc=False, tag=True):
    """It is so (now, or since an earlier copy of the command)."""


class Rejected(Struct, frozen=True, gc=False, tag=True):
    """It cannot be; `why` is for a person."""

    why: str


Answer = Granted | NotEnough | Reduced | Done | Rejected
