"""Who owns which partitions: from the dead at once, from the frozen after a while, from the living never."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
import trio

from actors.domain.order_events import CancelAsked
from actors.domain.partitions import partition_of
from actors.inspection import UnansweredError
from actors.ports.journal import Append, FencedError
from adapters.postgres.bridge import Bridge, open_bridge
from adapters.postgres.connect import READERS, ROLE, Connection, DatabaseUnavailableError, connect
from adapters.postgres.journal import PostgresJournal, open_journal
from adapters.postgres.leases import acquire

SQL = Callable[..., list[asyncpg.Record]]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def note(order: str, expected: int) -> Append:
    return Append(f"order-{order}", expected, (CancelAsked("shop"),), NOW)


async def in_thread(sql: SQL, *statements: str) -> list[asyncpg.Record]:
    return await trio.to_thread.run_sync(lambda: sql(*statements))


def fences(sql: SQL) -> dict[int, tuple[str, int]]:
    rows = sql("SELECT partition, owner, fence FROM partition_lease")
    return {row["partition"]: (row["owner"], row["fence"]) for row in rows}


async def test_one_daemon_owns_all_partitions_and_gives_them_back_at_its_end(dsn: str, sql: SQL) -> None:
    with trio.fail_after(20):
        async with open_journal(dsn, owner="first") as journal:
            assert journal.owned == frozenset(range(64))
            assert set((await trio.to_thread.run_sync(fences, sql)).values()) == {("first", 1)}
        assert set((await trio.to_thread.run_sync(fences, sql)).values()) == {("", 1)}
        async with open_journal(dsn, owner="second") as journal:
            assert set((await trio.to_thread.run_sync(fences, sql)).values()) == {("second", 2)}


async def test_a_standby_waits_and_takes_over_when_the_first_ends(dsn: str) -> None:
    order: list[str] = []

    async def stand_by() -> None:
        async with open_journal(dsn, owner="standby") as journal:
            order.append("standby owns")
            await journal.append(note("1", 1))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery, open_journal(dsn, owner="first") as journal:
            nursery.start_soon(stand_by)
            await journal.append(note("1", 0))
            await trio.sleep(1.5)  # longer than the standby's look
            order.append("first ends")
    assert order == ["first ends", "standby owns"]


async def test_a_standby_whose_database_is_restarted_says_that_and_calls_it_no_fault_of_its_own(
    dsn: str, sql: SQL
) -> None:
    """It ends, as at a start without a database, and is started anew until there is one."""
    waiting = "state = 'idle' AND query = 'COMMIT;' AND datname = current_database()"

    async def restart() -> None:
        kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {waiting}"
        while not await in_thread(sql, kill):
            await trio.sleep(0.05)

    with trio.fail_after(20):
        async with open_journal(dsn, owner="first"), trio.open_nursery() as nursery:
            nursery.start_soon(restart)
            with pytest.raises(DatabaseUnavailableError, match="the database was lost"):
                async with open_journal(dsn, owner="standby"):
                    raise AssertionError("the first still owns all")


async def test_two_daemons_may_share_the_partitions(dsn: str) -> None:
    """Each takes as many as it was told, or waits: no two end up with a part of what one should have."""
    with trio.fail_after(20):
        async with (
            open_journal(dsn, owner="first", partitions_max=40) as first,
            open_journal(dsn, owner="second", partitions_max=24) as second,
        ):
            assert (len(first.owned), len(second.owned)) == (40, 24)
            assert first.owned | second.owned == frozenset(range(64))
            for number in range(20):
                owner = first if partition_of(f"order-{number}") in first.owned else second
                other = second if owner is first else first
                await owner.append(note(str(number), 0))
                with pytest.raises(FencedError, match="not ours"):
                    await other.append(note(str(number), 1))


async def test_what_a_dead_owner_held_is_free_at_once(dsn: str, sql: SQL) -> None:
    """Its connection is gone, and with it the locks that say it lives; nobody waits for the lease to end."""
    with trio.fail_after(10):
        async with open_bridge() as bridge:
            async with connected(bridge, dsn) as connection:
                await acquire(bridge, connection, "dead", lease_seconds=3600)
            async with open_journal(dsn, owner="heir") as journal:
                assert len(journal.owned) == 64
    assert {owner for owner, _ in fences(sql).values()} == {""}


async def test_a_frozen_owner_is_fenced_off_once_another_took_over(dsn: str, sql: SQL) -> None:
    """The frozen one does not renew; it still has its connection, and tries to write when it wakes up."""
    with trio.fail_after(30):
        async with open_journal(dsn, owner="first") as journal:
            await journal.append(note("1", 0))
        frozen, thaw = trio.Event(), trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(freeze, dsn, frozen, thaw)
            await frozen.wait()
            async with open_journal(dsn, owner="heir") as heir:
                await heir.append(note("1", 2))
                thaw.set()
                await trio.sleep(0.5)
                await heir.append(note("1", 3))
                events = await heir.read("order-1")
    assert [recorded.version for recorded in events] == [1, 2, 3, 4]
    assert {fence for _, fence in (await trio.to_thread.run_sync(fences, sql)).values()} == {3}


async def freeze(dsn: str, frozen: trio.Event, thaw: trio.Event) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(FencedError, match="lease"), flatten_subgroups=True):
        async with never_renewing(dsn, "frozen") as journal:
            await journal.append(note("1", 1))
            frozen.set()
            await thaw.wait()
            with pytest.raises(FencedError, match="lease"):
                await journal.append(note("1", 2))
            with pytest.raises(FencedError):  # and it stays stopped
                await journal.append(note("2", 0))
            await trio.sleep_forever()


async def test_an_owner_whose_lease_ran_out_does_not_write_even_if_nobody_took_over(dsn: str) -> None:
    with (
        trio.fail_after(20),
        pytest.RaisesGroup(pytest.RaisesExc(FencedError, match="lease"), flatten_subgroups=True),
    ):
        async with never_renewing(dsn, "slow") as journal:
            await journal.append(note("1", 0))
            await trio.sleep(1.2)
            with pytest.raises(FencedError, match="lease"):
                await journal.append(note("1", 1))
            await trio.sleep_forever()


async def test_a_takeover_waits_for_an_append_that_is_under_way(dsn: str, sql: SQL) -> None:
    """The append's transaction holds the partition; whoever takes over sees what it committed."""
    holding, let_go = trio.Event(), trio.Event()

    async def hold() -> None:
        async with open_bridge() as bridge, connected(bridge, dsn) as connection:
            await bridge.run(execute, connection, "BEGIN")
            await bridge.run(execute, connection, "SELECT pg_advisory_xact_lock_shared(1464353106, 7)")
            holding.set()
            await let_go.wait()
            await bridge.run(execute, connection, "COMMIT")

    opened: list[PostgresJournal] = []

    async def take() -> None:
        async with open_journal(dsn, owner="heir") as journal:
            opened.append(journal)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold)
            await holding.wait()
            nursery.start_soon(take)
            while not await in_thread(
                sql, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ):
                await trio.sleep(0.01)
            assert opened == []
            let_go.set()
    assert len(opened) == 1


async def test_a_renewing_owner_keeps_its_partitions_for_longer_than_a_lease(dsn: str) -> None:
    with trio.fail_after(20):
        async with open_journal(dsn, owner="first", lease_seconds=0.6, renew_seconds=0.1) as journal:
            await trio.sleep(1.5)
            await journal.append(note("1", 0))


async def test_a_daemon_whose_leases_were_taken_stops(dsn: str, sql: SQL) -> None:
    with (
        trio.fail_after(20),
        pytest.RaisesGroup(pytest.RaisesExc(FencedError, match="taken over"), flatten_subgroups=True),
    ):
        async with open_journal(dsn, owner="first", renew_seconds=0.1):
            await in_thread(sql, "UPDATE partition_lease SET owner = 'other', fence = fence + 1", "SELECT 1")
            await trio.sleep_forever()


async def test_a_daemon_that_cannot_renew_in_time_stops(dsn: str) -> None:
    """The table is locked for longer than a lease: whether we still own anything cannot be known."""
    with (
        trio.fail_after(20),
        pytest.RaisesGroup(
            pytest.RaisesExc(FencedError, match="could not be renewed"), flatten_subgroups=True
        ),
    ):
        async with (
            open_bridge() as bridge,
            connected(bridge, dsn) as connection,
            open_journal(dsn, owner="first", lease_seconds=1.0, renew_seconds=0.2),
        ):
            await bridge.run(execute, connection, "RESET ROLE")
            await bridge.run(execute, connection, "BEGIN; LOCK TABLE partition_lease IN EXCLUSIVE MODE")
            await trio.sleep_forever()


async def test_a_database_that_takes_no_more_connections_answers_no_search_and_the_daemon_goes_on(
    dsn: str,
) -> None:
    path, name = dsn.partition("?")[0], dsn.partition("?")[0].rpartition("/")[2]
    beside = dsn.replace(path, path.removesuffix(name) + "postgres", 1)
    with trio.fail_after(20):
        async with (
            open_bridge() as bridge,
            open_journal(dsn, owner="first") as journal,
            connected(bridge, beside, role=None) as connection,
        ):
            await bridge.run(execute, connection, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            with pytest.raises(UnansweredError):
                await journal.movements("lyon", "CUP", 10)
            await journal.append(note("1", 0))
            await bridge.run(execute, connection, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            assert await journal.movements("lyon", "CUP", 10) == []


@asynccontextmanager
async def connected(bridge: Bridge, dsn: str, role: str | None = ROLE) -> AsyncGenerator[Connection]:
    connection = await bridge.run(open_connection, dsn, role)
    try:
        yield connection
    finally:
        with trio.CancelScope(shield=True):
            await bridge.run(terminate, connection)


async def open_connection(dsn: str, role: str | None) -> Connection:
    return await connect(dsn, role=role, seconds_max=5)


async def execute(connection: Connection, statement: str) -> None:
    await connection.execute(statement)


async def terminate(connection: Connection) -> None:
    connection.terminate()


def never_renewing(dsn: str, owner: str) -> AbstractAsyncContextManager[PostgresJournal]:
    return open_journal(dsn, owner=owner, lease_seconds=1.0, renew_seconds=3600)


async def test_a_lease_is_told_by_how_long_it_holds_and_a_renewal_lengthens_it(dsn: str) -> None:
    with trio.fail_after(20):
        async with open_journal(dsn, owner="one", lease_seconds=5, renew_seconds=0.2) as journal:
            assert 4 < journal.lease_remaining_s() <= 5
            await trio.sleep(1.5)
            assert 4 < journal.lease_remaining_s() <= 5
        async with never_renewing(dsn, "two") as journal:
            left = journal.lease_remaining_s()
            await trio.sleep(0.3)
            assert journal.lease_remaining_s() <= left - 0.3
            assert journal.is_ours()
            await trio.sleep(0.8)
            assert not journal.is_ours()


async def test_what_people_ask_keeps_no_actor_waiting_and_costs_no_lease(dsn: str) -> None:
    """More searches than there are connections for reading wait for longer than a lease."""
    with trio.fail_after(20):
        async with (
            open_bridge() as bridge,
            connected(bridge, dsn) as connection,
            open_journal(dsn, owner="first", lease_seconds=1.0, renew_seconds=0.2) as journal,
            trio.open_nursery() as nursery,
        ):
            await journal.append(note("1", 0))
            await bridge.run(execute, connection, "SET ROLE NONE")
            await bridge.run(execute, connection, "BEGIN; LOCK TABLE stock_movement IN ACCESS EXCLUSIVE MODE")
            for _ in range(READERS + 1):
                nursery.start_soon(journal.movements, "lyon", "CUP", 10)
            await trio.sleep(1.5)
            with trio.fail_after(0.5):
                assert len(await journal.read("order-1")) == 1
            await journal.append(note("1", 1))
            await bridge.run(execute, connection, "COMMIT")


async def test_a_search_that_is_ended_ends_nobody_but_who_asked(dsn: str, sql: SQL) -> None:
    """As whoever keeps the database ends a query that runs for too long."""
    searching = "datname = current_database() AND query LIKE '%FROM stock_movement AS m%'"
    stop = f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {searching}"
    with trio.fail_after(20):
        async with (
            open_bridge() as bridge,
            connected(bridge, dsn) as connection,
            open_journal(dsn, owner="first") as journal,
            trio.open_nursery() as nursery,
        ):
            await bridge.run(execute, connection, "SET ROLE NONE")
            await bridge.run(execute, connection, "BEGIN; LOCK TABLE stock_movement IN ACCESS EXCLUSIVE MODE")

            over = trio.Event()

            async def search() -> None:
                with pytest.raises(UnansweredError, match="QueryCanceledError"):
                    await journal.movements("lyon", "CUP", 10)
                over.set()

            nursery.start_soon(search)
            while not over.is_set():
                await in_thread(sql, f"{stop} AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'")
                await trio.sleep(0.05)
            assert journal.is_ours()
