"""What an order answers to each who talks to it, stage by stage."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from msgspec.structs import replace

from actors.domain.anomaly_events import AnomalyEvent, AnomalyRaised
from actors.domain.carrier_choice import CarrierRule
from actors.domain.documents import (
    ErpCancellation,
    ErpChange,
    ErpDeliveryNote,
    ErpOrder,
    ErpReturn,
    LabelPurchase,
    ShopStatus,
    ShopTracking,
)
from actors.domain.erp_word import ErpWord
from actors.domain.order_allocation import PARTS_MAX
from actors.domain.order_commands import (
    Answered,
    AskAgain,
    Cancel,
    Expired,
    FellShort,
    Hold,
    Import,
    Invoiced,
    OrderCommand,
    Packed,
    Readdressed,
    Refused,
    ReleaseHold,
    Reroute,
    ResolveAnomaly,
    Settled,
    Standing,
    Stranded,
    TakeBack,
    Tracked,
    Vanished,
    Wake,
)
from actors.domain.order_events import (
    Beside,
    CancelRefused,
    EffectRequested,
    LinesEdited,
    OrderEvent,
    OrderHeld,
    OrderImported,
    OrderLine,
    OrderRouted,
)
from actors.domain.order_fold import evolve
from actors.domain.order_life import Facts, consider, next_steps
from actors.domain.order_state import CLOCKS, Order, due_at
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_commands import (
    Answer,
    Confirm,
    Dispatch,
    Done,
    Granted,
    NotEnough,
    Reduce,
    Reduced,
    Rejected,
    Release,
    Reserve,
    Restock,
)
from actors.domain.stock_events import PackedParcel, Quantity, Shortage

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
TEAPOT, CUP = "TEAPOT", "CUP"
DONE = Done()
D = TypeVar("D")


class Story:
    """One order, and what it is told; its warehouses hold what `stock` says."""

    def __init__(self, **stock: Mapping[str, int]) -> None:
        self.stock: Mapping[str, Mapping[str, int]] = stock or {"lyon": {TEAPOT: 9, CUP: 9}}
        self.order = Order()
        self.now = NINE
        self.known = {TEAPOT, CUP}
        self.erp = ErpWord()
        self.carriers: tuple[CarrierRule, ...] = (CarrierRule("swift", "home"),)
        self.log: list[OrderEvent | AnomalyEvent] = []

    def tell(self, command: OrderCommand) -> list[str]:
        """Return the names of the events that the command causes."""
        sites = tuple(WarehouseRule(name, priority=n) for n, name in enumerate(self.stock))
        facts = Facts(
            now=self.now,
            rules=RoutingRules(sites),
            carriers=self.carriers,
            picture=lambda site, sku: self.stock.get(site, {}).get(sku, 0),
            knows=lambda sku: sku in self.known,
            erp=self.erp,
        )
        draft = consider(self.order, command, facts)
        folded = self.order
        for event in draft.events:
            folded = evolve(folded, event, self.now)
        assert folded == draft.order
        self.order = folded
        self.log.extend(draft.events)
        return [type(event).__name__ for event in draft.events]

    def import_(self, standing: Standing = "open", *problems: str, **lines: int) -> list[str]:
        return self.tell(copy_of(lines or {TEAPOT: 2}, standing, *problems))

    def asked(self) -> list[tuple[str, str]]:
        """Return what the order asks warehouses now."""
        return [(step.kind, step.fulfilment) for step in next_steps(self.order, self.now)]

    def grant(self, *fulfilments: str, waits: bool = False) -> None:
        for fulfilment in fulfilments:
            self.tell(Answered("reserve", fulfilment, Granted(fulfilment, waits)))

    def confirm(self, *fulfilments: str) -> None:
        for fulfilment in fulfilments:
            self.tell(Answered("confirm", fulfilment, Done()))

    def give_back(self, fulfilment: str, answer: Answer = DONE) -> list[str]:
        return self.tell(Answered("release", fulfilment, answer))

    def pack(self, fulfilment: str = "main-1.1") -> list[str]:
        lines = self.order.parts[fulfilment].lines
        return self.tell(Packed(fulfilment, (PackedParcel(f"{fulfilment}.1", lines, 900),)))

    def settle_all(self) -> None:
        for effect in tuple(self.order.effects):
            label = Beside("row", "digest") if effect.startswith("label") else None
            self.tell(Settled(effect, "N1", "T1" if label else "", Decimal("4.90"), "EUR", label))

    def dispatch(self, fulfilment: str = "main-1.1") -> list[str]:
        return self.tell(Answered("dispatch", fulfilment, Done()))

    def documents(self) -> list[object]:
        return [event.document for event in self.log if isinstance(event, EffectRequested)]

    def documents_of(self, kind: type[D]) -> list[D]:
        return [document for document in self.documents() if isinstance(document, kind)]

    def raised(self) -> list[AnomalyRaised]:
        """Return everything that was put before a person so far."""
        return [event for event in self.log if isinstance(event, AnomalyRaised)]

    def problems(self) -> list[str]:
        return list(self.order.anomalies.values())


def copy_of(lines: Mapping[str, int], standing: Standing = "open", *problems: str) -> Import:
    return Import(
        channel="main",
        shop_order="1",
        reference="ABCDEF",
        standing=standing,
        placed_at=NINE,
        currency="EUR",
        total=Decimal("14.90"),
        shipping=Decimal("4.90"),
        service="standard",
        country="FR",
        lines=tuple(OrderLine(sku, sku, units, Decimal("5.00")) for sku, units in lines.items()),
        address_problems=problems,
        contact=Beside("main-1:contact", "d"),
        payload=Beside("main-1:payload", "d"),
    )


def picking() -> Story:
    story = Story()
    story.import_()
    story.grant("main-1.1")
    assert story.order.stage == "picking"
    return story


def packed() -> Story:
    story = picking()
    story.pack()
    story.settle_all()
    assert story.order.stage == "packed"
    return story


def shipped() -> Story:
    story = packed()
    story.dispatch()
    assert story.order.stage == "shipped"
    return story


def planned_over_two() -> Story:
    """Return an order of which lyon has the teapot and nantes the cup, neither of them asked yet."""
    story = Story(lyon={TEAPOT: 1}, nantes={CUP: 1})
    story.import_(TEAPOT=1, CUP=1)
    return story


def split() -> Story:
    """Return that order with both parts reserved, and neither confirmed."""
    story = planned_over_two()
    story.grant("main-1.1", "main-1.2", waits=True)
    return story


def backordered() -> Story:
    story = Story(lyon={TEAPOT: 1})
    story.import_(TEAPOT=2)
    assert story.order.stage == "backordered"
    return story


# --- from the shop ------------------------------------------------------------------------------------------


def test_a_new_order_is_imported_and_routed_at_once() -> None:
    story = Story()
    assert story.import_() == ["OrderImported", "OrderRouted"]
    assert story.asked() == [("reserve", "main-1.1")]


def test_an_order_that_ended_in_the_shop_before_it_came_here_is_not_ours() -> None:
    story = Story()
    assert story.import_("cancelled") == []
    assert story.import_("shipped") == []
    assert story.order.imported is None


def test_nothing_is_decided_about_an_order_that_was_never_imported() -> None:
    story = Story()
    for command in (Wake(), Cancel("jane"), Hold("manual", "x", None, "jane"), Expired("main-1.1")):
        assert story.tell(command) == []
    assert next_steps(story.order, NINE) == ()


@pytest.mark.parametrize("begin", [picking, packed, shipped, split, backordered])
def test_a_second_copy_of_an_order_changes_nothing(begin: Callable[[], Story]) -> None:
    story = begin()
    lines = {line.sku: line.units for line in story.order.facts.lines}
    assert story.tell(copy_of(lines)) == []


ANOTHER = replace(copy_of({CUP: 3}), reference="GHIJKL", placed_at=NINE + timedelta(days=1))
"""What a shop shows under the number of an order that it has forgotten: it was restored from a backup."""


@pytest.mark.parametrize("begin", [picking, packed, shipped, split, backordered])
@pytest.mark.parametrize("standing", ["open", "unpaid", "cancelled", "shipped"])
def test_another_order_under_the_same_number_is_put_before_a_person_and_changes_nothing(
    begin: Callable[[], Story], standing: Standing
) -> None:
    story = begin()
    before, stage = story.order.facts, story.order.stage
    other = replace(
        ANOTHER, standing=standing, readdressed="address", contact=Beside("main-1:contact:2", "e")
    )
    if story.order.ended and standing in ("cancelled", "shipped"):
        assert story.tell(other) == [], "neither is anybody's matter any more"
        return
    assert story.tell(other) == ["AnomalyRaised"]
    assert story.tell(other) == []
    assert (story.order.facts, story.order.stage) == (before, stage)
    assert story.problems() == ["number_reused"]


def test_a_number_that_was_given_twice_is_nobodys_matter_once_both_orders_have_ended() -> None:
    story = shipped()
    story.tell(ANOTHER)
    assert story.tell(replace(ANOTHER, standing="shipped")) == ["AnomalyResolved"]


@pytest.mark.parametrize("changed", [{"reference": "000000042"}, {"placed_at": NINE + timedelta(hours=1)}])
def test_an_order_stays_the_same_where_a_shop_renames_it_or_tells_its_time_otherwise(
    changed: Mapping[str, object],
) -> None:
    story = picking()
    assert "LinesEdited" in story.tell(replace(copy_of({TEAPOT: 1}), **changed))


def test_an_unpaid_order_waits_until_the_shop_has_its_money() -> None:
    story = Story()
    assert story.import_("unpaid") == ["OrderImported", "OrderHeld"]
    assert story.asked() == []
    assert story.import_("open") == ["HoldReleased", "OrderRouted"]


def test_everything_that_is_wrong_with_an_order_is_said_at_once() -> None:
    story = Story()
    story.known = {CUP}
    command = copy_of({TEAPOT: 1, CUP: 0}, "open", "the delivery address has no city")
    wrong = replace(command, lines=(*command.lines, OrderLine("3", "", 1, Decimal(-1))))
    story.tell(wrong)
    held = next(event for event in story.log if isinstance(event, OrderHeld))
    assert held.reasons == (
        "no warehouse knows the SKU TEAPOT of line TEAPOT",
        "line CUP asks for 0 units",
        "line 3 has no SKU",
        "line 3 has the price -1",
        "the delivery address has no city",
    )
    assert story.problems() == ["invalid_order"]


def test_an_order_without_lines_is_held_and_never_seems_packed() -> None:
    story = Story()
    story.tell(replace(copy_of({TEAPOT: 1}), lines=()))
    assert next_steps(story.order, NINE) == ()
    story.tell(ReleaseHold("validation", "jane"))
    assert story.order.stage == "new"


def test_a_sku_that_turns_up_lifts_the_hold_by_itself() -> None:
    story = Story()
    story.known = set()
    story.import_()
    assert story.tell(Wake()) == []
    story.known = {TEAPOT}
    assert story.tell(Wake()) == ["HoldReleased", "OrderRouted", "AnomalyResolved"]


def test_a_sku_that_turns_up_does_not_mend_an_address() -> None:
    story = Story()
    story.known = set()
    story.import_("open", "the delivery address has no city")
    story.known = {TEAPOT}
    assert story.tell(Wake()) == []


def test_a_person_overrides_a_validation_hold_by_name() -> None:
    story = Story()
    story.import_("open", "the delivery address has no city")
    assert story.tell(ReleaseHold("validation", "jane")) == ["HoldReleased", "OrderRouted", "AnomalyResolved"]


def test_lines_that_the_shop_changed_too_late_are_put_before_a_person_once() -> None:
    story = packed()
    changed = copy_of({TEAPOT: 3})
    assert story.tell(changed) == ["AnomalyRaised"]
    assert story.tell(changed) == []
    assert story.problems() == ["changed_in_shop"]


def test_an_order_that_somebody_shipped_by_other_ways_is_seen() -> None:
    story = picking()
    assert story.import_("shipped") == ["AnomalyRaised"]
    assert story.problems() == ["shipped_elsewhere"]


def test_the_shops_own_shipped_after_ours_is_no_news() -> None:
    assert shipped().import_("shipped") == []


def test_an_order_that_the_shop_cancels_and_opens_again_is_not_lost_silently() -> None:
    story = Story()
    story.import_("unpaid")
    story.import_("cancelled")
    assert story.import_("open") == ["AnomalyRaised"]
    assert story.problems() == ["reopened_in_shop"]


def test_a_copy_of_before_our_own_cancel_does_not_look_like_a_reopening() -> None:
    story = backordered()
    story.tell(Cancel("jane"))
    assert story.import_("open", TEAPOT=2) == []


# --- allocation ---------------------------------------------------------------------------------------------


def test_a_single_warehouse_may_pick_at_once() -> None:
    story = Story()
    story.import_()
    step = next_steps(story.order, NINE)[0]
    placed_at = story.order.facts.placed_at
    assert step.command == Reserve("main-1.1", "main-1", (Quantity(TEAPOT, 2),), None, placed_at)
    story.grant("main-1.1")
    assert story.order.stage == "picking"
    assert story.asked() == []


def test_two_warehouses_are_both_reserved_before_either_may_pick() -> None:
    story = planned_over_two()
    reserves = [step.command for step in next_steps(story.order, NINE)]
    assert [type(command) for command in reserves] == [Reserve, Reserve]
    assert all(
        isinstance(each, Reserve) and each.expires_at == NINE + timedelta(minutes=10) for each in reserves
    )
    story.grant("main-1.1", waits=True)
    assert story.asked() == [("reserve", "main-1.2")]
    story.grant("main-1.2", waits=True)
    assert [step.command for step in next_steps(story.order, NINE)] == [
        Confirm("main-1.1"),
        Confirm("main-1.2"),
    ]


def test_the_erp_hears_of_an_order_once_all_of_it_may_be_picked() -> None:
    story = split()
    story.confirm("main-1.1")
    assert story.documents() == []
    story.confirm("main-1.2")
    booked, status = story.documents()
    assert isinstance(booked, ErpOrder)
    assert [(line.sku, line.warehouse) for line in booked.lines] == [(TEAPOT, "lyon"), (CUP, "nantes")]
    assert status == ShopStatus("1", "preparing")


def test_a_warehouse_that_has_less_than_the_picture_showed_is_not_asked_again() -> None:
    story = Story(lyon={TEAPOT: 9}, nantes={TEAPOT: 9})
    story.import_()
    refused = NotEnough((Shortage(TEAPOT, 2, 1),))
    assert story.tell(Answered("reserve", "main-1.1", refused)) == ["AllocationRefused", "OrderRouted"]
    assert story.order.parts["main-1.2"].warehouse == "nantes"
    events = story.tell(Answered("reserve", "main-1.2", refused))
    assert story.order.parts["main-1.3"].warehouse in ("lyon", "nantes")
    assert events == ["AllocationRefused", "OrderRouted"]
    assert len(list(story.order.live())) == 2, "one each is what they said they have"


def test_an_order_whose_plan_comes_to_nothing_gives_back_what_it_got() -> None:
    story = planned_over_two()
    story.grant("main-1.1", waits=True)
    story.tell(Answered("reserve", "main-1.2", NotEnough((Shortage(CUP, 1, 0),))))
    assert [step.command for step in next_steps(story.order, NINE)] == [Release("main-1.1", "rerouted")]
    story.give_back("main-1.1")
    assert story.order.stage == "backordered"
    assert story.asked() == []
    assert story.order.wanted() == (Quantity(TEAPOT, 1), Quantity(CUP, 1))


def test_a_part_that_was_packed_before_it_could_be_given_back_ships() -> None:
    story = planned_over_two()
    story.tell(Answered("reserve", "main-1.2", NotEnough((Shortage(CUP, 1, 0),))))
    story.give_back("main-1.1", Rejected("too late: packed"))
    assert story.asked() == []
    assert story.order.parts["main-1.1"].state == "confirmed"


@pytest.mark.parametrize("late", [Expired("main-1.2"), Answered("confirm", "main-1.2", Rejected("gone"))])
def test_a_reservation_that_expired_is_routed_again(late: OrderCommand) -> None:
    story = split()
    assert story.tell(late) == ["AllocationReleased", "OrderRouted"]
    assert story.asked() == [("reserve", "main-1.3")]


def test_what_may_be_picked_already_is_not_touched_when_the_other_half_expires() -> None:
    story = split()
    story.confirm("main-1.1")
    story.stock = {"lyon": {}, "nantes": {}}
    story.tell(Expired("main-1.2"))
    assert story.order.stage == "backordered"
    assert story.order.parts["main-1.1"].state == "confirmed"
    assert story.asked() == []


def test_a_floor_that_waits_is_told_to_pick_even_if_the_order_is_alone_by_now() -> None:
    story = planned_over_two()
    story.pack("main-1.1")
    story.grant("main-1.2", waits=True)
    assert story.asked() == [("confirm", "main-1.2")]


def test_a_late_answer_finds_the_order_further_on_and_changes_nothing() -> None:
    story = packed()
    for late in (
        Answered("reserve", "main-1.1", Granted("main-1.1")),
        Answered("reserve", "main-1.1", NotEnough(())),
        Answered("confirm", "main-1.1", Rejected("gone")),
        Answered("release", "main-1.9", Done()),
        Expired("main-1.1"),
        Expired("main-1.9"),
        FellShort("main-1.9", TEAPOT, 1),
        Packed("main-1.9", ()),
    ):
        assert story.tell(late) == []


def test_an_order_that_nobody_can_fill_tells_the_shop_once_and_waits() -> None:
    story = backordered()
    assert story.documents() == [ShopStatus("1", "backordered")]
    assert story.tell(Wake()) == []
    story.stock = {"lyon": {TEAPOT: 2}}
    assert story.tell(Wake()) == ["OrderRouted"]


def test_a_part_at_a_warehouse_that_the_settings_no_longer_know_goes_elsewhere() -> None:
    story = Story(lyon={TEAPOT: 9}, nantes={TEAPOT: 9})
    story.import_()
    story.stock = {"nantes": {TEAPOT: 9}}
    assert story.tell(Stranded("main-1.1", gone=True)) == [
        "AnomalyRaised",
        "AllocationReleased",
        "OrderRouted",
    ]
    assert story.order.parts["main-1.2"].warehouse == "nantes"
    assert story.problems() == ["unknown_warehouse"]


def test_what_such_a_warehouse_has_promised_waits_for_a_person() -> None:
    story = packed()
    assert story.tell(Stranded("main-1.1", gone=True)) == ["AnomalyRaised"]
    assert story.tell(Stranded("main-1.1", gone=True)) == []
    story.dispatch()
    assert story.problems() == []


def test_a_step_that_crashes_its_warehouse_waits_for_a_person_where_it_is() -> None:
    story = Story(lyon={TEAPOT: 9}, nantes={TEAPOT: 9})
    story.import_()
    assert story.tell(Stranded("main-1.1", gone=False)) == ["AnomalyRaised"]
    assert story.asked() == [("reserve", "main-1.1")], "it may have been granted: it goes nowhere else"


# --- the floor ----------------------------------------------------------------------------------------------


def test_what_the_floor_does_not_find_is_sought_elsewhere() -> None:
    story = Story(lyon={TEAPOT: 9}, nantes={TEAPOT: 9})
    story.import_(TEAPOT=2)
    story.grant("main-1.1")
    events = story.tell(FellShort("main-1.1", TEAPOT, 1))
    assert events == ["FulfilmentFellShort", "AnomalyRaised", "OrderRouted"]
    assert story.order.parts["main-1.1"].lines == (Quantity(TEAPOT, 1),)
    assert story.order.parts["main-1.2"] == replace(
        story.order.parts["main-1.2"], warehouse="nantes", lines=(Quantity(TEAPOT, 1),)
    )
    assert story.tell(FellShort("main-1.1", TEAPOT, 1)) == [], "all reports together, so this is the same one"


def test_a_second_unit_that_is_missing_counts_for_itself() -> None:
    story = Story(lyon={TEAPOT: 9}, nantes={TEAPOT: 9})
    story.import_(TEAPOT=2)
    story.grant("main-1.1")
    story.tell(FellShort("main-1.1", TEAPOT, 1))
    story.tell(FellShort("main-1.1", TEAPOT, 2))
    assert story.order.parts["main-1.1"].state == "gone"
    assert story.order.parts_planned == 3


def test_an_order_of_which_nothing_was_found_waits_and_looks_again_where_units_come() -> None:
    story = Story(lyon={TEAPOT: 9})
    story.import_(TEAPOT=1)
    story.grant("main-1.1")
    story.tell(FellShort("main-1.1", TEAPOT, 1))
    assert story.order.stage == "backordered"
    assert story.tell(Wake()) == [], "the figures still say nine, and the floor said none"
    assert story.tell(Wake(units_came=True)) == ["OrderRouted"]


@pytest.mark.parametrize("ends", ["released", "expired"])
def test_units_that_came_while_an_order_was_held_are_found_when_it_is_not_held_any_more(ends: str) -> None:
    story = picking()
    story.stock = {"lyon": {TEAPOT: 0}}
    story.tell(FellShort("main-1.1", TEAPOT, 2))
    assert story.order.stage == "backordered"
    story.tell(Hold("manual", "x", NINE + timedelta(hours=1), "jane"))
    story.stock = {"lyon": {TEAPOT: 9}}
    assert story.tell(Wake(units_came=True)) == []
    story.now += timedelta(hours=1)
    story.tell(ReleaseHold("manual", "jane") if ends == "released" else Wake())
    assert story.asked() == [("reserve", "main-1.2")], "they came to where the floor had found none before"


def test_units_missing_from_what_was_given_back_meanwhile_are_still_seen() -> None:
    story = picking()
    story.tell(Cancel("jane"))
    story.give_back("main-1.1")
    assert story.tell(FellShort("main-1.1", TEAPOT, 1)) == ["FulfilmentFellShort", "AnomalyRaised"]
    (anomaly,) = story.order.anomalies
    assert story.tell(ResolveAnomaly(anomaly, "jane")) == ["AnomalyResolved"]
    assert story.tell(FellShort("main-1.1", TEAPOT, 1)) == [], "each start tells it again"


def test_a_pack_that_is_heard_before_the_grant_counts() -> None:
    story = Story()
    story.import_()
    assert story.pack()[:2] == ["FulfilmentAllocated", "OrderConfirmed"]
    assert story.order.stage == "packed"


def test_each_parcel_gets_one_label_and_leaves_with_it() -> None:
    story = picking()
    story.pack()
    assert story.pack() == []
    assert story.asked() == []
    story.settle_all()
    assert [step.command for step in next_steps(story.order, NINE)] == [Dispatch("main-1.1")]


def test_a_parcel_that_no_carrier_takes_waits_for_a_rule_and_then_goes_by_itself() -> None:
    story = picking()
    story.carriers = ()
    story.pack()
    assert story.problems() == ["no_carrier"]
    story.carriers = (CarrierRule("gull", "relay"),)
    assert story.tell(Wake()) == ["EffectRequested", "AnomalyResolved"]


def test_a_parcel_without_a_service_goes_by_itself_once_the_shops_carrier_stands_for_one() -> None:
    story = Story()
    story.carriers = (CarrierRule("swift", "home", service="standard"),)
    nameless = replace(copy_of({TEAPOT: 2}), service="")
    story.tell(nameless)
    story.grant("main-1.1")
    story.pack()
    assert story.problems() == ["no_carrier"]
    assert story.tell(nameless) == []
    assert story.tell(copy_of({TEAPOT: 2})) == ["ServiceNamed", "EffectRequested", "AnomalyResolved"]
    assert isinstance(label := story.documents()[-1], LabelPurchase)
    assert (label.carrier, label.service) == ("swift", "home")
    assert story.tell(nameless)[:1] != ["ServiceNamed"]


def test_a_service_that_is_named_once_a_label_was_asked_for_changes_nothing() -> None:
    story = Story()
    story.tell(replace(copy_of({TEAPOT: 2}), service=""))
    story.grant("main-1.1")
    story.pack()
    assert story.tell(copy_of({TEAPOT: 2})) == []


def test_what_has_left_is_told_to_the_erp_and_then_to_the_shop() -> None:
    story = packed()
    before = len(story.documents())
    assert story.dispatch() == [
        "FulfilmentShipped",
        "EffectRequested",
        "EffectRequested",
        "OrderShipped",
        "EffectRequested",
    ]
    note, tracking, status = story.documents()[before:]
    assert isinstance(note, ErpDeliveryNote)
    assert (note.reference, note.order_reference) == ("main-1.1", "main-1")
    assert isinstance(tracking, ShopTracking)
    assert [parcel.tracking for parcel in tracking.parcels] == ["T1"]
    assert status == ShopStatus("1", "shipped")


def test_a_delivery_note_never_goes_before_its_order() -> None:
    story = split()
    story.confirm("main-1.1")
    story.stock = {"lyon": {}, "nantes": {}}
    story.tell(Expired("main-1.2"))
    story.pack("main-1.1")
    story.settle_all()
    story.dispatch("main-1.1")
    told = [type(document).__name__ for document in story.documents()]
    assert told.index("ErpOrder") < told.index("ErpDeliveryNote")
    booked = story.documents_of(ErpOrder)[0]
    assert {line.sku: line.units for line in booked.lines} == {TEAPOT: 1, CUP: 1}, "as it was sold"


def test_a_dispatch_that_the_warehouse_refuses_is_put_before_a_person() -> None:
    story = packed()
    assert story.tell(Answered("dispatch", "main-1.1", Rejected("not packed"))) == ["AnomalyRaised"]
    assert story.problems() == ["dispatch_refused"]


def test_an_order_has_shipped_when_its_last_part_has() -> None:
    story = split()
    story.confirm("main-1.1", "main-1.2")
    for fulfilment in ("main-1.1", "main-1.2"):
        story.pack(fulfilment)
        story.settle_all()
    assert "OrderShipped" not in story.dispatch("main-1.1")
    assert "OrderShipped" in story.dispatch("main-1.2")
    tracking = story.documents_of(ShopTracking)
    assert [len(document.parcels) for document in tracking] == [1, 2]


# --- holds --------------------------------------------------------------------------------------------------


def test_a_held_order_does_not_leave_the_house() -> None:
    story = packed()
    story.tell(Hold("manual", "the customer called", None, "jane"))
    assert story.order.stage == "held"
    assert story.asked() == []
    story.tell(ReleaseHold("manual", "jane"))
    assert story.asked() == [("dispatch", "main-1.1")]


def test_no_label_is_bought_for_what_is_packed_while_it_is_held() -> None:
    story = picking()
    story.tell(Hold("address", "the customer moves", NINE + timedelta(hours=1), "jane"))
    story.tell(Hold("manual", "x", None, "jane"))
    assert story.pack() == ["FulfilmentReady"]
    assert story.tell(Wake()) == []
    assert story.tell(READDRESSED) == ["ContactCorrected"], "another address is still of use"
    assert story.tell(ReleaseHold("manual", "jane")) == ["HoldReleased"], "it is held for its address yet"
    story.now += timedelta(hours=1)
    assert story.tell(Wake()) == ["HoldReleased", "EffectRequested"]
    assert isinstance(label := story.documents()[-1], LabelPurchase)
    assert label.contact == "main-1:contact:2"
    assert story.tell(Wake()) == [], "one label, however often it looks"


def test_what_was_packed_while_it_was_held_is_labelled_once_it_is_released() -> None:
    story = picking()
    story.tell(Hold("manual", "x", None, "jane"))
    story.pack()
    assert story.tell(ReleaseHold("manual", "jane")) == ["HoldReleased", "EffectRequested"]
    story.settle_all()
    assert story.asked() == [("dispatch", "main-1.1")]


def test_a_held_order_asks_for_no_units_and_takes_up_its_plan_when_released() -> None:
    story = Story()
    story.import_()
    story.tell(Hold("manual", "x", None, "jane"))
    assert story.asked() == []
    assert story.tell(ReleaseHold("manual", "jane")) == ["HoldReleased"]
    assert story.asked() == [("reserve", "main-1.1")]


def test_a_hold_ends_by_itself_at_its_hour() -> None:
    story = Story()
    story.tell(copy_of({TEAPOT: 1}, "unpaid"))
    story.tell(Hold("manual", "x", NINE + timedelta(hours=1), "jane"))
    story.tell(ReleaseHold("payment", "jane"))
    assert due_at(story.order) == NINE + timedelta(hours=1)
    story.now = NINE + timedelta(hours=1)
    assert story.tell(Wake()) == ["HoldReleased", "OrderRouted"]


def test_a_hold_that_is_repeated_changes_nothing() -> None:
    story = picking()
    story.tell(Hold("manual", "x", None, "jane"))
    assert story.tell(Hold("manual", "x", None, "jane")) == []
    assert story.tell(Hold("manual", "x", NINE + timedelta(hours=1), "paul")) == []
    assert story.tell(ReleaseHold("payment", "paul")) == []


def test_an_order_that_vanishes_in_the_shop_is_held_once_for_each_time_that_it_was_shown_whole() -> None:
    story = picking()
    story.tell(Hold("manual", "the customer called", None, "jane"))
    assert story.tell(Vanished("it was emptied")) == ["OrderHeld"]
    assert story.order.holds["manual"].reasons == ("the customer called", "it was emptied")
    assert story.import_() == ["OrderReappeared"]
    assert story.tell(Vanished("it was emptied")) == ["OrderHeld"], "a second time, while it was held yet"
    assert story.tell(ReleaseHold("manual", "jane"))[0] == "HoldReleased"
    assert story.tell(Vanished("it was emptied")) == [], "jane has seen both"
    assert story.tell(Vanished("it was deleted")) == ["OrderHeld"]


@pytest.mark.parametrize("first_hour", [1, 2, None])
@pytest.mark.parametrize("second_hour", [1, 2, None])
def test_a_second_hold_of_the_same_kind_adds_its_reason_and_holds_for_as_long_as_either_is_to(
    first_hour: int | None, second_hour: int | None
) -> None:
    hours = [NINE + timedelta(hours=hour) if hour else None for hour in (first_hour, second_hour)]
    story = picking()
    story.tell(Hold("manual", "the customer called", hours[0], "jane"))
    assert story.tell(Hold("manual", "deleted in the shop", hours[1], "shop")) == ["OrderHeld"]
    held = story.order.holds["manual"]
    assert held.reasons == ("the customer called", "deleted in the shop")
    ends = [hour for hour in hours if hour is not None]
    assert held.expires_at == (max(ends) if len(ends) == len(hours) else None)


def test_a_person_who_holds_an_order_for_its_payment_is_not_overruled_by_a_shop_that_has_its_money() -> None:
    story = picking()
    story.tell(Hold("payment", "a stolen card?", None, "jane"))
    assert story.import_("open", TEAPOT=2) == []
    assert story.order.stage == "held"
    story = Story()
    story.import_("unpaid")
    story.tell(Hold("payment", "a stolen card?", None, "jane"))
    assert story.import_("open") == [], "the shop's word does not release what a person holds as well"
    assert story.tell(ReleaseHold("payment", "jane")) == ["HoldReleased", "OrderRouted"]


def test_what_has_ended_is_not_held() -> None:
    assert shipped().tell(Hold("manual", "x", None, "jane")) == []


# --- cancel -------------------------------------------------------------------------------------------------


def test_an_order_without_stock_is_cancelled_at_once() -> None:
    story = backordered()
    assert story.tell(Cancel("jane")) == ["CancelAsked", "OrderCancelled", "EffectRequested"]
    assert story.documents()[-1] == ShopStatus("1", "cancelled")


def test_a_cancel_by_the_shop_is_not_told_back_to_it() -> None:
    story = backordered()
    assert story.import_("cancelled", TEAPOT=2) == ["CancelAsked", "OrderCancelled"]


def test_a_cancel_gives_back_all_parts_and_only_then_ends_the_order() -> None:
    story = split()
    story.tell(Cancel("jane"))
    assert story.asked() == [("release", "main-1.1"), ("release", "main-1.2")]
    assert story.give_back("main-1.1") == ["AllocationReleased"]
    assert "OrderCancelled" in story.give_back("main-1.2")


def test_what_the_erp_had_booked_is_cancelled_there() -> None:
    story = picking()
    story.tell(Cancel("shop"))
    story.give_back("main-1.1")
    assert "erp-cancel:main-1" in story.order.effects


@pytest.mark.parametrize("begin", [packed, shipped])
def test_a_cancel_that_comes_too_late_says_where_to_intercept(begin: Callable[[], Story]) -> None:
    story = begin()
    assert story.tell(Cancel("jane")) == ["CancelAsked", "CancelRefused", "AnomalyRaised"]
    refused = next(event for event in story.log if isinstance(event, CancelRefused))
    assert "main-1.1 at lyon" in refused.where
    raised = story.raised()[0]
    assert "the rest goes on" not in raised.mend
    assert story.tell(Cancel("jane")) == []


def test_a_cancel_that_comes_too_late_for_a_part_says_how_the_rest_is_stopped() -> None:
    story = split()
    story.confirm("main-1.1", "main-1.2")
    story.pack()
    story.tell(Cancel("jane"))
    raised = story.raised()[0]
    assert "intercept main-1.1 at lyon (packed)" in raised.mend
    assert "the rest goes on: refund its lines in the shop to stop it" in raised.mend


def half_cancelled_in_the_shop() -> Story:
    """Return an order that the shop has cancelled when lyon had packed the teapot, and nantes not the cup."""
    story = split()
    story.confirm("main-1.1", "main-1.2")
    story.pack("main-1.1")
    story.settle_all()
    assert "OrderHeld" in story.import_("cancelled", TEAPOT=1, CUP=1)
    return story


def test_what_the_shop_cancels_too_late_for_a_part_is_held_and_none_of_it_leaves_by_itself() -> None:
    story = half_cancelled_in_the_shop()
    assert story.asked() == []
    raised = story.raised()[0]
    assert "wharfctl order release main-1" in raised.mend
    assert story.import_("cancelled", TEAPOT=1, CUP=1) == [], "it is told once"
    story.tell(ReleaseHold("manual", "jane"))
    assert story.asked() == [("dispatch", "main-1.1")]
    assert story.import_("cancelled", TEAPOT=1, CUP=1) == [], "a person had the last word"


def test_what_is_left_of_an_order_that_was_cancelled_too_late_is_ended_by_refunding_it_in_the_shop() -> None:
    story = half_cancelled_in_the_shop()
    story.import_("open", TEAPOT=1)
    assert story.asked() == [("release", "main-1.2")]
    story.give_back("main-1.2")
    story.tell(ReleaseHold("manual", "jane"))
    story.dispatch("main-1.1")
    assert story.order.stage == "shipped"


def test_a_floor_that_was_faster_than_the_cancel_refuses_it_and_the_order_goes_on() -> None:
    story = split()
    story.confirm("main-1.1", "main-1.2")
    story.tell(Cancel("jane"))
    story.give_back("main-1.1")
    events = story.give_back("main-1.2", Rejected("too late: packed"))
    assert events == ["CancelRefused", "AnomalyRaised", "OrderRouted"]
    assert story.order.wanted() == ()


def test_a_cancel_ends_although_the_last_part_was_not_found() -> None:
    story = picking()
    story.tell(Cancel("jane"))
    assert "OrderCancelled" in story.tell(FellShort("main-1.1", TEAPOT, 2))


def test_a_held_order_can_be_cancelled() -> None:
    story = picking()
    story.tell(Hold("manual", "x", None, "jane"))
    story.tell(Cancel("jane"))
    assert story.asked() == [("release", "main-1.1")]


def test_a_cancelled_order_does_nothing_more() -> None:
    story = backordered()
    story.tell(Cancel("jane"))
    story.stock = {"lyon": {TEAPOT: 9}}
    for command in (Wake(units_came=True), Cancel("paul"), Hold("manual", "x", None, "jane")):
        assert story.tell(command) == []
    assert due_at(story.order) is None


def two_houses() -> Story:
    story = Story(lyon={TEAPOT: 9, CUP: 9}, nantes={TEAPOT: 9, CUP: 9})
    story.import_()
    story.grant("main-1.1")
    assert story.order.stage == "picking"
    return story


def test_an_order_that_is_rerouted_gives_its_units_back_before_it_asks_elsewhere() -> None:
    story = two_houses()
    assert story.tell(Reroute("jane", "lyon")) == ["RerouteAsked"]
    assert story.asked() == [("release", "main-1.1")]
    assert story.tell(Reroute("paul")) == [], "it is under way already"
    assert story.give_back("main-1.1") == ["AllocationReleased", "OrderRouted"]
    assert story.asked() == [("reserve", "main-1.2")]
    assert story.order.parts["main-1.2"].warehouse == "nantes"


def test_what_is_packed_meanwhile_is_shipped_and_not_rerouted() -> None:
    story = two_houses()
    story.tell(Reroute("jane", "lyon"))
    assert story.give_back("main-1.1", Rejected("too late: packed")) == []
    story.pack()
    assert story.order.stage == "packed"
    assert ("release", "main-1.1") not in story.asked()


def avoiding_the_only_house() -> Story:
    story = picking()
    story.tell(Reroute("jane", "lyon"))
    assert story.give_back("main-1.1")[:2] == ["AllocationReleased", "OrderBackordered"]
    return story


def test_an_order_that_no_other_warehouse_can_fill_waits_and_does_not_go_back() -> None:
    story = avoiding_the_only_house()
    assert story.tell(Wake(units_came=True)) == [], "what it gave back itself"
    assert story.order.backordered is not None
    assert [each.rejected for each in story.order.backordered.candidates] == [
        "has too few of TEAPOT: 0 of 2 (lyon avoided)"
    ]
    story.stock = {**story.stock, "nantes": {TEAPOT: 2}}
    assert story.tell(Wake(units_came=True)) == ["OrderRouted"]
    assert story.order.parts["main-1.2"].warehouse == "nantes"


def test_a_warehouse_that_a_person_had_avoided_is_asked_again_when_a_person_says_so() -> None:
    story = avoiding_the_only_house()
    assert story.tell(Reroute("paul")) == ["RerouteAsked", "OrderRouted"]
    assert story.order.parts["main-1.2"].warehouse == "lyon"


def test_what_the_shop_adds_to_an_order_does_not_come_from_where_a_person_had_it_avoided_either() -> None:
    story = avoiding_the_only_house()
    story.tell(copy_of({TEAPOT: 2, CUP: 1}))
    assert story.order.stage == "backordered"


def refuse_until_it_gives_up(story: Story) -> None:
    """Have the picture promise what the warehouse then lets expire, part after part."""
    while story.asked():
        ((_, fulfilment),) = story.asked()
        story.grant(fulfilment, waits=True)
        story.tell(Expired(fulfilment))


def test_an_order_whose_plans_lead_nowhere_is_put_before_a_person_who_can_have_it_try_again() -> None:
    story = Story()
    story.import_()
    refuse_until_it_gives_up(story)
    assert (story.order.parts_planned, story.order.stage) == (PARTS_MAX, "backordered")
    assert story.problems() == ["routed_in_circles"]
    assert story.tell(Wake(units_came=True)) == [], "nothing but a person frees it"
    assert story.tell(Reroute("jane")) == ["RerouteAsked", "OrderRouted", "AnomalyResolved"]
    refuse_until_it_gives_up(story)
    assert (story.order.parts_planned, story.problems()) == (2 * PARTS_MAX, ["routed_in_circles"])
    story.tell(Cancel("jane"))
    assert story.problems() == []


def test_a_held_order_is_given_back_at_once_and_routed_when_it_is_released() -> None:
    story = two_houses()
    story.tell(Hold("manual", "x", None, "jane"))
    story.tell(Reroute("jane"))
    assert story.give_back("main-1.1") == ["AllocationReleased"]
    assert story.tell(ReleaseHold("manual", "jane")) == ["HoldReleased", "OrderRouted"]


@pytest.mark.parametrize("story", [packed, shipped])
def test_there_is_nothing_to_reroute_once_all_is_packed(story: Callable[[], Story]) -> None:
    told = story()
    assert told.tell(Reroute("jane")) == []
    assert [step for step in told.asked() if step[0] == "release"] == []


# --- partners -----------------------------------------------------------------------------------------------


def test_what_a_partner_refuses_is_seen_once_and_not_asked_again() -> None:
    story = picking()
    assert story.tell(Refused("erp-order:main-1", "unknown customer")) == ["EffectRefused", "AnomalyRaised"]
    assert story.tell(Refused("erp-order:main-1", "unknown customer")) == []
    assert story.tell(Settled("erp-order:main-1", "N1", "", Decimal(0), "", None)) == []


def test_an_anomaly_that_a_person_settles_is_settled_once_and_no_other_is() -> None:
    story = picking()
    story.tell(Refused("erp-order:main-1", "unknown customer"))
    (anomaly,) = story.order.anomalies
    assert story.tell(ResolveAnomaly("another", "anna")) == []
    assert story.tell(ResolveAnomaly(anomaly, "anna")) == ["AnomalyResolved"]
    assert story.tell(ResolveAnomaly(anomaly, "anna")) == []
    assert story.problems() == []


def test_what_was_refused_is_asked_again_once_it_is_mended_under_a_name_of_its_own() -> None:
    story = picking()
    story.tell(Refused("erp-order:main-1", "Référence inexistante"))
    assert story.tell(AskAgain("anna")) == ["EffectRequested", "AnomalyResolved"]
    assert list(story.order.effects)[-1] == "erp-order:main-1~2"
    assert story.tell(AskAgain("anna")) == []
    story.tell(Refused("erp-order:main-1~2", "Référence inexistante"))
    assert story.problems() == ["refused_by_partner"]
    story.tell(AskAgain("anna"))
    assert list(story.order.effects)[-1] == "erp-order:main-1~3"
    first, *others = story.documents_of(ErpOrder)
    assert others == [first, first]


def test_a_refused_label_is_asked_of_whom_the_rules_name_by_now_and_the_order_leaves() -> None:
    story = picking()
    story.pack()
    story.tell(Refused("label:main-1.1.1", "ship_to.postcode: required"))
    story.carriers = (CarrierRule("snail", "door"),)
    story.tell(AskAgain("anna"))
    assert isinstance(label := story.documents()[-1], LabelPurchase)
    assert (label.parcel, label.carrier, label.service) == ("main-1.1.1", "snail", "door")
    story.settle_all()
    assert story.asked() == [("dispatch", "main-1.1")]
    assert story.problems() == []


def test_what_a_cancelled_order_was_refused_is_not_booked_any_more() -> None:
    story = picking()
    story.tell(Refused("erp-order:main-1", "Référence inexistante"))
    story.tell(Cancel("anna"))
    story.give_back("main-1.1")
    story.tell(AskAgain("anna"))
    assert len(story.documents_of(ErpOrder)) == 1


def test_a_status_that_the_order_is_beyond_is_not_told_any_more() -> None:
    story = backordered()
    story.tell(Refused("status-backordered:main-1", "no such state"))
    story.stock = {"lyon": {TEAPOT: 9}}
    story.tell(Wake(units_came=True))
    story.grant("main-1.1")
    assert story.tell(AskAgain("anna")) == ["AnomalyResolved"], "it waits for nothing any more"
    story.tell(Refused("status-preparing:main-1", "no such state"))
    assert story.tell(AskAgain("anna")) == ["EffectRequested", "AnomalyResolved"]
    story.tell(Refused("status-preparing:main-1~2", "no such state"))
    story.pack()
    story.settle_all()
    story.dispatch()
    assert story.tell(AskAgain("anna")) == ["AnomalyResolved"]


READDRESSED = replace(copy_of({TEAPOT: 2}), contact=Beside("main-1:contact:2", "e"), readdressed="address")


def test_an_order_goes_on_by_itself_when_its_address_is_mended_in_the_shop() -> None:
    story = Story()
    story.import_("open", "the delivery address has no postcode")
    assert story.tell(READDRESSED) == ["ContactCorrected", "HoldReleased", "OrderRouted", "AnomalyResolved"]
    story.grant("main-1.1")
    assert {each.contact for each in story.documents_of(ErpOrder)} == {"main-1:contact:2"}


def test_an_address_that_is_mended_by_halves_keeps_the_order_for_what_is_left() -> None:
    story = Story()
    story.known = set()
    story.import_("open", "the delivery address has no postcode", TEAPOT=2)
    story.tell(READDRESSED)
    assert story.order.holds["validation"].reasons == ("no warehouse knows the SKU TEAPOT of line TEAPOT",)
    story.known = {TEAPOT}
    story.tell(Wake(units_came=True))
    assert (story.order.stage, story.problems()) == ("allocating", [])


def test_a_refused_label_is_asked_for_the_address_that_was_mended_in_the_shop() -> None:
    story = picking()
    story.pack()
    story.tell(Refused("label:main-1.1.1", "ship_to.postcode: unknown"))
    assert story.tell(READDRESSED) == ["ContactCorrected", "EffectRequested", "AnomalyResolved"]
    assert isinstance(label := story.documents()[-1], LabelPurchase)
    assert label.contact == "main-1:contact:2"


def test_another_address_is_too_late_once_all_is_labelled_and_a_person_hears_which_parcels() -> None:
    story = packed()
    assert story.tell(READDRESSED) == ["AnomalyRaised"]
    assert story.tell(READDRESSED) == []
    assert story.problems() == ["changed_in_shop"]
    raised = story.raised()[0]
    assert "main-1.1.1" in raised.detail
    assert story.order.facts.contact.id == "main-1:contact"
    assert shipped().tell(READDRESSED) == []


def test_another_phone_number_of_a_parcel_that_has_its_label_is_not_said_to_be_another_address() -> None:
    story = packed()
    assert story.tell(replace(READDRESSED, readdressed="phone")) == ["AnomalyRaised"]
    raised = story.raised()[0]
    assert (raised.anomaly, raised.problem) == ("main-1:phone", "changed_in_shop")
    assert "main-1.1.1" in raised.detail
    assert "intercept" not in raised.mend


@pytest.mark.parametrize("changed", ["phone", "else"])
def test_how_a_customer_is_reached_is_nobodys_matter_before_there_is_a_label(changed: Readdressed) -> None:
    story = picking()
    assert story.tell(replace(READDRESSED, readdressed=changed)) == ["ContactCorrected"]


def test_what_stands_on_no_label_is_nobodys_matter_once_there_is_one() -> None:
    assert packed().tell(replace(READDRESSED, readdressed="else")) == []


def test_another_address_is_that_of_the_parcels_that_have_no_label_yet() -> None:
    story = split()
    story.confirm("main-1.1", "main-1.2")
    story.pack("main-1.1")
    story.settle_all()
    story.dispatch("main-1.1")
    moved = replace(copy_of({TEAPOT: 1, CUP: 1}), contact=READDRESSED.contact, readdressed="address")
    assert story.tell(moved) == ["ContactCorrected", "AnomalyRaised"]
    story.pack("main-1.2")
    labels = story.documents_of(LabelPurchase)
    assert [label.contact for label in labels] == ["main-1:contact", "main-1:contact:2"]
    raised = story.raised()[0]
    assert "main-1.1.1" in raised.detail
    assert "main-1.2.1" not in raised.detail


def test_the_parcel_that_was_labelled_beside_one_whose_label_was_refused_is_named() -> None:
    story = picking()
    lines = (Quantity(TEAPOT, 1),)
    story.tell(Packed("main-1.1", tuple(PackedParcel(f"main-1.1.{n}", lines, 900) for n in (1, 2))))
    story.tell(Refused("label:main-1.1.2", "ship_to.postcode: unknown"))
    events = story.tell(READDRESSED)
    assert events == ["ContactCorrected", "EffectRequested", "AnomalyResolved", "AnomalyRaised"]
    raised = story.raised()[-1]
    assert "main-1.1.1" in raised.detail
    assert "main-1.1.2" not in raised.detail


@pytest.mark.parametrize("begin", [picking, backordered])
def test_a_parcel_goes_where_the_shop_says_it_goes_when_it_is_packed(begin: Callable[[], Story]) -> None:
    story = begin()
    assert story.tell(READDRESSED)[0] == "ContactCorrected"
    assert story.order.facts.contact.id == "main-1:contact:2"
    assert story.tell(replace(READDRESSED, address_problems=("the delivery address has no city",))) == []
    if story.order.stage == "picking":
        story.pack()
        labels = story.documents_of(LabelPurchase)
        assert {label.contact for label in labels} == {"main-1:contact:2"}


def test_another_carrier_in_the_shop_is_put_before_a_person_while_it_can_be_minded() -> None:
    story = picking()
    assert story.tell(replace(copy_of({TEAPOT: 2}), service="express")) == ["AnomalyRaised"]
    assert "changed_in_shop" in story.problems()
    assert packed().tell(replace(copy_of({TEAPOT: 2}), service="express")) == []


def test_an_order_is_delivered_when_every_parcel_is() -> None:
    story = shipped()
    assert story.tell(Tracked("main-1.1.1", "in_transit", "swift:1", NINE)) == ["ParcelTracked"]
    assert story.tell(Tracked("main-1.1.1", "in_transit", "swift:1", NINE)) == []
    assert story.tell(Tracked("main-1.1.1", "delivered", "swift:2", NINE)) == [
        "ParcelTracked",
        "OrderDelivered",
    ]
    assert story.tell(Tracked("main-1.1.1", "in_transit", "swift:3", NINE)) == []
    assert due_at(story.order) is None


def test_a_parcel_that_arrives_before_its_dispatch_is_heard_of_ends_the_order_all_the_same() -> None:
    story = packed()
    story.tell(Tracked("main-1.1.1", "delivered", "swift:1", NINE))
    assert story.dispatch()[-1] == "OrderDelivered"


def test_news_of_a_parcel_that_is_none_of_ours_is_left_alone() -> None:
    assert shipped().tell(Tracked("main-1.1.7", "delivered", "swift:1", NINE)) == []


# --- clocks -------------------------------------------------------------------------------------------------


def test_an_order_with_a_step_of_its_own_is_woken_within_seconds() -> None:
    story = Story()
    story.import_()
    assert due_at(story.order) == NINE + timedelta(seconds=5)


@pytest.mark.parametrize("begin", [picking, backordered, shipped])
def test_an_order_that_is_silent_beyond_its_clock_is_put_before_a_person_once(
    begin: Callable[[], Story],
) -> None:
    story = begin()
    due = NINE + CLOCKS[story.order.stage]
    assert due_at(story.order) == due
    story.now = due
    assert story.tell(Wake()) == ["AnomalyRaised"]
    assert story.problems() == ["silent"]
    assert story.tell(Wake()) == []
    assert due_at(story.order) is None


def test_an_order_that_moves_on_is_no_longer_silent() -> None:
    story = picking()
    story.now = NINE + timedelta(days=2)
    story.tell(Wake())
    assert story.pack()[-1] == "AnomalyResolved"
    assert due_at(story.order) is not None


def test_what_is_recorded_of_a_plan_says_who_was_looked_at_and_by_which_rules() -> None:
    story = Story(lyon={TEAPOT: 1}, nantes={TEAPOT: 9})
    story.import_(TEAPOT=2)
    routed = next(event for event in story.log if isinstance(event, OrderRouted))
    assert [(each.warehouses, each.rejected) for each in routed.candidates] == [
        (("lyon",), "has too few of TEAPOT: 1 of 2"),
        (("nantes",), ""),
    ]
    assert routed.rules == "unversioned"
    assert isinstance(story.log[0], OrderImported)


# --- edits in the shop, and what the ERP hears of them ------------------------------------------------------


def changes(story: Story) -> list[list[tuple[str, str, int]]]:
    """Return the lines of each change that the ERP was asked for: SKU, warehouse, units."""
    return [
        [(line.sku, line.warehouse, line.units) for line in each.lines]
        for each in story.documents_of(ErpChange)
    ]


def units_of(**units: int) -> tuple[Quantity, ...]:
    return tuple(Quantity(sku, count) for sku, count in units.items())


def reduced(story: Story, fulfilment: str = "main-1.1", **units: int) -> list[str]:
    """Have a warehouse take back all of a part but these units."""
    return story.tell(Answered("reduce", fulfilment, Reduced(units_of(**units))))


def asked_to_keep(story: Story) -> dict[str, tuple[Quantity, ...]]:
    """Return what warehouses are asked to keep of the parts that they are to reduce."""
    steps = next_steps(story.order, NINE)
    return {step.fulfilment: step.command.keep for step in steps if isinstance(step.command, Reduce)}


def test_units_that_the_shop_takes_out_are_given_back_and_the_others_stay_promised() -> None:
    story = picking()
    assert story.tell(copy_of({TEAPOT: 1})) == ["LinesEdited", "PromisesKept"]
    assert asked_to_keep(story) == {"main-1.1": units_of(TEAPOT=1)}
    assert story.tell(copy_of({TEAPOT: 1})) == [], "a second copy changes nothing"
    assert reduced(story, TEAPOT=1) == ["AllocationReduced", "EffectRequested"]
    assert (story.order.stage, story.asked()) == ("picking", [])
    assert changes(story) == [[(TEAPOT, "lyon", 1)]]
    assert story.tell(copy_of({TEAPOT: 1})) == []
    assert reduced(story, TEAPOT=1) == [], "nor does a late copy of the answer"
    assert story.problems() == []
    story.pack()
    story.settle_all()
    story.dispatch()
    assert story.order.stage == "shipped"


def test_a_line_that_the_shop_takes_out_is_given_back_and_the_others_stay_promised() -> None:
    story = Story()
    story.import_(TEAPOT=1, CUP=2)
    story.grant("main-1.1")
    story.tell(copy_of({CUP: 2}))
    assert asked_to_keep(story) == {"main-1.1": units_of(CUP=2)}
    reduced(story, CUP=2)
    assert changes(story) == [[(CUP, "lyon", 2)]]


def test_of_lines_that_are_lowered_and_raised_what_can_stay_stays_and_the_rest_is_routed_anew() -> None:
    story = Story()
    story.import_(TEAPOT=2, CUP=1)
    story.grant("main-1.1")
    assert story.tell(copy_of({TEAPOT: 1, CUP: 3})) == ["LinesEdited", "PromisesKept"]
    assert asked_to_keep(story) == {"main-1.1": units_of(TEAPOT=1, CUP=1)}
    assert reduced(story, TEAPOT=1, CUP=1) == ["AllocationReduced", "OrderRouted"]
    assert story.order.parts["main-1.2"].lines == units_of(CUP=2)
    story.grant("main-1.2")
    assert changes(story) == [[(TEAPOT, "lyon", 1), (CUP, "lyon", 1), (CUP, "lyon", 2)]]


def test_what_its_floor_has_begun_with_is_given_back_whole_and_routed_anew() -> None:
    story = picking()
    story.tell(copy_of({TEAPOT: 1}))
    no = Answered("reduce", "main-1.1", Rejected("its floor has begun with it"))
    assert story.tell(no) == ["ReductionRefused"]
    assert story.tell(no) == []
    assert story.asked() == [("release", "main-1.1")]
    assert story.give_back("main-1.1") == ["AllocationReleased", "OrderRouted"]
    story.grant("main-1.2")
    assert changes(story) == [[(TEAPOT, "lyon", 1)]]


def test_an_order_of_which_nothing_that_a_part_holds_is_wanted_gives_the_part_back_whole() -> None:
    story = picking()
    assert story.tell(copy_of({CUP: 1})) == ["LinesEdited"]
    assert story.asked() == [("release", "main-1.1")]


def test_an_order_that_two_warehouses_hold_gives_back_what_is_too_much_where_it_lies() -> None:
    story = Story(lyon={TEAPOT: 2}, nantes={CUP: 1})
    story.import_(TEAPOT=2, CUP=1)
    story.grant("main-1.1", "main-1.2", waits=True)
    story.confirm("main-1.1", "main-1.2")
    story.tell(copy_of({TEAPOT: 1}))
    assert story.asked() == [("reduce", "main-1.1"), ("release", "main-1.2")]
    assert reduced(story, TEAPOT=1) == ["AllocationReduced"], "nothing follows before all is back"
    assert "OrderRouted" not in story.give_back("main-1.2")
    assert changes(story) == [[(TEAPOT, "lyon", 1)]]


def test_of_an_article_that_two_warehouses_hold_both_give_back_all_and_it_is_routed_anew() -> None:
    """One of the floors may have packed it by now; which can give it back they say only one by one."""
    story = Story(lyon={TEAPOT: 1}, nantes={TEAPOT: 2})
    story.import_(TEAPOT=3)
    story.grant("main-1.1", "main-1.2", waits=True)
    story.confirm("main-1.1", "main-1.2")
    assert story.tell(copy_of({TEAPOT: 2})) == ["LinesEdited"]
    assert story.asked() == [("release", "main-1.1"), ("release", "main-1.2")]


def test_what_waits_for_other_warehouses_of_its_plan_is_reduced_before_it_is_confirmed() -> None:
    story = Story(lyon={TEAPOT: 2}, nantes={CUP: 1})
    story.import_(TEAPOT=2, CUP=1)
    story.grant("main-1.1", "main-1.2", waits=True)
    story.tell(copy_of({TEAPOT: 1, CUP: 1}))
    assert story.asked() == [("reduce", "main-1.1")]
    reduced(story, TEAPOT=1)
    assert story.asked() == [("confirm", "main-1.1"), ("confirm", "main-1.2")]


def test_what_no_warehouse_has_promised_yet_is_given_back_whole() -> None:
    story = Story()
    story.import_()
    assert story.tell(copy_of({TEAPOT: 1})) == ["LinesEdited"]
    assert story.asked() == [("release", "main-1.1")]


def test_what_a_warehouse_may_have_taken_back_already_is_not_counted_on_when_more_is_wanted_again() -> None:
    story = Story()
    story.import_(TEAPOT=3)
    story.grant("main-1.1")
    story.tell(copy_of({TEAPOT: 1}))
    assert story.tell(copy_of({TEAPOT: 3})) == ["LinesEdited"]
    assert asked_to_keep(story) == {"main-1.1": units_of(TEAPOT=1)}
    assert reduced(story, TEAPOT=1) == ["AllocationReduced", "OrderRouted"]
    assert story.order.parts["main-1.2"].lines == units_of(TEAPOT=2)


def test_of_two_edits_in_a_row_the_answer_to_the_first_is_not_taken_for_one_to_the_second() -> None:
    story = Story()
    story.import_(TEAPOT=3)
    story.grant("main-1.1")
    story.tell(copy_of({TEAPOT: 2}))
    assert story.tell(copy_of({TEAPOT: 1})) == ["LinesEdited", "PromisesKept"]
    assert reduced(story, TEAPOT=2) == []
    assert asked_to_keep(story) == {"main-1.1": units_of(TEAPOT=1)}
    assert reduced(story, TEAPOT=1)[0] == "AllocationReduced"


def test_a_held_order_gives_back_what_is_too_much_at_once_and_routes_the_rest_when_it_may_go_on() -> None:
    story = Story()
    story.import_(TEAPOT=2, CUP=1)
    story.grant("main-1.1")
    story.tell(Hold("manual", "a person looks", None, "jane"))
    story.tell(copy_of({TEAPOT: 1, CUP: 2}))
    assert story.asked() == [("reduce", "main-1.1")]
    assert reduced(story, TEAPOT=1, CUP=1) == ["AllocationReduced"]
    assert story.asked() == []
    assert story.tell(ReleaseHold("manual", "jane")) == ["HoldReleased", "OrderRouted"]


def test_a_cancel_while_units_are_taken_back_gives_back_all() -> None:
    story = picking()
    story.tell(copy_of({TEAPOT: 1}))
    story.tell(Cancel("jane"))
    assert story.asked() == [("release", "main-1.1")]
    story.give_back("main-1.1")
    assert story.order.ended == "cancelled"


def test_what_was_to_be_given_back_whole_before_an_edit_still_is() -> None:
    story = picking()
    story.tell(Reroute("jane", "lyon"))
    assert story.tell(copy_of({TEAPOT: 1})) == ["LinesEdited"]
    assert story.asked() == [("release", "main-1.1")]


def test_what_is_packed_as_it_was_to_be_kept_is_not_too_much_although_the_answer_was_lost() -> None:
    story = picking()
    story.tell(copy_of({TEAPOT: 1}))
    parcel = PackedParcel("main-1.1.1", units_of(TEAPOT=1), 900)
    assert story.tell(Packed("main-1.1", (parcel,))) == [
        "AllocationReduced",
        "FulfilmentReady",
        "EffectRequested",
        "EffectRequested",
    ]
    assert changes(story) == [[(TEAPOT, "lyon", 1)]]
    assert story.order.holds == {}
    assert story.asked() == []


def test_what_a_floor_did_not_find_of_a_reduced_part_is_missing_once_whoever_tells_first() -> None:
    story = Story(lyon={TEAPOT: 3}, nantes={TEAPOT: 1})
    story.import_(TEAPOT=3)
    story.grant("main-1.1")
    story.tell(copy_of({TEAPOT: 2}))
    story.tell(FellShort("main-1.1", TEAPOT, 1))  # the floor was there before the answer
    assert reduced(story, TEAPOT=2) == ["AllocationReduced", "OrderRouted"]
    assert [(part.warehouse, part.lines) for part in story.order.live()] == [
        ("lyon", units_of(TEAPOT=1)),
        ("nantes", units_of(TEAPOT=1)),
    ]
    assert story.tell(FellShort("main-1.1", TEAPOT, 1)) == []


def test_a_log_from_before_units_could_be_taken_back_alone_goes_on_as_it_did() -> None:
    """An edit gave back the whole part then, and its daemon died before the warehouse was asked."""
    story = picking()
    edited = copy_of({TEAPOT: 1})
    story.order = evolve(story.order, LinesEdited(edited.lines, edited.total, edited.shipping), NINE)
    assert story.asked() == [("release", "main-1.1")]
    assert story.give_back("main-1.1") == ["AllocationReleased", "OrderRouted"]


def test_units_that_the_shop_adds_are_routed_and_what_is_promised_stays() -> None:
    story = picking()
    assert story.tell(copy_of({TEAPOT: 2, CUP: 1})) == ["LinesEdited", "OrderRouted"]
    assert story.asked() == [("reserve", "main-1.2")]
    story.grant("main-1.2")
    assert changes(story) == [[(TEAPOT, "lyon", 2), (CUP, "lyon", 1)]]


def test_an_edit_that_could_not_be_followed_is_over_once_the_next_one_can_be() -> None:
    story = split()
    story.confirm("main-1.1", "main-1.2")
    story.pack("main-1.1")
    story.tell(copy_of({CUP: 1}))
    assert story.problems() == ["changed_in_shop"], "the teapot stands packed"
    story.tell(copy_of({TEAPOT: 1}))
    assert story.problems() == []


@pytest.mark.parametrize("lines", [{}, {TEAPOT: 3}])
def test_a_cancel_in_the_shop_says_nothing_of_its_lines_whatever_they_are_by_then(
    lines: Mapping[str, int],
) -> None:
    """A shop takes out the rows of what it cancels, or shows refunded units again."""
    story = picking()
    story.tell(copy_of(lines, "cancelled"))
    story.give_back("main-1.1")
    assert story.order.stage == "cancelled"
    assert story.raised() == []


def test_an_edit_that_came_too_late_is_nobodys_matter_once_the_shop_has_undone_it() -> None:
    story = packed()
    story.tell(copy_of({TEAPOT: 1}))
    assert story.problems() == ["changed_in_shop"]
    assert story.tell(copy_of({TEAPOT: 2})) == ["AnomalyResolved"]


def test_a_price_that_the_shop_changes_moves_nothing_and_changes_the_erp_order() -> None:
    story = picking()
    cheaper = replace(copy_of({}), lines=(OrderLine(TEAPOT, TEAPOT, 2, Decimal("4.00")),))
    assert story.tell(cheaper) == ["LinesEdited", "EffectRequested"]
    (change,) = story.documents_of(ErpChange)
    assert [line.unit_price for line in change.lines] == [Decimal("4.00")]
    assert story.asked() == []


def test_an_edit_of_what_costs_nothing_is_followed_too() -> None:
    """All of an order may be paid by a voucher: then no amount tells how many units it holds."""
    free = [replace(copy_of({}), lines=(OrderLine("1", TEAPOT, units, Decimal("0.00")),)) for units in (2, 1)]
    story = Story()
    story.tell(free[0])
    story.grant("main-1.1")
    assert story.tell(free[1]) == ["LinesEdited", "PromisesKept"]
    assert story.asked() == [("reduce", "main-1.1")]


def test_an_order_that_the_erp_has_not_booked_yet_is_booked_as_it_was_edited() -> None:
    story = Story()
    story.import_("unpaid", TEAPOT=2)
    assert story.tell(copy_of({CUP: 3}, "unpaid")) == ["LinesEdited"]
    story.tell(copy_of({CUP: 3}))
    story.grant("main-1.1")
    (booked,) = story.documents_of(ErpOrder)
    assert [(line.sku, line.units) for line in booked.lines] == [(CUP, 3)]
    assert changes(story) == []


def test_what_the_floor_packed_while_the_shop_took_it_out_is_stopped_and_named() -> None:
    story = picking()
    story.tell(copy_of({TEAPOT: 1}))
    story.tell(Answered("reduce", "main-1.1", Rejected("too late: packed")))
    assert story.give_back("main-1.1", Rejected("too late: packed")) == []
    assert "OrderHeld" in story.pack()
    assert story.asked() == [], "it does not leave by itself"
    assert story.problems() == ["edited_too_late"]
    raised = story.raised()[0]
    assert "wharfctl order release main-1, then wharfctl return lyon main-1 SLIP TEAPOT 1" in raised.mend
    story.tell(ReleaseHold("manual", "jane"))
    story.settle_all()
    assert story.asked() == [("dispatch", "main-1.1")]
    story.dispatch()
    (note,) = story.documents_of(ErpDeliveryNote)
    assert [(line.sku, line.units) for line in note.lines] == [(TEAPOT, 2)]
    assert story.order.stage == "shipped"
    story.tell(TakeBack("SLIP/TEAPOT", "lyon", TEAPOT, 1, "sellable", "", "jane"))
    assert story.asked() == [("restock", "SLIP/TEAPOT")], (
        "what was taken out of the box lies on the shelf again"
    )


def test_an_order_ends_when_the_shop_takes_out_all_that_has_not_left_and_the_erp_closes_the_rest() -> None:
    story = Story(lyon={TEAPOT: 1})
    story.import_(TEAPOT=1, CUP=1)
    story.stock = {"lyon": {TEAPOT: 1}, "nantes": {CUP: 1}}
    story.tell(Wake())
    story.grant("main-1.1", "main-1.2", waits=True)
    story.confirm("main-1.1", "main-1.2")
    story.pack("main-1.1")
    story.settle_all()
    story.dispatch("main-1.1")
    story.tell(copy_of({TEAPOT: 1}))
    assert "OrderShipped" in story.give_back("main-1.2")
    assert [type(each) for each in story.documents()][-2:] == [ErpCancellation, ShopStatus]


def left_in_part(*, is_confirmed: bool) -> Story:
    """Return an order whose teapot has left, and whose cup nantes has promised."""
    story = split()
    story.confirm("main-1.1", *["main-1.2"] * is_confirmed)
    story.pack("main-1.1")
    story.settle_all()
    story.dispatch("main-1.1")
    return story


@pytest.mark.parametrize(
    ("is_confirmed", "lost"), [(True, FellShort("main-1.2", CUP, 1)), (False, Expired("main-1.2"))]
)
def test_an_order_ends_when_all_that_the_shop_took_out_is_lost_before_it_is_given_back(
    is_confirmed: bool, lost: OrderCommand
) -> None:
    story = left_in_part(is_confirmed=is_confirmed)
    story.tell(copy_of({TEAPOT: 1}))
    assert "OrderShipped" in story.tell(lost)
    assert ErpCancellation in [type(each) for each in story.documents()] or not is_confirmed
    assert story.order.stage == "shipped"


def test_an_order_ends_when_what_the_shop_took_out_was_planned_at_a_warehouse_that_is_gone() -> None:
    story = picking()
    story.stock = {"lyon": {}, "nantes": {CUP: 1}}
    story.tell(copy_of({TEAPOT: 2, CUP: 1}))
    story.pack()
    story.settle_all()
    story.dispatch()
    story.tell(copy_of({TEAPOT: 2}))
    assert story.asked() == [("release", "main-1.2")]
    assert "OrderShipped" in story.tell(Stranded("main-1.2", gone=True))


def test_units_that_came_while_a_floor_was_faster_than_the_reroute_are_asked_for_once_that_is_heard() -> None:
    story = Story(lyon={TEAPOT: 2})
    story.import_(TEAPOT=2)
    story.grant("main-1.1")
    story.tell(copy_of({TEAPOT: 2, CUP: 1}))
    assert story.order.stage == "backordered"
    story.tell(Reroute("jane"))
    assert story.give_back("main-1.1", Rejected("too late: packed")) == []
    story.stock = {"lyon": {CUP: 1}}
    assert story.tell(Wake(units_came=True)) == []
    assert "OrderRouted" in story.pack()


def test_an_edit_with_an_article_that_nobody_knows_holds_the_order() -> None:
    story = picking()
    story.known = {TEAPOT}
    story.tell(copy_of({TEAPOT: 2, CUP: 1}))
    assert story.order.stage == "held"
    assert story.problems() == ["invalid_order"]
    story.known = {TEAPOT, CUP}
    assert story.tell(Wake())[:2] == ["HoldReleased", "OrderRouted"]


def test_an_edit_that_takes_the_unknown_article_out_again_lets_the_order_go_on() -> None:
    story = picking()
    story.known = {TEAPOT}
    story.tell(copy_of({TEAPOT: 2, CUP: 1}))
    assert story.tell(copy_of({TEAPOT: 3})) == [
        "LinesEdited",
        "HoldReleased",
        "OrderRouted",
        "AnomalyResolved",
    ]
    assert story.order.stage == "allocating"


def test_an_edit_of_one_article_does_not_mend_another_nor_an_address() -> None:
    story = Story()
    story.known = {TEAPOT}
    story.import_("open", "the delivery address has no city", TEAPOT=1)
    story.tell(ReleaseHold("validation", "jane"))
    story.tell(copy_of({TEAPOT: 2, CUP: 1, "PAN": 1}))
    story.tell(copy_of({TEAPOT: 2, "PAN": 1}))
    assert story.order.holds["validation"].reasons == ("no warehouse knows the SKU PAN of line PAN",)


def test_another_fee_of_an_order_that_is_booked_is_put_before_a_person() -> None:
    story = picking()
    story.tell(replace(copy_of({TEAPOT: 3}), shipping=Decimal("0.00")))
    assert "changed_in_shop" in story.problems()


def test_an_order_that_is_rerouted_once_it_is_booked_takes_its_depot_along() -> None:
    story = Story(lyon={TEAPOT: 9}, nantes={TEAPOT: 9})
    story.import_()
    story.grant("main-1.1")
    story.tell(Reroute("jane", "lyon"))
    story.give_back("main-1.1")
    assert changes(story) == []
    story.grant("main-1.2")
    assert changes(story) == [[(TEAPOT, "nantes", 2)]]
    story.tell(Reroute("jane", "lyon"))
    story.give_back("main-1.2")
    story.grant("main-1.3")
    assert changes(story)[1:] == [], "it came back to the same depot"


def test_a_part_leaves_from_its_new_depot_although_the_rest_still_waits() -> None:
    story = Story(lyon={TEAPOT: 2}, nantes={})
    story.import_()
    story.grant("main-1.1")
    story.stock = {"lyon": {TEAPOT: 1}, "nantes": {}}
    story.tell(FellShort("main-1.1", TEAPOT, 1))
    assert story.order.stage == "backordered"
    story.stock = {"lyon": {}, "nantes": {TEAPOT: 1}}
    story.pack()
    story.settle_all()
    story.dispatch()
    assert changes(story) == [], "the rest stands where it was booked until somebody promises it"
    story.tell(Wake())
    story.grant("main-1.2")
    assert changes(story) == [[(TEAPOT, "nantes", 1)]]


def test_an_erp_order_that_was_refused_is_asked_for_as_it_was_edited_and_not_changed() -> None:
    story = picking()
    story.tell(Refused("erp-order:main-1", "the article is closed"))
    story.tell(copy_of({TEAPOT: 2, CUP: 1}))
    story.grant("main-1.2")
    assert changes(story) == []
    story.tell(AskAgain("jane"))
    booked = story.documents_of(ErpOrder)[-1]
    assert [(line.sku, line.units) for line in booked.lines] == [(TEAPOT, 2), (CUP, 1)]


def test_a_change_that_was_refused_is_asked_for_as_the_order_stands_by_then() -> None:
    story = picking()
    story.tell(copy_of({TEAPOT: 2, CUP: 1}))
    story.grant("main-1.2")
    story.tell(Refused("erp-change:main-1.1", "the piece is open at somebody's"))
    story.pack("main-1.1")
    story.settle_all()
    story.dispatch("main-1.1")
    story.tell(AskAgain("jane"))
    assert changes(story)[1:] == [[(CUP, "lyon", 1)]]


# --- what the ERP says by itself ----------------------------------------------------------------------------

CLOSED = ErpWord(closed=frozenset({TEAPOT}))
BLOCKED = ErpWord(customers={"main": "the ERP has blocked the customer WEB"})


@pytest.mark.parametrize("word", [CLOSED, BLOCKED], ids=["article", "customer"])
def test_an_order_that_the_erp_would_refuse_is_held_with_its_reason_and_goes_on_by_itself(
    word: ErpWord,
) -> None:
    story = Story()
    story.erp = word
    raised = ["AnomalyRaised"] if word is CLOSED else []
    assert story.import_() == ["OrderImported", "OrderHeld", *raised]
    assert story.order.holds["erp"].reasons == word.objections("main", story.order.facts.lines)
    assert story.problems() == ["erp_objects"] * len(raised), "what holds a whole channel is not each order's"
    assert story.asked() == []
    assert story.tell(Wake()) == []
    story.erp = ErpWord()
    assert story.tell(Wake()) == ["HoldReleased", "OrderRouted", *["AnomalyResolved"] * len(raised)]


def test_an_order_that_waits_is_held_once_its_article_is_closed() -> None:
    story = backordered()
    story.erp = CLOSED
    assert story.tell(Wake())[:1] == ["OrderHeld"]
    assert story.order.stage == "held"


def test_an_order_for_another_channel_or_article_is_not_held() -> None:
    story = Story()
    story.erp = ErpWord(frozenset({CUP}), {"other": "blocked"})
    assert story.import_() == ["OrderImported", "OrderRouted"]


def test_what_a_person_lets_through_is_not_held_again() -> None:
    story = Story()
    story.erp = CLOSED
    story.import_()
    assert story.tell(ReleaseHold("erp", "jane"))[:2] == ["HoldReleased", "OrderRouted"]
    assert story.tell(Wake()) == []


def test_an_order_that_the_erp_has_booked_is_not_held_for_what_it_says_later() -> None:
    story = picking()
    story.erp = CLOSED
    assert story.tell(Wake()) == []


def test_an_invoice_is_kept_once_however_often_it_is_read() -> None:
    story = shipped()
    assert story.tell(Invoiced("C4-17")) == ["OrderInvoiced"]
    assert story.tell(Invoiced("C4-17")) == []
    assert story.order.erp.invoices == ("C4-17",)
    assert story.order.stage == "shipped"


# --- what comes back ----------------------------------------------------------------------------------------


def came_back(units: int, delivery: str = "R1", sku: str = TEAPOT) -> TakeBack:
    return TakeBack(delivery, "lyon", sku, units, "sellable", "A-1", "jane")


def test_what_comes_back_is_credited_at_its_price_and_taken_in_by_its_warehouse_once() -> None:
    story = shipped()
    assert story.tell(came_back(1)) == ["GoodsReturned", "EffectRequested"]
    assert story.asked() == [("restock", "R1")]
    (step,) = next_steps(story.order, NINE)
    assert step.command == Restock("main-1/R1", "main-1", TEAPOT, 1, "sellable", "A-1")
    assert story.tell(came_back(1)) == [], "a scanner repeats itself"
    assert story.tell(Answered("restock", "R1", Done())) == ["GoodsRestocked"]
    assert story.tell(Answered("restock", "R1", Done())) == []
    assert story.asked() == []
    (credit,) = story.documents_of(ErpReturn)
    assert (credit.reference, credit.order_reference, credit.warehouse) == ("main-1.R1", "main-1", "lyon")
    assert [(line.sku, line.units, line.unit_price) for line in credit.lines] == [(TEAPOT, 1, Decimal(5))]


def refund(units: int, sold: int = 2) -> Import:
    """Return the shop's copy of a shipped order of which units were refunded; its lines stay as sold."""
    return replace(copy_of({TEAPOT: sold}, "shipped"), credited=copy_of({TEAPOT: units}).lines)


def test_what_the_shop_refunds_of_what_has_left_is_expected_back_until_it_is_there() -> None:
    story = shipped()
    assert story.tell(refund(1)) == ["RefundNoted", "AnomalyRaised"]
    assert story.problems() == ["refund_not_returned"]
    assert story.tell(refund(1)) == [], "the same refunds once more"
    assert not story.documents_of(ErpReturn)
    assert story.tell(came_back(1))[-1] == "AnomalyResolved"
    assert story.tell(refund(2)) == ["RefundNoted", "AnomalyRaised"]
    story.tell(came_back(1, "R2"))
    assert story.problems() == []
    assert len(story.documents_of(ErpReturn)) == 2


def test_what_came_back_before_its_refund_is_not_expected_a_second_time() -> None:
    story = shipped()
    story.tell(came_back(2))
    assert story.tell(refund(2)) == ["RefundNoted"]
    assert story.problems() == []


def test_what_was_refunded_before_it_left_is_not_expected_back() -> None:
    story = Story()
    story.import_(TEAPOT=3)
    story.tell(copy_of({TEAPOT: 2}))
    story.grant("main-1.1")
    story.give_back("main-1.1")
    story.grant("main-1.2")
    story.pack("main-1.2")
    story.settle_all()
    story.dispatch("main-1.2")
    assert story.tell(refund(1, sold=3)) == []
    assert story.tell(refund(2, sold=3)) == ["RefundNoted", "AnomalyRaised"]


def test_no_more_comes_back_than_has_left() -> None:
    assert packed().tell(came_back(1)) == []
    story = shipped()
    assert story.tell(came_back(3)) == []
    story.tell(came_back(2))
    assert story.tell(came_back(1, "R2")) == []
    assert story.tell(came_back(1, "R3", CUP)) == []


def test_a_return_that_its_warehouse_has_not_heard_of_wakes_the_order_although_it_was_delivered() -> None:
    story = shipped()
    story.tell(Tracked("main-1.1.1", "delivered", "swift:1", NINE))
    assert due_at(story.order) is None
    story.tell(came_back(1))
    assert due_at(story.order) == NINE + timedelta(seconds=5)
    assert story.tell(Stranded("R1", gone=True)) == ["AnomalyRaised"]
    assert story.problems() == ["return_not_restocked"]
    assert story.tell(Answered("restock", "R1", Done())) == ["GoodsRestocked", "AnomalyResolved"]
    assert due_at(story.order) is None


def test_a_silent_order_is_woken_for_a_step_that_it_has_to_take_since() -> None:
    story = shipped()
    story.now = NINE + CLOCKS["shipped"]
    story.tell(Wake())
    assert due_at(story.order) is None, "a person was told"
    story.now += timedelta(days=1)
    story.tell(came_back(1))
    assert due_at(story.order) == story.now + timedelta(seconds=5), "its daemon may die before it is taken in"
    story.tell(Answered("restock", "R1", Done()))
    assert due_at(story.order) is None
    assert story.problems() == ["silent"]


# --- articles that are not simply a unit of a SKU -----------------------------------------------------------


def remapped(*lines: OrderLine, problems: tuple[str, ...] = ()) -> Import:
    return replace(copy_of({}, "open", *problems), lines=lines)


def test_an_article_that_nobody_knew_goes_on_by_itself_once_it_is_listed() -> None:
    story = Story()
    assert story.tell(remapped(OrderLine("1", "TEA-SET", 1, Decimal(40)))) == [
        "OrderImported",
        "OrderHeld",
        "AnomalyRaised",
    ]
    assert story.problems() == ["unknown_sku"]
    listed = remapped(OrderLine("1.1", TEAPOT, 1, Decimal(8)), OrderLine("1.2", CUP, 4, Decimal(8)))
    assert story.tell(listed) == ["LinesCorrected", "HoldReleased", "OrderRouted", "AnomalyResolved"]
    story.grant("main-1.1")
    (booked,) = story.documents_of(ErpOrder)
    assert [(line.sku, line.units) for line in booked.lines] == [(TEAPOT, 1), (CUP, 4)]
    assert {line.unit_price for line in booked.lines} == {Decimal(8)}
    assert story.tell(listed) == []


SKU_IS_MENDED = "receive the SKU or list the article among the channel's products"


@pytest.mark.parametrize(
    ("line", "problems", "ways"),
    [
        (OrderLine("1", "TEA-SET", 1, Decimal(40)), (), SKU_IS_MENDED),
        (OrderLine("1", TEAPOT, 1, Decimal(40)), ("no city",), "mend the address in the shop"),
        (OrderLine("1", TEAPOT, 0, Decimal(40)), (), "mend its lines in the shop"),
        (
            OrderLine("1", "TEA-SET", 0, Decimal(40)),
            ("no city",),
            f"mend the address in the shop, {SKU_IS_MENDED}, mend its lines in the shop",
        ),
    ],
)
def test_what_is_proposed_for_an_order_that_makes_no_sense_is_about_what_is_wrong_with_it(
    line: OrderLine, problems: tuple[str, ...], ways: str
) -> None:
    story = Story()
    story.tell(remapped(line, problems=problems))
    (raised,) = story.raised()
    assert raised.mend == (
        f"{ways}, and it goes on by itself; else wharfctl order release main-1 --hold validation"
    )


def test_an_article_that_is_listed_does_not_mend_an_address() -> None:
    story = Story()
    no_city = "the delivery address has no city"
    story.tell(remapped(OrderLine("1", "TEA-SET", 1, Decimal(40)), problems=(no_city,)))
    assert story.problems() == ["invalid_order"]
    # The shop has a city by now, and the address that the order was imported with still has none.
    story.tell(remapped(OrderLine("1", TEAPOT, 1, Decimal(40))))
    assert story.order.holds["validation"].reasons == (no_city,)


def test_lines_that_were_promised_are_not_understood_anew() -> None:
    story = picking()
    assert story.tell(remapped(OrderLine(TEAPOT, CUP, 10, Decimal(1)))) == ["AnomalyRaised"]
    assert story.problems() == ["changed_in_shop"]


def test_lines_of_an_order_that_a_person_holds_on_the_floor_are_not_understood_anew() -> None:
    story = picking()
    story.tell(Hold("validation", "look at it", None, "anna"))
    assert story.tell(remapped(OrderLine(TEAPOT, CUP, 10, Decimal(1)))) == ["AnomalyRaised"]


def test_units_of_a_sku_that_was_sold_at_two_prices_are_booked_at_theirs_over_all_notes() -> None:
    story = Story(lyon={TEAPOT: 1, CUP: 3}, nantes={TEAPOT: 0, CUP: 3})
    story.tell(
        remapped(
            OrderLine("1.1", TEAPOT, 1, Decimal("8.00")),
            OrderLine("1.2", CUP, 4, Decimal("8.00")),
            OrderLine("2", CUP, 2, Decimal("4.50")),
        )
    )
    parts = list(story.order.parts)
    assert len(parts) == 2
    story.grant(*parts, waits=True)
    for part in parts:
        story.tell(Answered("confirm", part, Done()))
    for part in reversed(parts):
        story.pack(part)
        story.settle_all()
        story.dispatch(part)
    booked = story.documents_of(ErpOrder)
    notes = story.documents_of(ErpDeliveryNote)
    assert len(notes) == 2
    for documents in (booked, notes):
        amounts = [line.units * line.unit_price for each in documents for line in each.lines]
        assert sum(amounts) == Decimal("49.00")
        assert sum(line.units for each in documents for line in each.lines) == 7
