"""A backup taken under load, restored elsewhere: it is proved whole, and the daemon goes on from it.

What happened after the dump is not in it. The daemon finds out what partners have already and repeats
nothing; the floor does again what was not recorded yet.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from adapters.postgres.audit import audit
from adapters.postgres.backup import check_backup
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.embedded_binaries import available_binaries

if TYPE_CHECKING:
    from tests.simulation.conftest import Merchant, Open

pytestmark = pytest.mark.slow

ORDERS = 16


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[EmbeddedPostgres, EmbeddedPostgres]]:
    """The live server, and one elsewhere that has never seen us."""
    kind = next(iter(available_binaries()))
    live = EmbeddedPostgres(tmp_path / "live", binaries=kind, durable=False)
    elsewhere = EmbeddedPostgres(tmp_path / "elsewhere", binaries=kind, durable=False)
    with live, elsewhere:
        yield live, elsewhere


async def run(program: str, *arguments: str) -> None:
    folder = next(iter(available_binaries().values()))
    if not (folder / program).exists():
        pytest.skip(f"this Postgres has no {program}")
    done = await trio.run_process([str(folder / program), *arguments], capture_stderr=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


async def dump(live: EmbeddedPostgres, file: Path) -> None:
    """Dump as docs/operations.md says."""
    await run("pg_dump", "--format=custom", f"--file={file}", live.dsn)


async def restore(elsewhere: EmbeddedPostgres, file: Path) -> str:
    """Restore as docs/operations.md says, for an owner who is no superuser; return the database as theirs."""
    for statement in (
        "CREATE ROLE wharfinger LOGIN",
        "CREATE ROLE wharfinger_daemon NOLOGIN",
        "GRANT wharfinger_daemon TO wharfinger",
        "CREATE DATABASE wharfinger_restored OWNER wharfinger",  # as createdb does
    ):
        await run("psql", "--quiet", f"--command={statement}", elsewhere.dsn)
    dsn = elsewhere.dsn.replace("postgres@/postgres?", "wharfinger@/wharfinger_restored?")
    await run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={dsn}", str(file))
    return dsn


async def wharfctl(merchant: "Merchant", *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    program = [sys.executable, "-c", "from daemon.ctl import main; main()"]
    place = ["--socket", str(merchant.stage.folder / "control.sock")]
    return await trio.run_process(
        [*program, *place, *arguments], capture_stdout=True, capture_stderr=True, check=False
    )


def place(merchant: "Merchant", count: int) -> list[str]:
    return [merchant.place(("TEAPOT-BLUE", 1)) for _ in range(count)]


async def sell(merchant: "Merchant", orders: list[str]) -> None:
    """Go on placing orders while the dump is taken."""
    for _ in range(ORDERS):
        orders += place(merchant, 1)
        await trio.sleep(0.02)


async def test_a_backup_under_load_is_whole_and_the_daemon_goes_on_from_it_and_repeats_nothing(
    open_merchant: "Open", servers: tuple[EmbeddedPostgres, EmbeddedPostgres], tmp_path: Path
) -> None:
    live, elsewhere = servers
    file = tmp_path / "wharfinger.dump"
    with trio.fail_after(120):
        async with open_merchant(dsn=live.dsn) as merchant:
            await merchant.receive("TEAPOT-BLUE", 4 * ORDERS)
            orders = place(merchant, ORDERS)
            await merchant.shipped(orders[0])
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sell, merchant, orders)
                await dump(live, file)
            await merchant.shipped(*orders)
            await merchant.told()
            merchant.left_alone.update(late := place(merchant, 3))
            for order in late:
                await merchant.until(order, "picking")
            await merchant.told()
            restored = await restore(elsewhere, file)
            (tmp_path / "restored.dsn").write_text(restored)
            checked = await wharfctl(
                merchant, "backup-check", "--restored-dsn-file", str(tmp_path / "restored.dsn")
            )
            assert checked.returncode == 0, checked.stderr
            assert b": whole" in checked.stdout
            merchant.signal(signal.SIGKILL)
            await merchant.ended()
            booked = merchant.stage.erp.pieces()
            labelled = len(merchant.stage.carrier.labels)

            report = await check_backup(live.dsn, restored)
            assert report.ok, report
            assert report.behind > 0

            (merchant.stage.folder / "dsn").write_text(restored)
            await merchant.start()
            listed = [each["order"] for each in (await merchant.ask("/v1/orders"))["orders"]]
            known = [order for order in listed if order not in late]
            assert orders[0] in known
            await merchant.shipped(*known)
            await merchant.told()
            assert (labelled, booked) == (len(merchant.stage.carrier.labels), merchant.stage.erp.pieces())
            merchant.left_alone.clear()
            await merchant.shipped(*late)
            await merchant.told()
            assert await merchant.anomalies() == []
            assert len(merchant.stage.carrier.labels) == len(orders) + len(late)
            assert merchant.stage.erp.duplicates() == ()
        proved = await audit(restored, database_seconds_max=10)
        assert proved.ok, proved.findings


async def test_a_backup_of_another_history_or_with_a_changed_event_is_called_worth_nothing(
    open_merchant: "Open", servers: tuple[EmbeddedPostgres, EmbeddedPostgres], tmp_path: Path
) -> None:
    live, elsewhere = servers
    file = tmp_path / "wharfinger.dump"
    with trio.fail_after(60):
        async with open_merchant(dsn=live.dsn) as merchant:
            await merchant.shipped(*place(merchant, 1))
            await merchant.told()
        await dump(live, file)
        restored = await restore(elsewhere, file)
        assert (await check_backup(live.dsn, restored)).behind == 0
        forge = (
            "ALTER TABLE event DISABLE TRIGGER ALL",
            "UPDATE event SET data = replace(data::text, 'TEAPOT', 'LAMP')::json WHERE kind = 'stock.opened'",
        )
        for statement in forge:
            await run("psql", "--quiet", f"--command={statement}", restored)
        forged = await check_backup(live.dsn, restored)
        assert not forged.ok
        assert not forged.audit.chain
        other = "UPDATE partition_head SET hash = '\\x00' WHERE position > 0"
        await run("psql", "--quiet", f"--command={other}", restored)
        assert (await check_backup(live.dsn, restored)).foreign != ()
