"""What a channel may sell, followed from move to move: a look costs what has moved, not what is on sale.

What lies on the shelves the warehouses know, what orders wait for the journal; what may be sold follows from
both.
"""

from collections.abc import Collection, Mapping

from actors.directory import Directory
from actors.domain.assortment import Assortment
from actors.domain.ledger import Stock, sellable


class ForSale:
    """The level of each article.

    Attributes:
        assortment: what the articles hold of our SKUs.
        withheld: units of each SKU that may not be sold: safety stock and buffer.
        levels: how many pieces of each article may be sold, as of the last `follow`.
    """

    def __init__(self, directory: Directory, *, withheld: int) -> None:
        self.assortment = Assortment()
        self.withheld = withheld
        self.levels: dict[str, int] = {}
        self._directory = directory
        self._sellable: dict[str, int] = {}
        self._spoken_for: Mapping[str, int] = {}
        self._followed: Mapping[str, tuple[Stock, int]] = {}

    def sell_by(self, assortment: Assortment) -> None:
        """Offer these articles from now on."""
        self.assortment = assortment
        self._followed = {}

    def withhold(self, units: int) -> None:
        """Keep at least so many units of each SKU from being sold."""
        self.withheld = max(self.withheld, units)
        self._followed = {}

    def follow(self, wanted: Mapping[str, int]) -> Collection[str]:
        """Bring `levels` up to date; return the articles whose level may be another than it was.

        Args:
            wanted: units of each SKU that open orders wait for. They are not sold again, nor is what orders
                hold that nobody can read yet.
        """
        spoken_for = dict(wanted)
        for sku, units in self._directory.held_back().items():
            spoken_for[sku] = spoken_for.get(sku, 0) + units
        known = self._followed
        stocks = {name: handle.stock for name, handle in self._directory.warehouses.items()}
        self._followed = {name: (stock, stock.moves) for name, stock in stocks.items()}
        before, self._spoken_for = self._spoken_for, spoken_for
        if known.keys() != stocks.keys() or any(known[name][0] is not stocks[name] for name in known):
            return self._begin_anew()  # also when a warehouse's actor did
        moved = {sku for sku, _ in before.items() ^ spoken_for.items()}
        moved.update(sku for stock, moves in known.values() for sku in stock.moved_since(moves))
        return self._follow(moved)

    def _begin_anew(self) -> Collection[str]:
        self._sellable = self._may_be_sold(self._directory.available())
        levels = self.assortment.levels(self._sellable)
        articles = self.levels.keys() | levels.keys()
        self.levels = levels
        return articles

    def _follow(self, skus: Collection[str]) -> Collection[str]:
        known = {sku: units for sku in skus if (units := self._directory.available_of(sku)) is not None}
        self._sellable.update(self._may_be_sold(known))
        articles = self.assortment.holding(known)
        self.levels.update(self.assortment.levels_of(articles, self._sellable))
        return articles

    def _may_be_sold(self, available: Mapping[str, int]) -> dict[str, int]:
        free = {sku: units - self._spoken_for.get(sku, 0) for sku, units in available.items()}
        return sellable(free, safety=self.withheld, buffer=0)
