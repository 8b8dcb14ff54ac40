"""Faults by plan, by chance and by outage, seen by our own client over real HTTP."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

from actors.errors import OutcomeUnknownError, UnreachableError
from adapters.http.client import Client
from adapters.http.faults import Faults, cut
from adapters.http.server import Drop, Request, Response, serve


class Partner:
    """Answers every request well and counts what it carried out."""

    def __init__(self) -> None:
        self.carried_out: list[str] = []

    async def answer(self, request: Request) -> Response | Drop:
        await trio.lowlevel.checkpoint()
        self.carried_out.append(f"{request.method} {request.path}")
        return Response(200, b'{"well":true}', (("Content-Type", "application/json"),))


@asynccontextmanager
async def connected(partner: Partner, faults: Faults) -> AsyncGenerator[Client]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, faults.wrap(partner.answer), listeners)
        client = Client("partner", f"http://127.0.0.1:{port}")
        with trio.fail_after(10):
            yield client
            await client.aclose()
        nursery.cancel_scope.cancel()


async def test_a_lost_answer_leaves_the_write_done_and_its_outcome_unknown() -> None:
    partner, faults = Partner(), Faults(random.Random(1))
    faults.lose_next()
    async with connected(partner, faults) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.exchange("POST", "/orders")
        assert (await client.exchange("POST", "/orders")).status == 200
    assert partner.carried_out == ["POST /orders", "POST /orders"]


async def test_a_planned_loss_waits_for_the_request_that_it_is_meant_for() -> None:
    partner, faults = Partner(), Faults(random.Random(1))
    faults.lose_next(lambda request: request.path == "/labels", count=2)
    async with connected(partner, faults) as client:
        assert (await client.exchange("POST", "/orders")).status == 200
        for _ in range(2):
            with pytest.raises(OutcomeUnknownError):
                await client.exchange("POST", "/labels")
        assert (await client.exchange("POST", "/labels")).status == 200


async def test_during_an_outage_nothing_is_carried_out() -> None:
    partner, faults = Partner(), Faults(random.Random(1))
    async with connected(partner, faults) as client:
        faults.outage = True
        assert (await client.exchange("POST", "/orders")).status == 502
        faults.outage_answer = Drop()
        with pytest.raises(UnreachableError):
            await client.exchange("GET", "/orders")
        faults.outage = False
        assert (await client.exchange("GET", "/orders")).status == 200
    assert partner.carried_out == ["GET /orders"]


async def test_a_page_cut_in_the_middle_reaches_nobody() -> None:
    partner, faults = Partner(), Faults(random.Random(1))
    faults.change_next(lambda answer: cut(answer, 5))
    async with connected(partner, faults) as client:
        with pytest.raises(UnreachableError):
            await client.exchange("GET", "/orders")


async def test_the_same_seed_strikes_the_same_requests() -> None:
    struck = []
    for _ in range(2):
        partner, faults = Partner(), Faults(random.Random(7), lose_answer=0.3, html=0.2)
        answers = [await faults.apply(Request("POST", "/", (), b"", None), partner.answer) for _ in range(50)]
        struck.append([isinstance(answer, Drop) for answer in answers])
        assert faults.struck["lose_answer"] == sum(struck[-1]) > 0
    assert struck[0] == struck[1]
