"""A carrier's news of parcels, each to its order, none lost while the carrier or we are away."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import trio
import trio.testing

from actors.carrier import PAUSE_S_MAX, Carrier, order_of
from actors.desk import Desk
from actors.directory import Directory
from actors.domain.order_commands import OrderCommand, Tracked
from actors.domain.order_draft import Facts
from actors.domain.order_state import Order
from actors.domain.routing import RoutingRules
from actors.errors import RefusedError
from actors.mailbox import Mailbox, SetAsideError
from actors.order import OrderHall
from actors.ports.carrier import TrackingEvent, TrackingPage, UnreadableEvent
from actors.ports.people import BesideRow
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryCarrier

Clock = trio.testing.MockClock
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


class ListeningHall(OrderHall):
    """A hall that notes what its orders hear, and whose orders may be beyond help."""

    def __init__(self, journal: MemoryJournal) -> None:
        super().__init__(journal, Directory({}), facts, nobody, lambda *_: None)
        self.heard: list[tuple[str, OrderCommand]] = []
        self.beyond_help: set[str] = set()

    async def ask(
        self,
        order: str,
        command: OrderCommand,
        beside: tuple[BesideRow, ...] = (),
        *,
        key: str = "",
        read_at: float | None = None,
    ) -> Order:
        if order in self.beyond_help:
            raise SetAsideError(order)
        self.heard.append((order, command))
        return await super().ask(order, command, beside, key=key, read_at=read_at)


class CountingCarrier(MemoryCarrier):
    """A carrier that counts how often it is asked, and tells two events at a time."""

    asked = 0
    refuses = False
    unreadable: Sequence[UnreadableEvent] = ()

    async def events(self, cursor: str | None) -> TrackingPage:
        self.asked += 1
        if self.refuses:
            raise RefusedError("memory carrier", "read the events", "the key is revoked")
        events = (await super().events(cursor)).events[:2]
        return TrackingPage(events, str(int(cursor or "0") + len(events)), self.unreadable)


def facts() -> Facts:
    return Facts(NINE, RoutingRules(()), (), lambda _site, _sku: 0, lambda _sku: True)


async def nobody(*_: str) -> None:
    await trio.lowlevel.checkpoint()


def news(number: int, parcel: str = "main-1.1.1") -> TrackingEvent:
    return TrackingEvent(f"E{number}", parcel, "T1", "in_transit", NINE)


class Depot:
    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.hall = ListeningHall(self.journal)
        self.port = CountingCarrier()
        self.desk = Desk(self.journal, lambda: NINE, Mailbox(10))
        self.carrier = Carrier("swift", self.port, self.journal, self.hall, self.desk, poll_s=60)

    async def problems(self) -> dict[str, str]:
        return {each.anomaly: each.detail for each in await self.journal.anomalies(10)}

    def heard(self) -> list[str]:
        return [command.carrier_event for _, command in self.hall.heard if isinstance(command, Tracked)]


@asynccontextmanager
async def open_depot() -> AsyncGenerator[Depot]:
    depot = Depot()
    with trio.fail_after(100_000):
        async with trio.open_nursery() as nursery:
            await nursery.start(depot.hall.run)
            await nursery.start(depot.desk.run)
            yield depot
            nursery.cancel_scope.cancel()


def test_a_parcels_name_says_whose_it_is() -> None:
    assert order_of("main-1.2.3") == "main-1"
    assert order_of("a.b-7.1.1") == "a.b-7"
    assert order_of("foreign") == "foreign"


async def test_all_news_is_handed_on_in_its_order_and_once(autojump_clock: Clock) -> None:
    async with open_depot() as depot:
        depot.port.news = [news(number) for number in range(5)]
        await depot.carrier.follow()
        await depot.carrier.follow()
        assert depot.heard() == [f"swift:E{number}" for number in range(5)]
        assert {order for order, _ in depot.hall.heard} == {"main-1"}
        assert await depot.journal.cursor("carrier-swift") == "5"


async def test_the_cursor_waits_for_what_was_not_handed_on(autojump_clock: Clock) -> None:
    async with open_depot() as depot:
        depot.port.news = [news(number) for number in range(4)]

        async def die() -> None:
            while len(depot.hall.heard) < 3:
                await trio.lowlevel.checkpoint()
            scope.cancel()

        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(depot.carrier.follow)
                nursery.start_soon(die)
        assert await depot.journal.cursor("carrier-swift") == "2"
        await depot.carrier.follow()
        assert depot.heard()[-2:] == ["swift:E2", "swift:E3"]


async def test_news_for_an_order_beyond_help_holds_up_no_other(autojump_clock: Clock) -> None:
    async with open_depot() as depot:
        depot.hall.beyond_help.add("main-1")
        depot.port.news = [news(1), news(2, "main-2.1.1")]
        await depot.carrier.follow()
        assert depot.heard() == ["swift:E2"]


async def test_a_carrier_that_is_away_is_asked_more_rarely_and_followed_again(autojump_clock: Clock) -> None:
    async with open_depot() as depot, trio.open_nursery() as nursery:
        depot.port.away = True
        await nursery.start(depot.carrier.run)
        await trio.sleep(3_600)
        assert depot.port.asked < 20
        depot.port.away = False
        depot.port.news = [news(1)]
        await trio.sleep(PAUSE_S_MAX + 1)
        assert depot.heard() == ["swift:E1"]
        nursery.cancel_scope.cancel()


async def test_a_carrier_that_stays_away_is_put_before_a_person_until_it_answers(
    autojump_clock: Clock,
) -> None:
    async with open_depot() as depot, trio.open_nursery() as nursery:
        depot.port.away = True
        await nursery.start(depot.carrier.run)
        await trio.sleep(300)
        assert await depot.problems() == {}, "it may come back by itself"
        await trio.sleep(900)
        assert list(await depot.problems()) == ["carrier:swift"]
        depot.port.away = False
        await trio.sleep(PAUSE_S_MAX + 1)
        assert await depot.problems() == {}
        nursery.cancel_scope.cancel()


async def test_a_carrier_that_will_not_tell_is_put_before_a_person_at_once(autojump_clock: Clock) -> None:
    async with open_depot() as depot, trio.open_nursery() as nursery:
        depot.port.refuses = True
        await nursery.start(depot.carrier.run)
        await trio.sleep(1)
        assert "the key is revoked" in (await depot.problems())["carrier:swift"]
        nursery.cancel_scope.cancel()


async def test_news_that_nobody_understands_is_put_before_a_person_and_holds_up_no_other(
    autojump_clock: Clock,
) -> None:
    async with open_depot() as depot:
        depot.port.news = [news(1), news(2)]
        depot.port.unreadable = [UnreadableEvent("E9", "occurred_at: without a time zone")]
        await depot.carrier.follow()
        assert depot.heard() == ["swift:E1", "swift:E2"]
        problems = await depot.problems()
        assert "without a time zone" in problems["carrier:swift:event:E9"]
        assert await depot.journal.cursor("carrier-swift") == "2"
