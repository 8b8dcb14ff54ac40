"""The life of an order in the shop: placed, perhaps half built for a while, moved on, edited, deleted.

It owns what each of these does to the shop's rows and stock, and which of them moves `date_upd`.
"""

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from adapters.channels.prestashop.simulated.furnishing import (
    COUNTRIES,
    HOLDS_NO_STOCK,
    PAYMENT_ERROR,
    STATES_OF_COUNTRIES,
)
from adapters.channels.prestashop.simulated.stockroom import FIRST_SHOP, Article, Stockroom
from adapters.channels.prestashop.simulated.tables import Row, Tables, Value, number

TAX = Decimal("1.2")
SHIPPING = Decimal("7.00")


@dataclass(frozen=True, slots=True)
class Shopper:
    """Somebody who buys; `country` and `state` are ISO codes."""

    firstname: str = "Paul"
    lastname: str = "Martin"
    email: str = "paul@example.com"
    address1: str = "12 rue de l'Eglise"
    address2: str = ""
    postcode: str = "75001"
    city: str = "Paris"
    country: str = "FR"
    state: str = ""
    phone: str = "0102030405"
    company: str = ""


@dataclass(frozen=True, slots=True)
class Purchase:
    """What is bought and how; `carrier` is an id_reference, `state` the order state it begins in."""

    lines: Sequence[tuple[Article, int]]
    carrier: int
    state: int
    shop: int = 1
    shipping: Decimal = SHIPPING
    note: str = ""
    gift_message: str = ""
    cart: int = 0


class Ordering:
    """Places orders and moves them on.

    Args:
        tables: where the rows lie.
        stockroom: where the units come from.
        clock: the shop's local time, as it writes dates.
        rng: for references and keys.
    """

    def __init__(
        self, tables: Tables, stockroom: Stockroom, clock: Callable[[], str], rng: random.Random
    ) -> None:
        self._tables = tables
        self._stockroom = stockroom
        self._clock = clock
        self._rng = rng
        self._invoices = 0
        self._deliveries = 0
        self.details: dict[int, list[int]] = {}
        self.currency_of: dict[int, int] = {}
        self.unfinished: dict[int, Purchase] = {}

    def add_shopper(self, shopper: Shopper) -> tuple[int, int]:
        """Add a customer and an address; return their ids."""
        now = self._clock()
        customer: dict[str, Value] = {
            "id_default_group": 3,
            "id_lang": 1,
            "lastname": shopper.lastname,
            "firstname": shopper.firstname,
            "email": shopper.email,
            "company": shopper.company,
            "passwd": "$2y$10$" + "".join(self._rng.choices(string.ascii_letters, k=53)),
            "secure_key": f"{self._rng.getrandbits(128):032x}",
            "active": "1",
            "id_shop": 1,
            "id_shop_group": 1,
            "last_passwd_gen": now,
            "date_add": now,
            "date_upd": now,
        }
        country = next(key for key, iso_code in COUNTRIES.items() if iso_code == shopper.country)
        states = [key for key, (_, iso_code, _) in STATES_OF_COUNTRIES.items() if iso_code == shopper.state]
        customer_id = number(self._tables.insert("customers", customer)["id"])
        address: dict[str, Value] = {
            "id_customer": customer_id,
            "id_country": country,
            "id_state": states[0] if states else 0,
            "alias": "Home",
            "company": shopper.company,
            "lastname": shopper.lastname,
            "firstname": shopper.firstname,
            "address1": shopper.address1,
            "address2": shopper.address2,
            "postcode": shopper.postcode,
            "city": shopper.city,
            "phone": shopper.phone,
            "date_add": now,
            "date_upd": now,
        }
        return customer_id, number(self._tables.insert("addresses", address)["id"])

    def begin(self, customer: int, address: int, purchase: Purchase) -> int:
        """Write the order as a poller may first see it: state 0, the first of its rows."""
        now = self._clock()
        products = sum((article.price * units for article, units in purchase.lines), Decimal(0))
        carrier = self._live_carrier(purchase.carrier)
        order: dict[str, Value] = {
            "id_address_delivery": address,
            "id_address_invoice": address,
            "id_cart": purchase.cart or number(self._add_cart(customer, address, purchase)["id"]),
            "id_currency": self.currency_of.get(purchase.shop, 1),
            "id_lang": 1,
            "id_customer": customer,
            "id_carrier": carrier,
            "module": "ps_wirepayment",
            "payment": "Bank wire",
            "date_add": now,
            "date_upd": now,
            "note": purchase.note,
            "gift_message": purchase.gift_message,
            "id_shop_group": 1,
            "id_shop": purchase.shop,
            "secure_key": f"{self._rng.getrandbits(128):032x}",
            "total_paid": str((products + purchase.shipping) * TAX),
            "total_paid_tax_incl": str((products + purchase.shipping) * TAX),
            "total_paid_tax_excl": str(products + purchase.shipping),
            "total_products": str(products),
            "total_products_wt": str(products * TAX),
            "total_shipping": str(purchase.shipping * TAX),
            "total_shipping_tax_incl": str(purchase.shipping * TAX),
            "total_shipping_tax_excl": str(purchase.shipping),
            "carrier_tax_rate": "20",
            "round_mode": 2,
            "round_type": 2,
            "conversion_rate": "1",
            "reference": "".join(self._rng.choices(string.ascii_uppercase, k=9)),
        }
        row = self._tables.insert("orders", order)
        order_id = number(row["id"])
        self.details[order_id] = []
        self.unfinished[order_id] = purchase
        if len(purchase.lines) > 1:
            self._add_detail(order_id, *purchase.lines[0])
        return order_id

    def finish(self, order_id: int) -> None:
        """Write the rest of an order that `begin` has begun."""
        purchase = self.unfinished.pop(order_id)
        for article, units in purchase.lines[len(self.details[order_id]) :]:
            self._add_detail(order_id, article, units)
        order = self._tables["orders"][order_id]
        carrier: dict[str, Value] = {
            "id_order": order_id,
            "id_carrier": order["id_carrier"],
            "weight": str(sum(article.weight * units for article, units in purchase.lines)),
            "shipping_cost_tax_excl": str(purchase.shipping),
            "shipping_cost_tax_incl": str(purchase.shipping * TAX),
            "date_add": self._clock(),
        }
        self._tables.insert("order_carriers", carrier)
        if purchase.state not in HOLDS_NO_STOCK:
            self._take(order_id, -1)
        self.set_state(order_id, purchase.state)

    def set_state(self, order_id: int, state: int, employee: int = 0) -> Row:
        """Move the order to a state: history (a row each time), invoice, payment, stock, `date_upd`."""
        now = self._clock()
        order = self._tables["orders"][order_id]
        meaning = self._tables["order_states"][state]
        before = number(order["current_state"])
        values: dict[str, Value] = {
            "id_employee": employee,
            "id_order_state": state,
            "id_order": order_id,
            "date_add": now,
        }
        history = self._tables.insert("order_histories", values)
        if before and before not in HOLDS_NO_STOCK and state in HOLDS_NO_STOCK:
            self._take(order_id, 1)
        elif before in HOLDS_NO_STOCK and state not in HOLDS_NO_STOCK:
            self._take(order_id, -1)
        if meaning["invoice"] == "1" and order["invoice_number"] == 0:
            self._invoices += 1
            order |= {"invoice_number": self._invoices, "invoice_date": now}
        if meaning["delivery"] == "1" and order["delivery_number"] == 0:
            self._deliveries += 1
            order |= {"delivery_number": self._deliveries, "delivery_date": now}
        if meaning["paid"] == "1" and order["total_paid_real"] == "0.000000":
            self._pay(order, now)
        order |= {"current_state": state, "valid": meaning["logable"], "date_upd": now}
        return history

    def add_slip(self, order_id: int) -> int:
        """Write a refund of an order; what it refunds is the caller's matter."""
        now = self._clock()
        values: dict[str, Value] = {
            "id_customer": self._tables["orders"][order_id]["id_customer"],
            "id_order": order_id,
            "conversion_rate": "1",
            "partial": "1",
            "date_add": now,
            "date_upd": now,
        }
        return number(self._tables.insert("order_slip", values)["id"])

    def touch(self, order_id: int) -> None:
        """Move `date_upd`, as an edit of the order itself does."""
        self._tables["orders"][order_id]["date_upd"] = self._clock()

    def delete(self, order_id: int) -> None:
        """Delete an order as the webservice does: its row is gone."""
        del self._tables["orders"][order_id]
        self.unfinished.pop(order_id, None)
        for detail in self.details.pop(order_id, []):
            del self._tables["order_details"][detail]

    def _pay(self, order: Row, now: str) -> None:
        order["total_paid_real"] = order["total_paid"]
        payment: dict[str, Value] = {
            "order_reference": order["reference"],
            "id_currency": 1,
            "amount": order["total_paid"],
            "payment_method": order["payment"],
            "conversion_rate": "1",
            "date_add": now,
        }
        self._tables.insert("order_payments", payment)

    def _live_carrier(self, reference: int) -> int:
        live = [
            number(row["id"])
            for row in self._tables["carriers"].values()
            if row["id_reference"] == reference and row["deleted"] == "0"
        ]
        return live[-1] if live else 0

    def _add_cart(self, customer: int, address: int, purchase: Purchase) -> Row:
        values: dict[str, Value] = {
            "id_customer": customer,
            "id_address_delivery": address,
            "id_address_invoice": address,
            "id_currency": 1,
            "id_lang": 1,
            "id_shop": purchase.shop,
            "id_shop_group": 1,
            "date_add": self._clock(),
            "date_upd": self._clock(),
        }
        return self._tables.insert("carts", values)

    def _add_detail(self, order_id: int, article: Article, units: int) -> None:
        price, taxed = article.price, article.price * TAX
        values: dict[str, Value] = {
            "id_order": order_id,
            "product_id": article.product,
            "product_attribute_id": article.combination,
            "id_shop": 1,
            "product_name": article.name,
            "product_quantity": units,
            "product_quantity_in_stock": units,
            "product_price": str(price),
            "product_ean13": article.ean13,
            "product_reference": article.reference,
            "product_weight": str(article.weight),
            "unit_price_tax_incl": str(taxed),
            "unit_price_tax_excl": str(price),
            "total_price_tax_incl": str(taxed * units),
            "total_price_tax_excl": str(price * units),
            "original_product_price": str(price),
        }
        detail = number(self._tables.insert("order_details", values)["id"])
        self.details[order_id].append(detail)

    def _take(self, order_id: int, sign: int) -> None:
        shop = number(self._tables["orders"][order_id]["id_shop"]) or FIRST_SHOP
        for detail in self.details.get(order_id, []):
            row = self._tables["order_details"][detail]
            product, combination = number(row["product_id"]), number(row["product_attribute_id"])
            self._stockroom.move(product, combination, sign * number(row["product_quantity"]), shop)


def refused_payment(purchase: Purchase) -> Purchase:
    """Return the purchase as the shop takes it when the total that was paid is not the cart's."""
    return Purchase(purchase.lines, purchase.carrier, PAYMENT_ERROR, purchase.shop, cart=purchase.cart)
