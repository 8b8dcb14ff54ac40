"""The units on a real systemd: what an operator does to a service, and what befalls one."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any, Protocol

import pytest

pytestmark = pytest.mark.systemd

SERVICE = "wharfinger.service"
ORDERS = 40
ROOT = Path(__file__).parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"
LIBRARY = "usr/local/lib/wharfinger"
VIEWER, OPERATOR, ADMIN = "wharfinger-viewers", "wharfinger-operators", "wharfinger-admins"


class Machine(Protocol):
    @property
    def root(self) -> Path: ...
    def run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]": ...
    def unit(self, name: str, *properties: str) -> dict[str, str]: ...
    def wharfctl(self, *arguments: str) -> Any: ...  # noqa: ANN401 - JSON
    def journal(self, unit: str = SERVICE) -> str: ...
    def until(self, is_so: Any, what: str) -> None: ...  # noqa: ANN401 - called without arguments


def pid_of(machine: Machine) -> str:
    return machine.unit(SERVICE, "MainPID")["MainPID"]


def in_hand(machine: Machine) -> int:
    return int(sum(machine.wharfctl("status")["orders"].values()))


def settings(machine: Machine) -> Path:
    return machine.root / "etc/wharfinger/wharfinger.toml"


@pytest.fixture
def daemon(machine: Machine) -> Machine:
    """The machine with its daemon ready and all orders taken in."""
    machine.run("systemctl", "start", SERVICE)
    machine.until(lambda: in_hand(machine) == ORDERS, "not all orders came in")
    return machine


def restarted(machine: Machine, pid: str) -> None:
    """Return once another process than `pid` is ready, with every order it had."""
    machine.until(
        lambda: (
            machine.unit(SERVICE, "SubState")["SubState"] == "running" and pid_of(machine) not in ("0", pid)
        ),
        "it did not start again",
    )
    assert in_hand(machine) == ORDERS


def test_it_is_ready_when_systemd_says_so_and_tells_how_many_orders_are_in_hand(daemon: Machine) -> None:
    assert daemon.wharfctl("status")["state"] == "running"
    daemon.until(
        lambda: re.match(r"running: \d+ orders in hand; \d+ documents to tell",
                         daemon.unit(SERVICE, "StatusText")["StatusText"]),
        "it tells no status",
    )  # fmt: skip
    shown = daemon.run("stat", "--format", "%U:%G %a", "/run/wharfinger/control.sock").stdout.strip()
    assert shown == f"root:{VIEWER} 660"


def test_root_can_check_the_settings_that_the_service_runs_on(daemon: Machine) -> None:
    assert ": well: " in daemon.run("/usr/local/bin/wharfinger", "check").stdout


def test_no_secret_is_where_others_could_read_it(daemon: Machine) -> None:
    secret = (daemon.root / "etc/wharfinger/credentials/shop.key").read_text()
    pid = pid_of(daemon)
    for file in ("environ", "cmdline"):
        assert secret not in daemon.run("cat", f"/proc/{pid}/{file}").stdout
    assert secret not in daemon.journal()
    owner = daemon.run("stat", "--format", "%U", f"/proc/{pid}").stdout.strip()
    assert owner == "wharfinger"


def asked_as(machine: Machine, groups: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    account = ["setpriv", "--reuid=65534", "--regid=65534"]
    account += [f"--groups={groups}"] if groups else ["--clear-groups"]
    return machine.run(*account, "/usr/local/bin/wharfctl", *arguments, check=False)


def test_a_group_decides_who_may_look_work_and_steer(daemon: Machine) -> None:
    def gids(*names: str) -> str:
        return ",".join(daemon.run("getent", "group", name).stdout.split(":")[2] for name in names)

    viewer, operator, admin = gids(VIEWER), gids(VIEWER, OPERATOR), gids(VIEWER, ADMIN)
    hold = ("order", "hold", "main-1", "--reason", "call first", "--dry-run")
    stranger = asked_as(daemon, "", "status")
    assert stranger.returncode == 4
    assert f"that takes the group {VIEWER}" in stranger.stderr
    assert asked_as(daemon, viewer, "orders").returncode == 0
    refused = asked_as(daemon, viewer, *hold)
    assert (refused.returncode, refused.stderr) == (
        4,
        "wharfctl: this takes the role operator, and you are viewer\n",
    )
    assert "order.held" in asked_as(daemon, operator, *hold).stdout
    assert asked_as(daemon, operator, "reload").returncode == 4
    assert asked_as(daemon, admin, "reload").returncode == 0
    assert '"role":"admin"' in daemon.journal()


def test_reload_puts_other_rules_in_force_and_fails_aloud_when_they_are_wrong(daemon: Machine) -> None:
    before, text = daemon.wharfctl("status")["rules"], settings(daemon).read_text()
    try:
        settings(daemon).write_text(text.replace("parts_max = 2", "parts_max = 1"))
        daemon.run("systemctl", "reload", SERVICE)
        after = daemon.wharfctl("status")["rules"]
        assert after != before
        settings(daemon).write_text(text.replace("parts_max = 2", "parts_max = 99"))
        assert daemon.run("systemctl", "reload", SERVICE, check=False).returncode == 1
        assert "rules.parts_max" in daemon.journal()
        assert daemon.wharfctl("status")["rules"] == after
    finally:
        settings(daemon).write_text(text)
        daemon.run("systemctl", "reload", SERVICE)
    assert daemon.wharfctl("status")["rules"] == before


def test_the_journal_can_be_read_by_priority(daemon: Machine) -> None:
    def shown(priority: str) -> set[str]:
        command = ("journalctl", "--unit", SERVICE, "--priority", priority, "--output", "cat", "--no-pager")
        lines = [line for line in daemon.run(*command).stdout.splitlines() if line.startswith("{")]
        return {json.loads(line)["event"] for line in lines}

    text = settings(daemon).read_text()
    try:
        settings(daemon).write_text(text.replace("parts_max = 2", "parts_max = 99"))
        daemon.run("kill", "-HUP", pid_of(daemon))
        daemon.until(lambda: "rules_not_reloaded" in shown("warning"), "it does not say what is wrong")
    finally:
        settings(daemon).write_text(text)
    assert "daemon_ready" in shown("info") - shown("warning")
    assert "rules_not_reloaded" not in shown("err")


def test_a_daemon_that_hangs_is_ended_by_the_watchdog_and_started_anew(daemon: Machine) -> None:
    pid = pid_of(daemon)
    daemon.run("kill", "-STOP", pid)
    daemon.until(lambda: "Watchdog timeout" in daemon.journal(), "the watchdog does not bite")
    restarted(daemon, pid)


def test_a_daemon_that_is_killed_comes_back_and_who_asks_meanwhile_waits(daemon: Machine) -> None:
    pid = pid_of(daemon)
    daemon.run("kill", "-KILL", pid)
    daemon.until(lambda: pid_of(daemon) != pid, "it was not killed")
    assert daemon.wharfctl("status")["state"] in ("starting", "running")
    restarted(daemon, pid)


def test_who_asks_while_the_daemon_is_restarted_waits_too(daemon: Machine) -> None:
    pid = pid_of(daemon)
    daemon.run("systemctl", "restart", "--no-block", SERVICE)
    daemon.until(lambda: pid_of(daemon) != pid, "it was not restarted")
    assert daemon.wharfctl("status")["state"] in ("starting", "running")
    restarted(daemon, pid)


def test_man_pages_and_completions_are_installed(daemon: Machine) -> None:
    share = daemon.root / "usr/local/share"
    assert "order reroute" in (share / "man/man1/wharfctl.1").read_text()
    for file in ("bash-completion/completions/wharfctl", "zsh/site-functions/_wharfctl",
                 "fish/vendor_completions.d/wharfctl.fish"):  # fmt: skip
        assert "wharfctl" in (share / file).read_text()


def test_the_nightly_audit_runs_beside_the_daemon_and_has_the_books_compared(daemon: Machine) -> None:
    daemon.run("systemctl", "start", "wharfinger-audit.service")
    told = daemon.journal("wharfinger-audit.service")
    assert "the chain is whole" in told
    assert "article\tcause\tunits" in told, "the books were not compared"
    assert daemon.unit("wharfinger-audit.service", "Result")["Result"] == "success"


def test_stop_drains_and_leaves_nothing_behind(daemon: Machine) -> None:
    daemon.run("systemctl", "stop", SERVICE)
    assert daemon.unit(SERVICE, "Result", "ActiveState") == {"Result": "success", "ActiveState": "inactive"}
    assert '"event":"drained"' in daemon.journal()
    assert daemon.run("pgrep", "-c", "postgres", check=False).stdout.strip() == "0"
    socket = "wharfinger.socket"
    daemon.until(lambda: daemon.unit(socket, "ActiveState")["ActiveState"] == "inactive", "it is open still")
    assert daemon.run("/usr/local/bin/wharfctl", "status", check=False).returncode == 69
    assert daemon.unit(SERVICE, "ActiveState")["ActiveState"] == "inactive"


def test_a_drained_daemon_stays_down_until_it_is_started(daemon: Machine) -> None:
    daemon.run("/usr/local/bin/wharfctl", "drain")
    daemon.until(
        lambda: daemon.unit(SERVICE, "ActiveState")["ActiveState"] == "inactive", "it did not end by itself"
    )
    assert daemon.unit(SERVICE, "Result")["Result"] == "success"


def install_the_next_version(machine: Machine) -> None:
    """Put a migration more where the program lies, as the next version will bring one."""
    folder = machine.root / LIBRARY / "migrations"
    number = max(int(path.name[:4]) for path in folder.glob("*.sql")) + 1
    (folder / f"{number:04}_of_the_next_version.sql").write_text(
        "CREATE TABLE of_the_next_version (a int);\n"
    )


def test_an_upgrade_migrates_the_database_and_goes_on_with_every_order(daemon: Machine) -> None:
    folder = daemon.root / LIBRARY / "migrations"
    number = max(int(path.name[:4]) for path in folder.glob("*.sql")) + 1
    (folder / f"{number:04}_of_the_next_version.sql").write_text(
        "CREATE TABLE of_the_next_version (a int);\n"
    )
    pid = pid_of(daemon)
    daemon.run("systemctl", "restart", SERVICE)
    restarted(daemon, pid)
    migrated = [line for line in daemon.journal().splitlines() if '"postgres.migrated"' in line]
    assert "of_the_next_version" in migrated[-1]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("rm /etc/wharfinger/credentials/shop.key", "wharfinger.service/secret_shop.key: No such file"),
        ("echo 'nonsense = 1' >/etc/wharfinger/wharfinger.toml", "nonsense: unknown"),
    ],
)
def test_what_only_a_person_can_mend_is_said_and_not_tried_again(
    daemon: Machine, damage: str, told: str
) -> None:
    text = settings(daemon).read_text()
    key = (daemon.root / "etc/wharfinger/credentials/shop.key").read_text()
    daemon.run("systemctl", "stop", SERVICE)
    try:
        daemon.run("sh", "-c", damage)
        assert daemon.run("systemctl", "start", SERVICE, check=False).returncode == 1
        shown = daemon.unit(SERVICE, "ExecMainStatus", "NRestarts", "ActiveState")
        assert shown == {"ExecMainStatus": "78", "NRestarts": "0", "ActiveState": "failed"}
        assert told in daemon.journal()
    finally:
        settings(daemon).write_text(text)
        (daemon.root / "etc/wharfinger/credentials/shop.key").write_text(key)
        daemon.run("systemctl", "reset-failed", SERVICE)


def test_installing_again_keeps_the_settings_and_uninstalling_keeps_them_too(daemon: Machine) -> None:
    def make(target: str) -> None:
        where = (f"DESTDIR={daemon.root}", f"PYTHON={SYSTEM_PYTHON}")
        command = ["make", "-C", str(ROOT), target, *where]
        subprocess.run(command, check=True, capture_output=True)

    before = settings(daemon).read_text()
    make("install")
    assert settings(daemon).read_text() == before
    make("uninstall")
    try:
        assert not (daemon.root / LIBRARY).exists()
        assert not list((daemon.root / "usr/local/lib/systemd/system").glob("wharfinger*"))
        assert settings(daemon).read_text() == before
    finally:
        make("install")
        daemon.run("systemctl", "daemon-reload")
    # The database is the next version's by now, and this one says so instead of working on it.
    assert daemon.run("systemctl", "restart", SERVICE, check=False).returncode == 1
    assert "the database is newer than this version" in daemon.journal()
    install_the_next_version(daemon)
    daemon.run("systemctl", "restart", SERVICE)


def test_a_second_merchant_has_everything_of_its_own(daemon: Machine) -> None:
    etc = daemon.root / "etc/wharfinger"
    text = settings(daemon).read_text().replace("/var/lib/wharfinger/", "/var/lib/wharfinger-nord/")
    (etc / "nord.toml").write_text(text.replace("[daemon]", "[daemon]\nweb_port = 9465"))
    daemon.run("cp", "-r", "/etc/wharfinger/credentials", "/etc/wharfinger/nord.credentials")
    daemon.run("systemctl", "start", "wharfinger@nord.service")
    try:
        pid = daemon.unit("wharfinger@nord.service", "MainPID")["MainPID"]
        assert daemon.run("stat", "--format", "%U", f"/proc/{pid}").stdout.strip() == "wharfinger-nord"
        assert daemon.wharfctl("--socket", "/run/wharfinger/nord.sock", "status")["state"] == "running"
        assert daemon.wharfctl("status")["state"] == "running"
        daemon.run("systemctl", "start", "wharfinger-audit@nord.service")
    finally:
        daemon.run("systemctl", "stop", "wharfinger@nord.service")


def test_a_daemon_that_has_to_wait_is_given_time_for_as_long_as_it_lives(daemon: Machine) -> None:
    etc = daemon.root / "etc/wharfinger"
    text = settings(daemon).read_text().replace("/var/lib/wharfinger/", "/var/lib/wharfinger-sud/")
    text = re.sub(r'(\[erp\]\ntype = "divalto"\nurl = ")[^"]*', r"\1http://127.0.0.1:9", text)
    (etc / "sud.toml").write_text(text.replace("[daemon]", "[daemon]\nweb_port = 9466"))
    daemon.run("cp", "-r", "/etc/wharfinger/credentials", "/etc/wharfinger/sud.credentials")
    hurried = daemon.root / "etc/systemd/system/wharfinger@sud.service.d"
    hurried.mkdir()
    (hurried / "hurried.conf").write_text("[Service]\nTimeoutStartSec=4\nWatchdogSec=2\n")
    daemon.run("systemctl", "daemon-reload")
    daemon.run("systemctl", "start", "--no-block", "wharfinger@sud.service")
    try:
        sock = ("--socket", "/run/wharfinger/sud.sock")
        daemon.until(lambda: daemon.wharfctl(*sock, "status")["state"] == "starting", "it does not wait")
        time.sleep(8)  # twice what it was given at first
        shown = daemon.unit("wharfinger@sud.service", "ActiveState", "NRestarts", "MainPID")
        assert (shown["ActiveState"], shown["NRestarts"]) == ("activating", "0")
        daemon.run("kill", "-STOP", shown["MainPID"])
        daemon.until(
            lambda: daemon.unit("wharfinger@sud.service", "NRestarts")["NRestarts"] != "0",
            "one that no longer lives is given time all the same",
        )
    finally:
        daemon.run("systemctl", "kill", "--signal=KILL", "wharfinger@sud.service", check=False)
        daemon.run("systemctl", "stop", "wharfinger@sud.service")
