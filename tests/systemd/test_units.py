"""The units as files: what systemd says of them, and what the example of the settings says to the daemon."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "systemd"
SERVICES = sorted(path.name for path in FOLDER.glob("*.service"))
EXPOSURE_MAX = 1.2

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze"
)
in_the_tree = pytest.mark.skipif(not FOLDER.exists(), reason="the units are not in the wheel")
pytestmark = in_the_tree


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_locked_up_as_far_as_its_work_allows(name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", str(FOLDER / name)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", told.stdout)
    assert float(exposure) <= EXPOSURE_MAX, told.stdout


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    units: list[str] = []
    for path in [*FOLDER.glob("*.service"), *FOLDER.glob("*.socket"), *FOLDER.glob("*.timer")]:
        copy = tmp_path / path.name.replace("@.", "@one.")
        copy.write_text(re.sub(r"/usr/bin/wharf\w+", str(program), path.read_text()))
        if copy.suffix != ".timer":
            units.append(str(copy))
    command = ["systemd-analyze", "verify", "--man=no", "--generators=no", *units]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    about_ours = [line for line in told.stderr.splitlines() if "wharfinger" in line]
    assert about_ours == []


SEVERAL_AND_ONE = (
    ("@%i.", "."),
    (" for %i", ""),
    (" of %i", ""),
    ("RuntimeDirectory=wharfinger/%i", "RuntimeDirectory=wharfinger/daemon"),
    ("wharfinger/%i.toml", "wharfinger/wharfinger.toml"),
    ("wharfinger/%i.sock", "wharfinger/control.sock"),
    ("wharfinger/%i.credentials", "wharfinger/credentials"),
    ("wharfinger-%i", "wharfinger"),
)


def _of_one(line: str) -> str:
    for several, one in SEVERAL_AND_ONE:
        line = line.replace(several, one)
    return line


@pytest.mark.parametrize("name", ["wharfinger.service", "wharfinger.socket", "wharfinger-audit.service"])
def test_several_merchants_have_the_same_unit_as_one_but_for_their_name(name: str) -> None:
    def directives(path: Path) -> list[str]:
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        return [_of_one(line) for line in lines]

    stem, _, kind = name.partition(".")
    assert directives(FOLDER / f"{stem}@.{kind}") == directives(FOLDER / name)


def hand_over(folder: Path) -> None:
    (folder / "credentials").mkdir()
    for name in ("shop.key", "erp.password", "swift.key"):
        (folder / "credentials" / name).write_text("abcdefghijklmnopqrstuvwxyz123456")


def checked(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "daemon", "check", "--config", str(folder / "wharfinger.toml")]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def test_the_example_of_the_settings_is_accepted_once_its_secrets_are_there(tmp_path: Path) -> None:
    shutil.copyfile(FOLDER / "wharfinger.toml.example", tmp_path / "wharfinger.toml")
    dsn = "postgresql://wharfinger:secret@db.example/wharfinger?sslmode=verify-full"
    hand_over(tmp_path)
    (tmp_path / "credentials/dsn").write_text(dsn)
    told = checked(tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert "well: 1 channel, 1 carrier, 2 warehouses" in told.stdout


def test_the_examples_own_postgres_is_accepted_instead_of_a_dsn(tmp_path: Path) -> None:
    text = (FOLDER / "wharfinger.toml.example").read_text()
    text = (
        text.replace('dsn_file = "secret_dsn"', "")
        .replace("# data_dir", "data_dir")
        .replace("# socket", "socket")
    )
    hand_over(tmp_path)
    (tmp_path / "wharfinger.toml").write_text(text)
    told = checked(tmp_path)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize(
    "running", ["", "wharfinger.service", "wharfinger@alps.service wharfinger-audit@alps.timer"]
)
def test_what_runs_is_not_uninstalled_whichever_merchants_it_is(tmp_path: Path, running: str) -> None:
    told = "".join(f"echo '{unit} loaded active running Wharfinger'\n" for unit in running.split())
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\n{told}")
    systemctl.chmod(0o755)
    program = tmp_path / "prefix/bin/wharfctl"
    program.parent.mkdir(parents=True)
    program.touch()
    ran = subprocess.run(
        [str(FOLDER / "uninstall.sh"), str(tmp_path / "prefix"), "/etc", ""],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert program.exists() == bool(running)
    assert ran.returncode == bool(running)
    assert ran.stderr.strip() == (
        f"uninstall: these run, so first: systemctl disable --now {running}" if running else ""
    )


def test_every_installed_unit_is_uninstalled() -> None:
    script = (FOLDER / "uninstall.sh").read_text()
    for pattern in ("*.service", "*.socket", "*.timer"):
        for unit in FOLDER.glob(pattern):
            assert f" {unit.name}" in script, unit.name
