"""One of two daemons that share a database: owns half of the partitions, attempts half the reservations.

The one that owns the warehouse's partition asks its actor, the other asks through the inbox.
"""

import json
import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import structlog
import trio

sys.path[0] = str(Path(__file__).resolve().parents[2])

from actors.domain.partitions import PARTITIONS, partition_of, stock_stream  # noqa: E402 - the tree has to be found
from actors.domain.stock_commands import Answer, StockCommand  # noqa: E402
from actors.mailbox import ask  # noqa: E402
from adapters.postgres.inbox import open_inbox  # noqa: E402
from adapters.postgres.journal import open_journal  # noqa: E402
from tests.benchmarks.house import SITE, open_warehouse  # noqa: E402
from tests.benchmarks.scarce import attempt_all  # noqa: E402

STOCK = stock_stream(SITE)

_encode = msgspec.json.Encoder().encode
_command = msgspec.json.Decoder(StockCommand).decode
_answer = msgspec.json.Decoder(Answer).decode

Ask = Callable[[str, StockCommand], Awaitable[Answer]]
"""Asks the warehouse under a key, wherever it lives."""


@asynccontextmanager
async def _daemon(dsn: str, name: str) -> AsyncGenerator[Ask]:
    async with open_journal(dsn, owner=name, partitions_max=PARTITIONS // 2) as journal:
        if partition_of(STOCK) not in journal.owned:
            async with open_inbox(dsn, owned=journal.owned) as inbox:

                async def ask_afar(key: str, command: StockCommand) -> Answer:
                    answer: Answer = _answer(await inbox.ask(STOCK, _encode(command), key))
                    return answer

                yield ask_afar
            return
        async with open_warehouse(journal) as handle:

            async def ask_here(_: str, command: StockCommand) -> Answer:
                answer: Answer = await ask(handle.mailbox, command)  # type: ignore[assignment] # what its actor sends
                return answer

            async def answer_afar(_: str, message: bytes) -> bytes:
                return _encode(await ask_here("", _command(message)))

            async with open_inbox(dsn, owned=journal.owned, handle=answer_afar):
                yield ask_here


async def main(dsn: str, name: str, attempts: int) -> None:
    """Say that it is ready; on a line of input attempt, and say what came of it; on the next line end."""
    async with _daemon(dsn, name) as ask_warehouse:
        print("ready", flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)
        print(json.dumps(await attempt_all(ask_warehouse, name, attempts)), flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    trio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]))
