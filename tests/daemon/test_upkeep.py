"""wharfinger audit, rebuild and forget, on a real database with one receipt and one customer in it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
import trio

from actors.domain.stock_events import StockReceived
from actors.ports.journal import Append
from actors.ports.people import BesideRow
from adapters.postgres.backup import NotRestoredError, examine
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.journal import open_journal
from tests.settings import PARTNERS

pytestmark = pytest.mark.slow

AT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("upkeep") / "pg", durable=False) as server:
        yield server


@pytest.fixture
def config(server: EmbeddedPostgres, tmp_path: Path) -> Path:
    """Return settings for a fresh database in which something has happened."""
    asyncio.run(_run(server.dsn, "DROP DATABASE IF EXISTS upkeep", "CREATE DATABASE upkeep"))
    dsn = server.dsn.replace("/postgres?", "/upkeep?")
    trio.run(_happen, dsn)
    for name, text in (("dsn", dsn), ("shop.key", "S" * 32), ("erp.password", "p"), ("swift.key", "k")):
        (tmp_path / name).write_text(text)
    config = tmp_path / "wharfinger.toml"
    config.write_text(f'[database]\ndsn_file = "dsn"\n{PARTNERS}')
    return config


async def _happen(dsn: str) -> None:
    with trio.fail_after(30):
        async with open_journal(dsn, owner="test") as journal:
            received = StockReceived("D-1", "TEAPOT", 5, "A-01")
            ada = BesideRow("c1", "contact", "main:42", b"salt", b'{"name":"Ada"}')
            await journal.append(Append("stock-lyon", 0, (received,), AT))
            await journal.append(Append("stock-lyon", 1, (StockReceived("D-2", "CUP", 2, "B-02"),), AT))
            assert await _keep_beside(dsn, ada) == "INSERT 0 1"


async def _keep_beside(dsn: str, row: BesideRow) -> str:
    """Put a row beside the log, as an import's append would."""
    values = f"(0, '{row.id}', '{row.kind}', '{row.customer}', '\\x00', '\\x00')"
    sql = f"INSERT INTO beside (partition, id, kind, customer, salt, body) VALUES {values}"
    return (await trio.to_thread.run_sync(asyncio.run, _run(dsn, sql)))[-1]


async def _run(dsn: str, *statements: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return [await connection.execute(statement) for statement in statements]
    finally:
        connection.terminate()


def wharfinger(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "daemon", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def dsn_of(config: Path) -> str:
    return (config.parent / "dsn").read_text()


def test_a_whole_log_passes_the_audit(config: Path) -> None:
    ran = wharfinger("audit", "--config", str(config))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[0] == "2 events, 2 movements: the chain is whole,"
    told = json.loads(wharfinger("audit", "--json", "--config", str(config)).stdout)
    assert (told["ok"], told["events"], told["oversold_units"], told["chain"]) == (True, 2, 0, True)


def test_a_changed_event_fails_the_audit_and_is_named(config: Path) -> None:
    change = "UPDATE event SET data = replace(data::text, '5', '50')::json WHERE version = 1"
    asyncio.run(_run(dsn_of(config), "ALTER TABLE event DISABLE TRIGGER ALL", change))
    ran = wharfinger("audit", "--config", str(config))
    assert ran.returncode == 1
    assert "THE CHAIN IS BROKEN" in ran.stdout
    assert " position 1: " in ran.stdout.splitlines()[2]


def test_projections_are_rebuilt_to_the_same_content(config: Path) -> None:
    async def balances() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(dsn_of(config))
        try:
            rows = await connection.fetch("SELECT * FROM stock_balance ORDER BY 1, 2, 3")
            return [tuple(row) for row in rows]
        finally:
            connection.terminate()

    before = asyncio.run(balances())
    assert before
    asyncio.run(
        _run(dsn_of(config), "UPDATE stock_balance SET available = available + 1, supplier = supplier - 1")
    )
    assert wharfinger("audit", "--config", str(config)).returncode == 1
    ran = wharfinger("rebuild", "--config", str(config))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "rebuilt from 2 events\n", "")
    assert asyncio.run(balances()) == before
    assert wharfinger("audit", "--config", str(config)).returncode == 0


def test_nothing_is_rebuilt_under_a_daemon_at_work(config: Path) -> None:
    async def try_it() -> "subprocess.CompletedProcess[str]":
        with trio.fail_after(60):
            async with open_journal(dsn_of(config), owner="a daemon"):
                return await trio.to_thread.run_sync(lambda: wharfinger("rebuild", "--config", str(config)))

    ran = trio.run(try_it)
    assert ran.returncode == 69
    assert ran.stderr == "wharfinger: a daemon is at work on this database: stop it first\n"


def test_a_customer_is_forgotten_once(config: Path) -> None:
    first, second = (wharfinger("forget", "--customer", "main:42", "--config", str(config)) for _ in range(2))
    assert (first.returncode, first.stdout, first.stderr) == (0, "1 row erased\n", "")
    assert second.stdout == (
        "0 rows erased: nothing here is main:42's, or not any more; is the number the shop's?\n"
    )


@pytest.mark.parametrize("customer", ["42", "main:", "mian:42", ""])
def test_a_customer_nobody_can_be_is_refused(config: Path, customer: str) -> None:
    ran = wharfinger("forget", "--customer", customer, "--config", str(config))
    assert ran.returncode == 2
    assert "expected CHANNEL:ID with one of the channels main" in ran.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("audit",),
        ("rebuild",),
        ("backup-check", "--restored-dsn-file", "dsn"),
        ("forget", "--customer", "main:1"),
    ],
)
def test_a_database_without_a_log_is_told_as_that_and_not_as_a_fault(
    config: Path, server: EmbeddedPostgres, command: tuple[str, ...]
) -> None:
    (config.parent / "dsn").write_text(
        server.dsn
    )  # what a slip of the hand names, or a restore that never ran
    told = wharfinger(
        *(str(config.parent / part) if part == "dsn" else part for part in command), "--config", str(config)
    )
    assert told.returncode == 69, told.stderr
    assert told.stderr.startswith("wharfinger: the database holds no log of ours: is its address right?")


def test_the_live_database_is_no_backup_of_itself(config: Path) -> None:
    command = ("backup-check", "--restored-dsn-file", str(config.parent / "dsn"), "--config", str(config))
    told = wharfinger(*command)
    assert (told.returncode, told.stdout) == (69, "")
    live = "wharfinger: the restored database's address is the live one's: "
    assert told.stderr == f"{live}it is the database of these settings\n"

    async def beside_a_daemon() -> None:
        with trio.fail_after(60):
            async with open_journal(dsn_of(config), owner="a daemon"):
                with pytest.raises(NotRestoredError, match="a daemon is at work on it"):
                    await examine(dsn_of(config))

    trio.run(beside_a_daemon)


def audit_noted(config: Path) -> tuple[bool, int] | None:
    """Return what a daemon is told of the last audit: whether it was well, and how many events it read."""

    async def ask() -> tuple[bool, int] | None:
        with trio.fail_after(30):
            async with open_journal(dsn_of(config), owner="a daemon") as journal:
                last = await journal.last_audit()
        return None if last is None else (last.ok, last.events)

    return trio.run(ask)


def test_a_daemon_hears_of_the_last_audit_whatever_came_of_it(config: Path) -> None:
    assert audit_noted(config) is None
    wharfinger("audit", "--config", str(config))
    assert audit_noted(config) == (True, 2)
    wrong = "UPDATE stock_balance SET available = available + 1, supplier = supplier - 1"
    asyncio.run(_run(dsn_of(config), wrong))
    assert wharfinger("audit", "--config", str(config)).returncode == 1
    assert audit_noted(config) == (False, 2)


def test_who_may_only_read_can_audit_all_the_same(config: Path) -> None:
    asyncio.run(_run(dsn_of(config), "ALTER DATABASE upkeep SET default_transaction_read_only = on"))
    ran = wharfinger("audit", "--config", str(config))
    assert ran.returncode == 0
    assert "the chain is whole" in ran.stdout
    assert "audit_not_noted" in ran.stderr + ran.stdout
