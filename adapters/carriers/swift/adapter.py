"""Swift as a `CarrierPort`: one paid label a parcel, found again by the parcel's id."""

from actors.domain.documents import CarrierDocument
from actors.errors import MalformedError, OutcomeUnknownError, RefusedError
from actors.ports.carrier import TrackingPage
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from adapters.carriers.swift.client import SwiftClient
from adapters.carriers.swift.plugin import SwiftSettings
from adapters.carriers.swift.wire import SenselessError, feed, found_outcome, label_outcome, label_request


class SwiftCarrier:
    """One account with the carrier; `name` is the carrier's in our settings. Implements `CarrierPort`."""

    def __init__(self, name: str, settings: SwiftSettings) -> None:
        self._system = f"carrier {name}"
        self._settings = settings
        self._client = SwiftClient(self._system, settings)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def find(self, document: CarrierDocument) -> Outcome | None:
        """Look for a label already bought for the parcel.

        Raises:
            UnreachableError, RefusedError: as the client says.
            MalformedError: the list makes no sense.
        """
        body = await self._client.labels(document.parcel)
        try:
            return found_outcome(body, document.parcel)
        except SenselessError as error:
            raise MalformedError(self._system, f"find the label of {document.parcel}", str(error)) from error

    async def carry_out(self, document: CarrierDocument, contact: Contact | None) -> Outcome:
        """Buy the label, with the parcel's id as the idempotency key and as the reference.

        Raises:
            UnreachableError: nothing was bought.
            RefusedError: the address was erased, or the carrier said no.
            OutcomeUnknownError: it may be paid; also where the answer to the purchase makes no sense.
            MalformedError: a status that no carrier should answer with; nothing was bought.
        """
        doing = f"buy the label of {document.parcel}"
        if contact is None:
            raise RefusedError(self._system, doing, "the recipient's address was erased")
        body = label_request(document, contact, self._settings.label_format)
        answer = await self._client.buy(document.parcel, body)
        try:
            return label_outcome(answer, document.parcel)
        except SenselessError as error:
            raise OutcomeUnknownError(self._system, doing, str(error)) from error

    async def events(self, cursor: str | None) -> TrackingPage:
        """Return the parcels' news since the cursor; one line of it that makes no sense stops no other.

        Raises:
            UnreachableError, RefusedError: as the client says.
            MalformedError: it is no feed.
        """
        body = await self._client.events(cursor)
        try:
            return feed(body)
        except SenselessError as error:
            raise MalformedError(self._system, "read the tracking events", str(error)) from error
