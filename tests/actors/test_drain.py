"""Draining an outbox: in order per order, nothing twice, nothing forgotten, whatever the partner does."""

import random
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import pytest
import trio
import trio.testing
from msgspec.structs import replace

from actors.aftermath import NONSENSE_MAX, NONSENSE_RETRY_S, RETRY_S_MAX
from actors.attempt import Taken
from actors.domain.documents import Document, ErpChange, LabelPurchase, ShopStatus
from actors.domain.order_events import EffectDone, EffectRefused, EffectRequested
from actors.domain.order_state import AGAIN
from actors.drain import LOOK_EVERY_S, Drain
from actors.errors import MalformedError, OutcomeUnknownError, RefusedError, UnreachableError
from actors.lanes import Lanes
from actors.mailbox import SetAsideError
from actors.ports.journal import Append, FencedError, PendingEffect
from actors.ports.partner import Outcome
from actors.ports.people import BesideRow, Contact
from actors.precedence import HOLD_S_MAX, Precedence
from actors.supervisor import supervise
from adapters.memory.journal import MemoryJournal

Clock = trio.testing.MockClock
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


def effect(order: int, number: int) -> PendingEffect:
    document = ShopStatus(f"{order}.{number}", "preparing")
    return PendingEffect(f"status:{order}.{number}", f"order-main-{order}", "shop-main", document, NINE)


def label(order: int) -> PendingEffect:
    """Return the purchase of a label for whoever ordered."""
    document = LabelPurchase(
        f"main-{order}.1.1", "swift", "home", "lyon", "FR", 900, contact=f"main-{order}:contact"
    )
    return PendingEffect("label:1", f"order-main-{order}", "shop-main", document, NINE)


def name_of(document: Document) -> str:
    return document.shop_order if isinstance(document, ShopStatus) else type(document).__name__


@dataclass(slots=True)
class Partner:
    """A partner that keeps exact books. `before` and `after` are called as it acts, and may raise."""

    took_s: float = 0.1
    is_away: bool = False
    carried_out: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    calls: int = 0
    at_once: int = 0
    most_at_once: int = 0
    before: Callable[[str], None] = lambda _name: None
    after: Callable[[str], None] = lambda _name: None

    async def find(self, document: Document) -> Outcome | None:
        name = name_of(document)
        await self._take_time(name)
        self.looked_up.append(name)
        return Outcome("found") if name in self.carried_out else None

    async def carry_out(self, document: Document, contact: Contact | None) -> Outcome:
        del contact
        name = name_of(document)
        await self._take_time(name)
        self.carried_out.append(name)
        self.after(name)
        return Outcome("done")

    async def _take_time(self, name: str) -> None:
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await trio.sleep(self.took_s)
            if self.is_away:
                raise UnreachableError("shop", "POST")
            self.before(name)
        finally:
            self.at_once -= 1


def lose(lost: set[str]) -> Callable[[str], None]:
    """Lose the answer about each of these once."""

    def after(name: str) -> None:
        if name in lost:
            lost.remove(name)
            raise OutcomeUnknownError("shop", "POST")

    return after


class Owner:
    """Who asked for the effects: records their outcomes in the journal, each stream once."""

    def __init__(self, journal: MemoryJournal) -> None:
        self.journal = journal
        self.settled: list[str] = []
        self.refused: dict[str, str] = {}
        self.reported: list[str] = []
        self.cannot_hear: set[str] = set()
        self.together: list[list[str]] = []
        self.nursery: trio.Nursery | None = None

    async def settle(self, taken: Sequence[Taken]) -> None:
        self.together.append([name_of(each.effect.document) for each in taken])
        for each in taken:
            effect = each.effect
            if effect.effect in self.cannot_hear:
                raise SetAsideError(effect.effect)
            await self._record(effect, EffectDone(effect.effect, each.outcome.reference))
            self.settled.append(name_of(effect.document))

    def settle_soon(self, taken: Sequence[Taken], then: Callable[[Exception | None], None]) -> bool:
        if self.nursery is None:
            return False

        async def settle() -> None:
            try:
                await self.settle(tuple(taken))
            except SetAsideError as error:
                then(error)
            else:
                then(None)

        self.nursery.start_soon(settle)
        return True

    async def refuse(self, effect: PendingEffect, why: str) -> None:
        await self._record(effect, EffectRefused(effect.effect, why))
        self.refused[name_of(effect.document)] = why

    async def report(self, effect: PendingEffect, why: str) -> None:
        del why
        await trio.lowlevel.checkpoint()
        self.reported.append(name_of(effect.document))

    async def _record(self, effect: PendingEffect, event: EffectDone | EffectRefused) -> None:
        version = len(self.journal.streams[effect.stream])
        await self.journal.append(Append(effect.stream, version, (event,), NINE))


class Office:
    """A drain at work on a journal; its owner is waited for, or has outcomes handed over."""

    hands_over = False

    def __init__(self, journal: MemoryJournal | None = None, partner: Partner | None = None) -> None:
        self.journal = journal or MemoryJournal()
        self.partner = partner or Partner()
        self.owner = Owner(self.journal)
        self.outcomes: list[str] = []
        self.call_s: list[float] = []
        self.precedence = Precedence()
        self.drain = Drain(
            "shop-main",
            self.journal,
            self.partner,
            self.owner,
            workers=3,
            rng=random.Random(1),
            observe=self.observe,
            precedence=self.precedence,
        )

    def observe(self, _partner: str, outcome: str, seconds: float, _stream: str) -> None:
        self.outcomes.append(outcome)
        self.call_s.append(seconds)

    async def request(self, *effects: PendingEffect, told: bool = True) -> None:
        """Ask for effects as an order does: recorded first, then told, unless the order fell in between."""
        for each in effects:
            version = len(self.journal.streams.get(each.stream, ()))
            event = EffectRequested(each.effect, each.partner, each.document)
            await self.journal.append(Append(each.stream, version, (event,), NINE))
            if told:
                self.drain.add(each)

    async def pending(self) -> int:
        return len(await self.journal.pending("shop-main", 100_000))

    async def until_told(self) -> None:
        while await self.pending():
            await trio.sleep(0.05)


@asynccontextmanager
async def at_work(office: Office, *, within_s: float = 3_600) -> AsyncGenerator[Office]:
    with trio.fail_after(within_s):
        async with trio.open_nursery() as nursery:
            if Office.hands_over:
                office.owner.nursery = nursery
            await nursery.start(supervise, "drain", office.drain.run)
            yield office
            nursery.cancel_scope.cancel()


@pytest.fixture(params=[False, True], ids=["owner waited for", "owner told"], autouse=True)
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run each test with an owner that is waited for, and with one that calls back."""
    Office.hands_over = request.param
    yield
    Office.hands_over = False


# --- the good day -------------------------------------------------------------------------------------------


async def test_the_effects_of_one_order_go_out_in_their_order_and_many_orders_side_by_side(
    autojump_clock: Clock,
) -> None:
    async with at_work(Office()) as office:
        await office.request(*(effect(order, number) for number in range(4) for order in range(6)))
        await office.until_told()
        for order in range(6):
            mine = [name for name in office.partner.carried_out if name.startswith(f"{order}.")]
            assert mine == [f"{order}.{number}" for number in range(4)]
        assert office.partner.most_at_once == 3, "as many calls as the partner bears, and no more"
        assert office.partner.looked_up == [], "what was never sent need not be looked up"
        assert office.drain.depth == 0


async def test_an_effect_that_is_told_twice_is_carried_out_once(autojump_clock: Clock) -> None:
    async with at_work(Office()) as office:
        await office.request(effect(1, 1))
        office.drain.add(effect(1, 1))
        await office.until_told()
        assert office.partner.carried_out == ["1.1"]


async def test_an_effect_that_nobody_told_of_is_found_in_the_outbox(autojump_clock: Clock) -> None:
    async with at_work(Office()) as office:
        await office.request(effect(1, 1), told=False)
        await trio.sleep(LOOK_EVERY_S + 1)
        assert office.partner.carried_out == ["1.1"]
        assert await office.pending() == 0


# --- partners on bad days -----------------------------------------------------------------------------------


async def test_a_lost_answer_is_looked_up_and_not_sent_again(autojump_clock: Clock) -> None:
    async with at_work(Office(partner=Partner(after=lose({"1.1"})))) as office:
        await office.request(effect(1, 1), effect(1, 2))
        await office.until_told()
        assert office.partner.carried_out == ["1.1", "1.2"]
        assert office.partner.looked_up == ["1.1"]


async def test_what_an_earlier_daemon_left_is_looked_up_before_it_is_sent(autojump_clock: Clock) -> None:
    first = Office(partner=Partner(took_s=10))
    async with at_work(first):
        await first.request(effect(1, 1), effect(1, 2))
        await trio.sleep(15)
    assert first.partner.carried_out == ["1.1"]
    first.partner.carried_out.append("1.2")  # it was done, and the daemon died before it heard
    async with at_work(Office(first.journal, first.partner)) as second:
        await second.until_told()
        assert second.partner.carried_out == ["1.1", "1.2"]


async def test_what_the_partner_refuses_goes_back_to_its_owner_and_the_next_goes_on(
    autojump_clock: Clock,
) -> None:
    def refuse(name: str) -> None:
        if name == "1.1":
            raise RefusedError("shop", "POST", "no such order")

    async with at_work(Office(partner=Partner(before=refuse))) as office:
        await office.request(effect(1, 1), effect(1, 2))
        await office.until_told()
        assert office.owner.refused == {"1.1": "no such order"}
        assert office.partner.carried_out == ["1.2"]
        assert not office.drain.circuit.is_open


async def test_nonsense_is_reported_once_and_holds_up_nobody_else(autojump_clock: Clock) -> None:
    nonsense = True

    def babble(name: str) -> None:
        if name == "1.1" and nonsense:
            raise MalformedError("shop", "POST", "HTML instead of XML")

    async with at_work(Office(partner=Partner(before=babble)), within_s=10 * NONSENSE_RETRY_S) as office:
        await office.request(effect(1, 1), effect(1, 2), effect(2, 1))
        await trio.sleep(3 * NONSENSE_RETRY_S)
        assert set(office.owner.reported) == {"1.1"}
        assert office.partner.carried_out == ["2.1"]
        assert office.partner.calls < NONSENSE_MAX + 10
        nonsense = False
        await office.until_told()
        assert office.partner.carried_out == ["2.1", "1.1", "1.2"]


async def test_an_outage_of_a_minute_is_drained_after_it(autojump_clock: Clock) -> None:
    async with at_work(Office(partner=Partner(is_away=True))) as office:
        await office.request(*(effect(order, number) for number in range(2) for order in range(200)))
        await trio.sleep(60)
        assert office.drain.circuit.is_open
        assert office.partner.calls < 40, "a partner that is away is left alone"
        office.partner.is_away = False
        back_at = trio.current_time()
        await office.until_told()
        assert trio.current_time() - back_at < 2 * RETRY_S_MAX
        assert sorted(office.partner.carried_out) == sorted(set(office.partner.carried_out))
        assert len(office.partner.carried_out) == 400
        assert not office.drain.circuit.is_open


async def test_a_partner_that_loses_every_third_answer_gets_each_document_once_and_in_order(
    autojump_clock: Clock,
) -> None:
    draw = random.Random(3)

    def sometimes(_name: str) -> None:
        if draw.random() < 0.3:
            raise OutcomeUnknownError("shop", "POST")

    office = Office(partner=Partner(before=sometimes, after=sometimes))
    async with at_work(office):
        await office.request(*(effect(order, number) for number in range(5) for order in range(20)))
        await office.until_told()
    for order in range(20):
        mine = [name for name in office.partner.carried_out if name.startswith(f"{order}.")]
        assert mine == [f"{order}.{number}" for number in range(5)]


# --- what goes wrong on our side ----------------------------------------------------------------------------


async def test_nothing_overtakes_an_effect_whose_owner_cannot_hear_of_it(autojump_clock: Clock) -> None:
    async with at_work(Office()) as office:
        office.owner.cannot_hear.add("status:1.1")
        await office.request(effect(1, 1), effect(2, 1))
        await trio.sleep(5)
        await office.request(effect(1, 2))
        await trio.sleep(5)
        assert sorted(office.partner.carried_out) == ["1.1", "2.1"]
        office.owner.cannot_hear.clear()
        await office.until_told()
        assert sorted(office.partner.carried_out) == ["1.1", "1.2", "2.1"], "found, not sent again"


async def test_what_a_partner_takes_in_a_row_is_recorded_together(autojump_clock: Clock) -> None:
    async with at_work(Office(partner=Partner(took_s=1))) as office:
        await office.request(*(effect(1, number) for number in range(3)), effect(2, 1))
        await office.until_told()
        assert [len(taken) for taken in office.owner.together] == [1, 3]
        assert office.owner.together[1] == ["1.0", "1.1", "1.2"]


async def test_what_the_next_document_would_hide_is_recorded_before_that_is_told(
    autojump_clock: Clock,
) -> None:
    async with at_work(Office(partner=Partner(took_s=1))) as office:
        change = replace(effect(1, 2), effect="erp-change:1", document=ErpChange("main-1", ()))
        await office.request(effect(1, 1), change, effect(1, 3))
        await office.until_told()
        assert office.owner.together == [["1.1", "ErpChange"], ["1.3"]]


async def test_a_call_is_as_long_as_the_partner_takes_however_long_it_waited_for_its_turn(
    autojump_clock: Clock,
) -> None:
    async with at_work(Office(partner=Partner(took_s=1))) as office:
        await office.request(*(effect(order, 1) for order in range(9)))
        await office.until_told()
        assert office.call_s == pytest.approx([1] * 9)


async def test_what_was_taken_before_a_failure_is_recorded_at_once(autojump_clock: Clock) -> None:
    away = True

    def second_fails(name: str) -> None:
        if name == "1.2" and away:
            raise UnreachableError("shop", "POST")

    async with at_work(Office(partner=Partner(before=second_fails))) as office:
        await office.request(effect(1, 1), effect(1, 2), effect(1, 3))
        await trio.sleep(5)
        assert office.owner.settled == ["1.1"]
        away = False
        await office.until_told()
        assert office.owner.settled == ["1.1", "1.2", "1.3"]
        assert office.partner.carried_out == ["1.1", "1.2", "1.3"], "nothing twice, nothing overtaken"


async def test_a_document_of_an_erased_person_is_refused_without_asking_the_partner(
    autojump_clock: Clock,
) -> None:
    async with at_work(Office()) as office:
        await office.request(label(1))
        await office.until_told()
        assert office.owner.refused == {"LabelPurchase": "the person's data was erased"}
        assert office.partner.calls == 0


async def test_a_person_who_is_erased_while_a_document_waits_for_its_turn_is_not_told_to_the_partner(
    autojump_clock: Clock,
) -> None:
    ada = Contact("Ada", "", "1 rue du Port", "", "69008", "Lyon", "", "FR", "ada@example.org")
    row = BesideRow("main-9:contact", "contact", "main:7", b"salt", msgspec.json.encode(ada))
    bought = label(9)
    async with at_work(Office(partner=Partner(took_s=10))) as office:
        await office.request(*(effect(order, 1) for order in range(3)))
        requested = EffectRequested(bought.effect, bought.partner, bought.document)
        await office.journal.append(Append(bought.stream, 0, (requested,), NINE, beside=(row,)))
        office.drain.add(bought)
        await trio.sleep(5)
        assert await office.journal.forget("main:7") == 1
        await office.until_told()
        assert office.owner.refused == {"LabelPurchase": "the person's data was erased"}
        assert "LabelPurchase" not in office.partner.carried_out


async def test_an_erased_person_does_not_make_a_partner_that_is_away_look_well(autojump_clock: Clock) -> None:
    async with at_work(Office(partner=Partner(is_away=True))) as office:
        await office.request(*(effect(order, 1) for order in range(9)))
        await trio.sleep(20)
        await office.request(label(99))
        await trio.sleep(0.01)
        assert office.owner.refused
        assert office.drain.circuit.is_open


async def test_an_effect_that_crashes_the_drain_is_set_aside_and_all_others_go_out(
    autojump_clock: Clock,
) -> None:
    def poison(name: str) -> None:
        if name == "3.0":
            raise KeyError("a bug in the adapter")

    async with at_work(Office(partner=Partner(before=poison))) as office:
        await office.request(*(effect(order, number) for number in range(2) for order in range(9)))
        while await office.pending() > 2:
            await trio.sleep(1)
        assert office.owner.reported == ["3.0"]
        told = [f"{order}.{number}" for order in range(9) for number in range(2) if order != 3]
        assert sorted(office.partner.carried_out) == told


async def test_many_effects_that_crash_at_once_fell_neither_the_drain_nor_the_daemon(
    autojump_clock: Clock,
) -> None:
    poisoned = {f"{order}.0" for order in range(20)}

    def poison(name: str) -> None:
        if name in poisoned:
            raise KeyError("a bug in the adapter that all of these meet")

    async with at_work(Office(partner=Partner(before=poison))) as office:
        await office.request(*(effect(order, 0) for order in range(30)))
        await trio.sleep(60)
        assert set(office.owner.reported) == poisoned
        assert len(office.partner.carried_out) == 10
        poisoned.clear()  # somebody has mended it
        await office.until_told()
        assert len(office.partner.carried_out) == 30


async def test_a_lost_partition_stops_the_drain_at_once(autojump_clock: Clock) -> None:
    class Fenced(Owner):
        async def settle(self, taken: Sequence[Taken]) -> None:
            del taken
            raise FencedError

    office = Office()
    fenced = Fenced(office.journal)
    drain = Drain(
        "shop-main",
        office.journal,
        office.partner,
        fenced,
        workers=1,
        rng=random.Random(1),
        observe=lambda *_: None,
    )
    await office.request(effect(1, 1), told=False)
    with trio.fail_after(5), pytest.RaisesGroup(FencedError, flatten_subgroups=True):
        await supervise("drain", drain.run)


async def test_a_daemon_whose_leases_may_be_anothers_tells_no_partner_anything_more(
    autojump_clock: Clock,
) -> None:
    class Lost(MemoryJournal):
        ours = True

        def is_ours(self) -> bool:
            return self.ours

    def freeze(name: str) -> None:
        journal.ours = name != "1.1"

    journal = Lost()
    async with at_work(Office(journal, Partner(after=freeze))) as office:
        await office.request(*(effect(1, number) for number in range(3)))
        await trio.sleep(120)
        assert office.partner.carried_out == ["1.0", "1.1"], "the third may be told by another by now"


# --- the end ------------------------------------------------------------------------------------------------


async def test_a_drain_that_finishes_begins_nothing_new_and_waits_for_what_is_under_way(
    autojump_clock: Clock,
) -> None:
    async with at_work(Office(partner=Partner(took_s=10))) as office:
        await office.request(*(effect(order, 1) for order in range(8)))
        await trio.sleep(5)
        await office.drain.finish()
        assert len(office.partner.carried_out) == 3
        assert len(office.owner.settled) == 3, "and their outcomes are recorded"
        await trio.sleep(60)
        assert len(office.partner.carried_out) == 3


async def test_an_import_goes_first_and_what_was_asked_for_meanwhile_is_told_after_it(
    autojump_clock: Clock,
) -> None:
    async with at_work(Office()) as office:
        office.precedence.reads_on("main")
        await office.request(effect(1, 1), effect(2, 1), effect(1, 2))
        await trio.sleep(5)
        assert (office.partner.calls, office.drain.depth, office.drain.gives_way) == (0, 3, True)
        office.precedence.has_read("main")
        await office.until_told()
        assert sorted(office.partner.carried_out) == ["1.1", "1.2", "2.1"]
        assert not office.drain.gives_way


async def test_an_import_that_does_not_end_is_waited_for_a_minute_at_most(autojump_clock: Clock) -> None:
    async with at_work(Office()) as office:
        office.precedence.reads_on("main")
        began = trio.current_time()
        await office.request(effect(1, 1))
        await office.until_told()
        assert HOLD_S_MAX <= trio.current_time() - began < HOLD_S_MAX + 1


async def test_a_drain_that_lets_an_import_go_first_finishes_at_once(autojump_clock: Clock) -> None:
    async with at_work(Office(), within_s=10) as office:
        office.precedence.reads_on("main")
        await office.request(effect(1, 1))
        await trio.sleep(1)
        await office.drain.finish()
        assert office.partner.calls == 0


async def test_an_idle_drain_finishes_at_once(autojump_clock: Clock) -> None:
    async with at_work(Office()) as office:
        with trio.fail_after(0.1):
            await office.drain.finish()


# --- more than memory holds ---------------------------------------------------------------------------------


async def drained(lanes: Lanes, outbox: list[PendingEffect], most: int) -> list[str]:
    """Settle up to `most` effects, reading the outbox as a drain does."""
    done: list[str] = []
    while len(done) < most and outbox:
        if lanes.wants_more:
            limit = lanes.begin_reading()
            lanes.end_reading(outbox[:limit])
        (lane,) = await lanes.ready(1)
        done.append(lane.effects[0].effect)
        outbox.remove(lane.effects[0])
        lanes.settle_first(lane)
        lanes.put_back(lane)
    return done


async def test_what_memory_does_not_hold_waits_in_the_outbox_and_nothing_overtakes_it(
    autojump_clock: Clock,
) -> None:
    lanes, outbox = Lanes(held_max=10), []
    lanes.begin_reading()
    lanes.end_reading([])
    for number in range(40):
        each = effect(number % 3, number)
        outbox.append(each)
        lanes.add(each)
        assert len(lanes) <= 10
    with trio.fail_after(5):
        done = await drained(lanes, outbox, 20)
        outbox.append(effect(0, 99))
        lanes.add(effect(0, 99))
        done += await drained(lanes, outbox, 100)
    for order in range(3):
        mine = [each for each in done if each.startswith(f"status:{order}.")]
        numbers = [int(each.partition(".")[2]) for each in mine]
        assert numbers == sorted(numbers)
    assert len(done) == len(set(done)) == 41


async def test_what_comes_while_the_outbox_is_read_does_not_overtake_what_lies_in_it(
    autojump_clock: Clock,
) -> None:
    lanes = Lanes()
    lanes.add(effect(1, 1))
    assert len(lanes) == 0, "nothing is taken on before the outbox was read"
    lanes.begin_reading()
    lanes.add(effect(1, 2))
    lanes.end_reading([effect(1, 1)])
    (lane,) = await lanes.ready(1)
    assert [each.effect for each in lane.effects] == ["status:1.1", "status:1.2"]
    assert lanes.may_be_done(lane.effects[0])
    assert not lanes.may_be_done(lane.effects[1])


async def test_what_was_settled_while_the_outbox_was_read_is_not_taken_on_again(
    autojump_clock: Clock,
) -> None:
    lanes = Lanes()
    lanes.begin_reading()
    lanes.end_reading([effect(1, 1)])
    (lane,) = await lanes.ready(1)
    lanes.begin_reading()
    stale = [effect(1, 1)]
    lanes.settle_first(lane)
    lanes.end_reading(stale)
    assert len(lanes) == 0


async def test_an_effect_that_crashes_by_chance_is_told_at_the_next_try(autojump_clock: Clock) -> None:
    crashed: list[str] = []

    def once(name: str) -> None:
        if name == "2.1" and not crashed:
            crashed.append(name)
            raise KeyError("chance")

    async with at_work(Office(partner=Partner(before=once))) as office:
        await office.request(*(effect(order, number) for number in range(3) for order in range(5)))
        await office.until_told()
        assert crashed
        assert office.owner.reported == []
        assert len(office.partner.carried_out) == len(set(office.partner.carried_out)) == 15


# --- what a person says -------------------------------------------------------------------------------------


async def test_a_partner_that_a_person_says_is_back_is_asked_at_once(autojump_clock: Clock) -> None:
    async with at_work(Office(partner=Partner(is_away=True))) as office:
        await office.request(*(effect(order, 1) for order in range(4)))
        await trio.sleep(600)
        assert office.drain.circuit.is_open
        office.partner.is_away = False
        said = trio.current_time()
        office.drain.hurry()
        await office.until_told()
        assert trio.current_time() - said < 2
        assert not office.drain.circuit.is_open


async def test_what_a_person_gives_up_is_recorded_as_refused_and_told_no_more(autojump_clock: Clock) -> None:
    def before(name: str) -> None:
        if name == "1.1":
            raise UnreachableError("shop", "POST")

    async with at_work(Office(partner=Partner(before=before))) as office:
        await office.request(effect(1, 1), effect(1, 2))
        await trio.sleep(5)
        asked = office.partner.calls
        office.drain.give_up("status:1.1", "given up by uid 0: told by phone")
        await office.until_told()
        assert office.owner.refused == {"1.1": "given up by uid 0: told by phone"}
        assert office.partner.carried_out == ["1.2"], "what comes after it goes on"
        assert office.partner.calls == asked + 1


async def test_what_is_given_up_while_it_waits_for_a_partner_that_is_away_is_not_tried_once_more(
    autojump_clock: Clock,
) -> None:
    """Whoever gives a label up may have bought it by hand."""
    async with at_work(Office(partner=Partner(is_away=True))) as office:
        await office.request(*(effect(order, 1) for order in range(3)))
        await trio.sleep(600)
        assert office.drain.circuit.is_open
        office.partner.is_away = False
        for order in range(3):
            office.drain.give_up(f"status:{order}.1", "bought by hand")
        await office.until_told()
        assert sorted(office.owner.refused) == ["0.1", "1.1", "2.1"]
        assert office.partner.carried_out == []


async def test_what_was_given_up_and_is_asked_for_again_is_looked_up_before_it_is_sent(
    autojump_clock: Clock,
) -> None:
    def garble(_name: str) -> None:
        raise MalformedError("shop", "POST")

    async with at_work(Office(partner=Partner(after=garble))) as office:
        await office.request(effect(1, 1))
        await trio.sleep(0.2)
        assert office.partner.carried_out == ["1.1"], "it was done, and nobody understood the answer"
        office.drain.give_up("status:1.1", "given up by uid 0: look there")
        await office.until_told()
        office.partner.after = lambda _name: None
        await office.request(replace(effect(1, 1), effect=f"status:1.1{AGAIN}2"))
        await trio.sleep(5)
        assert office.owner.settled == ["1.1"]
        assert office.partner.carried_out == ["1.1"], "and it is not done twice"


async def test_an_attempt_that_is_under_way_is_not_overtaken_by_giving_it_up(autojump_clock: Clock) -> None:
    async with at_work(Office(partner=Partner(took_s=10))) as office:
        await office.request(effect(1, 1))
        await trio.sleep(1)
        office.drain.give_up("status:1.1", "never mind")
        await office.until_told()
        assert office.owner.settled == ["1.1"]
        assert office.owner.refused == {}
