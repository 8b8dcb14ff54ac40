"""What an order may be told or asked, by the shop, by people, by warehouses, partners and the desk."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from actors.domain.order_events import Beside, HoldKind, OrderLine, ParcelStatus
from actors.domain.stock_commands import Answer
from actors.domain.stock_events import Condition, PackedParcel

PartStep = Literal["reserve", "confirm", "release", "reduce", "dispatch"]
StepKind = PartStep | Literal["restock"]
Standing = Literal["open", "unpaid", "cancelled", "shipped"]
Readdressed = Literal["", "address", "phone", "else"]


class Import(Struct, frozen=True, gc=False, tag=True):
    """The shop's order as it stands now; the first makes the order, later ones say what changed.

    `readdressed` says what in the contact of a later one is not as the order has it: the name or the address,
    else the phone number, else something that is on no label; "" where nothing is. `credited` are the units
    of each line that the shop has refunded, of an order that has shipped; empty where nobody asked.
    """

    channel: str
    shop_order: str
    reference: str
    standing: Standing
    placed_at: datetime
    currency: str
    total: Decimal
    shipping: Decimal
    service: str
    country: str
    lines: tuple[OrderLine, ...]
    address_problems: tuple[str, ...]
    contact: Beside
    payload: Beside
    readdressed: Readdressed = ""
    credited: tuple[OrderLine, ...] = ()


class Retell(Struct, frozen=True, gc=False, tag=True):
    """What is kept of the order as the shop told it is to be another row beside the log."""

    payload: Beside


class Vanished(Struct, frozen=True, gc=False, tag=True):
    """The shop does not show the order any more, or not whole: it stops until a person lets it go on."""

    why: str


class Hold(Struct, frozen=True, gc=False, tag=True):
    """Stop the order."""

    hold: HoldKind
    reason: str
    expires_at: datetime | None
    by: str


class ReleaseHold(Struct, frozen=True, gc=False, tag=True):
    """Let the order go on; releasing a validation hold overrides the failures, by name."""

    hold: HoldKind
    by: str


class Cancel(Struct, frozen=True, gc=False, tag=True):
    """Stop the order for good, if that still can be."""

    by: str


class Wake(Struct, frozen=True, gc=False, tag=True):
    """Go on: the clock is due, or units came, so that even what a floor did not find is looked for again."""

    units_came: bool = False


class Answered(Struct, frozen=True, gc=False, tag=True):
    """What a warehouse answered to one of the order's own steps."""

    step: StepKind
    fulfilment: str
    answer: Answer


class Stranded(Struct, frozen=True, gc=False, tag=True):
    """A step could not be asked: its warehouse is `gone` from the settings, or keeps crashing on it."""

    fulfilment: str
    gone: bool


class Packed(Struct, frozen=True, gc=False, tag=True):
    """The floor has packed the fulfilment."""

    fulfilment: str
    parcels: tuple[PackedParcel, ...]


class FellShort(Struct, frozen=True, gc=False, tag=True):
    """So many units of a fulfilment's line were not found so far, all reports together."""

    fulfilment: str
    sku: str
    missing: int


class Expired(Struct, frozen=True, gc=False, tag=True):
    """The warehouse took an unconfirmed reservation back."""

    fulfilment: str


class Settled(Struct, frozen=True, gc=False, tag=True):
    """A partner took the document of an effect."""

    effect: str
    reference: str
    tracking: str
    price: Decimal
    currency: str
    label: Beside | None


class Refused(Struct, frozen=True, gc=False, tag=True):
    """A partner will not take the document of an effect."""

    effect: str
    why: str


class AskAgain(Struct, frozen=True, gc=False, tag=True):
    """What made partners refuse documents was mended: ask them for all of these once more."""

    by: str


class Reroute(Struct, frozen=True, gc=False, tag=True):
    """Give back what is not packed and route it anew: not to `avoid` any more; to any again where that is "".

    An order that only warehouses could fill that are to be avoided waits for the others.
    """

    by: str
    avoid: str = ""


class ResolveAnomaly(Struct, frozen=True, gc=False, tag=True):
    """A person says that an anomaly is settled; what still causes it raises it anew."""

    anomaly: str
    by: str


class Invoiced(Struct, frozen=True, gc=False, tag=True):
    """The ERP has an invoice of the order."""

    invoice: str


class TakeBack(Struct, frozen=True, gc=False, tag=True):
    """Units that had left came back to a warehouse; `delivery` names the return, and counts once."""

    delivery: str
    warehouse: str
    sku: str
    units: int
    condition: Condition
    slot: str
    by: str


class Tracked(Struct, frozen=True, gc=False, tag=True):
    """A carrier has news of a parcel."""

    parcel: str
    status: ParcelStatus
    carrier_event: str
    at: datetime


OrderCommand = (
    Import
    | Retell
    | Vanished
    | Hold
    | ReleaseHold
    | Cancel
    | Wake
    | Answered
    | Stranded
    | Packed
    | FellShort
    | Expired
    | Settled
    | Refused
    | AskAgain
    | ResolveAnomaly
    | Reroute
    | TakeBack
    | Invoiced
    | Tracked
)
