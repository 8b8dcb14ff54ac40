"""Messages between two daemons on one database."""

from collections.abc import Callable

import asyncpg
import trio

from actors.domain.partitions import partition_of
from adapters.postgres.inbox import Inbox, open_inbox

SQL = Callable[..., list[asyncpg.Record]]
PARIS = partition_of("stock-paris")


class Clerk:
    """Answers in capitals, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []

    async def __call__(self, address: str, message: bytes) -> bytes:
        self.asked.append((address, message))
        await trio.lowlevel.checkpoint()
        return message.upper()


async def test_a_message_reaches_the_owner_of_its_partition_and_the_answer_comes_back(dsn: str) -> None:
    clerk, stranger = Clerk(), Clerk()
    with trio.fail_after(20):
        async with (
            open_inbox(dsn, owned={PARIS}, handle=clerk),
            open_inbox(dsn, owned=set(range(64)) - {PARIS}, handle=stranger),
            open_inbox(dsn) as asker,
        ):
            assert await asker.ask("stock-paris", b"two teapots", "K1") == b"TWO TEAPOTS"
    assert clerk.asked == [("stock-paris", b"two teapots")]
    assert stranger.asked == []


async def test_a_second_call_with_one_key_gets_the_first_answer(dsn: str) -> None:
    clerk = Clerk()
    with trio.fail_after(20):
        async with open_inbox(dsn, owned={PARIS}, handle=clerk), open_inbox(dsn) as asker:
            assert await asker.ask("stock-paris", b"first", "K1") == b"FIRST"
            assert await asker.ask("stock-paris", b"second", "K1") == b"FIRST"
    assert len(clerk.asked) == 1


async def test_what_was_asked_while_the_owner_was_away_is_answered_when_it_comes(dsn: str) -> None:
    answers: list[bytes] = []

    async def ask(asker: Inbox, number: int) -> None:
        answers.append(await asker.ask("stock-paris", str(number).encode(), f"K{number}"))

    clerk = Clerk()
    with trio.fail_after(20):
        async with open_inbox(dsn) as asker, trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(ask, asker, number)
            await trio.sleep(0.2)
            async with open_inbox(dsn, owned={PARIS}, handle=clerk):
                while len(answers) < 3:
                    await trio.sleep(0.01)
    assert sorted(answers) == [b"0", b"1", b"2"]


async def test_messages_are_handed_over_in_the_order_in_which_they_were_asked(dsn: str, sql: SQL) -> None:
    def ask_all() -> None:
        sql(
            "INSERT INTO inbox (partition, id, address, message)"
            f" SELECT {PARIS}, 'K' || n, 'stock-paris', convert_to(n::text, 'UTF8')"
            " FROM generate_series(1, 300) AS n",
            "SELECT 1",
        )

    await trio.to_thread.run_sync(ask_all)
    clerk = Clerk()
    with trio.fail_after(20):
        async with open_inbox(dsn, owned={PARIS}, handle=clerk):
            while await trio.to_thread.run_sync(sql, "SELECT 1 FROM inbox WHERE answered_at IS NULL"):
                await trio.sleep(0.05)
    assert [message for _, message in clerk.asked] == [str(number).encode() for number in range(1, 301)]


async def test_an_asker_that_gave_up_disturbs_nobody(dsn: str) -> None:
    clerk = Clerk()
    with trio.fail_after(20):
        async with open_inbox(dsn) as asker:
            with trio.move_on_after(0.2):
                await asker.ask("stock-paris", b"given up", "K1")
            async with open_inbox(dsn, owned={PARIS}, handle=clerk):
                assert await asker.ask("stock-paris", b"another", "K2") == b"ANOTHER"
    assert [message for _, message in clerk.asked] == [b"given up", b"another"]


async def test_four_hundred_at_once_are_all_answered(dsn: str) -> None:
    answers: dict[int, bytes] = {}

    async def ask(asker: Inbox, number: int) -> None:
        answers[number] = await asker.ask("stock-paris", f"a{number}".encode(), f"K{number}")

    with trio.fail_after(30):
        async with (
            open_inbox(dsn, owned={PARIS}, handle=Clerk()),
            open_inbox(dsn) as asker,
            trio.open_nursery() as nursery,
        ):
            for number in range(400):
                nursery.start_soon(ask, asker, number)
    assert answers == {number: f"A{number}".encode() for number in range(400)}
