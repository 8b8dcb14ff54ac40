"""An existing shop is taken over: nothing that anybody shipped is shipped again, and asking twice is once."""

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace

from actors.domain.adoption import Adoption
from actors.ports.shop import ShopOrder, UnreadableOrder
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryShop
from daemon.taking_over import DOES, AdoptionReport, take_over
from tests.orders import shop_order

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LINE = NOON - timedelta(days=10)
OLD = NOON - timedelta(days=400)


def order(number: int, standing: str, placed_at: datetime) -> ShopOrder:
    return shop_order(number, ("TEAPOT", 1), standing=standing, placed_at=placed_at)


def an_old_shop() -> MemoryShop:
    shop = MemoryShop(page=2)
    for number, standing in enumerate(("open", "unpaid", "shipped", "cancelled"), 1):
        shop.place(order(number, standing, OLD))
    for number, standing in enumerate(("open", "unpaid", "shipped", "cancelled"), 5):
        shop.place(order(number, standing, NOON))
    shop.place(UnreadableOrder("9", "total_paid is no number", b"?", placed_at=NOON))
    shop.place(UnreadableOrder("10", "total_paid is no number", b"?", standing="shipped", placed_at=NOON))
    return shop


def verdicts(report: AdoptionReport) -> dict[str, str]:
    return {each.shop_order: each.verdict for each in report.orders}


async def saved(journal: MemoryJournal) -> tuple[Adoption | None, str | None]:
    text = await journal.cursor("adopted-main")
    line = msgspec.json.decode(text, type=Adoption) if text is not None else None
    return line, await journal.cursor("shop-main")


async def test_a_dry_run_says_of_every_order_what_would_become_of_it_and_changes_nothing() -> None:
    journal = MemoryJournal()
    report = await take_over(journal, an_old_shop(), "main", LINE, dry_run=True)
    assert verdicts(report) == {
        "1": "older",
        "2": "older",
        "3": "shipped",
        "4": "cancelled",
        "5": "open",
        "6": "unpaid",
        "7": "shipped",
        "8": "cancelled",
        "9": "person",
        "10": "shipped",
    }
    assert report.summary == {
        "nothing: it is ours already": 0,
        "adopt as open": 1,
        "hold: unpaid": 1,
        "skip: shipped": 3,
        "skip: cancelled": 2,
        "skip: older": 2,
        "person: cannot be read": 1,
    }
    assert next(each.detail for each in report.orders if each.shop_order == "9") == "total_paid is no number"
    assert report.changes
    assert await saved(journal) == (None, None)


async def test_the_cursor_begins_with_the_first_order_of_ours_and_unpaid_older_ones_are_remembered() -> None:
    journal = MemoryJournal()
    await take_over(journal, an_old_shop(), "main", LINE, dry_run=False)
    line, cursor = await saved(journal)
    assert line == Adoption(LINE, waiting=(2,), read_to=10, by="command")
    assert cursor == "4", "orders 1 to 4 are passed over"


async def test_to_adopt_again_changes_nothing_even_at_a_later_date() -> None:
    journal, shop = MemoryJournal(), an_old_shop()
    await take_over(journal, shop, "main", LINE, dry_run=False)
    first = await saved(journal)
    await journal.save_cursor("shop-main", "10")  # a daemon has been at work since
    for since in (LINE, LINE + timedelta(days=5)):
        again = await take_over(journal, shop, "main", since, dry_run=False)
        assert (again.changes, again.since) == (False, LINE)
    assert await saved(journal) == (first[0], "10")


async def test_an_earlier_line_brings_the_orders_in_between() -> None:
    journal, shop = MemoryJournal(), an_old_shop()
    await take_over(journal, shop, "main", LINE, dry_run=False)
    report = await take_over(journal, shop, "main", OLD, dry_run=False)
    assert (verdicts(report)["1"], verdicts(report)["2"]) == ("open", "unpaid")
    line, cursor = await saved(journal)
    assert line == Adoption(OLD, read_to=10, by="command")
    assert cursor == "0"


async def test_a_line_that_a_daemon_drew_becomes_a_persons() -> None:
    journal, shop = MemoryJournal(), an_old_shop()
    drawn = Adoption(LINE, waiting=(2,), left=1, read_to=4, by="start")
    await journal.save_cursor("adopted-main", msgspec.json.encode(drawn).decode())
    await journal.save_cursor("shop-main", "10")
    report = await take_over(journal, shop, "main", LINE, dry_run=False)
    assert report.changes
    assert await saved(journal) == (replace(drawn, by="command"), "10")


async def test_every_verdict_says_what_it_means() -> None:
    assert len(set(DOES.values())) == len(DOES)
