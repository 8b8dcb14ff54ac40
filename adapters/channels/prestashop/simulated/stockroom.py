"""The products and what each shop may still sell of them: one stock row a product, and one a combination.

A combination's row is the truth and its product's row their sum; writing the sum by itself puts the two out
of step, as in the real shop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from adapters.channels.prestashop.simulated.tables import Row, Tables, Value, number

FIRST_SHOP = 1
"""The shop that every installation begins with."""


@dataclass(frozen=True, slots=True)
class Article:
    """What a reference sells: product, combination (0: none), price without tax, weight in kilograms."""

    product: int
    combination: int
    name: str
    reference: str
    price: Decimal
    weight: Decimal
    ean13: str


class Stockroom:
    """Products, combinations and their sellable quantities."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._articles: dict[str, Article] = {}
        self._shops = [FIRST_SHOP]
        self._stock_rows: dict[tuple[int, int, int], int] = {}
        self._combinations: dict[int, list[int]] = {}

    def add_product(
        self,
        reference: str,
        name: str,
        price: Decimal,
        stock: int,
        combinations: Mapping[str, int],
        ean13: str,
    ) -> int:
        """Add a product; with `combinations` (reference: stock) they are sold, and it is not."""
        kind = "combinations" if combinations else "standard"
        values: dict[str, Value] = {
            "reference": reference,
            "ean13": ean13,
            "name": name,
            "price": str(price),
            "weight": "0.3",
            "active": "1",
            "available_for_order": "1",
            "type": "simple",
            "product_type": kind,
            "state": 1,
            "id_shop_default": 1,
        }
        product = number(self._tables.insert("products", values)["id"])
        self._combinations[product] = []
        self._add_stock_row(product, 0, sum(combinations.values()) if combinations else stock)
        if not combinations:
            self._sell(Article(product, 0, name, reference, price, Decimal("0.3"), ean13))
        for each, units in combinations.items():
            row = self._tables.insert("combinations", {"id_product": product, "reference": each})
            combination = number(row["id"])
            self._combinations[product].append(combination)
            self._add_stock_row(product, combination, units)
            full_name = f"{name} (Size:{combination})"
            self._sell(Article(product, combination, full_name, each, price, Decimal("0.3"), ""))
        return product

    def _sell(self, article: Article) -> None:
        # Of several articles with one reference the shop's own search finds the first.
        self._articles.setdefault(article.reference, article)

    def _add_stock_row(self, product: int, combination: int, units: int, shop: int = FIRST_SHOP) -> None:
        values: dict[str, Value] = {
            "id_product": product,
            "id_product_attribute": combination,
            "id_shop": shop,
            "quantity": units,
            "out_of_stock": 2,
        }
        row = self._tables.insert("stock_availables", values)
        self._stock_rows[product, combination, shop] = number(row["id"])

    def open_shop(self, shop: int) -> None:
        """Give another shop a stock of its own of everything, which is none yet."""
        self._shops.append(shop)
        for product, combination in self._places():
            self._add_stock_row(product, combination, 0, shop)

    def share_stock(self, reference: str) -> int:
        """Share a reference's stock in the shop group; return its live row's id: the old rows are dead."""
        article = self.article(reference)
        return self._share(article.product, article.combination)

    def share_all_stock(self) -> None:
        """Share the stock of everything in the shop group."""
        for product, combination in self._places():
            self._share(product, combination)

    def _places(self) -> list[tuple[int, int]]:
        return list(dict.fromkeys((product, combination) for product, combination, _ in self._stock_rows))

    def _share(self, product: int, combination: int) -> int:
        old = self._tables["stock_availables"][self._stock_rows[product, combination, FIRST_SHOP]]
        values = {name: value for name, value in old.items() if name != "id"}
        row = self._tables.insert("stock_availables", values | {"id_shop": 0, "id_shop_group": 1})
        row["id_shop"] = 0
        for shop in self._shops:
            self._stock_rows[product, combination, shop] = number(row["id"])
        return number(row["id"])

    def article(self, reference: str) -> Article:
        """Return what is sold under a reference.

        Raises:
            KeyError: the shop does not sell it.
        """
        return self._articles[reference]

    def article_of(self, product: int, combination: int) -> Article | None:
        """Return what a product's combination (0: none) is sold as."""
        for article in self._articles.values():
            if (article.product, article.combination) == (product, combination):
                return article
        return None

    def references(self) -> tuple[str, ...]:
        """Return every reference that is sold."""
        return tuple(self._articles)

    def stock(self, reference: str, shop: int = FIRST_SHOP) -> int:
        """Return the units that a shop may sell."""
        article = self.article(reference)
        return self._units(article.product, article.combination, shop)

    def _units(self, product: int, combination: int, shop: int) -> int:
        row = self._tables["stock_availables"][self._stock_rows[product, combination, shop]]
        return number(row["quantity"])

    def move(self, product: int, combination: int, units: int, shop: int = FIRST_SHOP) -> None:
        """Add units (below zero: take them); a combination's product follows."""
        place = self._stock_rows.get((product, combination, shop))
        if place is not None:
            row = self._tables["stock_availables"][place]
            row["quantity"] = number(row["quantity"]) + units
            self.recompute(row)

    def recompute(self, row: Row) -> None:
        """After a write of a combination's row make its product's row the sum of all."""
        product, shop = number(row["id_product"]), number(row["id_shop"]) or FIRST_SHOP
        if row["id_product_attribute"] != 0 and (product, 0, shop) in self._stock_rows:
            total = sum(self._units(product, each, shop) for each in self._combinations[product])
            self._tables["stock_availables"][self._stock_rows[product, 0, shop]]["quantity"] = total

    def associations(self, product: int, shop: int = FIRST_SHOP) -> dict[str, list[dict[str, Value]]]:
        """Return the lists below a product, as a shop sees it."""
        combinations = self._combinations.get(product, [])
        rows = [
            {"id": self._stock_rows[product, each, shop], "id_product_attribute": each}
            for each in (0, *combinations)
        ]
        return {
            "categories": [{"id": 2}],
            "images": [{"id": product}],
            "combinations": [{"id": each} for each in combinations],
            "product_option_values": [{"id": each} for each in combinations],
            "product_features": [{"id": 1, "id_feature_value": 4}],
            "stock_availables": [dict[str, Value](row) for row in rows],
        }
