"""What a channel's articles hold of our SKUs: other names, cartons and packs, both ways. Pure.

An article that is not listed holds one unit of the SKU of its own name. How an article comes by its name is
the adapter's matter; what may be promised of a SKU is the ledger's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from functools import cached_property

from msgspec import Struct

from actors.domain.order_events import OrderLine

PLACES_MAX = 4
"""Decimals of a price that was divided: more of them an ERP's document does not keep."""

CENTS = 2


class Contents(Struct, frozen=True):
    """What one piece of an article holds.

    Attributes:
        units: by SKU, each above zero.
        price_shares: how the piece's price is split over its SKUs; where it is empty all units cost alike.
    """

    units: Mapping[str, int]
    price_shares: Mapping[str, int] = {}


class Assortment(Struct, frozen=True, dict=True):
    """The articles of one channel that are not simply a unit of the SKU of their name."""

    contents: Mapping[str, Contents] = {}

    @cached_property
    def _listed_with(self) -> Mapping[str, Sequence[str]]:
        """The listed articles that hold each SKU: a catalogue may list all it has, an order names few."""
        listed: dict[str, list[str]] = {}
        for article, holds in self.contents.items():
            for sku in holds.units:
                listed.setdefault(sku, []).append(article)
        return listed

    def lines(self, sold: OrderLine) -> tuple[OrderLine, ...]:
        """Return what is to be shipped for a line of the shop, whose `sku` is the article's name.

        The lines' amounts sum up to that of the shop's line, to the last digit: units that would cost a
        broken price become two lines whose prices differ by one in the last place. The same line always has
        the same ids: its own, or its own with ".1", ".2" where it becomes several.
        """
        holds = self.contents.get(sold.sku)
        if holds is None:
            return (sold,)
        amounts = _split(sold.unit_price * sold.units, holds, _place(sold.unit_price))
        pieces = [
            (sku, units, price)
            for sku, amount in amounts
            for units, price in _allotted(amount, holds.units[sku] * sold.units, _place(sold.unit_price))
        ]
        if len(pieces) == 1:
            return (OrderLine(sold.line, *pieces[0]),)
        return tuple(OrderLine(f"{sold.line}.{number}", *piece) for number, piece in enumerate(pieces, 1))

    def units(self, pieces: Mapping[str, int]) -> dict[str, int]:
        """Return how many units of each SKU so many pieces of each article hold."""
        units: dict[str, int] = {}
        for article, count in pieces.items():
            holds = self.contents.get(article, Contents({article: 1}))
            for sku, each in holds.units.items():
                units[sku] = units.get(sku, 0) + each * count
        return units

    def levels(self, sellable: Mapping[str, int]) -> dict[str, int]:
        """Return how many pieces of each article may be sold, given the units of each SKU that may be.

        A pack is as many as its scarcest component makes. Of an article with a SKU that nobody knows nothing
        is said: an unknown figure is not zero.
        """
        levels = {sku: units for sku, units in sellable.items() if sku not in self.contents}
        return levels | self.levels_of(self.contents, sellable)

    def levels_of(self, articles: Iterable[str], sellable: Mapping[str, int]) -> dict[str, int]:
        """Return `levels` of these articles alone."""
        levels: dict[str, int] = {}
        for article in articles:
            holds = self.contents.get(article)
            if holds is None:
                if article in sellable:
                    levels[article] = sellable[article]
            elif all(sku in sellable for sku in holds.units):
                levels[article] = min(sellable[sku] // units for sku, units in holds.units.items())
        return levels

    def holding(self, skus: Iterable[str]) -> frozenset[str]:
        """Return every article whose figure moves with one of these SKUs."""
        moved = set(skus)
        listed = {article for sku in moved for article in self._listed_with.get(sku, ())}
        return frozenset(listed | (moved - self.contents.keys()))

    def moved_with(self, articles: Iterable[str]) -> frozenset[str]:
        """Return every article whose figure a sale of these may move: they share a SKU with them."""
        named = frozenset(articles)
        return named | self.holding(sku for article in named for sku in self._skus(article))

    def is_sold_packed(self, sku: str) -> bool:
        """Tell whether a listed article holds the SKU, so that a shop need not sell it by itself."""
        return sku in self._listed_with

    def _skus(self, article: str) -> Iterable[str]:
        holds = self.contents.get(article)
        return holds.units if holds is not None else (article,)


def _place(price: Decimal) -> Decimal:
    """Return one in the last place that amounts are split at: the price's own, but a cent at least."""
    exponent = price.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    return Decimal(1).scaleb(-max(CENTS, places))


def _split(total: Decimal, holds: Contents, place: Decimal) -> Iterator[tuple[str, Decimal]]:
    """Split an amount over SKUs by their shares; the last one takes what rounding leaves."""
    shares = holds.price_shares or holds.units
    left, shares_left = total, sum(shares.values())
    for sku in holds.units:
        share = shares.get(sku, 0)
        amount = left
        if share != shares_left:
            amount = (left * share / shares_left).quantize(place, ROUND_FLOOR)
        yield sku, amount
        left -= amount
        shares_left -= share


def _allotted(amount: Decimal, units: int, place: Decimal) -> tuple[tuple[int, Decimal], ...]:
    """Return (units, price) whose sum is the amount: one price where it divides, else two neighbours."""
    price = (amount / units).quantize(Decimal(1).scaleb(-PLACES_MAX))
    if price * units == amount:
        return ((units, _tidy(price)),)
    lower = (amount / units).quantize(place, ROUND_FLOOR)
    dearer = int((amount - lower * units) / place)
    return ((dearer, lower + place), (units - dearer, lower)) if dearer else ((units, lower),)


def _tidy(price: Decimal) -> Decimal:
    """Return the price to the cent where nothing stands behind it."""
    cents = price.quantize(Decimal(1).scaleb(-CENTS))
    return cents if cents == price else price.normalize()
