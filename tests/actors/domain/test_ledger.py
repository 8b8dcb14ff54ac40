"""The ledger against properties that must hold whatever is asked, and against counters kept by hand."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import hypothesis.strategies as st
import trio
from hypothesis import given, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from msgspec.structs import replace

from actors.domain.documents import ErpAdjustment
from actors.domain.ledger import Fulfilment, Stock, apply, movements, sellable
from actors.domain.stock_commands import (
    Adjust,
    Answer,
    AssignSlot,
    Confirm,
    Count,
    Dispatch,
    Done,
    Granted,
    Mirror,
    NotEnough,
    OpenStock,
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
from actors.domain.stock_decisions import Decision, decide
from actors.domain.stock_events import (
    PackedParcel,
    Quantity,
    Shortage,
    StockCounted,
    StockEffectRequested,
    StockEvent,
)
from actors.ports.journal import Append
from actors.rows import fulfilment_row
from actors.warehouse import restore
from adapters.memory.journal import MemoryJournal

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
INNER = ("available", "reserved", "picked", "quarantine")

skus = st.sampled_from(["TEAPOT", "CUP"])
names = st.sampled_from(["main-1.1", "main-1.2", "main-2.1"])
units = st.integers(1, 6)
quantities = st.lists(
    st.builds(Quantity, skus, units), min_size=1, max_size=2, unique_by=lambda line: line.sku
)
lines = quantities.map(tuple)
reserves = st.builds(Reserve, names, st.just("main-1"), lines, st.sampled_from([None, NOON]))
commands: st.SearchStrategy[StockCommand] = st.one_of(
    st.builds(OpenStock, skus, st.integers(0, 8), st.just(""), st.just("erp")),
    st.builds(Receive, st.sampled_from(["D1", "D2", "D3"]), skus, st.integers(-1, 8), st.just("")),
    st.builds(Adjust, skus, st.integers(-4, 4), st.just("counted")),
    st.builds(Mirror, skus, st.integers(-4, 4), st.just("I3-5")),
    st.builds(AssignSlot, skus, st.sampled_from(["", "A-1"])),
    st.builds(Count, skus, st.just(""), st.integers(0, 9), *map(st.just, ("", "lyon", "R-1", NOON))),
    reserves,
    reserves,
    st.builds(Confirm, names),
    st.builds(Release, names, st.sampled_from(["cancelled", "expired", "rerouted"])),
    st.builds(Reduce, names, lines),
    st.builds(Pick, names, st.just(""), skus, units),
    st.builds(ReportShort, names, st.just(""), skus, units, st.just("not there")),
    st.builds(Dispatch, names),
    st.builds(lambda name, contents: Pack(name, (PackedParcel(f"{name}.1", contents, 900),)), names, lines),
)
runs = st.lists(commands, max_size=60)


def carry_out(stock: Stock, command: StockCommand) -> tuple[tuple[StockEvent, ...], Answer]:
    decision = decide(stock, command)
    for event in decision.events:
        apply(stock, event)
    return decision.events, decision.answer


def carry_out_all(asked: Sequence[StockCommand]) -> tuple[Stock, list[StockEvent]]:
    stock = Stock()
    return stock, [event for command in asked for event in carry_out(stock, command)[0]]


def books(events: Sequence[StockEvent]) -> Counter[tuple[str, str]]:
    """Add up the double entries alone, without the ledger's own fold."""
    accounts: Counter[tuple[str, str]] = Counter()
    for event in events:
        for move in movements(event):
            assert move.units > 0
            accounts[move.sku, move.source] -= move.units
            accounts[move.sku, move.target] += move.units
    return accounts


def on_the_floor(*, asked: int = 2, stock: int = 5, slot: str = "A-1") -> Stock:
    """Return a warehouse with one reservation of teapots that may be picked."""
    house = Stock()
    carry_out(house, Receive("D1", "TEAPOT", stock, slot))
    assert carry_out(house, Reserve("main-1.1", "main-1", (Quantity("TEAPOT", asked),)))[1] == Granted(
        "main-1.1"
    )
    return house


# --- what must hold whatever is asked -----------------------------------------------------------------------


@given(runs)
def test_no_unit_appears_or_vanishes(asked: list[StockCommand]) -> None:
    accounts = books(carry_out_all(asked)[1])
    assert sum(accounts.values()) == 0


@given(runs)
def test_no_shelf_ever_holds_less_than_nothing(asked: list[StockCommand]) -> None:
    stock = Stock()
    for command in asked:
        carry_out(stock, command)
        for shelf in stock.shelves.values():
            assert min(shelf.available, shelf.reserved, shelf.picked, shelf.quarantine) >= 0


@given(runs)
def test_the_shelves_agree_with_the_double_entries(asked: list[StockCommand]) -> None:
    stock, events = carry_out_all(asked)
    accounts = books(events)
    for sku, shelf in stock.shelves.items():
        assert [getattr(shelf, account) for account in INNER] == [accounts[sku, account] for account in INNER]
    assert {sku for sku, account in accounts if account in INNER} <= set(stock.shelves)


@given(runs)
def test_what_is_promised_is_exactly_what_open_promises_hold(asked: list[StockCommand]) -> None:
    stock, _ = carry_out_all(asked)
    for sku, shelf in stock.shelves.items():
        held = [line for promise in stock.fulfilments.values() for line in promise.lines if line.sku == sku]
        assert shelf.reserved == sum(line.to_pick for line in held)
        assert shelf.picked == sum(line.picked for line in held)


REPEATED_SAFELY = Reserve | Confirm | Release | Reduce | Pack | Dispatch | Receive
"""The others carry a key, see `stock_decisions`."""


@given(runs)
def test_a_late_copy_of_a_command_changes_nothing(asked: list[StockCommand]) -> None:
    stock = Stock()
    done: list[tuple[StockCommand, Answer]] = []
    for command in asked:
        events, answer = carry_out(stock, command)
        if isinstance(command, REPEATED_SAFELY) and events:
            done.append((command, answer))
    for command, answer in done:
        late = decide(stock, command)
        assert late.events == ()
        # Once a promise was confirmed, taken back or packed, whoever asks for it again has to hear that.
        still_granted = isinstance(answer, Granted) and late.answer == Granted(answer.fulfilment)
        assert late.answer == answer or still_granted or isinstance(late.answer, Rejected)


@given(runs)
def test_a_command_sent_twice_is_answered_twice_alike(asked: list[StockCommand]) -> None:
    stock = Stock()
    for command in asked:
        _, first = carry_out(stock, command)
        if isinstance(command, REPEATED_SAFELY):
            again = decide(stock, command)
            assert (again.events, again.answer) == ((), first)


@given(runs, skus, st.integers(0, 20))
def test_after_a_count_the_slot_holds_what_was_counted_and_the_erp_hears_of_the_difference(
    asked: list[StockCommand], sku: str, counted: int
) -> None:
    stock, _ = carry_out_all(asked)
    before = stock.shelves.get(sku)
    house = before.on_hand if before is not None else 0
    promised = before.reserved if before is not None else 0
    events, answer = carry_out(stock, Count(sku, "", counted, "", "lyon", "R-1", NOON))
    if before is None or counted < promised:
        assert isinstance(answer, Rejected)
        assert events == ()
        return
    after = stock.shelves[sku]
    assert (after.available + after.reserved, after.quarantine) == (counted, 0)
    assert after.reserved == promised
    told = [event.document for event in events if isinstance(event, StockEffectRequested)]
    lines = [line for document in told if isinstance(document, ErpAdjustment) for line in document.lines]
    assert sum(line.units for line in lines) == after.on_hand - house
    assert len(lines) == (after.on_hand != house)


@given(runs, st.builds(Reserve, st.just("main-9.1"), st.just("main-9"), lines))
def test_a_reservation_takes_all_lines_or_none(asked: list[StockCommand], reserve: Reserve) -> None:
    stock, _ = carry_out_all(asked)
    before = {line.sku: stock.available(line.sku) for line in reserve.lines}
    _, answer = carry_out(stock, reserve)
    taken = {line.sku: before[line.sku] - stock.available(line.sku) for line in reserve.lines}
    if all(before[line.sku] >= line.units for line in reserve.lines):
        assert answer == Granted("main-9.1")
        assert taken == {line.sku: line.units for line in reserve.lines}
    else:
        short = tuple(
            Shortage(line.sku, line.units, before[line.sku])
            for line in reserve.lines
            if before[line.sku] < line.units
        )
        assert answer == NotEnough(short)
        assert set(taken.values()) == {0}


@given(runs)
def test_a_warehouse_restored_from_its_tables_is_the_one_folded_from_its_events(
    asked: list[StockCommand],
) -> None:
    async def project() -> Stock:
        journal, stock, version = MemoryJournal(), Stock(), 0
        for number, command in enumerate(asked):
            if isinstance(command, Count):
                command = replace(command, reference=f"R-{number}")  # noqa: PLW2901 - as the floor has it
            events = decide(stock, command).events
            changed = [row for event in events if (row := apply(stock, event)) is not None]
            rows = tuple(fulfilment_row(row, "lyon") for row in changed)
            if events:
                await journal.append(Append("stock-lyon", version, events, NOON, fulfilments=rows))
                version += len(events)
        return restore(await journal.stock_picture("lyon"))

    assert trio.run(project) == carry_out_all(asked)[0]


@given(runs, reserves, st.builds(Reduce, st.just("main-9.1"), lines))
def test_what_a_reduction_keeps_stays_promised_and_the_rest_may_be_sold_again(
    asked: list[StockCommand], reserve: Reserve, command: Reduce
) -> None:
    stock, _ = carry_out_all(asked)
    carry_out(stock, replace(reserve, fulfilment="main-9.1"))
    promise = stock.fulfilments.get("main-9.1")
    held = Counter({line.sku: line.to_pick for line in promise.lines}) if promise is not None else Counter()
    free = {sku: stock.available(sku) for sku in stock.shelves}
    keep = Counter({line.sku: line.units for line in command.keep})
    events, answer = carry_out(stock, command)
    if not keep <= held:
        assert isinstance(answer, Rejected)
        assert events == ()
        return
    assert answer == Reduced(command.keep)
    assert promise is not None
    assert Counter({line.sku: line.to_pick for line in promise.lines}) == keep
    given_back = {sku: stock.available(sku) - free[sku] for sku in stock.shelves}
    assert +Counter(given_back) == held - keep
    assert not any(move.source == "available" for event in events for move in movements(event))


@given(runs, runs)
def test_whoever_looked_on_hears_of_each_sku_that_can_be_promised_otherwise_since(
    before: list[StockCommand], since: list[StockCommand]
) -> None:
    stock, _ = carry_out_all(before)
    seen, free = stock.moves, {sku: shelf.available for sku, shelf in stock.shelves.items()}
    moved: set[str] = set()
    for command in since:
        for event in carry_out(stock, command)[0]:
            moved |= {move.sku for move in movements(event) if "available" in (move.source, move.target)}
    told = list(stock.moved_since(seen))
    assert len(told) == len(set(told)), "once each"
    assert moved | (stock.shelves.keys() - free.keys()) == set(told)
    assert list(stock.moved_since(stock.moves)) == []


@given(st.dictionaries(skus, st.integers(-5, 20)), st.integers(0, 5), st.integers(0, 5))
def test_a_shop_never_sells_the_safety_stock_nor_less_than_nothing(
    free: dict[str, int], safety: int, buffer: int
) -> None:
    for sku, level in sellable(free, safety=safety, buffer=buffer).items():
        assert level >= 0
        assert level == 0 or level + safety + buffer == free[sku]


# --- one by one ---------------------------------------------------------------------------------------------


def test_the_last_teapot_goes_to_the_first_order() -> None:
    house = Stock()
    carry_out(house, Receive("D1", "TEAPOT", 1, "A-1"))
    first = carry_out(house, Reserve("main-1.1", "main-1", (Quantity("TEAPOT", 1),)))[1]
    second = carry_out(house, Reserve("main-2.1", "main-2", (Quantity("TEAPOT", 1),)))[1]
    assert (first, second) == (Granted("main-1.1"), NotEnough((Shortage("TEAPOT", 1, 0),)))


def test_two_lines_of_one_sku_cannot_take_the_same_unit_twice() -> None:
    house = Stock()
    carry_out(house, Receive("D1", "TEAPOT", 3, "A-1"))
    twice = Reserve("main-1.1", "main-1", (Quantity("TEAPOT", 2), Quantity("TEAPOT", 2)))
    assert isinstance(carry_out(house, twice)[1], Rejected)
    assert house.available("TEAPOT") == 3


def test_a_reservation_of_nothing_is_rejected() -> None:
    house = Stock()
    carry_out(house, Receive("D1", "TEAPOT", 3, "A-1"))
    assert isinstance(carry_out(house, Reserve("main-1.1", "main-1", ()))[1], Rejected)
    none = Reserve("main-1.1", "main-1", (Quantity("TEAPOT", 0),))
    assert isinstance(carry_out(house, none)[1], Rejected)
    fewer = Reserve("main-1.1", "main-1", (Quantity("TEAPOT", -1),))
    assert isinstance(carry_out(house, fewer)[1], Rejected)


def test_the_floor_waits_for_the_other_warehouses_of_the_plan() -> None:
    house = Stock()
    carry_out(house, Receive("D1", "TEAPOT", 3, "A-1"))
    carry_out(house, Reserve("main-1.1", "main-1", (Quantity("TEAPOT", 1),), NOON))
    scan = Pick("main-1.1", "A-1", "TEAPOT", 1)
    assert isinstance(carry_out(house, scan)[1], Rejected)
    carry_out(house, Confirm("main-1.1"))
    assert carry_out(house, scan)[1] == Done()


def test_a_reservation_that_waits_in_vain_is_taken_back_when_it_expires() -> None:
    house = Stock()
    carry_out(house, Receive("D1", "TEAPOT", 3, "A-1"))
    carry_out(house, Reserve("main-1.1", "main-1", (Quantity("TEAPOT", 2),), NOON))
    carry_out(house, Release("main-1.1", "expired"))
    assert house.available("TEAPOT") == 3
    assert isinstance(decide(house, Confirm("main-1.1")).answer, Rejected)


def test_a_confirmed_reservation_does_not_expire() -> None:
    house = on_the_floor()
    events, answer = carry_out(house, Release("main-1.1", "expired"))
    assert (events, answer) == ((), Done())
    assert house.available("TEAPOT") == 3


def test_a_scan_from_the_wrong_slot_is_refused_with_the_right_one() -> None:
    answer = decide(on_the_floor(), Pick("main-1.1", "B-7", "TEAPOT", 1)).answer
    assert answer == Rejected("TEAPOT lies in slot A-1, not B-7")


def test_of_goods_that_were_given_no_slot_a_scan_and_a_count_say_so() -> None:
    house = on_the_floor(slot="")
    told = Rejected("TEAPOT has no slot yet, so not B-7: stock move gives it one")
    assert decide(house, Pick("main-1.1", "B-7", "TEAPOT", 1)).answer == told
    assert counted(house, 5, "B-7")[1] == told
    assert decide(on_the_floor(), Pick("main-1.1", "", "TEAPOT", 1)).answer == Rejected(
        "TEAPOT lies in slot A-1, not (none)"
    )


def test_nobody_picks_more_than_was_promised() -> None:
    answer = decide(on_the_floor(asked=2), Pick("main-1.1", "A-1", "TEAPOT", 3)).answer
    assert answer == Rejected("2 of TEAPOT are left to pick, not 3")


def test_a_foreign_article_does_not_come_into_the_parcel() -> None:
    house = on_the_floor()
    carry_out(house, Receive("D2", "CUP", 1, "A-2"))
    assert isinstance(decide(house, Pick("main-1.1", "A-2", "CUP", 1)).answer, Rejected)


def test_what_the_slot_did_not_hold_waits_in_quarantine_for_a_count() -> None:
    house = on_the_floor(asked=2)
    carry_out(house, ReportShort("main-1.1", "A-1", "TEAPOT", 1, "not there"))
    shelf = house.shelves["TEAPOT"]
    assert (shelf.available, shelf.reserved, shelf.quarantine) == (3, 1, 1)


def counted(house: Stock, units: int, slot: str = "") -> tuple[tuple[StockEvent, ...], Answer]:
    return carry_out(house, Count("TEAPOT", slot, units, "stocktake", "lyon", "R-1", NOON))


def test_what_a_short_pick_did_not_find_is_found_by_a_count_and_may_be_sold_again() -> None:
    house = on_the_floor(asked=2, stock=5)
    carry_out(house, ReportShort("main-1.1", "A-1", "TEAPOT", 2, "not there"))
    events, _ = counted(house, 4, "A-1")
    assert events[0] == StockCounted("TEAPOT", "A-1", 4, found=1, lost=1, surplus=0, reason="stocktake")
    assert len(events) == 2, "the ERP hears of the one that is lost"
    assert (house.available("TEAPOT"), house.shelves["TEAPOT"].quarantine) == (4, 0)


def test_a_count_that_finds_the_books_right_is_kept_and_the_erp_hears_nothing() -> None:
    house = on_the_floor(asked=2, stock=5)
    events, answer = counted(house, 5)
    assert (events, answer) == (
        (StockCounted("TEAPOT", "A-1", 5, found=0, lost=0, surplus=0, reason="stocktake"),),
        Done(),
    )


def test_a_count_below_what_is_promised_says_which_promises_have_to_be_looked_into_first() -> None:
    house = on_the_floor(asked=2, stock=5)
    assert counted(house, 1)[1] == Rejected(
        "2 of TEAPOT are promised and not picked, more than the 1 counted: "
        "report what main-1.1 cannot find, then count again"
    )
    assert house.available("TEAPOT") == 3


def test_a_count_of_another_slot_or_of_what_was_never_here_is_refused() -> None:
    house = on_the_floor()
    assert counted(house, 5, "B-7")[1] == Rejected("TEAPOT lies in slot A-1, not B-7")
    unknown = decide(house, Count("TAEPOT", "", 5, "", "lyon", "R-1", NOON)).answer
    assert unknown == Rejected("lyon never held TAEPOT: receive it, or correct the name")


def test_a_fulfilment_of_which_nothing_was_found_is_over() -> None:
    house = on_the_floor(asked=2)
    carry_out(house, ReportShort("main-1.1", "A-1", "TEAPOT", 2, "not there"))
    assert house.fulfilments == {}
    assert house.closed["main-1.1"].state == "short"
    assert carry_out(house, Release("main-1.1", "cancelled"))[1] == Done()
    assert house.available("TEAPOT") == 3


def picked() -> Stock:
    house = on_the_floor(asked=2)
    carry_out(house, Pick("main-1.1", "A-1", "TEAPOT", 2))
    return house


def parcel(name: str = "main-1.1.1", count: int = 2, weight_g: int = 900) -> PackedParcel:
    return PackedParcel(name, (Quantity("TEAPOT", count),), weight_g)


def test_parcels_hold_exactly_what_was_picked() -> None:
    house = picked()
    assert isinstance(decide(house, Pack("main-1.1", (parcel(count=1),))).answer, Rejected)
    assert isinstance(decide(house, Pack("main-1.1", (parcel(count=3),))).answer, Rejected)
    assert isinstance(decide(house, Pack("main-1.1", ())).answer, Rejected)
    halves = (parcel("main-1.1.1", 1), parcel("main-1.1.2", 1))
    assert decide(house, Pack("main-1.1", halves)).answer == Done()


def test_a_parcel_has_a_weight_and_contents() -> None:
    house = picked()
    assert isinstance(decide(house, Pack("main-1.1", (parcel(weight_g=0),))).answer, Rejected)
    empty = PackedParcel("main-1.1.2", (), 100)
    assert isinstance(decide(house, Pack("main-1.1", (parcel(), empty))).answer, Rejected)


def test_no_two_parcels_of_the_world_share_a_name_and_with_it_a_label() -> None:
    house = picked()
    assert isinstance(decide(house, Pack("main-1.1", (parcel("BOX"),))).answer, Rejected)
    assert isinstance(decide(house, Pack("main-1.1", (parcel("main-2.1.1"),))).answer, Rejected)
    alike = (parcel("main-1.1.1", 1), parcel("main-1.1.1", 1))
    assert isinstance(decide(house, Pack("main-1.1", alike)).answer, Rejected)


def test_nothing_is_packed_before_every_line_is_picked() -> None:
    assert isinstance(decide(on_the_floor(), Pack("main-1.1", (parcel(),))).answer, Rejected)


def test_a_second_pack_with_other_parcels_is_refused() -> None:
    house = picked()
    carry_out(house, Pack("main-1.1", (parcel(),)))
    assert isinstance(decide(house, Pack("main-1.1", (parcel(weight_g=901),))).answer, Rejected)


def test_what_is_packed_is_not_given_back() -> None:
    house = picked()
    carry_out(house, Pack("main-1.1", (parcel(),)))
    assert decide(house, Release("main-1.1", "cancelled")).answer == Rejected("too late: packed")


def test_whoever_has_picked_for_what_was_given_back_hears_what_to_put_back_and_where() -> None:
    house = on_the_floor(asked=3)
    carry_out(house, Pick("main-1.1", "A-1", "TEAPOT", 2))
    carry_out(house, Release("main-1.1", "cancelled"))
    assert house.available("TEAPOT") == 5, "they are promised to others already"
    told = Rejected("main-1.1 was given back: put 2 of TEAPOT back into A-1")
    assert decide(house, Pick("main-1.1", "A-1", "TEAPOT", 1)).answer == told
    assert decide(house, ReportShort("main-1.1", "A-1", "TEAPOT", 1, "gone")).answer == told
    assert decide(house, Pack("main-1.1", (parcel(),))).answer == told


def test_of_a_promise_that_is_reduced_nobody_can_take_what_is_kept() -> None:
    house = on_the_floor(asked=3, stock=3)
    less = (Quantity("TEAPOT", 2),)
    assert carry_out(house, Reduce("main-1.1", less))[1] == Reduced(less)
    another = Reserve("main-2.1", "main-2", less)
    assert carry_out(house, another)[1] == NotEnough((Shortage("TEAPOT", 2, 1),))
    assert carry_out(house, Pick("main-1.1", "A-1", "TEAPOT", 2))[1] == Done()


def test_a_line_that_is_dropped_is_not_picked_any_more_and_the_others_are() -> None:
    house = Stock()
    for sku in ("TEAPOT", "CUP"):
        carry_out(house, Receive(f"D-{sku}", sku, 1, "A-1"))
    both = (Quantity("TEAPOT", 1), Quantity("CUP", 1))
    carry_out(house, Reserve("main-1.1", "main-1", both, NOON))
    assert carry_out(house, Reduce("main-1.1", both[:1]))[1] == Reduced(both[:1])
    carry_out(house, Confirm("main-1.1"))
    gone = decide(house, Pick("main-1.1", "A-1", "CUP", 1)).answer
    assert gone == Rejected("CUP does not belong to main-1.1")
    carry_out(house, Pick("main-1.1", "A-1", "TEAPOT", 1))
    assert carry_out(house, Pack("main-1.1", (parcel(count=1),)))[1] == Done()


def test_a_promise_that_its_floor_has_begun_with_is_not_reduced_any_more() -> None:
    less = (Quantity("TEAPOT", 1),)
    for scan in (
        Pick("main-1.1", "A-1", "TEAPOT", 1),
        ReportShort("main-1.1", "A-1", "TEAPOT", 1, "not there"),
    ):
        house = on_the_floor(asked=2)
        carry_out(house, scan)
        assert carry_out(house, Reduce("main-1.1", less)) == ((), Rejected("its floor has begun with it"))


def test_a_reduction_that_was_made_is_still_so_when_it_is_asked_for_again_from_a_floor_that_works() -> None:
    house = on_the_floor(asked=2)
    less = Reduce("main-1.1", (Quantity("TEAPOT", 1),))
    carry_out(house, less)
    for scan in (
        Pick("main-1.1", "A-1", "TEAPOT", 1),
        Pack("main-1.1", (parcel(count=1),)),
        Dispatch("main-1.1"),
    ):
        assert carry_out(house, scan)[1] == Done()
        assert decide(house, less) == Decision((), Reduced(less.keep))


def test_a_promise_is_never_reduced_to_nothing_nor_made_larger() -> None:
    house = on_the_floor(asked=2)
    for keep in ((), (Quantity("TEAPOT", 0),), (Quantity("TEAPOT", 3),), (Quantity("CUP", 1),)):
        events, answer = carry_out(house, Reduce("main-1.1", keep))
        assert events == ()
        assert isinstance(answer, Rejected)


def test_only_packed_parcels_leave_the_house() -> None:
    house = picked()
    assert isinstance(decide(house, Dispatch("main-1.1")).answer, Rejected)
    carry_out(house, Pack("main-1.1", (parcel(),)))
    assert carry_out(house, Dispatch("main-1.1"))[1] == Done()
    assert house.shelves["TEAPOT"].on_hand == 3


def test_a_delivery_counts_once() -> None:
    house = Stock()
    carry_out(house, Receive("D1", "TEAPOT", 3, "A-1"))
    assert carry_out(house, Receive("D1", "TEAPOT", 3, "A-1")) == ((), Done())
    assert house.available("TEAPOT") == 3


def test_what_comes_back_damaged_is_not_where_the_others_are_picked() -> None:
    house = on_the_floor(asked=2, stock=5)
    slot = house.shelves["TEAPOT"].slot
    carry_out(house, Restock("main-9/R1", "main-9", "TEAPOT", 1, "damaged", "Q-1"))
    assert house.shelves["TEAPOT"].slot == slot
    assert carry_out(house, Pick("main-1.1", slot, "TEAPOT", 2))[1] == Done()
    carry_out(house, Restock("main-9/R2", "main-9", "TEAPOT", 1, "sellable", "B-7"))
    assert house.shelves["TEAPOT"].slot == "B-7", "what may be sold again lies with the others"


def test_stock_is_taken_over_once() -> None:
    house = Stock()
    carry_out(house, OpenStock("TEAPOT", 3, "A-1", "erp"))
    carry_out(house, Adjust("TEAPOT", -3, "sold over the counter"))
    carry_out(house, OpenStock("TEAPOT", 3, "A-1", "erp"))
    assert house.available("TEAPOT") == 0


def test_a_slot_has_a_name() -> None:
    assert isinstance(decide(Stock(), AssignSlot("TEAPOT", "")).answer, Rejected)
    assert carry_out(Stock(), AssignSlot("TEAPOT", "A-1"))[1] == Done()


def test_a_correction_never_takes_what_is_promised() -> None:
    house = on_the_floor(asked=2, stock=5)
    assert isinstance(decide(house, Adjust("TEAPOT", -4, "counted")).answer, Rejected)
    assert carry_out(house, Adjust("TEAPOT", -3, "counted"))[1] == Done()
    assert isinstance(decide(house, Adjust("TEAPOT", 0, "counted")).answer, Rejected)


# --- against counters kept by hand --------------------------------------------------------------------------


class WarehouseByHand(RuleBasedStateMachine):
    """A clerk keeps plain counters beside the ledger. Every rule says what the clerk would do."""

    promises = Bundle("promises")

    def __init__(self) -> None:
        super().__init__()
        self.stock = Stock()
        self.asked: list[StockCommand] = []
        self.came_in: Counter[str] = Counter()
        self.free: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.gone: Counter[str] = Counter()
        self.left: dict[str, Counter[str]] = {}
        self.basket: dict[str, Counter[str]] = {}
        self.stage: dict[str, str] = {}
        self.promised: dict[str, Counter[str]] = {}
        self.number = 0

    def ask(self, command: StockCommand) -> Answer:
        if isinstance(command, REPEATED_SAFELY):
            self.asked.append(command)
        return carry_out(self.stock, command)[1]

    @initialize(count=st.integers(0, 10))
    def take_over(self, count: int) -> None:
        self.ask(OpenStock("TEAPOT", count, "A-1", "erp"))
        self.came_in["TEAPOT"] += count
        self.free["TEAPOT"] += count

    @rule(sku=skus, count=units)
    def receive(self, sku: str, count: int) -> None:
        self.number += 1
        assert self.ask(Receive(f"D{self.number}", sku, count, "A-1")) == Done()
        self.came_in[sku] += count
        self.free[sku] += count

    @rule(sku=skus, count=st.integers(-6, 6).filter(bool))
    def count(self, sku: str, count: int) -> None:
        answer = self.ask(Adjust(sku, count, "counted"))
        assert isinstance(answer, Rejected) == (self.free[sku] + count < 0)
        if answer == Done():
            self.came_in[sku] += count
            self.free[sku] += count

    @rule(target=promises, asked=lines, waits=st.booleans())
    def reserve(self, asked: tuple[Quantity, ...], waits: bool) -> object:
        self.number += 1
        name = f"main-{self.number}.1"
        answer = self.ask(Reserve(name, f"main-{self.number}", asked, NOON if waits else None))
        if any(self.free[line.sku] < line.units for line in asked):
            assert isinstance(answer, NotEnough)
            return multiple()
        assert answer == Granted(name, waits=waits)
        wanted = Counter({line.sku: line.units for line in asked})
        self.free -= Counter()
        self.free.subtract(wanted)
        self.left[name], self.basket[name] = wanted, Counter()
        self.promised[name] = Counter(wanted)
        self.stage[name] = "waits" if waits else "floor"
        return name

    @rule(name=promises)
    def confirm(self, name: str) -> None:
        answer = self.ask(Confirm(name))
        assert isinstance(answer, Rejected) == (self.stage[name] == "released")
        if self.stage[name] == "waits":
            self.stage[name] = "floor"

    @rule(name=promises, sku=skus, count=units)
    def pick(self, name: str, sku: str, count: int) -> None:
        answer = self.ask(Pick(name, self.slot(sku), sku, count))
        possible = self.stage[name] == "floor" and count <= self.left[name][sku]
        assert (answer == Done()) == possible
        if possible:
            self.left[name][sku] -= count
            self.basket[name][sku] += count

    @rule(name=promises, sku=skus, count=units)
    def fall_short(self, name: str, sku: str, count: int) -> None:
        answer = self.ask(ReportShort(name, self.slot(sku), sku, count, "not there"))
        possible = self.stage[name] == "floor" and count <= self.left[name][sku]
        assert (answer == Done()) == possible
        if possible:
            self.left[name][sku] -= count
            self.lost[sku] += count
            if not self.left[name].total() and not self.basket[name].total():
                self.stage[name] = "short"

    @rule(name=promises)
    def pick_the_rest(self, name: str) -> None:
        if self.stage[name] == "floor":
            for sku, count in (+self.left[name]).items():
                self.pick(name=name, sku=sku, count=count)

    @rule(name=promises, weight_g=st.integers(1, 2))
    def pack(self, name: str, weight_g: int) -> None:
        contents = tuple(Quantity(sku, count) for sku, count in sorted((+self.basket[name]).items()))
        answer = self.ask(Pack(name, (PackedParcel(f"{name}.1", contents, weight_g),)))
        if self.stage[name] == "floor" and not self.left[name].total():
            assert answer == Done()
            self.stage[name] = "packed"
        elif self.stage[name] not in ("packed", "dispatched"):
            assert isinstance(answer, Rejected)

    @rule(name=promises)
    def dispatch(self, name: str) -> None:
        answer = self.ask(Dispatch(name))
        assert (answer == Done()) == (self.stage[name] in ("packed", "dispatched"))
        if self.stage[name] == "packed":
            self.gone.update(self.basket[name])
            self.basket[name], self.stage[name] = Counter(), "dispatched"

    @rule(name=promises, expired=st.booleans())
    def release(self, name: str, expired: bool) -> None:
        answer = self.ask(Release(name, "expired" if expired else "cancelled"))
        assert isinstance(answer, Rejected) == (self.stage[name] in ("packed", "dispatched"))
        if self.stage[name] == "waits" or (self.stage[name] == "floor" and not expired):
            self.free.update(self.left[name])
            self.free.update(self.basket[name])
            self.left[name], self.basket[name], self.stage[name] = Counter(), Counter(), "released"

    @rule(name=promises, keep=lines)
    def reduce(self, name: str, keep: tuple[Quantity, ...]) -> None:
        kept = Counter({line.sku: line.units for line in keep})
        answer = self.ask(Reduce(name, keep))
        if self.stage[name] == "released":
            assert isinstance(answer, Rejected)
        elif kept == self.promised[name]:
            assert answer == Reduced(keep)
        elif (
            self.stage[name] in ("waits", "floor")
            and self.left[name] == self.promised[name]
            and kept <= self.promised[name]
        ):
            assert answer == Reduced(keep)
            self.free.update(self.left[name] - kept)
            self.left[name], self.promised[name] = Counter(kept), kept
        else:
            assert isinstance(answer, Rejected)

    @rule(name=promises, sku=skus)
    def want_one_less(self, name: str, sku: str) -> None:
        fewer = self.promised[name] - Counter({sku: 1})
        if fewer:
            self.reduce(name=name, keep=tuple(Quantity(each, units) for each, units in fewer.items()))

    @rule(data=st.data())
    def repeat_something(self, data: st.DataObject) -> None:
        done = [
            command
            for command in self.asked
            if not isinstance(command, Release | Reduce | Confirm | Pack | Dispatch)
        ]
        if done:
            command = data.draw(st.sampled_from(done))
            assert decide(self.stock, command).events == ()

    @rule(name=consumes(promises))
    def forget(self, name: str) -> None:
        """Let other promises be drawn more often."""

    def slot(self, sku: str) -> str:
        shelf = self.stock.shelves.get(sku)
        return shelf.slot if shelf is not None else ""

    @invariant()
    def the_ledger_says_what_the_clerk_counted(self) -> None:
        for sku in ("TEAPOT", "CUP"):
            shelf = self.stock.shelves.get(sku)
            said = (
                (shelf.available, shelf.reserved, shelf.picked, shelf.quarantine) if shelf else (0, 0, 0, 0)
            )
            reserved = sum(left[sku] for left in self.left.values())
            taken = sum(basket[sku] for basket in self.basket.values())
            assert said == (self.free[sku], reserved, taken, self.lost[sku])
            assert self.came_in[sku] == sum(said) + self.gone[sku]

    @invariant()
    def open_promises_are_the_clerks(self) -> None:
        def listed(promise: Fulfilment) -> tuple[Counter[str], Counter[str]]:
            return (
                +Counter({line.sku: line.to_pick for line in promise.lines}),
                +Counter({line.sku: line.picked for line in promise.lines}),
            )

        open_ = {name for name, stage in self.stage.items() if stage in ("waits", "floor", "packed")}
        assert set(self.stock.fulfilments) == open_
        for name in open_:
            assert listed(self.stock.fulfilments[name]) == (+self.left[name], +self.basket[name])


TestWarehouseByHand = WarehouseByHand.TestCase
TestWarehouseByHand.settings = settings(max_examples=80, stateful_step_count=40)
