"""A shop's window: what it shows as for sale, brought to what the ledger can promise.

It knows what the shop showed last, and forgets that of everything whose figure the shop may have moved
itself. When to look, and that the shop's orders are read before anything is shown, is the channel's matter.
"""

from collections.abc import Iterable, Mapping
from heapq import nsmallest
from itertools import chain, islice

import trio

from actors.desk import Desk, Raise
from actors.directory import Directory
from actors.domain.assortment import Assortment
from actors.domain.reconciliation import EACH_MAX, Told
from actors.for_sale import ForSale
from actors.ports.journal import Journal
from actors.ports.shop import Pushed, ShopOrder, ShopPort, UnreadableOrder
from actors.reconciler import Figures, Reconciler, Reconciliation
from actors.slices import slices

SWEEP_EVERY_S = 900.0
"""How often all of the shop's figures are read and set right, whoever changed them."""


NAMED = 10
"""Articles that are named of more than may be put before a person one by one."""


class ShopWindow:
    """What one shop shows.

    Attributes:
        for_sale: what it may sell, and what its articles hold of our SKUs.
        sells_all: whether a SKU that the shop does not know is put before a person.
        reconciler: says why it shows what it should not.
    """

    def __init__(
        self,
        channel: str,
        shop: ShopPort,
        journal: Journal,
        desk: Desk,
        directory: Directory,
        *,
        withheld: int,
    ) -> None:
        self.for_sale = ForSale(directory, withheld=withheld)
        self.sells_all = True
        self._channel = channel
        self._shop = shop
        self._journal = journal
        self._desk = desk
        self.reconciler = Reconciler(channel, shop, journal, desk)
        self._shown: dict[str, Told] | None = None
        self._to_compare: dict[str, None] = {}  # in the order in which they moved
        self._unknown: frozenset[str] = frozenset()
        self._missed: set[str] = set()  # those that are told one by one, and one more where there are more
        self._are_many_unknown = False
        self._refused: frozenset[str] = frozenset()
        self._swept_at = 0.0

    def forget(self, orders: Iterable[ShopOrder | UnreadableOrder]) -> None:
        """Forget what the shop moved itself with these orders: sold, cancelled, refunded."""
        if self._shown is None:
            return
        for order in orders:
            articles = (
                [*(line.sku for line in order.lines), *order.refunded]
                if isinstance(order, ShopOrder)
                else order.units
            )
            for article in self.for_sale.assortment.moved_with(articles):
                self._forget(article, self._shown)

    def forget_all(self) -> None:
        """Forget everything: the next look reads all of the shop's figures."""
        self._shown = None

    def _forget(self, article: str, shown: dict[str, Told]) -> None:
        shown.pop(article, None)
        self._to_compare[article] = None

    def sells(self, assortment: Assortment) -> None:
        """Show by another assortment from now on."""
        self.for_sale.sell_by(assortment)
        self.forget_all()

    async def behind(self, articles_max: int) -> dict[str, int]:
        """Return the levels of articles that the shop does not show yet, so many at most.

        Only what moved since it was last seen to be right is compared: a catalogue has 100,000 articles, and
        of those that are on sale few move in a second.

        Raises:
            PartnerError: as the shop's port.
        """
        levels = await self._levels()
        if self._shown is None or trio.current_time() >= self._swept_at + SWEEP_EVERY_S:
            self._shown = await self._sweep()
            levels = self.for_sale.levels
        passed_over = self._unknown | self._refused
        compared, behind = 0, dict[str, int]()
        for article in self._to_compare:
            if len(behind) == articles_max:
                break
            compared += 1
            units, told = levels.get(article), self._shown.get(article)
            if units is not None and article not in passed_over and (told is None or told.units != units):
                behind[article] = units
        self._to_compare = dict.fromkeys(chain(behind, islice(self._to_compare, compared, None)))
        return behind

    async def show(self, levels: Mapping[str, int]) -> bool:
        """Have the shop show these levels; return whether each of them stood still meanwhile.

        Nothing is shown by a daemon that may be no owner any more: whoever is knows better. What the shop
        does not take is put before a person, and left alone until a sweep.

        Raises:
            PartnerError: as the shop's port; nobody knows then what the shop shows.
        """
        if not self._journal.is_ours():
            return False
        pushed = await self._shop.push_stock(levels)
        shown = {} if self._shown is None else self._shown  # it is read anew if all was forgotten meanwhile
        not_shown = {*pushed.unknown, *pushed.refused, *pushed.unsettled}
        for article, units in levels.items():
            if article in not_shown:
                self._forget(article, shown)
            else:
                shown[article] = Told(units, self._desk.now())
                await self._desk.resolve(self._refusal(article), "system")
        await self._say_what_is_not_shown(pushed)
        return not pushed.unsettled

    async def _levels(self) -> Mapping[str, int]:
        """Return what may be sold of each article by now; it goes on changing."""
        self._to_compare.update(dict.fromkeys(self.for_sale.follow(await self._journal.wanted())))
        return self.for_sale.levels

    async def reconcile(self) -> tuple[Mapping[str, int], Reconciliation]:
        """Read what the shop shows, and say where and why it is not what the ledger says.

        Raises:
            PartnerError: as the shop's port.
        """
        began, before = self._desk.now(), await self._figures()
        shown = await self._shop.stock()
        found = await self.reconciler.look(shown, began, before, await self._figures())
        await self.reconciler.put_before_a_person(found)
        return shown, found

    async def _figures(self) -> Figures:
        return Figures(dict(await self._levels()), dict(self._shown or {}), self.for_sale.assortment)

    async def _sweep(self) -> dict[str, Told]:
        """Read what the shop shows; take back what was said, perhaps by an earlier daemon, and is mended.

        Others run meanwhile. What differs is to be compared, and what moves under it will be anyway.
        """
        shown, _ = await self.reconcile()
        self._swept_at = trio.current_time()
        told: dict[str, Told] = {}
        now = self._desk.now()
        for some in slices(tuple(shown)):
            for article in some:
                told[article] = Told(shown[article], now)
                await self._desk.resolve(self._ignorance(article), "system")
                if self.for_sale.levels.get(article) == shown[article]:
                    await self._desk.resolve(self._refusal(article), "system")
            await trio.lowlevel.checkpoint()
        self._unknown -= shown.keys()
        self._refused = frozenset()
        self._to_compare.clear()
        levels = self.for_sale.levels
        missed: list[str] = []
        for some in slices(tuple(levels)):
            for article in some:
                if shown.get(article) != levels[article]:
                    self._to_compare[article] = None
                if article not in shown and self._is_missed(article):
                    missed.append(article)
                elif article not in shown:
                    await self._desk.resolve(self._ignorance(article), "system")
            await trio.lowlevel.checkpoint()
        self._missed = set(missed[: EACH_MAX + 1])
        if len(missed) <= EACH_MAX:
            await self._say_that_few_are_unknown(missed)
        return told

    async def _say_that_few_are_unknown(self, missed: Iterable[str]) -> None:
        await self._desk.resolve(self._ignorance_of_many(), "system")
        if self._are_many_unknown:
            self._are_many_unknown = False
            for article in missed:
                await self._say_that_it_is_unknown(article)

    async def _say_what_is_not_shown(self, pushed: Pushed) -> None:
        self._unknown |= frozenset(pushed.unknown)
        self._refused |= pushed.refused.keys()
        missed = [article for article in pushed.unknown if self._is_missed(article)]
        self._missed.update(missed[: EACH_MAX + 1 - len(self._missed)])
        if len(self._missed) > EACH_MAX:
            await self._say_that_many_are_unknown()
        else:
            for article in missed:
                await self._say_that_it_is_unknown(article)
        for article, why in pushed.refused.items():
            mend = f"look at the stock of {article} in the shop {self._channel}; it is tried again by itself"
            await self._desk.raise_anomaly(Raise(self._refusal(article), "stock_refused", why, mend))

    async def _say_that_it_is_unknown(self, article: str) -> None:
        detail = f"the shop has no product with the reference {article}"
        mend = (
            f"give a product of the shop {self._channel} the reference {article}; {self._part_of_a_range()}"
        )
        await self._desk.raise_anomaly(Raise(self._ignorance(article), "unknown_sku", detail, mend))

    async def _say_that_many_are_unknown(self) -> None:
        """Say once of a range that the shop does not sell what would be thousands of matters."""
        self._are_many_unknown = True
        some = ", ".join(nsmallest(NAMED, self._missed))
        detail = f"the shop has no products with the references of more than {EACH_MAX} SKUs, such as {some}"
        mend = f"give products of the shop {self._channel} these references; {self._part_of_a_range()}"
        await self._desk.raise_anomaly(Raise(self._ignorance_of_many(), "unknown_sku", detail, mend))

    def _part_of_a_range(self) -> str:
        return "where it sells a part of the range alone, set sells_all = false"

    def _is_missed(self, article: str) -> bool:
        """Tell whether a shop that does not know the article should."""
        assortment = self.for_sale.assortment
        is_listed = article in assortment.contents
        return is_listed or (self.sells_all and not assortment.is_sold_packed(article))

    def _ignorance(self, article: str) -> str:
        return f"{self._channel}:{article}"

    def _ignorance_of_many(self) -> str:
        return f"unknown:{self._channel}"

    def _refusal(self, article: str) -> str:
        return f"{self._channel}:{article}:stock"
