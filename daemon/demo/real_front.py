"""Somebody's PrestaShop as the demo's shop: it sells there over the webservice, and leaves the rest alone.

It sells a few articles that lie there in numbers, to customers of its own. Orders that stand in the shop
already are never touched, nor are the figures of articles that the demo does not sell.
"""

import itertools
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import trio

from actors.errors import OutcomeUnknownError, UnreachableError
from actors.ports.people import Contact
from adapters.channels.prestashop.buyable import Delivery, buyable, delivery
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import Row, reference_to, text, whole
from adapters.channels.prestashop.placing import Placing, Terms
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.stock import Stock
from daemon.demo.fronts import Shown
from daemon.demo.scenario import Goods, PlannedOrder

T = TypeVar("T")

AWAY_S_MAX = 60.0
"""A web server that is restarted, or has no process left, is back sooner; what is longer is an outage."""

PAUSE_S = 1.0
"""Between two attempts at a shop that is away: it may be somebody's."""

WORTH_A_WORD_S = 3.0
"""Whoever waits longer should know for what; a single answer that gets lost is nothing to tell."""

ARTICLES_MAX = 16
"""More would spread the demo's orders thin over a shop that is somebody's."""

UNITS_MIN = 8
"""Of an article that the demo sells; some stay, so that shop and ledger have a figure to agree on."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How an absent shop is waited for: asked again after `pause_s`, for `away_s_max`; a person is told."""

    tell: Callable[[str], None]
    pause_s: float = PAUSE_S
    away_s_max: float = AWAY_S_MAX


class RealFront:
    """A shop over its webservice. `open_real_front` makes one, and looks the shop over first."""

    at_once = 2
    """Placing an order makes PHP work for half a second; more at a time only wait for each other."""

    place_every_s = 0.0

    def __init__(
        self,
        settings: PrestaShopSettings,
        webservice: Webservice,
        placing: Placing,
        terms: Terms,
        deliver: Delivery,
        last_order: int,
        waiting: Waiting,
    ) -> None:
        self.url = settings.url
        self.key = settings.key
        self._webservice = webservice
        self._placing = placing
        self._terms = terms
        self._delivery = deliver
        self._last_order = last_order
        self._waiting = waiting
        self._is_away = False
        self._stock = Stock(webservice, settings, _name(settings.url))
        self._run = secrets.token_hex(4)
        self._orders: list[str] = []
        self._rows: dict[str, int] = {}

    @property
    def placed(self) -> int:
        """How many orders the demo has placed."""
        return len(self._orders)

    async def goods(self) -> Sequence[Goods]:
        """Return what the demo may sell here: whole articles, for sale, with enough of them there.

        Raises:
            PartnerError: the shop cannot be read.
        """
        found = [each for each in await buyable(self._webservice, self._stock) if each.units >= UNITS_MIN]
        found = found[:ARTICLES_MAX]
        self._rows = {each.sku: await self._stock.row_of(each.sku) or 0 for each in found}
        return [Goods(each.sku, each.price, each.weight_g, each.units) for each in found]

    def channel_settings(self) -> str:
        """Return the lines of the channel's settings that are this shop's own, as TOML."""
        terms = self._terms
        services = ", ".join(f'"{reference}" = "standard"' for reference in self._delivery.carriers)
        return f"""\
poll_seconds = 1.0
reread_seconds = 12
after_order = {self._last_order}
service_of = {{ {services} }}

[channels.main.state_of]
preparing = {terms.preparing}
backordered = {terms.backordered}
shipped = {terms.shipped}
cancelled = {terms.cancelled}
"""

    async def place(self, number: int, order: PlannedOrder, known: Callable[[str], None]) -> str:
        """Place an order of a customer whom this run alone knows."""
        buyer = Contact(
            name="Camille Martin",
            street="12 rue de la Republique",
            postcode="69002",
            city="Lyon",
            country=self._delivery.country,
            email=f"wharfinger-{self._run}-{number}@example.org",
            phone="0102030405",
        )

        def known_here(shop_order: str) -> None:
            if shop_order not in self._orders:  # it may be told again, by a second attempt
                self._orders.append(shop_order)
                known(shop_order)

        password = secrets.token_urlsafe(18)
        return await self._until_answered(
            partial(
                self._placing.place,
                buyer,
                order.lines,
                carrier=self._delivery.carrier,
                password=password,
                known=known_here,
            )
        )

    async def cancel(self, shop_order: str) -> None:
        """Cancel an order, as the back office does."""
        await self._until_answered(partial(self._placing.cancel, shop_order))

    async def shown(self) -> Sequence[Shown]:
        """Return how the shop shows the orders that this run has placed."""
        return await self._until_answered(self._shown)

    async def _shown(self) -> Sequence[Shown]:
        ids = [int(order) for order in self._orders]
        there = await self._webservice.rows_by_ids("orders", "[id]", ids)
        states: dict[int, set[int]] = {reference_to(row, "id"): set() for row in there}
        tracking: dict[int, list[str]] = {order: [] for order in states}
        for row in await self._below("order_histories", "[id,id_order,id_order_state]", ids):
            states.setdefault(reference_to(row, "id_order"), set()).add(reference_to(row, "id_order_state"))
        for row in await self._below("order_carriers", "[id,id_order,tracking_number]", ids):
            if text(row, "tracking_number"):
                tracking.setdefault(reference_to(row, "id_order"), []).append(text(row, "tracking_number"))
        backordered, shipped = self._terms.backordered, self._terms.shipped
        return [
            Shown(backordered in seen, shipped in seen, tuple(tracking.get(order, ())))
            for order, seen in states.items()
        ]

    async def _below(self, resource: str, display: str, orders: Collection[int]) -> Sequence[Row]:
        return await self._webservice.rows_by_ids(resource, display, orders, field="id_order")

    async def stock(self, skus: Collection[str]) -> Mapping[str, int]:
        """Return the sellable quantities of these SKUs, all of them the demo's own."""
        ids = [self._rows[sku] for sku in skus]
        ask = partial(self._webservice.rows_by_ids, "stock_availables", "[id,quantity]", ids)
        rows = await self._until_answered(ask)
        units = {reference_to(row, "id"): whole(row, "quantity") for row in rows}
        return {sku: units[self._rows[sku]] for sku in skus}

    async def _until_answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until the shop answers: to place, to cancel and to look make nothing twice when repeated.

        Raises:
            PartnerError: it says no, or has been away for too long.
        """
        waiting = self._waiting
        began = trio.current_time()
        for attempt in itertools.count(1):
            try:
                answer = await ask()
            except (UnreachableError, OutcomeUnknownError) as error:
                if trio.current_time() > began + waiting.away_s_max:
                    raise
                waits = attempt > 1 or trio.current_time() > began + WORTH_A_WORD_S
                if waits and not self._is_away:
                    self._is_away = True
                    waiting.tell(f"{error}; it is asked again for {waiting.away_s_max:.0f} s")
            else:
                if self._is_away:
                    self._is_away = False
                    waiting.tell(f"shop {_name(self.url)} answers again")
                return answer
            await trio.sleep(waiting.pause_s)
        raise AssertionError("it counts without an end")


def _name(url: str) -> str:
    """Return how errors name the shop: by its host, since its address is all that was given of it."""
    return urlsplit(url).netloc


@asynccontextmanager
async def open_real_front(url: str, key: str, waiting: Waiting) -> AsyncGenerator[RealFront]:
    """Look the shop at `url` over, its newest order above all, and sell there; it may go away later.

    Raises:
        PartnerError: it cannot be reached, or the key's rights do not reach.
    """
    settings = PrestaShopSettings(url=url, key=key)
    name = _name(url)
    async with AsyncExitStack() as stack:
        webservice = await stack.enter_async_context(aclosing(Webservice(settings, name)))
        placing = await stack.enter_async_context(aclosing(Placing(settings, name)))
        newest = await webservice.rows("orders", "[id]", sort="[id_DESC]", limit="1")
        last_order = max((reference_to(row, "id") for row in newest), default=0)
        terms, deliver = await placing.terms(), await delivery(webservice)
        yield RealFront(settings, webservice, placing, terms, deliver, last_order, waiting)
