"""Settings and surroundings that allow no start, and rules that change while the daemon runs."""

import signal
import socket
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import trio

from adapters.channels.prestashop.simulator import Shopper

if TYPE_CHECKING:
    from tests.simulation.conftest import Open

pytestmark = pytest.mark.slow

ANYWHERE, ONLY_FRANCE = 'code = "HOME"', 'code = "HOME"\ncountries = ["FR"]'


async def test_a_malformed_setting_is_named_and_nothing_is_started(open_merchant: "Open") -> None:
    wrong = (("parts_max = 2", 'parts_max = "two"'), ('user = "wharfinger"', "user = 7"))
    with trio.fail_after(30):
        async with open_merchant(start=False, changed=wrong) as merchant:
            merchant.daemon.start()
            assert await merchant.ended() == 78
            config = merchant.stage.config
            assert sorted(merchant.text().splitlines()) == [
                f"wharfinger: {config}: erp.user: expected str, got int",
                f"wharfinger: {config}: rules.parts_max: expected int, got str",
            ]
            assert not (merchant.stage.folder / "control.sock").exists()
            assert merchant.stage.erp.authentications == 0


async def test_a_web_port_and_a_control_socket_that_are_taken_are_named(open_merchant: "Open") -> None:
    with trio.fail_after(60), socket.socket() as taken, socket.socket(socket.AF_UNIX) as served:
        async with open_merchant(start=False) as merchant:
            port = merchant.stage.web_port
            taken.bind(("127.0.0.1", port))
            taken.listen()
            merchant.daemon.start()
            assert await merchant.ended() == 69
            assert merchant.log()[-1]["line"] == f"wharfinger: 127.0.0.1:{port}: somebody listens there"

            taken.close()
            path = merchant.stage.folder / "control.sock"
            served.bind(str(path))
            served.listen()
            merchant.daemon.start()
            assert await merchant.ended() == 69
            assert merchant.log()[-1]["line"] == f"wharfinger: {path}: somebody answers there"
            assert path.is_socket()

            served.close()
            await merchant.start()
            await merchant.shipped(merchant.place(("TEAPOT-BLUE", 1)))
            assert "Traceback" not in merchant.text()


async def test_a_second_daemon_never_takes_the_control_socket_of_a_live_one(
    open_merchant: "Open", another_dsn: str
) -> None:
    with trio.fail_after(60):
        async with open_merchant() as first, open_merchant(dsn=another_dsn, start=False) as second:
            path = first.stage.folder / "control.sock"
            text = second.stage.config.read_text()
            second.stage.config.write_text(text.replace(str(second.stage.folder / "control.sock"), str(path)))
            second.daemon.start()
            assert await second.ended() == 69
            assert second.log()[-1]["line"] == f"wharfinger: {path}: another daemon serves it"
            await first.shipped(first.place(("TEAPOT-BLUE", 1)))


async def test_rules_are_read_again_when_they_are_right_and_kept_when_they_are_not(
    open_merchant: "Open",
) -> None:
    with trio.fail_after(60):
        async with open_merchant(changed=((ANYWHERE, ONLY_FRANCE),)) as merchant:
            stage = merchant.stage
            order = merchant.place(("TEAPOT-BLUE", 1), shopper=Shopper(country="BE"))
            told = await merchant.anomaly("no_carrier", order)
            assert told["detail"] == "swift HOME does not go to BE"
            assert (
                told["mend"] == "add a service to a carrier in the settings, then reload the daemon (SIGHUP)"
            )
            before = (await merchant.ask("/v1/status"))["rules"]

            good = stage.config.read_text().replace(ONLY_FRANCE, ANYWHERE)
            stage.config.write_text(good.replace("parts_max = 2", "parts_max = 2\nclosed = ['paris']"))
            merchant.signal(signal.SIGHUP)
            kept = await merchant.logged("rules_not_reloaded")
            assert "rules.closed[0]: there is no warehouse 'paris'" in kept["why"]
            stage.config.write_text(good.replace(ANYWHERE, "cod = 7"))
            merchant.signal(signal.SIGHUP)
            await merchant.becomes(lambda: merchant.says("carriers.swift.services.standard.cod: "))
            assert (await merchant.ask("/v1/status"))["rules"] == before
            assert await merchant.state(order) == "packed"

            stage.config.write_text(good)
            merchant.signal(signal.SIGHUP)
            await merchant.shipped(order)
            await merchant.no_anomalies()


async def test_a_pack_that_nobody_knew_leaves_once_the_settings_list_it_and_is_booked_at_its_price(
    open_merchant: "Open",
) -> None:
    with trio.fail_after(60):
        async with open_merchant() as merchant:
            shop, config = merchant.stage.shop, merchant.stage.config
            shop.add_product("TEA-FOR-TWO", price="19.99", stock=3)
            pack = merchant.place(("TEA-FOR-TWO", 1), ("TEAPOT-BLUE", 1))
            told = await merchant.anomaly("unknown_sku", pack)
            assert "no warehouse knows the SKU TEA-FOR-TWO" in told["detail"]
            holds = "contains = { TEAPOT-BLUE = 2, TEAPOT-RED = 1 }"
            config.write_text(f"{config.read_text()}\n[channels.main.products.TEA-FOR-TWO]\n{holds}\n")
            merchant.signal(signal.SIGHUP)
            await merchant.shipped(pack)
            await merchant.told()
            await merchant.no_anomalies()
            bought = shop.tables["orders"][int(pack.removeprefix("main-"))]
            notes = merchant.stage.erp.pieces(ticod="C", picod=3)
            amount = sum((note.amount for note in notes), Decimal(0))
            assert amount == Decimal(str(bought["total_products"])) + Decimal("7.00")
            units = Counter[str]()
            for sku, _, count in (line for note in notes for line in note.lines):
                units[sku] += int(count)
            assert units == {"TEAPOT-BLUE": 3, "TEAPOT-RED": 1, "PORT": 1}
            sellable = min(shop.stock("TEAPOT-BLUE") // 2, shop.stock("TEAPOT-RED"))
            while shop.stock("TEA-FOR-TWO") != sellable:
                await trio.sleep(0.05)
