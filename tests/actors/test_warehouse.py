"""A warehouse's actor: answers what is durable, repeats its answers, and outlives its own crashes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import trio
import trio.testing
from msgspec import structs

from actors.directory import Directory, Keyed, WarehouseHandle
from actors.domain.documents import ErpReception
from actors.domain.order_commands import Expired, FellShort, OrderCommand, Packed
from actors.domain.stock_commands import (
    Adjust,
    Answer,
    Count,
    Dispatch,
    Done,
    Granted,
    Mirror,
    NotEnough,
    Pack,
    Pick,
    Receive,
    Reduce,
    Reduced,
    Rejected,
    Release,
    ReportShort,
    Reserve,
    Restock,
    StockCommand,
)
from actors.domain.stock_events import PackedParcel, Quantity, Shortage, StockEffectRequested, UnitsReserved
from actors.mailbox import Letter, Mailbox, SetAsideError
from actors.ports.journal import Append, Durable, FencedError, PendingEffect
from actors.supervisor import supervise
from actors.warehouse import EXPIRY_CHECK_S, Warehouse, first_placed_first
from adapters.memory.journal import MemoryJournal

Clock = trio.testing.MockClock
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


@dataclass(slots=True)
class Commit:
    """One that was begun, and what became of it."""

    ended: trio.Event = field(default_factory=trio.Event)
    error: Exception | None = None

    async def is_durable(self) -> None:
        await self.ended.wait()
        if self.error is not None:
            raise self.error


class SlowJournal(MemoryJournal):
    """A journal that takes time to commit, and remembers how much it was given at a time.

    As with any database, what was begun becomes durable although nobody waits for it any more.
    """

    def __init__(self, commit_s: float = 0.01) -> None:
        super().__init__()
        self.commit_s = commit_s
        self.batches: list[int] = []
        self.fenced = False
        self._last = Commit()
        self._last.ended.set()

    async def enqueue(self, append: Append) -> Durable:
        ahead, self._last = self._last, Commit()
        trio.lowlevel.spawn_system_task(self._commit, append, ahead, self._last)
        return self._last.is_durable

    async def _commit(self, append: Append, ahead: Commit, mine: Commit) -> None:
        await ahead.ended.wait()
        await trio.sleep(self.commit_s)
        if self.fenced:
            mine.error = FencedError()
        else:
            await super().enqueue(append)
            self.batches.append(len(append.events))
        mine.ended.set()


class House:
    """A warehouse at work, and everybody who hears of it."""

    def __init__(self, journal: SlowJournal | None = None) -> None:
        self.journal = journal or SlowJournal()
        self.handle: WarehouseHandle = WarehouseHandle("lyon", Mailbox(1_000))
        self.directory = Directory({"lyon": self.handle})
        self.told: list[tuple[str, OrderCommand]] = []
        self.effects: list[PendingEffect] = []
        self.arrived: list[str] = []
        self.roomier: list[str] = []
        self.set_aside: list[object] = []
        self.directory.on_effect("erp", self.effects.append)
        self.directory.on_arrival(self.arrived.append)
        self.directory.on_room(self.roomier.append)
        self.actor = Warehouse(self.handle, self.journal, self.directory, self.tell, self.now)

    def now(self) -> datetime:
        return NINE + timedelta(seconds=trio.current_time())

    async def tell(self, order: str, command: OrderCommand) -> None:
        await trio.lowlevel.checkpoint()
        self.told.append((order, command))

    async def ask(self, command: StockCommand | Keyed) -> Answer:
        with trio.fail_after(600):
            return await self.directory.ask_warehouse("lyon", command)

    async def crashed(self, error: Exception) -> None:
        del error
        await trio.lowlevel.checkpoint()
        for letter in self.handle.mailbox.after_crash():
            self.set_aside.append(letter.message)
            if letter.reply is not None:
                letter.reply.fail(SetAsideError("set aside"))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await supervise("warehouse lyon", self.actor.run, on_crash=self.crashed, task_status=task_status)


@asynccontextmanager
async def open_house(journal: SlowJournal | None = None) -> AsyncGenerator[House]:
    house = House(journal)
    async with trio.open_nursery() as nursery:
        await nursery.start(house.run)
        yield house
        nursery.cancel_scope.cancel()


def reserve(number: int, units: int = 1, *, waits: bool = False) -> Reserve:
    expires_at = NINE + timedelta(seconds=trio.current_time() + 600) if waits else None
    return Reserve(f"main-{number}.1", f"main-{number}", (Quantity("TEAPOT", units),), expires_at)


def poison(name: str = "poison") -> Reserve:
    """Return a command that no decision survives."""
    return Reserve(name, "main-666", (None,))  # type: ignore[arg-type] # that is the poison


async def test_whoever_waits_for_room_hears_of_each_promise_that_ends(autojump_clock: Clock) -> None:
    async with open_house() as house:
        await house.ask(Receive("D1", "TEAPOT", 5, "A-1"))
        for number in (1, 2, 3):
            house.directory.heads_for("lyon", f"main-{number}.1")
            assert house.directory.load("lyon") == number
            await house.ask(reserve(number))
            assert house.directory.load("lyon") == number, "it is counted once"
            house.directory.has_answered("lyon", f"main-{number}.1")
        assert house.roomier == []
        await house.ask(Release("main-1.1", "cancelled"))
        await house.ask(ReportShort("main-2.1", "A-1", "TEAPOT", 1, "not there"))
        await house.ask(Pick("main-3.1", "A-1", "TEAPOT", 1))
        parcel = PackedParcel("main-3.1.1", (Quantity("TEAPOT", 1),), 900)
        await house.ask(Pack("main-3.1", (parcel,)))
        await trio.sleep(1)
        assert (house.roomier, house.directory.load("lyon")) == (["lyon", "lyon"], 1)
        await house.ask(Dispatch("main-3.1"))
        await trio.sleep(1)
        assert (house.roomier, house.directory.load("lyon")) == (["lyon", "lyon", "lyon"], 0)


@pytest.mark.parametrize(
    "command",
    [
        Receive("D2", "TEAPOT", 1, "A-1"),
        Restock("R1", "main-0", "TEAPOT", 1, "sellable", "A-1"),
        Adjust("TEAPOT", 1, "found"),
        Mirror("TEAPOT", 1, "I3-5"),
        Count("TEAPOT", "A-1", 6, "found", "lyon", "C-1", NINE),
        Reduce("main-1.1", (Quantity("TEAPOT", 1),)),
        Release("main-1.1", "cancelled"),
    ],
    ids=lambda command: type(command).__name__,
)
async def test_whoever_waits_for_units_hears_of_whatever_may_have_freed_some(
    command: StockCommand, autojump_clock: Clock
) -> None:
    async with open_house() as house:
        await house.ask(Receive("D1", "TEAPOT", 5, "A-1"))
        await house.ask(reserve(1, 2))
        house.arrived.clear()
        await house.ask(command)
        await trio.sleep(1)
        assert house.arrived == ["TEAPOT"]
        await house.ask(reserve(2))
        await trio.sleep(1)
        assert house.arrived == ["TEAPOT"], "and of nothing else"


async def test_whoever_waits_for_room_hears_of_a_plan_that_came_to_nothing(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.directory.heads_for("lyon", "main-1.1")
        house.directory.heads_for("lyon", "main-2.1")
        await house.ask(reserve(1))  # there is nothing
        house.directory.has_answered("lyon", "main-1.1")
        assert (house.roomier, house.directory.load("lyon")) == (["lyon"], 1)
        await house.ask(Release("main-2.1", "cancelled"))  # nobody had asked for it yet
        house.directory.has_answered("lyon", "main-2.1")
        assert (house.roomier, house.directory.load("lyon")) == (["lyon", "lyon"], 0)
        house.directory.has_answered("lyon", "main-2.1")
        assert len(house.roomier) == 2, "it did not count any more"


async def test_exactly_as_many_are_granted_as_there_are(autojump_clock: Clock) -> None:
    answers: list[Answer] = []
    async with open_house() as house:
        await house.ask(Receive("D1", "TEAPOT", 5, "A-1"))

        async def attempt(number: int) -> None:
            answers.append(await house.ask(reserve(number)))

        async with trio.open_nursery() as nursery:
            for number in range(48):
                nursery.start_soon(attempt, number)
        assert sum(isinstance(answer, Granted) for answer in answers) == 5
        assert answers.count(NotEnough((Shortage("TEAPOT", 1, 0),))) == 43
        assert len(house.journal.batches) < 10, "those who ask together share a commit"


async def test_of_those_that_ask_at_the_same_moment_whoever_was_placed_first_is_served_first(
    autojump_clock: Clock,
) -> None:
    """By number within a second, as text would put ten before nine; nobody else loses his place."""
    async with open_house() as house:
        placed: list[Reserve] = [
            structs.replace(reserve(number), placed_at=NINE + timedelta(seconds=at))
            for number, at in ((12, 1), (10, 0), (9, 0), (11, 1))
        ]
        receive = Receive("D1", "TEAPOT", 1, "A-1")
        asked: list[StockCommand | Keyed] = [placed[0], receive, *placed[1:]]
        letters = [Letter(each) for each in asked]
        arranged = first_placed_first(letters)
        assert [each.message for each in arranged] == [placed[2], receive, placed[1], placed[3], placed[0]]

        await house.ask(receive)
        for each in placed:
            assert house.handle.mailbox.post([Letter(each)])
        house.handle.mailbox.wake()
        await house.handle.mailbox.emptied()
        assert list(house.handle.stock.fulfilments) == ["main-9.1"]


async def test_whoever_waits_for_units_hears_of_those_that_a_reduction_gives_back_and_no_room_comes_of_it(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        await house.ask(Receive("D1", "TEAPOT", 3, "A-1"))
        await house.ask(reserve(1, 3))
        await trio.sleep(1)
        house.arrived.clear()
        less = Reduce("main-1.1", (Quantity("TEAPOT", 1),))
        for _ in range(2):
            assert await house.ask(less) == Reduced(less.keep)
        await trio.sleep(1)
        assert (house.arrived, house.roomier) == (["TEAPOT"], [])
        assert house.handle.stock.available("TEAPOT") == 2


async def test_nobody_hears_an_answer_before_it_is_durable(autojump_clock: Clock) -> None:
    async with open_house(SlowJournal(commit_s=10)) as house:
        await house.ask(Receive("D1", "TEAPOT", 5, "A-1"))
        began = trio.current_time()
        await house.ask(reserve(1))
        assert trio.current_time() - began >= 10
        durable = [each.event for each in await house.journal.read("stock-lyon")]
        assert isinstance(durable[-1], UnitsReserved)


async def test_a_repeat_under_the_same_key_gets_the_first_answer(autojump_clock: Clock) -> None:
    async with open_house() as house:
        await house.ask(Receive("D1", "TEAPOT", 5, "A-1"))
        correction = Keyed("k1", Adjust("TEAPOT", -2, "counted"))
        assert await house.ask(correction) == Done()
        assert await house.ask(correction) == Done()
        assert house.handle.stock.available("TEAPOT") == 3
        refused = Keyed("k2", Adjust("TEAPOT", -4, "counted"))
        first = await house.ask(refused)
        await house.ask(Receive("D2", "TEAPOT", 9, "A-1"))
        assert isinstance(first, Rejected)
        assert await house.ask(refused) == first


async def test_a_repeat_that_comes_with_the_first_waits_for_its_commit(autojump_clock: Clock) -> None:
    async with open_house(SlowJournal(commit_s=10)) as house:
        await house.ask(Receive("D1", "TEAPOT", 5, "A-1"))
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(house.ask, Keyed("k1", Adjust("TEAPOT", -2, "counted")))
                await trio.sleep(1)
        assert trio.current_time() - began >= 10
        assert house.handle.stock.available("TEAPOT") == 3


async def test_keys_are_known_after_a_restart(autojump_clock: Clock) -> None:
    async with open_house() as house:
        await house.ask(Receive("D1", "TEAPOT", 5, "A-1"))
        await house.ask(Keyed("k1", Adjust("TEAPOT", -2, "counted")))
    async with open_house(house.journal) as again:
        assert await again.ask(Keyed("k1", Adjust("TEAPOT", -2, "counted"))) == Done()
        assert again.handle.stock.available("TEAPOT") == 3


async def test_a_reservation_that_waits_in_vain_expires_and_its_order_is_told(autojump_clock: Clock) -> None:
    async with open_house() as house:
        await house.ask(Receive("D1", "TEAPOT", 5, "A-1"))
        assert await house.ask(reserve(1, 2, waits=True)) == Granted("main-1.1", waits=True)
        await trio.sleep(590)
        assert house.told == []
        await trio.sleep(10 + 2 * EXPIRY_CHECK_S)
        assert house.told == [("main-1", Expired("main-1.1"))]
        assert house.handle.stock.available("TEAPOT") == 5
        assert house.arrived[-1] == "TEAPOT"


async def test_orders_hear_what_the_floor_did(autojump_clock: Clock) -> None:
    parcel = PackedParcel("main-1.1.1", (Quantity("TEAPOT", 1),), 900)
    async with open_house() as house:
        await house.ask(Receive("D1", "TEAPOT", 5, "A-1"))
        await house.ask(reserve(1, 2))
        await house.ask(ReportShort("main-1.1", "A-1", "TEAPOT", 1, "not there"))
        await house.ask(Pick("main-1.1", "A-1", "TEAPOT", 1))
        await house.ask(Pack("main-1.1", (parcel,)))
        await trio.sleep(1)
        heard: list[tuple[str, OrderCommand]] = [
            ("main-1", FellShort("main-1.1", "TEAPOT", 1)),
            ("main-1", Packed("main-1.1", (parcel,))),
        ]
        assert house.told == heard
    async with open_house(house.journal) as again:
        await trio.sleep(1)
        assert again.told == heard, "a daemon that died may have told nobody"


async def test_the_erp_is_told_of_a_reception_only_once_it_is_durable(autojump_clock: Clock) -> None:
    document = ErpReception("D1", "lyon", (), NINE)
    receive = Receive("D1", "TEAPOT", 5, "A-1", (StockEffectRequested("erp-reception:D1", "erp", document),))
    async with open_house(SlowJournal(commit_s=10)) as house, trio.open_nursery() as nursery:
        nursery.start_soon(house.ask, receive)
        await trio.sleep(9)
        assert house.effects == []
        await trio.sleep(2)
        assert [(each.effect, each.stream) for each in house.effects] == [("erp-reception:D1", "stock-lyon")]


# --- crashes ------------------------------------------------------------------------------------------------


async def test_a_poison_command_is_set_aside_and_everybody_else_is_served_once(autojump_clock: Clock) -> None:
    answers: dict[int, Answer] = {}
    turned_away: list[str] = []
    async with open_house() as house:
        await house.ask(Receive("D1", "TEAPOT", 100, "A-1"))

        async def attempt(number: int) -> None:
            answers[number] = await house.ask(reserve(number))

        async def attempt_poison() -> None:
            with pytest.raises(SetAsideError):
                await house.ask(poison())
            turned_away.append("poison")

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(attempt, number)
                if number == 10:
                    nursery.start_soon(attempt_poison)
        assert all(isinstance(answer, Granted) for answer in answers.values())
        assert len(answers) == 20
        assert turned_away == ["poison"]
        assert house.handle.stock.available("TEAPOT") == 80
        assert house.set_aside == [poison()]


async def test_what_was_decided_before_a_crash_is_durable_and_answered_although_its_commit_was_under_way(
    autojump_clock: Clock,
) -> None:
    async with open_house(SlowJournal(commit_s=10)) as house:
        await house.ask(Receive("D1", "TEAPOT", 100, "A-1"))
        answers: list[Answer] = []

        async def attempt(number: int) -> None:
            answers.append(await house.ask(Keyed(f"k{number}", Adjust("TEAPOT", -1, "counted"))))

        async def attempt_poison() -> None:
            with pytest.raises(SetAsideError):
                await house.ask(poison())

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(attempt, number)
                await trio.sleep(1)
            nursery.start_soon(attempt_poison)
        assert answers == [Done()] * 4
        assert house.handle.stock.available("TEAPOT") == 96
        picture = await house.journal.stock_picture("lyon")
        assert picture.balances[0].available == 96


async def test_a_steady_stream_of_poison_does_not_fell_the_warehouse_if_it_comes_slowly(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        await house.ask(Receive("D1", "TEAPOT", 5, "A-1"))
        for number in range(5):
            with pytest.raises(SetAsideError):
                await house.ask(poison(f"poison-{number}"))
            await trio.sleep(60)
        assert await house.ask(reserve(1)) == Granted("main-1.1")


async def test_a_warehouse_that_is_cut_off_ends_only_once_nothing_of_it_is_under_way_any_more(
    autojump_clock: Clock,
) -> None:
    house = House(SlowJournal(commit_s=10))

    async def ask(number: int) -> None:
        await house.ask(Receive(f"D{number}", "TEAPOT", 5, "A-1"))

    async with trio.open_nursery() as askers:
        async with trio.open_nursery() as daemon:
            await daemon.start(house.actor.run)
            for number in range(2):
                askers.start_soon(ask, number)
                await trio.sleep(1)
            daemon.cancel_scope.cancel()
        assert len(house.journal.streams["stock-lyon"]) == 2
        askers.cancel_scope.cancel()


async def test_a_lost_partition_ends_the_warehouse_and_nobody_is_told_what_was_not_recorded(
    autojump_clock: Clock,
) -> None:
    house = House()
    with trio.fail_after(600), pytest.RaisesGroup(FencedError, flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.run)
            await house.ask(Receive("D1", "TEAPOT", 5, "A-1"))
            house.journal.fenced = True
            await house.ask(reserve(1))
            pytest.fail("it was answered")
    assert not any(isinstance(each.event, UnitsReserved) for each in await house.journal.read("stock-lyon"))


async def test_a_warehouse_whose_mailbox_is_closed_ends_once_all_is_durable(autojump_clock: Clock) -> None:
    house = House(SlowJournal(commit_s=10))
    with trio.fail_after(600):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.run)
            nursery.start_soon(house.ask, Receive("D1", "TEAPOT", 5, "A-1"))
            await trio.sleep(1)
            house.handle.mailbox.close()
    assert len(house.journal.streams["stock-lyon"]) == 1
