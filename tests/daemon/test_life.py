"""The daemon as a process of its own, its partners all away: it starts, hears signals, and ends well."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from adapters.postgres.journal import open_journal
from daemon.control.client import ControlClient
from tests.settings import PARTNERS

pytestmark = pytest.mark.slow

SECRETS = {
    "shop.key": "shop-hunter2-shop-hunter2-shop-h",
    "erp.password": "erp-hunter2",
    "swift.key": "swift-hunter2",
}

DAEMON = """
rules_file = "rules.toml"

[database]
{database}

[daemon]
socket = "{folder}/control.sock"
web_port = {port}
drain_seconds = 5
"""

OWN = 'data_dir = "{folder}/postgres"'
DATABASE = 'dsn_file = "dsn"'

AND_LILLE = """
[warehouses.lille]
country = "FR"
"""


class Running:
    """A daemon that runs, and what it has logged so far."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", folder: Path, port: int, manager: socket.socket
    ) -> None:
        self.process = process
        self.manager = manager
        self.folder = folder
        self.port = port

    def log(self) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def told(self) -> list[str]:
        """Return what the service manager was told since it was asked last."""
        lines: list[str] = []
        with suppress(BlockingIOError):
            while True:
                lines += self.manager.recv(4096, socket.MSG_DONTWAIT).decode().splitlines()
        return lines

    async def status(self) -> dict[str, Any]:
        """Return its status once it answers."""
        async with ControlClient(self.folder / "control.sock") as client:
            while True:
                try:
                    return await client.request("GET", "/v1/status")
                except OSError:
                    assert self.process.poll() is None, (self.folder / "log").read_text()
                    await trio.sleep(0.05)

    async def logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Return the events of that name once there are so many."""
        while len(found := [line for line in self.log() if line["event"] == event]) < count:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            await trio.sleep(0.05)
        return found


@contextmanager
def running(folder: Path, dsn: str = "") -> Generator[Running]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, text in (SECRETS | {"dsn": dsn}).items():
        (folder / name).write_text(text)
    (folder / "rules.toml").touch()
    partners = PARTNERS.replace("[erp.depots]", '[erp.depots]\nlille = "LIL"') + AND_LILLE
    (folder / "wharfinger.toml").write_text(
        DAEMON.format(folder=folder, port=port, database=DATABASE if dsn else OWN.format(folder=folder))
        + partners
    )
    command = [sys.executable, "-m", "daemon", "run", "--log-level", "debug"]
    with (folder / "log").open("wb") as log, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        (folder / "notify").unlink(missing_ok=True)
        manager.bind(str(folder / "notify"))
        process = subprocess.Popen(
            [*command, "--config", str(folder / "wharfinger.toml")],
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")},
        )
        try:
            yield Running(process, folder, port, manager)
        finally:
            process.kill()
            process.wait()


async def ended(process: "subprocess.Popen[bytes]") -> int:
    while (code := process.poll()) is None:
        await trio.sleep(0.05)
    return code


async def test_it_waits_for_its_partners_obeys_signals_and_logs_no_secret(tmp_path: Path) -> None:
    with trio.fail_after(60), running(tmp_path) as daemon:
        status = await daemon.status()
        assert (status["state"], status["partitions"]) == ("starting", 64)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{daemon.port}") as web:
            assert (await web.get("/healthz")).status_code == 200
            assert (await web.get("/readyz")).status_code == 503
            assert "wharfinger_partitions_owned 64.0" in (await web.get("/metrics")).text

        (tmp_path / "rules.toml").write_text('closed = ["lille"]\n')
        daemon.process.send_signal(signal.SIGHUP)
        (reloaded,) = await daemon.logged("rules_reloaded")
        assert (await daemon.status())["rules"] == reloaded["version"] != status["rules"]

        (tmp_path / "rules.toml").write_text('closed = ["paris"]\n')
        daemon.process.send_signal(signal.SIGHUP)
        (refused,) = await daemon.logged("rules_not_reloaded")
        assert "rules.closed[0]: there is no warehouse 'paris'" in refused["why"]
        assert (await daemon.status())["rules"] == reloaded["version"]

        daemon.told()
        daemon.process.send_signal(signal.SIGTERM)
        assert await ended(daemon.process) == 0
        # As long as the settings allow for draining, and what comes after; the unit's own bound may be less.
        assert {"STOPPING=1", "EXTEND_TIMEOUT_USEC=80000000"} <= set(daemon.told())
        assert not (tmp_path / "control.sock").exists()
        text = (tmp_path / "log").read_text()
        assert "Traceback" not in text
        for secret in SECRETS.values():
            assert secret not in text


async def test_a_standby_takes_over_by_the_rules_as_they_are_then_and_not_as_it_found_them(
    tmp_path: Path, dsn: str
) -> None:
    """It may have waited for days, and heard SIGHUP meanwhile."""
    with trio.fail_after(60):
        async with AsyncExitStack() as other_host:
            await other_host.enter_async_context(open_journal(dsn, owner="the other host's"))
            with running(tmp_path, dsn) as daemon:
                await daemon.logged("lease.standby")
                (tmp_path / "rules.toml").write_text('closed = ["paris"]\n')
                daemon.process.send_signal(signal.SIGHUP)
                await daemon.logged("rules_not_reloaded")
                (tmp_path / "rules.toml").write_text('closed = ["lille"]\n')
                await other_host.aclose()
                await daemon.status()
                async with ControlClient(tmp_path / "control.sock") as client:
                    told = (await client.request("GET", "/v1/warehouses"))["warehouses"]
                assert [(each["warehouse"], each["is_open"]) for each in told] == [
                    ("lyon", True),
                    ("lille", False),
                ]


async def test_a_second_daemon_on_the_same_place_says_so_and_the_first_goes_on(tmp_path: Path) -> None:
    with trio.fail_after(60), running(tmp_path) as first:
        await first.status()
        command = [sys.executable, "-m", "daemon", "run", "--config", str(tmp_path / "wharfinger.toml")]
        second = await trio.run_process(command, capture_stderr=True, check=False)
        assert second.returncode == 69
        assert b"wharfinger: another server works in" in second.stderr
        assert b"Traceback" not in second.stderr
        assert (await first.status())["state"] == "starting"


async def test_what_a_killed_daemon_left_behind_does_not_stop_the_next(tmp_path: Path) -> None:
    for _ in range(2):
        with trio.fail_after(60), running(tmp_path) as daemon:
            assert (await daemon.status())["state"] == "starting"
            daemon.process.kill()
            assert await ended(daemon.process) == -signal.SIGKILL
        assert (tmp_path / "control.sock").exists()
