"""What the docs tell people to type, against the programs: each command is there and takes what it gets."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from daemon.cli import main as wharfinger
from daemon.ctl import main as wharfctl

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS: dict[str, click.Command] = {"wharfctl": wharfctl, "wharfinger": wharfinger}

pytestmark = pytest.mark.skipif(not PAGES[0].exists(), reason="where the wheel is tried there are no docs")

FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:wharfctl|wharfinger) [^`]+)`")
STANDS_FOR = re.compile(r"^[A-Z]+$")
"""A word in capitals is what whoever types it puts in."""


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that the words name, and what it is given."""
    command, rest = PROGRAMS[words[0]], words[1:]
    while isinstance(command, click.Group):
        while rest and rest[0].startswith("-"):  # an option of the program, with what it is given
            rest = rest[2:]
        if not rest:
            return command, []
        found = command.commands.get(rest[0])
        assert found is not None, f"{shlex.join(words)}: there is no {rest[0]}"
        command, rest = found, rest[1:]
    return command, rest


def typed(page: Path) -> Iterator[str]:
    """Yield each line of a page's examples that is one of our commands."""
    for language, block in FENCED.findall(page.read_text()):
        for line in block.splitlines():
            if not language and line.strip().startswith(tuple(PROGRAMS)):
                yield line.strip()


def test_the_pages_have_commands_to_type() -> None:
    assert sum(len(list(typed(page))) for page in PAGES) >= 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_example_is_a_command_as_its_program_takes_it(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "restored.dsn").write_text("postgresql://wharfinger@localhost/restored")
    monkeypatch.chdir(tmp_path)
    for line in typed(page):
        words = shlex.split(line.partition(" | ")[0], comments=True)
        command, given = command_of(words)
        try:
            command.make_context(words[0], given, resilient_parsing=False)
        except click.UsageError as error:
            pytest.fail(f"{page.name}: {line}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_in_a_sentence_is_there_with_the_options_that_it_is_given(page: Path) -> None:
    for told in INLINE.findall(page.read_text()):
        if told == "wharfctl ..." or " / " in told:  # all of them, and two at once
            continue
        words = shlex.split(told)
        command, given = command_of(words) if len(words) > 1 else (PROGRAMS[words[0]], [])
        options = {name for option in command.params for name in option.opts}
        for word in given:
            if word.startswith("-"):
                assert word.partition("=")[0] in options, f"{page.name}: {told}: there is no {word}"
        arguments = [each for each in command.params if isinstance(each, click.Argument)]
        if arguments and given and STANDS_FOR.match(given[0]):  # it is written out, so nothing may lack
            for option in command.params:
                lacks = isinstance(option, click.Option) and option.required
                assert not lacks or {*option.opts} & {word.partition("=")[0] for word in given}, (
                    f"{page.name}: {told}: {option.opts[0]} has to be given"
                )
