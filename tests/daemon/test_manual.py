"""Man pages and completions: made of the commands themselves, and right in the eyes of what reads them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from daemon import cli, ctl
from daemon.manual import page

PROGRAMS = {"wharfctl": ctl.main, "wharfinger": cli.main}


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, (*path, name))
    elif not command.hidden:
        yield path


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_command_and_exit_code_stands_in_its_man_page(name: str) -> None:
    text = page(name, PROGRAMS[name]).replace("\\-", "-")
    commands = list(leaves(PROGRAMS[name]))
    assert len(commands) > 5
    for path in commands:
        assert f"\n.SS {' '.join(path)}" in text
    for line in (
        (sys.modules[PROGRAMS[name].callback.__module__].__doc__ or "").split("Exit codes:")[1].split(",")
    ):
        code = line.split()[0]
        if code.isdecimal():
            assert f"\\fB{code}\\fR" in text


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man")
@pytest.mark.parametrize("name", PROGRAMS)
def test_man_reads_the_page_without_a_warning(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.1"
    file.write_text(page(name, PROGRAMS[name]))
    told = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(file)],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100"},
    )
    assert (told.returncode, told.stderr) == (0, "")


def completion(name: str, shell: str) -> str:
    command = [str(Path(sys.executable).with_name(name))]
    variable = f"_{name.upper()}_COMPLETE"
    done = subprocess.run(
        command, env={**os.environ, variable: f"{shell}_source"}, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_each_shell_takes_its_completion(name: str, shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    file = tmp_path / "completion"
    file.write_text(completion(name, shell))
    told = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert name in file.read_text()


def test_bash_completes_a_command_of_wharfctl() -> None:
    program = Path(sys.executable).with_name("wharfctl")
    words = {"COMP_WORDS": "wharfctl order re", "COMP_CWORD": "2", "_WHARFCTL_COMPLETE": "bash_complete"}
    told = subprocess.run(
        [str(program)], env={**os.environ, **words}, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["plain,release", "plain,reroute", "plain,retry"]


def test_bash_completes_a_state_of_orders() -> None:
    program = Path(sys.executable).with_name("wharfctl")
    words = {
        "COMP_WORDS": "wharfctl orders --state p",
        "COMP_CWORD": "3",
        "_WHARFCTL_COMPLETE": "bash_complete",
    }
    told = subprocess.run(
        [str(program)], env={**os.environ, **words}, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["plain,picking", "plain,packed"]
