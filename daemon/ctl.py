"""wharfctl: steers the daemon on this machine over its control socket. It owns commands and exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 it works but not all is well, 4 the daemon said no, and of
sysexits 69 it is away, 74 its answer cannot be printed; 130 interrupted.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click

from daemon import ctl_view as view
from daemon.ctl_asking import DEFAULT_SOCKET, DEGRADED, Asking, age, asking, limit_option, path_to
from daemon.ctl_backlog import BACKLOG
from daemon.ctl_backup import backup_check
from daemon.ctl_books import reconcile
from daemon.ctl_floor import FLOOR
from daemon.ctl_gates import GATES
from daemon.ctl_helm import HELM
from daemon.ctl_order import order
from daemon.program import Program


def states(_context: click.Context, _option: click.Parameter, begun: str) -> list[str]:
    """Return the states that a word may become."""
    from actors.domain.order_state import LIFE_CYCLE

    return [state for state in LIFE_CYCLE if state.startswith(begun)]


@click.group("wharfctl", cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
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


for command in (order, reconcile, *BACKLOG, *FLOOR, *GATES, *HELM, backup_check):
    main.add_command(command)


@main.command()
@asking
def status(ask: Asking) -> None:
    """Show the daemon at a glance; exit 3 when it does not run, or a partner is away."""
    answer = ask.read(path_to("status"), view.status)
    if view.is_degraded(answer):
        raise SystemExit(DEGRADED)


@main.command()
@click.option(
    "--state",
    multiple=True,
    shell_complete=states,
    help="Only orders in this state; may be given several times.",
)
@click.option("--channel", help="Only orders of this channel.")
@click.option("--warehouse", help="Only orders of which this warehouse holds something.")
@click.option("--older-than", type=age, metavar="AGE", help="Only orders placed before: 90m, 36h or 7d.")
@limit_option
@asking
def orders(
    ask: Asking,
    *,
    state: Sequence[str],
    channel: str | None,
    warehouse: str | None,
    older_than: timedelta | None,
    limit: int,
) -> None:
    """List orders, the first placed first."""
    before = (datetime.now(UTC) - older_than).isoformat() if older_than is not None else None
    query = {"state": ",".join(state), "channel": channel, "warehouse": warehouse, "placed_before": before}
    given = {name: value for name, value in query.items() if value}
    ask.read(path_to("orders"), view.orders, {"limit": str(limit), **given})
