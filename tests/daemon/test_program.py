"""What both programs do when they cannot go on: a line and an exit code, and no traceback."""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from daemon.program import is_unprintable

HEED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
"""Whoever runs the tests in the background has them ignore SIGINT, and all that they start."""


def program(name: str) -> list[str]:
    return [sys.executable, "-c", f"{HEED}import daemon.entry; daemon.entry.{name}()"]


@pytest.mark.parametrize("name", ["wharfinger", "wharfctl"])
@pytest.mark.parametrize("buffered", ["", "1"])
def test_where_the_disk_is_full_a_program_says_so_in_a_line(name: str, buffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [*program(name), "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
            env=environment,
        )
    assert ran.stderr == f"{name}: cannot write what it has to say: No space left on device\n"
    assert ran.returncode == 74


def test_a_file_that_cannot_be_written_is_not_taken_for_what_is_printed() -> None:
    assert not is_unprintable(OSError(errno.ENOSPC, "No space left on device"))
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(OSError, match="No space") as raised,
    ):
        full.write(b"a label")
    assert not is_unprintable(raised.value)


@pytest.mark.parametrize(("name", "module"), [("wharfinger", "daemon.cli"), ("wharfctl", "daemon.ctl")])
def test_who_interrupts_a_program_while_it_is_loaded_sees_no_traceback(name: str, module: str) -> None:
    interrupt = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, wanted, *_):\n"
        f"        if wanted == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        f"import daemon.entry; daemon.entry.{name}()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", interrupt, "--help"], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", f"{name}: interrupted\n")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            ("order", "cancel", "main-7", "--key", "mine"),
            "; it may have been done: repeat it with --key mine",
        ),
        (("orders",), ""),
        (("audit",), ""),  # 1 would say that the log does not add up
    ],
)
def test_who_interrupts_a_change_is_told_the_key_to_repeat_it_by(asked: tuple[str, ...], told: str) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        path = f"{folder}/control.sock"
        listening.bind(path)
        listening.listen()
        command = [*program("wharfctl"), "--socket", path, *asked]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(1)  # it waits for the answer from now on
                process.send_signal(signal.SIGINT)
                said = process.communicate(timeout=10)[1]
    assert (process.returncode, said) == (130, f"wharfctl: interrupted{told}\n")
