"""wharfctl's command about backups: it reads the restored database, and asks the daemon where its log ends.

So the restored database's address, a secret, does not go over the socket, and the daemon has no work with it.
"""

import click

from daemon.cli_backup import restored_option, show_backup
from daemon.ctl_asking import AWAY, FAILED, Asking, asking, end, path_to

SECONDS_MAX = 30.0
"""How long to wait for a database that is away; it was restored to be read now."""


@click.command(name="backup-check")
@restored_option
@asking
def backup_check(ask: Asking, *, restored: str) -> None:
    """Audit a restored backup, and tell how far it is behind the live log; exit 1 if it is worth nothing."""
    from actors.inspection import LogEnd
    from daemon import upkeep

    try:
        examined, positions = upkeep.backup_examined(restored, SECONDS_MAX)
    except upkeep.UNUSABLE as error:
        end(AWAY, str(error))
    at = ",".join(f"{partition}:{position}" for partition, position in positions.items())
    answer = ask.get(path_to("tail", "ends"), {"at": at})
    ends = [
        LogEnd(each["partition"], each["position"], bytes.fromhex(each["hash"]) if each["hash"] else None)
        for each in answer["ends"]
    ]
    report = upkeep.backup_judged(examined, ends)
    show_backup(report, as_json=ask.as_json)
    if not report.ok:
        raise SystemExit(FAILED)
