"""Each order on all sides: who is asked for what, and how often."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from actors.domain.documents import ShopParcel, ShopTracking
from actors.domain.order_events import Beside, EffectDone, EffectRequested, OrderImported, OrderLine
from actors.domain.order_fold import evolve
from actors.domain.order_state import Order
from actors.order_reconciler import TOGETHER, OrderReconciler
from actors.ports.journal import Append
from actors.rows import order_row
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryShop
from tests.orders import shop_order

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)
MANY = 2 * TOGETHER + 1


class CountingShop(MemoryShop):
    """Counts how often it is asked for tracking."""

    asked = 0

    async def tracked(self, tellings: Sequence[ShopTracking]) -> Sequence[bool]:
        self.asked += 1
        return await super().tracked(tellings)


def imported(number: str) -> OrderImported:
    digest = "0" * 64
    return OrderImported(
        channel="main",
        shop_order=number,
        reference=f"R{number}",
        placed_at=NOW - timedelta(days=1),
        currency="EUR",
        total=Decimal(10),
        shipping=Decimal(0),
        service="standard",
        country="FR",
        lines=(OrderLine("1", "CUP", 1, Decimal(10)),),
        contact=Beside(f"c{number}", digest),
        payload=Beside(f"p{number}", digest),
    )


def told_of(number: int) -> tuple[Append, ShopTracking]:
    """Return an order whose shop took its parcel's tracking an hour ago, and what it took."""
    telling = ShopTracking(str(number), (ShopParcel(f"main-{number}.1.1", "swift", f"W{number}", 500),))
    effect = f"shop-tracking:main-{number}.1"
    events = (imported(str(number)), EffectRequested(effect, "shop-main", telling), EffectDone(effect, "1"))
    order = Order()
    at = NOW - timedelta(hours=1)
    for event in events:
        order = evolve(order, event, at)
    return Append(f"order-main-{number}", 0, events, at, orders=(order_row(order),)), telling


async def test_the_tracking_of_however_many_is_looked_at_and_what_a_shop_shows_no_more_is_found() -> None:
    journal, shop = MemoryJournal(), CountingShop()
    for number in range(1, MANY + 1):
        append, telling = told_of(number)
        await journal.append(append)
        shop.place(shop_order(number, ("CUP", 1)))
        if number != 7:
            shop.told[str(number)] = [telling]
    found = await OrderReconciler({"main": shop}, None, journal, journal).look(NOW, ())
    assert (found.compared, found.unread, shop.asked) == (MANY, (), 3)
    assert [(each.subject, each.kind) for each in found.discrepancies] == [("main-7", "tracking")]


async def test_a_shop_that_tells_no_tracking_is_asked_once_and_named() -> None:
    journal, shop = MemoryJournal(), CountingShop()
    for number in range(1, MANY + 1):
        await journal.append(told_of(number)[0])
        shop.place(shop_order(number, ("CUP", 1)))

    class Silent(CountingShop):
        """Answers everything else."""

        async def tracked(self, tellings: Sequence[ShopTracking]) -> Sequence[bool]:
            self.away = True
            return await super().tracked(tellings)

    silent = Silent(orders=shop.orders)
    found = await OrderReconciler({"main": silent}, None, journal, journal).look(NOW, ())
    assert silent.asked == 1
    assert found.unread == ("the tracking in the shop main: memory shop: call: it is switched off",)
    assert found.discrepancies == ()
