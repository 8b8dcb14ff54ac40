"""Divalto behind the ERP port: each document once, found by its reference, and the mapped depots' stock.

It owns the order of look-ups and writes and what an answer means for the caller. Fields are `blocks`,
`changing` and `pieces`; how a document is found is `lookups`; how a site is reached is a `Transport`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import assert_never

import structlog

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
    about,
)
from actors.errors import MalformedError, OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from adapters.erps.divalto import blocks, changing, goods
from adapters.erps.divalto.blocks import Built
from adapters.erps.divalto.books import Books
from adapters.erps.divalto.flows import Flows
from adapters.erps.divalto.lookups import NOTHING_TO_CLOSE, LookUps, is_open_order, outcome_of
from adapters.erps.divalto.pieces import InexpressibleError, Piece, amount_remark, tiers_of
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.reading import Reader
from adapters.erps.divalto.shared import Shared
from adapters.erps.divalto.text import reference, unaccented
from adapters.erps.divalto.unsettled import Unsettled

_log = structlog.get_logger()


class DivaltoErp:
    """One Divalto site as an `ErpPort`.

    Args:
        name: the ERP as the settings name it.
        settings: the site's profile.
        now: what time it is, aware of its zone.

    Attributes:
        books: what the site knows beside our documents.
    """

    def __init__(
        self, name: str, settings: DivaltoSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._system = f"erp {name}"
        self._settings = settings
        self._unsettled = Unsettled(settings.settle_seconds)
        # Nobody knows whether the program behind a web hook passes on that a repeat is to be refused.
        self._refuses_repeats = settings.duplicate_check and settings.flows.write != "webhook"
        self._transport = Flows(self._system, settings, now)
        self._reader = Reader(self._system, settings, self._transport)
        self.books = Books(settings, self._reader, now)
        self._look_ups = LookUps(settings, self._reader, self.books)
        self._stock = Shared(self._read_stock)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def find(self, document: ErpDocument) -> Outcome | None:
        """Look the document up by its reference, across all stages and whether it is closed or not.

        A cancellation counts as done when no order of that reference is open: also when there is none at all
        (`NOTHING_TO_CLOSE`). A change counts as done when the order stands as is wanted.

        Raises:
            UnreachableError, MalformedError: as everywhere; a look-up changes nothing.
        """
        return await self._look_ups.find(document)

    async def carry_out(self, document: ErpDocument, contact: Contact | None) -> Outcome:
        """Write the document as one piece, asking Divalto to refuse a reference that exists.

        What is refused or answered with nonsense, and then is found under its reference, is there: its
        outcome is returned. `contact` is read for an order and a customer alone.

        Raises:
            UnreachableError: nothing was done.
            OutcomeUnknownError: it may have been done: `find` it.
            RefusedError: Divalto, or the shape of its columns, does not allow it.
            MalformedError: the answer made no sense, and the document is not there.
        """
        if self._refuses_repeats and not isinstance(document, ErpChange):
            return await self._carry_out(document, contact)
        # A change bears no reference that Divalto could refuse a second time.
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

    async def stock(self) -> Mapping[str, Mapping[str, int]]:
        """Return the units of sellable nature by warehouse and SKU; a part of a unit counts for nothing.

        Every mapped warehouse is there, also when its depot is empty. Depots that are not mapped are not
        read. Callers who wait at the same time, as after an outage, are answered by one reading.
        """
        return await self._stock.ask()

    async def _read_stock(self) -> Mapping[str, Mapping[str, int]]:
        reading = await self.books.stock_reading()
        units: dict[str, dict[str, Decimal]] = {warehouse: {} for warehouse in self._settings.depots}
        for line in reading.lines:
            if line.sellable:
                of_warehouse = units[line.warehouse]
                of_warehouse[line.sku] = of_warehouse.get(line.sku, Decimal(0)) + line.units
        return {
            warehouse: {sku: int(total.to_integral_value(ROUND_FLOOR)) for sku, total in skus.items()}
            for warehouse, skus in units.items()
        }

    # --- writing ---

    async def _carry_out(self, document: ErpDocument, contact: Contact | None) -> Outcome:
        if isinstance(document, ErpCancellation):
            return await self._close(document)
        try:
            built = await self._build(document, contact)
        except InexpressibleError as error:
            cannot = error
        else:
            if built is not None:
                return await self._write(document, built, contact)
            cannot = InexpressibleError("there is nothing to change")
        found = await self.find(document)  # a note that is already there has left its order no open lines
        if found is not None:
            return found
        raise RefusedError(self._system, _doing(document), str(cannot)) from cannot

    async def _build(
        self,
        document: ErpOrder
        | ErpDeliveryNote
        | ErpReception
        | ErpAdjustment
        | ErpCustomer
        | ErpChange
        | ErpReturn,
        contact: Contact | None,
    ) -> Built | None:
        settings = self._settings
        match document:
            case ErpOrder():
                tiers = await self._customer_for(document, contact)
                return blocks.order(document, tiers, contact, settings)
            case ErpDeliveryNote():
                piece = await self._open_order(document.order_reference)
                return blocks.delivery_note(document, piece, await self._reader.open_lines(piece), settings)
            case ErpChange():
                piece = await self._open_order(document.order_reference)
                return changing.change(document, piece, await self._reader.open_lines(piece), settings)
            case ErpReturn():
                found = await self._look_ups.customer_pieces(reference(document.order_reference))
                tiers = found[0].tiers if found else settings.customer_of(document.channel)
                return goods.credit(document, tiers, settings)
            case ErpCustomer():
                if contact is None:
                    raise InexpressibleError("a customer needs a name")
                return changing.customer(document.reference, contact, settings)
            case ErpReception():
                return goods.reception(document, settings)
            case ErpAdjustment():
                return goods.adjustment(document, settings)
            case _:
                assert_never(document)

    async def _open_order(self, order: str) -> Piece:
        piece = await self._look_ups.open_order(order)
        if piece is None:
            raise InexpressibleError(f"the order {order} is not there")
        return piece

    async def _customer_for(self, document: ErpOrder, contact: Contact | None) -> str:
        """Return whom the order stands under; where each person has a customer, make it if it is missing."""
        settings = self._settings
        if settings.customer_policy == "generic" or contact is None or not contact.customer:
            return settings.customer_of(document.channel)
        tiers = tiers_of(contact.customer)
        if await self.books.customer(tiers) is None:
            customer = ErpCustomer(contact.customer, document.channel, document.contact)
            await self._write(customer, changing.customer(contact.customer, contact, settings), contact)
        return tiers

    async def _close(self, document: ErpCancellation) -> Outcome:
        found = await self._look_ups.customer_pieces(reference(document.order_reference))
        for piece in found:
            if is_open_order(piece):
                await self._write(document, blocks.closing(piece, self._settings), None)
        return outcome_of(found) or Outcome(NOTHING_TO_CLOSE)

    async def _write(self, document: ErpDocument, built: Built, contact: Contact | None) -> Outcome:
        if built.changed:
            _log.info(
                "divalto_text_changed",
                system=self._system,
                document=_doing(document),
                columns=built.changed,
            )
        trouble: PartnerError
        try:
            made = await self._transport.integrate(built.data, _personal(contact))
        except (RefusedError, MalformedError) as error:
            trouble = error
        else:
            if made.name:
                return Outcome(made.name, remark=amount_remark(built.amount, made.amount, self._settings))
            nameless = MalformedError if made.settled else OutcomeUnknownError
            trouble = nameless(self._system, _doing(document), "it was accepted, but without a number")
        found = await self._found_after(document, trouble)
        if found is None:
            raise trouble
        return found

    async def _found_after(self, document: ErpDocument, error: PartnerError) -> Outcome | None:
        """Look whether the document is there in spite of `error`; if that fails too, nothing is known."""
        try:
            return await self.find(document)
        except PartnerError as unseen:
            raise OutcomeUnknownError(self._system, _doing(document), error.why) from unseen


def _doing(document: ErpDocument) -> str:
    return f"{type(document).__name__} {about(document)}"


def _personal(contact: Contact | None) -> tuple[str, ...]:
    """Return whatever a refusal may repeat of a person: as known, as it was sent, and without accents."""
    if contact is None:
        return ()
    known = [getattr(contact, name) for name in contact.__struct_fields__]
    sent = blocks.address_of(contact)[0].values()
    return (*known, *sent, *map(unaccented, sent))
