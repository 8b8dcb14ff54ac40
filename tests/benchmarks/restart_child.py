"""A daemon's actors in a process of their own: starts, reserves once, says how much memory it has."""

import json
import logging
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from daemon.beginning import begin  # noqa: E402 - the tree has to be found first

begin()  # as every command of wharfinger does first

import structlog  # noqa: E402 - see above
import trio  # noqa: E402

from actors.channel import ChannelSettings  # noqa: E402
from actors.domain.stock_commands import Granted, Reserve  # noqa: E402
from actors.domain.stock_events import Quantity  # noqa: E402
from actors.partners import Partners  # noqa: E402
from actors.system import Surroundings, System  # noqa: E402
from adapters.memory.partners import MemoryCarrier, MemoryErp  # noqa: E402
from adapters.postgres.journal import open_journal  # noqa: E402
from daemon.process import Daemon  # noqa: E402 - all that the daemon imports is a part of its start
from tests.benchmarks.merchant import RULES, SITE, new_shop, skus  # noqa: E402


async def main(dsn: str) -> None:
    """Start as the daemon does, reserve, and tell."""
    order = f"first-{time.time_ns()}"
    async with open_journal(dsn, owner=f"bench-{order}") as journal, trio.open_nursery() as nursery:
        system = System(
            journal,
            Partners({"main": new_shop()}, MemoryErp({}), {"swift": MemoryCarrier()}),
            (ChannelSettings("main"),),
            RULES,
            Surroundings(lambda: datetime.now(UTC), random.Random(3).randbytes, random.Random(5)),
        )
        await nursery.start(system.run)
        reserve = Reserve(f"{order}.1", order, (Quantity(skus()[0], 1),))
        answer = await system.directory.ask_warehouse(SITE, reserve)
        if not isinstance(answer, Granted):
            raise TypeError(f"{Daemon.__name__} granted nothing: {answer}")
        print(json.dumps({"resident_mb": _resident_mb()}), flush=True)
        nursery.cancel_scope.cancel()


def _resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    kilobytes = next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]
    return int(kilobytes) / 1_024


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),  # stdout is for the one line that is read
    )
    trio.run(main, sys.argv[1])
