"""The simulated shop as a test, the demo or its back office sees it; HTTP is `service.py`'s matter."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from adapters.channels.prestashop.simulated.furnishing import CANCELLED, PAID, furnish
from adapters.channels.prestashop.simulated.keys import FULL_KEY, Key
from adapters.channels.prestashop.simulated.ordering import SHIPPING, Ordering, Purchase, Shopper
from adapters.channels.prestashop.simulated.stockroom import FIRST_SHOP, Stockroom
from adapters.channels.prestashop.simulated.tables import RESOURCES, Row, Tables, Value, number


@dataclass(frozen=True, slots=True)
class OrderPicture:
    """An order as it stands in the shop; `states` are its history, oldest first."""

    id: int
    reference: str
    state: int
    states: tuple[int, ...]
    tracking: tuple[str, ...]
    lines: tuple[tuple[str, int], ...]
    customer: int
    date_add: str
    date_upd: str


class SoldOutError(Exception):
    """The shop does not sell what it does not have."""


class Shop:
    """A shop with products, customers and orders.

    Args:
        seed: of everything that is drawn: references, keys, the order of lists that nobody sorted.
        time_zone: what the shop's dates are local to.
        now: the instant; aware, any zone.
        name: the shop's name.

    Attributes:
        keys: the webservice's keys.
        half_built_reads: how often `orders` is read before a new order is complete; 0: at once.
        backorders: whether more is sold than there is; the sellable quantity then falls below zero.
        disabled: the webservice is switched off.
        drops_authorization: the server in front, CGI say, does not pass the Authorization header on.
        version: what it says that it is; before 8 it knows no PATCH.
        down: what has fallen over: nothing, the database, or PHP behind its web server.
        patch_seconds: how long a PATCH takes between loading a row and writing all of it back.
        invoice_warns: no invoice can print its image: what makes one answers HTML, after having done it.
        mails: what the customers were mailed: the resource, and the id of the order.
    """

    def __init__(
        self,
        seed: int = 0,
        time_zone: str = "Europe/Paris",
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        name: str = "TestShop",
    ) -> None:
        self.seed = seed
        self.name = name
        self.keys: dict[str, Key] = {FULL_KEY: Key()}
        self.half_built_reads = 0
        self.backorders = True
        self.disabled = False
        self.drops_authorization = False
        self.version = "9.1.4"
        self.down: Literal["", "database", "php"] = ""
        self.patch_seconds = 0.0
        self.invoice_warns = False
        self.mails: list[tuple[str, int]] = []
        self.tables = Tables()
        self.rng = random.Random(seed)
        self.lists: dict[tuple[str, int], dict[str, list[dict[str, Value]]]] = {}
        self._now = now
        self._zone = ZoneInfo(time_zone)
        self._reads_left: dict[int, int] = {}
        self.stockroom = Stockroom(self.tables)
        self.ordering = Ordering(self.tables, self.stockroom, self.local_now, self.rng)
        furnish(self.tables, time_zone, name)

    def now(self) -> datetime:
        """Return the instant."""
        return self._now()

    @property
    def is_before_patch(self) -> bool:
        """Whether this version knows no PATCH."""
        return int(self.version.partition(".")[0]) < 8  # noqa: PLR2004 - the version says it best

    def local_now(self) -> str:
        """Return the instant as the shop writes it: local, without an offset, to the second."""
        return self._now().astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")

    # --- the shop's assortment

    def add_product(
        self,
        reference: str,
        name: str = "A product",
        price: Decimal | str = "10.00",
        stock: int = 0,
        *,
        combinations: Mapping[str, int] | None = None,
        ean13: str = "",
    ) -> int:
        """Add a product, or one with combinations (reference: stock); return the product's id."""
        return self.stockroom.add_product(reference, name, Decimal(price), stock, combinations or {}, ean13)

    def add_carrier(self, name: str) -> int:
        """Add a carrier; return its id_reference, which is its first id."""
        row = self.tables.insert("carriers", {"name": name, "active": "1", "delay": "Soon"})
        row["id_reference"] = row["id"]
        return number(row["id"])

    def edit_carrier(self, id_reference: int) -> int:
        """Edit a carrier in the back office: a new row with a new id takes its place. Return the new id."""
        old = [row for row in self.tables["carriers"].values() if row["id_reference"] == id_reference][-1]
        old["deleted"] = "1"
        values = {name: value for name, value in old.items() if name != "id"}
        return number(self.tables.insert("carriers", values | {"deleted": "0"})["id"])

    def open_shop(self, name: str, *, shares_stock: bool, currency: str = "EUR") -> int:
        """Open another shop of the installation, in the same shop group; return its id.

        Its stock is its own, and none yet, or that of the group. Keys of the webservice have to be let in.
        """
        row = self.tables.insert("shops", {"name": name, "id_shop_group": 1, "id_category": 2, "active": 1})
        shop = number(row["id"])
        self.stockroom.open_shop(shop)
        if shares_stock:
            self.stockroom.share_all_stock()
        known = [row for row in self.tables["currencies"].values() if row["iso_code"] == currency]
        row = known[0] if known else self.tables.insert("currencies", {"iso_code": currency, "active": 1})
        self.ordering.currency_of[shop] = number(row["id"])
        return shop

    def stock(self, reference: str, shop: int = FIRST_SHOP) -> int:
        """Return the sellable units of a reference."""
        return self.stockroom.stock(reference, shop)

    def stocks(self) -> dict[str, int]:
        """Return the sellable units of every reference that is sold."""
        return {reference: self.stock(reference) for reference in self.stockroom.references()}

    def set_stock(self, reference: str, units: int) -> None:
        """Set the sellable units, as somebody in the back office does."""
        article = self.stockroom.article(reference)
        self.stockroom.move(article.product, article.combination, units - self.stock(reference))

    # --- orders

    def place_order(
        self,
        lines: Sequence[tuple[str, int]],
        shopper: Shopper | None = None,
        *,
        carrier: int = 2,
        state: int = PAID,
        shop: int = 1,
        shipping: Decimal = SHIPPING,
        note: str = "",
        gift_message: str = "",
    ) -> int:
        """Place an order of (reference, units); return its id. See `half_built_reads`."""
        order = self.begin_order(
            lines,
            shopper,
            carrier=carrier,
            state=state,
            shop=shop,
            shipping=shipping,
            note=note,
            gift_message=gift_message,
        )
        if self.half_built_reads:
            self._reads_left[order] = self.half_built_reads
        else:
            self.finish_order(order)
        return order

    def begin_order(
        self,
        lines: Sequence[tuple[str, int]],
        shopper: Shopper | None = None,
        *,
        carrier: int = 2,
        state: int = PAID,
        shop: int = 1,
        shipping: Decimal = SHIPPING,
        note: str = "",
        gift_message: str = "",
    ) -> int:
        """Write an order half (state 0, not all rows); `finish_order` writes the rest.

        Raises:
            SoldOutError: something is not there, and the shop sells no backorders.
        """
        if not self.backorders:
            short = [reference for reference, units in lines if self.stock(reference, shop) < units]
            if short:
                raise SoldOutError(", ".join(short))
        customer, address = self.ordering.add_shopper(shopper or Shopper())
        self.lists["customers", customer] = {"groups": [{"id": 3}]}
        bought = tuple((self.stockroom.article(reference), units) for reference, units in lines)
        purchase = Purchase(bought, carrier, state, shop, shipping, note, gift_message)
        return self.ordering.begin(customer, address, purchase)

    def finish_order(self, order: int) -> None:
        """Complete an order that is half built."""
        self._reads_left.pop(order, None)
        self.ordering.finish(order)

    def mail(self, resource: str, rows: Sequence[Row]) -> None:
        """Mail the customers of these orders, as only `sendemail=1` asks for."""
        self.mails += [(resource, int(str(row["id_order"]))) for row in rows if "id_order" in row]

    def orders_were_read(self) -> None:
        """Count a read of the orders; it brings half-built ones nearer to their completion."""
        for order in list(self._reads_left):
            self._reads_left[order] -= 1
            if self._reads_left[order] <= 0:
                self.finish_order(order)

    def cancel_order(self, order: int) -> None:
        """Cancel an order in the back office: its units are sellable again."""
        self.set_state(order, CANCELLED)

    def set_state(self, order: int, state: int) -> None:
        """Move an order to a state, as somebody in the back office does."""
        self.ordering.set_state(order, state, employee=1)

    def edit_order(self, order: int, **fields: Value) -> None:
        """Change fields of the order itself; its `date_upd` moves."""
        self.tables["orders"][order] |= fields
        self.ordering.touch(order)

    def edit_address(self, order: int, **fields: Value) -> None:
        """Change the delivery address; the order's `date_upd` does not move."""
        self.tables["addresses"][number(self.tables["orders"][order]["id_address_delivery"])] |= fields

    def edit_line(self, order: int, reference: str, units: int) -> None:
        """Change a line's quantity; the order's `date_upd` does not move."""
        for detail in self.ordering.details[order]:
            row = self.tables["order_details"][detail]
            if row["product_reference"] == reference:
                row["product_quantity"] = units

    def refund(self, order: int, lines: Sequence[tuple[str, int]], *, restock: bool = True) -> int:
        """Refund units of an order's lines; its `date_upd` does not move. Return the slip's id."""
        slip = self.ordering.add_slip(order)
        entries: list[dict[str, Value]] = []
        for reference, units in lines:
            for detail in self.ordering.details[order]:
                row = self.tables["order_details"][detail]
                if row["product_reference"] == reference:
                    row["product_quantity_refunded"] = number(row["product_quantity_refunded"]) + units
                    given: dict[str, Value] = {"id_order_detail": detail, "product_quantity": units}
                    for kind in ("tax_excl", "tax_incl"):
                        amount = Decimal(str(row[f"unit_price_{kind}"])) * units
                        given[f"amount_{kind}"] = f"{amount:.6f}"
                    part = RESOURCES["order_slip"].associations["order_slip_details"].entry(given)
                    entries.append(part | {"id": len(entries) + 1})
                    if restock:
                        place = (number(row["product_id"]), number(row["product_attribute_id"]))
                        sold_by = number(self.tables["orders"][order]["id_shop"]) or FIRST_SHOP
                        self.stockroom.move(*place, units, sold_by)
        self.lists["order_slip", slip] = {"order_slip_details": entries}
        return slip

    def delete_order(self, order: int) -> None:
        """Delete an order."""
        self.ordering.delete(order)

    def order(self, order: int) -> OrderPicture:
        """Return how an order stands.

        Raises:
            KeyError: there is no such order.
        """
        row = self.tables["orders"][order]
        details = [self.tables["order_details"][each] for each in self.ordering.details[order]]
        return OrderPicture(
            id=order,
            reference=str(row["reference"]),
            state=number(row["current_state"]),
            states=tuple(
                number(each["id_order_state"])
                for each in self.tables["order_histories"].values()
                if each["id_order"] == order
            ),
            tracking=tuple(
                str(each["tracking_number"])
                for each in self.tables["order_carriers"].values()
                if each["id_order"] == order and each["tracking_number"]
            ),
            lines=tuple(
                (str(each["product_reference"]), number(each["product_quantity"])) for each in details
            ),
            customer=number(row["id_customer"]),
            date_add=str(row["date_add"]),
            date_upd=str(row["date_upd"]),
        )

    def orders(self) -> list[OrderPicture]:
        """Return how every order stands, the first placed first."""
        return [self.order(order) for order in sorted(self.tables["orders"])]
