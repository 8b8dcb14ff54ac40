"""The desk behind the control socket, over real actors with a journal and partners in memory."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import trio

from actors.channel import ChannelSettings
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.order import stream_of
from actors.ports import Contact, ShopLine, ShopOrder
from actors.system import Partners, Rules, Surroundings, System
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryCarrier, MemoryErp, MemoryShop
from daemon.control.service import Mandate, Refused
from daemon.control.wire import HoldOrder, ReleaseOrder, Trial
from daemon.order_desk import OrderDesk

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
TRIED = Mandate("uid 0", "", dry_run=True)


def shop_order(number: str, *lines: tuple[str, int]) -> ShopOrder:
    contact = Contact("Ada Lovelace", street="1 rue X", postcode="69001", city="Lyon", country="FR")
    return ShopOrder(
        shop_order=number,
        reference=f"REF{number}",
        standing="open",
        placed_at=AT,
        currency="EUR",
        total=Decimal(12),
        shipping=Decimal(0),
        service="standard",
        country="FR",
        lines=tuple(ShopLine(str(at), sku, units, Decimal(10)) for at, (sku, units) in enumerate(lines, 1)),
        customer="7",
        contact=contact,
        raw=b"{}",
    )


@dataclass
class Opened:
    """A desk over a system that runs."""

    desk: OrderDesk
    system: System
    shop: MemoryShop
    erp: MemoryErp

    async def until(self, order: str, state: str) -> None:
        while (row := await self.system.journal.order_row(order)) is None or row.state != state:
            await trio.sleep(0.01)


@asynccontextmanager
async def open_desk(*orders: ShopOrder) -> AsyncGenerator[Opened]:
    shop, erp = MemoryShop(), MemoryErp({"lyon": {"TEAPOT": 3}, "nantes": {"TEAPOT": 5, "LAMP": 1}})
    for order in orders:
        shop.place(order)
    sites = (WarehouseRule("lyon", priority=1), WarehouseRule("nantes", priority=2))
    system = System(
        MemoryJournal(),
        Partners({"main": shop}, erp, {"swift": MemoryCarrier()}),
        (ChannelSettings("main", poll_s=0.05),),
        Rules(RoutingRules(sites), ()),
        Surroundings(lambda: AT, lambda size: b"s" * size, random.Random(1)),
    )
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(system.run)
            yield Opened(OrderDesk(system, version="1", started_at=AT, partitions=64), system, shop, erp)
            system.stop()


def kinds(tried: object) -> list[str]:
    assert isinstance(tried, Trial)
    return [each.kind for each in tried.would]


async def test_what_a_hold_would_record_is_told_and_not_recorded() -> None:
    async with open_desk(shop_order("1", ("TEAPOT", 1))) as opened:
        await opened.until("main-1", "picking")
        before = await opened.system.journal.read(stream_of("main-1"))
        tried = await opened.desk.hold("main-1", HoldOrder(reason="call first"), TRIED)
        assert kinds(tried) == ["order.held"]
        assert kinds(await opened.desk.release("main-1", ReleaseOrder(), TRIED)) == []
        assert kinds(await opened.desk.cancel("main-1", TRIED)) == ["order.cancel_asked"]
        assert await opened.system.journal.read(stream_of("main-1")) == before
        with pytest.raises(Refused, match="no order main-2"):
            await opened.desk.hold("main-2", HoldOrder(reason="r"), TRIED)
