"""Two daemons on one database: one works, the other waits; whoever lost the lease can no longer write."""

import os
import signal
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from adapters.postgres.embedded import EmbeddedPostgres
from daemon.control.client import ControlClient
from daemon.demo.patience import PatientClient
from daemon.demo.scenario import plan
from daemon.demo.stage import DaemonProcess, Stage, open_stage

TAKE_OVER_S_MAX = 25.0
"""The lease's ten seconds, a start, and a slow machine."""


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "pg") as server:
        yield server


@asynccontextmanager
async def two_daemons(
    tmp_path: Path, postgres: EmbeddedPostgres
) -> AsyncGenerator[tuple[Stage, DaemonProcess, DaemonProcess, PatientClient]]:
    """Start one daemon, then another on the same database; yield them with a way to speak to the second."""
    folder = tmp_path / "stage"
    folder.mkdir()
    async with open_stage(plan(0, 1), 1, folder, postgres.dsn) as stage:
        first = DaemonProcess(stage.config, folder / "first.log")
        first.start()
        second = DaemonProcess(_second_settings(stage), folder / "second.log")
        try:
            await first.until_ready(stage.client)
            second.start()
            await _until_logged(second, "standby")
            async with ControlClient(folder / "second.sock") as client:
                yield stage, first, second, PatientClient(client)
        finally:
            for daemon in (first, second):
                if daemon.process is not None:
                    daemon.process.kill()
                    daemon.process.wait()


def _second_settings(stage: Stage) -> Path:
    text = stage.config.read_text().replace("control.sock", "second.sock")
    text = text.replace(f"web_port = {stage.web_port}", f"web_port = {_free_port()}")
    config = stage.folder / "second.toml"
    config.write_text(text)
    return config


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _until_logged(daemon: DaemonProcess, words: str) -> None:
    while words not in daemon.log_file.read_text():
        assert daemon.process is not None
        assert daemon.process.poll() is None, daemon.log_file.read_text()
        await trio.sleep(0.05)


async def _place_and_see(stage: Stage, client: PatientClient) -> None:
    """An order that is placed now is taken in by whoever is in charge."""
    stage.shop.place_order([("TEAPOT-BLUE", 1)])
    placed = len(stage.shop.orders())
    while (await client.get("/v1/status"))["orders"].get("picking", 0) < placed:
        await trio.sleep(0.1)


@pytest.mark.slow
async def test_the_second_daemon_waits_and_takes_over_when_the_first_is_killed(
    tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    with trio.fail_after(60):
        async with two_daemons(tmp_path, postgres) as (stage, first, second, client):
            await _place_and_see(stage, stage.client)
            assert first.process is not None
            first.process.kill()
            await second.until_ready(client)
            await _place_and_see(stage, client)


@pytest.mark.slow
async def test_a_daemon_that_was_only_frozen_is_fenced_off_when_it_thaws(
    tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    with trio.fail_after(90):
        async with two_daemons(tmp_path, postgres) as (stage, first, second, client):
            assert first.process is not None
            os.kill(first.process.pid, signal.SIGSTOP)
            with trio.fail_after(TAKE_OVER_S_MAX):
                await second.until_ready(client)
            await _place_and_see(stage, client)
            os.kill(first.process.pid, signal.SIGCONT)
            while first.process.poll() is None:
                await trio.sleep(0.05)
            assert first.process.returncode != 0
            await _place_and_see(stage, client)
