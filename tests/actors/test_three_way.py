"""What is known of a difference lasts, is told once, and ends by itself when that is certain."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import click
import pytest
import trio
import trio.testing

from actors.desk import Desk, Raise, Resolve, Take
from actors.directory import Directory, WarehouseHandle
from actors.domain.discrepancies import EACH_MAX
from actors.domain.documents import ERP, ErpLine, ErpReception
from actors.domain.erp_pieces import ErpMove
from actors.domain.ledger import apply
from actors.domain.stock_events import StockEffectRequested, StockMirrored, StockOpened, StockReceived
from actors.mailbox import Mailbox
from actors.ports.journal import Append
from actors.three_way import ThreeWay, Whole
from adapters.memory.erp_books import MemoryErpBooks
from adapters.memory.journal import MemoryJournal
from daemon import ctl

Clock = trio.testing.MockClock
NINE = datetime(2026, 11, 25, 9, tzinfo=UTC)
LYON = "stock-lyon"


class House:
    """A warehouse, its ERP, and a desk."""

    def __init__(self, journal: MemoryJournal | None = None) -> None:
        self.journal = journal or MemoryJournal()
        self.books = MemoryErpBooks(clock=self.now, warehouses=("lyon",))
        self.handle: WarehouseHandle = WarehouseHandle("lyon", Mailbox(10))
        self.directory = Directory({"lyon": self.handle})
        self.desk = Desk(self.journal, self.now, Mailbox[Raise | Resolve | Take](10))
        self.three_way = ThreeWay(
            shops={},
            books=self.books,
            journal=self.journal,
            inspection=self.journal,
            directory=self.directory,
            desk=self.desk,
        )

    def now(self) -> datetime:
        return NINE + timedelta(seconds=trio.current_time())

    def open(self, sku: str, units: int) -> None:
        apply(self.handle.stock, StockOpened(sku, units, "", "erp"))

    def both(self, **units: int) -> None:
        for sku, count in units.items():
            self.open(sku, count)
            self.books.stock["lyon", sku] = count

    def book(self, sku: str, units: int, number: str, reference: str = "", *, by_us: bool = False) -> None:
        """Have somebody move stock by a piece of the ERP."""
        self.books.stock["lyon", sku] = self.books.stock.get(("lyon", sku), 0) + units
        by = "wharfinger" if by_us else "MARTINE"
        move = ErpMove(
            number, reference, "count", "lyon", sku, Decimal(units), by, by_us=by_us, at=self.now()
        )
        self.books.moves_.append(move)

    async def look(self) -> Whole:
        with trio.fail_after(1_000):
            return await self.three_way.look()

    async def causes(self) -> dict[str, str]:
        return {each.subject: each.cause for each in (await self.look()).discrepancies}

    async def problems(self) -> set[str]:
        return {each.anomaly for each in await self.journal.anomalies(1_000)}


@asynccontextmanager
async def open_house(journal: MemoryJournal | None = None) -> AsyncGenerator[House]:
    house = House(journal)
    async with trio.open_nursery() as nursery:
        await nursery.start(house.desk.run)
        yield house
        nursery.cancel_scope.cancel()


async def test_books_that_agree_are_in_order_and_read_once(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.both(CUP=10, POT=3)
        whole = await house.look()
        assert (whole.discrepancies, whole.unread, house.books.reads) == ((), (), ["changed", "stock"])
        assert whole.stock is not None
        assert (whole.stock.compared, whole.stock.moving) == (2, frozenset())


async def test_what_moves_while_the_erp_is_read_is_left_to_the_next_look(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.both(CUP=10)
        house.books.stock["lyon", "CUP"] = 12
        house.books.meanwhile.append(lambda: house.open("CUP", 5))
        assert await house.causes() == {}
        assert await house.causes() == {"lyon CUP": "unknown"}


async def test_what_nothing_explains_is_told_only_if_it_lasts_for_a_second_reading(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.both(CUP=10, POT=3)
        house.books.stock["lyon", "CUP"] = 8  # a dispatch whose note is asked for within the second
        house.books.stock["lyon", "POT"] = 4

        async def put_right() -> None:
            await trio.sleep(1)
            house.books.stock["lyon", "CUP"] = 10

        async with trio.open_nursery() as nursery:
            nursery.start_soon(put_right)
            whole = await house.look()
        assert [each.subject for each in whole.discrepancies] == ["lyon POT"]
        assert house.books.reads.count("stock") == 2
        assert whole.stock is not None
        assert [row.sku for row in whole.stock.figures] == ["POT"]


async def test_a_difference_is_told_once_remembered_by_the_next_daemon_and_ends_by_itself(
    autojump_clock: Clock,
) -> None:
    async with open_house() as house:
        house.both(CUP=10)
        house.books.stock["lyon", "CUP"] = 12
        (first,) = (await house.look()).discrepancies
        assert first.is_new
        assert await house.problems() == {"books:erp:stock:lyon CUP:unknown"}
        await trio.sleep(86_400)
        (again,) = (await house.look()).discrepancies
        assert (again.is_new, again.since) == (False, first.since)
    raised = len(house.journal.streams["desk"])

    async with open_house(house.journal) as other:
        other.both(CUP=10)
        other.books.stock["lyon", "CUP"] = 12
        await trio.sleep(86_400)
        (known,) = (await other.look()).discrepancies
        assert not known.is_new
        assert known.since - first.since < timedelta(seconds=5)
        assert len(other.journal.streams["desk"]) == raised
        other.books.stock["lyon", "CUP"] = 10
        await other.look()
        assert await other.problems() == set()


async def test_an_erp_that_is_away_settles_nothing_and_is_named(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.both(CUP=10)
        house.books.stock["lyon", "CUP"] = 12
        await house.look()
        house.books.away = True
        whole = await house.look()
        assert whole.stock is None
        assert len(whole.unread) == 1
        assert "it is switched off" in whole.unread[0]
        assert await house.problems() == {"books:erp:stock:lyon CUP:unknown"}


async def test_pieces_of_ours_and_those_taken_over_are_nobodys_doing(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.both(CUP=10, POT=10, MUG=10)
        house.book("CUP", 2, "I3-1")
        house.book("POT", 3, "I3-2", by_us=True)
        house.book("MUG", 4, "F3-1", reference="ASN-1")  # ours, and touched by a user since
        line = (ErpLine("1", "MUG", 4, Decimal(0), "lyon"),)
        reception = ErpReception("ASN-1", "lyon", line, house.now())
        asked = StockEffectRequested("erp-reception:lyon:ASN-1", ERP, reception)
        await house.journal.append(
            Append(LYON, 0, (StockReceived("ASN-1", "MUG", 4, ""), asked), house.now())
        )
        assert await house.causes() == {
            "lyon CUP": "count",
            "lyon POT": "unknown",
            "lyon MUG": "unknown",
        }

        mirrored = StockMirrored("CUP", 2, "I3-1")
        await house.journal.append(Append(LYON, 2, (mirrored,), house.now()))
        assert (await house.causes())["lyon CUP"] == "unknown"  # the piece explains it no more
        apply(house.handle.stock, mirrored)
        assert "lyon CUP" not in await house.causes()


async def test_a_site_that_tells_no_moves_leaves_users_doings_without_a_cause(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.both(CUP=10)
        house.book("CUP", 2, "I3-1")
        house.books.tells_moves = False
        whole = await house.look()
        assert [each.cause for each in whole.discrepancies] == ["unknown"]
        assert whole.stock is not None
        assert not whole.stock.traced


async def test_very_many_differences_of_a_kind_are_one_matter(autojump_clock: Clock) -> None:
    async with open_house() as house:
        house.both(**{f"SKU{number}": 5 for number in range(EACH_MAX + 5)})
        for place in tuple(house.books.stock):
            house.books.stock[place] += 1
        await house.look()
        assert await house.problems() == {"books:erp:stock:unknown"}
        for place in tuple(house.books.stock)[3:]:
            house.books.stock[place] -= 1
        whole = await house.look()
        assert not any(each.is_new for each in whole.discrepancies)
        assert await house.problems() == {f"books:erp:stock:lyon SKU{number}:unknown" for number in range(3)}


@pytest.mark.parametrize("sku", ["CUP", "CUP 2", "ÉTÉ/XL"])
async def test_every_command_that_is_proposed_is_one_that_wharfctl_takes(
    sku: str, autojump_clock: Clock
) -> None:
    async with open_house() as house:
        house.both(**{sku: 10, "POT": 10})
        house.book(sku, 2, "I3-1")
        house.books.stock["lyon", "POT"] = 9
        house.books.stock["lyon", "NOVEL"] = 2
        commands = [line for each in (await house.look()).discrepancies for line in each.mend.commands]
        assert len(commands) == 3
        for line in commands:
            takes(line)


def takes(line: str) -> None:
    """Parse a command line as wharfctl does, and fail on what it does not know."""
    import shlex

    program, *words = shlex.split(line)
    assert program == "wharfctl"
    command: click.Command = ctl.main
    context = click.Context(command)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, list(words))
        assert found is not None, line
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.parse_args(context, list(words))
