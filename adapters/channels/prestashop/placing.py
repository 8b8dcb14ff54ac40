"""Buying in a shop over its webservice, for rehearsals and tests against a real one.

Nothing of it is used in production. Every step is read back by something that is ours alone (the mail
address, the cart), so that a lost answer, or PHP's warning in front of it, makes nothing twice.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from lxml import etree
from msgspec import Struct

from actors.errors import MalformedError, OutcomeUnknownError, RefusedError
from actors.ports.people import Contact
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import reference_to, text, whole
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.stock import Stock
from adapters.channels.prestashop.writes import new_history

MODULE = "ps_wirepayment"
"""A payment module of every fresh installation; an unknown one kills PHP."""

Fields = Mapping[str, str | int]


class Terms(Struct, frozen=True):
    """What the shop's configuration says of its orders, by the shop's ids; else a fresh installation's."""

    customers: int = 3
    language: int = 1
    currency: int = 1
    paid: int = 2
    payment_error: int = 8
    preparing: int = 3
    backordered: int = 9
    shipped: int = 4
    cancelled: int = 6


CONFIGURATION = {
    "PS_CUSTOMER_GROUP": "customers",
    "PS_LANG_DEFAULT": "language",
    "PS_CURRENCY_DEFAULT": "currency",
    "PS_OS_PAYMENT": "paid",
    "PS_OS_ERROR": "payment_error",
    "PS_OS_PREPARATION": "preparing",
    "PS_OS_OUTOFSTOCK_PAID": "backordered",
    "PS_OS_SHIPPING": "shipped",
    "PS_OS_CANCELED": "cancelled",
}
"""The shop's names of them."""


class Placing:
    """Places orders in one shop, and cancels them, as a customer and the back office would.

    The key needs POST on addresses, carts, customers and orders beside what the adapter needs.
    """

    def __init__(self, settings: PrestaShopSettings, name: str) -> None:
        self._webservice = Webservice(settings, name)
        self._stock = Stock(self._webservice, settings, name)
        self._id_shop = settings.id_shop or 1
        self._terms: Terms | None = None
        self._countries: dict[str, int] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._webservice.aclose()

    async def terms(self) -> Terms:
        """Return what the shop is configured to; it is read once."""
        if self._terms is None:
            query = {"filter[name]": f"[{'|'.join(CONFIGURATION)}]"}
            rows = await self._webservice.rows("configurations", "[name,value]", **query)
            found = {CONFIGURATION.get(text(row, "name"), ""): reference_to(row, "value") for row in rows}
            self._terms = Terms(**{name: row_id for name, row_id in found.items() if name and row_id})
        return self._terms

    async def place(
        self,
        buyer: Contact,
        lines: Sequence[tuple[str, int]],
        *,
        carrier: int,
        password: str,
        known: Callable[[str], None] = lambda order: None,  # noqa: ARG005 - most callers wait for the answer
    ) -> str:
        """Place a paid order of (SKU, units) and return its id; `buyer.email` names this one order.

        Args:
            buyer: who buys; the mail address is used once, and the country is an ISO code.
            lines: what.
            carrier: the carrier's id_reference.
            password: of the new customer; nobody needs it again.
            known: called with the order's id before it is paid, so before anybody works on it.

        Raises:
            RefusedError: the shop does not sell it, or will not take the order.
        """
        customer = await self._customer(buyer, password)
        address = await self._address(customer, buyer)
        carrier_id = await self._carrier(carrier)
        cart = await self._cart(customer, address, carrier_id, lines)
        order = await self._order(customer, address, cart, carrier_id)
        known(str(order))
        await self._accept(order)
        return str(order)

    async def cancel(self, shop_order: str) -> None:
        """Cancel an order, as the back office does."""
        await self.set_state(shop_order, (await self.terms()).cancelled)

    async def set_state(self, shop_order: str, state: int) -> None:
        """Move an order to a state, unless it was in it before.

        Raises:
            OutcomeUnknownError: the answer was lost, and the state does not show.
        """
        lost: OutcomeUnknownError | None = None
        if await self._has_been_in(shop_order, state):
            return
        try:
            await self._webservice.write("POST", "/api/order_histories", new_history(int(shop_order), state))
        except OutcomeUnknownError as error:
            lost = error
        # Whoever works the order may have moved it on by now, so its history tells.
        if lost is not None and not await self._has_been_in(shop_order, state):
            raise lost

    async def _has_been_in(self, shop_order: str, state: int) -> bool:
        query = {"filter[id_order]": f"[{shop_order}]", "filter[id_order_state]": f"[{state}]"}
        return bool(await self._webservice.rows("order_histories", "[id]", **query))

    async def edit_address(self, shop_order: str, city: str) -> None:
        """Send an order to another city, as its customer may; the order's date does not move."""
        row = await self._webservice.row("orders", int(shop_order), "[id,id_address_delivery]")
        address = reference_to(row, "id_address_delivery") if row is not None else 0
        body = _document("address", {"id": address, "city": city})
        await self._webservice.write("PATCH", f"/api/addresses/{address}", body)

    async def annotate(self, shop_order: str, note: str) -> None:
        """Write the back office's note of an order."""
        body = _document("order", {"id": int(shop_order), "note": note})
        await self._webservice.write("PATCH", f"/api/orders/{shop_order}", body)

    async def refund(self, shop_order: str, units: int) -> None:
        """Refund so many units of an order's first line, as the back office does; no date of it moves."""
        order = await self._webservice.row("orders", int(shop_order), "[id,id_customer]")
        display = "[id,unit_price_tax_excl,unit_price_tax_incl]"
        query = {"filter[id_order]": f"[{shop_order}]", "sort": "[id_ASC]", "limit": "1"}
        lines = await self._webservice.rows("order_details", display, **query)
        if order is None or not lines:
            raise MalformedError(self._webservice.system, f"read order {shop_order}", "it has no lines")
        net, gross = (
            str(units * Decimal(text(lines[0], f"unit_price_tax_{kind}"))) for kind in ("excl", "incl")
        )
        fields: Fields = {
            "id_customer": reference_to(order, "id_customer"),
            "id_order": int(shop_order),
            "conversion_rate": 1,
            "total_products_tax_excl": net,
            "total_products_tax_incl": gross,
            "total_shipping_tax_excl": 0,
            "total_shipping_tax_incl": 0,
            "amount": gross,
            "partial": 1,
        }
        entry: Fields = {
            "id_order_detail": reference_to(lines[0], "id"),
            "product_quantity": units,
            "amount_tax_excl": net,
            "amount_tax_incl": gross,
        }
        entries = ("order_slip_details", "order_slip_detail", [entry])
        await self._webservice.write("POST", "/api/order_slip", _document("order_slip", fields, entries))

    async def delete(self, shop_order: str) -> None:
        """Delete an order."""
        await self._webservice.write("DELETE", f"/api/orders/{shop_order}", b"")

    async def _made(self, resource: str, body: bytes, **query: str) -> int:
        """POST unless there is one already; return the id by which `query` finds it.

        Raises:
            OutcomeUnknownError: the answer was lost, and it does not show (yet).
        """
        lost: OutcomeUnknownError | None = None
        for attempt in range(2):
            rows = await self._webservice.rows(resource, "[id]", sort="[id_DESC]", limit="1", **query)
            if rows:
                return reference_to(rows[0], "id")
            if attempt == 0:
                try:
                    await self._webservice.write("POST", f"/api/{resource}", body)
                except OutcomeUnknownError as error:
                    lost = error  # it is read back at once, since nothing else makes this row
        raise lost or RefusedError(self._webservice.system, f"POST /api/{resource}", "it was not made")

    async def _customer(self, buyer: Contact, password: str) -> int:
        first, _, last = buyer.name.partition(" ")
        terms = await self.terms()
        fields: Fields = {
            "id_default_group": terms.customers,
            "id_lang": terms.language,
            "active": 1,
            "firstname": first,
            "lastname": last or first,
            "email": buyer.email,
            "passwd": password,
        }
        groups = ("groups", "group", [{"id": terms.customers}])
        query = {"filter[email]": f"[{buyer.email}]"}
        return await self._made("customers", _document("customer", fields, groups), **query)

    async def _address(self, customer: int, buyer: Contact) -> int:
        if not self._countries:
            rows = await self._webservice.every_row("countries", "[id,iso_code]", 1000)
            self._countries = {text(row, "iso_code"): reference_to(row, "id") for row in rows}
        country = self._countries.get(buyer.country)
        if country is None:
            raise RefusedError(self._webservice.system, "POST /api/addresses", f"no country {buyer.country}")
        first, _, last = buyer.name.partition(" ")
        fields: Fields = {
            "id_customer": customer,
            "id_country": country,
            "alias": "Home",
            "lastname": last or first,
            "firstname": first,
            "address1": buyer.street,
            "postcode": buyer.postcode,
            "city": buyer.city,
            "phone": buyer.phone,
        }
        query = {"filter[id_customer]": f"[{customer}]"}
        return await self._made("addresses", _document("address", fields), **query)

    async def _carrier(self, reference: int) -> int:
        query = {"filter[id_reference]": f"[{reference}]", "filter[deleted]": "[0]", "sort": "[id_DESC]"}
        rows = await self._webservice.rows("carriers", "[id]", **query)
        if not rows:
            raise RefusedError(self._webservice.system, "GET /api/carriers", f"no carrier {reference}")
        return reference_to(rows[0], "id")

    async def _cart(self, customer: int, address: int, carrier: int, lines: Sequence[tuple[str, int]]) -> int:
        entries: list[Fields] = []
        for sku, units in lines:
            row_id = await self._stock.row_of(sku)
            display = "[id,id_product,id_product_attribute]"
            row = await self._webservice.row("stock_availables", row_id, display) if row_id else None
            if row is None:
                raise RefusedError(self._webservice.system, "POST /api/carts", f"the shop has no {sku}")
            entries.append(
                {
                    "id_product": whole(row, "id_product"),
                    "id_product_attribute": whole(row, "id_product_attribute"),
                    "id_address_delivery": address,
                    "quantity": units,
                }
            )
        terms = await self.terms()
        fields: Fields = {
            "id_currency": terms.currency,
            "id_lang": terms.language,
            "id_customer": customer,
            "id_address_delivery": address,
            "id_address_invoice": address,
            "id_carrier": carrier,
            "id_shop": self._id_shop,
            "id_shop_group": 1,
            # Without it the order's shipping is that of whatever carrier the shop prefers.
            "delivery_option": f'{{"{address}":"{carrier},"}}',
        }
        body = _document("cart", fields, ("cart_rows", "cart_row", entries))
        return await self._made("carts", body, **{"filter[id_customer]": f"[{customer}]"})

    async def _order(self, customer: int, address: int, cart: int, carrier: int) -> int:
        terms = await self.terms()
        fields: Fields = {
            "id_address_delivery": address,
            "id_address_invoice": address,
            "id_cart": cart,
            "id_currency": terms.currency,
            "id_lang": terms.language,
            "id_customer": customer,
            "id_carrier": carrier,
            "module": MODULE,
            "payment": "Bank wire",
            "current_state": terms.paid,
            "total_paid": "1",
            "total_paid_real": "1",
            "total_products": "1",
            "total_products_wt": "1",
            "conversion_rate": "1",
        }
        return await self._made("orders", _document("order", fields), **{"filter[id_cart]": f"[{cart}]"})

    async def _accept(self, order: int) -> None:
        """Accept the payment of an order.

        Only the shop can tell what its cart costs. An order paid otherwise begins as a payment error, without
        stock; accepting the payment takes the stock, as in the back office.
        """
        terms = await self.terms()
        row = await self._webservice.row("orders", order, "[id,current_state,total_paid]")
        if row is None:
            raise MalformedError(self._webservice.system, f"read order {order}", "it is gone again")
        if whole(row, "current_state") == terms.payment_error and Decimal(text(row, "total_paid")) > 0:
            await self.set_state(str(order), terms.paid)


def _document(node: str, fields: Fields, entries: tuple[str, str, Sequence[Fields]] | None = None) -> bytes:
    root = etree.Element("prestashop")
    element = etree.SubElement(root, node)
    for name, value in fields.items():
        etree.SubElement(element, name).text = str(value)
    if entries is not None:
        name, entry_node, rows = entries
        listed = etree.SubElement(etree.SubElement(element, "associations"), name)
        for row in rows:
            entry = etree.SubElement(listed, entry_node)
            for key, value in row.items():
                etree.SubElement(entry, key).text = str(value)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)
