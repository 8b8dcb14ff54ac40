"""What is read again in the shop because a person was asked to mend it there."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import pytest
import trio
from msgspec.structs import replace

from actors.desk import Desk
from actors.directory import Directory, WarehouseHandle
from actors.domain.carrier_choice import CarrierRule
from actors.domain.order_commands import Cancel, ReleaseHold, Wake
from actors.domain.order_life import Facts
from actors.domain.order_state import Order
from actors.domain.routing import RoutingRules
from actors.intake import Intake, readdressed
from actors.mailbox import Mailbox
from actors.order import OrderHall
from actors.ports.people import Contact
from actors.ports.shop import Packing, Payload, ShopOrder, UnreadableOrder, payload_of
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryShop
from tests.orders import NINE, shop_order

NOWHERE = Contact("Camille Martin", "", "1 rue du Port", "", "", "Lyon", "", "FR", "camille@example.org")
ORDER = shop_order(1, ("CUP", 1), contact=NOWHERE)
LYON = replace(ORDER, contact=replace(NOWHERE, postcode="69002"))
"""The order once somebody has mended its address."""


@dataclass(slots=True)
class Way:
    """The way in, with what is at both ends of it."""

    shop: MemoryShop
    journal: MemoryJournal
    hall: OrderHall
    intake: Intake

    async def order(self) -> Order:
        return await self.hall.ask("main-1", Wake())

    async def open_problems(self) -> list[str]:
        return [each.problem for each in await self.journal.anomalies(10)]


@asynccontextmanager
async def open_way(
    first: ShopOrder | UnreadableOrder, journal: MemoryJournal | None = None
) -> AsyncGenerator[Way]:
    """Open a way in through which the shop's order has come as it was first; with a journal, once more."""
    journal, shop = journal or MemoryJournal(), MemoryShop()
    directory = Directory({"lyon": WarehouseHandle("lyon", Mailbox(10))})

    def facts() -> Facts:
        return Facts(
            NINE, RoutingRules(()), (CarrierRule("swift", "home"),), directory.picture, lambda _: True
        )

    async def set_aside(actor: str, message: str, error: str) -> None:
        raise AssertionError(actor, message, error)

    hall = OrderHall(journal, directory, facts, set_aside, lambda *_: None)
    desk = Desk(journal, lambda: NINE, Mailbox(10))
    salts = iter(range(256))
    intake = Intake("main", shop, journal, hall, desk, directory, lambda size: bytes([next(salts)]) * size)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(hall.run)
            await nursery.start(desk.run)
            shop.place(first)
            await intake.take([first], trio.current_time())
            yield Way(shop, journal, hall, intake)
            nursery.cancel_scope.cancel()


async def test_an_address_that_is_mended_in_the_shop_is_read_and_the_order_goes_on() -> None:
    async with open_way(ORDER) as way:
        await way.intake.look_again()
        assert (await way.order()).stage == "held"
        way.shop.place(LYON)
        await way.intake.look_again()
        order = await way.order()
        assert order.stage == "backordered"
        contact = await way.journal.contact(order.facts.contact.id)
        assert contact is not None
        assert contact.postcode == "69002"
        assert await way.open_problems() == []


async def test_an_address_that_stays_as_it_is_leaves_no_trace() -> None:
    async with open_way(ORDER) as way:
        before = (await way.order()).version
        for _ in range(3):
            await way.intake.look_again()
        assert (await way.order()).version == before


async def test_an_address_that_was_read_before_a_newer_one_does_not_come_back() -> None:
    async with open_way(LYON) as way:
        now = trio.current_time()
        moved = replace(LYON, contact=replace(LYON.contact, street="2 quai de la Pêcherie"))
        await way.intake.take_again([moved], now + 2)
        await way.intake.take_again([LYON], now + 1)
        order = await way.order()
        contact = await way.journal.contact(order.facts.contact.id)
        assert contact is not None
        assert contact.street == "2 quai de la Pêcherie"


@pytest.mark.parametrize(
    ("changed", "matters"),
    [
        ({}, ""),
        ({"email": "cm@example.org"}, "else"),
        ({"phone": "+33 6 00 00 00 00"}, "phone"),
        ({"phone": "+33 6 00 00 00 00", "email": "cm@example.org"}, "phone"),
        ({"phone": "+33 6 00 00 00 00", "street": "2 quai de la Pêcherie"}, "address"),
        ({"name": "Noa Petit"}, "address"),
    ],
)
def test_of_a_contact_that_is_another_what_stands_on_a_label_matters(
    changed: Mapping[str, str], matters: str
) -> None:
    assert readdressed(NOWHERE, replace(NOWHERE, **changed)) == matters


async def test_what_was_erased_here_does_not_come_back_from_the_shop() -> None:
    async with open_way(ORDER) as way:
        assert await way.journal.forget("main:7") > 0
        way.shop.place(LYON)
        await way.intake.look_again()
        order = await way.order()
        assert order.stage == "held"
        assert await way.journal.contact(order.facts.contact.id) is None


async def test_words_and_address_of_another_order_under_the_same_number_are_not_taken_for_the_first() -> None:
    async with open_way(LYON) as way:
        before = await way.order()
        other = replace(LYON, reference="OTHER", placed_at=NINE + timedelta(days=1), customer="8")
        other = replace(other, contact=replace(LYON.contact, name="Noa Petit"))
        words = Packing(notes=("ring twice",))
        other = replace(other, packing=words, raw=msgspec.json.encode(Payload(words)))
        await way.intake.take_again([other], trio.current_time())
        order = await way.order()
        assert order.facts == before.facts
        assert await way.open_problems() == ["number_reused"]


async def told(way: Way, packing: Packing, *, whole: bool = True) -> Packing:
    """Have the shop tell these words, and return those that are kept."""
    raw = msgspec.json.encode(Payload(packing, whole))
    order = replace(ORDER, packing=packing, raw=raw, is_whole=whole)
    await way.intake.take([order], trio.current_time())
    body = await way.journal.beside((await way.order()).facts.payload.id)
    return payload_of(body).packing if body is not None else Packing()


async def test_words_that_come_after_the_order_are_kept_and_the_same_ones_leave_no_trace() -> None:
    async with open_way(ORDER) as way:
        gift = Packing(is_gift=True, gift_message="Happy birthday")
        assert await told(way, gift) == gift
        more = replace(gift, notes=("Ring twice",))
        assert await told(way, more) == more
        before = (await way.order()).version
        assert await told(way, more) == more
        assert (await way.order()).version == before


async def test_a_copy_that_leaves_words_out_does_not_take_them_back() -> None:
    async with open_way(ORDER) as way:
        said = Packing(notes=("Ring twice",))
        await told(way, said)
        assert await told(way, Packing(), whole=False) == said
        assert await told(way, Packing()) == Packing()


async def test_what_a_first_import_left_out_is_kept_with_the_next_whole_copy() -> None:
    raw = msgspec.json.encode(Payload(Packing(), is_whole=False))
    async with open_way(replace(ORDER, raw=raw, is_whole=False)) as way:
        first = (await way.order()).facts.payload.id
        await told(way, Packing())
        then = (await way.order()).facts.payload.id
        assert first != then
        body = await way.journal.beside(then)
        assert body is not None
        assert payload_of(body).is_whole


async def test_words_that_were_erased_here_do_not_come_back_from_the_shop() -> None:
    async with open_way(ORDER) as way:
        await told(way, Packing(notes=("Ring twice",)))
        await way.journal.forget("main:7")
        assert await told(way, Packing(notes=("Ring twice", "At the back"))) == Packing()


async def test_an_order_that_could_not_be_read_comes_in_once_it_can() -> None:
    async with open_way(UnreadableOrder("1", "id_country names no country", b"{}", "7")) as way:
        assert await way.open_problems() == ["unreadable_order"]
        assert await way.journal.forget("main:7") == 1
        way.shop.place(LYON)
        await way.intake.look_again()
        assert (await way.order()).stage == "backordered"
        assert await way.open_problems() == []


async def test_an_unfinished_order_that_the_shop_has_deleted_is_nobodys_matter() -> None:
    async with open_way(replace(ORDER, standing="unfinished")) as way:
        assert await way.open_problems() == ["unfinished_order"]
        way.shop.orders.clear()
        await way.intake.look_again()
        assert await way.open_problems() == []


async def test_an_order_that_was_emptied_in_the_shop_is_held_until_a_person_says_so() -> None:
    emptied = replace(LYON, standing="unfinished", lines=())
    async with open_way(LYON) as way:
        way.shop.place(emptied)
        await way.intake.take([emptied], trio.current_time())
        order = await way.order()
        assert (order.stage, list(order.holds)) == ("held", ["manual"])
        assert await way.open_problems() == ["unfinished_order"]
        await way.hall.ask("main-1", ReleaseHold("manual", "alice"))
        await way.intake.look_again()
        assert (await way.order()).stage == "backordered", "nobody is overruled"
        way.shop.place(LYON)
        await way.intake.look_again()
        assert await way.open_problems() == []
        await way.intake.take([emptied], trio.current_time())
        assert (await way.order()).stage == "held", "it was emptied once more"


async def test_an_emptied_order_that_a_person_let_go_on_is_not_held_again_by_the_next_daemon() -> None:
    emptied = replace(LYON, standing="unfinished", lines=())
    async with open_way(LYON) as way:
        await way.intake.take([emptied], trio.current_time())
        await way.hall.ask("main-1", ReleaseHold("manual", "alice"))
    async with open_way(emptied, way.journal) as next_day:
        assert (await next_day.order()).stage == "backordered", "nobody is overruled"
        await next_day.intake.take([LYON], trio.current_time())
    async with open_way(emptied, way.journal) as day_after:
        assert (await day_after.order()).stage == "held", "it was emptied once more"


async def test_an_order_that_has_ended_here_and_is_emptied_in_the_shop_is_nobodys_matter() -> None:
    async with open_way(LYON) as way:
        await way.hall.ask("main-1", Cancel("alice"))
        await way.intake.take([replace(LYON, standing="unfinished", lines=())], trio.current_time())
        assert await way.open_problems() == []
        assert (await way.order()).stage == "cancelled"
