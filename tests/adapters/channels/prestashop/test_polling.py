"""No order is lost or doubled between the shop and us, whatever the shop's dates and half-built orders do."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from actors.domain.documents import ShopStatus
from actors.errors import MalformedError, UnreachableError
from actors.ports.shop import Poll, ShopOrder, UnreadableOrder
from adapters.channels.prestashop.cursor import ID_REACH_BACK, SEEN_MAX, remembered
from adapters.channels.prestashop.feeds import TURN_OF, TURNS
from adapters.channels.prestashop.plugin import STATE_OF
from adapters.channels.prestashop.simulated import aftermath
from adapters.channels.prestashop.simulated.keys import METHODS
from adapters.channels.prestashop.simulated.tables import RESOURCES
from adapters.channels.prestashop.simulator import FULL_KEY, Shopper
from adapters.http.faults import HTML_HEADERS, HTML_PAGE, cut
from adapters.http.server import Drop, Request, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.channels.prestashop.adapter import PrestaShop
    from tests.adapters.channels.prestashop.conftest import World


def ids(orders: Sequence[ShopOrder | UnreadableOrder]) -> list[int]:
    return sorted(int(order.shop_order) for order in orders)


def only(poll: Poll) -> ShopOrder:
    (order,) = poll.orders
    assert isinstance(order, ShopOrder)
    return order


async def at_turn_of(beside: str, world: World, adapter: PrestaShop | None = None) -> str:
    """Return a cursor behind everything, whose next poll asks for this in place of the orders by date."""
    _, cursor = await world.drained(None, adapter)
    _, cursor = await world.drained(cursor, adapter)
    turn = next(turn for turn, each in TURN_OF.items() if each == beside)
    return json.dumps(json.loads(cursor) | {"turn": turn})


def orders_page(request: Request) -> bool:
    return request.path == "/api/orders"


async def test_an_order_comes_with_its_lines_its_money_its_carrier_and_where_it_goes(world: World) -> None:
    shopper = Shopper("Zoé", "Müller", "zoe@example.com", "1 rue X", "2e", "1000", "Bruxelles", "BE")
    placed = world.shop.place_order([("teapot", 2), ("shirt-m", 1)], shopper)
    order = only(await world.adapter.poll(None))
    assert order.shop_order == str(placed)
    assert order.reference == world.shop.order(placed).reference
    assert (order.standing, order.currency, order.service, order.country) == ("open", "EUR", "express", "BE")
    assert order.placed_at == world.clock.now
    assert order.shipping == Decimal("7.00")
    assert order.total == Decimal("84.84")
    assert [(line.sku, line.units, line.unit_price) for line in order.lines] == [
        ("teapot", 2, Decimal("19.90")),
        ("shirt-m", 1, Decimal("23.90")),
    ]
    contact = order.contact
    assert (contact.name, contact.city, contact.email) == ("Zoé Müller", "Bruxelles", "zoe@example.com")


async def test_no_password_hash_and_no_secure_key_ever_leaves_the_shop(world: World) -> None:
    placed = world.shop.place_order([("teapot", 1)])
    order = only(await world.adapter.poll(None))
    for row in (world.shop.tables["orders"][placed], world.shop.tables["customers"][int(order.customer)]):
        assert str(row["secure_key"]).encode() not in order.raw
    assert b"passwd" not in order.raw
    assert all("full" not in request.target for request in world.requests)


async def test_an_order_is_told_once_and_again_only_when_it_changes(world: World) -> None:
    placed = world.shop.place_order([("teapot", 1)])
    orders, cursor = await world.drained()
    assert ids(orders) == [placed]
    orders, cursor = await world.drained(cursor)
    assert orders == []
    world.shop.cancel_order(placed)
    orders, cursor = await world.drained(cursor)
    assert [order.standing for order in orders if isinstance(order, ShopOrder)] == ["cancelled"]
    orders, cursor = await world.drained(cursor)
    assert orders == []


async def test_a_second_change_within_the_same_second_is_seen(world: World) -> None:
    first = world.shop.place_order([("teapot", 1)])
    _, cursor = await world.drained()
    second = world.shop.place_order([("cup", 1)])
    world.shop.set_state(first, 6)
    orders, cursor = await world.drained(cursor)
    assert ids(orders) == [first, second]
    world.shop.set_state(second, 6)
    orders, cursor = await world.drained(cursor)
    assert ids(orders) == [second]


async def test_every_idle_poll_costs_the_shop_exactly_one_request(world: World) -> None:
    world.shop.place_order([("teapot", 1)])
    _, cursor = await world.drained()
    requests: list[int] = []
    for _ in range(TURNS):
        before = len(world.requests)
        poll = await world.adapter.poll(cursor)
        cursor = poll.cursor
        requests.append(len(world.requests) - before)
    assert requests == [1] * TURNS
    asked = {each.path.removeprefix("/api/") for each in world.requests[-TURNS:]}
    assert asked == {"orders", "order_slip", "order_histories", "order_payments"}


def test_what_is_asked_in_place_of_the_orders_is_never_asked_twice_in_a_row() -> None:
    turns = [TURN_OF.get(turn % TURNS) for turn in range(TURNS + 1)]
    assert not any(one and other for one, other in itertools.pairwise(turns))


async def test_what_is_placed_and_edited_while_something_else_is_asked_is_found_by_the_next_poll(
    world: World,
) -> None:
    edited = world.shop.place_order([("teapot", 1)])
    world.clock.tick(hours=1)
    for _ in range(ID_REACH_BACK + 1):
        world.shop.place_order([("cup", 1)])
    _, cursor = await world.drained()
    missed: set[int] = set()
    partial_polls = 0
    for turn in range(TURNS):
        world.clock.tick(seconds=5)
        expected = {edited, world.shop.place_order([("cup", 1)])}
        world.shop.set_state(edited, 3 if turn % 2 else 2)
        poll = await world.adapter.poll(cursor)
        told, cursor = set(ids(poll.orders)), poll.cursor
        assert missed <= told
        assert poll.partial or expected <= told
        missed = expected - told
        partial_polls += poll.partial
    assert partial_polls == len(TURN_OF)


async def test_a_new_order_found_by_its_id_hides_no_older_edit(world: World) -> None:
    edited = world.shop.place_order([("teapot", 1)])
    for _ in range(ID_REACH_BACK + 1):
        world.shop.place_order([("cup", 1)])
    cursor = await at_turn_of("id", world)
    world.clock.tick(minutes=1)
    world.shop.cancel_order(edited)
    world.clock.tick(hours=2)  # the shop was away, or we were
    placed = world.shop.place_order([("cup", 1)])
    by_id = await world.adapter.poll(cursor)
    assert (by_id.partial, ids(by_id.orders)) == (True, [placed])
    world.clock.tick(seconds=5)
    orders, _ = await world.drained(by_id.cursor)
    assert ids(orders) == [edited]


async def test_more_new_orders_than_a_page_by_id_are_all_told_by_the_next_poll(world: World) -> None:
    async with world.connect(page_size=3) as adapter:
        cursor = await at_turn_of("id", world, adapter)
        placed = []
        for _ in range(3 + ID_REACH_BACK + 9):
            world.clock.tick(seconds=1)
            placed.append(world.shop.place_order([("cup", 1)]))
        by_id = await adapter.poll(cursor)
        orders, _ = await world.drained(by_id.cursor, adapter)
        assert ids([*by_id.orders, *orders]) == placed


@pytest.mark.parametrize("beside", ["id", "slip", "history", "payment"])
async def test_a_half_built_order_is_looked_at_again_whatever_else_is_asked(
    world: World, beside: str
) -> None:
    cursor = await at_turn_of(beside, world)
    placed = world.shop.begin_order([("teapot", 1), ("cup", 2)])
    state = json.loads(cursor)
    state["turn"] -= 1
    building = await world.adapter.poll(json.dumps(state))
    assert (building.partial, building.orders) == (False, ())
    world.shop.finish_order(placed)
    complete = await world.adapter.poll(building.cursor)
    assert (complete.partial, ids(complete.orders)) == (True, [placed])


async def test_a_half_built_order_is_revisited_and_told_when_it_is_complete(world: World) -> None:
    world.shop.half_built_reads = 3
    placed = world.shop.place_order([("teapot", 1), ("cup", 2)])
    seen: list[ShopOrder | UnreadableOrder] = []
    cursor = None
    for _ in range(4):
        orders, cursor = await world.drained(cursor)
        seen += orders
    (order,) = seen
    assert isinstance(order, ShopOrder)
    assert order.shop_order == str(placed)
    assert [line.sku for line in order.lines] == ["teapot", "cup"]


async def test_an_order_that_stays_half_built_does_not_wait_unseen(world: World) -> None:
    placed = world.shop.begin_order([("teapot", 1), ("cup", 2)])
    orders, cursor = await world.drained()
    assert orders == []
    world.clock.tick(minutes=30)
    orders, cursor = await world.drained(cursor)
    assert [order.standing for order in orders if isinstance(order, ShopOrder)] == ["unfinished"]
    orders, cursor = await world.drained(cursor)
    assert orders == []
    world.shop.finish_order(placed)
    orders, cursor = await world.drained(cursor)
    assert [order.standing for order in orders if isinstance(order, ShopOrder)] == ["open"]


async def test_an_order_that_stays_half_built_costs_later_polls_nothing(world: World) -> None:
    world.shop.begin_order([("teapot", 1), ("cup", 2)])
    emptied = world.shop.place_order([("teapot", 1)])
    aftermath.take_out_lines(world.shop, emptied)
    world.clock.tick(minutes=30)
    orders, cursor = await world.drained()
    assert [order.standing for order in orders] == ["unfinished"] * 2
    world.clock.tick(hours=3)
    _, cursor = await world.drained(cursor)
    for _ in range(TURNS):
        before = len(world.requests)
        poll = await world.adapter.poll(cursor)
        cursor = poll.cursor
        assert (poll.orders, len(world.requests) - before) == ((), 1)


async def test_an_unpaid_order_that_was_cancelled_line_by_line_is_cancelled(world: World) -> None:
    placed = world.shop.place_order([("teapot", 1), ("cup", 2)], state=10)
    orders, cursor = await world.drained()
    assert [order.standing for order in orders] == ["unpaid"]
    aftermath.take_out_lines(world.shop, placed)
    world.shop.cancel_order(placed)
    (order,), _ = await world.drained(cursor)
    assert isinstance(order, ShopOrder)
    assert (order.standing, order.lines) == ("cancelled", ())
    assert await world.adapter.order(str(placed)) == order


async def test_every_order_is_imported_although_pages_are_small_and_orders_change_meanwhile(
    world: World,
) -> None:
    placed = []
    for _ in range(23):
        placed.append(world.shop.place_order([("cup", 1)]))
        world.clock.tick(seconds=400)
    async with world.connect(page_size=4) as adapter:
        poll = await adapter.poll(None)
        told = ids(poll.orders)
        world.clock.tick(seconds=5)
        world.shop.cancel_order(placed[0])
        world.clock.tick(seconds=3600)
        placed.append(world.shop.place_order([("cup", 1)]))
        orders, cursor = await world.drained(poll.cursor, adapter)
        told += ids(orders)
        orders, cursor = await world.drained(cursor, adapter)
    assert sorted(told) == placed
    assert ids(orders) == [placed[0]]


async def test_more_changes_than_a_page_are_all_told_in_whatever_order_they_happened(world: World) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(10)]
    async with world.connect(page_size=3) as adapter:
        _, cursor = await world.drained(None, adapter)
        for order in reversed(placed):
            world.clock.tick(seconds=200)
            world.shop.cancel_order(order)
        orders, cursor = await world.drained(cursor, adapter)
        assert ids(orders) == placed
        orders, _ = await world.drained(cursor, adapter)
        assert orders == []


async def test_more_orders_than_a_page_within_one_second_are_all_told(world: World) -> None:
    async with world.connect(page_size=3) as adapter:
        _, cursor = await world.drained(None, adapter)
        world.clock.tick(seconds=60)
        placed = [world.shop.place_order([("cup", 1)]) for _ in range(11)]
        world.clock.tick(seconds=1)
        placed.append(world.shop.place_order([("cup", 1)]))
        orders, cursor = await world.drained(cursor, adapter)
        assert ids(orders) == placed
        orders, _ = await world.drained(cursor, adapter)
        assert orders == []


async def test_what_changes_in_the_hour_that_repeats_is_told(world: World) -> None:
    world.clock.now = datetime(2026, 10, 25, 0, 50, tzinfo=UTC)  # 02:50 in Paris, for the first time
    first = world.shop.place_order([("cup", 1)])
    _, cursor = await world.drained()
    world.clock.tick(minutes=20)  # 02:10, for the second time
    world.shop.cancel_order(first)
    second = world.shop.place_order([("cup", 1)])
    orders, cursor = await world.drained(cursor)
    assert ids(orders) == [first, second]
    world.clock.tick(minutes=55)  # 03:05
    world.shop.cancel_order(second)
    orders, cursor = await world.drained(cursor)
    assert ids(orders) == [second]


async def test_an_order_dated_in_the_future_hides_nothing(world: World) -> None:
    late = world.shop.place_order([("cup", 1)])
    _, cursor = await world.drained()
    world.shop.tables["orders"][late]["date_upd"] = "2031-01-01 00:00:00"
    _, cursor = await world.drained(cursor)
    world.clock.tick(seconds=3600)
    placed = world.shop.place_order([("cup", 1)])
    orders, cursor = await world.drained(cursor)
    assert ids(orders) == [placed]


async def test_an_order_whose_date_is_wrong_is_found_by_its_id(world: World) -> None:
    world.shop.place_order([("cup", 1)])
    _, cursor = await world.drained()
    placed = world.shop.place_order([("cup", 1)])
    world.shop.tables["orders"][placed]["date_upd"] = "2020-01-01 00:00:00"
    told: list[ShopOrder | UnreadableOrder] = []
    for _ in range(7):
        orders, cursor = await world.drained(cursor)
        told += orders
    assert ids(told) == [placed]


async def test_an_order_whose_customer_was_deleted_is_sent_to_its_address_all_the_same(world: World) -> None:
    placed = world.shop.place_order([("cup", 1)], Shopper("Zoé", "Müller", "zoe@example.com"))
    del world.shop.tables["customers"][int(str(world.shop.tables["orders"][placed]["id_customer"]))]
    order = only(await world.adapter.poll(None))
    assert (order.standing, order.contact.name, order.contact.email) == ("open", "Zoé Müller", "")


async def test_a_carrier_that_was_edited_is_still_the_same_service(world: World) -> None:
    world.shop.edit_carrier(2)
    world.shop.place_order([("cup", 1)], carrier=2)
    assert only(await world.adapter.poll(None)).service == "express"


async def test_an_unpaid_order_and_a_state_of_the_shops_own_are_understood(world: World) -> None:
    for name, paid, shipped in (("On its way", "1", "1"), ("Waiting for money", "0", "0")):
        world.shop.tables.insert("order_states", {"name": name, "paid": paid, "shipped": shipped})
    for state in (10, 14, 15):
        world.shop.place_order([("cup", 1)], state=state)
    orders, _ = await world.drained()
    assert [order.standing for order in orders if isinstance(order, ShopOrder)] == [
        "unpaid",
        "shipped",
        "unpaid",
    ]


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("total_paid", "twelve", "total_paid"),
        ("total_paid", None, "total_paid"),
        ("date_add", "0000-00-00 00:00:00", "date_add"),
        ("id_address_delivery", 999, "id_address_delivery"),
        ("id_currency", 7, "id_currency"),
        ("current_state", 77, "current_state"),
    ],
)
async def test_an_order_with_a_nonsense_field_does_not_stop_the_others(
    world: World, field: str, value: object, named: str
) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(3)]
    world.shop.tables["orders"][placed[1]][field] = value  # type: ignore[assignment]
    orders, _ = await world.drained()
    assert ids(orders) == placed
    (unreadable,) = [order for order in orders if isinstance(order, UnreadableOrder)]
    assert unreadable.shop_order == str(placed[1])
    assert named in unreadable.why


@pytest.mark.parametrize("date", [[], {}, None, 1.5, "soon"])
async def test_an_order_that_says_no_date_of_its_change_stops_no_other(world: World, date: object) -> None:
    _, cursor = await world.drained()
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(2)]

    def without_date(answer: Response) -> Response | Drop:
        page = json.loads(answer.body)
        page["orders"][0]["date_upd"] = date
        return Response(answer.status, json.dumps(page).encode(), answer.headers)

    world.faults.change_next(without_date, orders_page)
    orders, cursor = await world.drained(cursor)
    assert ids(orders) == placed
    world.clock.tick(minutes=1)
    placed.append(world.shop.place_order([("cup", 1)]))
    orders, _ = await world.drained(cursor)
    assert placed[-1] in ids(orders)


async def test_a_full_page_whose_last_order_says_no_date_hides_none_of_those_behind_it(world: World) -> None:
    async with world.connect(page_size=3) as adapter:
        _, cursor = await world.drained(None, adapter)
        placed = []
        for _ in range(7):
            world.clock.tick(seconds=1)
            placed.append(world.shop.place_order([("cup", 1)]))

        def without_date(answer: Response) -> Response | Drop:
            page = json.loads(answer.body)
            page["orders"][-1]["date_upd"] = []
            return Response(answer.status, json.dumps(page).encode(), answer.headers)

        world.faults.change_next(without_date, orders_page)
        orders, _ = await world.drained(cursor, adapter)
        assert sorted(set(ids(orders))) == placed


async def test_a_field_that_is_missing_makes_its_order_unreadable(world: World) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(2)]

    def without_prices(answer: Response) -> Response | Drop:
        page = json.loads(answer.body)
        for row in page["orders"][0]["associations"]["order_rows"]:
            del row["unit_price_tax_excl"]
        return Response(answer.status, json.dumps(page).encode(), answer.headers)

    world.faults.change_next(without_prices, orders_page)
    orders, _ = await world.drained()
    assert [type(order) for order in orders] == [UnreadableOrder, ShopOrder]
    assert ids(orders) == placed


async def test_a_page_of_html_is_malformed_and_nothing_is_forgotten(world: World) -> None:
    placed = world.shop.place_order([("cup", 1)])
    world.faults.answer_next(Response(200, HTML_PAGE, HTML_HEADERS), orders_page)
    with pytest.raises(MalformedError):
        await world.adapter.poll(None)
    assert ids((await world.adapter.poll(None)).orders) == [placed]


@pytest.mark.parametrize("where", [orders_page, lambda request: request.path == "/api/addresses"])
async def test_a_page_that_breaks_off_is_read_again(world: World, where: object) -> None:
    placed = world.shop.place_order([("cup", 1)])
    world.faults.change_next(lambda answer: cut(answer, len(answer.body) // 2), where)  # type: ignore[arg-type]
    with pytest.raises(UnreachableError):
        await world.adapter.poll(None)
    world.faults.change_next(
        lambda answer: Response(200, answer.body[: len(answer.body) // 2], answer.headers), orders_page
    )
    with pytest.raises(UnreachableError):
        await world.adapter.poll(None)
    assert ids((await world.adapter.poll(None)).orders) == [placed]


@pytest.mark.parametrize("answer", [Response(502, HTML_PAGE, HTML_HEADERS), Response(500), Drop()])
async def test_during_an_outage_the_shop_is_unreachable_and_afterwards_nothing_is_missing(
    world: World, answer: Response | Drop
) -> None:
    _, cursor = await world.drained()
    world.faults.outage_answer = answer
    world.faults.outage = True
    placed = world.shop.place_order([("cup", 1)])
    with pytest.raises(UnreachableError):
        await world.adapter.poll(cursor)
    world.faults.outage = False
    world.clock.tick(minutes=1)
    orders, _ = await world.drained(cursor)
    assert ids(orders) == [placed]


async def test_a_key_that_is_revoked_and_given_back_loses_nothing(world: World) -> None:
    _, cursor = await world.drained()
    placed = world.shop.place_order([("cup", 1)])
    key = world.shop.keys[FULL_KEY]
    key.active = False
    with pytest.raises(UnreachableError, match="20") as refused:
        await world.adapter.poll(cursor)
    assert FULL_KEY not in str(refused.value)
    key.active = True
    orders, _ = await world.drained(cursor)
    assert ids(orders) == [placed]


async def test_a_proxy_that_drops_the_key_for_a_while_loses_no_order(world: World) -> None:
    _, cursor = await world.drained()
    placed = world.shop.place_order([("cup", 1)])
    dropped = Response(401, b"401 Unauthorized", HTML_HEADERS)
    for _ in ("by header", "by query"):
        world.faults.answer_next(dropped, orders_page)
    with pytest.raises(UnreachableError, match="does not reach the webservice"):
        await world.adapter.poll(cursor)
    for _ in ("by header", "by query"):
        world.faults.answer_next(dropped, lambda request: request.path == "/api/addresses")
    with pytest.raises(UnreachableError):
        await world.adapter.poll(cursor)
    orders, _ = await world.drained(cursor)
    assert ids(orders) == [placed]


async def test_a_wrong_host_is_not_followed_to_the_front_page(world: World) -> None:
    async with world.connect(id_shop=99) as adapter:
        with pytest.raises(UnreachableError, match="front page"):
            await adapter.poll(None)


async def test_a_server_that_drops_the_authorization_header_is_reached_by_ws_key(world: World) -> None:
    placed = world.shop.place_order([("cup", 1)])
    async with world.connect(key_in_query=True) as adapter:
        assert ids((await adapter.poll(None)).orders) == [placed]
    assert all(request.header("authorization") is None for request in world.requests)


async def test_a_server_that_begins_to_drop_the_header_is_gone_round_by_itself_and_no_write_is_doubled(
    world: World,
) -> None:
    placed = world.shop.place_order([("cup", 1)])
    _, cursor = await world.drained()
    world.shop.drops_authorization = True
    document = ShopStatus(str(placed), "preparing")
    await world.adapter.carry_out(document)
    assert world.shop.order(placed).states.count(STATE_OF["preparing"]) == 1
    another = world.shop.place_order([("cup", 1)])
    before = len(world.requests)
    orders, _ = await world.drained(cursor)
    assert another in ids(orders)
    assert all(request.header("authorization") is None for request in world.requests[before:])


async def test_what_is_refunded_before_it_is_shipped_is_no_longer_asked_for(world: World) -> None:
    placed = world.shop.place_order([("teapot", 2), ("cup", 3)])
    _, cursor = await world.drained()
    world.shop.refund(placed, [("cup", 1), ("teapot", 2)])
    told: list[ShopOrder | UnreadableOrder] = []
    for _ in range(7):
        orders, cursor = await world.drained(cursor)
        told += orders
    (order,) = told
    assert isinstance(order, ShopOrder)
    assert [(line.sku, line.units) for line in order.lines] == [("cup", 2)]
    world.shop.refund(placed, [("cup", 2)])
    again = await world.adapter.order(str(placed))
    assert isinstance(again, ShopOrder)
    assert (again.standing, again.lines) == ("cancelled", ())


async def test_a_refund_of_what_has_left_changes_no_line(world: World) -> None:
    placed = world.shop.place_order([("cup", 3)])
    world.shop.set_state(placed, 4)
    world.shop.refund(placed, [("cup", 3)])
    order = await world.adapter.order(str(placed))
    assert isinstance(order, ShopOrder)
    assert (order.standing, [line.units for line in order.lines]) == ("shipped", [3])


async def test_a_refund_of_what_has_left_is_told_by_the_poll_in_units_of_each_line(world: World) -> None:
    placed = world.shop.place_order([("teapot", 2), ("cup", 3)])
    other = world.shop.place_order([("cup", 1)])
    for each in (placed, other):
        world.shop.set_state(each, 4)
    _, cursor = await world.drained()
    world.shop.refund(placed, [("cup", 1)])
    world.shop.refund(placed, [("cup", 1)])
    told: list[ShopOrder | UnreadableOrder] = []
    for _ in range(24):
        orders, cursor = await world.drained(cursor)
        told += orders
    (order,) = told
    assert isinstance(order, ShopOrder)
    assert (order.shop_order, order.standing) == (str(placed), "shipped")
    assert [(line.sku, line.units) for line in order.credited] == [("cup", 2)]


async def test_without_the_right_to_read_refunds_they_can_be_left_out(world: World) -> None:
    placed = world.shop.place_order([("cup", 3)])
    every = {name: METHODS for name in RESOURCES if name != "order_slip"}
    world.shop.keys[FULL_KEY].rights = every
    with pytest.raises(UnreachableError, match="order_slip"):
        await world.adapter.poll(None)
    async with world.connect(refunds=False) as adapter:
        assert ids((await adapter.poll(None)).orders) == [placed]


async def test_an_order_that_was_deleted_is_none(world: World) -> None:
    placed = world.shop.place_order([("cup", 1)])
    order = await world.adapter.order(str(placed))
    assert isinstance(order, ShopOrder)
    world.shop.edit_address(placed, city="Lyon")
    again = await world.adapter.order(str(placed))
    assert isinstance(again, ShopOrder)
    assert again.contact.city == "Lyon"
    world.shop.delete_order(placed)
    assert await world.adapter.order(str(placed)) is None


async def test_deleted_orders_are_found_among_the_open_ones(world: World) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(3)]
    world.shop.delete_order(placed[1])
    found = await world.adapter.reread([str(order) for order in placed])
    assert found.keys() == {str(placed[0]), str(placed[2])}


async def test_a_refund_that_makes_no_sense_stops_its_own_order_alone(world: World) -> None:
    placed, other = (world.shop.place_order([("cup", 1)]) for _ in range(2))
    slip = world.shop.refund(placed, [("cup", 1)])
    world.shop.lists["order_slip", slip]["order_slip_details"][0]["product_quantity"] = "some"
    orders = await world.adapter.reread([str(placed), str(other)])
    stopped = orders[str(placed)]
    assert isinstance(stopped, UnreadableOrder)
    assert stopped.why == "a refund: product_quantity is no whole number"
    assert isinstance(orders[str(other)], ShopOrder)


def test_what_is_forgotten_is_the_oldest_and_polls_reach_no_further_back_than_that() -> None:
    seen = {order: (1000 + order // 2, "digest") for order in range(1, SEEN_MAX + 11)}
    kept, newest_forgotten = remembered(seen, 0, SEEN_MAX + 10)
    assert min(kept) == 11
    assert (len(kept), newest_forgotten) == (SEEN_MAX, 1005)
    kept, newest_forgotten = remembered(seen, 1000 + SEEN_MAX // 2, 2 * SEEN_MAX)
    assert min(kept) == SEEN_MAX
    assert newest_forgotten == 0


async def test_more_orders_than_are_remembered_are_not_told_again(world: World) -> None:
    placed = world.shop.place_order([("cup", 1)])
    _, cursor = await world.drained()
    state = json.loads(cursor)
    # As after a burst of which this order was the newest that had to be forgotten.
    del state["seen"][str(placed)]
    state |= {"floor": "2026-11-23 09:00:01", "turn": 1}
    later = world.shop.place_order([("cup", 1)])
    orders, cursor = await world.drained(json.dumps(state))
    assert orders == []
    world.clock.tick(seconds=1)
    world.shop.cancel_order(later)
    orders, cursor = await world.drained(cursor)
    assert ids(orders) == [later]


async def test_a_cursor_that_is_not_ours_is_refused(world: World) -> None:
    with pytest.raises(MalformedError):
        await world.adapter.poll("yesterday")


# --- what it costs the shop ---------------------------------------------------------------------------------


async def test_orders_that_are_shipped_or_cancelled_cost_the_shop_no_look_at_their_people(
    world: World,
) -> None:
    for state in (4, 5, 6):
        world.shop.set_state(world.shop.place_order([("teapot", 1)]), state)
    orders, _ = await world.drained()
    assert sorted(order.standing for order in orders if isinstance(order, ShopOrder)) == [
        "cancelled",
        "shipped",
        "shipped",
    ]
    assert world.count("GET", "/api/customers") == world.count("GET", "/api/addresses") == 0


async def test_a_shop_that_goes_quiet_after_a_rush_is_not_asked_for_the_rush_again(world: World) -> None:
    for _ in range(9):
        world.shop.place_order([("teapot", 1)])
    async with world.connect(page_size=4) as adapter:
        _, cursor = await world.drained(None, adapter)
        for _ in range(2):
            world.clock.tick(seconds=400)
            _, cursor = await world.drained(cursor, adapter)
        before = world.count("GET", "/api/orders")
        _, cursor = await world.drained(cursor, adapter)
        assert world.count("GET", "/api/orders") == before + 1


async def test_a_cursor_can_begin_with_the_first_order_placed_since_and_then_hears_of_older_ones(
    world: World,
) -> None:
    placed = []
    for _ in range(5):
        placed.append(world.shop.place_order([("cup", 1)]))
        world.clock.tick(hours=1)
    cursor = await world.adapter.cursor_at(world.clock.now - timedelta(hours=2, minutes=1))
    orders, cursor = await world.drained(cursor)
    assert ids(orders) == placed[3:]
    world.clock.tick(minutes=1)
    world.shop.cancel_order(placed[0])
    orders, cursor = await world.drained(cursor)
    assert placed[0] in ids(orders)


async def test_a_cursor_that_begins_again_earlier_forgets_no_change(world: World) -> None:
    placed = [world.shop.place_order([("cup", 1)]) for _ in range(3)]
    _, cursor = await world.drained()
    world.clock.tick(hours=3)
    world.shop.cancel_order(placed[0])
    world.clock.tick(hours=3)
    again = await world.adapter.cursor_at(world.clock.now, cursor)
    orders, again = await world.drained(again)
    assert orders == []
    orders, _ = await world.drained(again)
    assert placed[0] in ids(orders)


async def test_a_cursor_in_a_shop_without_orders_since_begins_behind_the_last_one(world: World) -> None:
    world.shop.place_order([("cup", 1)])
    world.clock.tick(hours=3)
    cursor = await world.adapter.cursor_at(world.clock.now)
    assert (await world.drained(cursor))[0] == []
    world.clock.tick(hours=3)
    placed = world.shop.place_order([("cup", 1)])
    assert ids((await world.drained(cursor))[0]) == [placed]
