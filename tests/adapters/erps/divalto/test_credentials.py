"""The token: obtained once, renewed once, never shown."""

import json
import logging
import pickle
from base64 import urlsafe_b64decode
from typing import Literal

import pytest
import structlog
import trio
import trio.lowlevel
import trio.testing

from actors.errors import PartnerError, UnreachableError
from adapters.erps.divalto import wire
from adapters.erps.divalto.credentials import TokenSource
from adapters.erps.divalto.plugin import TOKEN_MARGIN_SECONDS, Way
from adapters.erps.divalto.simulator import Switches, is_auth, is_write
from adapters.erps.divalto.simulator.rehearsal import PERSON, Site, open_site, order, reception
from adapters.http.server import Response
from adapters.settings import Secret


async def test_one_token_serves_all_calls(site: Site) -> None:
    for _ in range(5):
        await site.erp.find(order())
    assert site.divalto.authentications == 1


@pytest.mark.parametrize("habit", ["401", "error"])
async def test_a_token_that_expires_between_two_calls_is_renewed_and_the_document_is_written_once(
    habit: Literal["401", "error"],
) -> None:
    with trio.fail_after(20):
        async with open_site(switches=Switches(expired_token=habit)) as site:
            await site.erp.find(order())
            site.divalto.expire_tokens()
            await site.erp.carry_out(order(), None)
            assert site.divalto.authentications == 2
            assert len(site.divalto.pieces()) == 1


@pytest.mark.parametrize("habit", ["401", "error"])
async def test_two_calls_that_meet_an_expired_token_renew_it_once(habit: Literal["401", "error"]) -> None:
    with trio.fail_after(20):
        async with open_site(switches=Switches(expired_token=habit)) as site:
            await site.erp.find(order())
            site.divalto.expire_tokens()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(site.erp.carry_out, order(), None)
                nursery.start_soon(site.erp.carry_out, reception(), None)
                nursery.start_soon(site.erp.stock)
            assert site.divalto.authentications == 2
            assert len(site.divalto.pieces()) == 2


async def test_a_token_is_renewed_before_it_expires(autojump_clock: trio.testing.MockClock) -> None:
    obtained: list[Secret] = []

    async def obtain() -> Secret:
        await trio.lowlevel.checkpoint()
        obtained.append(Secret(f"token {len(obtained)}"))
        return obtained[-1]

    source = TokenSource(obtain, seconds=3_600)
    first = await source.token()
    await trio.sleep(3_600 - TOKEN_MARGIN_SECONDS - 1)
    assert await source.token() is first
    await trio.sleep(2)
    assert await source.token() is obtained[1]


async def test_how_long_a_token_lives_is_the_sites_to_say() -> None:
    with trio.fail_after(20):
        async with open_site(
            token_seconds=TOKEN_MARGIN_SECONDS
        ) as site:  # so it is never good for a second call
            await site.erp.find(order())
            once = site.divalto.authentications
            await site.erp.find(order())
            assert site.divalto.authentications > once


async def test_an_account_that_divalto_does_not_take_lets_documents_wait() -> None:
    with trio.fail_after(20):
        async with open_site(password=Secret("not the one")) as site:
            with pytest.raises(UnreachableError, match="mot de passe incorrect"):
                await site.erp.carry_out(order(), None)


async def test_a_site_that_refuses_every_token_is_not_asked_for_ever(site: Site) -> None:
    site.divalto.faults.answer_next(Response(401), is_write, count=10)
    with pytest.raises(UnreachableError, match="refused too"):
        await site.erp.carry_out(order(), None)


async def test_those_who_waited_for_an_attempt_that_failed_fail_with_it() -> None:
    attempts = 0

    async def obtain() -> Secret:
        nonlocal attempts
        attempts += 1
        await trio.lowlevel.checkpoint()
        raise UnreachableError("erp", "Auth", "down")

    source = TokenSource(obtain, 2700)
    failures = 0

    async def ask() -> None:
        nonlocal failures
        with pytest.raises(UnreachableError, match="down"):
            await source.token()
        failures += 1

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
    assert (attempts, failures) == (1, 5)


async def test_whoever_waits_for_an_attempt_that_is_cancelled_makes_one_of_their_own() -> None:
    attempts = 0

    async def obtain() -> Secret:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await trio.sleep_forever()
        return Secret("good")

    source = TokenSource(obtain, 2700)
    got: list[str] = []

    async def ask() -> None:
        got.append((await source.token()).reveal())

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            first = trio.CancelScope()

            async def ask_and_give_up() -> None:
                with first:
                    await ask()

            nursery.start_soon(ask_and_give_up)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            first.cancel()
    assert (attempts, got) == (2, ["good"])


def test_a_token_is_neither_shown_nor_stored() -> None:
    token = Secret("secret-text")
    assert "secret" not in f"{token!r} {token}"
    with pytest.raises(TypeError):
        pickle.dumps(token)
    envelope = wire.read_envelope(b'{"error":0,"access_token":"secret-text"}')
    assert "secret" not in repr(envelope)


async def test_neither_token_nor_password_are_in_any_log_or_error(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    structlog.reset_defaults()  # a command that ran in this process before may have set up logs of its own
    caplog.set_level(logging.DEBUG)
    account = site.divalto.account
    seen: list[str] = []

    def echo(
        answer: Response,
    ) -> Response:  # an error page that repeats the request, as a debug build of IIS does
        seen.append(answer.body.decode())
        return Response(500, answer.body)

    shown: list[str] = [repr(site.settings), repr(site.erp)]
    with structlog.testing.capture_logs() as events:
        site.divalto.faults.change_next(echo, is_auth)
        with pytest.raises(PartnerError) as unreachable:
            await site.erp.carry_out(order(), PERSON)
        shown.append(repr(unreachable.value))
        why = f"Compte {account.user} / {account.password} inconnu"
        refusal = json.dumps({"error": 4, "txterr": why}).encode()
        site.divalto.faults.answer_next(Response(200, refusal), is_write)
        with pytest.raises(PartnerError) as refused:
            await site.erp.carry_out(order(), PERSON)
        shown.append(repr(refused.value))
        await site.erp.carry_out(order(), PERSON)
    shown += [repr(events), caplog.text]
    claims = urlsafe_b64decode(seen[0].split(".")[1] + "==").decode()
    assert account.password in claims  # the token does carry it
    for text in shown:
        assert account.password not in text
        assert "eyJ" not in text
    assert "Zo" not in repr([event for event in events if event["log_level"] != "debug"])
    assert "columns" in repr(events)  # what was transliterated is reported, by column


@pytest.mark.parametrize("way", ["rest", "execute"])
async def test_an_error_that_repeats_the_token_is_told_without_it(way: Way) -> None:
    with trio.fail_after(20):
        async with open_site(way=way) as site:
            await site.erp.find(order())
            (token,) = site.divalto.tokens
            told = json.dumps({"error": 7, "txterr": f"Session {token} inconnue"}).encode()
            site.divalto.faults.answer_next(Response(200, told), lambda _request: True)
            with pytest.raises(UnreachableError, match="Session") as raised:
                await site.erp.find(order())
            assert token[:40] not in str(raised.value)  # an error is cut, and so a token may be
