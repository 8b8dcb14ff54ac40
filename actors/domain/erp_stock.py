"""An ERP's absolute stock beside ours, as of when it was read. Pure.

An absolute figure is old the moment it is read: documents of ours may have been booked before it, after it,
or while it was read. So what is in flight is re-applied: a figure is right if some of those documents, booked
or not, explain it. And a reading that began before another never takes its place.
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from actors.domain.documents import (
    ErpAdjustment,
    ErpDeliveryNote,
    ErpDocument,
    ErpReception,
    ErpReturn,
)

Place = tuple[str, str]
"""A warehouse and a SKU."""


class AsOf(Struct, frozen=True):
    """When a reading was made, by our own clock: what was booked before it began is in it."""

    began_at: datetime
    ended_at: datetime


class Underway(Struct, frozen=True):
    """A document that was asked for; `done_at` is when its outcome was known, None when it is not yet.

    `effect` names it in the log.
    """

    document: ErpDocument
    asked_at: datetime
    done_at: datetime | None
    effect: str = ""


def newest(held: AsOf | None, read: AsOf) -> bool:
    """Return whether a reading may take the place of the one that is held, which stays on a tie."""
    return held is None or read.began_at > held.began_at


def moves_of(document: ErpDocument) -> dict[Place, int]:
    """Return the units that a document, once booked, brings into (positive) or takes out of each place."""
    match document:
        case ErpDeliveryNote():
            sign = -1
        case ErpReception() | ErpAdjustment() | ErpReturn():
            sign = 1
        case _:
            return {}
    moves: dict[Place, int] = {}
    for line in document.lines:
        place = (document.warehouse, line.sku)
        moves[place] = moves.get(place, 0) + sign * line.units
    return moves


def in_flight(documents: Iterable[Underway], as_of: AsOf) -> dict[Place, tuple[int, int]]:
    """Return by how much the figures may differ from all documents booked: at least, at most.

    A document whose outcome was known before the reading began is in it for certain. One that is still to be
    booked, or was booked later, is missing from it; nobody knows of which kind it is while it is under way.
    """
    bounds: dict[Place, tuple[int, int]] = {}
    for each in documents:
        if each.done_at is not None and each.done_at < as_of.began_at:
            continue
        for place, units in moves_of(each.document).items():
            least, most = bounds.get(place, (0, 0))
            bounds[place] = (least - max(units, 0), most - min(units, 0))
    return bounds
