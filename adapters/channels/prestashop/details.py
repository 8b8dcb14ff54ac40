"""What the shop keeps about an order beside its row: lines in full, payments, returns, vouchers, messages.

It reads them in bulk, by named fields, and goes without what the key may not read. What an order needs to be
shipped is not here but in `reading.py`; this is what people want to know, and what is kept of the order as
the shop told it. No card numbers, no addresses of computers.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import unescape

import trio

from actors.ports.shop import Packing
from adapters.channels.prestashop.client import IDS_A_REQUEST, Webservice
from adapters.channels.prestashop.fields import FieldError, Row, parts, reference_to, text

LINE = (
    "[id,id_order,product_id,product_attribute_id,product_name,product_reference,product_ean13,product_quantity,"
    "product_quantity_refunded,product_quantity_return,product_weight,original_product_price,reduction_percent,"
    "reduction_amount_tax_incl,reduction_amount_tax_excl,unit_price_tax_incl,unit_price_tax_excl,"
    "total_price_tax_incl,total_price_tax_excl,ecotax]"
)
PAYMENT = "[id,order_reference,id_currency,amount,payment_method,transaction_id,date_add]"
PARCEL = (
    "[id,id_order,id_carrier,weight,shipping_cost_tax_incl,shipping_cost_tax_excl,tracking_number,date_add]"
)
VOUCHER = "[id,id_order,name,value,value_tax_excl,free_shipping]"
RETURN = "[id,id_order,question,state,date_add,date_upd]"
THREAD = "[id,id_order]"
MESSAGE = "[id,id_customer_thread,id_employee,message,private,date_add]"
CUSTOMIZATION = "[id,customized_data_text_fields[value],customized_data_images[value]]"
"""What is asked for of each; never everything."""

NOTES_MAX = 20
NOTE_CHARACTERS_MAX = 2_000
"""What somebody can read who packs; the rest stays in the shop."""

UNTOLD = "made for its customer, to be looked at in the shop"
"""Stands for what is to be on an article where the shop does not tell."""

PLAIN = re.compile(r"[\w-]+")
"""References that can stand in a filter: the shop's own are nine letters."""

Details = Mapping[str, Sequence[Row]]
"""Rows about one order, by what they are."""


class DetailReader:
    """Reads what one shop keeps about orders."""

    def __init__(self, webservice: Webservice) -> None:
        self._webservice = webservice

    async def read(self, orders: Sequence[Row]) -> Mapping[int, Details]:
        """Return what is kept about each of these orders, by the shop's ids.

        Raises:
            PartnerError: the shop did not answer, or with nonsense.
        """
        ids = [reference_to(row, "id") for row in orders]
        found: dict[int, dict[str, list[Row]]] = {order: {} for order in ids}
        async with trio.open_nursery() as nursery:
            for name, resource, display in (
                ("lines", "order_details", LINE),
                ("parcels", "order_carriers", PARCEL),
                ("vouchers", "order_cart_rules", VOUCHER),
                ("returns", "order_returns", RETURN),
            ):
                nursery.start_soon(self._of_orders, found, name, resource, display)
            nursery.start_soon(self._payments, found, orders)
            nursery.start_soon(self._messages, found)
            nursery.start_soon(self._customizations, found, orders)
        return found

    async def _of_orders(
        self, found: dict[int, dict[str, list[Row]]], name: str, resource: str, display: str
    ) -> None:
        rows = await self._webservice.rows_by_ids(resource, display, found, field="id_order", optional=True)
        for row in sorted(rows, key=lambda row: reference_to(row, "id")):
            order = found.get(reference_to(row, "id_order"))
            if order is not None:
                order.setdefault(name, []).append(row)

    async def _payments(self, found: dict[int, dict[str, list[Row]]], orders: Sequence[Row]) -> None:
        """Payments are of a reference, which several orders may share: a cart of two carriers makes two."""
        of_reference: dict[str, list[int]] = {}
        for row in orders:
            reference = str(row.get("reference", ""))
            if PLAIN.fullmatch(reference):
                of_reference.setdefault(reference, []).append(reference_to(row, "id"))
        references = sorted(of_reference)
        for start in range(0, len(references), IDS_A_REQUEST):
            some = "|".join(references[start : start + IDS_A_REQUEST])
            query = {"filter[order_reference]": f"[{some}]"}
            rows = await self._webservice.rows_if_allowed("order_payments", PAYMENT, **query)
            for row in sorted(rows, key=lambda row: reference_to(row, "id")):
                for order in of_reference.get(str(row.get("order_reference", "")), ()):
                    found[order].setdefault("payments", []).append(row)

    async def _messages(self, found: dict[int, dict[str, list[Row]]]) -> None:
        threads = await self._webservice.rows_by_ids(
            "customer_threads", THREAD, found, field="id_order", optional=True
        )
        order_of = {reference_to(row, "id"): reference_to(row, "id_order") for row in threads}
        rows = await self._webservice.rows_by_ids(
            "customer_messages", MESSAGE, order_of, field="id_customer_thread", optional=True
        )
        for row in sorted(rows, key=lambda row: reference_to(row, "id")):
            order = order_of.get(reference_to(row, "id_customer_thread"))
            if order is not None:
                found[order].setdefault("messages", []).append(row)

    async def _customizations(self, found: dict[int, dict[str, list[Row]]], orders: Sequence[Row]) -> None:
        """What a customer has had written on an article; most orders name none, and then nothing is asked."""
        order_of = {
            reference_to(part, "id_customization"): reference_to(row, "id")
            for row in orders
            for part in _lines(row)
        }
        rows = await self._webservice.rows_by_ids("customizations", CUSTOMIZATION, order_of, optional=True)
        for row in sorted(rows, key=lambda row: reference_to(row, "id")):
            order = order_of.get(reference_to(row, "id"))
            if order is not None:
                found[order].setdefault("customizations", []).append(row)


def _lines(order: Row) -> Sequence[Row]:
    try:
        return parts(order, "order_rows")
    except FieldError:
        return ()  # whoever reads the lines says what is wrong


def _customized(order: Row, details: Details) -> Iterator[str]:
    """Tell of each line that was made for its customer what is to stand on it.

    A shop does not tell of texts whose field the article has lost, nor of what a module keeps by itself, and
    a key may not read any: such a line is not like the others all the same.
    """
    rows = {reference_to(row, "id"): row for row in details.get("customizations", ())}
    for line in _lines(order):
        row = rows.get(reference_to(line, "id_customization"), {})
        told = [text(part, "value") for part in parts(row, "customized_data_text_fields")]
        told += ["an image, to be looked at in the shop" for _ in parts(row, "customized_data_images")]
        if reference_to(line, "id_customization"):
            article = text(line, "product_reference") or text(line, "product_name")
            yield f"{reference_to(line, 'product_quantity')} {article}: {' / '.join(told) or UNTOLD}"


def packing_of(order: Row, details: Details) -> Packing:
    """Return what whoever packs an order should read of it: what its customer wrote, and the shop's own note.

    What is to stand on an article that was made for the customer comes last.

    Messages between employees are theirs. The shop keeps a message as HTML, in which R&D is R&amp;D; its note
    and what a gift says it keeps as they were written. Pure.

    Raises:
        FieldError: a text is none.
    """
    written = [text(order, "note")]
    written += [
        unescape(text(row, "message"))
        for row in details.get("messages", ())
        if not reference_to(row, "private") and not reference_to(row, "id_employee")
    ]
    written += _customized(order, details)
    gift_message = text(order, "gift_message")
    return Packing(
        is_gift=bool(gift_message) or text(order, "gift") == "1",
        gift_message=gift_message[:NOTE_CHARACTERS_MAX],
        notes=tuple(note[:NOTE_CHARACTERS_MAX] for note in written if note)[-NOTES_MAX:],
    )
