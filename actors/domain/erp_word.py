"""What the ERP says of articles and customers before it is asked to book anything. Pure, and no decision."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from actors.domain.order_events import OrderLine


class ErpWord(Struct, frozen=True):
    """What was read of the ERP's master data last; as long as nothing was read it objects to nothing.

    Attributes:
        closed: SKUs whose articles it has closed.
        customers: why no piece may stand under the customer of a channel, by channel.
    """

    closed: frozenset[str] = frozenset()
    customers: Mapping[str, str] = {}

    def objections(self, channel: str, lines: Iterable[OrderLine]) -> tuple[str, ...]:
        """Return everything for which the ERP would refuse an order with these lines."""
        if not self.closed and not self.customers:
            return ()
        customer = self.customers.get(channel)
        skus = dict.fromkeys(line.sku for line in lines if line.sku in self.closed)
        return (
            *((customer,) if customer else ()),
            *(f"the ERP has closed the article {sku}" for sku in skus),
        )
