"""Each person a customer of the ERP's own, where the site wants it so; guests under the generic one."""

from collections.abc import AsyncGenerator

import msgspec
import pytest
import trio

from actors.errors import OutcomeUnknownError, RefusedError
from actors.ports.people import Contact
from adapters.erps.divalto.simulator import Switches
from adapters.erps.divalto.simulator.rehearsal import (
    PERSON,
    Site,
    cancellation,
    credit,
    line,
    note,
    open_site,
    order,
)

ZOE = msgspec.structs.replace(PERSON, customer="main:42")


@pytest.fixture
async def each() -> AsyncGenerator[Site]:
    with trio.fail_after(20):
        async with open_site(customer_policy="each", customer_header={"TACOD": "WEB"}) as site:
            yield site


async def test_a_person_becomes_a_customer_with_the_first_order_and_stays_it(each: Site) -> None:
    await each.erp.carry_out(order(), ZOE)
    await each.erp.carry_out(order(reference="main-1043"), ZOE)
    assert [piece.tiers for piece in each.divalto.pieces()] == ["main-42", "main-42"]
    made = each.divalto.third_party("C", "main-42")
    assert made is not None
    assert (made.more["NOM"], made.more["TACOD"]) == ("Zoë Lukasiewicz", "WEB")
    assert "customer main-42" not in each.divalto.duplicates()


async def test_what_comes_after_the_order_is_found_without_knowing_whose_it_was(each: Site) -> None:
    await each.erp.carry_out(order(), ZOE)
    assert (await each.erp.carry_out(note(line("TEAPOT", 1)), None)).reference == "C3-1"
    assert (await each.erp.carry_out(credit(), None)).reference == "C4-1"
    assert (await each.erp.carry_out(cancellation(), None)).reference == "C2-1"
    assert {piece.tiers for piece in each.divalto.pieces()} == {"main-42"}
    assert await each.erp.find(order()) is not None
    assert await each.erp.find(cancellation()) is not None


async def test_an_order_is_found_although_the_site_removes_what_was_delivered() -> None:
    switches = Switches(delivered_header="gone")
    with trio.fail_after(20):
        async with open_site(switches=switches, customer_policy="each") as site:
            await site.erp.carry_out(order(), ZOE)
            await site.erp.carry_out(note(), None)
            found = await site.erp.find(order())
            assert found is not None
            assert found.reference == "C3-1"


@pytest.mark.parametrize("contact", [None, PERSON], ids=["erased", "guest"])
async def test_a_guest_stands_under_the_generic_customer(each: Site, contact: Contact | None) -> None:
    await each.erp.carry_out(order(), contact)
    assert [piece.tiers for piece in each.divalto.pieces()] == ["WEB"]


async def test_a_customer_whose_answer_was_lost_is_not_made_twice(each: Site) -> None:
    each.divalto.faults.lose_next(lambda request: b"icli" in request.body)
    with pytest.raises(OutcomeUnknownError):
        await each.erp.carry_out(order(), ZOE)
    assert each.divalto.pieces() == ()
    assert (await each.settle(order(), ZOE)).reference == "C2-1"
    assert each.divalto.duplicates() == ()


async def test_a_customer_that_the_erp_has_blocked_is_refused_and_stays_one(each: Site) -> None:
    each.divalto.add_third_party("C", "main-42", feu=3)
    with pytest.raises(RefusedError, match="Tiers bloqué"):
        await each.erp.carry_out(order(), ZOE)
    assert each.divalto.pieces() == ()
