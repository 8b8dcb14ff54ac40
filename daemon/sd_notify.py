"""Speaks with the service manager, if any (sd_notify(3), sd_listen_fds(3)). It never blocks."""

import os
import socket
from contextlib import suppress

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START: what is handed over comes after the three standard ones."""


def notify(*lines: str) -> None:
    """Send state lines, such as "READY=1" or "STATUS=42 orders in hand", to the service manager, if any."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A leading @ stands for the zero byte of an abstract socket.
    path = "\0" + address[1:] if address.startswith("@") else address
    # A service manager that went away is no reason to stop working.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
        sock.sendto("\n".join(lines).encode(), path)


def watchdog_seconds() -> float | None:
    """Return within how many seconds the service manager wants to hear of us again, None when it does not."""
    meant_for = os.environ.get("WATCHDOG_PID", "")
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or meant_for not in ("", str(os.getpid())):
        return None
    return int(microseconds) / 1_000_000 or None


def take_listener(name: str) -> socket.socket | None:
    """Return the listening socket of that name that the service manager handed over, None where it did not.

    Its variables are taken out of the environment, so that no child takes the socket for its own.
    """
    meant_for = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if meant_for != str(os.getpid()) or not count.isdecimal():
        return None
    descriptors = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count))
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - os' own signature
    chosen = next((fd for fd, its in zip(descriptors, names, strict=False) if its == name), None)
    return socket.socket(fileno=chosen) if chosen is not None else None
