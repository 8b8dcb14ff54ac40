"""Opens the control socket for those who may ask, serves it, and takes it away again. It knows no request.

Where the service manager hands a socket over, that one is used as it is, and is the manager's to remove.
"""

import fcntl
import os
import socket
import stat
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import trio

from adapters.http.server import serve
from daemon.control.access import Access
from daemon.control.api import Services, routes
from daemon.control.router import Router, Told, problem, unheard

BODY_BYTES_MAX = 1024 * 1024
"""A packed fulfilment of a thousand lines is some 60 KiB."""

BACKLOG = 1024
"""Scanners that call at the same instant; the kernel bounds it by net.core.somaxconn."""


class SocketTakenError(Exception):
    """The path cannot be used for the control socket; the text says why, for who starts the daemon."""


@contextmanager
def control_listener(path: Path, group: int | None = None) -> Generator[trio.SocketListener]:
    """Listen on a unix socket that only its owner and this group may open, and remove it at the end.

    Its folder is made where there is none.

    A socket that a dead daemon left behind is removed; one that somebody answers on is not. The lock beside
    it keeps two daemons apart that start at once: without it each could remove the other's socket.

    Raises:
        SocketTakenError: somebody else's, or not a socket, or the folder does not allow it.
    """
    with ExitStack() as cleanup:
        try:
            # A start of the machine empties /run; a path that is wrong by more than this folder is refused.
            path.parent.mkdir(mode=0o755, exist_ok=True)
            _lock(path.with_name(path.name + ".lock"), cleanup)
            _remove_stale(path)
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            cleanup.callback(sock.close)
            sock.bind(str(path))
            # Nobody can connect before `listen`, so there is no moment at which others may.
            path.chmod(0o600)
            if group is not None and _give_to(path, group):
                path.chmod(0o660)
            sock.listen(BACKLOG)
        except OSError as error:
            raise SocketTakenError(f"{path}: {error.strerror or type(error).__name__}") from error
        mine = path.stat().st_ino
        cleanup.callback(_remove_own, path, mine)
        yield trio.SocketListener(trio.socket.from_stdlib_socket(sock))


async def serve_control(
    path: Path,
    services: Services,
    access: Access,
    *,
    handed_over: socket.socket | None = None,
    group: int | None = None,
    told: Told = unheard,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the control socket until cancelled; `started` once it can be spoken to.

    `handed_over` is the service manager's listening socket; else one is opened at `path`, for `group` too.

    Raises:
        SocketTakenError: see `control_listener`.
    """
    router = Router(routes(services), services.trail, access, told)
    opened = control_listener(path, group) if handed_over is None else _adopted(handed_over)
    with opened as listener:
        async with trio.open_nursery() as nursery:
            await nursery.start(_serve, router, listener)
            task_status.started()


async def _serve(
    router: Router, listener: trio.SocketListener, *, task_status: trio.TaskStatus[None]
) -> None:
    await serve(
        router.answer,
        [listener],
        body_bytes_max=BODY_BYTES_MAX,
        refusal=problem,
        task_status=task_status,
    )


@contextmanager
def _adopted(sock: socket.socket) -> Generator[trio.SocketListener]:
    with sock:
        sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
        yield trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _give_to(path: Path, group: int) -> bool:
    """Give the socket to the group, if we may: root, or one of its members."""
    try:
        os.chown(path, -1, group)
    except PermissionError:
        return False
    return True


def _lock(path: Path, cleanup: ExitStack) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    cleanup.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SocketTakenError(f"{path.with_suffix('')}: another daemon serves it") from None


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketTakenError(f"{path}: there is something else, and it stays")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        with suppress(ConnectionRefusedError):
            probe.connect(str(path))
            raise SocketTakenError(f"{path}: somebody answers there")
    path.unlink()


def _remove_own(path: Path, mine: int) -> None:
    with suppress(OSError):
        if path.stat().st_ino == mine:
            path.unlink()
