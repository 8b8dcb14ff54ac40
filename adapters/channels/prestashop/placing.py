"""Buying in a shop over its webservice, for rehearsals and tests against a real one.

Nothing of it is used in production. Every step is read back by something that is ours alone (the mail
address, the cart), so that a lost answer, or PHP's warning in front of it, makes nothing twice.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from lxml import etree

from actors.errors import MalformedError, OutcomeUnknownError, RefusedError
from actors.ports import Contact
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.stock import Stock
from adapters.channels.prestashop.wire import new_history, reference_to, text, whole

PAID = 2
PAYMENT_ERROR = 8
CANCELLED = 6
CUSTOMERS_GROUP = 3
LANGUAGE = 1
CURRENCY = 1
"""Ids of a fresh installation."""

MODULE = "ps_wirepayment"
"""A payment module of every fresh installation; an unknown one kills PHP."""

Fields = Mapping[str, str | int]


class Placing:
    """Places orders in one shop, and cancels them, as a customer and the back office would.

    The key needs POST on addresses, carts, customers and orders beside what the adapter needs.
    """

    def __init__(self, settings: PrestaShopSettings, name: str) -> None:
        self._webservice = Webservice(settings, name)
        self._stock = Stock(self._webservice, settings, name)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._webservice.aclose()

    async def place(
        self, buyer: Contact, lines: Sequence[tuple[str, int]], *, carrier: int, password: str
    ) -> str:
        """Place a paid order of (SKU, units) and return its id; `buyer.email` names this one order.

        Args:
            buyer: who buys; the mail address is used once, and the country is an ISO code.
            lines: what.
            carrier: the carrier's id_reference.
            password: of the new customer; nobody needs it again.

        Raises:
            RefusedError: the shop does not sell it, or will not take the order.
        """
        customer = await self._customer(buyer, password)
        address = await self._address(customer, buyer)
        carrier_id = await self._carrier(carrier)
        cart = await self._cart(customer, address, carrier_id, lines)
        order = await self._order(customer, address, cart, carrier_id)
        return str(order)

    async def cancel(self, shop_order: str) -> None:
        """Cancel an order, as the back office does."""
        await self._webservice.write("POST", "/api/order_histories", new_history(int(shop_order), CANCELLED))

    async def _made(self, resource: str, body: bytes, **query: str) -> int:
        """POST unless there is one already; return the id by which `query` finds it."""
        for attempt in range(2):
            rows = await self._webservice.rows(resource, "[id]", sort="[id_DESC]", limit="1", **query)
            if rows:
                return reference_to(rows[0], "id")
            if attempt == 0:
                try:
                    await self._webservice.write("POST", f"/api/{resource}", body)
                except OutcomeUnknownError:
                    continue  # it is read back at once, since nothing else makes this row
        raise RefusedError(self._webservice.system, f"POST /api/{resource}", "it was not made")

    async def _customer(self, buyer: Contact, password: str) -> int:
        first, _, last = buyer.name.partition(" ")
        fields: Fields = {
            "id_default_group": CUSTOMERS_GROUP,
            "id_lang": LANGUAGE,
            "active": 1,
            "firstname": first,
            "lastname": last or first,
            "email": buyer.email,
            "passwd": password,
        }
        groups = ("groups", "group", [{"id": CUSTOMERS_GROUP}])
        query = {"filter[email]": f"[{buyer.email}]"}
        return await self._made("customers", _document("customer", fields, groups), **query)

    async def _address(self, customer: int, buyer: Contact) -> int:
        countries = await self._webservice.every_row("countries", "[id,iso_code]", 1000)
        country = next((row for row in countries if text(row, "iso_code") == buyer.country), None)
        if country is None:
            raise RefusedError(self._webservice.system, "POST /api/addresses", f"no country {buyer.country}")
        first, _, last = buyer.name.partition(" ")
        fields: Fields = {
            "id_customer": customer,
            "id_country": reference_to(country, "id"),
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
        fields: Fields = {
            "id_currency": CURRENCY,
            "id_lang": LANGUAGE,
            "id_customer": customer,
            "id_address_delivery": address,
            "id_address_invoice": address,
            "id_carrier": carrier,
            "id_shop": 1,
            "id_shop_group": 1,
            # Without it the order's shipping is that of whatever carrier the shop prefers.
            "delivery_option": f'{{"{address}":"{carrier},"}}',
        }
        body = _document("cart", fields, ("cart_rows", "cart_row", entries))
        return await self._made("carts", body, **{"filter[id_customer]": f"[{customer}]"})

    async def _order(self, customer: int, address: int, cart: int, carrier: int) -> int:
        fields: Fields = {
            "id_address_delivery": address,
            "id_address_invoice": address,
            "id_cart": cart,
            "id_currency": CURRENCY,
            "id_lang": LANGUAGE,
            "id_customer": customer,
            "id_carrier": carrier,
            "module": MODULE,
            "payment": "Bank wire",
            "current_state": PAID,
            "total_paid": "1",
            "total_paid_real": "1",
            "total_products": "1",
            "total_products_wt": "1",
            "conversion_rate": "1",
        }
        query = {"filter[id_cart]": f"[{cart}]"}
        order = await self._made("orders", _document("order", fields), **query)
        row = await self._webservice.row("orders", order, "[id,current_state,total_paid]")
        if row is None:
            raise MalformedError(self._webservice.system, f"read order {order}", "it is gone again")
        # Only the shop can tell what its cart costs. An order paid otherwise begins as a payment error,
        # without stock; accepting the payment takes the stock, as in the back office.
        if whole(row, "current_state") == PAYMENT_ERROR and Decimal(text(row, "total_paid")) > 0:
            await self._webservice.write("POST", "/api/order_histories", new_history(order, PAID))
        return order


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
