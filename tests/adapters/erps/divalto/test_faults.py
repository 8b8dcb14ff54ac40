"""Whatever becomes of an answer, each document stands in Divalto once."""

import json
from collections.abc import Callable, Mapping
from typing import Literal

import pytest
import trio

from actors.domain.documents import ErpCancellation, ErpDocument
from actors.errors import MalformedError, OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from actors.ports.partner import Outcome
from adapters.erps.divalto.simulator import Switches, is_auth, is_read, is_write
from adapters.erps.divalto.simulator.rehearsal import (
    PERSON,
    Site,
    adjustment,
    cancellation,
    note,
    open_site,
    order,
    reception,
)
from adapters.http.faults import HTML_HEADERS, HTML_PAGE
from adapters.http.server import Drop, Response

KINDS: Mapping[str, Callable[[], ErpDocument]] = {
    "order": order,
    "note": note,
    "cancellation": cancellation,
    "reception": reception,
    "adjustment": adjustment,
}


async def prepared(site: Site, kind: str) -> ErpDocument:
    """Bring Divalto to the point where the document of that kind is next; return it."""
    if kind in ("note", "cancellation"):
        await site.erp.carry_out(order(), PERSON)
    return KINDS[kind]()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_document_whose_answer_is_lost_is_found_and_not_written_again(site: Site, kind: str) -> None:
    document = await prepared(site, kind)
    site.divalto.faults.lose_next(is_write)
    with pytest.raises(OutcomeUnknownError):
        await site.erp.carry_out(document, PERSON)
    pieces, stock = site.divalto.pieces(), site.divalto.stock("D01")

    outcome = await site.erp.find(document)

    assert outcome is not None
    assert outcome.reference in [piece.name for piece in pieces]
    assert (site.divalto.pieces(), site.divalto.stock("D01")) == (pieces, stock)
    assert site.divalto.duplicates() == ()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_document_that_is_sent_again_in_spite_of_it_is_still_there_once(
    site: Site, kind: str
) -> None:
    document = await prepared(site, kind)
    first = await site.erp.carry_out(document, PERSON)
    pieces, stock = site.divalto.pieces(), site.divalto.stock("D01")

    assert await site.erp.carry_out(document, PERSON) == first

    assert (site.divalto.pieces(), site.divalto.stock("D01")) == (pieces, stock)
    assert site.divalto.duplicates() == ()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_site_too_old_for_the_duplicate_check_is_looked_at_before_each_write(kind: str) -> None:
    with trio.fail_after(20):
        async with open_site(
            switches=Switches(duplicate_check=False), duplicate_check=False, settle_seconds=0
        ) as site:
            document = await prepared(site, kind)
            await site.erp.carry_out(document, None)
            pieces = site.divalto.pieces()
            await site.erp.carry_out(document, None)
            assert site.divalto.pieces() == pieces


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_that_never_arrived_leaves_nothing_and_is_sent_again(site: Site, kind: str) -> None:
    document = await prepared(site, kind)
    before = site.divalto.pieces()
    site.divalto.faults.answer_next(Drop(), is_write)
    with pytest.raises(OutcomeUnknownError):
        await site.erp.carry_out(document, None)
    assert site.divalto.pieces() == before

    await site.settle(document)

    assert await site.erp.find(document) is not None
    assert site.divalto.duplicates() == ()


async def test_an_error_page_of_iis_leaves_a_write_unknown_and_a_read_undone(site: Site) -> None:
    page = Response(500, HTML_PAGE, HTML_HEADERS)
    site.divalto.faults.answer_next(page, is_write)
    with pytest.raises(OutcomeUnknownError, match="HTTP 500"):
        await site.erp.carry_out(order(), None)
    site.divalto.faults.answer_next(page, is_read)
    with pytest.raises(UnreachableError, match="HTTP 500"):
        await site.erp.find(order())


@pytest.mark.parametrize("status", [400, 403, 404, 413, 429])
async def test_a_look_up_is_never_refused_since_that_would_pass_for_a_no_to_the_document(
    site: Site, status: int
) -> None:
    site.divalto.faults.answer_next(Response(status), is_read)
    with pytest.raises(UnreachableError, match=f"HTTP {status}"):
        await site.erp.find(order())


async def test_a_page_in_place_of_json_is_malformed_unless_the_document_is_there(site: Site) -> None:
    page = Response(200, HTML_PAGE, HTML_HEADERS)
    site.divalto.faults.answer_next(page, is_write)
    with pytest.raises(MalformedError):
        await site.erp.carry_out(order(), None)

    site.divalto.faults.change_next(lambda _answer: page, is_write)
    assert (await site.erp.carry_out(order(), None)).reference == "C2-1"

    site.divalto.faults.answer_next(page, is_read)
    with pytest.raises(MalformedError):
        await site.erp.find(order())


async def test_nonsense_after_which_nothing_can_be_read_leaves_the_outcome_unknown(site: Site) -> None:
    page = Response(200, HTML_PAGE, HTML_HEADERS)
    site.divalto.faults.change_next(lambda _answer: page, is_write)
    site.divalto.faults.answer_next(Drop(), is_read)
    with pytest.raises(OutcomeUnknownError):
        await site.erp.carry_out(order(), None)
    assert await site.erp.find(order()) is not None


@pytest.mark.parametrize("kind", KINDS)
async def test_an_inner_json_as_broken_as_the_documented_one_is_understood(kind: str) -> None:
    with trio.fail_after(20):
        async with open_site(switches=Switches(malformed_result=True)) as site:
            document = await prepared(site, kind)
            outcome = await site.erp.carry_out(document, None)
            assert outcome == await site.erp.find(document)
            site.divalto.close_article("TEAPOT")
            with pytest.raises(RefusedError, match="Article périmé"):
                await site.erp.carry_out(order(reference="main-1"), None)


async def test_an_outage_is_waited_out_and_then_all_documents_are_there_once(site: Site) -> None:
    site.divalto.faults.outage = True
    written: list[ErpDocument] = [order(), reception(), adjustment()]
    for document in written:
        with pytest.raises(PartnerError) as raised:
            await site.erp.carry_out(document, None)
        assert isinstance(raised.value, UnreachableError)  # already the token was out of reach
        with pytest.raises(UnreachableError):
            await site.erp.find(document)
    site.divalto.faults.outage = False
    for document in written:
        await site.settle(document)
    assert [piece.name for piece in site.divalto.pieces()] == ["C2-1", "F3-1", "I3-1"]


async def test_a_machine_that_is_gone_did_nothing() -> None:
    with trio.fail_after(20):
        async with open_site(url="http://127.0.0.1:9") as site:
            with pytest.raises(UnreachableError):
                await site.erp.carry_out(order(), None)


async def test_a_call_that_hangs_is_given_up_and_its_outcome_is_unknown() -> None:
    with trio.fail_after(20):
        async with open_site(execute_seconds_max=0.8) as site:
            await site.erp.find(order())
            site.divalto.switches.warm_seconds = 1.6
            with pytest.raises(OutcomeUnknownError):
                await site.erp.carry_out(order(), None)
            with pytest.raises(UnreachableError):
                await site.erp.find(order())


@pytest.mark.slow
@pytest.mark.parametrize("duplicate_check", [True, False])
async def test_an_attempt_that_comes_to_be_long_after_it_was_given_up_makes_no_second_piece(
    duplicate_check: bool,
) -> None:
    switches = Switches(duplicate_check=duplicate_check)
    with trio.fail_after(20):
        async with open_site(
            switches=switches, duplicate_check=duplicate_check, execute_seconds_max=0.8, settle_seconds=2.5
        ) as site:
            if not duplicate_check:  # everything counts as lost at the beginning
                with pytest.raises(UnreachableError, match="under way"):
                    await site.erp.carry_out(order(), None)
                await trio.sleep(2.5)
            await site.erp.find(order())
            switches.write_seconds = 1.8
            with pytest.raises(OutcomeUnknownError):
                await site.erp.carry_out(order(), None)
            switches.write_seconds = 0.0
            assert await site.erp.find(order()) is None  # it has not come to be yet
            if duplicate_check:
                await site.erp.carry_out(order(), None)
            else:
                with pytest.raises(UnreachableError, match="under way"):
                    await site.erp.carry_out(order(), None)
            await trio.sleep(2.0)
            assert await site.settle(order()) == Outcome("C2-1")
            assert len(site.divalto.pieces()) == 1


@pytest.mark.parametrize("closed_header", ["closed", "gone"])
async def test_an_order_that_a_user_delivered_between_time_out_and_look_up_is_found(
    closed_header: Literal["closed", "gone"],
) -> None:
    with trio.fail_after(20):
        async with open_site(switches=Switches(delivered_header=closed_header)) as site:
            site.divalto.faults.lose_next(is_write)
            with pytest.raises(OutcomeUnknownError):
                await site.erp.carry_out(order(), None)
            site.divalto.turn_into_delivery_note("main-1042")
            found = await site.erp.find(order())
            assert found is not None
            assert found.reference == ("C2-1" if closed_header == "closed" else "C3-1")
            site.divalto.invoice("main-1042")
            assert await site.erp.find(order()) is not None
            assert await site.erp.carry_out(order(), None) == await site.erp.find(order())
            assert site.divalto.duplicates() == ()


async def test_an_order_that_a_user_closed_is_found_and_its_cancellation_is_done(site: Site) -> None:
    await site.erp.carry_out(order(), None)
    site.divalto.close("main-1042")
    assert await site.erp.find(order()) is not None
    assert await site.erp.find(cancellation()) is not None


async def test_a_piece_that_is_open_in_a_screen_is_tried_again_later(site: Site) -> None:
    await site.erp.carry_out(order(), None)
    site.divalto.lock("main-1042")
    with pytest.raises(UnreachableError, match="réservée"):
        await site.erp.carry_out(note(), None)
    site.divalto.unlock()
    await site.erp.carry_out(note(), None)
    assert len(site.divalto.pieces(picod=3)) == 1


async def test_a_site_that_opened_no_dictionary_is_told_apart_from_a_document_that_is_not_there() -> None:
    with trio.fail_after(20):
        async with open_site(switches=Switches(opened=False)) as site:
            with pytest.raises(UnreachableError, match="Dictionnaire non autorisé"):
                await site.erp.find(order())


async def test_another_orders_reference_that_begins_alike_is_not_taken_for_it(site: Site) -> None:
    await site.erp.carry_out(order(reference="main-10420"), None)
    await site.erp.carry_out(order(reference="MAIN-1042"), None)
    assert await site.erp.find(order()) is None


async def test_a_reference_too_long_for_divalto_is_still_found(site: Site) -> None:
    long = order(reference="marketplace-nord-2026-000123456")
    other = order(reference="marketplace-nord-2026-000123457")
    await site.erp.carry_out(long, None)
    assert await site.erp.find(other) is None
    await site.erp.carry_out(other, None)
    found = [await site.erp.find(document) for document in (long, other)]
    assert [outcome and outcome.reference for outcome in found] == ["C2-1", "C2-2"]
    assert await site.erp.find(ErpCancellation(long.reference)) is None


@pytest.mark.parametrize(
    "name", ["Zoë ŁUKASIEWICZ", "Zoë Lukasiewicz", "ZOE LUKASIEWICZ", "Lukasiewicz, 12 rue de l'OEuvre"]
)
async def test_a_refusal_does_not_tell_whose_order_it_was(site: Site, name: str) -> None:
    def naming(answer: Response) -> Response:
        common = {"resultcode": "3", "errormessage": f"Adresse refusée: {name}, zoe@example.org"}
        inner = json.dumps({"result": {"common": common}})
        return Response(200, json.dumps({"error": 0, "result": inner, "txterr": ""}).encode(), answer.headers)

    site.divalto.faults.answer_next(naming(Response(200)), is_write)
    with pytest.raises(RefusedError, match="Adresse refusée") as raised:
        await site.erp.carry_out(order(), PERSON)
    assert "zo" not in str(raised.value).lower()
    assert "ukasiewicz" not in str(raised.value).lower()
    assert "oeuvre" not in str(raised.value).lower()


async def test_every_answer_lost_at_every_step_of_a_hundred_orders_makes_nothing_twice(site: Site) -> None:
    site.divalto.faults.lose_answer = 0.3
    site.divalto.faults.refuse = 0.1
    site.divalto.faults.server_error = 0.1
    for number in range(100):
        document = order(reference=f"main-{number}")
        with trio.fail_after(15):
            while True:
                try:
                    await site.settle(document)
                    break
                except (OutcomeUnknownError, UnreachableError):
                    continue
    assert len(site.divalto.pieces()) == 100
    assert site.divalto.duplicates() == ()
    assert min(site.divalto.faults.struck.values()) > 10


async def test_authentication_is_not_confused_by_a_page(site: Site) -> None:
    site.divalto.faults.answer_next(Response(200, HTML_PAGE, HTML_HEADERS), is_auth)
    with pytest.raises(UnreachableError):
        await site.erp.carry_out(order(), None)
    await site.erp.carry_out(order(), None)
