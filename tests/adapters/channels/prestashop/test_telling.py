"""The shop is told each status and each parcel once, whatever becomes of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from actors.domain.documents import ShopParcel, ShopState, ShopStatus, ShopTracking
from actors.errors import OutcomeUnknownError, RefusedError, UnreachableError
from adapters.channels.prestashop.simulator import FULL_KEY, rights
from adapters.http.faults import HTML_HEADERS, Faults, any_change
from adapters.http.server import Response

if TYPE_CHECKING:
    from tests.adapters.channels.prestashop.conftest import World

PAID, PREPARING, SHIPPED, DELIVERED, CANCELLED, BACKORDERED = 2, 3, 4, 5, 6, 9


def placed(world: World) -> int:
    return world.shop.place_order([("teapot", 2)])


def status(order: int, wanted: ShopState) -> ShopStatus:
    return ShopStatus(shop_order=str(order), status=wanted)


def tracking(order: int, *numbers: str) -> ShopTracking:
    parcels = tuple(ShopParcel(f"p{number}", "express", number, 500) for number in numbers)
    return ShopTracking(shop_order=str(order), parcels=parcels)


async def test_each_status_is_posted_once_however_often_it_is_carried_out(world: World) -> None:
    order = placed(world)
    for wanted in ("preparing", "shipped", "preparing", "shipped"):
        assert (await world.adapter.carry_out(status(order, wanted))).reference
    assert world.shop.order(order).states == (PAID, PREPARING, SHIPPED)
    assert world.count("POST") == 2


async def test_the_tracking_of_many_orders_is_looked_at_with_one_request(world: World) -> None:
    first, second, third = (placed(world) for _ in range(3))
    await world.adapter.carry_out(tracking(first, "A1", "A2"))
    await world.adapter.carry_out(tracking(second, "B1"))
    tellings = (
        tracking(first, "A1", "A2"),
        tracking(second, "B1", "B2"),
        tracking(third, "C1"),
        tracking(999_999, "D1"),
    )
    before = world.count("GET")
    assert list(await world.adapter.tracked(tellings)) == [True, False, False, False]
    assert world.count("GET") == before + 1


async def test_a_status_whose_answer_was_lost_is_not_posted_again(world: World) -> None:
    order = placed(world)
    world.faults.lose_next()
    with pytest.raises(OutcomeUnknownError):
        await world.adapter.carry_out(status(order, "shipped"))
    found = await world.adapter.find(status(order, "shipped"))
    assert found is not None
    await world.adapter.carry_out(status(order, "shipped"))
    assert world.shop.order(order).states == (PAID, SHIPPED)


async def test_an_empty_500_after_which_the_status_stands_is_not_posted_again(world: World) -> None:
    order = placed(world)
    world.faults.change_next(lambda _: Response(500, b"", HTML_HEADERS), any_change)
    with pytest.raises(OutcomeUnknownError):
        await world.adapter.carry_out(status(order, "preparing"))
    await world.adapter.carry_out(status(order, "preparing"))
    assert world.shop.order(order).states == (PAID, PREPARING)


async def test_a_warning_of_php_in_front_of_the_answer_is_no_failure(world: World) -> None:
    order = placed(world)
    world.faults.change_next(lambda _: Response(200, b"<strong>TCPDF ERROR", HTML_HEADERS), any_change)
    with pytest.raises(OutcomeUnknownError):
        await world.adapter.carry_out(status(order, "preparing"))
    assert await world.adapter.find(status(order, "preparing")) is not None


async def test_a_lost_answer_is_not_read_back_before_the_write_can_have_ended(world: World) -> None:
    order = placed(world)
    async with world.connect(settle_seconds=0.3) as adapter:
        world.faults.lose_next()
        with pytest.raises(OutcomeUnknownError):
            await adapter.carry_out(status(order, "preparing"))
        asked = len(world.requests)
        began = trio.current_time()
        assert await adapter.find(status(order, "preparing")) is not None
        assert trio.current_time() - began >= 0.25
        assert len(world.requests) > asked


@pytest.mark.parametrize("wanted", ["status", "tracking", "second parcel"])
async def test_what_is_written_after_we_stopped_waiting_is_not_written_again(
    world: World, wanted: str
) -> None:
    order = placed(world)
    document = status(order, "shipped") if wanted == "status" else tracking(order, "A1")
    if wanted == "second parcel":
        await world.adapter.carry_out(document)
        document = tracking(order, "A1", "A2")
    async with world.connect(settle_seconds=0.4, seconds_max=0.1) as adapter:
        world.faults.delay_next(0.3)
        with pytest.raises(OutcomeUnknownError):
            await adapter.carry_out(document)
        await adapter.carry_out(document)
    picture = world.shop.order(order)
    assert picture.states == ((PAID, SHIPPED) if wanted == "status" else (PAID,))
    assert picture.tracking == {"status": (), "tracking": ("A1",), "second parcel": ("A1", "A2")}[wanted]


async def test_what_a_daemon_that_died_still_had_under_way_is_not_written_again(world: World) -> None:
    order = placed(world)
    async with world.connect(seconds_max=0.1) as adapter:
        world.faults.delay_next(0.3)
        with pytest.raises(OutcomeUnknownError):
            await adapter.carry_out(status(order, "preparing"))
    assert world.shop.order(order).states == (PAID,)
    async with world.connect(settle_seconds=0.4) as adapter:  # a daemon that knows nothing of it
        assert await adapter.find(status(order, "preparing")) is not None
    assert world.shop.order(order).states == (PAID, PREPARING)


async def test_a_status_that_an_employee_took_back_is_told_when_it_comes_true(world: World) -> None:
    order = placed(world)
    world.shop.set_state(order, SHIPPED)
    world.shop.set_state(order, PREPARING)
    await world.adapter.carry_out(status(order, "shipped"))
    assert world.shop.order(order).states == (PAID, SHIPPED, PREPARING, SHIPPED)
    await world.adapter.carry_out(status(order, "shipped"))
    assert world.shop.order(order).states == (PAID, SHIPPED, PREPARING, SHIPPED)


@pytest.mark.parametrize(
    ("document", "right"), [("status", "order_histories"), ("tracking", "order_carriers")]
)
async def test_a_key_that_is_revoked_in_the_middle_says_so_and_nothing_is_lost(
    world: World, document: str, right: str
) -> None:
    order = placed(world)
    told = status(order, "shipped") if document == "status" else tracking(order, "A1", "A2")

    def revoke(answer: Response) -> Response:
        world.shop.keys[FULL_KEY].active = False
        return answer

    world.faults.change_next(revoke, lambda request: right in request.target)
    with pytest.raises(UnreachableError, match="code 20"):
        await world.adapter.carry_out(told)
    world.shop.keys[FULL_KEY].active = True
    await world.adapter.carry_out(told)
    picture = world.shop.order(order)
    assert (picture.states, picture.tracking) == (
        ((PAID, SHIPPED), ()) if document == "status" else ((PAID,), ("A1", "A2"))
    )


async def test_during_an_outage_nothing_is_told_and_later_it_is_told_once(world: World) -> None:
    order = placed(world)
    world.faults.outage = True
    with pytest.raises(UnreachableError):
        await world.adapter.carry_out(status(order, "preparing"))
    world.faults.outage = False
    await world.adapter.carry_out(status(order, "preparing"))
    assert world.shop.order(order).states == (PAID, PREPARING)


@pytest.mark.parametrize("beyond", [SHIPPED, DELIVERED, CANCELLED])
async def test_an_order_is_not_thrown_back_to_an_earlier_status(world: World, beyond: int) -> None:
    order = placed(world)
    world.shop.set_state(order, beyond)
    outcome = await world.adapter.carry_out(status(order, "preparing"))
    assert outcome.reference == f"superseded by state {beyond}"
    assert world.shop.order(order).states == (PAID, beyond)


async def test_an_order_cancelled_too_late_is_shown_as_shipped_and_its_units_are_sold_again(
    world: World,
) -> None:
    order = placed(world)
    assert world.shop.stock("teapot") == 8
    world.shop.cancel_order(order)
    assert world.shop.stock("teapot") == 10
    await world.adapter.carry_out(status(order, "shipped"))
    assert world.shop.order(order).state == SHIPPED
    assert world.shop.stock("teapot") == 8


async def test_a_cancellation_that_our_status_fell_on_is_given_back_to_the_shop(world: World) -> None:
    order = placed(world)

    def cancel_just_after_the_look(answer: Response) -> Response:
        world.shop.cancel_order(order)
        return answer

    world.faults.change_next(cancel_just_after_the_look, lambda request: "order_states" in request.target)
    told = await world.adapter.carry_out(status(order, "preparing"))
    assert told.reference == f"superseded by state {CANCELLED}"
    assert world.shop.order(order).states == (PAID, CANCELLED, PREPARING, CANCELLED)
    assert await world.adapter.find(status(order, "preparing")) is not None
    assert world.shop.order(order).states == (PAID, CANCELLED, PREPARING, CANCELLED)


async def test_a_cancellation_that_an_employee_took_back_stays_taken_back(world: World) -> None:
    order = placed(world)
    world.shop.cancel_order(order)
    world.shop.set_state(order, PREPARING)
    await world.adapter.carry_out(status(order, "preparing"))
    assert world.shop.order(order).states == (PAID, CANCELLED, PREPARING)


async def test_what_the_shop_shows_as_shipped_is_not_cancelled(world: World) -> None:
    order = placed(world)
    world.shop.set_state(order, SHIPPED)
    with pytest.raises(RefusedError, match="shipped"):
        await world.adapter.carry_out(status(order, "cancelled"))


async def test_a_state_that_the_shop_does_not_have_is_refused_not_tried_for_ever(world: World) -> None:
    order = placed(world)
    async with world.connect(state_of={"preparing": 99}) as adapter:
        with pytest.raises(RefusedError, match="no order state 99"):
            await adapter.carry_out(status(order, "preparing"))
    assert world.count("POST") == 0


async def test_an_order_that_is_gone_is_refused(world: World) -> None:
    with pytest.raises(RefusedError, match="no such order"):
        await world.adapter.carry_out(status(77, "preparing"))
    with pytest.raises(RefusedError, match="no such order"):
        await world.adapter.carry_out(tracking(77, "A1"))


async def test_each_parcel_gets_a_row_and_none_gets_two(world: World) -> None:
    order = placed(world)
    await world.adapter.carry_out(tracking(order, "A1"))
    await world.adapter.carry_out(tracking(order, "A1", "A2"))
    outcome = await world.adapter.carry_out(tracking(order, "A1", "A2"))
    assert outcome.tracking == "A1"
    assert world.shop.order(order).tracking == ("A1", "A2")
    assert (world.count("PATCH"), world.count("POST")) == (1, 1)


@pytest.mark.parametrize("parcel", [1, 2])
async def test_a_parcel_whose_answer_was_lost_is_not_written_twice(world: World, parcel: int) -> None:
    order = placed(world)
    method = {1: "PATCH", 2: "POST"}[parcel]
    world.faults.lose_next(lambda request: request.method == method)
    with pytest.raises(OutcomeUnknownError):
        await world.adapter.carry_out(tracking(order, "A1", "A2"))
    await world.adapter.carry_out(tracking(order, "A1", "A2"))
    assert world.shop.order(order).tracking == ("A1", "A2")


@pytest.mark.parametrize("parcel", [1, 2])
async def test_an_empty_500_after_which_the_number_stands_writes_it_no_second_time(
    world: World, parcel: int
) -> None:
    order = placed(world)
    method = {1: "PATCH", 2: "POST"}[parcel]
    world.faults.change_next(
        lambda _: Response(500, b"", HTML_HEADERS), lambda request: request.method == method
    )
    with pytest.raises(OutcomeUnknownError):
        await world.adapter.carry_out(tracking(order, "A1", "A2"))
    assert world.shop.order(order).tracking == ("A1", "A2")[:parcel], "the shop had written it"
    found = await world.adapter.find(tracking(order, "A1", "A2"))
    assert (found is not None) == (parcel == 2), "it is read back, and the other number is still to be told"
    await world.adapter.carry_out(tracking(order, "A1", "A2"))
    assert world.shop.order(order).tracking == ("A1", "A2")
    assert (world.count("PATCH"), world.count("POST")) == (1, 1)


async def test_a_number_that_somebody_typed_into_the_shop_is_left_alone(world: World) -> None:
    order = placed(world)
    (row,) = [row for row in world.shop.tables["order_carriers"].values() if row["id_order"] == order]
    row["tracking_number"] = "TYPED"
    await world.adapter.carry_out(tracking(order, "A1"))
    assert world.shop.order(order).tracking == ("TYPED", "A1")


@pytest.mark.parametrize("number", ["A" * 65, "é", "<1>"])
async def test_a_number_that_the_shop_would_not_take_is_refused_before_anything_is_written(
    world: World, number: str
) -> None:
    order = placed(world)
    with pytest.raises(RefusedError, match="tracking"):
        await world.adapter.carry_out(tracking(order, "A1", number))
    assert world.shop.order(order).tracking == ()


async def test_a_missing_right_is_told_by_its_name_and_can_be_mended(world: World) -> None:
    order = placed(world)
    world.shop.keys[FULL_KEY].rights = rights(
        orders="GET", order_carriers="GET", order_histories="GET", order_states="GET"
    )
    with pytest.raises(UnreachableError, match="POST is not allowed for the resource order_histories"):
        await world.adapter.carry_out(status(order, "preparing"))
    assert await world.adapter.find(status(order, "preparing")) is None


async def test_without_the_right_to_patch_a_tracking_number_waits_and_nothing_overtakes_it(
    world: World,
) -> None:
    order = placed(world)
    world.shop.keys[FULL_KEY].rights = rights(
        orders="GET", order_carriers="GET POST PUT", order_histories="GET POST", order_states="GET"
    )
    with pytest.raises(UnreachableError, match="PATCH is not allowed for the resource order_carriers"):
        await world.adapter.carry_out(tracking(order, "A1"))
    assert await world.adapter.find(tracking(order, "A1")) is None
    world.shop.keys[FULL_KEY].rights = None
    await world.adapter.carry_out(tracking(order, "A1"))
    assert world.shop.order(order).tracking == ("A1",)


async def test_a_shop_with_states_of_its_own_is_told_and_understood_by_them(world: World) -> None:
    flags = {"paid": "1", "shipped": "0", "logable": "1", "unremovable": "1"}
    for state, name in ((21, "Handed over"), (22, "Given up")):
        world.shop.tables.insert("order_states", flags | {"name": name}, state)
    async with world.connect(state_of={"shipped": 21, "cancelled": 22}) as adapter:
        left, given_up = placed(world), placed(world)
        for wanted in ("preparing", "shipped", "preparing"):
            await adapter.carry_out(status(left, wanted))
        await adapter.carry_out(status(given_up, "cancelled"))
        assert world.shop.order(left).states == (PAID, PREPARING, 21)
        assert world.shop.order(given_up).states == (PAID, 22)
        world.shop.set_state(given_up, 22)
        orders, _ = await world.drained(adapter=adapter)
        assert [each.standing for each in orders] == ["shipped", "cancelled"]
        with pytest.raises(RefusedError, match="the shop shows it as shipped"):
            await adapter.carry_out(status(left, "cancelled"))


async def test_under_any_chance_of_lost_answers_every_status_stands_once(world: World) -> None:
    orders = [placed(world) for _ in range(12)]
    chance: Faults = world.faults
    chance.lose_answer, chance.refuse = 0.2, 0.1
    for order in orders:
        for document in (status(order, "preparing"), tracking(order, f"T{order}"), status(order, "shipped")):
            for _ in range(50):
                try:
                    await world.adapter.carry_out(document)
                    break
                except (OutcomeUnknownError, UnreachableError):
                    continue
    assert chance.struck["lose_answer"] > 5
    for order in orders:
        picture = world.shop.order(order)
        assert picture.states == (PAID, PREPARING, SHIPPED)
        assert picture.tracking == (f"T{order}",)
