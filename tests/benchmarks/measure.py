"""What every benchmark needs: a server of its own, figures with goals, rounds whose median counts.

It measures nothing itself. Both sides of a comparison run in the same process on the same server, one after
the other in turns, so that a noisy neighbour hits both.
"""

import asyncio
import contextlib
import gc
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median
from typing import Literal

import asyncpg
from msgspec import Struct

from adapters.postgres.embedded import EmbeddedPostgres

FULL_LOAD_ROUNDS = 7
"""Where a thousand askers keep both cores busy all the time, whoever shares their silicon shows as nowhere
else: twelve rounds of the same code made 15,000 to 29,000 a second, beside row locks at 1,900 to 3,000."""


class Figure(Struct, frozen=True):
    """One line of the result. `goal` is such as ">= 8", None where none is set; `holds` is None with it."""

    benchmark: str
    figure: str
    value: float
    unit: str
    goal: str | None = None
    holds: bool | None = None


def figure(benchmark: str, name: str, value: float, unit: str) -> Figure:
    """Return a figure that has no goal."""
    return Figure(benchmark, name, _rounded(value), unit)


def goal(
    benchmark: str, name: str, value: float, unit: str, sign: Literal[">=", "<=", "=="], bound: float
) -> Figure:
    """Return a figure, and whether it is on the right side of its bound."""
    holds = {">=": value >= bound, "<=": value <= bound, "==": value == bound}[sign]
    return Figure(benchmark, name, _rounded(value), unit, f"{sign} {_rounded(bound):g}", holds)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}") if abs(value) < 1_000 else float(round(value))


@dataclass(frozen=True, slots=True)
class Timing:
    """What one turn of one side gave: how many a second, and how long each took, in seconds."""

    rate: float
    latencies_s: list[float] = field(default_factory=list)

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of the latencies in milliseconds."""
        return percentile(self.latencies_s, percent) * 1_000


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median_rate(turns: Sequence[Timing]) -> float:
    """Return the median of the rates."""
    return median(turn.rate for turn in turns)


def median_ratio(ours: Sequence[Timing], theirs: Sequence[Timing]) -> float:
    """Return the median over the rounds of how many times their rate ours was."""
    return median(our.rate / their.rate for our, their in zip(ours, theirs, strict=True))


def median_ms(turns: Sequence[Timing], percent: float) -> float:
    """Return the median over the turns of a percentile, in milliseconds."""
    return median(turn.percentile_ms(percent) for turn in turns)


class Stopwatch:
    """Counts and times what is done between the end of the warm-up and the end of a turn."""

    def __init__(self, warm_up_s: float, seconds: float) -> None:
        self.begins = time.perf_counter() + warm_up_s
        self.ends = self.begins + seconds
        self.latencies_s: list[float] = []

    @property
    def running(self) -> bool:
        """Whether there is time left to begin another piece."""
        return time.perf_counter() < self.ends

    def note(self, began: float) -> None:
        """Note that a piece which began then is done now; what is done outside the turn does not count.

        A turn so short that nothing is done in it lasts until the first is.
        """
        now = time.perf_counter()
        if not self.latencies_s:
            self.ends = max(self.ends, now)
        if self.begins <= now <= self.ends:
            self.latencies_s.append(now - began)

    def timing(self) -> Timing:
        """Return what was measured."""
        return Timing(len(self.latencies_s) / (self.ends - self.begins), self.latencies_s)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is: the turns' length and number, and by what all else is divided in a smoke test."""

    seconds: float = 3.0
    warm_up_s: float = 1.0
    rounds: int = 3
    divisor: int = 1

    def of(self, full: int, least: int = 1) -> int:
        """Return a count scaled to this run."""
        return max(least, full // self.divisor)

    def stopwatch(self) -> Stopwatch:
        """Return a stopwatch for a turn that begins now."""
        return Stopwatch(self.warm_up_s, self.seconds)


FULL = Size()
TINY = Size(seconds=0.2, warm_up_s=0.05, rounds=1, divisor=500)


class Lab:
    """The server that both sides work on, with the settings the product gives its own, fsync on."""

    def __init__(self, server: EmbeddedPostgres, size: Size) -> None:
        self.size = size
        self._server = server
        self._numbers = count(1)

    def database(self) -> str:
        """Return the DSN of a new, empty database."""
        name = f"bench{next(self._numbers)}"
        asyncio.run(_execute(self._server.dsn, f"CREATE DATABASE {name}"))
        return self._server.dsn.replace("/postgres?", f"/{name}?")

    def drop(self, dsn: str) -> None:
        """Drop a database that was measured, so that its checkpoints do not trouble the next."""
        name = dsn.partition("?")[0].rpartition("/")[2]
        asyncio.run(_execute(self._server.dsn, f"DROP DATABASE {name} WITH (FORCE)", "CHECKPOINT"))

    def settle(self, dsn: str) -> None:
        """Do what autovacuum and the checkpointer would have done by and by."""
        asyncio.run(_execute(dsn, "VACUUM ANALYZE", "CHECKPOINT"))

    def turns(self, *sides: Callable[[], Timing], rounds: int | None = None) -> list[list[Timing]]:
        """Let each side have its turn, round after round; return the turns of each side.

        There are as many rounds as the size of the run says, or as told.
        """
        timings: list[list[Timing]] = [[] for _ in sides]
        rounds = rounds or self.size.rounds
        for number in range(1, rounds + 1):
            rates: list[str] = []
            for turns, side in zip(timings, sides, strict=True):
                gc.collect()
                # Nobody pays for pages that the turn before left to be written.
                asyncio.run(_execute(self._server.dsn, "CHECKPOINT"))
                turns.append(side())
                rates.append(f"{turns[-1].rate:,.0f}")
            progress(f"  round {number} of {rounds}, a second: {', '.join(rates)}")
        return timings


@contextlib.contextmanager
def open_lab(size: Size) -> Generator[Lab]:
    """Start a server in a folder of its own, and remove both at the end."""
    folder = Path(tempfile.mkdtemp(prefix="wharfinger-bench-"))
    folder.chmod(0o755)
    try:
        with EmbeddedPostgres(folder / "postgres") as server:
            yield Lab(server, size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def progress(text: str) -> None:
    """Tell on standard error what is being done."""
    print(text, file=sys.stderr, flush=True)


async def _execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
