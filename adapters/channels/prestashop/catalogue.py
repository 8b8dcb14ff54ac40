"""Which of the shop's stock rows stands for which article: named, doubled, renewed once stock is shared.

A product with combinations is no article itself. The row that counts is the one that the product's own
association names: with stock shared between shops another row lies beside it, which says yes to every write.
"""

from collections.abc import Iterable, Mapping, Sequence

from adapters.channels.prestashop.fields import Row, article_name, parts, reference_to, text
from adapters.channels.prestashop.plugin import SkuSource

PROBLEMS_MAX = 1000
"""Problems kept for a person to read; a shop with more of them needs another look first."""


class Catalogue:
    """Which stock row stands for which SKU.

    Attributes:
        rows: stock row id by SKU.
        places: product and combination (0: none) by SKU.
        problems: what a person should look at: duplicates (the lowest id wins), articles without a reference
            or row.
    """

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.places: dict[str, tuple[int, int]] = {}
        self.problems: list[str] = []

    def add(self, sku: str, place: tuple[int, int], row_id: int | None) -> None:
        """Take in one article; articles come with their ids rising."""
        product, combination = place
        what = f"combination {combination} of product {product}" if combination else f"product {product}"
        if not sku:
            self._note(f"{what} has no reference")
        elif row_id is None:
            self._note(f"{what} has no stock row")
        elif sku in self.rows:
            self._note(f"{what} has reference {sku} as well; the first one counts")
        else:
            self.rows[sku] = row_id
            self.places[sku] = place

    def products_of(self, skus: Iterable[str]) -> set[int]:
        """Return the products of these SKUs, as far as they are known."""
        return {self.places[sku][0] for sku in skus if sku in self.places}

    def renew(self, skus: Iterable[str], products: Iterable[Row]) -> None:
        """Take over which rows of these SKUs are live by now."""
        live = {reference_to(product, "id"): live_rows(product) for product in products}
        for sku in skus:
            product, combination = self.places.get(sku, (0, 0))
            row_id = live.get(product, {}).get(combination)
            if row_id is not None:
                self.rows[sku] = row_id

    def _note(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


def live_rows(product: Row) -> Mapping[int, int]:
    """Return a product's live stock rows by combination (0: none)."""
    return {
        reference_to(part, "id_product_attribute"): reference_to(part, "id")
        for part in parts(product, "stock_availables")
    }


def catalogue_of(
    products: Iterable[Row], combinations: Iterable[Row], sku_from: Sequence[SkuSource] = ("reference",)
) -> Catalogue:
    """Return the catalogue of these rows, both with their ids rising."""
    of_product: dict[int, list[Row]] = {}
    for combination in combinations:
        of_product.setdefault(reference_to(combination, "id_product"), []).append(combination)
    catalogue = Catalogue()
    for product in products:
        product_id, rows = reference_to(product, "id"), live_rows(product)
        own = of_product.get(product_id, [])
        for combination in own:
            place = (product_id, reference_to(combination, "id"))
            catalogue.add(_name(combination, place, sku_from), place, rows.get(place[1]))
        if not own:
            place = (product_id, 0)
            catalogue.add(_name(product, place, sku_from), place, rows.get(0))
    return catalogue


def _name(row: Row, place: tuple[int, int], sku_from: Sequence[SkuSource]) -> str:
    return article_name(
        sku_from,
        reference=text(row, "reference"),
        ean13=text(row, "ean13"),
        product=place[0],
        combination=place[1],
    )
