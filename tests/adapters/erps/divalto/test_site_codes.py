"""What one site names otherwise than the next: its codes, numbers, paths, and what its errors mean."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio

from actors.errors import OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from adapters.erps.divalto import sheet, xlsx
from adapters.erps.divalto.adapter import DivaltoErp
from adapters.erps.divalto.files_settings import FileSettings
from adapters.erps.divalto.plugin import Operations, SoapSettings
from adapters.erps.divalto.simulator import Switches, is_auth, is_write
from adapters.erps.divalto.simulator.rehearsal import (
    NOON,
    PERSON,
    adjustment,
    credit,
    customer,
    line,
    note,
    open_site,
    order,
    reception,
)
from adapters.erps.divalto.spelling import Spelling, StockColumns
from adapters.http.server import Request, Response

OWN = Operations(sale="VW", credit="RW", purchase="AF", stock_in="E", stock_out="S")
OF_THE_SITE = {"VW": -1, "RW": 1, "AF": 1, "E": 1, "S": -1}


async def test_company_file_site_third_parties_and_operations_are_the_profiles() -> None:
    with trio.fail_after(20):
        async with open_site(
            switches=Switches(operations=OF_THE_SITE),
            their_dos="998",
            dos="998",
            etb="2",
            supplier="F0000077",
            internal="I0000077",
            internal_stage=4,
            operations=OWN,
        ) as site:
            site.divalto.add_third_party("F", "F0000077")
            site.divalto.add_third_party("I", "I0000077")
            for document in (order(), note(), reception(), adjustment(), credit()):
                await site.erp.carry_out(document, PERSON)
                assert await site.erp.find(document) is not None
            pieces = site.divalto.pieces()
            assert {piece.etb for piece in pieces} == {"2"}
            assert {piece.tiers for piece in pieces} == {"WEB", "F0000077", "I0000077"}
            assert [piece.picod for piece in pieces if piece.ticod == "I"] == [4]
            assert (await site.erp.stock())["paris"]["TEAPOT"] == 10 - 3 + 10 - 2 + 1


@pytest.mark.parametrize("wrong", [{"dos": "2"}, {"operations": Operations(sale="X")}], ids=["DOS", "OP"])
async def test_a_code_that_is_not_the_sites_is_refused(wrong: dict[str, Any]) -> None:
    with trio.fail_after(20):
        async with open_site(**wrong) as site:
            with pytest.raises(RefusedError):
                await site.erp.carry_out(order(), PERSON)
            assert site.divalto.pieces() == ()


async def test_a_channel_may_have_a_tariff_of_its_own() -> None:
    with trio.fail_after(20):
        async with open_site(tariff="WEB", channel_headers={"main": {"TACOD": "PRO"}}) as site:
            await site.erp.carry_out(order(), PERSON)
            assert site.divalto.pieces()[0].more["TACOD"] == "PRO"


async def test_a_site_may_write_its_numbers_with_a_comma() -> None:
    with trio.fail_after(20):
        async with open_site(
            switches=Switches(decimal=","), decimal=",", shipping="footer", shipping_footer=2
        ) as site:
            site.divalto.set_stock("TEAPOT", "D01", Decimal("10.5"))
            done = await site.erp.carry_out(order(), PERSON)
            assert (done.reference, done.remark) == ("C2-1", "")
            assert site.divalto.pieces()[0].amount == Decimal("49.07")
            await site.erp.carry_out(note(), None)
            (row,) = (
                row
                for row in (await site.erp.books.stock_reading()).lines
                if (row.warehouse, row.sku) == ("paris", "TEAPOT")
            )
            assert row.units == Decimal("7.500")


async def test_a_site_says_which_natures_of_stock_are_sold() -> None:
    with trio.fail_after(20):
        async with open_site(natures=("N", "R")) as site:
            site.divalto.set_stock("CUP", "D01", 3, nature="R")
            site.divalto.set_stock("CUP", "D01", 4, nature="O")
            assert (await site.erp.stock())["paris"]["CUP"] == 20 + 3


async def test_pieces_are_listed_as_far_back_as_the_profile_says() -> None:
    with trio.fail_after(20):
        for days, found in ((1, None), (40, "C2-1")):
            async with open_site(way="soap", look_back_days=days) as site:
                old = msgspec.structs.replace(order(), placed_at=NOON - timedelta(days=30))
                site.divalto.faults.lose_next(is_write_by_soap)
                with pytest.raises(OutcomeUnknownError):
                    await site.erp.carry_out(old, PERSON)
                outcome = await site.erp.find(old)
                assert (outcome and outcome.reference) == found


def is_write_by_soap(request: Request) -> bool:
    return b"TEAPOT" in request.body


OTHERWISE = Spelling(
    integrate_customer="mon_client",
    code_path="result.etat.code",
    message_path="result.etat.texte",
    good_codes=("00",),
    piece_amount_path="result.piece.ht",
    stock_columns=StockColumns(
        ref="MAREF", sref1="MASREF1", sref2="MASREF2", units="QTE", nature="NAT", depot="DEP"
    ),
)


async def test_a_site_that_tells_its_answers_elsewhere_needs_only_another_profile() -> None:
    with trio.fail_after(20):
        async with open_site(
            theirs=OTHERWISE, spelling=OTHERWISE, switches=Switches(price_added=Decimal(1))
        ) as site:
            assert (await site.erp.carry_out(customer(), PERSON)).reference == "main-42"
            done = await site.erp.carry_out(order(), PERSON)
            assert done.remark == "it comes to 54.07 without tax at Divalto, to 49.07 here"
            site.divalto.close_article("CUP")
            with pytest.raises(RefusedError, match="Article périmé"):
                await site.erp.carry_out(order(line("CUP", 1), reference="main-2"), PERSON)
            site.divalto.set_stock("SHIRT", "D01", 2, "XL", "BLUE")
            assert (await site.erp.stock())["paris"] == {"TEAPOT": 10, "CUP": 20, "SHIRT/XL/BLUE": 2}


# --- what its errors mean ----------------------------------------------------------------------------------


def answered(error: int, why: str) -> Response:
    told = {"error": error, "result": "", "txterr": why, "infos": ""}
    return Response(200, json.dumps(told).encode(), (("Content-Type", "application/json"),))


@pytest.mark.parametrize(
    ("meaning", "raised"), [("refused", RefusedError), ("later", OutcomeUnknownError)], ids=["no", "later"]
)
async def test_a_number_of_an_error_means_what_the_profile_says(
    meaning: str, raised: type[PartnerError]
) -> None:
    with trio.fail_after(20):
        async with open_site(error_kinds={"7": meaning}) as site:
            site.divalto.faults.answer_next(answered(7, "Licence"), is_write)
            with pytest.raises(raised, match="Licence"):
                await site.erp.carry_out(order(), PERSON)


@pytest.mark.parametrize(
    "profile", [{"error_kinds": {"7": "token"}}, {"token_errors": ("session",)}], ids=["number", "word"]
)
async def test_a_token_that_the_site_calls_otherwise_is_renewed_as_well(profile: dict[str, Any]) -> None:
    with trio.fail_after(20):
        async with open_site(**profile) as site:
            site.divalto.faults.answer_next(answered(7, "Session perdue"), is_write)
            assert (await site.erp.carry_out(order(), PERSON)).reference == "C2-1"
            assert site.divalto.authentications == 2


async def test_a_piece_in_somebodys_hands_is_known_by_the_sites_own_words() -> None:
    refusal = {"result": {"common": {"resultcode": "3", "errormessage": "Occupée par MARTINE"}}}
    told = {"error": 0, "result": json.dumps(refusal), "txterr": "", "infos": ""}
    for words, raised in ((("occup",), UnreachableError), (("verrou",), RefusedError)):
        with trio.fail_after(20):
            async with open_site(locked=words) as site:
                site.divalto.faults.answer_next(Response(200, json.dumps(told).encode()), is_write)
                with pytest.raises(raised, match="MARTINE"):
                    await site.erp.carry_out(order(), PERSON)


async def test_who_waits_for_a_token_gives_up_in_time() -> None:
    with trio.fail_after(20):
        async with open_site(auth_seconds_max=0.2) as site:
            site.divalto.faults.delay_next(30, is_auth)
            began = trio.current_time()
            with pytest.raises(UnreachableError, match="no answer in time"):
                await site.erp.find(order())
            assert trio.current_time() - began < 5


# --- how it is asked ---------------------------------------------------------------------------------------


async def test_soap_is_asked_under_the_header_that_the_site_goes_by() -> None:
    seen: list[str] = []

    def look(request: Request) -> bool:
        seen.extend(value for name, value in request.headers if name == "soapaction")
        return False

    with trio.fail_after(20):
        async with open_site(way="soap") as site:
            site.divalto.faults.answer_next(Response(500), look)
            soap = SoapSettings(site.settings.soap.url, soap_action="urn:theirs")
            theirs = DivaltoErp("divalto", msgspec.structs.replace(site.settings, soap=soap))
            await theirs.stock()
            await theirs.aclose()
    assert set(seen) == {'"urn:theirs"'}


async def test_a_site_whose_stock_action_wants_one_article_is_not_taken_for_an_empty_one() -> None:
    with trio.fail_after(20):
        async with open_site(way="soap", switches=Switches(stock_of_all=False)) as site:
            with pytest.raises(UnreachableError, match="Article inexistant"):
                await site.erp.stock()


@pytest.mark.parametrize("column", ["PINOTIERS", "PIREF"])
async def test_a_repeat_is_refused_whichever_column_the_sites_check_looks_at(column: str) -> None:
    with trio.fail_after(20):
        async with open_site(switches=Switches(duplicate_columns=(column,))) as site:
            for document in (order(), note(line("TEAPOT", 1)), reception(), adjustment()):
                first = await site.erp.carry_out(document, PERSON)
                assert await site.erp.carry_out(document, PERSON) == first
            assert site.divalto.duplicates() == ()


async def test_a_site_that_lets_no_depot_go_below_zero_refuses_the_note_and_books_nothing() -> None:
    with trio.fail_after(20):
        async with open_site(switches=Switches(negative_stock=False)) as site:
            await site.erp.carry_out(order(line("TEAPOT", 12)), PERSON)
            with pytest.raises(RefusedError, match="Stock insuffisant"):
                await site.erp.carry_out(note(line("TEAPOT", 12)), None)
            assert [piece.name for piece in site.divalto.pieces()] == ["C2-1"]


def test_a_spreadsheet_has_its_names_in_the_row_that_the_profile_says() -> None:
    blocks: list[sheet.Block] = [("IPAR", {"DOS": "1"}), ("ENT", {"DOS": "1", "TICOD": "C"})]
    spelled = FileSettings(form="xlsx", header_row=5)
    rows = xlsx.read(sheet.write(blocks, spelled))
    assert [any(row) for row in rows[:5]] == [False, False, False, False, True]
    assert sheet.read(sheet.write(blocks, spelled), spelled) == blocks
