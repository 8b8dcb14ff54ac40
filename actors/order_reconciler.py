"""Reads each order on all sides: its own stream, the ERP's pieces, the shop's order. It changes nothing.

Why they differ `actors.domain.order_reconciliation` says; this owns which orders are looked at, in what order
the sides are read, and how much that may cost the partners.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
import trio
from msgspec import Struct
from msgspec.structs import replace

from actors.domain.discrepancies import Discrepancy
from actors.domain.documents import ERP, ErpChange, ErpDeliveryNote, ErpOrder, ShopTracking
from actors.domain.erp_pieces import ErpPiece
from actors.domain.erp_stock import Underway
from actors.domain.order_draft import shop
from actors.domain.order_history import History, history
from actors.domain.order_reconciliation import Pieces, Shown, Sight, Standing, order_discrepancies
from actors.domain.order_state import effect_id
from actors.domain.partitions import order_stream
from actors.erp_books import ErpBooks
from actors.errors import PartnerError, UnreachableError
from actors.inspection import Inspection, OrderFilter
from actors.ports.journal import Journal, OrderRow
from actors.ports.shop import ShopPort

log = structlog.get_logger(__name__)

OPEN_STAGES = ("new", "held", "routing", "allocating", "backordered", "picking", "packed")

LOOK_BACK = timedelta(days=7)
"""Orders that ended longer ago were looked at for a week of nights, and come back if the ERP touches them."""

ORDERS_MAX = 20_000
"""Orders looked at in a night: a week of 3,000 a day. The report says when there are more."""

TOGETHER = 200
"""Orders held at once: the journal answers the reads of so many together."""

LOOK_UPS_MAX = 500
"""Orders looked up one by one at the ERP, some 100 ms each; the others are looked at the next time."""

TRACKED_BACK = timedelta(days=2)
"""The shop is asked for the tracking of what it was told of since yesterday, hundreds of orders at a time."""

SAME_MOMENT = timedelta(seconds=5)
"""What an order did so shortly before the partners were read may still have been on its way."""

STANDINGS: Mapping[str, Standing] = {
    "open": "open",
    "unpaid": "unpaid",
    "cancelled": "cancelled",
    "shipped": "shipped",
}


class OrdersLook(Struct, frozen=True):
    """What was found at one look.

    Attributes:
        compared, moving: how many orders; how many were on the move and are left to the next look.
        unread: what could not be read, for a person; empty when everything could.
        certain: the orders that were seen for certain, each with "erp" or its shop as the outbox names it.
        vanished: notes that the ERP had booked and has no more.
    """

    compared: int
    moving: int
    unread: tuple[str, ...]
    certain: frozenset[tuple[str, str]]
    discrepancies: tuple[Discrepancy, ...]
    vanished: tuple[Underway, ...]


class _Theirs(Struct):
    """The ERP's pieces by the reference on them, and which orders were looked up for certain."""

    by_reference: dict[str, list[ErpPiece]]
    by_order: dict[str, set[str]]
    certain: set[str]
    is_read: bool

    def add(self, pieces: Iterable[ErpPiece]) -> None:
        """Take in pieces; of one that is there already the first copy stays, as it tells who touched it."""
        for piece in pieces:
            known = self.by_reference.setdefault(piece.reference, [])
            if piece.reference and all(other.number != piece.number for other in known):
                known.append(piece)
                self.by_order.setdefault(piece.reference.partition(".")[0], set()).add(piece.reference)


class OrderReconciler:
    """Reconciles the orders of all channels."""

    def __init__(
        self, shops: Mapping[str, ShopPort], books: ErpBooks | None, journal: Journal, inspection: Inspection
    ) -> None:
        self._shops = shops
        self._books = books
        self._journal = journal
        self._inspection = inspection

    async def look(
        self,
        now: datetime,
        anomalies: Collection[str],
        differing: Collection[str] = (),
        channel: str | None = None,
    ) -> OrdersLook:
        """Compare the open orders, those that ended lately, and those that the ERP touched lately.

        A partner that cannot be read is told in `unread`, and its side left out.

        Args:
            now: when the look begins.
            anomalies: the names of those that are open.
            differing: older orders that have to be looked at as well, as they differed before.
            channel: only this channel's orders.
        """
        look = _Look(now)
        rows = await self._rows(now, channel, look.unread)
        theirs = await self._theirs(now, look.unread)
        others = (theirs.by_order.keys() | set(differing)) - rows.keys()
        rows |= await self._older(others, channel)
        shown = await self._shown(rows.values(), look.unread)
        latest = sorted(rows, key=lambda name: (rows[name].state_since, name), reverse=True)
        for begin in range(0, len(latest), TOGETHER):
            histories = await self._histories(latest[begin : begin + TOGETHER], look)
            await self._look_up(histories, theirs, look)
            await self._see_tracking(histories, shown, look)
            for name, told in histories.items():
                look.take(
                    Sight(told, self._pieces_of(told, theirs), shown.get(name, Shown()), anomalies, now)
                )
        return look.told()

    # --- our side ---

    async def _rows(self, now: datetime, channel: str | None, unread: list[str]) -> dict[str, OrderRow]:
        open_ = await self._inspection.find_orders(
            OrderFilter(states=OPEN_STAGES, channel=channel or ""), ORDERS_MAX
        )
        ended = await self._inspection.find_orders(
            OrderFilter(channel=channel or "", moved_after=now - LOOK_BACK), ORDERS_MAX
        )
        if len(open_) == ORDERS_MAX or len(ended) == ORDERS_MAX:
            unread.append(f"more than {ORDERS_MAX} orders: the latest were left out")
        return {row.order: row for row in (*open_, *ended)}

    async def _older(self, names: Collection[str], channel: str | None) -> dict[str, OrderRow]:
        """Return those of these names that are orders of ours."""
        found: dict[str, OrderRow] = {}
        for name in sorted(await self._journal.known_orders(names))[:ORDERS_MAX]:
            row = await self._journal.order_row(name)
            if row is not None and channel in (None, row.channel):
                found[name] = row
        return found

    async def _histories(self, names: Sequence[str], look: "_Look") -> dict[str, History]:
        """Return the orders that stood still; the others are counted."""
        found: dict[str, History] = {}

        async def read(name: str) -> None:
            recorded = await self._journal.read(order_stream(name))
            events = [(each.event, each.at) for each in recorded]
            if not events or events[-1][1] >= look.now - SAME_MOMENT:
                look.moving += 1
            else:
                found[name] = history(events)  # type: ignore[arg-type] # an order's stream

        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(read, name)
        return found

    # --- the ERP's side ---

    async def _theirs(self, now: datetime, unread: list[str]) -> _Theirs:
        theirs = _Theirs({}, {}, set(), is_read=self._books is not None)
        if self._books is None:
            return theirs
        try:
            pieces, _ = await self._books.changed(self._books.position(now - LOOK_BACK))
        except UnreachableError as error:  # this site may not tell: orders are looked up one by one
            log.info("erp_changes_not_told", why=str(error))
        except PartnerError as error:
            unread.append(f"the ERP: {error}")
            theirs.is_read = False
        else:
            theirs.add(pieces)
        return theirs

    async def _look_up(self, histories: Mapping[str, History], theirs: _Theirs, look: "_Look") -> None:
        """Look for what is missing under its own reference: it may only not have been touched for long."""
        books = self._books
        if books is None or not theirs.is_read:
            return
        missing = [name for name, told in histories.items() if self._is_missing(told, theirs)]
        taken = missing[: LOOK_UPS_MAX - look.looked_up]
        look.looked_up += len(taken)
        look.not_looked_up += len(missing) - len(taken)
        try:
            for name in taken:
                theirs.add(await books.pieces(name))
                theirs.certain.add(name)
        except PartnerError as error:
            look.unread.append(f"the ERP: {error}")
            theirs.is_read = False

    def _is_missing(self, told: History, theirs: _Theirs) -> bool:
        """Return whether anything that the ERP has taken is not among the pieces that were read."""
        books = self._books
        if books is None:
            return False
        booked = [
            asked.document.reference
            for asked in told.asked.values()
            if asked.outcome == "done" and isinstance(asked.document, ErpOrder | ErpDeliveryNote)
        ]
        return any(books.named(name) not in theirs.by_reference for name in booked)

    def _pieces_of(self, told: History, theirs: _Theirs) -> Pieces | None:
        books = self._books
        if books is None or not theirs.is_read:
            return None
        name = told.order.id
        if self._is_missing(told, theirs) and name not in theirs.certain:
            return None  # it could not be looked up, so nobody knows
        ours = books.named(name)
        notes = {books.named(part): part for part in told.order.parts}
        bearing = {reference for reference in theirs.by_order.get(ours, ()) if reference != ours}
        of_notes = {
            notes.get(reference, reference): tuple(theirs.by_reference[reference])
            for reference in sorted(bearing | (notes.keys() & theirs.by_reference.keys()))
        }
        of_order = tuple(theirs.by_reference.get(ours, ()))
        return Pieces(of_order, of_notes, _remark(books, told, of_order))

    # --- the shop's side ---

    async def _shown(self, rows: Collection[OrderRow], unread: list[str]) -> dict[str, Shown]:
        found: dict[str, Shown] = {}
        for channel, port in self._shops.items():
            mine = [row for row in rows if row.channel == channel]
            try:
                standings = await _standings(port, {row.shop_order for row in mine})
            except PartnerError as error:
                unread.append(f"the shop {channel}: {error}")
                continue
            for row in mine:
                standing = standings.get(row.shop_order)
                if standing is not None:
                    found[row.order] = Shown(STANDINGS.get(standing, "unread"))
                elif row.shop_order.isdecimal():
                    found[row.order] = Shown("deleted")
        return found

    async def _see_tracking(
        self, histories: Mapping[str, History], shown: dict[str, Shown], look: "_Look"
    ) -> None:
        """Ask each shop, by one question, whether it shows the parcels that it was told of lately."""
        lately: dict[str, dict[str, ShopTracking]] = {}
        for name, told in histories.items():
            telling = _last_tracking(told, look.now - TRACKED_BACK)
            if telling is not None and shown.get(name, Shown()).standing not in ("unread", "deleted"):
                lately.setdefault(told.order.facts.channel, {})[name] = telling
        for channel, tellings in lately.items():
            if channel in look.silent:
                continue
            try:
                tracked = await self._shops[channel].tracked(tuple(tellings.values()))
            except PartnerError as error:
                look.unread.append(f"the tracking in the shop {channel}: {error}")
                look.silent.add(channel)
                continue
            for name, is_shown in zip(tellings, tracked, strict=True):
                shown[name] = replace(shown[name], tracking=is_shown)


@dataclass(slots=True)
class _Look:
    """One look as it goes on: what it has found, what it has cost the partners so far, and who is silent."""

    now: datetime
    compared: int = 0
    moving: int = 0
    looked_up: int = 0
    not_looked_up: int = 0
    unread: list[str] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    certain: set[tuple[str, str]] = field(default_factory=set)
    found: list[Discrepancy] = field(default_factory=list)
    vanished: list[Underway] = field(default_factory=list)

    def take(self, sight: Sight) -> None:
        """Take one order into the account."""
        order = sight.history.order
        self.compared += 1
        self.found += order_discrepancies(sight)
        self.vanished += _vanished(sight.history, sight.pieces)
        if sight.pieces is not None:
            self.certain.add((ERP, order.id))
        if sight.shown.standing != "unread":
            self.certain.add((shop(order), order.id))

    def told(self) -> OrdersLook:
        """Return what was found."""
        unread = list(self.unread)
        if self.not_looked_up:
            unread.append(f"{self.not_looked_up} orders were not looked up at the ERP")
        found = sorted(self.found, key=lambda each: each.subject)
        return OrdersLook(
            self.compared,
            self.moving,
            tuple(unread),
            frozenset(self.certain),
            tuple(found),
            tuple(self.vanished),
        )


async def _standings(port: ShopPort, wanted: Collection[str]) -> dict[str, str]:
    """Return how these orders stand, as far as the shop still has them."""
    numbers = sorted(int(name) for name in wanted if name.isdecimal())
    if not numbers:
        return {}
    found: dict[str, str] = {}
    after, last = str(numbers[0] - 1), numbers[-1]
    while page := await port.survey(after):
        found.update((each.shop_order, each.standing) for each in page if each.shop_order in wanted)
        after = page[-1].shop_order
        if int(after) >= last:
            break
    return found


def _remark(books: ErpBooks, told: History, of_order: Sequence[ErpPiece]) -> str:
    """Return what is wrong with the amount of an order that is as it was asked for."""
    asked = told.asked.get(effect_id("erp-order", told.order.id))
    is_changed = any(isinstance(each.document, ErpChange) for each in told.asked.values())
    if asked is None or is_changed or not isinstance(asked.document, ErpOrder) or len(of_order) != 1:
        return ""
    return books.remark_on(asked.document, of_order[0].amount)


def _last_tracking(told: History, since: datetime) -> ShopTracking | None:
    """Return the parcels that the shop took last, if that was lately and it was told of none since."""
    tellings = [asked for asked in told.asked.values() if isinstance(asked.document, ShopTracking)]
    if not tellings or tellings[-1].outcome != "done" or tellings[-1].at < since:
        return None
    document = tellings[-1].document
    return document if isinstance(document, ShopTracking) else None


def _vanished(told: History, pieces: Pieces | None) -> Iterable[Underway]:
    """Return the notes that the ERP had booked and has no more."""
    if pieces is None:
        return
    for asked in told.asked.values():
        document = asked.document
        if asked.outcome != "done" or not isinstance(document, ErpDeliveryNote):
            continue
        if not any(
            piece.stage in ("note", "invoice") for piece in pieces.of_notes.get(document.reference, ())
        ):
            yield Underway(document, asked.asked_at, asked.at, asked.effect)
