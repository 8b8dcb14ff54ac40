"""wharfctl's commands for gates: which warehouses and carriers get something new."""

from collections.abc import Sequence

import click

from daemon import ctl_view as view
from daemon.ctl_asking import Asking, asking, key_option, path_to

DIGITS_MAX = 7


@click.group()
def warehouse() -> None:
    """Look at warehouses, and say which get new orders."""


@warehouse.command(name="show")
@asking
def show_warehouses(ask: Asking) -> None:
    """Show each warehouse, whether it gets new orders, and what is in hand there."""
    ask.read(path_to("warehouses"), view.warehouses)


@warehouse.command(name="close")
@click.argument("warehouse")
@click.option("--reason", required=True)
@key_option
@asking
def close_warehouse(ask: Asking, *, warehouse: str, reason: str, key: str | None) -> None:
    """Give a warehouse no new orders; what it has goes on, and order reroute takes it elsewhere."""
    ask.change(path_to("warehouses", warehouse, "close"), {"reason": reason}, key)


@warehouse.command(name="open")
@click.argument("warehouse")
@key_option
@asking
def open_warehouse(ask: Asking, *, warehouse: str, key: str | None) -> None:
    """Give a warehouse new orders again, as far as the settings do."""
    ask.change(path_to("warehouses", warehouse, "open"), {}, key)


def most(text: str) -> int | None:
    """Return a number from 1 on, or None for "none"."""
    if text == "none":
        return None
    if not (text.isascii() and text.isdecimal() and int(text[:DIGITS_MAX]) > 0 and len(text) < DIGITS_MAX):
        raise click.BadParameter(f"{text!r} is neither a number from 1 to 999999 nor none")
    return int(text)


@warehouse.command(name="cap")
@click.argument("warehouse")
@click.argument("most", type=most, metavar="MOST|none")
@click.option("--reason", required=True)
@key_option
@asking
def cap_warehouse(ask: Asking, *, warehouse: str, most: int | None, reason: str, key: str | None) -> None:
    """Give a warehouse new orders only while fewer than MOST of its fulfilments are in hand; none lifts it.

    What is promised and has not left the house is in hand. What fits nowhere else waits, and goes on as soon
    as there is room.
    """
    ask.change(path_to("warehouses", warehouse, "cap"), {"in_hand_max": most, "reason": reason}, key)


@click.group()
def carrier() -> None:
    """Look at carriers, and say of which labels are bought."""


@carrier.command(name="show")
@asking
def show_carriers(ask: Asking) -> None:
    """Show what each carrier takes, and whether labels of it are bought."""
    ask.read(path_to("carriers"), view.carriers)


@carrier.command(name="close")
@click.argument("carrier")
@click.option("--reason", required=True)
@key_option
@asking
def close_carrier(ask: Asking, *, carrier: str, reason: str, key: str | None) -> None:
    """Buy no new labels of a carrier: the next one that takes a parcel gets it."""
    ask.change(path_to("carriers", carrier, "close"), {"reason": reason}, key)


@carrier.command(name="open")
@click.argument("carrier")
@key_option
@asking
def open_carrier(ask: Asking, *, carrier: str, key: str | None) -> None:
    """Buy labels of a carrier again."""
    ask.change(path_to("carriers", carrier, "open"), {}, key)


GATES: Sequence[click.Command] = (warehouse, carrier)
