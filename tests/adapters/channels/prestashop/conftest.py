"""A simulated shop served over real HTTP on loopback, and our adapter in front of it."""

import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import trio

from actors.ports.shop import ShopOrder, UnreadableOrder
from adapters.channels.prestashop.adapter import PrestaShop
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.simulator import FULL_KEY, Shop, address, serve
from adapters.http.faults import Faults
from adapters.http.server import Drop, Handler, Request, Response

SECONDS_MAX = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--real-shop", action="store_true", help="test_any_shop.py: the shop of the environment")


@dataclass(slots=True)
class Clock:
    """The shop's instant; a test moves it."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 23, 8, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **parts: float) -> None:
        self.now += timedelta(**parts)


class CountingFaults(Faults):
    """Keeps what was asked, for tests that count requests."""

    def __init__(self) -> None:
        super().__init__(random.Random(1))
        self.requests: list[Request] = []

    async def apply(self, request: Request, handler: Handler) -> Response | Drop:
        self.requests.append(request)
        return await super().apply(request, handler)


def settings_for(url: str, **others: object) -> PrestaShopSettings:
    given: dict[str, object] = {
        "url": url,
        "key": FULL_KEY,
        "settle_seconds": 0.0,
        "service_of": {"2": "express"},
    } | others
    return PrestaShopSettings(**given)  # type: ignore[arg-type]


@dataclass(slots=True)
class World:
    """Everything a test needs: the shop to act in, its faults, its clock, and the adapter under test."""

    shop: Shop
    faults: Faults
    clock: Clock
    url: str
    adapter: PrestaShop
    requests: list[Request] = field(default_factory=list)

    def settings(self, **others: object) -> PrestaShopSettings:
        """Return settings for this shop."""
        url = str(others.pop("url", self.url))
        return settings_for(url, **others)

    def connect(self, **settings: object) -> AbstractAsyncContextManager[PrestaShop]:
        """Open another adapter, set up differently."""
        return PrestaShop.open(settings_for(self.url, **settings), "main")

    async def drained(
        self, cursor: str | None = None, adapter: PrestaShop | None = None
    ) -> tuple[list[ShopOrder | UnreadableOrder], str]:
        """Poll until nothing more is announced."""
        orders: list[ShopOrder | UnreadableOrder] = []
        while True:
            poll = await (adapter or self.adapter).poll(cursor)
            orders += poll.orders
            cursor = poll.cursor
            if not poll.more:
                return orders, cursor

    def count(self, method: str, path: str = "") -> int:
        return sum(each.method == method and each.path.startswith(path) for each in self.requests)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock, faults = Clock(), CountingFaults()
    shop = Shop(seed=1, now=clock)
    shop.add_product("teapot", "Teapot", "19.90", 10)
    shop.add_product("cup", "Cup", "4.50", 100)
    shop.add_product("shirt", "Shirt", "23.90", combinations={"shirt-s": 5, "shirt-m": 7})
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    with trio.fail_after(SECONDS_MAX):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, shop, listeners, faults)
            url = address(listeners)
            async with PrestaShop.open(settings_for(url), "main") as adapter:
                yield World(shop, faults, clock, url, adapter, faults.requests)
            nursery.cancel_scope.cancel()
