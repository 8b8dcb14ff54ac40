"""`restart`: how long until the first reservation, with a hundred thousand open orders in the journal.

Nine in ten wait on the floor for a picker, their units reserved; the others are backordered. From the start
of a new process, its imports included, to the first reservation on the disk; beside the time that the same
journal takes to replay every stream, as a daemon without projections would have to before it could promise
anything.

The process is that of an installed daemon: what it imports has been compiled, as pip does when it installs.
"""

import compileall
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import trio

import actors
import adapters
import daemon
import migrations
from actors.domain.ledger import Stock, apply
from actors.domain.order_fold import evolve
from actors.domain.order_state import Order
from adapters.postgres.journal import PostgresJournal, open_journal
from tests.benchmarks import backlog
from tests.benchmarks.measure import Figure, Lab, figure, goal, progress

NAME = "restart"
ORDERS = 100_000
READERS = 64
"""Streams read side by side: more are no faster."""

CHILD = Path(__file__).with_name("restart_child.py")


def measure(lab: Lab) -> list[Figure]:
    """Return the figures."""
    dsn = lab.database()
    orders = lab.size.of(ORDERS, least=20)
    progress(f"  making {orders} open orders")
    names = trio.run(backlog.make, dsn, orders)
    lab.settle(dsn)
    _compile()
    started = [_start(dsn) for _ in range(lab.size.rounds)]
    started.sort(key=lambda each: each[0])
    first_s, memory_mb = started[len(started) // 2]
    progress("  replaying every stream")
    replay_s = trio.run(_replay, dsn, names)
    lab.drop(dsn)
    return [
        figure(NAME, f"replay of {orders} orders' streams and the stock's", replay_s, "s"),
        goal(NAME, "process start to first reservation", first_s, "s", "<=", 10),
        goal(NAME, "over the replay", first_s / replay_s, "x", "<=", 0.1),
        goal(NAME, "resident memory by then", memory_mb, "MB", "<=", 500),
    ]


def _compile() -> None:
    """Compile our packages: in a tree that is worked in, or where Python may not write, nobody else has."""
    for package in (actors, adapters, daemon, migrations):
        compileall.compile_dir(package.__path__[0], quiet=1)


def _start(dsn: str) -> tuple[float, float]:
    """Start the actors in a process of their own; return the seconds to its first reservation, and its MB."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, str(CHILD), dsn], stdout=subprocess.PIPE, text=True) as child:
        if child.stdout is None:
            raise ValueError("the child was started without a pipe")
        line = child.stdout.readline()
        seconds = time.perf_counter() - began
    if child.returncode:
        raise ValueError(f"the child ended with {child.returncode}")
    return seconds, json.loads(line)["resident_mb"]


async def _replay(dsn: str, names: Sequence[str]) -> float:
    """Read and fold every stream; return the seconds."""
    async with open_journal(dsn, owner="bench-replay") as journal:
        began = time.perf_counter()
        left = iter(names)
        async with trio.open_nursery() as nursery:
            for _ in range(READERS):
                nursery.start_soon(_replay_some, journal, left)
        stock = Stock()
        for recorded in await journal.read(backlog.STOCK):
            apply(stock, recorded.event)  # type: ignore[arg-type] # a stock stream holds stock events
        return time.perf_counter() - began


async def _replay_some(journal: PostgresJournal, names: Iterator[str]) -> None:
    for name in names:
        order = Order()
        for recorded in await journal.read(name):
            order = evolve(order, recorded.event, recorded.at)  # type: ignore[arg-type] # an order's stream
