"""One PrestaShop shop as the actors meet it: the `ShopPort`, put together from its parts.

    async with PrestaShop.open(settings, "main") as shop:   # or PrestaShop(settings, "main"), then `aclose`
        poll = await shop.poll(None)

Nothing is asked of the shop before the first call, so a shop that is away does not stop the daemon from
starting.
"""

from collections.abc import AsyncGenerator, Collection, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Self

import trio

from actors.domain.documents import ShopDocument, ShopTracking
from actors.errors import MalformedError
from actors.ports.partner import Outcome
from actors.ports.shop import Poll, Pushed, ShopOrder, ShopStanding, UnreadableOrder
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import FieldError, Row, reference_to
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.polling import OrderFeed
from adapters.channels.prestashop.reading import OrderReader
from adapters.channels.prestashop.stock import Stock
from adapters.channels.prestashop.telling import Telling
from adapters.channels.prestashop.wire import ORDER


class PrestaShop:
    """A shop over the legacy webservice of PrestaShop 8 and 9. Raises the errors of `actors.errors` alone.

    Args:
        settings: how to reach it and how to understand it.
        name: the channel's name, for errors and logs.
    """

    def __init__(self, settings: PrestaShopSettings, name: str) -> None:
        self._id_shop = settings.id_shop
        self._webservice = Webservice(settings, name)
        self._reader = OrderReader(self._webservice, settings)
        self._feed = OrderFeed(self._webservice, self._reader, settings)
        self._telling = Telling(self._webservice, settings)
        self._stock = Stock(self._webservice, settings, name)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: PrestaShopSettings, name: str) -> AsyncGenerator[Self]:
        """Make one and close it at the end; only so are pages of a first import read ahead."""
        shop = cls(settings, name)
        try:
            async with trio.open_nursery() as nursery:
                with shop._feed.pages.reading_in(nursery):
                    yield shop
                nursery.cancel_scope.cancel()
        finally:
            await shop.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._webservice.aclose()

    @property
    def problems(self) -> Sequence[str]:
        """What a person should look at in the shop's catalogue, as the last reading of it found."""
        return self._stock.problems

    @property
    def is_importing(self) -> bool:
        """Whether a first import is under way, for which statuses and parcels wait."""
        return self._feed.is_importing

    async def poll(self, cursor: str | None) -> Poll:
        """Return the orders that changed since the cursor; see `OrderFeed`.

        An order that the shop is still building is left out until it is complete, or for ten minutes.
        """
        with self._understanding("poll"):
            return await self._feed.poll(cursor)

    async def cursor_at(self, since: datetime, cursor: str | None = None) -> str:
        """Return a cursor from which polls tell of the orders placed since, and then of every change."""
        with self._understanding("look for the first order"):
            return await self._feed.cursor_at(since, cursor)

    async def order(self, shop_order: str) -> ShopOrder | UnreadableOrder | None:
        """Read one order again with everything around it, None when the shop has deleted it."""
        if not shop_order.isdigit():
            return None
        return (await self.reread([shop_order])).get(shop_order)

    async def reread(
        self, shop_orders: Collection[str], *, whole: bool = True
    ) -> Mapping[str, ShopOrder | UnreadableOrder]:
        """Read orders again; those that the shop has deleted are not there.

        Not `whole` are four requests for up to 300 orders, instead of eleven.
        """
        ids = {int(order) for order in shop_orders if order.isdigit()}
        with self._understanding("read orders again"):
            rows = await self._webservice.rows_by_ids("orders", ORDER, ids)
            for missing in sorted(ids - {reference_to(row, "id") for row in rows}):
                # A list shows no order that has lost its shop, as a PUT without id_shop makes it do.
                row = await self._webservice.one("orders", missing, ORDER)
                if row is not None and self._is_ours(row):
                    rows.append(row)
            orders = await self._reader.read(rows, detailed_max=None if whole else 0)
            return {order.shop_order: order for order in orders}

    async def survey(self, after: str) -> Sequence[ShopStanding]:
        """Return how the shop's next thousand orders stand, by rising ids above `after` ("": from the first).

        It is the least that the shop can be asked: neither lines nor people.
        """
        with self._understanding("survey the orders"):
            return await self._feed.survey(int(after) if after.isdigit() else 0)

    async def tracked(self, tellings: Sequence[ShopTracking]) -> Sequence[bool]:
        """Return of each whether the shop shows all of its tracking numbers, by a request for each 300."""
        with self._understanding("read tracking numbers"):
            return await self._telling.tracked(tellings)

    async def find(self, document: ShopDocument) -> Outcome | None:
        """Look whether the shop already shows what the document asks for, or is beyond it."""
        await self._feed.import_over()
        with self._understanding(f"look at order {document.shop_order}"):
            return await self._telling.find(document)

    async def carry_out(self, document: ShopDocument) -> Outcome:
        """Bring the shop to show it; what it shows already is not written again."""
        await self._feed.import_over()
        with self._understanding(f"tell order {document.shop_order}"):
            return await self._telling.carry_out(document)

    async def stock(self) -> Mapping[str, int]:
        """Return the shop's sellable quantity of every SKU it knows."""
        with self._understanding("read the stock"):
            return await self._stock.read()

    async def push_stock(self, levels: Mapping[str, int]) -> Pushed:
        """Set the sellable quantity of these articles, and read back what the shop shows."""
        with self._understanding("push the stock"):
            return await self._stock.push(levels)

    def _is_ours(self, order: Row) -> bool:
        """Tell whether an order is this channel's; of a shop that is alone every order is."""
        return self._id_shop is None or reference_to(order, "id_shop") in (0, self._id_shop)

    @contextmanager
    def _understanding(self, doing: str) -> Generator[None]:
        """Say it in our errors where a row, other than an order's, cannot be understood."""
        try:
            yield
        except FieldError as error:
            raise MalformedError(self._webservice.system, doing, str(error)) from error
