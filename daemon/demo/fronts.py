"""The demo's shop, as all behind it meet it: our own in this process, or somebody's over its webservice.

It owns what is done in the shop by customers and its back office, and what the shop shows in the end.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import trio
from msgspec import Struct

from adapters.channels.prestashop.simulator import FULL_KEY, Shop, Shopper
from daemon.demo.scenario import PlannedOrder

SERVICE_CARRIER = 2
"""The simulated shop's carrier (its id_reference) that every demo order is placed with."""

SHIPPED, BACKORDERED = 4, 9
"""PrestaShop's order states "Shipped" and "On backorder (paid)", by the ids of a fresh installation."""


class Shown(Struct, frozen=True):
    """How the shop shows an order: the meanings of its states so far, and its tracking numbers."""

    was_backordered: bool
    was_shipped: bool
    tracking: tuple[str, ...]


class Front(Protocol):
    """A shop that the demo sells in.

    Attributes:
        url: the shop's address.
        key: its webservice's key.
        at_once: how many orders are placed side by side.
        place_every_s: how long whoever places orders rests between two of them.
    """

    url: str
    key: str
    at_once: int
    place_every_s: float

    @property
    def placed(self) -> int:
        """How many orders the demo has placed."""
        ...

    def channel_settings(self) -> str:
        """Return the lines of the channel's settings that are this shop's own, as TOML."""
        ...

    async def place(self, number: int, order: PlannedOrder, known: Callable[[str], None]) -> str:
        """Place an order and return the shop's id of it; `known` hears it before anybody can work on it."""
        ...

    async def cancel(self, shop_order: str) -> None:
        """Cancel an order in the back office."""
        ...

    async def shown(self) -> Sequence[Shown]:
        """Return how the shop shows the orders that the demo has placed."""
        ...

    async def stock(self, skus: Collection[str]) -> Mapping[str, int]:
        """Return the sellable quantities of these SKUs."""
        ...


class SimulatedFront:
    """The simulator in this process, acted upon directly."""

    at_once = 1
    place_every_s = 0.02
    """Fifty orders a second: a peak for a merchant of this size."""

    key = FULL_KEY

    def __init__(self, shop: Shop, url: str) -> None:
        self.url = url
        self._shop = shop

    @property
    def placed(self) -> int:
        """How many orders have been placed."""
        return len(self._shop.orders())

    def channel_settings(self) -> str:
        """Return them: everything is near and quick."""
        return f"""\
poll_seconds = 0.5
reread_seconds = 6
settle_seconds = 0.2
service_of = {{ "{SERVICE_CARRIER}" = "standard" }}
"""

    async def place(self, number: int, order: PlannedOrder, known: Callable[[str], None]) -> str:
        """Place an order."""
        shopper = Shopper(
            firstname="Camille",
            lastname=f"Martin {number}",
            email=f"camille{number}@example.org",
            country=order.country,
        )
        placed = str(self._shop.place_order(order.lines, shopper, carrier=SERVICE_CARRIER))
        known(placed)
        await trio.lowlevel.checkpoint()
        return placed

    async def cancel(self, shop_order: str) -> None:
        """Cancel an order."""
        self._shop.cancel_order(int(shop_order))
        await trio.lowlevel.checkpoint()

    async def shown(self) -> Sequence[Shown]:
        """Return how all orders are shown."""
        await trio.lowlevel.checkpoint()
        return [
            Shown(BACKORDERED in order.states, SHIPPED in order.states, order.tracking)
            for order in self._shop.orders()
        ]

    async def stock(self, skus: Collection[str]) -> Mapping[str, int]:
        """Return what the shop may sell."""
        await trio.lowlevel.checkpoint()
        return {sku: self._shop.stock(sku) for sku in skus}
