"""What the control socket's tail does: the last events of the log, and those that come."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import trio

from actors.inspection import Inspection
from actors.ports.journal import Recorded
from daemon.control.wire_log import EndTold, EventTold

LOOK_S = 0.25
"""How often the log is looked at while somebody listens: a look at the end of each partition."""

EVENTS_A_LOOK_MAX = 500
"""Of each partition; whoever listens too slowly is told later, and nothing is left out."""


class LogTail:
    """Implements `daemon.control.service.Tail`."""

    def __init__(self, inspection: Inspection) -> None:
        self._inspection = inspection

    async def events(self, last: int, tell: Callable[[EventTold], Awaitable[None]], *, follow: bool) -> None:
        """Tell the last events by their time, and with `follow` those that come, until cancelled."""
        tip = await self._inspection.tip(last)
        recorded, tip = await self._inspection.news(tip, last)
        for each in recorded[-last:]:
            await tell(_told(each))
        while follow:
            await trio.sleep(LOOK_S)
            recorded, tip = await self._inspection.news(tip, EVENTS_A_LOOK_MAX)
            for each in recorded:
                await tell(_told(each))

    async def ends(self, at: Mapping[int, int]) -> Sequence[EndTold]:
        """Return where these partitions end, and which hash they have at these positions."""
        return [
            EndTold(end.partition, end.position, end.hash.hex() if end.hash is not None else None)
            for end in await self._inspection.ends(at)
        ]


def _told(recorded: Recorded) -> EventTold:
    data = msgspec.to_builtins(recorded.event, str_keys=True)
    return EventTold(recorded.at, recorded.stream, recorded.version, data.pop("type"), data)
