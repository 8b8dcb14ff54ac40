"""wharfinger's commands as an operator meets them: what they say and what they exit with."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from daemon.cli import main
from daemon.cli_running import endings
from daemon.demo.screen import Screen
from tests.accounts import as_somebody_else
from tests.settings import PARTNERS

HUNTER = "hunter2hunter2"

DAEMON = """
[database]
{database}
wait_seconds = 0.2

[daemon]
socket = "{folder}/control.sock"
web_port = {port}
"""


@pytest.fixture(autouse=True)
def log_elsewhere() -> Iterator[None]:
    """Leave no log behind that goes to where a command's output was caught, which is closed by then."""
    yield
    structlog.reset_defaults()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def configured(folder: Path, *, port: int, database: str = 'dsn_file = "dsn"') -> Path:
    for name, text in (("shop.key", "S" * 32), ("erp.password", HUNTER), ("swift.key", HUNTER)):
        (folder / name).write_text(text)
    (folder / "dsn").write_text(f"postgresql://wharfinger:{HUNTER}@127.0.0.1:{free_port()}/wharfinger")
    config = folder / "wharfinger.toml"
    config.write_text(DAEMON.format(database=database, folder=folder, port=port) + PARTNERS)
    return config


def wharfinger(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def process(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a process of its own, as signals, logs and exit codes are a process's."""
    command = [sys.executable, "-m", "daemon", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_who_asks_the_daemon_by_wharfinger_is_told_so_by_wharfinger(tmp_path: Path) -> None:
    told = wharfinger("reconcile", "--config", str(configured(tmp_path, port=free_port())))
    assert told.exit_code == 69
    assert told.stderr.startswith(f"wharfinger: no daemon answers at {tmp_path}/control.sock")
    assert "wharfctl" not in told.stderr


def test_good_settings_are_told_in_a_line(tmp_path: Path) -> None:
    config = configured(tmp_path, port=free_port())
    result = wharfinger("check", "--config", str(config))
    assert result.exit_code == 0
    assert "well: 1 channel, 1 carrier, 1 warehouse, rules " in result.output


@pytest.mark.parametrize("command", ["check", "run", "migrate"])
def test_wrong_settings_are_named_and_exit_with_78(tmp_path: Path, command: str) -> None:
    config = configured(tmp_path, port=0)
    (tmp_path / "swift.key").unlink()
    result = wharfinger(command, "--config", str(config))
    assert result.exit_code == 78
    assert result.stdout == ""
    port, key = result.stderr.splitlines()
    assert port == f"wharfinger: {config}: daemon.web_port: expected int >= 1"
    assert key.startswith(
        f"wharfinger: {config}: carriers.swift.api_key_file: cannot read {tmp_path}/swift.key"
    )


def emptied(secret: Path) -> None:
    secret.write_text("\n")


def made_a_folder(secret: Path) -> None:
    secret.unlink()
    secret.mkdir()


def made_a_dangling_link(secret: Path) -> None:
    secret.unlink()
    secret.symlink_to(secret.with_name("nowhere"))


def grown(secret: Path) -> None:
    secret.write_text(HUNTER * 10_000)


def garbled(secret: Path) -> None:
    secret.write_bytes(HUNTER.encode() + b"\xff\xfe")


def locked(secret: Path) -> None:
    secret.chmod(0)


SPOILT = [
    (emptied, "{} is empty"),
    (made_a_folder, "cannot read {}: Is a directory"),
    (made_a_dangling_link, "cannot read {}: No such file or directory"),
    (grown, "{} is larger than 65536 bytes"),
    (garbled, "{} is not UTF-8 text"),
    (locked, "cannot read {}: Permission denied"),
]


@pytest.mark.parametrize(("spoil", "why"), SPOILT, ids=[spoil.__name__ for spoil, _ in SPOILT])
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_credential_that_cannot_be_read_is_named_and_nothing_is_begun(
    command: str, spoil: Callable[[Path], None], why: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        config = configured(folder, port=free_port(), database=f'data_dir = "{folder}/postgres"')
        assert wharfinger("check", "--config", str(config)).exit_code == 0
        secret = folder / "erp.password"
        spoil(secret)
        with as_somebody_else():
            result = wharfinger(command, "--config", str(config))
        assert result.exit_code == 78
        told = f"wharfinger: {config}: erp.password_file: {why.format(secret)}"
        assert (result.stdout, result.stderr.splitlines()) == ("", [told])
        assert not (folder / "postgres").exists()
        assert not (folder / "control.sock").exists()


@pytest.mark.parametrize(("spoil", "why"), SPOILT[:-1], ids=[spoil.__name__ for spoil, _ in SPOILT[:-1]])
def test_the_address_of_a_restored_backup_that_cannot_be_read_is_wrong_usage(
    tmp_path: Path, spoil: Callable[[Path], None], why: str
) -> None:
    config, address = configured(tmp_path, port=free_port()), tmp_path / "restored.dsn"
    address.write_text("postgresql:///x")
    spoil(address)
    result = wharfinger("backup-check", "--config", str(config), "--restored-dsn-file", str(address))
    assert result.exit_code == 2
    said = (why.format(address), f"File '{address}' is a directory", f"File '{address}' does not exist")
    assert any(text in result.stderr.replace("\n", " ") for text in said)


def test_the_address_of_a_restored_backup_is_checked_before_anybody_is_asked(tmp_path: Path) -> None:
    config, address = configured(tmp_path, port=free_port()), tmp_path / "restored.dsn"
    address.write_text(f"postgresql://w:{HUNTER}/{HUNTER}@db/x\n")
    result = wharfinger("backup-check", "--config", str(config), "--restored-dsn-file", str(address))
    assert result.exit_code == 2
    assert "names no host that can be read" in result.stderr
    assert HUNTER not in result.stderr


def test_settings_that_are_not_there_exit_with_78(tmp_path: Path) -> None:
    result = wharfinger("run", "--config", str(tmp_path / "away.toml"))
    assert (result.exit_code, "Traceback" in result.stderr) == (78, False)
    assert "cannot be read: No such file or directory" in result.stderr


@pytest.mark.parametrize("command", ["run", "migrate"])
def test_a_database_that_is_away_is_said_without_its_password(tmp_path: Path, command: str) -> None:
    config = configured(tmp_path, port=free_port())
    ran = process(command, "--config", str(config))
    assert ran.returncode == 69
    assert "wharfinger: the database stayed away" in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    assert HUNTER not in ran.stdout + ran.stderr


def test_a_web_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = process("run", "--config", str(configured(tmp_path, port=port)))
    assert ran.returncode == 69
    assert f"wharfinger: 127.0.0.1:{port}: somebody listens there" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.slow
def test_an_own_postgres_is_migrated_once(tmp_path: Path) -> None:
    database = f'data_dir = "{tmp_path}/postgres"'
    config = configured(tmp_path, port=free_port(), database=database)
    config.write_text(config.read_text().replace("wait_seconds = 0.2", "wait_seconds = 30"))
    first, second = (process("migrate", "--config", str(config)) for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.endswith("applied\n")
    assert (second.returncode, second.stdout) == (0, "nothing to migrate\n")


def test_a_data_directory_that_is_something_else_is_said(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "precious").write_text("x")
    config = configured(tmp_path, port=free_port(), database=f'data_dir = "{tmp_path}/postgres"')
    ran = process("migrate", "--config", str(config))
    assert ran.returncode == 69
    assert "is neither empty nor a Postgres data directory" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_data_directory_that_cannot_be_one_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    config = configured(tmp_path, port=free_port(), database=f'data_dir = "{tmp_path}/file"')
    ran = process("migrate", "--config", str(config))
    assert (ran.returncode, ran.stderr) == (69, f"wharfinger: {tmp_path}/file/PG_VERSION: Not a directory\n")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("?sslmode=bogus", "the database's address cannot be used: `sslmode` parameter must be one of:"),
        ("", "the database stayed away for 0 s: ConnectionRefusedError: Connect"),
    ],
)
def test_a_database_that_cannot_be_had_is_said_with_the_reason(
    tmp_path: Path, address: str, told: str
) -> None:
    config = configured(tmp_path, port=free_port())
    (tmp_path / "dsn").write_text(f"postgresql://w:{HUNTER}@127.0.0.1:{free_port()}/x{address}")
    ran = wharfinger("audit", "--config", str(config))
    assert (ran.exit_code, HUNTER in ran.output) == (69, False)
    assert f"wharfinger: {told}" in ran.stderr


def test_the_config_may_come_from_the_environment(tmp_path: Path) -> None:
    config = configured(tmp_path, port=free_port())
    result = CliRunner().invoke(main, ["check"], env={**os.environ, "WHARFINGER_CONFIG": str(config)})
    assert result.exit_code == 0


def test_what_is_ended_by_ctrl_c_says_so_and_shows_no_traceback() -> None:
    # Whoever runs the tests in the background has them ignore SIGINT, and all that they start.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heed}; from daemon.cli import main; main()"
    command = [sys.executable, "-c", program, "simulate", "prestashop", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http://127.0.0.1:")
            process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=10)[1]
        finally:
            process.kill()
    assert (process.returncode, told) == (130, "wharfinger: interrupted\n")


def test_a_simulator_whose_port_is_taken_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        tried = wharfinger("simulate", "prestashop", "--port", str(port))
    assert (tried.exit_code, tried.stderr) == (69, f"wharfinger: 127.0.0.1:{port}: somebody listens there\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("run", "--log-level", "loud"),
        ("demo", "--orders", "0"),
        ("demo", "--report", "/nowhere/report.json"),
        ("demo", "--report", "/"),
        ("demo", "--shop-url", "http://127.0.0.1:1"),
        ("demo", "--shop-url", "shop.example", "--shop-key", "K" * 32),
        ("demo", "--shop-url", "http://127.0.0.1:1", "--shop-key-file", "/nowhere"),
        ("simulate", "prestashop", "--port", "70000"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert wharfinger(*arguments).exit_code == 2


def test_the_demo_calls_our_programs_as_a_shell_finds_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = Path(sys.executable).parent
    for path, found in (("/nowhere", f"  {beside}/wharfctl --socket"), (str(beside), "  wharfctl --socket")):
        monkeypatch.setenv("PATH", path)
        Screen(1).invite(tmp_path / "control.sock", tmp_path / "wharfinger.toml", 9464, "main-1")
        assert found in capsys.readouterr().out


def test_on_a_narrow_terminal_the_demo_still_names_each_stage_in_full(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    erp = {"partner": "erp", "state": "away since 10:02", "pending": 7}
    status = {"orders": {"backordered": 3, "shipped": 20}, "partners": [erp]}
    with Screen(60) as screen:
        screen.show(status, placed=30, labels=5)
    told = capsys.readouterr().out
    assert all(stage in told for stage in ("backordered", "allocating", "delivered", "cancelled"))
    assert "erp is away since 10:02" in " ".join(told.split())


def test_a_shop_that_cannot_be_reached_is_wrong_and_said_to_be_so_step_by_step(tmp_path: Path) -> None:
    config = configured(tmp_path, port=free_port())
    tried = wharfinger("check", "--config", str(config), "--channel", "main")
    assert tried.exit_code == 1
    found = "no connection to http://127.0.0.1:9: ConnectError: Connection refused"
    assert f"wrong\tconnection\t{found}\tlook at url" in tried.output
    told = json.loads(wharfinger("check", "--config", str(config), "--channel", "main", "--json").stdout)
    assert told["count"] == {"ok": 0, "warning": 0, "wrong": 1}
    assert told["findings"][0]["step"] == "connection"


def test_shop_and_erp_are_both_tried_where_both_are_asked_for(tmp_path: Path) -> None:
    config = configured(tmp_path, port=free_port())
    tried = wharfinger("check", "--config", str(config), "--channel", "main", "--erp", "--json")
    assert [json.loads(line)["tried"] for line in tried.stdout.splitlines()] == [
        "channel main",
        "erp divalto",
    ]
    assert tried.exit_code == 1


def test_a_secret_that_everybody_may_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = configured(folder, port=free_port())
        for secret in ("dsn", "erp.password", "swift.key"):
            (folder / secret).chmod(0o600)
        assert wharfinger("check", "--config", str(config)).stderr == "", "nobody else gets into the folder"
        folder.chmod(0o755)
        told = wharfinger("check", "--config", str(config))
    assert told.stderr == f"wharfinger: warning: {name}/shop.key may be read by everybody on this machine\n"
    assert told.exit_code == 0


def test_a_channel_that_there_is_not_is_wrong_usage(tmp_path: Path) -> None:
    config = configured(tmp_path, port=free_port())
    assert wharfinger("check", "--config", str(config), "--channel", "mian").exit_code == 2
    adopting = ("adopt", "--config", str(config), "--channel", "mian", "--since", "2026-11-01")
    assert wharfinger(*adopting).exit_code == 2


def test_whoever_reads_only_the_beginning_of_what_is_told_hears_of_no_fault() -> None:
    tell = "import click\nfrom daemon.cli_running import endings\n"
    tell += "@click.command()\ndef tell():\n with endings():\n  while True: click.echo('x' * 1000)\ntell()"
    command = [sys.executable, "-c", tell]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as telling:
        assert telling.stdout is not None
        assert telling.stdout.readline() == b"x" * 1000 + b"\n"
        telling.stdout.close()
        assert telling.stderr is not None
        assert (telling.stderr.read(), telling.wait(10)) == (b"", 1)


def test_a_partner_that_hangs_up_stays_a_fault_while_somebody_reads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended, endings():
        raise BrokenPipeError
    assert ended.value.code == 70
    assert "failed: BrokenPipeError" in capsys.readouterr().err


def test_an_end_that_was_asked_for_is_one_also_out_of_a_nursery(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, endings():
        raise BaseExceptionGroup("a nursery's", [SystemExit(1)])
    assert (ended.value.code, capsys.readouterr().err) == (1, "")
