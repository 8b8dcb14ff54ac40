"""SIGTERM in the middle of everything: the daemon ends in time, and the next one repeats nothing."""

import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

if TYPE_CHECKING:
    from tests.simulation.conftest import Open

pytestmark = pytest.mark.slow

ORDERS = 16
SKUS = (
    "TEAPOT-BLUE",
    "CUP-RED",
    "BOWL-GREEN",
    "PLATE-WHITE",
    "SPOON-RED",
    "KETTLE-BLUE",
    "TRAY-RED",
    "JUG-GREEN",
)
DRAIN_SECONDS_MAX = 6


async def test_a_daemon_that_is_stopped_at_work_drains_and_the_next_repeats_nothing(
    open_merchant: "Open",
) -> None:
    bound = ("[daemon]", f"[daemon]\ndrain_seconds = {DRAIN_SECONDS_MAX}")
    with trio.fail_after(90):
        async with open_merchant(changed=(bound,)) as merchant:
            stage = merchant.stage
            for faults in (stage.faults, stage.erp.faults, stage.carrier.faults):
                faults.seconds_max = 0.1
            orders = [merchant.place((SKUS[number % len(SKUS)], 1)) for number in range(ORDERS)]
            for stops, labels in enumerate((ORDERS // 4, ORDERS // 2), 1):
                await merchant.becomes(partial(merchant.has_labels, labels))
                merchant.signal(signal.SIGTERM)
                while [line["event"] for line in merchant.log()].count("daemon_stopping") < stops:
                    await trio.sleep(0.002)
                merchant.signal(signal.SIGTERM)  # as a service manager does after wharfctl drain
                with trio.fail_after(DRAIN_SECONDS_MAX + 2):
                    assert await merchant.ended() == 0
                assert merchant.log()[-1]["event"] == "lease.given_back"
                await merchant.start()
            await merchant.shipped(*orders)
            await merchant.told()
            assert await merchant.anomalies() == []
            assert (len(stage.carrier.labels), stage.carrier.duplicate_labels) == (ORDERS, 0)
            assert len(stage.erp.pieces(ticod="C", picod=3)) == ORDERS
            assert stage.erp.duplicates() == ()
            for shown in stage.shop.orders():
                assert len(set(shown.states)) == len(shown.states), shown
                assert len(shown.tracking) == 1
            assert [line["event"] for line in merchant.log()].count("drained") == 2
