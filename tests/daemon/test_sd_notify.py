"""What passes between the daemon and the service manager: lines one way, a listening socket the other."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.sd_notify import notify, take_listener, watchdog_seconds


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return sock


def test_the_manager_hears_every_line_at_once(manager: socket.socket) -> None:
    with manager:
        notify("READY=1", "STATUS=running")
        assert manager.recv(100) == b"READY=1\nSTATUS=running"


def test_without_a_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [("60000000", "", 60.0), ("500000", "ours", 0.5), ("60000000", "1", None), ("", "", None),
     ("0", "", None), ("soon", "", None)],
)  # fmt: skip
def test_the_watchdog_is_ours_only_where_it_was_meant_for_us(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, pid: str, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)
    assert watchdog_seconds() == seconds


HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[3:]])
"""

CHILD = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid()) if sys.argv[1] == "ours" else "1"
from daemon.sd_notify import take_listener
sock = take_listener(sys.argv[2])
print(sock.getsockname() if sock else None, os.get_inheritable(4), "LISTEN_FDS" in os.environ)
"""


@pytest.mark.parametrize(
    ("whose", "name", "told"),
    [("ours", "control", "{path} False False"), ("ours", "web", "None False False"),
     ("theirs", "control", "None True False")],
)  # fmt: skip
def test_a_socket_is_taken_by_its_name_where_it_was_meant_for_us(
    tmp_path: Path, whose: str, name: str, told: str
) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        listener.bind(str(path))
        listener.listen()
        environment = {**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "other:control"}
        program = ["-c", HAND_OVER]
        handed = [str(other.fileno()), str(listener.fileno())]
        done = subprocess.run(
            [sys.executable, *program, *handed, CHILD, whose, name],
            env=environment, pass_fds=(other.fileno(), listener.fileno()), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == (told.format(path=path), "")


def test_nothing_is_taken_where_nothing_was_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    assert take_listener("control") is None
