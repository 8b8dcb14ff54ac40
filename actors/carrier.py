"""A carrier's news of parcels, handed to their orders. Its labels are bought by its drain."""

import structlog
import trio

from actors.concerning import concerning
from actors.domain.order_commands import Tracked
from actors.errors import PartnerError
from actors.mailbox import SetAsideError
from actors.order import OrderHall
from actors.ports.carrier import CarrierPort
from actors.ports.journal import Journal

log = structlog.get_logger(__name__)

PAUSE_S_MAX = 300.0
"""Tracking is not urgent: a carrier that is away is asked every five minutes."""


class Carrier:
    """The actor that follows one carrier's parcels."""

    def __init__(
        self, name: str, port: CarrierPort, journal: Journal, hall: OrderHall, poll_s: float
    ) -> None:
        self._name = name
        self._port = port
        self._journal = journal
        self._hall = hall
        self._poll_s = poll_s

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow until cancelled."""
        task_status.started()
        pause_s = self._poll_s
        while True:
            try:
                await self.follow()
                pause_s = self._poll_s
            except PartnerError as error:
                pause_s = min(2 * pause_s, max(PAUSE_S_MAX, self._poll_s))
                log.warning("carrier_away", carrier=self._name, error=type(error).__name__, detail=str(error))
            await trio.sleep(pause_s)

    async def follow(self) -> None:
        """Hand on everything new, then move the cursor."""
        name = f"carrier-{self._name}"
        while True:
            cursor = await self._journal.cursor(name)
            events, moved = await self._port.events(cursor)
            for event in events:
                order = order_of(event.parcel)
                command = Tracked(event.parcel, event.status, f"{self._name}:{event.event}", event.at)
                with concerning(order):
                    try:
                        await self._hall.ask(order, command)
                    except SetAsideError:
                        log.warning("tracking_set_aside", parcel=event.parcel)
            if not events or moved == cursor:
                return
            await self._journal.save_cursor(name, moved)


def order_of(parcel: str) -> str:
    """Return the order of a parcel: its id is the order's, the fulfilment's number and the box's number."""
    return parcel.rsplit(".", 2)[0]
