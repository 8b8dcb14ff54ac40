"""Answers as bad as they come, by REST and by SOAP: each is understood, or told apart from a "no"."""

import html
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio

from actors.errors import MalformedError, OutcomeUnknownError, RefusedError, UnreachableError
from adapters.erps.divalto.envelope import ENVELOPE, NAMESPACE
from adapters.erps.divalto.simulator.custom import PROFILE
from adapters.erps.divalto.simulator.rehearsal import PERSON, Site, cancellation, line, note, open_site, order
from adapters.erps.divalto.simulator.rest import UNAVAILABLE
from adapters.http.faults import HTML_HEADERS, HTML_PAGE
from adapters.http.server import Drop, Request, Response

WAYS: dict[str, dict[str, Any]] = {
    "rest": {"way": "rest"},
    "execute": {"way": "execute"},
    "soap": {"way": "soap"},
    "soap in HMP": {"way": "soap", "actions": PROFILE},
}


@pytest.fixture(params=WAYS)
async def site(request: pytest.FixtureRequest) -> AsyncGenerator[Site]:
    with trio.fail_after(20):
        async with open_site(**WAYS[request.param]) as opened:
            yield opened


def writes(request: Request) -> bool:
    return b"TEAPOT" in request.body


def reads(request: Request) -> bool:
    return not writes(request)


async def test_the_documented_answer_whose_inner_json_is_not_valid_is_understood(site: Site) -> None:
    site.divalto.switches.malformed_result = True
    assert (await site.erp.carry_out(order(), PERSON)).reference == "C2-1"
    assert (await site.erp.carry_out(note(), None)).reference == "C3-1"
    site.divalto.close_article("TEAPOT")
    with pytest.raises(RefusedError, match="Article périmé"):
        await site.erp.carry_out(order(reference="main-1"), None)


async def test_a_retour_that_is_html_escaped_is_understood(site: Site) -> None:
    site.divalto.switches.escaped_retour = True
    assert (await site.erp.carry_out(order(), PERSON)).reference == "C2-1"
    assert (await site.erp.stock())["paris"]["TEAPOT"] == 10
    with pytest.raises(RefusedError, match="L'article doit être géré sans sous-référence"):
        await site.erp.carry_out(order(line("CUP/XL", 1), reference="main-1"), None)


@pytest.mark.parametrize(("declared", "sent"), [("iso-8859-1", "utf-8"), ("utf-8", "iso-8859-1")])
async def test_an_answer_in_another_encoding_than_it_declares_is_understood(
    site: Site, declared: str, sent: str
) -> None:
    switches = site.divalto.switches
    switches.declared, switches.sent = declared, sent
    site.divalto.close_article("TEAPOT")
    with pytest.raises(RefusedError, match="Article périmé"):
        await site.erp.carry_out(order(), PERSON)
    site.divalto.set_stock("THÉIÈRE", "D01", 3)
    assert (await site.erp.stock())["paris"]["THÉIÈRE"] == 3
    assert (await site.erp.carry_out(order(line("THÉIÈRE", 1, "2.5")), PERSON)).reference == "C2-1"
    (piece,) = site.divalto.pieces()
    assert piece.lines[0] == ("THÉIÈRE", "D01", Decimal(1))
    assert piece.address["NOM"] == "Zoë Lukasiewicz"


async def test_an_unknown_customer_and_one_without_a_visa_are_refused(site: Site) -> None:
    site.divalto.remove_third_party("C", "WEB")
    with pytest.raises(RefusedError, match="Tiers inexistant"):
        await site.erp.carry_out(order(), PERSON)
    site.divalto.add_third_party("C", "WEB", visa=False)
    with pytest.raises(RefusedError, match="Tiers non visé"):
        await site.erp.carry_out(order(), PERSON)
    assert site.divalto.pieces() == ()


@pytest.mark.parametrize("status", [500, 503])
async def test_an_error_page_of_iis_leaves_a_write_unknown_and_a_read_undone(site: Site, status: int) -> None:
    page = Response(status, UNAVAILABLE.body, UNAVAILABLE.headers)
    await site.erp.find(order())
    site.divalto.faults.answer_next(page, writes)
    with pytest.raises(OutcomeUnknownError, match=f"HTTP {status}"):
        await site.erp.carry_out(order(), None)
    site.divalto.faults.answer_next(page, reads)
    with pytest.raises(UnreachableError, match=f"HTTP {status}"):
        await site.erp.find(order())
    assert (await site.settle(order())).reference == "C2-1"


async def test_a_page_in_place_of_an_answer_is_nonsense_unless_the_document_is_there(site: Site) -> None:
    page = Response(200, HTML_PAGE, HTML_HEADERS)
    await site.erp.find(order())
    site.divalto.faults.answer_next(page, writes)
    with pytest.raises(MalformedError):
        await site.erp.carry_out(order(), None)
    site.divalto.faults.change_next(lambda _answer: page, writes)
    assert (await site.erp.carry_out(order(), None)).reference == "C2-1"
    site.divalto.faults.answer_next(page, reads)
    with pytest.raises(MalformedError):
        await site.erp.find(order())


@pytest.mark.parametrize(
    "answer",
    [
        Response(200, b'{"error":0}'),
        Response(200, b'{"error":0,"result":"","txterr":""}'),
        Response(200, b'{"error":0,"result":"{}","txterr":""}'),
        Response(
            200, b'{"error":0,"result":"{\\"erreur\\":\\"D\\u00e9p\\u00f4t inexistant\\"}","txterr":""}'
        ),
    ],
    ids=["nothing", "empty", "an empty object", "an error without a code"],
)
async def test_an_answer_that_tells_nothing_does_not_say_that_there_is_nothing(
    site: Site, answer: Response
) -> None:
    if site.settings.flows.look_up == "soap":
        answer = by_soap(msgspec.json.decode(answer.body).get("result") or "")
    await site.erp.carry_out(order(), PERSON)

    for ask in (
        lambda: site.erp.find(order()),
        lambda: site.erp.carry_out(cancellation(), None),
        site.erp.stock,
    ):
        site.divalto.faults.answer_next(answer, reads)
        with pytest.raises(MalformedError):
            await ask()
    assert not site.divalto.pieces()[0].closed


def by_soap(retour: str) -> Response:
    envelope = (
        f'<soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body><WebServiceDivaResponse xmlns="{NAMESPACE}">'
        f"<WebServiceDivaResult>0</WebServiceDivaResult><retour>{html.escape(retour)}</retour>"
        "</WebServiceDivaResponse></soap:Body></soap:Envelope>"
    )
    return Response(200, envelope.encode())


async def test_a_connection_that_breaks_during_a_read_changes_nothing(site: Site) -> None:
    await site.erp.find(order())
    site.divalto.faults.answer_next(Drop(), reads)
    with pytest.raises(UnreachableError):
        await site.erp.find(order())


async def test_a_piece_that_a_user_turned_into_a_note_between_time_out_and_resend_is_not_sent_again(
    site: Site,
) -> None:
    await site.erp.find(order())
    site.divalto.faults.lose_next(writes)
    with pytest.raises(OutcomeUnknownError):
        await site.erp.carry_out(order(), PERSON)
    site.divalto.turn_into_delivery_note("main-1042")
    found = await site.erp.find(order())
    assert found is not None
    assert await site.erp.carry_out(order(), PERSON) == found  # the resend that should not be: it is refused
    assert site.divalto.duplicates() == ()


@pytest.mark.parametrize("units", ["", "beaucoup"])
async def test_a_quantity_that_makes_no_sense_is_told_with_whose_it_is(site: Site, units: str) -> None:
    def odd(answer: Response) -> Response:
        return Response(200, answer.body.replace(b"20.000", units.encode()), answer.headers)

    site.divalto.faults.change_next(odd, lambda request: b"D01" in request.body)
    with pytest.raises(MalformedError, match="CUP in D01: a number was expected"):
        await site.erp.stock()
