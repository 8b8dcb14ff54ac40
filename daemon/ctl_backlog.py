"""wharfctl's commands about what is still to be done: anomalies, the outbox, and whom it is for."""

from collections.abc import Sequence

import click

from daemon import ctl_view as view
from daemon.ctl_asking import Asking, asking, key_option, limit_option, path_to


@click.command()
@asking
def partners(ask: Asking) -> None:
    """Show how it goes with each partner, and how much it has still to be told."""
    ask.read(path_to("partners"), view.partners)


@click.group()
def anomalies() -> None:
    """Look at what a person should look at, and say what became of it."""


@anomalies.command(name="list")
@limit_option
@asking
def list_anomalies(ask: Asking, *, limit: int) -> None:
    """List what is open, the oldest first."""
    ask.read(path_to("anomalies"), view.anomalies, {"limit": str(limit)})


@anomalies.command()
@click.argument("anomaly", nargs=-1, required=True)
@key_option
@asking
def resolve(ask: Asking, *, anomaly: Sequence[str], key: str | None) -> None:
    """Say that matters are settled; what still causes one raises it anew."""
    ask.change(path_to("anomalies", "resolve"), {"anomalies": list(anomaly)}, key)


@anomalies.command()
@click.argument("anomaly", nargs=-1, required=True)
@click.option("--over", is_flag=True, help="Also what somebody else looks after.")
@key_option
@asking
def take(ask: Asking, *, anomaly: Sequence[str], over: bool, key: str | None) -> None:
    """Say that you look after these: the list shows who does, and since when."""
    ask.change(path_to("anomalies", "take"), {"anomalies": list(anomaly), "over": over}, key)


@anomalies.command(name="retry")
@click.argument("anomaly", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that are open.")
@key_option
@asking
def retry_anomalies(ask: Asking, *, anomaly: Sequence[str], every: bool, key: str | None) -> None:
    """Try again what anomalies are about, once that is mended."""
    if bool(anomaly) == every:
        raise click.UsageError("name the anomalies, or give --all")
    ask.change(path_to("anomalies", "retry"), {"anomalies": list(anomaly)}, key)


@click.group()
def outbox() -> None:
    """Look at what partners have still to be told, and hurry or stop it."""


@outbox.command(name="list")
@limit_option
@asking
def list_outbox(ask: Asking, *, limit: int) -> None:
    """List what partners have still to be told, the oldest first."""
    ask.read(path_to("outbox"), view.outbox, {"limit": str(limit)})


@outbox.command(name="retry")
@click.argument("partner", default="")
@key_option
@asking
def retry_outbox(ask: Asking, *, partner: str, key: str | None) -> None:
    """Try now what waits for a further attempt, at PARTNER or at all of them."""
    ask.change(path_to("outbox", "retry"), {"partner": partner}, key)


@outbox.command()
@click.argument("effect")
@click.option("--reason", required=True)
@key_option
@asking
def drop(ask: Asking, *, effect: str, reason: str, key: str | None) -> None:
    """Tell a partner EFFECT no more: it counts as refused, and order retry asks for it again."""
    ask.change(path_to("outbox", "drop"), {"effect": effect, "reason": reason}, key)


BACKLOG: Sequence[click.Command] = (partners, anomalies, outbox)
