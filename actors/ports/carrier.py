"""Somebody who moves parcels: labels, and news of parcels."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from actors.domain.documents import CarrierDocument
from actors.domain.order_events import ParcelStatus
from actors.ports.partner import Outcome
from actors.ports.people import Contact


class TrackingEvent(Struct, frozen=True, gc=False):
    """A carrier's news of a parcel in our vocabulary (see `ParcelTracked`).

    `event` is unique with that carrier.
    """

    event: str
    parcel: str
    tracking: str
    status: ParcelStatus
    at: datetime


class UnreadableEvent(Struct, frozen=True, gc=False):
    """A carrier's news that nobody understands, and why; `event` is "" where not even its id can be read."""

    event: str
    why: str


class TrackingPage(Struct, frozen=True):
    """The parcels' news since a cursor, a page at most, and the cursor behind them."""

    events: Sequence[TrackingEvent]
    cursor: str
    unreadable: Sequence[UnreadableEvent] = ()


class CarrierPort(Protocol):
    """Somebody who moves parcels."""

    async def find(self, document: CarrierDocument) -> Outcome | None:
        """Look for a label already bought for the parcel."""
        ...

    async def carry_out(self, document: CarrierDocument, contact: Contact | None) -> Outcome:
        """Buy the label, with the parcel's id as the idempotency key."""
        ...

    async def events(self, cursor: str | None) -> TrackingPage:
        """Return the parcels' news since the cursor."""
        ...
