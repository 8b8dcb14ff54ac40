"""What no poll tells: open orders are read again before they leave, and nightly the whole shop is compared.

An edited address, another carrier, a line that somebody changed and a deleted order move no date in a shop.
This owns which orders are looked at when, and says when the shop and we contradict each other; what an
order's new copy means is the order's matter.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog
import trio

from actors.concerning import concerning
from actors.desk import Desk, Raise
from actors.directory import Clock
from actors.domain.order_state import order_id
from actors.intake import Intake
from actors.ports.journal import Journal, OrderRow
from actors.ports.shop import Packing, ShopOrder, ShopPort, ShopStanding, UnreadableOrder

log = structlog.get_logger(__name__)

OPEN_STAGES = ("new", "held", "routing", "allocating", "backordered", "picking", "packed")
ENDED_STAGES = frozenset({"shipped", "delivered", "cancelled"})

OPEN_MAX = 5_000
"""Open orders looked at in turn, the first placed first; with more of them a merchant has another trouble."""

LOOK_MAX = 300
"""Orders read again at a time: what fits into one request's filter. With one look a minute 300 open orders
are read again every minute, and 5,000 in a quarter of an hour."""

ANOMALIES_MAX = 1_000
"""Open anomalies looked through for what has ended."""

SWEEP_AGAIN = timedelta(hours=12)
SWEEP_LATE = timedelta(hours=28)
NIGHT_ENDS = 5
"""A sweep begins in the night (before 05:00 UTC) once the last is 12 hours old, and at 28 hours anyway."""

STILL_TELLING = timedelta(hours=1)
"""So long after an order ended here the shop may not have been told yet: an outage has its own anomaly."""


def sweep_is_due(last: datetime, now: datetime) -> bool:
    """Tell whether the shop has to be compared as a whole again."""
    ago = now - last
    return ago >= SWEEP_LATE or (ago >= SWEEP_AGAIN and now.hour < NIGHT_ENDS)


def sweep_name(channel: str) -> str:
    """Return under which name the journal keeps when a channel was swept last."""
    return f"swept-{channel}"


class Sweep:
    """One channel's second looks."""

    def __init__(
        self, channel: str, shop: ShopPort, journal: Journal, intake: Intake, desk: Desk, clock: Clock
    ) -> None:
        self._channel = channel
        self._shop = shop
        self._journal = journal
        self._intake = intake
        self._desk = desk
        self._clock = clock
        self._handed_on: dict[str, tuple[int, int]] = {}
        self._looked_at: tuple[datetime, str] | None = None
        self._last: datetime | None = None
        self._page: str | None = None
        self._contradicting: set[str] = set()

    async def look_at_open(self) -> None:
        """Read some of the open orders again, those longest not looked at.

        Raises:
            PartnerError: as the shop's port.
        """
        await self._forget_what_ended()
        rows = await self._open_orders()
        self._handed_on = {
            row.order: self._handed_on[row.order] for row in rows if row.order in self._handed_on
        }
        after = self._looked_at
        later = [row for row in rows if after is None or (row.placed_at, row.order) > after]
        some = (later or rows)[:LOOK_MAX]
        if some:
            await self._look_at(some)
            self._looked_at = (some[-1].placed_at, some[-1].order)

    async def compare(self) -> None:
        """Compare the next page of all the shop's orders with ours, if it is time to.

        Raises:
            PartnerError: as the shop's port; the page is compared again.
        """
        if self._page is None:
            if not await self._is_due():
                return
            log.info("sweep_begun", channel=self._channel)
            self._page = ""
            self._contradicting.clear()
        page = await self._shop.survey(self._page)
        if page:
            await self._compare(page)
            self._page = page[-1].shop_order
            return
        await self._end()

    async def _is_due(self) -> bool:
        now = self._clock()
        if self._last is None:
            text = await self._journal.cursor(sweep_name(self._channel))
            if text is None:  # the first import is a sweep
                await self._swept(now)
            else:
                self._last = datetime.fromisoformat(text)
        return self._last is not None and sweep_is_due(self._last, now)

    async def _swept(self, now: datetime) -> None:
        await self._journal.save_cursor(sweep_name(self._channel), now.isoformat())
        self._last = now

    async def _end(self) -> None:
        rows = await self._open_orders()
        for begin in range(0, len(rows), LOOK_MAX):
            await self._look_at(rows[begin : begin + LOOK_MAX])
        for anomaly in await self._journal.anomalies(ANOMALIES_MAX):
            if anomaly.problem == "shop_contradicts" and anomaly.anomaly not in self._contradicting:
                await self._resolve_own(anomaly.anomaly)
        await self._swept(self._clock())
        self._page = None
        log.info("sweep_ended", channel=self._channel)

    async def _open_orders(self) -> list[OrderRow]:
        rows = await self._journal.orders_in(OPEN_STAGES, OPEN_MAX)
        mine = [row for row in rows if row.channel == self._channel]
        return sorted(mine, key=lambda row: (row.placed_at, row.order))

    async def look_before_release(self, orders: Sequence[str]) -> Collection[str]:
        """Read orders again that are about to go on a floor; return those that were understood.

        One that the shop has deleted is put before a person, and held until that person says what to do.

        Raises:
            PartnerError: as the shop's port.
        """
        rows = [row for order in orders if (row := await self._journal.order_row(order)) is not None]
        read_at = trio.current_time()
        found = await self._look_at(rows, whole=False)
        for row in rows:
            if row.shop_order in found:
                continue
            await self._intake.stop(row.order, "it was deleted in the shop before it went to a floor")
            self._intake.has_read(row.order, read_at)  # should somebody let it go on, this is all there is
        return [row.order for row in rows if not isinstance(found.get(row.shop_order), UnreadableOrder)]

    async def _look_at(
        self, rows: Sequence[OrderRow], *, whole: bool = True
    ) -> Mapping[str, ShopOrder | UnreadableOrder]:
        read_at = trio.current_time()
        found = await self._shop.reread([row.shop_order for row in rows], whole=whole)
        for row in rows:
            with concerning(row.order):
                await self._note_whether_deleted(row, is_deleted=row.shop_order not in found)
        await self._hand_on(found.values(), read_at)
        return found

    async def _note_whether_deleted(self, row: OrderRow, *, is_deleted: bool) -> None:
        if not is_deleted:
            await self._desk.resolve(_deleted(row.order), "system")
            return
        detail = f"the shop has deleted order {row.shop_order}, and here it is {row.state}"
        mend = f"wharfctl order cancel {row.order}, unless it is to be shipped all the same"
        await self._desk.raise_anomaly(Raise(_deleted(row.order), "order_deleted", detail, mend))

    async def _hand_on(self, orders: Iterable[ShopOrder | UnreadableOrder], read_at: float) -> None:
        """Hand on what is not as it was when it was handed on last; payments and returns change nothing."""
        again: list[ShopOrder | UnreadableOrder] = []
        contents: dict[str, tuple[int, int]] = {}
        for order in orders:
            id_ = order_id(self._channel, order.shop_order)
            last = self._handed_on.get(id_)
            content = _content(order, last)
            if content != last:
                again.append(order)
                contents[id_] = content
            elif isinstance(order, ShopOrder):
                self._intake.has_read(id_, read_at)
        await self._intake.take_again(again, read_at)
        self._handed_on.update(contents)

    async def _compare(self, page: Sequence[ShopStanding]) -> None:
        """Take in what was never seen, and name what ended here and not in the shop."""
        standings = {order_id(self._channel, each.shop_order): each for each in page}
        known = await self._journal.known_orders(standings)
        open_here = {row.order for row in await self._open_orders()}
        unseen = [
            each.shop_order
            for id_, each in standings.items()
            if id_ not in known and each.standing not in ("shipped", "cancelled")
        ]
        for begin in range(0, len(unseen), LOOK_MAX):
            read_at = trio.current_time()
            found = await self._shop.reread(unseen[begin : begin + LOOK_MAX])
            await self._intake.take(list(found.values()), read_at)
        for id_ in sorted(known - open_here):
            if standings[id_].standing in ("open", "unpaid"):
                with concerning(id_):
                    await self._contradicts(id_, standings[id_])

    async def _contradicts(self, id_: str, shown: ShopStanding) -> None:
        row = await self._journal.order_row(id_)
        if row is None or row.state not in ENDED_STAGES or row.state_since > self._clock() - STILL_TELLING:
            return
        name = _contradiction(id_)
        self._contradicting.add(name)
        detail = f"the shop shows order {shown.shop_order} as {shown.standing}, and here it is {row.state}"
        mend = f"wharfctl order show {id_}, and set its state in the shop right"
        await self._desk.raise_anomaly(Raise(name, "shop_contradicts", detail, mend))

    async def _forget_what_ended(self) -> None:
        """A deleted order that has come to its end here is nobody's matter any more."""
        for anomaly in await self._journal.anomalies(ANOMALIES_MAX):
            if anomaly.problem == "order_deleted":
                row = await self._journal.order_row(anomaly.anomaly.partition(":")[0])
                if row is not None and row.state in ENDED_STAGES:
                    await self._resolve_own(anomaly.anomaly)

    async def _resolve_own(self, anomaly: str) -> None:
        if anomaly.startswith(f"{self._channel}-"):
            await self._desk.resolve(anomaly, "system")


def _content(order: ShopOrder | UnreadableOrder, last: tuple[int, int] | None) -> tuple[int, int]:
    """Return digests of what is told, and of the words to whoever packs; a short copy has none to tell."""
    told = msgspec.structs.replace(order, raw=b"")
    words = last[1] if last is not None else 0
    if isinstance(told, ShopOrder):
        words = hash(msgspec.json.encode(told.packing)) if told.is_whole else words
        told = msgspec.structs.replace(told, packing=Packing(), is_whole=True)
    return hash(msgspec.json.encode(told)), words


def _deleted(id_: str) -> str:
    return f"{id_}:deleted"


def _contradiction(id_: str) -> str:
    return f"{id_}:contradicted"
