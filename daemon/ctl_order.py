"""wharfctl's commands about one order: what became of it and why, and what a person may do about it."""

from typing import Any

import click

from daemon import ctl_view as view
from daemon.ctl_asking import Asking, asking, key_option, path_to

order_argument = click.argument("order_id", metavar="ORDER")


@click.group()
def order() -> None:
    """Look at one order, or steer it."""


@order.command()
@order_argument
@asking
def show(ask: Asking, *, order_id: str) -> None:
    """Show where an order stands, and its timeline: fact, actor, cause, call to a partner, its seconds."""
    ask.read(path_to("orders", order_id), view.story)


@order.command()
@order_argument
@asking
def history(ask: Asking, *, order_id: str) -> None:
    """Show every event of an order with all that it says, as it stands in the log."""
    ask.read(path_to("orders", order_id), view.history)


@order.command()
@order_argument
@asking
def why(ask: Asking, *, order_id: str) -> None:
    """Show why an order was routed as it was."""
    ask.read(path_to("orders", order_id), view.why)


@order.command()
@order_argument
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
@order_argument
@click.option(
    "--hold",
    type=click.Choice(["validation", "payment", "address", "manual", "erp"]),
    default="manual",
    show_default=True,
)
@key_option
@asking
def release(ask: Asking, *, order_id: str, hold: str, key: str | None) -> None:
    """Let an order go on; releasing a validation hold overrides what was wrong."""
    ask.change(path_to("orders", order_id, "release"), {"hold": hold}, key)


@order.command()
@order_argument
@click.option("--avoid", default="", metavar="WAREHOUSE", help="Not from there any more.")
@key_option
@asking
def reroute(ask: Asking, *, order_id: str, avoid: str, key: str | None) -> None:
    """Give back what is not packed yet, and route it anew by today's stock and rules.

    A warehouse that is to be avoided stays so, also if nobody else has the units: the order waits for them
    then, and `order why` says so. Without --avoid it may come from anywhere again.
    """
    ask.change(path_to("orders", order_id, "reroute"), {"avoid": avoid}, key)


@order.command()
@order_argument
@key_option
@asking
def cancel(ask: Asking, *, order_id: str, key: str | None) -> None:
    """Stop an order for good, if that still can be; else say where to intercept it."""
    ask.change(path_to("orders", order_id, "cancel"), {}, key)


@order.command()
@order_argument
@key_option
@asking
def retry(ask: Asking, *, order_id: str, key: str | None) -> None:
    """Ask partners once more for what they refused, once that is mended."""
    ask.change(path_to("orders", order_id, "retry"), {}, key)
