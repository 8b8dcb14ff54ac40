"""Whether the newest orders can be understood, as the daemon would read them."""

from collections.abc import Callable
from datetime import datetime

from actors.ports.shop import UnreadableOrder
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.reading import OrderReader
from adapters.channels.prestashop.wire import ORDER
from adapters.trials import Finding, listed, warning, well

NEWEST = 50
"""Enough to meet what a shop's customers and modules do every day."""


async def try_orders(
    webservice: Webservice, settings: PrestaShopSettings, now: Callable[[], datetime]
) -> list[Finding]:
    """Return what was found.

    Raises:
        PartnerError: as the webservice's.
    """
    del now
    rows = await webservice.rows("orders", ORDER, sort="[id_DESC]", limit=str(NEWEST))
    orders = await OrderReader(webservice, settings).read(rows)
    unreadable = [
        f"order {order.shop_order}: {order.why}" for order in orders if isinstance(order, UnreadableOrder)
    ]
    if unreadable:
        mend = "mend them in the shop: each would wait for a person"
        return [warning("orders", f"cannot be read: {listed(unreadable)}", mend)]
    return [well("orders", f"the newest {len(orders)} orders can be read")]
