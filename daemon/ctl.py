"""wharfctl: steers the daemon on this machine over its control socket. It owns commands and exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage, 4 the daemon said no, 69 it is away (sysexits' EX_UNAVAILABLE).
"""

from collections.abc import Sequence
from typing import Any

import click

from daemon import ctl_view as view
from daemon.ctl_asking import DEFAULT_SOCKET, Asking, asking, key_option, limit_option, path_to
from daemon.ctl_floor import FLOOR
from daemon.ctl_helm import HELM


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


for command in (*FLOOR, *HELM):
    main.add_command(command)


@main.command()
@asking
def status(ask: Asking) -> None:
    """Show the daemon at a glance."""
    ask.read(path_to("status"), view.status)


@main.command()
@click.option("--state", multiple=True, help="Only orders in this state; may be given several times.")
@limit_option
@asking
def orders(ask: Asking, *, state: Sequence[str], limit: int) -> None:
    """List orders, the first placed first."""
    query = {"limit": str(limit)} | ({"state": ",".join(state)} if state else {})
    ask.read(path_to("orders"), view.orders, query)


@main.group()
def order() -> None:
    """Look at one order, or steer it."""


@order.command()
@click.argument("order_id", metavar="ORDER")
@asking
def show(ask: Asking, *, order_id: str) -> None:
    """Show where an order stands and how it came there."""
    ask.read(path_to("orders", order_id), view.story)


@order.command()
@click.argument("order_id", metavar="ORDER")
@asking
def why(ask: Asking, *, order_id: str) -> None:
    """Show why an order was routed as it was."""
    ask.read(path_to("orders", order_id), view.why)


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
    ask.change(path_to("orders", order_id, "hold"), body, key)


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
    ask.change(path_to("orders", order_id, "release"), {"hold": hold}, key)


@order.command()
@click.argument("order_id", metavar="ORDER")
@key_option
@asking
def cancel(ask: Asking, *, order_id: str, key: str | None) -> None:
    """Stop an order for good, if that still can be; else say where to intercept it."""
    ask.change(path_to("orders", order_id, "cancel"), {}, key)


@order.command()
@click.argument("order_id", metavar="ORDER")
@key_option
@asking
def retry(ask: Asking, *, order_id: str, key: str | None) -> None:
    """Ask partners once more for what they refused, once that is mended."""
    ask.change(path_to("orders", order_id, "retry"), {}, key)


@main.command()
@limit_option
@asking
def anomalies(ask: Asking, *, limit: int) -> None:
    """List what a person should look at, the oldest first."""
    ask.read(path_to("anomalies"), view.anomalies, {"limit": str(limit)})


@main.command()
@limit_option
@asking
def outbox(ask: Asking, *, limit: int) -> None:
    """List what partners have still to be told."""
    ask.read(path_to("outbox"), view.outbox, {"limit": str(limit)})
