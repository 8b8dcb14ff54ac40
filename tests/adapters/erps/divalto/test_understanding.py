"""What a site tells at length is understood by a thread, whichever way it comes in."""

import threading
from collections.abc import AsyncGenerator, Callable, Sized
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from adapters.erps.divalto.simulator.custom import PROFILE
from adapters.erps.divalto.simulator.rehearsal import open_site
from adapters.erps.divalto.understanding import ROWS_AT_ONCE, TEXT_AT_ONCE, understood


@pytest.mark.parametrize(
    ("told", "by_a_thread"),
    [
        (range(ROWS_AT_ONCE), False),
        (range(ROWS_AT_ONCE + 1), True),
        ("x" * TEXT_AT_ONCE, False),
        ("x" * (TEXT_AT_ONCE + 1), True),
        (b"x" * (TEXT_AT_ONCE + 1), True),
    ],
    ids=["few rows", "many rows", "a text", "a long text", "many bytes"],
)
async def test_what_is_long_is_understood_by_a_thread(told: Sized, *, by_a_thread: bool) -> None:
    def who(told: Sized) -> tuple[int, int]:
        return len(told), threading.get_ident()

    length, thread = await understood(who, told)
    assert length == len(told)
    assert (thread != threading.get_ident()) == by_a_thread


@asynccontextmanager
async def every_thread_taken() -> AsyncGenerator[Callable[[], None]]:
    """Let nothing be done in a thread until what is yielded is called."""
    limiter, taker = trio.to_thread.current_default_thread_limiter(), object()
    tokens, limiter.total_tokens = limiter.total_tokens, 1
    await limiter.acquire_on_behalf_of(taker)
    try:
        yield lambda: limiter.release_on_behalf_of(taker)
    finally:
        limiter.total_tokens = tokens


ARTICLES = 300
"""Rows that are few, in a text that is long."""

WAYS: dict[str, dict[str, Any]] = {
    "rest": {"way": "rest"},
    "execute": {"way": "execute", "actions": PROFILE},
    "soap": {"way": "soap", "actions": PROFILE},
    "files": {"way": "files", "files": {"form": "csv"}},
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_long_answer_waits_for_a_thread_and_nobody_for_it(way: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {**WAYS[way], **({"folder": tmp_path} if way == "files" else {})}
    lines: list[int] = []
    with trio.fail_after(20):
        async with open_site(**given) as site:
            for number in range(ARTICLES):
                site.divalto.set_stock(f"A{number}", "D01", 1)
            await site.told()

            async def read() -> None:
                lines.append(len(await site.erp.books.articles()))

            waiting = trio.to_thread.current_default_thread_limiter().statistics
            async with every_thread_taken() as let_go, trio.open_nursery() as nursery:
                nursery.start_soon(read)
                while not waiting().tasks_waiting:
                    await trio.sleep(0.01)
                let_go()
    assert lines == [ARTICLES + 4]
