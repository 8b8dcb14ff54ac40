"""The trail of the control socket when the daemon is killed and drained: who asked for what is known."""

import os
import signal
from typing import TYPE_CHECKING

import pytest
import trio

from daemon.demo.play import audit

if TYPE_CHECKING:
    from tests.simulation.conftest import Open

pytestmark = pytest.mark.slow


async def test_who_asked_for_what_is_known_after_a_drain_and_a_kill_and_the_audit_proves_it(
    open_merchant: "Open",
) -> None:
    with trio.fail_after(60):
        async with open_merchant() as merchant:
            client = merchant.stage.client
            order = merchant.place(("TEAPOT-BLUE", 1))
            await merchant.shipped(order)
            await client.post("/v1/warehouses/lyon/close", {"reason": "no power"}, "close-1")
            merchant.signal(signal.SIGKILL)
            assert await merchant.ended() == -signal.SIGKILL
            await merchant.start()
            await client.post("/v1/drain", {}, "drain-1")
            assert await merchant.ended() == 0
            await merchant.start()

            changes = (await merchant.ask("/v1/trail"))["changes"]
            told = {each["key"]: each for each in changes}
            assert [told[key]["outcome"] for key in ("close-1", "drain-1")] == ["done", "done"]
            assert (told["close-1"]["uid"], told["close-1"]["pid"]) == (os.getuid(), os.getpid())
            assert told["close-1"]["terms"] == "{}"
            floor = {each["path"].rpartition("/")[2] for each in changes if each["outcome"] == "done"}
            assert {"scans", "packs", "close", "drain"} <= floor
            assert (await trio.to_thread.run_sync(audit, merchant.stage.config))["ok"]
