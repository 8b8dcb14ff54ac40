"""wharfinger's commands to look at and try things with: the demo, and simulators that stand by themselves."""

import os
import sys
from pathlib import Path

import click

from daemon.cli_running import NOT_WELL, end, endings

SHOP_KEY_LENGTH = 32

WRITABLE = click.Path(path_type=Path, dir_okay=False, writable=True)


def _room_for_it(_context: click.Context, _option: click.Parameter, report: Path | None) -> Path | None:
    """Return where the report is to go, if it can: found out before the demo, not after it."""
    if report is not None and not report.parent.is_dir():
        raise click.BadParameter(f"there is no folder {report.parent}")
    if report is not None and not os.access(report.parent, os.W_OK):
        raise click.BadParameter(f"nothing can be written to {report.parent}")
    return report


@click.command()
@click.option("--orders", default=60, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--seed", default=1, show_default=True, help="The same seed, the same goods and orders.")
@click.option("--exit", "leave", is_flag=True, help="End when every order has; else the stage stays up.")
@click.option("--report", type=WRITABLE, callback=_room_for_it, help="Write the figures there, as JSON.")
@click.option("--shop-url", default="", help="Sell in this PrestaShop instead of a simulated one.")
@click.option(
    "--shop-key",
    default="",
    envvar="WHARFINGER_PRESTASHOP_KEY",
    help="Its webservice's key; better in the environment as WHARFINGER_PRESTASHOP_KEY, or in a file.",
)
@click.option("--shop-key-file", type=click.Path(path_type=Path), help="A file that holds that key.")
def demo(
    *,
    orders: int,
    seed: int,
    leave: bool,
    report: Path | None,
    shop_url: str,
    shop_key: str,
    shop_key_file: Path | None,
) -> None:
    """Play a whole merchant on this machine: shop, ERP, carrier, two warehouses, and the daemon.

    With --shop-url the shop is somebody's: orders are placed in it over its webservice, shipped, and stay
    there. Orders that it had before are left alone.
    """
    if shop_url:
        from adapters.settings import url_problems

        for problem in url_problems("--shop-url", shop_url):
            raise click.BadParameter(problem.why, param_hint=problem.key)
    key = _shop_key(shop_key, shop_key_file) if shop_url else ""
    from actors.errors import PartnerError

    with endings(partners=(PartnerError,)):
        from daemon.demo.play import Wish, run_demo
        from daemon.demo.scenario import NotEnoughGoodsError

        wish = Wish(orders, seed, not leave, report, shop_url.rstrip("/"), key)
        try:
            sound = run_demo(wish)
        except NotEnoughGoodsError as error:
            end(NOT_WELL, str(error))
    sys.exit(0 if sound else NOT_WELL)


def _shop_key(given: str, file: Path | None) -> str:
    try:
        key = given if file is None else file.read_text().strip()
    except OSError as error:
        raise click.BadParameter(f"{file}: {error.strerror}", param_hint="--shop-key-file") from error
    if len(key) != SHOP_KEY_LENGTH:
        why = f"the key of a shop's webservice has {SHOP_KEY_LENGTH} characters"
        raise click.BadParameter(why, param_hint="--shop-key")
    return key


@click.group()
def simulate() -> None:
    """Serve a partner's simulator by itself, to be tried or developed against."""


@simulate.command()
@click.option("--port", default=8480, show_default=True, type=click.IntRange(0, 65535), help="On loopback.")
@click.option("--orders", default=0, show_default=True, type=click.IntRange(0, 100_000), help="Old orders.")
@click.option("--seed", default=1, show_default=True, help="The same seed, the same orders.")
def prestashop(*, port: int, orders: int, seed: int) -> None:
    """Serve a PrestaShop webservice with some goods and old orders until Ctrl-C; print its URL and key."""
    with endings():
        from daemon.demo.simulate import serve_prestashop

        serve_prestashop(port, orders, seed, click.echo)


DEMO: tuple[click.Command, ...] = (demo, simulate)
"""The commands."""
