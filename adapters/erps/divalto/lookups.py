"""Finds our documents in Divalto again, whatever has become of them: it owns by what each is found.

The rule itself stands in `pieces`. Nothing here writes.
"""

from collections.abc import Sequence
from typing import assert_never

from actors.domain.documents import (
    ErpAdjustment,
    ErpCancellation,
    ErpChange,
    ErpCustomer,
    ErpDeliveryNote,
    ErpDocument,
    ErpOrder,
    ErpReception,
    ErpReturn,
)
from actors.ports.partner import Outcome
from adapters.erps.divalto import blocks, changing, pieces
from adapters.erps.divalto.books import Books
from adapters.erps.divalto.pieces import InexpressibleError, Piece, amount_remark
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.reading import Reader
from adapters.erps.divalto.text import reference

NOTHING_TO_CLOSE = "no order"
"""The reference of a cancellation of an order that Divalto has never had: there is nothing to close."""


class LookUps:
    """Look-ups of one site.

    Args:
        settings: the site's profile.
        reader, books: the ways to read it.
    """

    def __init__(self, settings: DivaltoSettings, reader: Reader, books: Books) -> None:
        self._settings = settings
        self._reader = reader
        self._books = books

    async def find(self, document: ErpDocument) -> Outcome | None:
        """Look the document up; see `DivaltoErp.find`."""
        settings = self._settings
        match document:
            case ErpOrder():
                found = await self._pieces_of_order(document.reference)
                return outcome_of(found, remark=self._remark_on(document, found))
            case ErpDeliveryNote() | ErpReturn():
                found = await self.customer_pieces(reference(document.reference))
                return outcome_of([piece for piece in found if piece.stage in (pieces.NOTE, pieces.INVOICE)])
            case ErpCancellation():
                found = await self.customer_pieces(reference(document.order_reference))
                if any(map(is_open_order, found)):
                    return None
                return outcome_of(found) or Outcome(NOTHING_TO_CLOSE)
            case ErpChange():
                return await self._find_change(document)
            case ErpCustomer():
                tiers = pieces.tiers_of(document.reference)
                return Outcome(tiers) if await self._books.customer(tiers) is not None else None
            case ErpReception():
                ours = reference(document.reference)
                return outcome_of(await self._reader.pieces(pieces.SUPPLIER, settings.supplier, ours))
            case ErpAdjustment():
                ours = reference(document.reference)
                return outcome_of(await self._reader.pieces(pieces.INTERNAL, settings.internal, ours))
            case _:
                assert_never(document)

    async def customer_pieces(self, wanted: str) -> list[Piece]:
        """Return every piece of that reference that stands under a customer of ours."""
        if self._settings.customer_policy == "each":
            return await self._reader.pieces(pieces.CUSTOMER, "", wanted)
        found: list[Piece] = []
        for tiers in self._settings.web_customers:
            found += await self._reader.pieces(pieces.CUSTOMER, tiers, wanted)
        return found

    async def open_order(self, order: str) -> Piece | None:
        """Return the order's piece as long as something of it may be open.

        Raises:
            InexpressibleError: the order is there, but nothing of it is open any more.
        """
        found = await self.customer_pieces(reference(order))
        for piece in found:
            if is_open_order(piece):
                return piece
        if found:
            raise InexpressibleError(f"the order is {found[0].name} by now and nothing of it is open")
        return None

    async def _pieces_of_order(self, order: str) -> list[Piece]:
        """Return the order's pieces, or its delivery notes where the site removes delivered orders."""
        wanted = reference(order)
        found = await self.customer_pieces(wanted)
        if found or wanted != order:
            return found
        each = self._settings.customer_policy == "each"
        for tiers in ("",) if each else self._settings.web_customers:
            found += await self._reader.pieces_beginning(pieces.CUSTOMER, tiers, f"{wanted}.")
        return found

    async def _find_change(self, document: ErpChange) -> Outcome | None:
        try:
            piece = await self.open_order(document.order_reference)
            if piece is None:
                return None
            wanted = changing.change(document, piece, await self._reader.open_lines(piece), self._settings)
        except InexpressibleError:
            return None
        return Outcome(piece.name) if wanted is None else None

    def _remark_on(self, document: ErpOrder, found: Sequence[Piece]) -> str:
        """Compare the amount of an order that nobody has touched yet."""
        if len(found) != 1 or not is_open_order(found[0]):
            return ""
        return amount_remark(blocks.order_amount(document, self._settings), found[0].amount, self._settings)


def outcome_of(found: Sequence[Piece], *, remark: str = "") -> Outcome | None:
    """Return what a document is best known by: the order before what came of it, the oldest of several."""
    if not found:
        return None
    stages = (pieces.ORDER, pieces.NOTE, pieces.INVOICE, pieces.QUOTE)
    rank = {stage: place for place, stage in enumerate(stages)}
    first = min(found, key=lambda piece: (rank.get(piece.stage, len(rank)), len(piece.number), piece.number))
    return Outcome(first.name, remark=remark)


def is_open_order(piece: Piece) -> bool:
    """Return whether something of an order may still be delivered, changed or closed."""
    return piece.stage == pieces.ORDER and piece.state == pieces.ACTIVE
