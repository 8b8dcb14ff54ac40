"""kill -9 of the daemon and of Postgres at random moments under load; afterwards every book has to agree.

`WHARFINGER_KILLS` asks for more kills than the twenty of an ordinary run, `WHARFINGER_SEED` for others.
"""

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from adapters.postgres.embedded import EmbeddedPostgres
from daemon.demo.play import Play, audit
from daemon.demo.report import figures, is_sound
from daemon.demo.scenario import plan
from daemon.demo.screen import Screen
from daemon.demo.stage import DaemonProcess, open_stage

KILLS = int(os.environ.get("WHARFINGER_KILLS", "20"))
SEED = int(os.environ.get("WHARFINGER_SEED", "1"))

ORDERS_A_KILL = 6
SECONDS_A_KILL_MAX = 15.0


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "pg") as server:
        yield server


async def _start_again_for_ever(process: DaemonProcess) -> None:
    """Do what systemd does."""
    while True:
        if process.process is None or process.process.poll() is not None:
            process.start()
        await trio.sleep(0.05)


async def _kill_now_and_then(process: DaemonProcess, postgres: EmbeddedPostgres, rng: random.Random) -> None:
    for _ in range(KILLS):
        await trio.sleep(rng.uniform(0.4, 2.5))
        if rng.random() < 0.3:
            postgres.kill()
            postgres.start()
        elif process.process is not None and process.process.poll() is None:
            os.kill(process.process.pid, signal.SIGKILL)


@pytest.mark.slow
async def test_no_kill_loses_or_doubles_an_order_a_unit_a_document_or_a_label(
    tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    orders = KILLS * ORDERS_A_KILL
    (tmp_path / "stage").mkdir()
    rng = random.Random(SEED)
    with trio.fail_after(KILLS * SECONDS_A_KILL_MAX):
        async with open_stage(plan(orders, SEED), SEED, tmp_path / "stage", postgres.dsn) as stage:
            # Answers get lost as well, on the way from every partner.
            for faults in (stage.faults, stage.erp.faults, stage.carrier.faults):
                faults.lose_answer = 0.02
            process = DaemonProcess(stage.config, stage.log_file)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_start_again_for_ever, process)
                nursery.start_soon(_kill_now_and_then, process, postgres, rng)
                play = Play(stage, Screen(orders), place_every_s=1.2 / ORDERS_A_KILL)
                await play.run()
                nursery.cancel_scope.cancel()
            report = await figures(stage, audit(stage.config), 0.0)
            await process.stop()
    assert is_sound(report), json.dumps(report, indent=2)
    assert report["orders"]["placed"] == orders
