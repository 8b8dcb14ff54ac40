"""What the control socket is asked: the bodies of changes under /v1/, and their bounds.

Instants are UTC, quantities whole base units, weights grams.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

TEXT_MAX = 200
"""A reason typed by a person; longer belongs into the desk's own notes."""

SAYS_SOMETHING = r"\S"
"""What is asked for so that somebody can read it later: blanks are no reason."""

LINES_MAX = 1_000
"""More lines than any parcel or order of a shop has."""

OWN_WORDS = frozenset({"reason"})
"""Fields that hold what a person wrote: who knows about whom. They stand in no log and no trail."""

CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f"
"""What no text of the database holds, or the journal parts texts by. Tabs and line breaks belong to words."""

_TRIMMED = rf"[^\s{CONTROL}]([^{CONTROL}]*[^\s{CONTROL}])?"
TRIMMED = rf"^({_TRIMMED})$(?!\n)"
TRIMMED_OR_EMPTY = rf"^({_TRIMMED})?$(?!\n)"

EXPECTED = {
    SAYS_SOMETHING: "a text that says something",
    TRIMMED: "a name without blanks at its ends",
    TRIMMED_OR_EMPTY: "a name without blanks at its ends",
}
"""What is expected where these patterns do not match, for people."""

Name = Annotated[str, Meta(min_length=1, max_length=64)]
NewName = Annotated[str, Meta(min_length=1, max_length=64, pattern=TRIMMED)]
"""A name that may be new here has no blanks at its ends, as no partner's has: the ERP books "BOLT " as BOLT,
the ledger would as another article. What bears such a name of old can still be got rid of."""
NewSlot = Annotated[str, Meta(max_length=64, pattern=TRIMMED_OR_EMPTY)]
Slot = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=TEXT_MAX, pattern=SAYS_SOMETHING)]
Matter = Annotated[str, Meta(min_length=1, max_length=300)]
Units = Annotated[int, Meta(ge=1, le=1_000_000)]
Weight = Annotated[int, Meta(ge=1, le=1_000_000)]


def as_utc(at: datetime) -> datetime:
    """Return the instant in UTC; where dates end in its own zone, the last that there is, or the first."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if at.year > 1 else datetime.min.replace(tzinfo=UTC)


class _Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A misspelled field is refused, not ignored."""


class HoldOrder(_Asked, frozen=True):
    """Stop an order until somebody releases it, or until it expires."""

    reason: Text
    hold: Literal["payment", "address", "manual"] = "manual"
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class ReleaseOrder(_Asked, frozen=True):
    """Let an order go on; releasing a validation hold overrides what was wrong."""

    hold: Literal["validation", "payment", "address", "manual", "erp"] = "manual"


class CancelOrder(_Asked, frozen=True):
    """Stop an order for good, if that still can be."""


class RerouteOrder(_Asked, frozen=True):
    """Give back what is not packed yet and route it anew: not to `avoid` any more; to any if it is ""."""

    avoid: Annotated[str, Meta(max_length=64)] = ""


class CloseGate(_Asked, frozen=True):
    """A warehouse or carrier gets nothing new until it is opened; what it has already goes on."""

    reason: Text


class OpenGate(_Asked, frozen=True):
    """A warehouse or carrier gets what the rules say again."""


class CapWarehouse(_Asked, frozen=True):
    """A warehouse gets nothing new while it has so many fulfilments in hand; null lifts the cap."""

    in_hand_max: Annotated[int, Meta(ge=1, le=1_000_000)] | None
    reason: Text


class RetryOrder(_Asked, frozen=True):
    """What made partners refuse documents was mended: ask them once more."""


class Reload(_Asked, frozen=True):
    """Read the rules again; when they are wrong, those in force stay and the answer says why."""


class Drain(_Asked, frozen=True):
    """Take nothing new in, bring what is in hand to a recorded point, and end, as SIGTERM does."""


class LogLevel(_Asked, frozen=True):
    """Log from this level on: all, or only `logger` and what is below it; for so many seconds, or for good.

    In lines of level debug customers' names and addresses are readable, so that debug without a time is for
    half an hour.
    """

    level: Literal["debug", "info", "warning", "error"]
    logger: Annotated[str, Meta(max_length=64, pattern=r"^([a-z_]+(\.[a-z_]+)*)?$")] = ""
    seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None


class ResolveAnomalies(_Asked, frozen=True):
    """These matters are settled, says a person; what still causes one raises it anew."""

    anomalies: Annotated[tuple[Matter, ...], Meta(min_length=1, max_length=LINES_MAX)]


class TakeAnomalies(_Asked, frozen=True):
    """Whoever asks looks after these; with `over` also those that somebody else looks after."""

    anomalies: Annotated[tuple[Matter, ...], Meta(min_length=1, max_length=LINES_MAX)]
    over: bool = False


class RetryAnomalies(_Asked, frozen=True):
    """What these are about was mended: try it again. All open ones when none is named."""

    anomalies: Annotated[tuple[Matter, ...], Meta(max_length=LINES_MAX)] = ()


class RetryOutbox(_Asked, frozen=True):
    """Try now what waits for a further attempt at this partner, or at all when none is named."""

    partner: Annotated[str, Meta(max_length=64)] = ""


class DropEffect(_Asked, frozen=True):
    """Tell a partner this no more: it is recorded as refused, for this reason, and can be asked for again."""

    effect: Matter
    reason: Text


class Scan(_Asked, frozen=True):
    """So many units of this SKU were taken from this slot."""

    fulfilment: Name
    slot: Slot
    sku: Name
    units: Units


class Short(_Asked, frozen=True):
    """The slot holds fewer than the pick list says."""

    fulfilment: Name
    slot: Slot
    sku: Name
    missing: Units
    reason: Text


class ParcelLine(_Asked, frozen=True):
    """What lies in a parcel."""

    sku: Name
    units: Units


class ParcelPacked(_Asked, frozen=True):
    """One closed box."""

    lines: Annotated[tuple[ParcelLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    weight_g: Weight


class PackFulfilment(_Asked, frozen=True):
    """Everything picked lies in these parcels."""

    fulfilment: Name
    parcels: Annotated[tuple[ParcelPacked, ...], Meta(min_length=1, max_length=LINES_MAX)]


class Reception(_Asked, frozen=True):
    """Goods came in; `delivery` is the supplier's, and counts once for each SKU."""

    delivery: NewName
    sku: NewName
    units: Units
    slot: NewSlot = ""


class Return(_Asked, frozen=True):
    """Units of an order came back; `delivery` names the return, and counts once for each of its SKUs."""

    order: Name
    delivery: NewName
    sku: Name
    units: Units
    condition: Literal["sellable", "damaged"] = "sellable"
    slot: NewSlot = ""


class Adjustment(_Asked, frozen=True):
    """The shelf holds so many more (or, below zero, fewer) than the books say.

    `new` says of a SKU that no warehouse ever held that its name is right.
    """

    sku: Name
    units: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
    reason: Text
    new: bool = False


class Counting(_Asked, frozen=True):
    """So many units of the SKU lie in its slot, those promised and not picked yet included."""

    sku: Name
    units: Annotated[int, Meta(ge=0, le=1_000_000)]
    slot: Slot = ""
    reason: Annotated[str, Meta(max_length=TEXT_MAX)] = ""


class MirroredPiece(_Asked, frozen=True):
    """The ERP has booked so many units more (or, below zero, fewer) already, as the piece of that name."""

    sku: Name
    units: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
    booked_as: Name


class SlotAssignment(_Asked, frozen=True):
    """Where the SKU is picked from now on.

    `new` says of a SKU that no warehouse ever held that its name is right.
    """

    sku: NewName
    slot: NewName
    new: bool = False
