"""Runs in the booted machine: the partners' simulators, on loopback, and the settings that name them.

Each order placed is one that the shop has when the daemon first asks.
"""

import os
import shutil
import sys
from pathlib import Path

import trio

from adapters.channels.prestashop.simulator import Shopper
from daemon.demo.fronts import SERVICE_CARRIER
from daemon.demo.scenario import plan
from daemon.demo.stage import open_stage
from daemon.sd_notify import notify

ETC = Path("/etc/wharfinger")
ORDERS = 40


def settle_in(config: Path) -> None:
    """Turn the demo's settings into those of an installed daemon with a Postgres of its own."""
    text = config.read_text()
    text = text.replace('dsn_file = "dsn"', 'data_dir = "/var/lib/wharfinger/pg"')
    for secret in ("shop.key", "erp.password", "swift.key"):
        text = text.replace(f'"{secret}"', f'"secret_{secret}"')
        shutil.copyfile(config.parent / secret, ETC / "credentials" / secret)
    kept = [line for line in text.splitlines() if not line.startswith(("socket =", "web_port ="))]
    (ETC / "wharfinger.toml").write_text("\n".join(kept))


async def main(folder: Path) -> None:
    """Serve until stopped."""
    scenario = plan(0, 1)
    async with open_stage(scenario, 1, folder, "unused") as stage:
        settle_in(stage.config)
        for number in range(ORDERS):
            article = scenario.articles[number % 5]
            stage.shop.place_order([(article.sku, 1)], Shopper(), carrier=SERVICE_CARRIER)
        notify("READY=1")
        await trio.sleep_forever()


if __name__ == "__main__":
    os.umask(0o022)
    place = Path(sys.argv[1])
    place.mkdir(exist_ok=True)
    trio.run(main, place)
