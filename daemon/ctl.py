"""wharfctl: steers the daemon on this machine over its control socket. It owns commands and exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage, 4 the daemon said no, 69 it is away (sysexits' EX_UNAVAILABLE).
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

import click

from daemon import ctl_view as view

FAILED = 1
REFUSED = 4
AWAY = 69

DEFAULT_SOCKET = "/run/wharfinger/control.sock"

CLIENT_ERRORS = range(400, 500)
TRY_AGAIN = (503, 504)


@dataclass(frozen=True, slots=True)
class Asking:
    """Where to ask and how to answer."""

    socket: str
    as_json: bool

    def read(self, path: str, show: view.View, query: Mapping[str, str] | None = None) -> None:
        """Ask for something and show it."""
        self._show(self._ask("GET", path, None, "", query), show)

    def change(self, path: str, body: Mapping[str, object], key: str | None) -> None:
        """Have something done; a repeat under the same key changes nothing."""
        self._show(self._ask("POST", path, body, key or str(uuid.uuid4()), None), view.done)

    def _show(self, answer: Mapping[str, Any], show: view.View) -> None:
        if self.as_json:
            import msgspec

            click.echo(msgspec.json.encode(answer))
        else:
            view.show(show(answer), click.echo)

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        key: str,
        query: Mapping[str, str] | None,
    ) -> Mapping[str, Any]:
        import trio

        from daemon.control.client import ControlClient, ControlError, DaemonAwayError

        async def ask() -> Mapping[str, Any]:
            async with ControlClient(self.socket) as client:
                return await client.request(method, path, body, key=key, query=query)

        again = f"; it may have been done: repeat it with --key {key}" if key else ""
        try:
            return trio.run(ask)
        except DaemonAwayError as error:
            _end(AWAY, f"no daemon answers at {error}{again}")
        except ControlError as error:
            if error.status in TRY_AGAIN:
                _end(AWAY, f"{error.detail}{again}")
            _end(REFUSED if error.status in CLIENT_ERRORS else FAILED, error.detail)


def _end(code: int, text: str) -> NoReturn:
    click.echo(f"wharfctl: {text}", err=True)
    raise SystemExit(code)


def _path(*parts: str) -> str:
    return "/".join(["/v1", *(quote(part, safe="") for part in parts)])


asking = click.make_pass_decorator(Asking)
key_option = click.option("--key", help="Repeat a change whose answer was lost: the key it was made under.")
limit_option = click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--socket",
    envvar="WHARFINGER_SOCKET",
    default=DEFAULT_SOCKET,
    show_default=True,
    help="The daemon's control socket.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.version_option(package_name="wharfinger")
@click.pass_context
def main(context: click.Context, *, socket: str, as_json: bool) -> None:
    """Steer the Wharfinger daemon on this machine."""
    context.obj = Asking(socket, as_json)


# --- the desk --------------------------------------------------------------------------------------------


@main.command()
@asking
def status(ask: Asking) -> None:
    """Show the daemon at a glance."""
    ask.read(_path("status"), view.status)


@main.command()
@click.option("--state", multiple=True, help="Only orders in this state; may be given several times.")
@limit_option
@asking
def orders(ask: Asking, *, state: Sequence[str], limit: int) -> None:
    """List orders, the first placed first."""
    query = {"limit": str(limit)} | ({"state": ",".join(state)} if state else {})
    ask.read(_path("orders"), view.orders, query)


@main.group()
def order() -> None:
    """Look at one order, or steer it."""


@order.command()
@click.argument("order_id", metavar="ORDER")
@asking
def show(ask: Asking, *, order_id: str) -> None:
    """Show where an order stands and how it came there."""
    ask.read(_path("orders", order_id), view.story)


@order.command()
@click.argument("order_id", metavar="ORDER")
@asking
def why(ask: Asking, *, order_id: str) -> None:
    """Show why an order was routed as it was."""
    ask.read(_path("orders", order_id), view.why)


@order.command()
@click.argument("order_id", metavar="ORDER")
@click.option("--reason", required=True)
@click.option(
    "--hold", type=click.Choice(["payment", "address", "manual"]), default="manual", show_default=True
)
@click.option("--until", type=click.DateTime(["%Y-%m-%dT%H:%M"]), help="Release it by itself then (UTC).")
@key_option
@asking
def hold(ask: Asking, *, order_id: str, reason: str, hold: str, until: Any, key: str | None) -> None:  # noqa: ANN401
    """Stop an order until it is released."""
    body: dict[str, object] = {"reason": reason, "hold": hold}
    if until is not None:
        body["expires_at"] = until.isoformat() + "Z"
    ask.change(_path("orders", order_id, "hold"), body, key)


@order.command()
@click.argument("order_id", metavar="ORDER")
@click.option(
    "--hold",
    type=click.Choice(["validation", "payment", "address", "manual"]),
    default="manual",
    show_default=True,
)
@key_option
@asking
def release(ask: Asking, *, order_id: str, hold: str, key: str | None) -> None:
    """Let an order go on; releasing a validation hold overrides what was wrong."""
    ask.change(_path("orders", order_id, "release"), {"hold": hold}, key)


@order.command()
@click.argument("order_id", metavar="ORDER")
@key_option
@asking
def cancel(ask: Asking, *, order_id: str, key: str | None) -> None:
    """Stop an order for good, if that still can be; else say where to intercept it."""
    ask.change(_path("orders", order_id, "cancel"), {}, key)


@main.command()
@limit_option
@asking
def anomalies(ask: Asking, *, limit: int) -> None:
    """List what a person should look at, the oldest first."""
    ask.read(_path("anomalies"), view.anomalies, {"limit": str(limit)})


@main.command()
@limit_option
@asking
def outbox(ask: Asking, *, limit: int) -> None:
    """List what partners have still to be told."""
    ask.read(_path("outbox"), view.outbox, {"limit": str(limit)})


# --- the floor -------------------------------------------------------------------------------------------


@main.command()
@click.argument("warehouse")
@limit_option
@asking
def picklist(ask: Asking, *, warehouse: str, limit: int) -> None:
    """List what is to be picked, along the slots."""
    ask.read(_path("warehouses", warehouse, "picklists"), view.picklists, {"limit": str(limit)})


@main.command()
@click.argument("warehouse")
@click.option("--sku", help="Only this one.")
@asking
def stock(ask: Asking, *, warehouse: str, sku: str | None) -> None:
    """Show where the units of a warehouse stand."""
    ask.read(_path("warehouses", warehouse, "stock"), view.stock, {"sku": sku} if sku else None)


@main.command()
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
    ask.change(_path("warehouses", warehouse, "scans"), body, key)


@main.command()
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
    ask.change(_path("warehouses", warehouse, "shorts"), body, key)


def parcel(text: str) -> dict[str, object]:
    """Return SKU=UNITS[,SKU=UNITS...]@GRAMS as the control socket takes a parcel."""
    contents, _, grams = text.rpartition("@")
    lines = [line.rpartition("=") for line in contents.split(",")]
    if not grams.isdecimal() or any(not sku or not units.isdecimal() for sku, _, units in lines):
        raise click.BadParameter(f"{text!r} is not SKU=UNITS,...@GRAMS")
    return {"lines": [{"sku": sku, "units": int(units)} for sku, _, units in lines], "weight_g": int(grams)}


@main.command()
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
    ask.change(_path("warehouses", warehouse, "packs"), body, key)


@main.command()
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
    ask.change(_path("warehouses", warehouse, "receptions"), body, key)


@main.command()
@click.argument("warehouse")
@click.argument("sku")
@click.option("--by", type=int, required=True, help="So many units more, or below zero fewer.")
@click.option("--reason", required=True)
@key_option
@asking
def adjust(ask: Asking, *, warehouse: str, sku: str, by: int, reason: str, key: str | None) -> None:
    """Correct the shelf."""
    body = {"sku": sku, "units": by, "reason": reason}
    ask.change(_path("warehouses", warehouse, "adjustments"), body, key)


@main.command()
@click.argument("warehouse")
@click.argument("sku")
@click.argument("slot")
@key_option
@asking
def slot(ask: Asking, *, warehouse: str, sku: str, slot: str, key: str | None) -> None:
    """Say where a SKU is picked from now on."""
    ask.change(_path("warehouses", warehouse, "slots"), {"sku": sku, "slot": slot}, key)
