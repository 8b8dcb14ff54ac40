"""Divalto behind the ERP port: each document once, found by its reference, and the mapped depots' stock.

It owns the order of look-ups and writes and what an answer means for the caller. Fields are
`blocks` and `pieces`; how a site is reached is a `Transport`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import assert_never

import structlog

from actors.domain.documents import (
    ErpAdjustment,
    ErpCancellation,
    ErpDeliveryNote,
    ErpDocument,
    ErpOrder,
    ErpReception,
)
from actors.errors import MalformedError, OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from actors.ports import Contact, Outcome
from adapters.erps.divalto import blocks, pieces
from adapters.erps.divalto.blocks import Built
from adapters.erps.divalto.pieces import InexpressibleError, Piece
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.rest import RestTransport
from adapters.erps.divalto.text import reference
from adapters.erps.divalto.transport import Made, Transport
from adapters.erps.divalto.unsettled import Unsettled

NOTHING_TO_CLOSE = "no order"
"""The reference of a cancellation of an order that Divalto has never had: there is nothing to close."""

_log = structlog.get_logger()


class DivaltoErp:
    """One Divalto site as an `ErpPort`.

    Args:
        name: the ERP as the settings name it.
        settings: the site's profile.
        now: what time it is; read for the site's closed hours alone.
    """

    def __init__(
        self, name: str, settings: DivaltoSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._system = f"erp {name}"
        self._settings = settings
        self._unsettled = Unsettled(settings.settle_seconds)
        self._transport: Transport = RestTransport(self._system, settings, now)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def find(self, document: ErpDocument) -> Outcome | None:
        """Look the document up by its reference, across all stages and whether it is closed or not.

        A cancellation counts as done when no order of that reference is open: also when there is none at all
        (`NOTHING_TO_CLOSE`).

        Raises:
            UnreachableError, MalformedError: as everywhere; a look-up changes nothing.
        """
        settings = self._settings
        match document:
            case ErpOrder():
                return _outcome(await self._pieces_of_order(document.reference))
            case ErpDeliveryNote():
                found = await self._customer_pieces(reference(document.reference))
                return _outcome([piece for piece in found if piece.stage in (pieces.NOTE, pieces.INVOICE)])
            case ErpCancellation():
                found = await self._customer_pieces(reference(document.order_reference))
                if any(map(_is_open_order, found)):
                    return None
                return _outcome(found) or Outcome(NOTHING_TO_CLOSE)
            case ErpReception():
                return _outcome(
                    await self._pieces(pieces.SUPPLIER, settings.supplier, reference(document.reference))
                )
            case ErpAdjustment():
                return _outcome(
                    await self._pieces(pieces.INTERNAL, settings.internal, reference(document.reference))
                )
            case _:
                assert_never(document)

    async def carry_out(self, document: ErpDocument, contact: Contact | None) -> Outcome:
        """Write the document as one piece, asking Divalto to refuse a reference that exists.

        What is refused or answered with nonsense, and then is found under its reference, is there: its
        outcome is returned. `contact` is read for an order alone.

        Raises:
            UnreachableError: nothing was done.
            OutcomeUnknownError: it may have been done: `find` it.
            RefusedError: Divalto, or the shape of its columns, does not allow it.
            MalformedError: the answer made no sense, and the document is not there.
        """
        if self._settings.duplicate_check:
            return await self._carry_out(document, contact)
        found = await self.find(document)
        if found is not None:
            self._unsettled.settle(_doing(document))
            return found
        if self._unsettled.under_way(_doing(document)):
            raise UnreachableError(
                self._system, _doing(document), "an earlier attempt may still be under way"
            )
        try:
            done = await self._carry_out(document, contact)
        except OutcomeUnknownError:
            self._unsettled.lose(_doing(document))
            raise
        self._unsettled.settle(_doing(document))
        return done

    async def _carry_out(self, document: ErpDocument, contact: Contact | None) -> Outcome:
        if isinstance(document, ErpCancellation):
            return await self._close(document)
        try:
            built = await self._build(document, contact)
        except InexpressibleError as error:
            cannot = error
        else:
            return await self._write(document, built, contact)
        found = await self.find(document)  # a note that is already there has left its order no open lines
        if found is not None:
            return found
        raise RefusedError(self._system, _doing(document), str(cannot)) from cannot

    async def stock(self) -> Mapping[str, Mapping[str, int]]:
        """Return the units of sellable nature by warehouse and SKU; a part of a unit counts for nothing.

        Every mapped warehouse is there, also when its depot is empty. Depots that are not mapped are not
        read.
        """
        return {
            warehouse: await self._depot_stock(depot)
            for warehouse, depot in sorted(self._settings.depots.items())
        }

    # --- reading ---

    async def _pieces(self, ticod: str, tiers: str, wanted: str) -> list[Piece]:
        found = await self._transport.pieces(ticod, tiers, wanted)
        return [piece for piece in found if piece.reference == wanted]  # a collation may know no case

    async def _customer_pieces(self, wanted: str) -> list[Piece]:
        found: list[Piece] = []
        for tiers in self._settings.web_customers:
            found += await self._pieces(pieces.CUSTOMER, tiers, wanted)
        return found

    async def _pieces_of_order(self, order: str) -> list[Piece]:
        """Return the order's pieces, or its delivery notes where the site removes delivered orders."""
        wanted = reference(order)
        found = await self._customer_pieces(wanted)
        if found or wanted != order:
            return found
        for tiers in self._settings.web_customers:
            found += await self._transport.pieces_beginning(pieces.CUSTOMER, tiers, f"{wanted}.")
        return [piece for piece in found if piece.reference.startswith(f"{wanted}.")]

    async def _depot_stock(self, depot: str) -> Mapping[str, int]:
        units: dict[pieces.Article, Decimal] = {}
        for row in await self._transport.stock(depot):
            if row.depot == depot and row.nature in self._settings.natures:
                units[row.article] = units.get(row.article, Decimal(0)) + row.units
        return {
            pieces.sku_of(article, self._settings): int(total.to_integral_value(ROUND_FLOOR))
            for article, total in units.items()
        }

    # --- writing ---

    async def _build(
        self, document: ErpOrder | ErpDeliveryNote | ErpReception | ErpAdjustment, contact: Contact | None
    ) -> Built:
        match document:
            case ErpOrder():
                return blocks.order(document, contact, self._settings)
            case ErpDeliveryNote():
                return await self._build_delivery_note(document)
            case ErpReception():
                return blocks.reception(document, self._settings)
            case ErpAdjustment():
                return blocks.adjustment(document, self._settings)
            case _:
                assert_never(document)

    async def _build_delivery_note(self, document: ErpDeliveryNote) -> Built:
        found = await self._customer_pieces(reference(document.order_reference))
        for piece in found:
            if _is_open_order(piece):
                return blocks.delivery_note(
                    document, piece, await self._transport.open_lines(piece), self._settings
                )
        if found:
            raise InexpressibleError(f"the order is {found[0].name} by now and nothing of it is open")
        raise InexpressibleError(f"the order {document.order_reference} is not there")

    async def _close(self, document: ErpCancellation) -> Outcome:
        found = await self._customer_pieces(reference(document.order_reference))
        for piece in found:
            if _is_open_order(piece):
                await self._write(document, blocks.closing(piece, self._settings), None)
        return _outcome(found) or Outcome(NOTHING_TO_CLOSE)

    async def _write(self, document: ErpDocument, built: Built, contact: Contact | None) -> Outcome:
        if built.changed:
            _log.info(
                "divalto_text_changed",
                system=self._system,
                document=_doing(document),
                columns=built.changed,
            )
        trouble: RefusedError | MalformedError
        try:
            made = await self._transport.integrate(built.data, _personal(contact))
        except (RefusedError, MalformedError) as error:
            trouble = error
        else:
            self._compare(document, built, made)
            if made.name:
                return Outcome(made.name)
            trouble = MalformedError(self._system, _doing(document), "it was accepted, but without a number")
        found = await self._found_after(document, trouble)
        if found is None:
            raise trouble
        return found

    def _compare(self, document: ErpDocument, built: Built, made: Made) -> None:
        """Tell when Divalto's amount is not ours: its prices, discounts or foot are not the shop's."""
        if built.amount is None or made.amount is None:
            return
        if abs(built.amount - made.amount) > self._settings.amount_tolerance:
            _log.warning(
                "divalto_amount_differs",
                system=self._system,
                document=_doing(document),
                ours=str(built.amount),
                theirs=str(made.amount),
            )

    async def _found_after(self, document: ErpDocument, error: PartnerError) -> Outcome | None:
        """Look whether the document is there in spite of `error`; if that fails too, nothing is known."""
        try:
            return await self.find(document)
        except PartnerError as unseen:
            raise OutcomeUnknownError(self._system, _doing(document), error.why) from unseen


def _outcome(found: Sequence[Piece]) -> Outcome | None:
    """Return what a document is best known by: the order before what came of it, the oldest of several."""
    if not found:
        return None
    stages = (pieces.ORDER, pieces.NOTE, pieces.INVOICE, pieces.QUOTE)
    rank = {stage: place for place, stage in enumerate(stages)}
    first = min(found, key=lambda piece: (rank.get(piece.stage, len(rank)), len(piece.number), piece.number))
    return Outcome(first.name)


def _is_open_order(piece: Piece) -> bool:
    return piece.stage == pieces.ORDER and piece.state == pieces.ACTIVE


def _doing(document: ErpDocument) -> str:
    named = document.order_reference if isinstance(document, ErpCancellation) else document.reference
    return f"{type(document).__name__} {named}"


def _personal(contact: Contact | None) -> tuple[str, ...]:
    if contact is None:
        return ()
    return tuple(getattr(contact, name) for name in contact.__struct_fields__)
