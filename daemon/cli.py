"""wharfinger: runs the daemon, checks its settings, keeps its journal. It owns commands and exit codes.

Exit codes: 0 well, 1 not well (as the command says), 2 wrong usage, and of sysexits 69 what is needed cannot
be reached, 70 a fault of ours, 74 what it has to say cannot be printed, 75 the lease or the database was
lost: start again, 78 wrong settings; 130 interrupted.
"""

import sys
from pathlib import Path

import click

from daemon.cli_articles import ARTICLES
from daemon.cli_backup import backup_check
from daemon.cli_demo import DEMO
from daemon.cli_running import NOT_WELL, config_option, endings, log_option, progress, settings_of
from daemon.cli_shop import SHOP, channel_of
from daemon.cli_trial import try_channel, try_erp
from daemon.program import Program


@click.group("wharfinger", cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wharfinger")
def main() -> None:
    """Keep orders, stock and parcels between a shop and an ERP."""


for elsewhere in (*SHOP, *ARTICLES, *DEMO, backup_check):
    main.add_command(elsewhere)


@main.command()
@config_option
@log_option
def run(*, config: Path, log_level: str) -> None:
    """Run the daemon until SIGTERM; SIGHUP reads the rules again."""
    settings = settings_of(config)
    with endings(settings, log_level=log_level):
        import trio

        from daemon import upkeep
        from daemon.process import Daemon

        with upkeep.owned(settings.database) as dsn:
            trio.run(Daemon(settings, dsn).run)


@main.command()
@config_option
@click.option(
    "--channel", metavar="NAME", help="Try this channel's shop as well, step by step; it only reads."
)
@click.option("--erp", "at_erp", is_flag=True, help="Try the ERP as well, step by step; it only reads.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print what was found in the shop or ERP as JSON, a line each."
)
def check(*, config: Path, channel: str | None, at_erp: bool, as_json: bool) -> None:
    """Check the settings and say everything that is wrong with them; nothing is started.

    With --channel or --erp ends with 1 when anything there does not work; a warning alone does not.
    """
    settings = settings_of(config)
    for secret in settings.exposed:
        click.echo(f"wharfinger: warning: {secret} may be read by everybody on this machine", err=True)
    chosen = channel_of(settings, channel) if channel is not None else None
    if chosen is not None or at_erp:
        with endings(settings):
            works = [try_channel(chosen, as_json=as_json)] if chosen is not None else []
            works += [try_erp(settings.erp, as_json=as_json)] if at_erp else []
        sys.exit(0 if all(works) else NOT_WELL)
    counts = [
        f"{len(given)} {what}{'' if len(given) == 1 else 's'}"
        for what, given in (
            ("channel", settings.channels),
            ("carrier", settings.carriers),
            ("warehouse", settings.warehouses),
        )
    ]
    click.echo(f"{config}: well: {', '.join(counts)}, rules {settings.routing_rules.version}")


@main.command()
@config_option
def migrate(*, config: Path) -> None:
    """Bring the database's schema up to date; to be run as the schema's owner."""
    settings = settings_of(config)
    with endings(settings):
        from daemon import upkeep

        with upkeep.attached(settings.database) as dsn:
            applied = upkeep.migrated(dsn, settings.database.wait_seconds)
    click.echo(
        f"{applied} migration{'' if applied == 1 else 's'} applied" if applied else "nothing to migrate"
    )


@main.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def audit(*, config: Path, as_json: bool) -> None:
    """Prove from the events alone that the log is whole and nothing was promised twice; exit 1 if not."""
    settings = settings_of(config)
    with endings(settings):
        from daemon import upkeep

        with upkeep.attached(settings.database) as dsn:
            report = upkeep.audited(dsn, settings.database.wait_seconds, progress())
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(report))
    else:
        chain = "the chain is whole" if report.chain else "THE CHAIN IS BROKEN"
        click.echo(f"{report.events} events, {report.movements} movements: {chain},")
        click.echo(
            f"{report.oversold_units} units promised that were not there, {report.findings_total} findings"
        )
        # The first wrong event comes first; tables that contradict the log only follow from such.
        for found in sorted(report.findings, key=lambda finding: finding.position == 0):
            click.echo(f"partition {found.partition} position {found.position}: {found.what}")
    sys.exit(0 if report.ok else NOT_WELL)


@main.command()
@config_option
def rebuild(*, config: Path) -> None:
    """Drop what follows from the events and make it again, to the same content; no daemon may be at work."""
    settings = settings_of(config)
    with endings(settings):
        from daemon import upkeep

        with upkeep.attached(settings.database) as dsn:
            events = upkeep.rebuilt(dsn, settings.database.wait_seconds, progress())
    click.echo(f"rebuilt from {events} events")


@main.command()
@config_option
@click.option(
    "--customer", required=True, metavar="CHANNEL:ID", help="The channel and the shop's customer id."
)
def forget(*, config: Path, customer: str) -> None:
    """Erase a customer's data for good; orders and stock stay proved, without the person."""
    settings = settings_of(config)
    channel, _, number = customer.partition(":")
    if channel not in settings.channels or not number:
        known = ", ".join(settings.channels)
        raise click.BadParameter(
            f"expected CHANNEL:ID with one of the channels {known}", param_hint="--customer"
        )
    with endings(settings):
        from daemon import upkeep

        with upkeep.attached(settings.database) as dsn:
            rows = upkeep.forgotten(dsn, settings.database.wait_seconds, customer)
    nobody = "" if rows else f": nothing here is {customer}'s, or not any more; is the number the shop's?"
    click.echo(f"{rows} row{'' if rows == 1 else 's'} erased{nobody}")
