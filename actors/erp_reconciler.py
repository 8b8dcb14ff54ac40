"""Reads the ERP's stock beside the ledger's, and gathers what may lie between them. It changes nothing.

Why figures differ `actors.domain.erp_reconciliation` says; this owns what is read when, so that nothing that
happens meanwhile is taken for a difference.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
import trio
from msgspec import Struct
from msgspec.structs import replace

from actors.directory import Directory
from actors.domain.discrepancies import Discrepancy, Mend, command
from actors.domain.documents import ERP, ErpDocument
from actors.domain.erp_pieces import ErpMove
from actors.domain.erp_reconciliation import (
    Books,
    Figures,
    Refused,
    differing,
    figures,
    stock_discrepancies,
    whole_units,
)
from actors.domain.erp_stock import AsOf, Place, Underway
from actors.domain.order_history import history
from actors.domain.order_state import first_asked
from actors.domain.partitions import order_of, order_stream, stock_stream
from actors.domain.stock_events import StockMirrored
from actors.erp import opened_at
from actors.erp_books import ErpBooks, ErpStock
from actors.errors import UnreachableError
from actors.inspection import Inspection
from actors.ports.journal import Journal, OpenAnomaly, PendingEffect

log = structlog.get_logger(__name__)

PENDING_MAX = 100_000
"""Documents for the ERP that wait: those of a week's outage of a merchant with thousands of orders a day."""

MOVES_BACK = timedelta(days=35)
"""How far back pieces are looked through for what a user did: over a month's end."""

MIRRORED_MAX = 200
"""Movements of one SKU looked through for what was taken over; each is the answer to one difference."""

SECOND_LOOK_S = 2.0
"""An order hears of a dispatch, and asks for the note, within a second; what lasts longer is a difference."""

REFUSED = "refused_by_partner"


class StockLook(Struct, frozen=True):
    """What was found at one look.

    Attributes:
        began_at, ended_at: when the ERP's figures were read.
        compared: how many places.
        moving: "warehouse SKU" of those that moved meanwhile, and are left to the next look.
        traced: whether the site tells what its users booked.
        figures: of the places that differ.
    """

    began_at: datetime
    ended_at: datetime
    compared: int
    moving: frozenset[str]
    traced: bool
    figures: tuple[Figures, ...]
    discrepancies: tuple[Discrepancy, ...]


class _Reading(Struct, frozen=True):
    """Both sides at once: the ERP's reading, our figures, and what was in flight around it."""

    erp: ErpStock
    theirs: Mapping[Place, int]
    ours: Mapping[Place, int]
    underway: tuple[Underway, ...]
    moving: frozenset[Place]

    @property
    def places(self) -> list[Place]:
        return differing(self.theirs, self.ours, self.moving)


class ErpReconciler:
    """Reconciles all warehouses that the ERP knows."""

    def __init__(
        self, books: ErpBooks, journal: Journal, inspection: Inspection, directory: Directory
    ) -> None:
        self._books = books
        self._journal = journal
        self._inspection = inspection
        self._directory = directory

    async def look(self, anomalies: Sequence[OpenAnomaly], vanished: Sequence[Underway]) -> StockLook:
        """Compare every place, and return what differs and why.

        Where something is left that nothing explains, everything is read a second time, and only what lasts
        is told.

        Args:
            anomalies: those that are open.
            vanished: documents that the ERP had booked and has no more.

        Raises:
            PartnerError: as the ERP's books.
        """
        first = await self._explained(await self._read(), anomalies, vanished)
        if not any(each.cause == "unknown" for each in first.discrepancies):
            return first
        await trio.sleep(SECOND_LOOK_S)
        second = await self._explained(await self._read(), anomalies, vanished)
        lasting = {each.id for each in first.discrepancies}
        found = tuple(each for each in second.discrepancies if each.cause != "unknown" or each.id in lasting)
        differ = {each.subject for each in found}
        rows = tuple(row for row in second.figures if f"{row.warehouse} {row.sku}" in differ)
        return replace(second, figures=rows, discrepancies=found)

    async def _read(self) -> _Reading:
        before, asked_before = self._physical(), await self._pending()
        reading = await self._books.stock_reading()
        after, asked_after = self._physical(), await self._pending()
        read = frozenset(reading.warehouses)
        moving = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
        return _Reading(
            reading,
            _sellable(reading),
            {place: units for place, units in after.items() if place[0] in read},
            tuple(_underway(asked_before, asked_after, reading.ended_at)),
            frozenset(place for place in moving if place[0] in read),
        )

    def _physical(self) -> dict[Place, int]:
        return {
            (name, sku): shelf.on_hand
            for name, handle in self._directory.warehouses.items()
            for sku, shelf in handle.stock.shelves.items()
        }

    async def _pending(self) -> Sequence[PendingEffect]:
        return await self._journal.pending(ERP, PENDING_MAX)

    async def _explained(
        self, reading: _Reading, anomalies: Sequence[OpenAnomaly], vanished: Sequence[Underway]
    ) -> StockLook:
        places = reading.places
        as_of = AsOf(reading.erp.began_at, reading.erp.ended_at)
        books = Books(as_of, reading.theirs, reading.ours, reading.underway)
        traced = True
        if places:
            moves = await self._moves(places, anomalies, as_of.began_at)
            traced = moves is not None
            books = replace(
                books,
                refused=await self._refused(anomalies),
                vanished=tuple(vanished),
                moves=tuple(moves or ()),
                orders=await self._journal.known_orders({move.reference for move in moves or ()}),
                known_there=await self._known_there(reading, places),
                known_here=frozenset(sku for _, sku in places if self._directory.knows(sku)),
            )
        return StockLook(
            reading.erp.began_at,
            reading.erp.ended_at,
            len(reading.theirs.keys() | reading.ours.keys()) - len(reading.moving),
            frozenset(map(" ".join, reading.moving)),
            traced,
            figures(books, places),
            stock_discrepancies(books, places),
        )

    # --- what may lie between the figures ---

    async def _moves(
        self, places: Collection[Place], anomalies: Sequence[OpenAnomaly], now: datetime
    ) -> list[ErpMove] | None:
        """Return what the ERP's users booked in these places and the ledger has not taken over."""
        oldest = min((each.raised_at for each in anomalies), default=now)
        # The ERP's clock has whole seconds: what is of the second of the opening may be in it or not.
        opened = {name: await opened_at(name, self._journal) for name in {name for name, _ in places}}
        told = await self._books.moves(min(oldest, now) - MOVES_BACK)
        if told is None:
            return None
        wanted = frozenset(places)
        theirs = [
            move
            for move in told
            if not move.by_us
            and (move.warehouse, move.sku) in wanted
            and ((since := opened[move.warehouse]) is None or move.at >= since.replace(microsecond=0))
        ]
        ours = await self._ours(theirs)
        left = [move for move in theirs if (move.warehouse, move.reference) not in ours]
        mirrored = {
            place: await self._mirrored(place) for place in {(move.warehouse, move.sku) for move in left}
        }
        return [move for move in left if move.number not in mirrored[move.warehouse, move.sku]]

    async def _ours(self, moves: Iterable[ErpMove]) -> set[tuple[str, str]]:
        """Return which references in which warehouses are those of documents of ours that users touched."""
        references: dict[str, set[str]] = {}
        for move in moves:
            if move.reference:
                references.setdefault(move.warehouse, set()).add(move.reference)
        found: set[tuple[str, str]] = set()
        for warehouse, names in references.items():
            asked = await self._inspection.asked(stock_stream(warehouse), names)
            found |= {(warehouse, getattr(each.document, "reference", "")) for each in asked}
            orders = {name: name.partition(".")[0] for name in names if "." in name}
            known = await self._journal.known_orders(set(orders.values()))
            found |= {(warehouse, name) for name, order in orders.items() if order in known}
        return found

    async def _mirrored(self, place: Place) -> frozenset[str]:
        """Return the pieces that the ledger has taken over already."""
        booked = await self._inspection.movements(*place, MIRRORED_MAX)
        return frozenset(each.event.booked_as for each in booked if isinstance(each.event, StockMirrored))

    async def _refused(self, anomalies: Sequence[OpenAnomaly]) -> tuple[Refused, ...]:
        found: list[Refused] = []
        for each in anomalies:
            if each.problem != REFUSED:
                continue
            order = order_of(each.stream)
            effect = each.anomaly.partition("refused:")[2]
            if order is not None:
                found += await self._refused_of_order(order, effect, each.anomaly)
            elif effect.count(":") > 1:
                found += await self._refused_of_warehouse(effect, each)
        return tuple(found)

    async def _refused_of_order(self, order: str, effect: str, anomaly: str) -> list[Refused]:
        recorded = await self._journal.read(order_stream(order))
        asked = history((each.event, each.at) for each in recorded).asked  # type: ignore[misc] # an order's stream
        refused = asked.get(first_asked(effect))
        if refused is None or refused.outcome != "refused":
            return []
        mend = Mend("mend what it says, then have it asked for again", (command("order", "retry", order),))
        document: ErpDocument = refused.document  # type: ignore[assignment] # refused by the ERP
        return [Refused(Underway(document, refused.asked_at, refused.at, refused.effect), anomaly, mend)]

    async def _refused_of_warehouse(self, effect: str, anomaly: OpenAnomaly) -> list[Refused]:
        warehouse = effect.split(":")[1]
        mend = Mend(
            "book it at the ERP by hand, then settle the anomaly",
            (command("anomalies", "resolve", anomaly.anomaly),),
        )
        return [
            Refused(
                Underway(each.document, each.at, anomaly.raised_at, each.effect),  # type: ignore[arg-type] # the ERP's
                anomaly.anomaly,
                mend,
            )
            for each in await self._inspection.asked(stock_stream(warehouse), [effect])
        ]

    async def _known_there(self, reading: _Reading, places: Iterable[Place]) -> Collection[str] | None:
        """Return the ERP's SKUs, if some of ours has no stock there and may not be known at all."""
        if all(place in reading.theirs for place in places):
            return None
        try:
            return frozenset(article.sku for article in await self._books.articles())
        except UnreachableError as error:
            log.info("erp_articles_not_told", why=str(error))
            return None


def _sellable(reading: ErpStock) -> dict[Place, int]:
    units: dict[Place, Decimal] = {}
    for line in reading.lines:
        if line.sellable:
            place = (line.warehouse, line.sku)
            units[place] = units.get(place, Decimal(0)) + line.units
    return {place: whole_units(total) for place, total in units.items()}


def _underway(
    before: Sequence[PendingEffect], after: Sequence[PendingEffect], ended_at: datetime
) -> Iterable[Underway]:
    """Return what waited at any time of a reading; what waits no more was settled while it was read."""
    waiting = {each.effect for each in after}
    for each in {each.effect: each for each in (*before, *after)}.values():
        done_at = None if each.effect in waiting else ended_at
        yield Underway(each.document, each.requested_at, done_at, each.effect)  # type: ignore[arg-type] # the ERP's
