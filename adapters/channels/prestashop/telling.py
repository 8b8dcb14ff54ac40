"""Telling the shop how an order stands and how its parcels are followed: each once, however often asked.

The shop's own writes are not idempotent (each POST of a status adds a row, and may mail), so everything is
read first, and read again when an answer was lost, not before the write can have ended.
"""

import re
from collections.abc import Collection, Sequence

import trio

from actors.domain.documents import ShopDocument, ShopState, ShopStatus, ShopTracking
from actors.errors import OutcomeUnknownError, RefusedError
from actors.ports.partner import Outcome
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import Row, reference_to, text
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.writes import new_history, new_tracking, tracking_change

TRACKING = re.compile(r"[~:#,%&_=()\[\].? +\-@/a-zA-Z0-9]{1,64}")
"""What the shop takes as a tracking number (seen: 70 characters and an accent refused with code 85)."""

UNSETTLED_MAX = 1000
"""Orders with a lost answer that are remembered; the outbox sends far fewer at a time."""


class Telling:
    """Brings one shop's orders to show what our documents say."""

    def __init__(self, webservice: Webservice, settings: PrestaShopSettings) -> None:
        self._webservice = webservice
        self._settings = settings
        self._state_of = settings.shown_as
        self._shipped = settings.shipped_states
        self._cancelled = settings.cancelled_states
        self._known_states: set[int] = set()
        self._unsettled: dict[str, float] = {}
        # A daemon before this one may have died over a write that is still under way in the shop.
        self._settled_at = trio.current_time() + settings.settle_seconds

    async def find(self, document: ShopDocument) -> Outcome | None:
        """Look whether the shop shows it already; waits first where a lost write may still be under way."""
        settled_at = self._unsettled.get(document.shop_order, self._settled_at)
        await trio.sleep_until(settled_at)
        self._unsettled.pop(document.shop_order, None)
        if isinstance(document, ShopStatus):
            return await self._find_status(document)
        return await self._find_tracking(document)

    async def carry_out(self, document: ShopDocument) -> Outcome:
        """Bring the shop to show it.

        Raises:
            RefusedError: the shop has no such order or state, or the tracking number is none to it.
            OutcomeUnknownError: an answer was lost; `find` tells.
        """
        shown = await self.find(document)
        if shown is not None:
            return shown
        if isinstance(document, ShopStatus):
            await self._post_status(document)
        else:
            await self._write_tracking(document)
        shown = await self.find(document)
        if shown is None:
            why = "the shop said yes and does not show it"
            raise OutcomeUnknownError(self._webservice.system, f"tell order {document.shop_order}", why)
        return shown

    async def _write(self, document: ShopDocument, method: str, path: str, body: bytes, **query: str) -> None:
        """Write to the shop; a lost answer is remembered until the write must have ended."""
        try:
            await self._webservice.write(method, path, body, **query)
        except OutcomeUnknownError:
            self._unsettled[document.shop_order] = trio.current_time() + self._settings.settle_seconds
            if len(self._unsettled) > UNSETTLED_MAX:
                del self._unsettled[next(iter(self._unsettled))]
            raise

    # --- status

    async def _find_status(self, document: ShopStatus) -> Outcome | None:
        order = await self._order(document)
        current = reference_to(order, "current_state")
        wanted = self._state_of[document.status]
        query = {"filter[id_order]": f"[{reference_to(order, 'id')}]", "sort": "[id_ASC]"}
        history = await self._webservice.rows("order_histories", "[id,id_order_state,id_employee]", **query)
        rows = (row for row in history if reference_to(row, "id_order_state") == wanted)
        # What an employee set and took back again was not told by us.
        shown = next((row for row in rows if current == wanted or not reference_to(row, "id_employee")), None)
        if shown is None:
            return self._superseded(document.status, current)
        if self._fell_on_a_cancel(history):
            cancelled = self._state_of["cancelled"]
            body = new_history(reference_to(order, "id"), cancelled)
            await self._write(document, "POST", "/api/order_histories", body)
            return Outcome(reference=f"superseded by state {cancelled}")
        return Outcome(reference=str(reference_to(shown, "id")))

    def _fell_on_a_cancel(self, history: Sequence[Row]) -> bool:
        """Tell whether a status of ours hides a cancellation that came between our look and our write.

        The shop has no conditional write. A cancellation that was overwritten would never be polled, so it is
        given back: the shop shows it again, and the next poll brings it. What an employee set stands.
        """
        ours = {self._state_of["preparing"], self._state_of["backordered"]}
        last_of_others = 0
        hidden = False
        for row in history:
            state = reference_to(row, "id_order_state")
            hidden = state in ours and reference_to(row, "id_employee") == 0
            last_of_others = last_of_others if hidden else state
        return hidden and last_of_others in self._cancelled

    def _superseded(self, status: ShopState, current: int) -> Outcome | None:
        """Return an outcome where the shop is beyond the status already, so that it is not thrown back."""
        beyond: Collection[int] = ()
        match status:
            case "preparing" | "backordered":
                beyond = (*self._shipped, *self._cancelled)
            case "shipped":
                beyond = self._shipped
            case "cancelled":
                beyond = self._cancelled
        return Outcome(reference=f"superseded by state {current}") if current in beyond else None

    async def _post_status(self, document: ShopStatus) -> None:
        order = await self._order(document)
        wanted = self._state_of[document.status]
        doing = f"set order {document.shop_order} to {document.status}"
        if document.status == "cancelled" and reference_to(order, "current_state") in self._shipped:
            raise RefusedError(self._webservice.system, doing, "the shop shows it as shipped")
        if wanted not in self._known_states:
            # An unknown state is answered by an empty 500, which would look like a lost answer for ever.
            rows = await self._webservice.rows("order_states", "[id]")
            self._known_states = {reference_to(row, "id") for row in rows}
            if wanted not in self._known_states:
                raise RefusedError(self._webservice.system, doing, f"the shop has no order state {wanted}")
        query = {"sendemail": "1"} if self._settings.mail else {}
        body = new_history(reference_to(order, "id"), wanted)
        await self._write(document, "POST", "/api/order_histories", body, **query)

    # --- tracking

    async def tracked(self, tellings: Sequence[ShopTracking]) -> Sequence[bool]:
        """Return of each whether the shop shows all of its tracking numbers; a write may be under way."""
        orders = {int(each.shop_order) for each in tellings if each.shop_order.isdigit()}
        display = "[id_order,tracking_number]"
        rows = await self._webservice.rows_by_ids("order_carriers", display, orders, field="id_order")
        shown: dict[str, set[str]] = {}
        for row in rows:
            shown.setdefault(str(reference_to(row, "id_order")), set()).add(text(row, "tracking_number"))
        return [shown.get(each.shop_order, set()).issuperset(_numbers(each)) for each in tellings]

    async def _find_tracking(self, document: ShopTracking) -> Outcome | None:
        wanted = _numbers(document)
        rows = await self._carrier_rows(document)
        shown = {text(row, "tracking_number") for row in rows}
        if any(number not in shown for number in wanted):
            return None
        reference = ",".join(str(reference_to(row, "id")) for row in rows)
        return Outcome(reference=reference, tracking=wanted[0] if wanted else "")

    async def _write_tracking(self, document: ShopTracking) -> None:
        """Put each missing number into a free row, or a new one; what stands there is left alone."""
        doing = f"set the tracking of order {document.shop_order}"
        rows = await self._carrier_rows(document)
        shown = {text(row, "tracking_number") for row in rows}
        missing = [number for number in _numbers(document) if number not in shown]
        for number in missing:
            if TRACKING.fullmatch(number) is None:
                why = "no tracking number to the shop: 64 characters at most, without accents"
                raise RefusedError(self._webservice.system, doing, why)
        free = [reference_to(row, "id") for row in rows if not text(row, "tracking_number")]
        order = await self._order(document)
        for number in missing:
            if free:
                row_id = free.pop(0)
                path = f"/api/order_carriers/{row_id}"
                await self._write(document, "PATCH", path, tracking_change(row_id, number))
            else:
                body = new_tracking(reference_to(order, "id"), reference_to(order, "id_carrier"), number)
                await self._write(document, "POST", "/api/order_carriers", body)

    async def _carrier_rows(self, document: ShopTracking) -> list[Row]:
        query = {"filter[id_order]": f"[{document.shop_order}]", "sort": "[id_ASC]"}
        return await self._webservice.rows("order_carriers", "[id,id_carrier,tracking_number]", **query)

    async def _order(self, document: ShopDocument) -> Row:
        shop_order = document.shop_order
        order = None
        if shop_order.isdigit():
            display = "[id,current_state,id_carrier]"
            order = await self._webservice.row("orders", int(shop_order), display)
        if order is None:
            raise RefusedError(
                self._webservice.system, f"read order {shop_order}", "the shop has no such order"
            )
        return order


def _numbers(document: ShopTracking) -> Sequence[str]:
    """Return the parcels' tracking numbers, each once; a parcel without one cannot be followed."""
    return list(dict.fromkeys(parcel.tracking for parcel in document.parcels if parcel.tracking))
