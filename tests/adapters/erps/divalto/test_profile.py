"""A site's profile: checked as a whole, and everything that no documentation tells is in it."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio

from actors.errors import MalformedError, OutcomeUnknownError, RefusedError, UnreachableError
from adapters.erps.divalto.checking import problems
from adapters.erps.divalto.files_settings import FileSettings, SftpSettings
from adapters.erps.divalto.pieces import (
    Article,
    InexpressibleError,
    article_of,
    day_text,
    read_open_lines,
    sku_namer,
)
from adapters.erps.divalto.plugin import DivaltoSettings, FlowSettings, Operations, SoapSettings, Way
from adapters.erps.divalto.questions import Actions, Question
from adapters.erps.divalto.simulator import Switches, is_read, is_write
from adapters.erps.divalto.simulator.rehearsal import (
    NOON,
    PERSON,
    Site,
    cancellation,
    line,
    note,
    open_site,
    order,
    reception,
)
from adapters.erps.divalto.spelling import Dictionary, Spelling, StockColumns
from adapters.erps.divalto.trial import try_profile
from adapters.http.server import Request, Response
from adapters.settings import Secret


def settings(**changed: Any) -> DivaltoSettings:  # noqa: ANN401 - any of the settings
    usual = DivaltoSettings(
        url="https://api.example/1/PROD",
        user="u",
        password=Secret("p"),
        dos="1",
        customer="WEB",
        depots={"paris": "D01"},
    )
    return msgspec.structs.replace(usual, **changed)


def test_usual_settings_have_no_problem() -> None:
    assert (
        problems(settings(timezone="Europe/Paris", tariff="T1", prefix="W", customers={"main": "WEB2"})) == ()
    )


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("url", {"url": "ftp://x"}),
        ("url", {"url": ""}),
        ("user", {"user": ""}),
        ("password", {"password": Secret("")}),
        ("soap.url", {"flows": FlowSettings(stock="soap")}),
        ("soap.url", {"flows": FlowSettings(write="soap"), "soap": SoapSettings("erp.example")}),
        ("files.inbox", {"flows": FlowSettings(write="files")}),
        ("files.rejected", {"flows": FlowSettings(write="files")}),
        ("files.exports", {"flows": FlowSettings(look_up="files")}),
        ("files.encoding", {"flows": FlowSettings(stock="files"), "files": FileSettings(encoding="base64")}),
        ("files.look_seconds", {"flows": FlowSettings(stock="files"), "files": FileSettings(look_seconds=0)}),
        *(
            (f"files.sftp.{key}", {"flows": FlowSettings(write="files"), "files": FileSettings(sftp=sftp)})
            for key, sftp in (
                ("user", SftpSettings("sftp.example")),
                ("key", SftpSettings("sftp.example", user="u")),
                ("host_keys", SftpSettings("sftp.example", user="u", key=Secret("k"))),
                ("host_keys", SftpSettings("sftp.example", host_keys=("SHA256:short",))),
                ("host_keys", SftpSettings("sftp.example", host_keys=("any",))),
                ("host_keys", SftpSettings("sftp.example", host_keys=("ssh-dss AAAAB3NzaC1kc3M=",))),
                ("host_keys", SftpSettings("sftp.example", host_keys=("ssh-ed25519 AAAAB3NzaC1yc2E=",))),
                ("port", SftpSettings("sftp.example", port=0)),
                ("seconds_max", SftpSettings("sftp.example", seconds_max=0)),
            )
        ),
        ("encodings", {"encodings": ("utf-8", "latin-17")}),
        ("actions.stock.ask", {"actions": Actions(stock=Question(action="A", ask="<REF>$"))}),
        ("customer_policy", {"flows": FlowSettings(look_up="soap"), "customer_policy": "each"}),
        ("return_stage", {"return_stage": 2}),
        ("operations.credit", {"operations": Operations(credit="")}),
        ("dos", {"dos": "123456789"}),
        ("depots.paris", {"depots": {"paris": "D001"}}),
        ("depots.lyon", {"depots": {"paris": "D01", "lyon": "D01"}}),
        ("depots", {"depots": {}}),
        ("depots.paris", {"depots": {"paris": "D;1"}}),
        ("customer", {"customer": "WEB;ticod=F"}),
        ("customers.main", {"customers": {"main": "C" * 21}}),
        ("operations.stock_in", {"operations": Operations(stock_in="")}),
        ("timezone", {"timezone": "Europe/Nowhere"}),
        ("timezone", {"timezone": "../etc/passwd"}),
        ("sku_separator", {"sku_separator": "--"}),
        ("shipping_article", {"shipping_article": ""}),
        ("concurrency", {"concurrency": 0}),
        ("order_header.REGL", {"order_header": {"REGL": "TOO LONG"}}),
        ("order_header.TIERS", {"order_header": {"TIERS": "OTHER"}}),
        ("channel_headers.main.REGL", {"channel_headers": {"main": {"REGL": "TOO LONG"}}}),
        ("channel_headers.main.OP", {"channel_headers": {"main": {"OP": "C"}}}),
        ("tax_regimes.FR", {"tax_regimes": {"FR": ""}}),
        ("token_seconds", {"token_seconds": 30}),
        ("page_rows", {"page_rows": 1}),
    ],
)
def test_a_wrong_setting_is_named_by_its_key(key: str, changed: dict[str, Any]) -> None:
    assert key in [problem.key for problem in problems(settings(**changed))]


def test_a_site_that_is_spoken_to_by_soap_alone_needs_no_account() -> None:
    only = FlowSettings("soap", "soap", "soap", "soap")
    by_soap = settings(flows=only, soap=SoapSettings("http://erp/WebServiceDiva.asmx"), url="", user="")
    assert problems(msgspec.structs.replace(by_soap, password=Secret(""))) == ()


def test_all_problems_are_told_at_once() -> None:
    assert len(problems(settings(dos="", concurrency=0, depots={}))) == 3


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(settings(password=Secret("hunter2")))


THEIRS = Spelling(
    service="WS_SITE",
    integrate="my_integration",
    parameters_inside=False,
    lines_nested=False,
    duty="MODE",
    duty_create="1",
    duty_modify="2",
    duty_validate="3",
    target_stage="PICOD2",
    quantity="CDQTE",
    piece_number_path="result.piece.number",
    piece_prefix_path="result.piece.prefix",
    piece_stage_path="result.piece.stage",
    pieces=Dictionary("ZENT.dhoq", "Pieces", "MyKey"),
    lines=Dictionary("ZMOUV.dhoq", "Lignes", "MyPiece"),
    stock=Dictionary("ZSTOCK.dhoq", "MonStock", "MonDepot"),
)


async def test_a_site_that_spells_everything_otherwise_needs_only_another_profile() -> None:
    with trio.fail_after(20):
        async with open_site(theirs=THEIRS, spelling=THEIRS, prefix="W", tariff="T1") as site:
            site.divalto.add_article("PORT", stocked=False)
            assert (await site.erp.carry_out(order(line("TEAPOT", 3)), None)).reference == "C2-W1"
            assert (await site.erp.carry_out(note(line("TEAPOT", 2)), None)).reference == "C3-W1"
            await site.erp.carry_out(cancellation(), None)
            await site.erp.carry_out(reception(), None)
            assert (await site.erp.stock())["paris"] == {"TEAPOT": 18, "CUP": 20}
            assert [(piece.picod, piece.closed) for piece in site.divalto.pieces(ticod="C")] == [
                (2, True),
                (3, False),
            ]


async def test_a_profile_that_is_not_the_sites_is_refused_and_writes_nothing() -> None:
    with trio.fail_after(20):
        async with open_site(theirs=Spelling(integrate="other")) as site:
            with pytest.raises(RefusedError, match="Action métier inconnue"):
                await site.erp.carry_out(order(), None)
            assert site.divalto.pieces() == ()


@pytest.mark.parametrize(("country", "regime"), [("FR", "NAT"), ("BE", "UE"), ("CH", "EXP")])
async def test_codes_of_the_site_stand_on_every_order(country: str, regime: str) -> None:
    with trio.fail_after(20):
        async with open_site(
            tariff="WEB",
            order_header={"REGL": "CB", "BLMOD": "COLIS"},
            tax_regimes={"FR": "NAT", "BE": "UE", "*": "EXP"},
        ) as site:
            person = msgspec.structs.replace(PERSON, country=country)
            await site.erp.carry_out(order(), person)
            (piece,) = site.divalto.pieces()
            assert piece.more == {"TACOD": "WEB", "REGL": "CB", "BLMOD": "COLIS", "TVATIE": regime}


async def test_a_channel_may_have_codes_of_its_own() -> None:
    with trio.fail_after(20):
        async with open_site(
            order_header={"REGL": "CB", "BLMOD": "COLIS"}, channel_headers={"main": {"REGL": "VIR"}}
        ) as site:
            await site.erp.carry_out(order(), None)
            (piece,) = site.divalto.pieces()
            assert piece.more == {"TACOD": "", "REGL": "VIR", "BLMOD": "COLIS"}


async def test_a_site_that_has_another_use_for_pinotiers_is_looked_up_by_piref() -> None:
    pieces = Dictionary("GTRSENT.dhoq", "Entete", "Equal_Tiers_Piref", "Like_Tiers_Piref")
    spelled = Spelling(pieces=pieces)
    with trio.fail_after(20):
        async with open_site(theirs=spelled, spelling=spelled, reference_field="PIREF") as site:
            assert await site.erp.find(order()) is None
            for document in (order(), note(line("TEAPOT", 1)), cancellation(), reception()):
                site.divalto.faults.lose_next(is_write)
                with pytest.raises(OutcomeUnknownError):
                    await site.erp.carry_out(document, None)
                assert await site.settle(document) == await site.erp.carry_out(document, None)
            assert {piece.reference for piece in site.divalto.pieces()} == {""}
            assert [piece.name for piece in site.divalto.pieces()] == ["C2-1", "C3-1", "F3-1"]


async def test_a_channel_may_have_a_customer_of_its_own() -> None:
    with trio.fail_after(20):
        async with open_site(customers={"main": "WEB2"}) as site:
            site.divalto.add_third_party("C", "WEB2")
            await site.erp.carry_out(order(), None)
            await site.erp.carry_out(note(), None)
            assert {piece.tiers for piece in site.divalto.pieces()} == {"WEB2"}
            assert await site.erp.find(cancellation()) is not None


async def test_a_site_that_does_not_name_the_piece_it_made_is_asked_for_it() -> None:
    with trio.fail_after(20):
        async with open_site(switches=Switches(answers_number=False)) as site:
            assert (await site.erp.carry_out(order(), None)).reference == "C2-1"
            assert (await site.erp.carry_out(note(), None)).reference == "C3-1"


@pytest.mark.parametrize("way", ["rest", "soap"])
async def test_a_result_that_the_profile_calls_passing_lets_the_document_wait(way: Way) -> None:
    with trio.fail_after(20):
        async with open_site(way=way, result_kinds={"3": "later"}) as site:
            site.divalto.close_article("TEAPOT")
            with pytest.raises(UnreachableError, match="Article périmé"):
                await site.erp.carry_out(order(), None)


async def test_a_column_that_a_site_never_tells_is_given_by_the_profile() -> None:
    usual = Actions().stock
    told = {**usual.columns, "NATURESTOCK": "=N"}
    actions = Actions(stock=msgspec.structs.replace(usual, columns=told))
    with trio.fail_after(20):
        async with open_site(way="soap", actions=actions) as site:
            site.divalto.set_stock("CUP", "D01", 3, nature="X")
            assert (await site.erp.stock())["paris"]["CUP"] == 23


@pytest.mark.parametrize("asks", ["", "<PIECETIERS>${PINOTIERS}"], ids=["it lists all", "it is asked"])
async def test_a_list_that_does_not_tell_references_never_passes_for_one_orders_pieces(asks: str) -> None:
    usual = Actions().pieces
    misspelled = msgspec.structs.replace(
        usual, ask=usual.ask + asks, columns={**usual.columns, "PINOTIERS": "votre_piece"}
    )
    with trio.fail_after(20):
        async with open_site(way="soap", actions=Actions(pieces=misspelled)) as site:
            await site.erp.carry_out(order(), None)
            await site.erp.carry_out(order(reference="main-1043"), None)
            with pytest.raises(MalformedError, match="lacks the column PINOTIERS"):
                await site.erp.carry_out(cancellation(), None)
            with pytest.raises(MalformedError, match="lacks the column PINOTIERS"):
                await site.erp.find(order(reference="main-1044"))
            assert not any(piece.closed for piece in site.divalto.pieces())
            last = (await try_profile("divalto", site.settings))[-1]
            assert (last.step, last.judgement) == ("account and pieces", "wrong")


async def test_a_site_may_sell_only_what_its_own_orders_have_not_reserved() -> None:
    spelled = Spelling(stock_columns=StockColumns(less=("RESQTE",)))
    with trio.fail_after(20):
        async with open_site(spelling=spelled) as site:
            await site.erp.carry_out(order(line("TEAPOT", 4)), None)
            assert (await site.erp.stock())["paris"] == {"TEAPOT": 6, "CUP": 20}


async def test_stock_rows_that_shift_while_they_are_read_are_read_again(site: Site) -> None:
    site.divalto.switches.rows_max = 3
    for ref in ("B1", "B2", "B3", "B4"):
        site.divalto.set_stock(ref, "D01", 1)

    def and_then_a_row_is_added(answer: Response) -> Response:
        site.divalto.set_stock("A1", "D01", 1)
        return answer

    def of_paris(request: Request) -> bool:
        return is_read(request) and b"depo=D01" in request.body

    site.divalto.faults.change_next(and_then_a_row_is_added, of_paris)
    assert (await site.erp.stock())["paris"] == {
        "A1": 1,
        "B1": 1,
        "B2": 1,
        "B3": 1,
        "B4": 1,
        "CUP": 20,
        "TEAPOT": 10,
    }


def test_a_sku_and_its_article_name_each_other() -> None:
    ours = settings(articles={"BLUE-SHIRT": "SHIRT/XL/BLUE"})
    for sku, article in (
        ("TEAPOT", Article("TEAPOT")),
        ("SHIRT/XS", Article("SHIRT", "XS")),
        ("BLUE-SHIRT", Article("SHIRT", "XL", "BLUE")),
        ("X//Y", Article("X", "", "Y")),
    ):
        assert article_of(sku, ours) == article
        assert sku_namer(ours)(article) == sku
    with pytest.raises(InexpressibleError):
        article_of("/XL", ours)


def test_a_piece_bears_the_day_of_the_sites_calendar() -> None:
    late = NOON.replace(hour=23, minute=30)
    assert day_text(late, settings()) == "20260302"
    assert day_text(late, settings(timezone="Europe/Paris")) == "20260303"


def test_lines_that_are_closed_or_have_moved_on_are_not_open() -> None:
    row = {"REF": "CUP", "SREF1": "", "SREF2": "", "DEPO": "D01", "CDQTE": "2.000", "PUB": "3.0000"}
    rows = [
        {**row, "ENRNO": "1", "PICOD": "2", "CDCE4": "1"},
        {**row, "ENRNO": "2", "PICOD": "2", "CDCE4": "8"},
        {**row, "ENRNO": "3", "PICOD": "3", "CDCE4": "1"},
    ]
    (left,) = read_open_lines(rows)
    assert (left.record, left.units) == ("1", Decimal(2))
