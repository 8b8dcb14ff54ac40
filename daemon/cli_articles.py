"""wharfinger's command that tells what a shop sells, and how its packs would be listed in the settings."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli_running import config_option, endings, settings_of
from daemon.cli_shop import channel_of, channel_option, json_option

if TYPE_CHECKING:
    from adapters.articles import Article


@click.command()
@config_option
@channel_option
@json_option
def articles(*, config: Path, channel: str, as_json: bool) -> None:
    """Tell what a channel's shop sells, with EAN, weight and price; packs are told as settings, too."""
    settings = settings_of(config)
    chosen = channel_of(settings, channel)
    from actors.errors import PartnerError

    with endings(settings, partners=(PartnerError,)):
        import trio

        from daemon import compose

        found = trio.run(compose.read_articles, chosen)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(found))
        return
    _show(channel, found, known=chosen.terms.products.keys())


def _show(channel: str, found: "Sequence[Article]", known: Collection[str]) -> None:
    from daemon.ctl_view import Table, cell, show

    rows = [
        [
            cell(each.name or f"(no name, product {each.id})"),
            each.title,
            each.ean13,
            str(each.weight_g or ""),
            f"{each.price:.2f}",
            "" if each.is_active else "not for sale",
            ", ".join(f"{units} {name}" for name, units in each.contains.items()),
        ]
        for each in found
    ]
    columns = ("article", "title", "EAN", "grams", "price", "", "holds")
    show((Table(f"Articles of {channel}", columns, rows),), click.echo)
    packs = [each for each in found if each.contains and each.name and each.name not in known]
    for pack in packs:
        pieces = ", ".join(f"{_key(name)} = {units}" for name, units in pack.contains.items())
        click.echo(f"\n[channels.{_key(channel)}.products.{_key(pack.name)}]\ncontains = {{ {pieces} }}")


def _key(name: str) -> str:
    """Return a name as a key of TOML."""
    import json

    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if plain else json.dumps(name, ensure_ascii=False)


ARTICLES: tuple[click.Command, ...] = (articles,)
"""The commands."""
