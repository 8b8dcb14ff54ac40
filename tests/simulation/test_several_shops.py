"""Three shops sell one stock: two share it in one installation, one sells it in cartons and packs under EANs.

All actors, the shops over real HTTP with faults; ERP, carrier and journal in memory.
"""

import random
import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import structlog
import trio
from msgspec.structs import replace

from actors.channel import ChannelSettings
from actors.domain.assortment import Assortment, Contents
from actors.domain.carrier_choice import CarrierRule
from actors.domain.documents import ErpDeliveryNote, ErpLine, ErpOrder
from actors.domain.ledger import INNER_ACCOUNTS
from actors.domain.order_commands import Wake
from actors.domain.order_state import Order
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_commands import Pack, Pick, Receive
from actors.domain.stock_events import PackedParcel, Quantity
from actors.partners import Partners
from actors.system import Rules, Surroundings, System
from adapters.channels.prestashop.adapter import PrestaShop
from adapters.channels.prestashop.plugin import STATE_OF, PrestaShopSettings
from adapters.channels.prestashop.simulator import FULL_KEY, Key, Shop, SoldOutError, address, serve
from adapters.http.faults import Faults
from adapters.http.server import Drop, Handler, Request, Response
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryCarrier, MemoryErp

OUTLET_KEY = "SIMULATEDSHOPKEY0000000000000002"
STOCK = {
    "lyon": {"TEAPOT": 12, "CUP": 60, "BOLT": 80},
    "nantes": {"TEAPOT": 6, "CUP": 25, "BOLT": 20},
}
SITES = RoutingRules((WarehouseRule("lyon", priority=1), WarehouseRule("nantes", priority=2)))
SWIFT = (CarrierRule("swift", "home"),)
CARTON, SET, BOX, CUP_EAN = "3700000000061", "3700000000047", "3700000000993", "3700000000016"
LISTED = {
    CARTON: Contents({"BOLT": 6}),
    SET: Contents({"TEAPOT": 1, "CUP": 4}),
    CUP_EAN: Contents({"CUP": 1}),
}
SHIPPED, DELIVERED = 4, 5
SECONDS_MAX = 60


class Watched(Faults):
    """Keeps what was carried out, in its order."""

    def __init__(self, seed: int) -> None:
        super().__init__(random.Random(seed))
        self.done: list[Request] = []
        self.polls = 0

    async def apply(self, request: Request, handler: Handler) -> Response | Drop:
        is_poll = request.path == "/api/orders" and "date_upd" in request.target
        self.polls += is_poll and "id_shop=2" not in request.target

        async def watched(asked: Request) -> Response | Drop:
            if asked.method in ("PATCH", "POST"):
                self.done.append(asked)
            return await handler(asked)

        return await super().apply(request, watched)


@dataclass
class Mall:
    """Two installations with three shops, and the system that works for them."""

    poll_s: float = 0.15
    town: Shop = field(init=False)
    alps: Shop = field(init=False)
    faults: dict[str, Watched] = field(init=False)
    erp: MemoryErp = field(init=False)
    carrier: MemoryCarrier = field(default_factory=MemoryCarrier)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    system: System = field(init=False)
    floor_is_open: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self.town = Shop(1, "Europe/Paris")
        for sku, price in (("TEAPOT", "19.90"), ("CUP", "4.50"), ("BOLT", "0.35")):
            self.town.add_product(sku, sku, price, stock=0)
        self.town.open_shop("Outlet", shares_stock=True)
        self.town.keys[OUTLET_KEY] = Key(shops=frozenset({2}))
        self.alps = Shop(2, "America/Montreal")
        self.alps.ordering.currency_of[1] = self._currency("CHF")
        for ean, price in ((CARTON, "1.99"), (SET, "35.00"), (CUP_EAN, "5.00"), (BOX, "9.00")):
            self.alps.add_product(f"ALPS-{ean[-2:]}", "An article", price, stock=0, ean13=ean)
        self.town.backorders = self.alps.backorders = False
        self.faults = {"town": Watched(1), "alps": Watched(2)}
        self.erp = MemoryErp({site: dict(stock) for site, stock in STOCK.items()})

    def _currency(self, iso_code: str) -> int:
        return int(str(self.alps.tables.insert("currencies", {"iso_code": iso_code, "active": 1})["id"]))

    def shops(self, town: str, alps: str) -> dict[str, PrestaShop]:
        main = PrestaShopSettings(
            url=town,
            key=FULL_KEY,
            id_shop=1,
            stock_batch=20,
            settle_seconds=0.05,
            service_of={"2": "standard"},
        )
        states = {**STATE_OF, "shipped": DELIVERED}
        return {
            "main": PrestaShop(main, "main"),
            "outlet": PrestaShop(replace(main, key=OUTLET_KEY, id_shop=2), "outlet"),
            "alps": PrestaShop(
                replace(main, url=alps, id_shop=None, sku_from=("ean13",), state_of=states), "alps"
            ),
        }

    # --- what may be sold

    def free(self) -> dict[str, int]:
        """Return what nobody has been promised."""
        return self.system.directory.available()

    def expected(self) -> dict[str, dict[str, int]]:
        """Return what each shop should show once no order waits: the outlet's buffer counts in town too."""
        free = {sku: max(0, units - 1) for sku, units in self.free().items()}
        town = {sku: max(0, units - 2) for sku, units in self.free().items()}
        return {
            "town": town,
            "alps": {
                "ALPS-61": free["BOLT"] // 6,
                "ALPS-47": min(free["TEAPOT"], free["CUP"] // 4),
                "ALPS-16": free["CUP"],
            },
        }

    def shown(self) -> dict[str, dict[str, int]]:
        alps = self.alps.stocks()
        alps.pop("ALPS-93", None)
        return {"town": self.town.stocks(), "alps": alps}

    async def until_shown(self) -> None:
        while self.shown() != self.expected():
            await trio.sleep(0.05)

    # --- people

    async def buy(self, shop: Shop, draw: random.Random, articles: tuple[str, ...], *, id_shop: int) -> None:
        """Buy, now and then, what the shop says it has; a few think better of it."""
        for _ in range(14):
            await trio.sleep(draw.random() * 0.25)
            lines = [(each, draw.randint(1, 3)) for each in draw.sample(articles, draw.randint(1, 2))]
            try:
                order = shop.place_order(lines, shop=id_shop)
            except SoldOutError:
                continue
            if draw.random() < 0.15:
                await trio.sleep(draw.random() * 0.3)
                if shop.order(order).state not in (SHIPPED, DELIVERED):
                    shop.cancel_order(order)

    async def work_the_floor(self, site: str) -> None:
        """Pick and pack whatever lies on the floor."""
        stock = self.system.directory.warehouses[site].stock
        while True:
            await self.floor_is_open.wait()
            for each in [each for each in stock.fulfilments.values() if each.state == "floor"]:
                for line in each.lines:
                    pick = Pick(each.fulfilment, "", line.sku, line.to_pick)
                    await self.system.directory.ask_warehouse(site, pick)
                contents = tuple(Quantity(line.sku, line.picked) for line in each.lines if line.picked)
                parcels = (PackedParcel(f"{each.fulfilment}.1", contents, 900),)
                await self.system.directory.ask_warehouse(site, Pack(each.fulfilment, parcels))
            await trio.sleep(0.05)

    async def until_quiet(self) -> None:
        """Wait until every order of every shop has ended here or waits for goods, and everybody was told."""
        while True:
            rows = await self.journal.orders_in((), 1_000)
            untold = [
                effect
                for partner in ("erp", "shop-main", "shop-outlet", "shop-alps", "carrier-swift")
                for effect in await self.journal.pending(partner, 1_000)
            ]
            moving = [row for row in rows if row.state not in ("shipped", "cancelled", "backordered", "held")]
            if not untold and not moving and len(rows) >= self._living():
                return
            await trio.sleep(0.1)

    def _living(self) -> int:
        """Return how many orders must have come here; one that was cancelled at once need not."""
        return sum(order.state != 6 for shop in (self.town, self.alps) for order in shop.orders())

    async def orders(self) -> dict[str, Order]:
        rows = await self.journal.orders_in((), 1_000)
        return {row.order: await self.system.hall.ask(row.order, Wake()) for row in rows}


@asynccontextmanager
async def open_mall(poll_s: float = 0.15, *, floor_is_open: bool = True) -> AsyncGenerator[Mall]:
    mall = Mall(poll_s)
    if floor_is_open:
        mall.floor_is_open.set()
    with trio.fail_after(SECONDS_MAX), structlog.testing.capture_logs():
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            urls = {}
            for name, simulated in (("town", mall.town), ("alps", mall.alps)):
                listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
                await nursery.start(serve, simulated, listeners, mall.faults[name])
                urls[name] = address(listeners)
            shops = mall.shops(**urls)
            for shop in shops.values():
                stack.push_async_callback(shop.aclose)
            mall.system = System(
                mall.journal,
                Partners(shops, mall.erp, {"swift": mall.carrier}),
                (
                    ChannelSettings("main", poll_s, safety=1),
                    ChannelSettings("outlet", poll_s, safety=1, buffer=1, stock_with="main"),
                    ChannelSettings("alps", poll_s, safety=1),
                ),
                Rules(SITES, SWIFT, {"alps": Assortment(LISTED)}),
                Surroundings(lambda: datetime.now(UTC), random.Random(3).randbytes, random.Random(4)),
            )
            await nursery.start(mall.system.run)
            for site in STOCK:
                nursery.start_soon(mall.work_the_floor, site)
            yield mall
            nursery.cancel_scope.cancel()


def sold(mall: Mall) -> Counter[str]:
    """Return how many units of each SKU left the shops' hands for good, by their own books."""
    units: Counter[str] = Counter()
    for shop in (mall.town, mall.alps):
        for order in shop.orders():
            if order.state == 6:
                continue
            for article, pieces in order.lines:
                name = shop.stockroom.article(article).ean13 or article
                for sku, each in LISTED.get(name, Contents({name: 1})).units.items():
                    units[sku] += each * pieces
    return units


def amounts(lines: tuple[ErpLine, ...]) -> Decimal:
    return sum((line.units * line.unit_price for line in lines), Decimal(0))


def told_in_order(mall: Mall) -> None:
    """Check that no order was shown as shipped before all its tracking numbers were written."""
    for name, state in (("town", SHIPPED), ("alps", DELIVERED)):
        tables = {"town": mall.town, "alps": mall.alps}[name].tables["order_carriers"]
        tracked: set[int] = set()
        for request in mall.faults[name].done:
            ids = {key.decode(): int(text) for key, text in re.findall(rb"<(id\w*)>(\d+)</", request.body)}
            if request.path.startswith("/api/order_carriers"):
                tracked.add(ids.get("id_order") or int(str(tables[ids["id"]]["id_order"])))
            elif ids.get("id_order_state") == state:
                assert ids["id_order"] in tracked


async def receive(mall: Mall, units: int) -> None:
    for sku in STOCK["lyon"]:
        await mall.system.directory.ask_warehouse("lyon", Receive(f"D-{sku}-{units}", sku, units, "", ()))


@pytest.mark.slow
async def test_no_unit_is_sold_twice_over_three_shops_and_each_shows_what_it_may_sell() -> None:
    async with open_mall() as mall:
        await mall.until_shown()
        for faults in mall.faults.values():
            faults.lose_answer, faults.refuse = 0.04, 0.03
        async with trio.open_nursery() as customers:
            town, alps = ("TEAPOT", "CUP", "BOLT"), ("ALPS-61", "ALPS-47", "ALPS-16")
            customers.start_soon(lambda: mall.buy(mall.town, random.Random(5), town, id_shop=1))
            customers.start_soon(lambda: mall.buy(mall.town, random.Random(6), town, id_shop=2))
            customers.start_soon(lambda: mall.buy(mall.alps, random.Random(7), alps, id_shop=1))
        for faults in mall.faults.values():
            faults.lose_answer = faults.refuse = 0.0
        await receive(mall, 100)
        await mall.until_quiet()
        await mall.until_shown()

        orders = await mall.orders()
        assert {order.partition("-")[0] for order in orders} == {"main", "outlet", "alps"}
        assert {order.stage for order in orders.values()} <= {"shipped", "cancelled"}
        for name, order in orders.items():
            shop = mall.alps if name.startswith("alps") else mall.town
            picture = shop.order(int(order.facts.shop_order))
            told = DELIVERED if shop is mall.alps else SHIPPED
            assert picture.states.count(told) == (order.stage == "shipped")
            assert len(picture.tracking) == len(order.parcels)
            assert order.facts.currency == ("CHF" if shop is mall.alps else "EUR")
            assert abs(order.facts.placed_at - datetime.now(UTC)) < timedelta(minutes=2)
        told_in_order(mall)

        notes = [each for copies in mall.erp.booked.values() for each in copies]
        shipped: Counter[str] = Counter()
        for note in notes:
            if isinstance(note, ErpDeliveryNote):
                shipped.update({line.sku: 0 for line in note.lines})
                for line in note.lines:
                    shipped[line.sku] += line.units
            elif isinstance(note, ErpOrder):
                shop = mall.alps if note.channel == "alps" else mall.town
                row = shop.tables["orders"][int(note.reference.partition("-")[2])]
                assert amounts(note.lines) == Decimal(str(row["total_products"]))
        assert shipped == sold(mall)
        for sku in STOCK["lyon"]:
            begun = sum(stock[sku] for stock in STOCK.values()) + 100
            shelves = [site.stock.shelves[sku] for site in mall.system.directory.warehouses.values()]
            in_house = sum(getattr(shelf, account) for shelf in shelves for account in INNER_ACCOUNTS)
            assert in_house == begun - shipped[sku] == mall.free()[sku]
        assert mall.erp.duplicates() == mall.carrier.duplicates() == 0
        kinds = {each.problem for each in await mall.journal.anomalies(100)}
        assert kinds <= {"cancelled_too_late", "unknown_sku"}


async def test_the_last_unit_that_two_shops_sell_at_once_goes_to_one_of_their_customers() -> None:
    async with open_mall() as mall:
        await mall.until_shown()
        last = mall.free()["CUP"]
        shown = mall.shown()
        town = mall.town.place_order([("CUP", shown["town"]["CUP"])])
        alps = mall.alps.place_order([("ALPS-16", shown["alps"]["ALPS-16"])])
        await mall.until_quiet()
        orders = await mall.orders()
        stages = {name: order.stage for name, order in orders.items()}
        assert sorted(stages.values()) == ["backordered", "shipped"], stages
        assert mall.free()["CUP"] in (1, 2)
        assert mall.shown()["town"]["CUP"] == mall.shown()["alps"]["ALPS-16"] == 0
        await receive(mall, last)
        await mall.until_quiet()
        await mall.until_shown()
        assert mall.town.order(town).state == SHIPPED
        assert mall.alps.order(alps).state == DELIVERED


async def test_an_order_of_an_article_that_nobody_knew_leaves_once_the_article_is_listed() -> None:
    async with open_mall() as mall:
        await mall.until_shown()
        mall.alps.set_stock("ALPS-93", 5)
        order = mall.alps.place_order([("ALPS-93", 1), ("ALPS-61", 2)])
        while "unknown_sku" not in {each.problem for each in await mall.journal.anomalies(10)}:
            await trio.sleep(0.02)
        assert (await mall.orders())[f"alps-{order}"].stage == "held"
        box = Contents({"TEAPOT": 1, "BOLT": 10}, {"TEAPOT": 2, "BOLT": 1})
        mall.system.reload(Rules(SITES, SWIFT, {"alps": Assortment(LISTED | {BOX: box})}))
        while mall.alps.order(order).state != DELIVERED:
            await trio.sleep(0.02)
        (booked,) = (
            each for copies in mall.erp.booked.values() for each in copies if isinstance(each, ErpOrder)
        )
        units = Counter[str]()
        for line in booked.lines:
            units[line.sku] += line.units
        assert units == {"TEAPOT": 1, "BOLT": 22}
        assert amounts(booked.lines) == Decimal("12.98")
        free = mall.free()
        while mall.alps.stock("ALPS-93") != min(free["TEAPOT"] - 1, (free["BOLT"] - 1) // 10):
            await trio.sleep(0.02)
        problems = {each.problem for each in await mall.journal.anomalies(10)}
        assert problems == set()


async def test_what_a_shop_restocks_with_a_refund_and_again_with_the_cancel_is_for_sale_once() -> None:
    async with open_mall(floor_is_open=False) as mall:
        await mall.until_shown()
        before = mall.shown()
        order = mall.town.place_order([("CUP", 3)], shop=2)
        while (await mall.journal.order_row(f"outlet-{order}")) is None:
            await trio.sleep(0.02)
        mall.town.refund(order, [("CUP", 3)])
        while (await mall.orders())[f"outlet-{order}"].stage != "cancelled":
            await trio.sleep(0.02)
        await mall.until_shown()
        mall.town.cancel_order(order)
        assert mall.shown()["town"]["CUP"] == before["town"]["CUP"] + 3, "the shop has restocked it twice"
        await mall.until_shown()
        assert mall.shown() == before
        assert mall.free()["CUP"] == sum(stock["CUP"] for stock in STOCK.values())


async def test_a_unit_sold_between_our_look_and_our_write_is_for_sale_again_for_one_poll() -> None:
    async with open_mall(poll_s=1.0, floor_is_open=False) as mall:
        await mall.until_shown()
        faults = mall.faults["town"]
        polled_before: list[int] = []

        def sell_right_after_the_look(answer: Response) -> Response:
            mall.town.place_order([("TEAPOT", 1)])
            polled_before.append(faults.polls)
            return answer

        def is_look(request: Request) -> bool:
            return request.method == "GET" and "stock_availables" in request.path and "%7C" in request.target

        faults.change_next(sell_right_after_the_look, is_look)
        await receive(mall, 7)
        while mall.shown()["town"]["TEAPOT"] != 16 + 6:
            await trio.sleep(0.01)
        assert any(b"<quantity>23</quantity>" in request.body for request in faults.done), (
            "it was shown again"
        )
        assert faults.polls - polled_before[0] <= 2, "the next poll, and the one before the push"


async def test_every_shop_shows_a_change_of_the_ledger_in_less_than_ten_seconds() -> None:
    async with open_mall(poll_s=600) as mall:
        await mall.until_shown()
        began = trio.current_time()
        await receive(mall, 7)
        assert mall.shown() != mall.expected()
        await mall.until_shown()
        assert trio.current_time() - began < 10
