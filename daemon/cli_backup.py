"""wharfinger backup-check: what a restored backup is worth. It owns the command, and how that is told."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli_running import NOT_WELL, config_option, endings, settings_of

if TYPE_CHECKING:
    from daemon.upkeep import BackupReport


def _address_in(_context: click.Context, _option: click.Parameter, file: Path) -> str:
    """Return the address that the file holds; an empty one would mean whatever database is nearest."""
    from daemon.settings_checks import address_problem
    from daemon.settings_reading import Secrets

    try:
        address = Secrets(Path(), {}).from_file(str(file.absolute())).reveal().strip()
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if why := address_problem(address):
        raise click.BadParameter(f"what {file} holds {why}")
    return address


restored_option = click.option(
    "--restored-dsn-file",
    "restored",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    callback=_address_in,
    required=True,
    help="A file with the address of the database that the backup was restored into.",
)


@click.command(name="backup-check")
@config_option
@restored_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def backup_check(*, config: Path, restored: str, as_json: bool) -> None:
    """Audit a restored backup, and tell how far it is behind the live log; exit 1 if it is worth nothing."""
    settings = settings_of(config)
    with endings(settings):
        from daemon import upkeep

        with upkeep.attached(settings.database) as dsn:
            report = upkeep.backup_checked(dsn, restored, settings.database.wait_seconds)
    show_backup(report, as_json=as_json)
    sys.exit(0 if report.ok else NOT_WELL)


def show_backup(report: "BackupReport", *, as_json: bool) -> None:
    """Tell what a restored backup is worth."""
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(report))
        return
    whole = "whole" if report.audit.ok else f"NOT WHOLE: {report.audit.findings_total} findings"
    click.echo(f"{report.audit.events} events, the last of {report.newest}: {whole}")
    for partition in report.foreign:
        click.echo(f"partition {partition}: ITS LOG IS NO BEGINNING OF THE LIVE ONE")
    for found in report.audit.findings:
        click.echo(f"partition {found.partition} position {found.position}: {found.what}")
    click.echo(f"{report.behind} events behind the live log")
