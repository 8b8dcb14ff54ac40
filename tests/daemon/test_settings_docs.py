"""docs/settings.md against the settings' types: each key stands there with its default, and no other does."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from adapters.carriers.swift.plugin import Service, SwiftSettings
from adapters.channels.prestashop.plugin import PrestaShopSettings
from daemon.settings import ChannelTerms, Daemon, Database, Rules, Warehouse

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="where the wheel is tried there are no docs")

SECTIONS: dict[str, tuple[type[Struct], ...]] = {
    "database": (Database,),
    "daemon": (Daemon,),
    "channels": (ChannelTerms, PrestaShopSettings),
    "carriers": (SwiftSettings, Service),
    "warehouses": (Warehouse,),
    "rules": (Rules,),
}
"""What stands under which heading; a carrier's services have a table of their own there."""


def told(section: str) -> Iterator[tuple[str, str]]:
    """Yield the keys of a section's tables, each with its default as TOML."""
    (text,) = re.findall(
        rf"^## `\[{section}\b.*?\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    for keys, default in re.findall(r"^\| (`[^|]*?) \| ([^|]*?)\s*\|", text, re.MULTILINE):
        names = re.findall(r"`(\w+)`", keys)
        values = re.split(r", (?![^\[]*\])(?![^{]*\})", default)
        yield from zip(names, values if len(values) == len(names) else [default], strict=True)


def meant(kinds: tuple[type[Struct], ...]) -> Iterator[tuple[str, str]]:
    """Yield the keys of the types, each with its default as TOML."""
    for field in (each for kind in kinds for each in msgspec.structs.fields(kind)):
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        yield field.encode_name, "" if field.required else written(default)


def written(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(written(each) for each in value)}]"
        case dict():
            return (
                f"{{ {', '.join(f'{key} = {written(each)}' for key, each in value.items())} }}"
                if value
                else "none"
            )
        case None:
            return "none"
        case _:
            return str(value)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_stands_in_the_docs_with_its_default_and_no_other_does(section: str) -> None:
    stated = {key: default.strip("`") for key, default in told(section) if key != "type"}
    known = {key: default for key, default in meant(SECTIONS[section]) if key != "services"}
    assert stated.keys() == known.keys()
    for key, default in known.items():
        said = stated[key].strip('"')
        assert said in (default.strip('"'), "none" if default == '""' else ""), f"{key}: {said} for {default}"
