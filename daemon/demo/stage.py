"""Sets the demo's stage: the partners' simulators on loopback, the settings, the daemon as a process."""

import random
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio

from adapters.carriers.swift.simulator import API_KEY, Carrier
from adapters.channels.prestashop.simulator import Shop, address
from adapters.channels.prestashop.simulator import serve as serve_shop
from adapters.erps.divalto.simulator import Divalto
from adapters.http.faults import Faults
from daemon.control.client import ControlClient
from daemon.demo.fronts import Front, SimulatedFront
from daemon.demo.patience import PatientClient
from daemon.demo.scenario import WAREHOUSES, Scenario

DEPOTS = {"lyon": "LYO", "nantes": "NTE"}
READY_S_MAX = 60.0
"""A daemon that is not ready after a minute will not be: its log says why."""

STOP_S_MAX = 40.0
"""A little more than the daemon's own bound for draining."""

CARRIER_HOURS_A_SECOND = 6
"""The carrier's clock runs fast, so that parcels are delivered while one watches."""


@dataclass(slots=True)
class House:
    """Everything behind the shop that plays in a demo, and the shop as a customer meets it."""

    scenario: Scenario
    front: Front
    erp: Divalto
    carrier: Carrier
    folder: Path
    config: Path
    client: PatientClient
    web_port: int

    @property
    def log_file(self) -> Path:
        """Where the daemon writes its log."""
        return self.folder / "daemon.log"


@dataclass(slots=True)
class Stage(House):
    """A house whose shop is the simulator in this process."""

    shop: Shop
    faults: Faults


@asynccontextmanager
async def open_house(
    scenario: Scenario, seed: int, folder: Path, dsn: str, front: Front
) -> AsyncGenerator[House]:
    """Serve ERP and carrier on loopback, beside a shop that is served already, and write the settings."""
    async with trio.open_nursery() as nursery:
        erp = _erp(scenario, seed)
        erp_url = await nursery.start(erp.serve)
        carrier = Carrier("Swift", seed, now=datetime.now(UTC))
        carrier_url = await nursery.start(carrier.serve)
        nursery.start_soon(_carrier_clock, carrier)
        web_port = _free_port()
        config = _write_settings(folder, dsn, web_port, front, erp_url, carrier_url)
        async with ControlClient(folder / "control.sock") as client:
            yield House(scenario, front, erp, carrier, folder, config, PatientClient(client), web_port)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_stage(scenario: Scenario, seed: int, folder: Path, dsn: str) -> AsyncGenerator[Stage]:
    """Serve all partners on loopback, the shop among them, and write the settings that name them."""
    async with trio.open_nursery() as nursery:
        shop = _shop(scenario, seed)
        faults = Faults(random.Random(seed))
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(serve_shop, shop, listeners, faults)
        front = SimulatedFront(shop, address(listeners))
        async with open_house(scenario, seed, folder, dsn, front) as house:
            yield Stage(
                house.scenario,
                house.front,
                house.erp,
                house.carrier,
                house.folder,
                house.config,
                house.client,
                house.web_port,
                shop,
                faults,
            )
        nursery.cancel_scope.cancel()


def _shop(scenario: Scenario, seed: int) -> Shop:
    shop = Shop(seed, "Europe/Paris")
    for article in scenario.articles:
        units = sum(scenario.stock[site].get(article.sku, 0) for site in WAREHOUSES)
        shop.add_product(article.sku, article.name, article.price, units)
    return shop


def _erp(scenario: Scenario, seed: int) -> Divalto:
    erp = Divalto("1", seed, depots=tuple(DEPOTS.values()))
    erp.add_article("PORT", des="Shipping", stocked=False)
    for article in scenario.articles:
        erp.add_article(article.sku, des=article.name)
        for site, depot in DEPOTS.items():
            erp.set_stock(article.sku, depot, scenario.stock[site].get(article.sku, 0))
    return erp


async def _carrier_clock(carrier: Carrier) -> None:
    while True:
        await trio.sleep(0.5)
        carrier.tick(carrier.now + timedelta(hours=CARRIER_HOURS_A_SECOND / 2))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_settings(folder: Path, dsn: str, web_port: int, front: Front, erp: str, carrier: str) -> Path:
    secrets = {"dsn": dsn, "shop.key": front.key, "erp.password": "a password", "swift.key": API_KEY}
    for name, text in secrets.items():
        secret = folder / name
        secret.touch(mode=0o600)
        secret.write_text(text)
    config = folder / "wharfinger.toml"
    config.write_text(
        f"""\
[database]
dsn_file = "dsn"

[daemon]
socket = "{folder / "control.sock"}"
web_port = {web_port}

[channels.main]
type = "prestashop"
url = "{front.url}"
key_file = "shop.key"
{front.channel_settings()}
[erp]
type = "divalto"
url = "{erp}"
domain = "DOMAIN"
env = "TEST"
user = "wharfinger"
password_file = "erp.password"
dos = "1"
customer = "WEB"
depots = {{ lyon = "LYO", nantes = "NTE" }}

[carriers.swift]
type = "swift"
url = "{carrier}"
api_key_file = "swift.key"

[carriers.swift.services.standard]
code = "HOME"

[warehouses.lyon]
country = "FR"
priority = 1

[warehouses.nantes]
country = "FR"
priority = 2

[rules]
parts_max = 2
"""
    )
    return config


@dataclass(slots=True)
class DaemonProcess:
    """The daemon as an operator runs it: a process of its own that knows nothing of the demo."""

    config: Path
    log_file: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it; its log goes to the file."""
        command = [sys.executable, "-m", "daemon", "run", "--config", str(self.config)]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    async def until_ready(self, client: PatientClient) -> None:
        """Return once it takes orders.

        Raises:
            RuntimeError: it ended, or was not ready in time; with the end of its log.
        """
        with trio.move_on_after(READY_S_MAX):
            while self.process is not None and self.process.poll() is None:
                with trio.move_on_after(0.5):
                    if (await client.get("/v1/status"))["state"] == "running":
                        return
                await trio.sleep(0.05)
        tail = self.log_file.read_text(errors="replace")[-3_000:]
        raise RuntimeError(f"the daemon did not become ready; its log ends with:\n{tail}")

    async def stop(self) -> None:
        """Let it drain; kill it if it does not end in time."""
        if self.process is None:
            return
        self.process.terminate()
        with trio.move_on_after(STOP_S_MAX):
            while self.process.poll() is None:
                await trio.sleep(0.05)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
