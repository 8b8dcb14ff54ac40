"""The order hall: orders wake when spoken to, and one that cannot live takes no other with it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import trio
import trio.testing

from actors.directory import Directory, WarehouseHandle
from actors.domain.order_commands import Cancel, Hold, Import, ReleaseHold, Settled, Wake
from actors.domain.order_draft import Facts
from actors.domain.order_events import Beside, EffectRequested, FulfilmentAllocated, OrderLine
from actors.domain.order_state import Order
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_commands import Granted, Reserve
from actors.mailbox import Mailbox, SetAsideError
from actors.order import GATHER_S, IDLE_S, MAILBOX_MAX, OrderHall, OrderMessage
from actors.ports.journal import Append, ConflictError, Durable, PendingEffect, Recorded
from actors.ports.people import BesideRow
from adapters.memory.journal import MemoryJournal

Clock = trio.testing.MockClock
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


class SlowJournal(MemoryJournal):
    """A journal that counts what is read, and takes its time for one stream."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []
        self.appends: list[Append] = []
        self.slow = ""
        self.slow_to_read = 0.0

    async def enqueue(self, append: Append) -> Durable:
        self.appends.append(append)
        if append.stream == self.slow:
            await trio.sleep(100)
        return await super().enqueue(append)

    async def read(self, stream: str, after: int = 0) -> Sequence[Recorded]:
        self.reads.append(stream)
        if self.slow_to_read:
            await trio.sleep(self.slow_to_read)
        return await super().read(stream, after)


class House:
    """A hall, and a warehouse that grants what it is asked; the hall sees `units` on its shelves."""

    def __init__(self) -> None:
        self.journal = SlowJournal()
        self.units = 0
        self.lyon: WarehouseHandle = WarehouseHandle("lyon", Mailbox(10))
        self.directory = Directory({"lyon": self.lyon})
        self.effects: list[PendingEffect] = []
        self.set_aside: list[tuple[str, str, str]] = []
        self.directory.on_effect("shop-main", self.effects.append)
        self.hall = OrderHall(self.journal, self.directory, self.facts, self.put_aside, lambda *_: None)

    def facts(self) -> Facts:
        now = NINE + timedelta(seconds=trio.current_time())
        rules = RoutingRules((WarehouseRule("lyon"),))
        return Facts(now, rules, (), lambda _site, _sku: self.units, lambda _sku: True)

    async def grant_everything(self) -> None:
        while letters := await self.lyon.mailbox.take(1):
            command = letters[0].message
            assert isinstance(command, Reserve)
            assert letters[0].reply is not None
            letters[0].reply.send(Granted(command.fulfilment))
            self.lyon.mailbox.settle()

    async def put_aside(self, actor: str, message: str, error: str) -> None:
        await trio.lowlevel.checkpoint()
        self.set_aside.append((actor, message, error))

    async def poison(self, order: str) -> None:
        """Leave a log behind that cannot be folded."""
        event = FulfilmentAllocated("never planned")
        await self.journal.append(Append(f"order-{order}", 0, (event,), NINE))


@asynccontextmanager
async def open_house() -> AsyncGenerator[House]:
    house = House()
    with trio.fail_after(100_000):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.hall.run)
            nursery.start_soon(house.grant_everything)
            yield house
            nursery.cancel_scope.cancel()


def order(number: int) -> Import:
    return Import(
        channel="main",
        shop_order=str(number),
        reference="R",
        standing="open",
        placed_at=NINE,
        currency="EUR",
        total=Decimal(10),
        shipping=Decimal(0),
        service="",
        country="FR",
        lines=(OrderLine("1", "TEAPOT", 1, Decimal(5)),),
        address_problems=(),
        contact=Beside("c", "d"),
        payload=Beside("p", "d"),
    )


def settled(effect: str) -> OrderMessage:
    """Return the word that a partner took an effect."""
    return OrderMessage(Settled(effect, "there", "", Decimal(0), "", None))


async def test_an_order_is_hydrated_when_it_is_first_spoken_to_and_not_again(autojump_clock: Clock) -> None:
    async with open_house() as house:
        for command in (order(1), Wake(), Wake()):
            await house.hall.ask("main-1", command)
        state = await house.hall.ask("main-1", Wake())
        assert state.stage == "backordered"
        assert house.journal.reads == ["order-main-1"]


async def test_an_order_remembers_itself_from_one_hall_to_the_next(autojump_clock: Clock) -> None:
    async with open_house() as house:
        before = await house.hall.ask("main-1", order(1))
    async with open_house() as again:
        again.journal.streams = house.journal.streams
        assert await again.hall.ask("main-1", Wake()) == before


async def test_effects_are_told_once_they_are_recorded(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.journal.slow = "order-main-1"
        await house.hall.tell("main-1", order(1))
        await trio.sleep(99)
        assert house.effects == []
        await trio.sleep(2)
        assert [each.effect for each in house.effects] == ["status-backordered:main-1"]


async def test_what_is_told_to_many_orders_is_done_side_by_side(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.journal.slow = "order-main-1"
        await house.hall.tell("main-1", order(1))
        began = trio.current_time()
        for number in range(2, 50):
            await house.hall.ask(f"main-{number}", order(number))
        assert trio.current_time() - began < 1


async def test_rows_beside_the_log_are_stored_with_the_event_that_names_them(autojump_clock: Clock) -> None:
    async with open_house() as house:
        rows = (BesideRow("c", "contact", "main:7", b"s", b"{}"),)
        await house.hall.ask("main-1", order(1), rows)
        assert await house.journal.beside("c") == b"{}"
        later = (BesideRow("other", "contact", "main:7", b"s", b"{}"),)
        await house.hall.ask("main-1", order(1), later)
        assert await house.journal.beside("other") is None


async def test_a_key_that_was_used_does_nothing_more(autojump_clock: Clock) -> None:
    async with open_house() as house:
        await house.hall.ask("main-1", order(1))
        hold = Hold("manual", "x", None, "jane")
        first = await house.hall.ask("main-1", hold, key="k1")
        assert "manual" in first.holds
        other = await house.hall.ask("main-1", Cancel("jane"), key="k1")
        assert not other.ended


async def test_units_that_come_while_an_order_writes_that_it_waits_for_them_are_not_missed(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.journal.slow = "order-main-1"
        await house.hall.tell("main-1", order(1))
        await trio.sleep(50)
        assert await house.journal.orders_waiting_for("TEAPOT", 10) == [], "so nobody can tell it"
        house.units = 5
        house.journal.slow = ""
        await trio.sleep(60)
        assert (await house.hall.ask("main-1", Wake())).stage == "picking"


async def test_what_several_partners_answer_is_recorded_by_one_append_a_moment_later(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.units = 9
        await house.hall.ask("main-1", order(1))
        known = await house.hall.ask("main-1", Wake())
        assert len(known.effects) > 1
        heard: list[Exception | None] = []
        appends = len(house.journal.appends)
        for effect in known.effects:
            assert house.hall.hand("main-1", [settled(effect)], heard.append, may_gather=True)
            await trio.sleep(GATHER_S / len(known.effects) / 2)
        assert heard == []
        await trio.sleep(2 * GATHER_S)
        assert heard == [None] * len(known.effects)
        assert [len(each.events) for each in house.journal.appends[appends:]] == [len(known.effects)]


async def test_what_may_not_gather_is_recorded_at_once(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.units = 9
        await house.hall.ask("main-1", order(1))
        known = await house.hall.ask("main-1", Wake())
        heard: list[float] = []
        began = trio.current_time()
        for effect in known.effects:
            house.hall.hand(
                "main-1", [settled(effect)], lambda _: heard.append(trio.current_time()), may_gather=False
            )
        await trio.sleep(GATHER_S / 2)
        assert heard == [began] * len(known.effects)


async def test_an_order_that_is_held_in_the_turn_of_its_import_keeps_its_units_from_sale(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.units = 9
        await house.hall.tell("main-1", order(1))
        held = await house.hall.ask("main-1", Hold("manual", "x", None, "jane"))
        assert (len(house.journal.appends), [part.state for part in held.live()]) == (1, ["planned"])
        assert await house.journal.wanted() == {"TEAPOT": 1}
        await house.hall.ask("main-1", ReleaseHold("manual", "jane"))
        assert (await house.hall.ask("main-1", Wake())).stage == "picking"
        assert await house.journal.wanted() == {}, "its warehouse has promised them"


# --- orders that cannot live --------------------------------------------------------------------------------


async def test_a_poison_order_is_set_aside_and_all_others_go_on(autojump_clock: Clock) -> None:
    async with open_house() as house:
        await house.poison("main-666")
        turned_away: list[str] = []

        async def speak_to_poison() -> None:
            with pytest.raises(SetAsideError):
                await house.hall.ask("main-666", Wake())
            turned_away.append("main-666")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak_to_poison)
            for number in range(10):
                state = await house.hall.ask(f"main-{number}", order(number))
                assert isinstance(state, Order)
        assert turned_away == ["main-666"]
        assert house.set_aside == [("order main-666", "Wake", "KeyError")]


async def test_an_order_that_was_mended_lives_again(autojump_clock: Clock) -> None:
    async with open_house() as house:
        await house.poison("main-1")
        with pytest.raises(SetAsideError):
            await house.hall.ask("main-1", Wake())
        del house.journal.streams["order-main-1"]
        assert isinstance(await house.hall.ask("main-1", order(1)), Order)


async def test_who_waits_at_the_door_of_an_order_that_is_given_up_is_heard_by_the_next(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        await house.poison("main-1")
        answered = 0

        async def speak() -> None:
            nonlocal answered
            try:
                await house.hall.ask("main-1", Wake())
            except SetAsideError:
                answered += 1

        async with trio.open_nursery() as nursery:
            for _ in range(MAILBOX_MAX + 20):
                nursery.start_soon(speak)
        assert answered == MAILBOX_MAX + 20


async def test_an_order_that_begins_anew_after_a_crash_is_not_put_to_rest_meanwhile(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        await house.hall.ask("main-1", order(1))
        house.journal.slow_to_read = 3 * IDLE_S
        with pytest.raises(SetAsideError):
            await house.hall.ask("main-1", "poison")  # type: ignore[arg-type] # that is the poison
        house.journal.reads.clear()
        await trio.sleep(2 * IDLE_S)
        assert house.journal.reads == ["order-main-1"]
        await house.hall.ask("main-1", Wake())
        assert house.journal.reads == ["order-main-1"], "there is one actor of an order, never two"


async def test_two_owners_of_one_order_stop_the_daemon(autojump_clock: Clock) -> None:
    with pytest.RaisesGroup(ConflictError, flatten_subgroups=True):
        async with open_house() as house:
            state = await house.hall.ask("main-1", order(1))
            stranger = EffectRequested("x", "erp", state.effects["status-backordered:main-1"])
            await house.journal.append(Append("order-main-1", state.version, (stranger,), NINE))
            await house.hall.ask("main-1", Cancel("jane"))


async def test_a_full_mailbox_slows_its_sender_down(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.journal.slow = "order-main-1"
        began = trio.current_time()
        await house.hall.tell("main-1", order(1))
        await trio.sleep(1)
        for _ in range(MAILBOX_MAX):
            await house.hall.tell("main-1", Wake())
        assert trio.current_time() - began < 2
        await house.hall.tell("main-1", Cancel("jane"))
        assert trio.current_time() - began > 90
        assert (await house.hall.ask("main-1", Wake())).ended == "cancelled"


async def test_the_hall_is_drained_when_every_order_has_recorded_what_it_was_told(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.journal.slow = "order-main-1"
        await house.hall.tell("main-1", order(1))
        await house.hall.tell("main-2", order(2))
        await house.hall.drain()
        assert await house.journal.order_row("main-1") is not None
        assert await house.journal.order_row("main-2") is not None


@pytest.mark.parametrize("how", ["ask", "tell"])
async def test_who_speaks_to_a_hall_that_was_cancelled_with_him_ends_as_cancelled(
    autojump_clock: Clock, how: str
) -> None:
    house = House()

    async def look_and_speak() -> None:
        with trio.CancelScope(shield=True):  # what it looked up comes although nobody is to go on
            await trio.sleep(1)
        await (house.hall.ask if how == "ask" else house.hall.tell)("main-1", Wake())

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.hall.run)
            nursery.start_soon(look_and_speak)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def test_a_hall_that_has_closed_takes_nothing_in_hand(autojump_clock: Clock) -> None:
    house, heard = House(), list[Exception | None]()
    async with trio.open_nursery() as nursery:
        await nursery.start(house.hall.run)
        nursery.cancel_scope.cancel()
    assert not house.hall.hand("main-1", [OrderMessage(Wake())], heard.append, may_gather=False)
    assert not heard
