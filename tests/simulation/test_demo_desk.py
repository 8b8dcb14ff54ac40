"""The person of the demo: an order that is cancelled when a part of it has left waits for somebody's word."""

from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from daemon.demo.play import Play, audit
from daemon.demo.report import figures, is_sound
from daemon.demo.scenario import ONLY_LYON, ONLY_NANTES, PlannedOrder, plan
from daemon.demo.screen import Screen
from daemon.demo.stage import DaemonProcess, open_stage

pytestmark = pytest.mark.slow

SECONDS_MAX = 60


class Everything(set[str]):
    """All orders, until somebody opens the door."""

    is_open = False

    def __contains__(self, order: object) -> bool:
        return not self.is_open


async def test_an_order_that_is_cancelled_when_a_part_has_left_keeps_no_demo_from_its_end(
    tmp_path: Path, dsn: str
) -> None:
    late = PlannedOrder(((ONLY_LYON, 1), (ONLY_NANTES, 1)), "cancelled_late", "FR")
    scenario = replace(plan(1, 1), orders=(late,))
    with trio.fail_after(SECONDS_MAX):
        async with open_stage(scenario, 1, tmp_path, dsn) as stage:
            process = DaemonProcess(stage.config, stage.log_file)
            process.start()
            await process.until_ready(stage.client)
            play = Play(stage, Screen(1))
            nantes = play.crews["nantes"].left_alone = Everything()

            async def open_nantes_once_it_is_held() -> None:
                while not (await stage.client.get("/v1/status"))["orders"].get("held"):
                    await trio.sleep(0.02)
                nantes.is_open = True

            async with trio.open_nursery() as nursery:
                nursery.start_soon(open_nantes_once_it_is_held)
                await play.run()
            report = await figures(stage, audit(stage.config), 0.0)
            await process.stop()
    assert is_sound(report), report
    assert report["orders"]["shipped"] == 1
