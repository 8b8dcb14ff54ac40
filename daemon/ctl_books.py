"""The command that has the books compared, and how the differences are shown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from daemon.control.answers import RECONCILE_SECONDS_MAX
from daemon.ctl_asking import DEGRADED, Asking, asking, path_to
from daemon.ctl_view import Answer, Table, cell


@click.command()
@click.option("--channel", help="Only this channel's shop, and nothing of the ERP's stock.")
@asking
def reconcile(ask: Asking, *, channel: str | None) -> None:
    """Compare shops, ledger and ERP; exit 3 when anything differs.

    Each difference is told with its cause, since when, and a mend. Nothing is changed.
    """
    compare(ask, channel)


def compare(ask: Asking, channel: str | None) -> None:
    """Have the books compared, show what differs, and end with 3 if anything does."""
    query = {"channel": channel} if channel is not None else {}
    answer = ask.read(path_to("reconciliation"), reconciled, query, seconds_max=RECONCILE_SECONDS_MAX)
    if differs(answer):
        raise SystemExit(DEGRADED)
    if not ask.as_json:  # headings with nothing below would leave a reader of the journal in doubt
        click.echo(f"{ask.program}: {compared(answer)} compared: nothing differs", err=True)


def differs(answer: Answer) -> bool:
    """Tell whether anything differs, or could not be compared."""
    shown = any(each["differences"] for each in answer["channels"])
    return bool(shown or answer["differences"] or answer["unread"])


def compared(answer: Answer) -> str:
    """Return how much was compared."""
    told = [f"{sum(each['compared'] for each in answer['channels'])} articles of shops"]
    if answer["erp"] is not None:
        told.append(f"{answer['erp']['compared']} figures of the ERP")
    return ", ".join([*told, f"{answer['orders']} orders"])


def reconciled(answer: Answer) -> Sequence[Table]:
    """Show where shops, ledger and ERP differ, and why."""
    tables = [_channel(each) for each in answer["channels"]]
    if answer["erp"] is not None:
        tables.append(_figures(answer["erp"]))
    tables.append(_differences(answer))
    if answer["unread"]:
        rows = [(cell(each),) for each in answer["unread"]]
        tables.append(Table("Not compared", ("what, and why",), rows))
    return tables


def _channel(told: Mapping[str, Any]) -> Table:
    title = f"Channel {cell(told['channel'])}: {told['compared']} articles compared, {told['moving']} moving"
    columns = ("article", "cause", "units", "ledger", "shop", "since", "detail", "mend")
    rows = [(_new(each), *(cell(each[column]) for column in columns)) for each in told["differences"]]
    return Table(title, ("new", *columns), rows)


def _figures(told: Mapping[str, Any]) -> Table:
    title = f"ERP: {told['compared']} figures compared, {told['moving']} moving"
    if not told["traced"]:
        title += "; it does not tell what its users booked"
    columns = ("warehouse", "sku", "ledger", "erp", "corrected", "shops")
    rows = [tuple(cell(each[column]) for column in columns) for each in told["figures"]]
    return Table(title, columns, rows)


def _differences(answer: Answer) -> Table:
    now = datetime.fromisoformat(answer["at"])
    title = (
        f"Orders and the ERP's stock: {answer['orders']} orders compared, {answer['orders_moving']} moving"
    )
    columns = ("new", "scope", "kind", "subject", "cause", "units", "age", "evidence", "detail", "mend")
    rows = [
        (
            _new(each),
            *(cell(each[column]) for column in ("scope", "kind", "subject", "cause")),
            f"{each['units']:+d}" if each["units"] else "",
            age(each["since"], each["since_is"], now),
            cell(each["evidence"]),
            cell(each["detail"]),
            cell([each["mend"], *each["commands"]]),
        )
        for each in answer["differences"]
    ]
    return Table(title, columns, rows)


def _new(each: Mapping[str, Any]) -> str:
    return "new" if each["is_new"] else ""


AGES: Mapping[str, str] = {"exact": "", "at_the_earliest": "at most ", "at_the_latest": "at least "}
"""What began at the earliest then is at most so old."""


def age(since: str, since_is: str, now: datetime) -> str:
    """Return how old something is, and how well that is known."""
    old = max(now - datetime.fromisoformat(since).astimezone(UTC), timedelta(0))
    if old >= timedelta(days=1):
        text = f"{old.days}d"
    elif old >= timedelta(hours=1):
        text = f"{old.seconds // 3600}h"
    else:
        text = f"{old.seconds // 60}m"
    return AGES[since_is] + text
