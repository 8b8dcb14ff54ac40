"""wharfinger's commands about a shop as it lies there: taking it over, and comparing it with the ledger."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli_running import config_option, endings, progress, settings_of

if TYPE_CHECKING:
    from daemon.settings import Channel, Settings
    from daemon.taking_over import AdoptionReport

channel_option = click.option(
    "--channel", required=True, metavar="NAME", help="The channel's name in the settings."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")


@click.command()
@config_option
@channel_option
@click.option(
    "--since",
    required=True,
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    metavar="YYYY-MM-DD[THH:MM]",
    help="Take over open orders that were placed since then (UTC).",
)
@click.option("--dry-run", is_flag=True, help="Say what it would do, and change nothing.")
@json_option
def adopt(*, config: Path, channel: str, since: datetime, dry_run: bool, as_json: bool) -> None:
    """Take an existing shop's open orders over; no daemon may be at work.

    What is shipped or cancelled in the shop, or older than the date, never becomes an order here. The daemon
    imports the rest at its next start, each as it stands by then. To ask again changes nothing.
    """
    settings = settings_of(config)
    chosen = channel_of(settings, channel)
    from actors.errors import PartnerError

    with endings(settings, partners=(PartnerError,)):
        from daemon import upkeep

        with upkeep.attached(settings.database) as dsn:
            report = upkeep.adopted(
                dsn,
                settings.database.wait_seconds,
                chosen,
                since.replace(tzinfo=UTC),
                dry_run=dry_run,
                progress=progress("orders"),
            )
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(report))
        return
    _show_adoption(report)


@click.command()
@config_option
@click.option("--channel", metavar="NAME", help="Only this channel's shop, and nothing of the ERP's stock.")
@json_option
def reconcile(*, config: Path, channel: str | None, as_json: bool) -> None:
    """Compare shops, ledger and ERP, by the daemon that runs; exit 3 when anything differs.

    Each difference is told with its cause, since when, and a mend. Nothing is changed; what lasts becomes an
    anomaly, once, and is settled by itself when it is over.
    """
    settings = settings_of(config)
    if channel is not None:
        channel_of(settings, channel)
    from daemon.ctl_asking import Asking
    from daemon.ctl_books import compare

    compare(Asking(str(settings.daemon.socket_path), as_json, program="wharfinger"), channel)


def channel_of(settings: "Settings", name: str) -> "Channel":
    """Return the channel of that name.

    Raises:
        BadParameter: there is none.
    """
    if name not in settings.channels:
        known = ", ".join(settings.channels)
        raise click.BadParameter(f"expected one of the channels {known}", param_hint="--channel")
    return settings.channels[name]


def _show_adoption(report: "AdoptionReport") -> None:
    from daemon.ctl_view import Table, cell, show

    rows = [
        (
            each.shop_order,
            each.reference,
            f"{each.placed_at:%Y-%m-%d %H:%M}" if each.placed_at else "",
            each.does,
        )
        for each in report.orders
    ]
    orders: Sequence[Sequence[str]] = [[cell(value) for value in row] for row in rows]
    summary = [(does, str(count)) for does, count in report.summary.items()]
    show(
        (
            Table("Orders", ("order", "reference", "placed at (UTC)", "what becomes of it"), orders),
            Table("Summary", ("what becomes of them", "orders"), summary),
        ),
        click.echo,
    )
    line = f"{report.since:%Y-%m-%d %H:%M} UTC"
    if report.dry_run:
        click.echo(f"dry run: nothing was changed; the line would be drawn at {line}")
    elif report.changes:
        click.echo(f"orders placed since {line} come in when the daemon starts")
    else:
        click.echo(f"nothing to do: the line was drawn at {line} already")


SHOP = (adopt, reconcile)
"""The commands."""
