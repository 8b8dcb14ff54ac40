"""A carrier's news of parcels, handed to their orders. Its labels are bought by its drain."""

import structlog
import trio

from actors.concerning import concerning
from actors.desk import Desk, Raise
from actors.domain.order_commands import Tracked
from actors.errors import PartnerError, UnreachableError
from actors.mailbox import SetAsideError
from actors.order import OrderHall
from actors.ports.carrier import CarrierPort, UnreadableEvent
from actors.ports.journal import Journal

log = structlog.get_logger(__name__)

PAUSE_S_MAX = 300.0
"""Tracking is not urgent: a carrier that is away is asked every five minutes."""

TOLD_AFTER = 5
"""A quarter of an hour: before that a carrier that does not answer is likely to come back by itself."""


class Carrier:
    """The actor that follows one carrier's parcels."""

    def __init__(
        self, name: str, port: CarrierPort, journal: Journal, hall: OrderHall, desk: Desk, poll_s: float
    ) -> None:
        self._name = name
        self._port = port
        self._journal = journal
        self._hall = hall
        self._desk = desk
        self._poll_s = poll_s
        self._failures = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow until cancelled."""
        task_status.started()
        pause_s = self._poll_s
        while True:
            try:
                await self.follow()
            except PartnerError as error:
                pause_s = min(2 * pause_s, max(PAUSE_S_MAX, self._poll_s))
                await self._failed(error)
            else:
                pause_s = self._poll_s
                self._failures = 0
                await self._desk.resolve(self._unread, "system")
            await trio.sleep(pause_s)

    @property
    def _unread(self) -> str:
        """The name of the matter that nobody knows where its parcels are."""
        return f"carrier:{self._name}"

    async def _failed(self, error: PartnerError) -> None:
        self._failures += 1
        log.warning("carrier_away", carrier=self._name, error=type(error).__name__, detail=str(error))
        if self._failures >= TOLD_AFTER or not isinstance(error, UnreachableError):
            detail = f"where the parcels of {self._name} are cannot be read: {error}"
            mend = f"look at the account with {self._name} and at its settings; it is asked again by itself"
            await self._desk.raise_anomaly(Raise(self._unread, "tracking_unread", detail, mend))

    async def follow(self) -> None:
        """Hand on everything new, put before a person what nobody understands, then move the cursor."""
        name = f"carrier-{self._name}"
        while True:
            cursor = await self._journal.cursor(name)
            page = await self._port.events(cursor)
            for event in page.events:
                order = order_of(event.parcel)
                command = Tracked(event.parcel, event.status, f"{self._name}:{event.event}", event.at)
                with concerning(order):
                    try:
                        await self._hall.ask(order, command)
                    except SetAsideError:
                        log.warning("tracking_set_aside", parcel=event.parcel)
            for unreadable in page.unreadable:
                await self._put_before_a_person(unreadable)
            is_over = not (page.events or page.unreadable) or page.cursor == cursor
            if is_over:
                return
            await self._journal.save_cursor(name, page.cursor)

    async def _put_before_a_person(self, unreadable: UnreadableEvent) -> None:
        anomaly = f"{self._unread}:event:{unreadable.event or '?'}"
        named = unreadable.event or "that has no id"
        detail = f"the event {named} of {self._name} cannot be understood: {unreadable.why}"
        mend = f"ask {self._name} what it says of the parcel; it is not read again"
        await self._desk.raise_anomaly(Raise(anomaly, "tracking_unreadable", detail, mend))


def order_of(parcel: str) -> str:
    """Return the order of a parcel: its id is the order's, the fulfilment's number and the box's number."""
    return parcel.rsplit(".", 2)[0]
