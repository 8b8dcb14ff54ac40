"""The network cuts the writer off, within what it sends or within the answer: nobody is told what is not."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import trio

from actors.domain.order_events import CancelAsked
from actors.ports.journal import Append, FencedError
from adapters.postgres.audit import audit
from adapters.postgres.journal import open_journal
from adapters.postgres.pipeline import AT_ONCE_BYTES

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
ORDER = "order-1"
LARGE = 10 * AT_ONCE_BYTES
"""Bytes of a batch that a thread sends. No other connection of a journal carries so many."""


class Network:
    """Carries bytes to the server and back. It cuts the connection that carries more than it may."""

    def __init__(self, server: str, sent_max: int, answered_max: int) -> None:
        self._server = server
        self._sent_max = sent_max
        self._answered_max = answered_max

    async def carry(self, client: trio.SocketStream) -> None:
        """Carry one connection until either side, or we, end it."""
        sent = 0
        async with (
            client,
            await trio.open_unix_socket(self._server) as server,
            trio.open_nursery() as nursery,
        ):

            async def up() -> None:
                nonlocal sent
                async for piece in client:
                    room = self._sent_max - sent
                    sent += len(piece)
                    await server.send_all(piece[:room])
                    if len(piece) > room:
                        break
                nursery.cancel_scope.cancel()

            async def down() -> None:
                async for piece in server:
                    if sent > LARGE:  # it is the answer
                        await client.send_all(piece[: self._answered_max])
                        break
                    await client.send_all(piece)
                nursery.cancel_scope.cancel()

            nursery.start_soon(up)
            nursery.start_soon(down)


@asynccontextmanager
async def behind_a_network(dsn: str, *, sent_max: int, answered_max: int) -> AsyncGenerator[str]:
    """Yield the address of the database with a network in front."""
    asked = parse_qs(urlsplit(dsn).query)
    network = Network(f"{asked['host'][0]}/.s.PGSQL.{asked['port'][0]}", sent_max, answered_max)
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, network.carry, [listener])
        yield f"postgresql://postgres@127.0.0.1:{listener.socket.getsockname()[1]}{urlsplit(dsn).path}"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("sent_max", "answered_max", "recorded"),
    [(LARGE // 2, 0, 0), (LARGE, 0, 0), (2 * LARGE, 0, 1), (2 * LARGE, 5, 1)],
    ids=["in the middle", "before its end", "before the answer", "within the answer"],
)
async def test_whoever_is_cut_off_within_a_large_batch_falls_and_its_heir_finds_all_of_it_or_nothing(
    dsn: str, sent_max: int, answered_max: int, recorded: int
) -> None:
    large = Append(ORDER, 0, (CancelAsked("x" * LARGE),), NOW)
    told: list[FencedError] = []
    with trio.fail_after(20):
        async with behind_a_network(dsn, sent_max=sent_max, answered_max=answered_max) as address:
            with pytest.RaisesGroup(FencedError, flatten_subgroups=True, allow_unwrapped=True):
                async with open_journal(address, owner="the test") as journal:
                    try:
                        await journal.append(large)
                    except FencedError as error:
                        told.append(error)
                    await trio.sleep_forever()
        assert len(told) == 1
        async with open_journal(dsn, owner="its heir") as journal:
            found = await journal.read(ORDER)
            assert len(found) == recorded
            await journal.append(Append(ORDER, recorded, (CancelAsked("shop"),), NOW))
        report = await audit(dsn)
    assert report.chain
    assert report.events == recorded + 1
