"""How the trial of a partner is told: a table for people, a line of JSON for programs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from adapters.trials import Finding
    from daemon.settings import Channel, Erp


def try_channel(channel: "Channel", *, as_json: bool) -> bool:
    """Try a channel's shop, tell what was found, and return whether all of it works."""
    import trio

    from daemon import compose

    return tell(f"channel {channel.name}", trio.run(compose.try_channel, channel), as_json=as_json)


def try_erp(erp: "Erp", *, as_json: bool) -> bool:
    """Try the ERP, tell what was found, and return whether all of it works."""
    import trio

    from daemon import compose

    return tell(f"erp {erp.type}", trio.run(compose.try_erp, erp), as_json=as_json)


def tell(what: str, findings: Sequence["Finding"], *, as_json: bool) -> bool:
    """Tell what was found, and return whether nothing is wrong; a warning alone is not."""
    count = dict.fromkeys(("ok", "warning", "wrong"), 0)
    for each in findings:
        count[each.judgement] += 1
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode({"tried": what, "count": count, "findings": findings}))
    else:
        from daemon.ctl_view import Table, cell, show

        rows = [
            [cell(each.judgement), cell(each.step), cell(each.detail), cell(each.mend)] for each in findings
        ]
        show((Table(what, ("", "step", "what was found", "what to do"), rows),), click.echo)
        warnings = f"{count['warning']} warning{'' if count['warning'] == 1 else 's'}"
        click.echo(f"{what}: {count['ok']} ok, {warnings}, {count['wrong']} wrong")
    return not count["wrong"]
