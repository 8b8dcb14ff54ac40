"""The circuit: a partner that is away is left alone, and noticed soon after it is back."""

import random

import pytest
import trio
import trio.testing

from actors.circuit import FAILURES_MAX, OPEN_S_MAX, Circuit

Clock = trio.testing.MockClock


def opened(failures: int = FAILURES_MAX) -> Circuit:
    circuit = Circuit(random.Random(1))
    for _ in range(failures):
        circuit.failed()
    return circuit


async def pause_of(circuit: Circuit) -> float:
    began = trio.current_time()
    async with circuit.admitted():
        return trio.current_time() - began


async def test_a_few_failures_are_no_outage(autojump_clock: Clock) -> None:
    circuit = opened(FAILURES_MAX - 1)
    assert not circuit.is_open
    assert await pause_of(circuit) == 0


async def test_a_success_in_between_begins_the_count_anew(autojump_clock: Clock) -> None:
    circuit = opened(FAILURES_MAX - 1)
    circuit.succeeded()
    circuit.failed()
    assert not circuit.is_open


async def test_after_five_failures_in_a_row_everybody_waits(autojump_clock: Clock) -> None:
    circuit = opened()
    assert circuit.is_open
    assert 0.5 <= await pause_of(circuit) <= 1.0


async def test_one_caller_at_a_time_tries_a_partner_that_was_away(autojump_clock: Clock) -> None:
    circuit = opened()
    calling = 0
    most = 0

    async def call() -> None:
        nonlocal calling, most
        async with circuit.admitted():
            calling += 1
            most = max(most, calling)
            await trio.sleep(1)
            calling -= 1
            circuit.failed()

    with trio.move_on_after(300):
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(call)
    assert most == 1


async def test_the_first_success_lets_everybody_call_at_once(autojump_clock: Clock) -> None:
    circuit = opened()
    began = trio.current_time()
    finished: list[float] = []

    async def call() -> None:
        async with circuit.admitted():
            await trio.sleep(10)
            circuit.succeeded()
            finished.append(trio.current_time() - began)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(call)
    assert finished[0] == pytest.approx(11, abs=0.5)
    assert finished[-1] == pytest.approx(21, abs=0.5), "the four others side by side"


async def test_a_long_outage_is_tried_twice_a_minute(autojump_clock: Clock) -> None:
    circuit = opened()
    began = trio.current_time()
    tries = 0
    while trio.current_time() < began + 3_600:
        async with circuit.admitted():
            tries += 1
            circuit.failed()
    assert 100 <= tries <= 260
    assert await pause_of(circuit) <= OPEN_S_MAX


async def test_calls_that_were_under_way_when_it_opened_do_not_make_the_pause_longer(
    autojump_clock: Clock,
) -> None:
    circuit = opened(FAILURES_MAX + 20)
    assert await pause_of(circuit) <= 1.0
