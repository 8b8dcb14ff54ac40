"""What a shop shows is compared with the ledger by a running daemon, and each difference has its cause."""

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio

from adapters.http.faults import HTML_HEADERS, HTML_PAGE
from adapters.http.server import Response

if TYPE_CHECKING:
    from tests.simulation.conftest import Merchant, Open

pytestmark = pytest.mark.slow

SELDOM = (("poll_seconds = 0.15", "poll_seconds = 600"),)
"""The shop's orders are read at the start, and else only before a push."""


async def reconcile(merchant: "Merchant") -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit code and the differences by article, as an operator gets them."""
    command = [sys.executable, "-m", "daemon", "reconcile", "--json", "--config", str(merchant.stage.config)]
    done = await trio.run_process(command, check=False, capture_stdout=True, capture_stderr=True)
    assert done.returncode in (0, 3), done.stderr.decode()
    (channel,) = json.loads(done.stdout)["channels"]
    return done.returncode, {each["article"]: each for each in channel["differences"]}


async def test_each_difference_between_shop_and_ledger_is_attributed(open_merchant: "Open") -> None:
    with trio.fail_after(90):
        async with open_merchant(changed=SELDOM) as merchant:
            shop = merchant.stage.shop

            async def agree() -> bool:
                (channel,) = (await merchant.ask("/v1/reconciliation"))["channels"]
                return not channel["differences"]

            await merchant.becomes(agree)
            assert await reconcile(merchant) == (0, {})

            order = shop.place_order([("TEAPOT-BLUE", 2)])
            shop.tables["orders"][order]["date_add"] = "2026-11-01 12:00:00"
            shop.set_stock("CUP-BLUE", shop.stock("CUP-BLUE") + 5)
            shop.add_product("MYSTERY", stock=3)
            code, found = await reconcile(merchant)
            assert code == 3
            assert {article: (each["cause"], each["units"]) for article, each in found.items()} == {
                "TEAPOT-BLUE": ("not_imported", -2),
                "CUP-BLUE": ("foreign_write", 5),
                "MYSTERY": ("unknown_here", 3),
            }
            assert found["TEAPOT-BLUE"]["about"] == [f"main-{order}"]
            written = await merchant.anomaly("stock_difference", "CUP-BLUE:foreign_write")
            assert "wharfctl stock adjust WAREHOUSE CUP-BLUE --by=+5" in written["mend"]

            away = Response(502, HTML_PAGE, HTML_HEADERS)
            merchant.stage.faults.answer_next(away, lambda each: each.method == "PATCH", 1_000)
            await merchant.receive("CUP-GREEN", 7)

            async def is_behind() -> bool:
                differences = (await reconcile(merchant))[1]
                return differences.get("CUP-GREEN", {}).get("cause") == "push_under_way"

            await merchant.becomes(is_behind)
