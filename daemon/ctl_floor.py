"""wharfctl's commands for the warehouse floor: what there is to pick, and what was done."""

import base64
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from daemon import ctl_view as view
from daemon.ctl_asking import FAILED, Asking, asking, end, key_option, limit_option, path_to

NEW_HELP = "No warehouse ever held the SKU, and its name is right."
"""How a slip of a finger is told from a new article."""


@click.command()
@click.argument("warehouse")
@limit_option
@asking
def picklist(ask: Asking, *, warehouse: str, limit: int) -> None:
    """List what is to be picked, along the slots."""
    ask.read(path_to("warehouses", warehouse, "picklists"), view.picklists, {"limit": str(limit)})


@click.group()
def stock() -> None:
    """Look at the units of a warehouse, and set the books right."""


@stock.command()
@click.argument("warehouse", required=False)
@click.option("--sku", help="Only this one; without WAREHOUSE in every warehouse that knows it.")
@asking
def show(ask: Asking, *, warehouse: str | None, sku: str | None) -> None:
    """Show where the units of a warehouse stand, or those of a SKU."""
    if warehouse:
        ask.read(path_to("warehouses", warehouse, "stock"), view.stock, {"sku": sku} if sku else None)
    elif sku:
        ask.read(path_to("stock", sku), view.stock_everywhere)
    else:
        raise click.UsageError("give a WAREHOUSE, or a --sku, or both")


@stock.command()
@click.argument("names", nargs=-1, required=True, metavar="[WAREHOUSE] SKU")
@limit_option
@asking
def why(ask: Asking, *, names: Sequence[str], limit: int) -> None:
    """Show which movements make up a SKU's figures, the newest first.

    Without WAREHOUSE this is told of every warehouse that knows the SKU, and the limit is each one's.
    """
    query = {"limit": str(limit)}
    match names:
        case (sku,):
            path = path_to("stock", sku, "movements")
            ask.read(path, view.explained_everywhere, query, within="warehouses")
        case (warehouse, sku):
            ask.read(path_to("warehouses", warehouse, "stock", sku), view.explained, query)
        case _:
            raise click.UsageError("give a SKU, or a WAREHOUSE and a SKU")


@click.command()
@click.argument("warehouse")
@click.argument("fulfilment")
@click.argument("slot")
@click.argument("sku")
@click.argument("units", type=click.IntRange(1))
@key_option
@asking
def scan(
    ask: Asking, *, warehouse: str, fulfilment: str, slot: str, sku: str, units: int, key: str | None
) -> None:
    """Record that units were picked from a slot."""
    body = {"fulfilment": fulfilment, "slot": slot, "sku": sku, "units": units}
    ask.change(path_to("warehouses", warehouse, "scans"), body, key)


@click.command()
@click.argument("warehouse")
@click.argument("fulfilment")
@click.argument("slot")
@click.argument("sku")
@click.argument("missing", type=click.IntRange(1))
@click.option("--reason", required=True)
@key_option
@asking
def short(
    ask: Asking,
    *,
    warehouse: str,
    fulfilment: str,
    slot: str,
    sku: str,
    missing: int,
    reason: str,
    key: str | None,
) -> None:
    """Record that a slot held fewer units than promised."""
    body = {"fulfilment": fulfilment, "slot": slot, "sku": sku, "missing": missing, "reason": reason}
    ask.change(path_to("warehouses", warehouse, "shorts"), body, key)


def parcel(text: str) -> dict[str, object]:
    """Return SKU=UNITS[,SKU=UNITS...]@GRAMS as the control socket takes a parcel."""
    contents, _, grams = text.rpartition("@")
    lines = [line.rpartition("=") for line in contents.split(",")]
    if not grams.isdecimal() or any(not sku or not units.isdecimal() for sku, _, units in lines):
        raise click.BadParameter(f"{text!r} is not SKU=UNITS,...@GRAMS")
    return {"lines": [{"sku": sku, "units": int(units)} for sku, _, units in lines], "weight_g": int(grams)}


@click.command()
@click.argument("warehouse")
@click.argument("fulfilment")
@click.option("--parcel", "parcels", type=parcel, multiple=True, required=True, metavar="SKU=UNITS,...@GRAMS")
@key_option
@asking
def pack(
    ask: Asking, *, warehouse: str, fulfilment: str, parcels: Sequence[dict[str, object]], key: str | None
) -> None:
    """Record what lies in which parcel, one --parcel a box."""
    body = {"fulfilment": fulfilment, "parcels": list(parcels)}
    ask.change(path_to("warehouses", warehouse, "packs"), body, key)


@click.command()
@click.argument("parcel")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
@asking
def label(ask: Asking, *, parcel: str, to: Path | None) -> None:
    """Hand out a PARCEL's label as its carrier made it, PDF or ZPL: to a file, or into a printer's command.

    The first box of a fulfilment is its parcel FULFILMENT.1, the second FULFILMENT.2, and so on.
    """
    if to is None and not ask.as_json and sys.stdout.isatty():
        raise click.UsageError("a label is for a printer: give --to FILE, or pipe it into lp")
    told = ask.get(path_to("parcels", parcel, "label"))
    if ask.as_json:
        ask.show(told, view.done)
        return
    pages = base64.b64decode(told["pages"])
    if to is None:
        click.echo(pages, nl=False)
        return
    try:
        to.write_bytes(pages)
    except OSError as error:
        end(FAILED, f"{to}: {error.strerror}")


@click.command()
@click.argument("warehouse")
@click.argument("delivery")
@click.argument("sku")
@click.argument("units", type=click.IntRange(1))
@click.option("--slot", default="", help="Where it is put; where it lies already unless told.")
@key_option
@asking
def receive(
    ask: Asking, *, warehouse: str, delivery: str, sku: str, units: int, slot: str, key: str | None
) -> None:
    """Take in goods of a supplier's delivery; each delivery counts once."""
    body = {"delivery": delivery, "sku": sku, "units": units, "slot": slot}
    ask.change(path_to("warehouses", warehouse, "receptions"), body, key)


@click.command("return")
@click.argument("warehouse")
@click.argument("order_id", metavar="ORDER")
@click.argument("delivery")
@click.argument("sku")
@click.argument("units", type=click.IntRange(1))
@click.option("--damaged", is_flag=True, help="It cannot be sold again before somebody has looked at it.")
@click.option("--slot", default="", help="Where it is put, and picked from now on; unless it is damaged.")
@key_option
@asking
def take_back(  # noqa: PLR0913 - each is what a person says of a return
    ask: Asking,
    *,
    warehouse: str,
    order_id: str,
    delivery: str,
    sku: str,
    units: int,
    damaged: bool,
    slot: str,
    key: str | None,
) -> None:
    """Take in what came back of an order, and have the ERP credit it; each return counts once."""
    body = {
        "order": order_id,
        "delivery": delivery,
        "sku": sku,
        "units": units,
        "condition": "damaged" if damaged else "sellable",
        "slot": slot,
    }
    ask.change(path_to("warehouses", warehouse, "returns"), body, key)


@stock.command()
@click.argument("warehouse")
@click.argument("sku")
@click.option("--by", type=int, required=True, help="So many units more, or below zero fewer.")
@click.option("--reason", required=True)
@click.option("--new", is_flag=True, help=NEW_HELP)
@key_option
@asking
def adjust(
    ask: Asking, *, warehouse: str, sku: str, by: int, reason: str, new: bool, key: str | None
) -> None:
    """Correct the shelf."""
    body = {"sku": sku, "units": by, "reason": reason, "new": new}
    ask.change(path_to("warehouses", warehouse, "adjustments"), body, key)


@stock.command()
@click.argument("warehouse")
@click.argument("sku")
@click.argument("units", type=click.IntRange(0))
@click.option("--slot", default="", help="Where they were counted; refused where the SKU lies elsewhere.")
@click.option("--reason", default="", help="Who asked for it, or why.")
@key_option
@asking
def count(
    ask: Asking, *, warehouse: str, sku: str, units: int, slot: str, reason: str, key: str | None
) -> None:
    """Record how many UNITS lie in a SKU's slot, promised ones included: the books follow.

    What short picks had put into quarantine is found again, or written off.
    """
    body = {"sku": sku, "units": units, "slot": slot, "reason": reason}
    ask.change(path_to("warehouses", warehouse, "counts"), body, key)


@stock.command()
@click.argument("warehouse")
@click.argument("sku")
@click.option("--by", type=int, required=True, help="So many units more, or below zero fewer.")
@click.option("--booked-as", required=True, metavar="PIECE", help="What the ERP has booked it as.")
@key_option
@asking
def mirror(ask: Asking, *, warehouse: str, sku: str, by: int, booked_as: str, key: str | None) -> None:
    """Correct the shelf by what the ERP has booked already: it is not told of it."""
    body = {"sku": sku, "units": by, "booked_as": booked_as}
    ask.change(path_to("warehouses", warehouse, "mirrored"), body, key)


@stock.command()
@click.argument("warehouse")
@click.argument("sku")
@click.argument("slot")
@click.option("--new", is_flag=True, help=NEW_HELP)
@key_option
@asking
def move(ask: Asking, *, warehouse: str, sku: str, slot: str, new: bool, key: str | None) -> None:
    """Say to which slot a SKU was moved: it is picked from there from now on."""
    ask.change(path_to("warehouses", warehouse, "slots"), {"sku": sku, "slot": slot, "new": new}, key)


FLOOR: Sequence[click.Command] = (picklist, stock, scan, short, pack, label, receive, take_back)
