"""The database's disk runs full: the daemon says so and ends, and with room again nothing was lost."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from adapters.postgres.audit import audit
from adapters.postgres.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from tests.simulation.conftest import Open

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]

ORDERS = 12


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)  # noqa: S607 - wherever this machine has it


def fill(disk: Path) -> Path:
    """Take every byte that is left."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        for size in (1 << 20, 4096):
            while True:
                try:
                    os.write(file.fileno(), bytes(size))
                except OSError:
                    break
    return filler


async def test_a_full_disk_ends_the_daemon_with_a_reason_and_loses_no_order(
    open_merchant: "Open", small_disk: Path
) -> None:
    with trio.fail_after(90), EmbeddedPostgres(small_disk / "data") as server:
        async with open_merchant(dsn=server.dsn) as merchant:
            await merchant.receive("TEAPOT-BLUE", 2 * ORDERS)
            before = merchant.place(("TEAPOT-BLUE", 1))
            await merchant.shipped(before)
            filler = fill(small_disk)
            orders = [merchant.place(("TEAPOT-BLUE", 1)) for _ in range(ORDERS)]
            assert await merchant.ended() == 75
            told = [line for line in merchant.text().splitlines() if line.startswith("wharfinger: ")]
            assert any("No space left on device" in line for line in told), told
            assert "Traceback" not in merchant.text()

            filler.unlink()
            await merchant.start()
            await merchant.shipped(*orders)
            await merchant.told()
            assert merchant.stage.erp.duplicates() == ()
            assert len(merchant.stage.carrier.labels) == ORDERS + 1
        report = await audit(server.dsn, database_seconds_max=10)
        assert report.ok, report.findings
