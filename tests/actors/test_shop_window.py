"""What a shop shows follows what may be sold, from move to move, as if all of it were compared each time."""

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.desk import Desk, Matter
from actors.directory import Directory, WarehouseHandle
from actors.domain.assortment import Assortment, Contents
from actors.domain.ledger import Shelf, Stock, apply, sellable
from actors.domain.stock_events import Quantity, SlotAssigned, StockAdjusted, StockReceived, UnitsReserved
from actors.for_sale import ForSale
from actors.mailbox import Mailbox
from actors.shop_window import ShopWindow
from actors.slices import SLICE
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryShop
from tests.orders import NINE, shop_order

SITES = ("lyon", "lille")
SKUS = ("CUP", "POT", "TEA")
WITHHELD = 1
PLAIN = Assortment()
PACKED = Assortment({"SET": Contents({"CUP": 4, "POT": 1}), "LEAVES": Contents({"TEA": 1})})

sites, skus, units = st.sampled_from(SITES), st.sampled_from(SKUS), st.integers(1, 9)
moves = st.one_of(
    st.tuples(st.just("receive"), sites, skus, units),
    st.tuples(st.just("reserve"), sites, skus, units),
    st.tuples(st.just("lose"), sites, skus, units),
    st.tuples(st.just("shelve"), sites, skus),
    st.tuples(st.just("begin anew"), sites),
    st.tuples(st.just("want"), skus, st.integers(0, 9)),
    st.tuples(st.just("hold back"), skus, st.integers(0, 9)),
    st.tuples(st.just("sell by"), st.sampled_from((PLAIN, PACKED))),
    st.tuples(st.just("withhold"), st.integers(0, 3)),
    st.tuples(st.just("sell"), st.sampled_from((*SKUS, "SET")), units),
)


class House:
    """Two warehouses, and what may be sold of theirs."""

    def __init__(self) -> None:
        self.handles: dict[str, WarehouseHandle] = {site: WarehouseHandle(site, Mailbox(1)) for site in SITES}
        self.directory = Directory(self.handles)
        self.journal = WantedJournal()
        self.moves = 0
        self.withheld = WITHHELD

    def move(self, step: tuple[object, ...], for_sale: ForSale) -> None:
        self.moves += 1
        match step:
            case ("receive", str(site), str(sku), int(count)):
                apply(self.handles[site].stock, StockReceived(f"D{self.moves}", sku, count, "A-1"))
            case ("reserve", str(site), str(sku), int(count)):
                if self.handles[site].stock.available(sku) >= count:
                    promise = UnitsReserved(f"F{self.moves}", "O", (Quantity(sku, count),), None)
                    apply(self.handles[site].stock, promise)
            case ("lose", str(site), str(sku), int(count)):
                if self.handles[site].stock.available(sku) >= count:
                    apply(self.handles[site].stock, StockAdjusted(sku, -count, "broken"))
            case ("shelve", str(site), str(sku)):
                apply(self.handles[site].stock, SlotAssigned(sku, "A-2"))
            case ("begin anew", str(site)):
                before = self.handles[site].stock
                self.handles[site].stock = Stock(before.shelves, before.fulfilments)
            case ("want", str(sku), int(count)):
                self.journal.waited_for[sku] = count
            case ("hold back", str(sku), int(count)):
                self.directory.hold_back(f"of {sku}", {sku: count})
            case ("sell by", Assortment() as assortment):
                for_sale.sell_by(assortment)
            case ("withhold", int(count)):
                for_sale.withhold(count)
                self.withheld = max(self.withheld, count)
            case _:
                pass  # it moves the shop, not the house

    def window_of(self, shop: MemoryShop) -> ShopWindow:
        desk = Desk(self.journal, lambda: NINE, Mailbox[Matter](10))
        return ShopWindow("main", shop, self.journal, desk, self.directory, withheld=WITHHELD)

    def levels(self, assortment: Assortment) -> dict[str, int]:
        """Return what may be sold, made from everything there is."""
        free = self.directory.available()
        for less in (self.journal.waited_for, self.directory.held_back()):
            free = {sku: count - less.get(sku, 0) for sku, count in free.items()}
        return assortment.levels(sellable(free, safety=self.withheld, buffer=0))


class WantedJournal(MemoryJournal):
    """A journal whose orders wait for what its test says, and which may be another daemon's by now."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for: dict[str, int] = {}
        self.lost = False

    def is_ours(self) -> bool:
        return not self.lost

    async def wanted(self) -> dict[str, int]:
        await trio.lowlevel.checkpoint()
        return dict(self.waited_for)


@given(st.lists(st.lists(moves, max_size=4), max_size=12))
def test_levels_that_follow_each_move_are_those_made_from_everything(
    rounds: list[list[tuple[object, ...]]],
) -> None:
    house = House()
    for_sale = ForSale(house.directory, withheld=WITHHELD)
    for steps in rounds:
        for step in steps:
            house.move(step, for_sale)
        before = dict(for_sale.levels)
        told = for_sale.follow(house.journal.waited_for)
        assert for_sale.levels == house.levels(for_sale.assortment)
        assert {article for article, _ in before.items() ^ for_sale.levels.items()} <= set(told)


@settings(max_examples=50)
@given(st.lists(st.lists(moves, max_size=4), max_size=8), st.integers(1, 3))
def test_whatever_moves_in_the_house_or_in_the_shop_is_shown_by_the_next_pushes(
    rounds: list[list[tuple[object, ...]]], at_most: int
) -> None:
    async def play() -> None:
        house, shop = House(), MemoryShop()
        window = house.window_of(shop)
        for number, steps in enumerate(rounds):
            for step in steps:
                house.move(step, window.for_sale)
                match step:
                    case ("sell by", Assortment() as assortment):
                        window.sells(assortment)
                    case ("sell", str(article), int(count)) if article in shop.levels:
                        shop.levels[article] -= count
                        window.forget([shop_order(number, (article, count))])
                    case _:
                        pass
            while await window.behind(1):  # a look alone leaves what it found to be found again
                levels = await window.behind(at_most)
                assert 0 < len(levels) <= at_most
                await window.show(levels)
            may_be_sold = house.levels(window.for_sale.assortment)
            assert {article: shop.levels[article] for article in may_be_sold} == may_be_sold

    trio.run(play, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_a_large_catalogue_is_swept_while_others_work_and_what_moves_meanwhile_is_shown() -> None:
    house, shop = House(), MemoryShop()
    articles = [f"SKU-{number}" for number in range(5 * SLICE)]
    house.handles["lyon"].stock = Stock({sku: Shelf(available=WITHHELD + 3) for sku in articles})
    window = house.window_of(shop)
    shop.levels = dict.fromkeys(articles, 3) | {"SKU-7": 9}
    turns = 0

    async def work(until: trio.Event) -> None:
        nonlocal turns
        while not until.is_set():
            turns += 1
            if turns == len(articles) // SLICE:
                apply(house.handles["lyon"].stock, StockAdjusted("SKU-1", -1, "broken"))
            await trio.lowlevel.checkpoint()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            swept = trio.Event()
            nursery.start_soon(work, swept)
            behind = await window.behind(10)
            swept.set()
    assert turns > 3 * len(articles) / SLICE
    assert await window.behind(10) == {"SKU-1": 2, "SKU-7": 3}
    assert behind.keys() <= {"SKU-1", "SKU-7"}


async def test_a_daemon_whose_leases_may_be_anothers_shows_nothing_any_more() -> None:
    house, shop = House(), MemoryShop()
    window = house.window_of(shop)
    house.move(("receive", "lyon", "CUP", 5), window.for_sale)
    house.journal.lost = True
    assert not await window.show(await window.behind(10))
    assert shop.levels == {}
    house.journal.lost = False
    assert await window.show(await window.behind(10))
    assert shop.levels == {"CUP": 4}
