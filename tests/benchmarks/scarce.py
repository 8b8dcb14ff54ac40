"""`scarce`: more attempts at once than there are units. A check more than a figure: as many are granted.

5 units and 48 attempts, 100 units and 400 attempts, all of one SKU and all at once: through one daemon, and
through two processes that share the database, of which one has to ask the other. Everybody is answered within
`PATIENCE_S`, and the books say the same as the answers did.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import trio

from actors.domain.stock_commands import Answer, Granted, NotEnough, Reserve, StockCommand
from actors.domain.stock_events import Quantity
from actors.mailbox import ask
from tests.benchmarks import house
from tests.benchmarks.measure import Figure, Lab, goal

NAME = "scarce"
CASES = ((5, 48), (100, 400))
PATIENCE_S = 10.0
SKU = "LAST-TEAPOT"
CHILD = Path(__file__).with_name("scarce_child.py")


def measure(lab: Lab) -> list[Figure]:
    """Return the figures."""
    figures: list[Figure] = []
    for who, through in (("one daemon", _through_one), ("two daemons", _through_two)):
        for units, attempts in CASES:
            dsn = lab.database()
            house.furnish(dsn, [SKU], units)
            counted = through(dsn, attempts)
            counted["booked"] = trio.run(_booked, dsn)
            figures += _figures(who, units, attempts, counted)
            lab.drop(dsn)
    return figures


def _figures(who: str, units: int, attempts: int, counted: Counter[str]) -> list[Figure]:
    what = f"{who}, {attempts} attempts at {units} units"
    return [
        goal(NAME, f"{what}: granted", counted["granted"], "orders", "==", units),
        goal(NAME, f"{what}: refused", counted["refused"], "orders", "==", attempts - units),
        goal(NAME, f"{what}: timed out", counted["timed out"], "orders", "==", 0),
        goal(NAME, f"{what}: reserved in the books", counted["booked"], "units", "==", units),
    ]


async def attempt_all(
    ask_warehouse: Callable[[str, StockCommand], Awaitable[Answer]], name: str, attempts: int
) -> Counter[str]:
    """Attempt one unit so many times at once; return what came of it."""
    counted = Counter[str]()

    async def attempt(order: str) -> None:
        with trio.move_on_after(PATIENCE_S) as patience:
            answer = await ask_warehouse(order, Reserve(f"{order}.1", order, (Quantity(SKU, 1),)))
            counted["granted"] += isinstance(answer, Granted)
            counted["refused"] += isinstance(answer, NotEnough)
        counted["timed out"] += patience.cancelled_caught

    async with trio.open_nursery() as nursery:
        for number in range(attempts):
            nursery.start_soon(attempt, f"{name}-{number}")
    return counted


def _through_one(dsn: str, attempts: int) -> Counter[str]:
    async def run() -> Counter[str]:
        async with house.open_house(dsn) as at_work:

            async def ask_here(_: str, command: StockCommand) -> Answer:
                answer: Answer = await ask(at_work.handle.mailbox, command)  # type: ignore[assignment] # its actor's
                return answer

            return await attempt_all(ask_here, "one", attempts)

    return trio.run(run)


def _through_two(dsn: str, attempts: int) -> Counter[str]:
    counted = Counter[str]()
    with ExitStack() as stack:
        daemons = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, str(CHILD), dsn, name, str(attempts // 2)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for name in ("first", "second")
        ]
        for daemon in daemons:
            _read(daemon)
        for daemon in daemons:
            _write(daemon)
        for daemon in daemons:
            counted.update(json.loads(_read(daemon)))
        for daemon in daemons:
            _write(daemon)
    return counted


def _read(daemon: subprocess.Popen[str]) -> str:
    line = daemon.stdout.readline() if daemon.stdout is not None else ""
    if not line:
        raise ValueError(f"a daemon ended early with {daemon.wait()}")
    return line


def _write(daemon: subprocess.Popen[str]) -> None:
    if daemon.stdin is not None:
        daemon.stdin.write("go on\n")
        daemon.stdin.flush()


async def _booked(dsn: str) -> int:
    async with house.open_house(dsn) as at_work:
        picture = await at_work.journal.stock_picture(house.SITE)
        return sum(balance.reserved for balance in picture.balances)
