"""All actors of a daemon on the real journal, with partners in process and a crew that scans each line."""

import math
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import trio

from actors.channel import ChannelSettings
from actors.domain.carrier_choice import CarrierRule
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_commands import Done, Pack, Pick
from actors.domain.stock_events import PackedParcel, Quantity
from actors.partners import Partners
from actors.ports.people import Contact
from actors.ports.shop import ShopLine, ShopOrder
from actors.system import Rules, Surroundings, System
from adapters.memory.partners import MemoryCarrier, MemoryErp, MemoryShop
from adapters.postgres.journal import PostgresJournal, open_journal
from daemon.collector import collect_seldom
from daemon.measured import measured
from daemon.metrics import Metrics

SITE = "lyon"
SKUS = 1_000
UNITS_EACH = 1_000_000
LINES = 3
PICKERS = 256
"""Scanners: each works on one order at a time, and the next scan waits for the last one's answer."""

LOOK_AGAIN_S = 0.05
"""How often the crew looks for new orders."""

RULES = Rules(RoutingRules((WarehouseRule(SITE, priority=1),)), (CarrierRule("swift", "home"),))
CAMILLE = Contact("Camille Martin", "", "1 rue du Port", "", "69008", "Lyon", "", "FR", "camille@example.org")


def skus() -> list[str]:
    """Return the SKUs of the house."""
    return [f"SKU-{number:05d}" for number in range(SKUS)]


def shop_order(number: int, draw: random.Random) -> ShopOrder:
    """Return an order of three lines as a shop tells it."""
    chosen = draw.sample(range(SKUS), LINES)
    return ShopOrder(
        shop_order=str(number),
        reference=f"REF{number}",
        standing="open",
        placed_at=datetime.now(UTC),
        currency="EUR",
        total=Decimal("64.90"),
        shipping=Decimal("4.90"),
        service="standard",
        country="FR",
        lines=tuple(
            ShopLine(str(n), f"SKU-{sku:05d}", draw.choice((1, 1, 2)), Decimal("20.00"))
            for n, sku in enumerate(chosen, 1)
        ),
        customer=str(number % 5_000),
        contact=CAMILLE,
        raw=b'{"order":{"id":' + str(number).encode() + b',"payload":"' + b"x" * 1_500 + b'"}}',
    )


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Merchant:
    """The actors at work, and their partners."""

    system: System
    journal: PostgresJournal
    shop: MemoryShop

    async def work_the_floor(self) -> None:
        """Pick and pack what comes, so many people side by side, until cancelled."""
        given: set[str] = set()
        work, to_do = trio.open_memory_channel[str](math.inf)  # no longer than the orders that a run places
        stock = self.system.directory.warehouses[SITE].stock
        async with trio.open_nursery() as nursery:
            for _ in range(PICKERS):
                nursery.start_soon(self._work, to_do.clone())
            while True:
                for name, each in stock.fulfilments.items():
                    if each.state == "floor" and name not in given:
                        given.add(name)
                        work.send_nowait(name)
                await trio.sleep(LOOK_AGAIN_S)

    async def _work(self, to_do: trio.MemoryReceiveChannel[str]) -> None:
        async for name in to_do:
            await self._pick_and_pack(name)

    async def _pick_and_pack(self, name: str) -> None:
        stock = self.system.directory.warehouses[SITE].stock
        lines = stock.fulfilments[name].lines
        for line in lines:
            await self._do(Pick(name, stock.shelves[line.sku].slot, line.sku, line.units))
        contents = tuple(Quantity(line.sku, line.units) for line in lines)
        await self._do(Pack(name, (PackedParcel(f"{name}.1", contents, 900),)))

    async def _do(self, command: Pick | Pack) -> None:
        done = await self.system.directory.ask_warehouse(SITE, command)
        if done != Done():
            raise ValueError(f"the floor was refused: {done}")

    async def until_told(self, orders: int) -> None:
        """Return once so many orders are shipped and every partner knows."""
        while True:
            await trio.sleep(0.02)
            if any(drain.depth for drain in self.system.drains.values()):
                continue
            counts = await self.journal.order_counts()
            if counts.get("shipped", 0) + counts.get("delivered", 0) >= orders:
                return


@asynccontextmanager
async def open_merchant(dsn: str, shop: MemoryShop, *, poll_s: float = 0.1) -> AsyncGenerator[Merchant]:
    """Open the journal, start all actors and the floor crew, and end them all at the end.

    Figures are counted as in the daemon, so that what is measured bears their cost.
    """
    metrics = Metrics(utc_now)
    owner = f"bench-{time.time_ns()}"
    async with open_journal(dsn, owner=owner, observe=metrics.committed) as journal:
        erp = MemoryErp({SITE: dict.fromkeys(skus(), UNITS_EACH)})
        system = System(
            journal,
            measured(Partners({"main": shop}, erp, {"swift": MemoryCarrier()}), metrics.called),
            (ChannelSettings("main", poll_s=poll_s),),
            RULES,
            Surroundings(
                utc_now, random.Random(3).randbytes, random.Random(5), metrics.attempted, metrics.moved
            ),
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(system.run)
            merchant = Merchant(system, journal, shop)
            nursery.start_soon(merchant.work_the_floor)
            collect_seldom()
            yield merchant
            nursery.cancel_scope.cancel()


def new_shop() -> MemoryShop:
    """Return a shop that shows all stock already, so that no first push of figures is measured."""
    return MemoryShop(levels=dict.fromkeys(skus(), UNITS_EACH))
