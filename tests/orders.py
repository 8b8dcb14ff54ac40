"""An order as a shop tells it, for tests that want one and care for few of its fields."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from actors.ports.people import Contact
from actors.ports.shop import ShopLine, ShopOrder

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
"""When it was placed."""

CAMILLE = Contact("Camille Martin", "", "1 rue du Port", "", "69008", "Lyon", "", "FR", "camille@example.org")
"""Who placed it."""


def shop_order(number: int, *lines: tuple[str, int], **changed: object) -> ShopOrder:
    """Return an order of so many units of each article, open and paid; other fields where they are given."""
    order = ShopOrder(
        shop_order=str(number),
        reference=f"REF{number}",
        standing="open",
        placed_at=NINE,
        currency="EUR",
        total=Decimal("10.00"),
        shipping=Decimal("4.90"),
        service="standard",
        country="FR",
        lines=tuple(ShopLine(str(n), sku, units, Decimal("5.00")) for n, (sku, units) in enumerate(lines, 1)),
        customer="7",
        contact=CAMILLE,
        raw=b"{}",
    )
    return msgspec.structs.replace(order, **changed)
