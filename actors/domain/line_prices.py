"""At which price each unit of an order was sold, handed out in the order of the order's lines. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from actors.domain.order_events import OrderLine


class LinePrices:
    """The prices of an order's units, not yet handed out.

    A SKU may stand in several lines at several prices: twice in a cart, or in a pack beside single pieces.
    """

    def __init__(self, lines: Iterable[OrderLine]) -> None:
        self._left: dict[str, list[tuple[int, Decimal]]] = {}
        for line in lines:
            tiers = self._left.setdefault(line.sku, [])
            if tiers and tiers[-1][1] == line.unit_price:
                tiers[-1] = (tiers[-1][0] + line.units, line.unit_price)
            else:
                tiers.append((line.units, line.unit_price))

    def take(self, sku: str, units: int) -> list[tuple[int, Decimal]]:
        """Hand out (units, price) of a SKU; more than was sold of it comes at its last price.

        Raises:
            KeyError: the order has no line of the SKU.
        """
        tiers = self._left[sku]
        taken: list[tuple[int, Decimal]] = []
        while units > tiers[0][0] and len(tiers) > 1:
            units -= tiers[0][0]
            taken.append(tiers.pop(0))
        left, price = tiers[0]
        tiers[0] = (max(0, left - units), price)
        taken.append((units, price))
        return [tier for tier in taken if tier[0]]
