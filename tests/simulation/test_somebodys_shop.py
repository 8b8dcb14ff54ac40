"""The demo sells in a shop that is somebody's, over its webservice alone, and leaves its past alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import Row
from adapters.channels.prestashop.plugin import PrestaShopSettings
from daemon.demo.play import Wish, run_demo
from daemon.demo.scenario import NotEnoughGoodsError

pytestmark = pytest.mark.slow

OLD_ORDERS = 40
ORDERS = 6
SECONDS_MAX = 60

SETTINGS = """\
[database]
data_dir = "{folder}/pg"

[channels.main]
type = "prestashop"
url = "{url}"
key_file = "shop.key"
service_of = {{ "2" = "standard" }}

[erp]
type = "divalto"
url = "http://127.0.0.1:9"
domain = "DOMAIN"
env = "TEST"
user = "wharfinger"
password_file = "erp.password"
dos = "1"
customer = "WEB"
depots = {{ lyon = "LYO" }}

[carriers.swift]
type = "swift"
url = "http://127.0.0.1:9"
api_key_file = "swift.key"

[carriers.swift.services.standard]
code = "HOME"

[warehouses.lyon]
country = "FR"
"""


@pytest.fixture
def shop() -> Iterator[PrestaShopSettings]:
    command = [sys.executable, "-m", "daemon", "simulate", "prestashop", "--port", "0"]
    command += ["--orders", str(OLD_ORDERS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url, key = process.stdout.readline().split()
        yield PrestaShopSettings(url=url, key=key)
        process.terminate()


def orders_of(settings: PrestaShopSettings) -> dict[int, Row]:
    async def read() -> list[Row]:
        webservice = Webservice(settings, "main")
        with trio.fail_after(SECONDS_MAX):
            rows = await webservice.every_row("orders", "[id,current_state,date_upd]", 500)
        await webservice.aclose()
        return rows

    return {int(str(row["id"])): row for row in trio.run(read)}


def test_the_demo_sells_in_somebodys_shop_and_never_touches_the_orders_that_it_had(
    shop: PrestaShopSettings, tmp_path: Path
) -> None:
    before, stocks = orders_of(shop), stocks_of(shop)
    assert len(before) == OLD_ORDERS
    command = [sys.executable, "-m", "daemon", "demo", "--exit", "--orders", str(ORDERS)]
    command += ["--shop-url", shop.url, "--report", str(tmp_path / "report.json")]
    done = subprocess.run(
        command,
        env=os.environ | {"WHARFINGER_PRESTASHOP_KEY": shop.key},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert shop.key not in done.stdout + done.stderr
    report: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    assert report["orders"] | {"placed": ORDERS, "cancelled": 1, "shipped": ORDERS - 1} == report["orders"]
    assert report["shop"] == {"tracked": ORDERS - 1, "shipped": ORDERS - 1, "stock_mismatches": 0}
    after = orders_of(shop)
    assert {order: after[order] for order in before} == before
    states = [after[order]["current_state"] for order in sorted(after) if order not in before]
    assert sorted(map(str, states)) == ["4"] * (ORDERS - 1) + ["6"]
    sold = {row: stocks[row] - units for row, units in stocks_of(shop).items() if units != stocks[row]}
    assert sold
    assert all(0 < units <= 3 * ORDERS for units in sold.values()), sold


def stocks_of(settings: PrestaShopSettings) -> dict[int, int]:
    async def read() -> list[Row]:
        webservice = Webservice(settings, "main")
        with trio.fail_after(SECONDS_MAX):
            rows = await webservice.every_row("stock_availables", "[id,quantity]", 500)
        await webservice.aclose()
        return rows

    return {int(str(row["id"])): int(str(row["quantity"])) for row in trio.run(read)}


def test_the_shops_articles_are_told_and_its_packs_as_settings(
    shop: PrestaShopSettings, tmp_path: Path
) -> None:
    for name, secret in (("shop.key", shop.key), ("erp.password", "p"), ("swift.key", "k")):
        (tmp_path / name).write_text(secret)
    config = tmp_path / "wharfinger.toml"
    config.write_text(SETTINGS.format(url=shop.url, folder=tmp_path))
    command = [sys.executable, "-m", "daemon", "articles", "--config", str(config), "--channel", "main"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    assert told.returncode == 0, told.stderr
    assert "ART-04-S\tArticle 4\t\t300\t" in told.stdout
    assert told.stdout.endswith("[channels.main.products.SET-01]\ncontains = { ART-01 = 1, ART-02 = 2 }\n")
    assert shop.key not in told.stdout + told.stderr


def test_a_shop_that_has_too_little_to_sell_is_left_as_it_is(shop: PrestaShopSettings) -> None:
    before = orders_of(shop)
    with pytest.raises(NotEnoughGoodsError, match="--orders"):
        run_demo(Wish(100_000, 1, stay=False, report=None, shop_url=shop.url, shop_key=shop.key))
    assert orders_of(shop) == before
