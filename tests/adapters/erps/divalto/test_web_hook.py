"""Pieces by a site's own web hook: it tells next to nothing, and its address is a secret."""

import json
import logging
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import pytest
import structlog
import trio

from actors.errors import MalformedError, OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from adapters.erps.divalto.checking import problems
from adapters.erps.divalto.plugin import FlowSettings
from adapters.erps.divalto.questions import Actions, Question
from adapters.erps.divalto.simulator import is_write
from adapters.erps.divalto.simulator.rehearsal import (
    PERSON,
    WEB_HOOK_CODE,
    Site,
    cancellation,
    change,
    customer,
    line,
    note,
    open_site,
    order,
)
from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.trial import try_profile
from adapters.erps.divalto.webhook_settings import WebHookSettings
from adapters.http.faults import HTML_HEADERS, HTML_PAGE
from adapters.http.server import Drop, Request, Response
from adapters.settings import Secret

BY_HOOK: Mapping[str, Any] = {"flows": FlowSettings(write="webhook")}
HOOK = WebHookSettings(Secret(WEB_HOOK_CODE))


@pytest.mark.parametrize("refuses", ["text", "status"])
@pytest.mark.parametrize("good", ["200", "0"])
async def test_what_a_hook_answers_is_understood_however_the_site_tells_it(
    good: Literal["200", "0"], refuses: Literal["text", "status"]
) -> None:
    with trio.fail_after(20):
        switches = Switches(web_hook_good=good, web_hook_refuses=refuses)
        async with open_site(**BY_HOOK, switches=switches) as site:
            assert (await site.erp.carry_out(order(), PERSON)).reference == "C2-1"
            site.divalto.close_article("CUP")
            with pytest.raises(RefusedError, match="Article périmé"):
                await site.erp.carry_out(order(line("CUP", 1), reference="main-2"), PERSON)


async def test_a_piece_that_the_hooks_program_has_not_done_yet_is_looked_up_and_not_sent_again() -> None:
    with trio.fail_after(20):
        async with open_site(**BY_HOOK, switches=Switches(web_hook_lags=True)) as site:
            for document in (order(), note(line("TEAPOT", 2)), change(line("CUP", 4)), cancellation()):
                with pytest.raises(OutcomeUnknownError, match="accepted"):
                    await site.erp.carry_out(document, PERSON)
                site.divalto.web_hooks.run()
                assert await site.erp.find(document) is not None
                assert await site.erp.carry_out(document, PERSON) == await site.erp.find(document)
            assert site.divalto.duplicates() == ()
            assert len(site.divalto.web_hooks.taken) == 4


async def test_a_hook_is_not_called_again_while_its_program_may_still_be_at_it() -> None:
    with trio.fail_after(20):
        switches = Switches(web_hook_lags=True)
        async with open_site(**BY_HOOK, settle_seconds=0.3, switches=switches) as site:
            await wait_until_settled(site)
            with pytest.raises(OutcomeUnknownError):
                await site.erp.carry_out(order(), PERSON)
            assert await site.erp.find(order()) is None
            with pytest.raises(UnreachableError, match="may still be under way"):
                await site.erp.carry_out(order(), PERSON)
            assert len(site.divalto.web_hooks.taken) == 1


async def wait_until_settled(site: Site) -> None:
    """Wait until what an earlier process may have sent can no longer be under way."""
    await trio.sleep(site.settings.settle_seconds)


async def test_a_hook_under_another_code_lets_documents_wait_instead_of_refusing_them() -> None:
    with trio.fail_after(20):
        async with open_site(**BY_HOOK, webhook=WebHookSettings(Secret("not-the-one"))) as site:
            with pytest.raises(UnreachableError, match="is its code right"):
                await site.erp.carry_out(order(), PERSON)


@pytest.mark.parametrize("status", [401, 403, 404, 429])
async def test_a_hook_that_was_not_run_has_done_nothing(status: int) -> None:
    with trio.fail_after(20):
        async with open_site(**BY_HOOK) as site:
            site.divalto.faults.answer_next(Response(status), is_write)
            with pytest.raises(UnreachableError, match=f"HTTP {status}"):
                await site.erp.carry_out(order(), PERSON)


@pytest.mark.parametrize("answer", [Drop(), Response(500, b"200"), Response(503, HTML_PAGE, HTML_HEADERS)])
async def test_an_answer_that_is_lost_leaves_the_outcome_unknown(answer: Response | Drop) -> None:
    with trio.fail_after(20):
        async with open_site(**BY_HOOK) as site:
            site.divalto.faults.change_next(lambda _answer: answer, is_write)
            with pytest.raises(OutcomeUnknownError):
                await site.erp.carry_out(order(), PERSON)
            assert (await site.settle(order(), PERSON)).reference == "C2-1"
            assert len(site.divalto.web_hooks.taken) == 1


async def test_a_page_in_place_of_a_hooks_answer_is_nonsense() -> None:
    with trio.fail_after(20):
        async with open_site(**BY_HOOK) as site:
            site.divalto.faults.answer_next(Response(200, HTML_PAGE, HTML_HEADERS), is_write)
            with pytest.raises(MalformedError):
                await site.erp.carry_out(order(), PERSON)


async def test_what_a_code_means_is_the_profiles_to_say() -> None:
    with trio.fail_after(20):
        async with open_site(**BY_HOOK, result_kinds={"409": "later", "400": "refused"}) as site:
            site.divalto.faults.answer_next(Response(200, b"409 Occupe"), is_write)
            with pytest.raises(UnreachableError, match="Occupe"):
                await site.erp.carry_out(order(), PERSON)
            site.divalto.faults.answer_next(Response(400, b"400"), is_write)
            with pytest.raises(RefusedError, match="code 400"):
                await site.erp.carry_out(order(), PERSON)


async def test_a_hook_is_called_with_the_sites_own_query_and_template() -> None:
    hook = WebHookSettings(Secret(WEB_HOOK_CODE), query={"dos": "${DOS}", "piece": "${PINOTIERS}"})
    template = Question(
        form="json",
        ask='{"evenement":{"reference":"${PINOTIERS}","lignes":[${lines}]}}',
        line='{"ref":"${REF}","qte":"${QTE}"}',
        between=",",
    )
    with trio.fail_after(20):
        async with open_site(**BY_HOOK, webhook=hook, actions=Actions(write=template)) as site:
            with pytest.raises(OutcomeUnknownError):  # this program does nothing that could be looked up
                await site.erp.carry_out(order(line("CUP", 2), shipping="0"), PERSON)
            assert site.divalto.web_hooks.taken == [
                {
                    "dos": "1",
                    "piece": "main-1042",
                    "evenement": {"reference": "main-1042", "lignes": [{"ref": "CUP", "qte": "2.000"}]},
                }
            ]


async def test_customers_may_have_a_hook_of_their_own() -> None:
    hook = msgspec.structs.replace(HOOK, customer_code=Secret("of-customers"))
    with trio.fail_after(20):
        async with open_site(**BY_HOOK, webhook=hook) as site:
            site.divalto.web_hooks.codes.add("of-customers")
            asked: list[str] = []

            def under(request: Request) -> bool:
                asked.append(request.path.rpartition("/")[2])
                return False

            site.divalto.faults.answer_next(Drop(), under)
            assert (await site.erp.carry_out(customer(), PERSON)).reference == "main-42"
            await site.erp.carry_out(order(), PERSON)
            assert [code for code in asked if code in ("of-customers", WEB_HOOK_CODE)] == [
                "of-customers",
                WEB_HOOK_CODE,
            ]


# --- the secret --------------------------------------------------------------------------------------------


async def test_the_code_of_a_hook_is_in_no_log_no_error_and_no_trial(
    caplog: pytest.LogCaptureFixture,
) -> None:
    structlog.reset_defaults()
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    addresses: list[str] = []

    def address(request: Request) -> bool:
        addresses.append(request.target)
        return False

    with trio.fail_after(20), structlog.testing.capture_logs() as events:
        async with open_site(**BY_HOOK) as site:
            faults = site.divalto.faults
            faults.answer_next(Drop(), address)
            echo = f"400 Pas de programme sous /api/v1/WebHook/{WEB_HOOK_CODE}".encode()
            for answer in (
                Drop(),
                Response(500, echo),
                Response(404, echo),
                Response(400, echo),
                Response(302),
            ):
                faults.answer_next(answer, is_write)
                shown += await failing(site)
            shown += [repr(site.settings), repr(site.erp)]
            shown.append(repr(await try_profile("divalto", site.settings)))
            await site.erp.carry_out(order(), PERSON)
            elsewhere = msgspec.structs.replace(site.settings, url="http://127.0.0.1:9/x")
            shown.append(repr(await try_profile("divalto", elsewhere)))
    assert any(WEB_HOOK_CODE in target for target in addresses)  # it does stand in the address
    for text in (*shown, repr(events), caplog.text):
        assert WEB_HOOK_CODE not in text


async def failing(site: Site) -> list[str]:
    """Return all that is to be seen of a write that fails."""
    with pytest.raises(PartnerError) as failed:
        await site.erp.carry_out(order(), PERSON)
    error: BaseException | None = failed.value
    seen = [
        str(failed.getrepr(style="long", showlocals=False)),
        json.dumps(failed.value.__dict__, default=str),
    ]
    while error is not None:
        seen += [repr(error), str(error)]
        error = error.__cause__ or error.__context__
    return seen


# --- the profile -------------------------------------------------------------------------------------------


async def test_a_hook_is_tried_by_a_call_that_does_nothing_where_the_profile_knows_one() -> None:
    with trio.fail_after(20):
        async with open_site(**BY_HOOK) as site:
            unknown = next(step for step in await try_profile("d", site.settings) if step.step == "web hook")
            assert (unknown.judgement, "shows with the first piece" in unknown.detail) == ("warning", True)

            async def judged(**changed: Any) -> str:  # noqa: ANN401 - any of the hook's settings
                hook = msgspec.structs.replace(HOOK, trial={"essai": "1"}, **changed)
                steps = await try_profile("d", msgspec.structs.replace(site.settings, webhook=hook))
                return next(step.judgement for step in steps if step.step == "web hook")

            assert await judged() == "ok"
            assert await judged(code=Secret("not-the-one")) == "wrong"
            assert await judged(customer_code=Secret("not-the-one")) == "wrong"
            assert site.divalto.web_hooks.taken == []


@pytest.mark.parametrize(
    ("key", "hook"),
    [
        ("webhook.code", WebHookSettings()),
        ("webhook.query.nom", msgspec.structs.replace(HOOK, query={"nom": "${NOM}"})),
        ("webhook.query.dos", msgspec.structs.replace(HOOK, query={"dos": "$"})),
    ],
)
async def test_a_wrong_setting_of_a_hook_is_named_without_its_code(key: str, hook: WebHookSettings) -> None:
    async with open_site(**BY_HOOK) as site:
        (problem,) = problems(msgspec.structs.replace(site.settings, webhook=hook))
    assert problem.key == key
    assert WEB_HOOK_CODE not in problem.why


async def test_a_site_whose_hook_takes_all_and_whose_actions_tell_all_needs_no_account() -> None:
    async with open_site(flows=FlowSettings("webhook", "soap", "soap", "soap")) as site:
        assert problems(msgspec.structs.replace(site.settings, user="", password=Secret(""))) == ()
        assert [each.key for each in problems(msgspec.structs.replace(site.settings, url=""))] == ["url"]
