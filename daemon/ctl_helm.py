"""wharfctl's commands for the daemon itself: its rules, its log, its end."""

from collections.abc import Sequence

import click

from daemon.ctl_asking import Asking, asking, key_option, path_to


@click.command()
@key_option
@asking
def reload(ask: Asking, *, key: str | None) -> None:
    """Have the rules read again; exit 4, with the reason, when they are wrong."""
    ask.change(path_to("reload"), {}, key)


@click.command()
@key_option
@asking
def drain(ask: Asking, *, key: str | None) -> None:
    """Have what is in hand brought to a recorded point, and the daemon end."""
    ask.change(path_to("drain"), {}, key)


@click.command(name="log-level")
@click.argument("level", type=click.Choice(["debug", "info", "warning", "error"]))
@key_option
@asking
def log_level(ask: Asking, *, level: str, key: str | None) -> None:
    """Log from LEVEL on until the daemon ends; at debug customers' names and addresses are readable."""
    ask.change(path_to("log-level"), {"level": level}, key)


HELM: Sequence[click.Command] = (reload, drain, log_level)
