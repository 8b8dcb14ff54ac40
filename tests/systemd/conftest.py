"""A machine that boots: an overlay over this one's root, Wharfinger installed in it, systemd as its PID 1."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"
LIBRARY = "/usr/local/lib/wharfinger"
SECONDS_MAX = 60.0
DEGRADED = 3
"""What wharfctl ends with while the daemon starts: it has answered all the same."""

PARTNERS = f"""\
[Unit]
Description=The partners' simulators

[Service]
Type=notify
Environment=PYTHONPATH={LIBRARY}
ExecStart={SYSTEM_PYTHON} /opt/partners.py /run/partners
"""

TARGET = """\
[Unit]
Description=What the tests need of a machine
Requires=basic.target wharfinger-partners.service
After=basic.target wharfinger-partners.service
AllowIsolate=yes
"""

IMPATIENT = """\
[Service]
WatchdogSec=3
TimeoutAbortSec=2
"""


def why_not() -> str:
    """Return why no machine can be booted here, "" where it can."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    for tool in ("systemd-nspawn", "nsenter", "mount"):
        if shutil.which(tool) is None:
            return f"there is no {tool} (Debian: apt install systemd-container)"
    if not Path(SYSTEM_PYTHON).exists():
        return f"there is no {SYSTEM_PYTHON}, and a service does not look into home directories"
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    told = subprocess.run([SYSTEM_PYTHON, "--version"], capture_output=True, text=True, check=True).stdout
    if not told.split()[1].startswith(f"{here}."):
        return f"{SYSTEM_PYTHON} is {told.strip()}, and what is installed here is for {here}"
    return ""


class Machine:
    """A booted machine: run something in it, look at a unit."""

    def __init__(self, leader: int, root: Path) -> None:
        self.leader = leader
        self.root = root

    def run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command as its root."""
        enter = ["nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net", "--pid"]
        done = subprocess.run(
            [*enter, *command], capture_output=True, text=True, check=False, timeout=SECONDS_MAX
        )
        if check and done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def unit(self, name: str, *properties: str) -> dict[str, str]:
        """Return properties of a unit."""
        shown = self.run("systemctl", "show", name, "--property", ",".join(properties)).stdout
        pairs = (line.partition("=") for line in shown.splitlines())
        return {name: value for name, _, value in pairs}

    def wharfctl(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        done = self.run("/usr/local/bin/wharfctl", "--json", *arguments, check=False)
        assert done.returncode in (0, DEGRADED), done.stderr
        return json.loads(done.stdout)

    def journal(self, unit: str = "wharfinger.service") -> str:
        return self.run("journalctl", "--no-pager", "--output", "cat", "--unit", unit).stdout

    def until(self, is_so: Callable[[], object], what: str) -> None:
        """Return once it is so; fail with the end of the journal when it never is."""
        deadline = time.monotonic() + SECONDS_MAX
        while not is_so():
            if time.monotonic() > deadline:
                status = self.run("systemctl", "status", "--no-pager", "wharfinger.service", check=False)
                raise AssertionError(f"{what}\n{status.stdout}\n{self.journal()[-4_000:]}")
            time.sleep(0.1)


def leader_of(nspawn: int) -> int:
    """Return the machine's PID 1 as we see it: nspawn's stub has it for a child."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
        for child in map(int, children):
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return child
        time.sleep(0.05)
    raise AssertionError("the machine has no systemd")


def mounted(stack: ExitStack, *arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)  # noqa: S607 - wherever this machine has it
    stack.callback(subprocess.run, ["umount", arguments[-1]], check=False)


def overlay(stack: ExitStack, place: Path) -> Path:
    """Return a root over this machine's; what is written there goes with `stack`."""
    mounted(stack, "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(place))
    for name in ("upper", "work", "root"):
        (place / name).mkdir()
    options = f"lowerdir=/,upperdir={place / 'upper'},workdir={place / 'work'}"
    mounted(stack, "-t", "overlay", "-o", options, "overlay", str(place / "root"))
    return place / "root"


@pytest.fixture
def other_root(tmp_path: Path) -> Iterator[Path]:
    """A root like this machine's, to install a package in."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    place = tmp_path / "other"
    place.mkdir()
    with ExitStack() as stack:
        yield overlay(stack, place)


def furnish(root: Path) -> None:
    """Install Wharfinger, as an operator would, and what the tests need besides."""
    install = ["make", "-C", str(ROOT), "install", f"PYTHON={SYSTEM_PYTHON}", f"DESTDIR={root}"]
    subprocess.run(install, check=True, capture_output=True)
    shutil.copyfile(Path(__file__).with_name("partners.py"), root / "opt/partners.py")
    units = root / "etc/systemd/system"
    (units / "wharfinger-partners.service").write_text(PARTNERS)
    (units / "test.target").write_text(TARGET)
    impatient = units / "wharfinger.service.d"
    impatient.mkdir()
    (impatient / "impatient.conf").write_text(IMPATIENT)


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A booted machine with Wharfinger installed and its partners there, the daemon not yet started."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("machine")
    with ExitStack() as stack:
        root = overlay(stack, place)
        furnish(root)
        log = stack.enter_context((place / "console").open("wb"))
        command = ["systemd-nspawn", "--directory", str(root), "--register=no", "--keep-unit", "--quiet"]
        command += ["--private-network", "--console=pipe", "--boot", "systemd.unit=test.target"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        stack.callback(process.wait)
        stack.callback(process.kill)
        machine = Machine(leader_of(process.pid), root)
        try:
            machine.until(
                lambda: (
                    machine.run("systemctl", "is-active", "test.target", check=False).stdout.strip()
                    == "active"
                ),
                "the machine did not boot",
            )
        except AssertionError:
            print((place / "console").read_text(errors="replace")[-4_000:])  # noqa: T201 - pytest shows it
            raise
        machine.run("systemd-sysusers")
        yield machine
        machine.run("systemctl", "poweroff", "--force", check=False)
