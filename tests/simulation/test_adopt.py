"""A shop that somebody else has worked for years is taken over, on a real database and over real HTTP."""

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio

if TYPE_CHECKING:
    from tests.simulation.conftest import Merchant, Open

pytestmark = pytest.mark.slow

PAID, SHIPPED, CANCELLED, UNPAID = 2, 4, 6, 10
OLD = "2023-05-01 12:00:00"
LAST_MONTH = "2026-10-20 12:00:00"


def placed(merchant: "Merchant", state: int, date: str) -> int:
    """Place an order as of that date; the shop says nothing of who worked it."""
    shop = merchant.stage.shop
    order = shop.place_order([("TEAPOT-BLUE", 1)], state=PAID)
    if state != PAID:
        shop.set_state(order, state)
    shop.tables["orders"][order] |= {"date_add": date, "date_upd": date}
    return order


async def wharfinger(merchant: "Merchant", *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "daemon", *arguments, "--config", str(merchant.stage.config)]
    return await trio.run_process(command, check=False, capture_stdout=True, capture_stderr=True)


async def adopt(merchant: "Merchant", *arguments: str) -> dict[str, Any]:
    done = await wharfinger(merchant, "adopt", "--channel", "main", "--json", *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return dict(json.loads(done.stdout))


async def test_an_old_shop_is_taken_over_and_nothing_is_shipped_twice(open_merchant: "Open") -> None:
    with trio.fail_after(90):
        async with open_merchant(start=False) as merchant:
            old = [placed(merchant, state, OLD) for state in (PAID, PAID, SHIPPED, CANCELLED)]
            owed = placed(merchant, UNPAID, OLD)
            done = [placed(merchant, state, LAST_MONTH) for state in (SHIPPED, CANCELLED)]
            ours = placed(merchant, PAID, LAST_MONTH)
            tried = await adopt(merchant, "--since", "2026-10-01", "--dry-run")
            report = await adopt(merchant, "--since", "2026-10-01")
            assert tried["orders"] == report["orders"]
            assert {each["shop_order"]: each["does"] for each in report["orders"]} == {
                **{str(order): "skip: older" for order in old[:2]},
                str(old[2]): "skip: shipped",
                str(old[3]): "skip: cancelled",
                str(owed): "skip: older",
                str(done[0]): "skip: shipped",
                str(done[1]): "skip: cancelled",
                str(ours): "adopt as open",
            }
            await merchant.start()
            busy = await wharfinger(merchant, "adopt", "--channel", "main", "--since", "2026-10-01")
            assert (busy.returncode, busy.stderr.decode()) == (
                69,
                "wharfinger: a daemon or a rebuild is at work on this database: stop it first\n",
            )
            await merchant.shipped(f"main-{ours}")
            merchant.stage.shop.set_state(owed, PAID)
            merchant.stage.shop.edit_order(old[0], note="please hurry")
            await merchant.shipped(f"main-{owed}")
            await merchant.told()
            orders = {each["order"] for each in (await merchant.ask("/v1/orders"))["orders"]}
            assert orders == {f"main-{ours}", f"main-{owed}"}
            booked = {piece.reference.partition(".")[0] for piece in merchant.stage.erp.pieces()}
            assert booked <= orders
            assert len(merchant.stage.carrier.labels) == 2
            assert await merchant.anomalies() == []


async def test_without_a_word_from_a_person_old_orders_are_left_alone_and_counted(
    open_merchant: "Open",
) -> None:
    with trio.fail_after(90):
        async with open_merchant(start=False) as merchant:
            for state in (PAID, PAID, PAID, SHIPPED, CANCELLED, UNPAID):
                placed(merchant, state, OLD)
            await merchant.start()
            new = merchant.place(("TEAPOT-BLUE", 1))
            await merchant.shipped(new)
            told = await merchant.anomaly("orders_left_alone")
            assert told["detail"].startswith("3 orders stand open in the shop")
            orders = {each["order"] for each in (await merchant.ask("/v1/orders"))["orders"]}
            assert orders == {new}
            assert len(merchant.stage.carrier.labels) == 1
