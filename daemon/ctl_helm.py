"""wharfctl's commands for the daemon itself: what happens in it, its rules, its log, its end."""

import sys
import time
from collections.abc import Sequence

import click

from daemon import ctl_view as view
from daemon.ctl_asking import AWAY, FAILED, Asking, asking, end, key_option, limit_option, path_to


@click.command()
@key_option
@asking
def reload(ask: Asking, *, key: str | None) -> None:
    """Have the rules read again; exit 4, with the reason, when they are wrong."""
    answer = ask.change(path_to("reload"), {}, key)
    if not ask.as_json:
        for changed in answer.get("waits_for_restart", ()):
            click.echo(f"{ask.program}: {view.cell(changed)} has changed, and waits for a restart", err=True)


@click.command()
@key_option
@asking
def drain(ask: Asking, *, key: str | None) -> None:
    """Have what is in hand brought to a recorded point, and the daemon end."""
    ask.change(path_to("drain"), {}, key)


@click.command(name="log-level")
@click.argument("level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--logger", default="", metavar="NAME", help="Only what this part says, as adapters.erps.")
@click.option("--for", "seconds", type=click.IntRange(1, 86_400), metavar="SECONDS", help="Then as before.")
@key_option
@asking
def log_level(ask: Asking, *, level: str, logger: str, seconds: int | None, key: str | None) -> None:
    """Log from LEVEL on. Debug shows names, addresses and partners' bodies, for half an hour unless told."""
    given = {"logger": logger or None, "seconds": seconds}
    asked = {"level": level} | {name: value for name, value in given.items() if value is not None}
    ask.change(path_to("log-level"), asked, key)


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until interrupted.")
@limit_option
@asking
def tail(ask: Asking, *, follow: bool, limit: int) -> None:
    """Show the last events of the log, the oldest first."""
    ask.follow(path_to("tail"), {"limit": str(limit), "follow": str(follow).lower()}, view.event)


@click.command()
@click.option("--user", default="", metavar="NAME", help="Only what this user asked for, by name or number.")
@click.option(
    "--about", default="", metavar="TEXT", help="Only changes that name this, as an order or a SKU."
)
@limit_option
@asking
def trail(ask: Asking, *, user: str, about: str, limit: int) -> None:
    """Show who asked for which change, the newest first, and what came of it; takes the role admin."""
    given = {"user": user, "about": about, "limit": str(limit)}
    ask.read(path_to("trail"), view.changes, {name: value for name, value in given.items() if value})


@click.command()
@click.option("--every", default=2.0, show_default=True, type=click.FloatRange(0.2, 60), metavar="SECONDS")
@asking
def top(ask: Asking, *, every: float) -> None:
    """Show the daemon at a glance again and again, until interrupted; one that restarts is waited for."""
    was_there = False
    try:
        while True:
            if sys.stdout.isatty():
                click.clear()
            try:
                ask.read(path_to("status"), view.status)
                was_there = True
            except SystemExit as ended:
                if ended.code != AWAY or not was_there:
                    raise
            time.sleep(every)
    except KeyboardInterrupt:
        return


@click.command()
@click.option("--last", is_flag=True, help="Only say what came of the last one, and when that was.")
@asking
def audit(ask: Asking, *, last: bool) -> None:
    """Prove the log now, beside the daemon's work; exit 1 when it does not add up or cannot be read.

    A process of its own reads all of it, so it may take minutes; to interrupt this ends it.
    """
    if last:
        if not ask.read(path_to("audit", "last"), view.last_audit)["ok"]:
            raise SystemExit(FAILED)
        return
    outcome: view.Answer = {}

    def hear(told: view.Answer) -> None:
        nonlocal outcome
        outcome = told
        if told["state"] == "running" and sys.stderr.isatty():
            click.echo(f"\r{told['events']} events", nl=False, err=True)

    ask.hear(path_to("audit"), {}, hear)
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    if not outcome or outcome["state"] in ("running", "failed"):
        end(FAILED, outcome.get("why") or "the audit was cut off")
    ask.show(outcome, view.audited)
    if outcome["state"] == "broken":
        raise SystemExit(FAILED)


HELM: Sequence[click.Command] = (tail, trail, top, audit, reload, drain, log_level)
