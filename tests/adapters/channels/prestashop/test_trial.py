"""`wharfinger check --channel`: a newcomer is told what is wrong with his shop and what to do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from actors.errors import MalformedError
from adapters.channels.prestashop.simulated.keys import Key, rights
from adapters.channels.prestashop.simulator import FULL_KEY
from adapters.channels.prestashop.trial import try_shop
from adapters.channels.prestashop.trial.rights import NEEDED, WELCOME
from adapters.http.faults import HTML_HEADERS, HTML_PAGE
from adapters.http.server import Response

if TYPE_CHECKING:
    from adapters.trials import Finding
    from tests.adapters.channels.prestashop.conftest import World

EVERY_CARRIER = {"1": "pickup", "2": "express", "3": "cheap"}


async def tried(world: World, **settings: object) -> list[Finding]:
    given = {"service_of": EVERY_CARRIER} | settings
    return list(await try_shop("main", world.settings(**given), lambda: world.clock.now))


def not_well(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(each.judgement, each.step) for each in findings if each.judgement != "ok"]


async def only(world: World, judgement: str, step: str, **settings: object) -> Finding:
    """Return the one thing that is not well; what is to be done about it is always said."""
    findings = await tried(world, **settings)
    assert not_well(findings) == [(judgement, step)], findings
    (found,) = (each for each in findings if each.judgement != "ok")
    assert found.mend
    assert FULL_KEY not in repr(findings)
    return found


async def test_a_shop_that_is_set_up_well_is_told_so_and_left_as_it_was(world: World) -> None:
    world.shop.place_order([("teapot", 1), ("shirt-m", 1)])
    before = world.shop.orders(), world.shop.stocks(), dict(world.shop.tables["order_histories"])
    findings = await tried(world)
    assert not_well(findings) == []
    assert [each.step for each in findings] == [
        "address",
        "key",
        "version",
        "rights",
        "maintenance",
        "clock",
        "time zone",
        "order states",
        "carriers",
        "references",
        "combinations",
        "advanced stock",
        "orders",
    ]
    assert (world.shop.orders(), world.shop.stocks(), dict(world.shop.tables["order_histories"])) == before
    assert all(b"<" not in request.body for request in world.requests)


# --- address and connection ---------------------------------------------------------------------------------


async def test_a_host_that_the_shop_does_not_call_itself_is_named_with_the_one_that_it_does(
    world: World,
) -> None:
    url = world.url.replace("127.0.0.1", "localhost")
    found = await only(world, "wrong", "address", url=url)
    assert "localhost" in found.detail
    assert "127.0.0.1" in found.detail


async def test_a_server_that_tells_the_shop_another_host_is_named(world: World) -> None:
    world.faults.answer_next(Response(302, b"", (*HTML_HEADERS, ("Location", world.url + "/?url="))), count=9)
    found = await only(world, "wrong", "address")
    assert "Host header" in found.mend


async def test_a_shop_number_that_there_is_not_is_told_apart_from_a_wrong_host(world: World) -> None:
    found = await only(world, "wrong", "address", id_shop=9)
    assert found.detail == "the shop has no id_shop 9"


async def test_a_shop_that_wants_https_is_recognised(world: World) -> None:
    there = ("Location", world.url.replace("http://", "https://") + "/api/")
    world.faults.answer_next(Response(301, b"", (*HTML_HEADERS, there)), count=9)
    found = await only(world, "wrong", "address")
    assert found.mend == "write https:// in url"


async def test_an_address_where_nobody_listens_is_a_matter_of_the_connection(world: World) -> None:
    found = await only(world, "wrong", "connection", url="http://127.0.0.1:9")
    assert "firewall" in found.mend


async def test_https_where_the_shop_speaks_http_is_a_matter_of_tls(world: World) -> None:
    found = await only(world, "wrong", "connection", url=world.url.replace("http://", "https://"))
    assert "no TLS" in found.detail


async def test_a_page_that_is_no_webservice_is_recognised(world: World) -> None:
    world.faults.answer_next(Response(200, HTML_PAGE, HTML_HEADERS), count=9)
    assert "no webservice" in (await only(world, "wrong", "address")).detail


async def test_a_url_below_the_shops_own_finds_no_webservice(world: World) -> None:
    found = await only(world, "wrong", "address", url=f"{world.url}/shop")
    assert "no webservice at /api/" in found.detail


async def test_a_shop_whose_database_is_down_is_told_so(world: World) -> None:
    world.faults.answer_next(Response(500, HTML_PAGE, HTML_HEADERS), count=9)
    assert "the shop is down" in (await only(world, "wrong", "webservice")).detail


# --- the key ------------------------------------------------------------------------------------------------


async def test_a_key_that_the_shop_does_not_know_is_told_by_its_code(world: World) -> None:
    assert "code 20" in (await only(world, "wrong", "key", key="X" * 32)).detail


async def test_a_key_that_is_disabled_is_told_by_its_code(world: World) -> None:
    world.shop.keys[FULL_KEY] = Key(active=False)
    assert "disabled" in (await only(world, "wrong", "key")).detail


@pytest.mark.parametrize(("key", "code"), [("SHORT", 18), ("", 17)])
async def test_a_key_of_the_wrong_length_is_told_by_its_code(world: World, key: str, code: int) -> None:
    assert f"code {code}" in (await only(world, "wrong", "key", key=key)).detail


async def test_a_server_that_drops_the_header_is_recognised_and_the_rest_is_tried_all_the_same(
    world: World,
) -> None:
    world.shop.drops_authorization = True
    findings = await tried(world)
    assert not_well(findings) == [("wrong", "key")]
    assert findings[0].mend.endswith("and stands in the shop's access log")
    assert findings[-1].step == "orders"
    assert not_well(await tried(world, key_in_query=True)) == []


async def test_a_webservice_that_is_switched_off_is_told_by_its_code(world: World) -> None:
    world.shop.disabled = True
    assert "code 22" in (await only(world, "wrong", "webservice")).detail


async def test_a_shop_before_patch_is_too_old(world: World) -> None:
    world.shop.version = "1.7.8.11"
    findings = await tried(world)
    told = [(each.step, each.detail) for each in findings if each.judgement == "wrong"]
    assert [step for step, _ in told] == ["version", "rights", "rights"]
    assert told[1][1] == "PATCH order_carriers: this PrestaShop has no PATCH"
    assert told[2][1] == "PATCH stock_availables: this PrestaShop has no PATCH"


# --- rights -------------------------------------------------------------------------------------------------

RIGHTS = [(resource, method) for resource, methods in NEEDED.items() for method in methods]


@pytest.mark.parametrize(("resource", "method"), RIGHTS)
async def test_each_right_that_is_missing_is_named(world: World, resource: str, method: str) -> None:
    granted = {name: " ".join(methods) for name, methods in NEEDED.items()}
    granted[resource] = " ".join(each for each in NEEDED[resource] if each != method)
    granted |= dict.fromkeys(WELCOME, "GET")
    world.shop.keys[FULL_KEY] = Key(rights=rights(**{name: text for name, text in granted.items() if text}))
    findings = await tried(world)
    assert [each.detail for each in findings if each.step == "rights"] == [
        f"{method} {resource} is not granted"
    ]


async def test_refunds_that_are_not_read_need_no_right(world: World) -> None:
    granted = {name: " ".join(methods) for name, methods in NEEDED.items() if name != "order_slip"}
    world.shop.keys[FULL_KEY] = Key(rights=rights(**granted, **dict.fromkeys(WELCOME, "GET")))
    assert not_well(await tried(world, refunds=False)) == []


async def test_a_shop_that_lacks_a_resource_is_told_so_and_not_to_look_at_its_firewall(world: World) -> None:
    lacks = Response(400, b'{"errors":[{"code":27,"message":"Resource of type does not exists"}]}')
    world.faults.answer_next(lacks, lambda request: request.path == "/api/order_returns")
    finding = await only(world, "warning", "rights")
    assert "has no resource order_returns" in finding.detail
    assert "update the shop" in finding.mend


@pytest.mark.parametrize("resource", WELCOME)
async def test_a_right_that_only_tells_people_more_is_named_and_a_warning(
    world: World, resource: str
) -> None:
    granted = {name: " ".join(methods) for name, methods in NEEDED.items()}
    granted |= dict.fromkeys(WELCOME.keys() - {resource}, "GET")
    world.shop.keys[FULL_KEY] = Key(rights=rights(**granted))
    found = await only(world, "warning", "rights")
    assert found.detail == f"GET {resource} is not granted: {WELCOME[resource]}"
    assert found.mend.startswith(f"tick GET of {resource}")


async def test_a_key_of_another_shop_is_told_so(world: World) -> None:
    world.shop.keys[FULL_KEY] = Key(shops=frozenset({2}))
    findings = await tried(world)
    told = [each for each in findings if (each.judgement, each.step) == ("wrong", "rights")]
    assert {each.detail.partition(": ")[2] for each in told} == {"the key has no permission for this id_shop"}


async def test_a_firewall_that_knows_no_patch_is_told_apart_from_a_missing_right(world: World) -> None:
    blocked = Response(405, HTML_PAGE, HTML_HEADERS)
    world.faults.answer_next(blocked, lambda request: request.method == "PATCH", count=2)
    findings = await tried(world)
    assert [each.detail for each in findings if each.judgement == "wrong"] == [
        "PATCH order_carriers does not reach the webservice: 405",
        "PATCH stock_availables does not reach the webservice: 405",
    ]


# --- how the shop is set up ---------------------------------------------------------------------------------


def configure(world: World, name: str, value: str) -> None:
    rows = world.shop.tables["configurations"]
    for row in rows.values():
        if row["name"] == name:
            row["value"] = value
            return
    world.shop.tables.insert("configurations", {"name": name, "value": value})


async def test_maintenance_is_a_warning_since_the_webservice_works(world: World) -> None:
    configure(world, "PS_SHOP_ENABLE", "0")
    assert "nobody can buy" in (await only(world, "warning", "maintenance")).detail


async def test_a_shop_without_stock_management_is_told_so(world: World) -> None:
    configure(world, "PS_STOCK_MANAGEMENT", "0")
    await only(world, "wrong", "stock")


@pytest.mark.parametrize(("seconds", "judgement"), [(45, "warning"), (-45, "warning"), (3600, "wrong")])
async def test_a_clock_that_is_off_is_told_by_how_much(world: World, seconds: int, judgement: str) -> None:
    settings = world.settings(service_of=EVERY_CARRIER)
    ours = world.clock.now - timedelta(seconds=seconds)
    findings = list(await try_shop("main", settings, lambda: ours))
    assert not_well(findings) == [(judgement, "clock")]
    (found,) = (each for each in findings if each.step == "clock")
    assert f"{abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} ours" in found.detail


async def test_a_time_zone_that_nobody_knows_is_told(world: World) -> None:
    configure(world, "PS_TIMEZONE", "Lutetia/Parisiorum")
    findings = await tried(world)
    assert ("wrong", "time zone") in not_well(findings)


async def test_a_time_zone_that_differs_from_the_shops_own_is_a_warning(world: World) -> None:
    assert "Europe/Paris" in (await only(world, "warning", "time zone", time_zone="Europe/London")).detail


async def test_several_time_zones_in_one_installation_have_to_be_chosen_from(world: World) -> None:
    world.shop.tables.insert("configurations", {"name": "PS_TIMEZONE", "value": "Europe/London"})
    assert ("wrong", "time zone") in not_well(await tried(world))
    assert ("warning", "time zone") not in not_well(await tried(world, time_zone="Europe/London"))
    with pytest.raises(MalformedError, match="set time_zone"):
        await world.adapter.poll(None)
    async with world.connect(time_zone="Europe/London") as adapter:
        await adapter.poll(None)


async def test_dates_in_the_future_betray_a_wrong_time_zone(world: World) -> None:
    world.shop.place_order([("teapot", 1)])
    configure(world, "PS_TIMEZONE", "America/New_York")
    assert "dated in the future" in (await only(world, "warning", "time zone")).detail


async def test_a_language_that_the_shop_does_not_speak_is_told_and_one_that_it_does_is_well(
    world: World,
) -> None:
    found = await only(world, "wrong", "language", language="de")
    assert found.detail == "the shop has no active language de"
    spoken = [each for each in await tried(world, language="fr") if each.step == "language"]
    assert [(each.judgement, each.detail) for each in spoken] == [("ok", "fr")]


async def test_order_states_that_do_not_exist_are_named(world: World) -> None:
    del world.shop.tables["order_states"][3]
    del world.shop.tables["order_states"][13]
    findings = await tried(world)
    assert not_well(findings) == [("wrong", "order states"), ("warning", "order states")]
    told = [each.detail for each in findings if each.judgement != "ok"]
    assert told[0] == "the shop has no order state 3, which state_of.preparing names"
    assert told[1].endswith("does not have: 3, 13")


async def test_a_shipped_state_that_the_shop_does_not_count_as_shipped_is_a_warning(world: World) -> None:
    world.shop.tables["order_states"][4]["shipped"] = "0"
    assert "does not count as shipped" in (await only(world, "warning", "order states")).detail


async def test_carriers_without_a_service_and_services_without_a_carrier_are_named(world: World) -> None:
    findings = await tried(world, service_of={"1": "pickup", "2": "express", "7": "drone"})
    told = [each.detail for each in findings if each.judgement == "warning"]
    assert told == [
        "carriers (id_reference) without a service of ours: 3 (My cheap carrier)",
        "service_of names carriers that the shop does not offer: 7",
    ]


# --- products and orders ------------------------------------------------------------------------------------


async def test_a_reference_that_is_used_twice_is_named_with_both(world: World) -> None:
    second = world.shop.add_product("teapot", "Another teapot")
    found = await only(world, "wrong", "references")
    assert found.detail == f"used more than once: teapot (product 1, product {second})"


async def test_articles_without_a_reference_are_named_and_inactive_ones_are_not(world: World) -> None:
    nameless = world.shop.add_product("", "Nobody")
    idle = world.shop.add_product("", "Out of the range")
    world.shop.tables["products"][idle]["active"] = "0"
    assert (await only(world, "warning", "references")).detail == f"without a reference: product {nameless}"


async def test_combinations_out_of_step_with_their_product_are_named(world: World) -> None:
    rows = world.shop.tables["stock_availables"].values()
    own = next(row for row in rows if row["id_product"] == 3 and row["id_product_attribute"] == 0)
    own["quantity"] = 99
    found = await only(world, "warning", "combinations")
    assert found.detail.endswith("product 3 shows 99, its combinations 12")


async def test_stock_that_the_shops_own_warehouses_count_is_named(world: World) -> None:
    row = next(iter(world.shop.tables["stock_availables"].values()))
    row["depends_on_stock"] = "1"
    assert (await only(world, "wrong", "advanced stock")).detail.endswith("products 1")


async def test_products_with_advanced_stock_management_are_a_warning(world: World) -> None:
    world.shop.tables["products"][2]["advanced_stock_management"] = "1"
    configure(world, "PS_ADVANCED_STOCK_MANAGEMENT", "1")
    findings = await tried(world)
    assert not_well(findings) == [("warning", "advanced stock")] * 2


async def test_orders_that_cannot_be_read_are_named_by_what_they_lack(world: World) -> None:
    order = world.shop.place_order([("teapot", 1)])
    world.shop.edit_order(order, total_paid="plenty")
    found = await only(world, "warning", "orders")
    assert found.detail == f"cannot be read: order {order}: total_paid is no number"
