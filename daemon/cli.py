"""The command `wharfinger`: runs the daemon, checks its settings, and looks after its database.

Whatever is wrong with settings or reachability is told in a line and a non-zero exit, never as a traceback.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click
import trio

from adapters.postgres.connect import DatabaseUnavailableError
from adapters.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from adapters.postgres.migrate import MigrationError
from daemon.control.serving import SocketTakenError
from daemon.logs import configure
from daemon.plugins import PLUGINS
from daemon.settings import Settings, SettingsError
from daemon.settings_file import load
from daemon.version import VERSION
from daemon.web import AddressTakenError

EXPLAINED = (
    SettingsError,
    DatabaseUnavailableError,
    EmbeddedPostgresError,
    MigrationError,
    SocketTakenError,
    AddressTakenError,
)
"""Errors whose text is written for the person who starts the daemon."""

FAILED = 1

config_option = click.option(
    "--config",
    "config",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The settings, a TOML file.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="wharfinger")
def main() -> None:
    """Orders, warehouses and carriers between PrestaShop and Divalto."""


@main.command()
@config_option
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def run(config: Path, log_level: str) -> None:
    """Run the daemon until SIGTERM, which drains it; SIGHUP reads the rules again."""
    configure(level=log_level)
    from daemon.process import Daemon

    with explained():
        settings = load(config, PLUGINS, os.environ)
        with database(settings) as dsn:
            trio.run(Daemon(settings, dsn).run)


@main.command()
@config_option
def check(config: Path) -> None:
    """Check the settings as a whole, without starting anything."""
    with explained():
        settings = load(config, PLUGINS, os.environ)
    click.echo(
        f"{config}: good ({len(settings.channels)} channels, {len(settings.warehouses)} warehouses,"
        f" {len(settings.carriers)} carriers, rules {settings.routing_rules.version})"
    )


@main.command()
@click.option(
    "--orders", default=40, show_default=True, type=click.IntRange(1, 20_000), help="How many to place."
)
@click.option("--seed", default=1, show_default=True, help="Of everything that is drawn.")
@click.option("--exit", "leave", is_flag=True, help="End when everything has come to rest.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures as JSON.")
def demo(orders: int, seed: int, report: Path | None, *, leave: bool) -> None:
    """Show a whole merchant at work on this machine: shop, ERP, carrier, two warehouses and the daemon."""
    configure(level="warning")
    from daemon.demo.play import run_demo

    with explained():
        try:
            sound = run_demo(orders=orders, seed=seed, stay=not leave, report_file=report)
        except KeyboardInterrupt:
            sound = True
    sys.exit(0 if sound else FAILED)


@contextmanager
def explained() -> Generator[None]:
    """Tell what a person can mend in a line, and exit; everything else is a fault of ours and keeps its traceback."""
    try:
        yield
    except EXPLAINED as error:
        _end(str(error))
    except ExceptionGroup as group:
        ours, others = group.split(EXPLAINED)
        if others is not None or ours is None:
            raise
        _end("\n".join(str(error) for error in _leaves(ours)))


def _end(text: str) -> None:
    click.echo(text, err=True)
    sys.exit(FAILED)


def _leaves(group: BaseException) -> list[BaseException]:
    if isinstance(group, BaseExceptionGroup):
        return [leaf for error in group.exceptions for leaf in _leaves(error)]
    return [group]


@contextmanager
def database(settings: Settings) -> Generator[str]:
    """Yield where the journal lies; a Postgres of our own is started for as long as it is needed."""
    if settings.database.dsn is not None:
        yield settings.database.dsn.reveal()
        return
    with EmbeddedPostgres(Path(settings.database.data_dir)) as server:
        yield server.dsn
