"""Tells systemd how the daemon is (sd_notify(3)); without systemd it tells nobody. It never blocks."""

import os
import socket
from contextlib import suppress


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
