"""Become whom Postgres may run as, ask to die with the parent, and become the server.

Run as a script, never imported: `python -I -S embedded_launch.py IDENTITY PARENT PROGRAM...`. It stands
between fork and exec, so that no Python runs in a fork of a threaded process. It imports the standard library
alone.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CLONE_NEWUSER = 0x10000000
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def _enter_namespace(uid: int, gid: int) -> None:
    """Look like `uid` from within, while the kernel still takes us for the owner of our files.

    So neither the data directory nor any folder above it has to change hands.
    """
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    _checked(_libc.unshare(_CLONE_NEWUSER), "unshare")
    for name, text in (
        ("setgroups", "deny"),  # the kernel asks for it before it lets us map the group
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def _drop(uid: int, gid: int, *, reach: bool) -> None:
    """Give up root for good; with `reach` keep one capability: to pass folders that are closed to others."""
    if reach:
        # Capabilities no longer follow the uid. Postgres looks for its own binary by access(2), which leaves
        # them out of account otherwise for whoever is not root.
        _checked(_libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "set securebits")
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if reach:
        mask = 1 << _CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        # Effective, permitted and inheritable, then the upper half of each.
        sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
        _checked(_libc.capset(header, sets), "capset")
        raised = _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
        _checked(raised, "ambient capability")


def launch(identity: str, parent: int, program: list[str]) -> None:
    """Take on `identity` (`self`, or `namespace`, `drop` or `reach` with `:UID:GID`), then exec `program`."""
    kind, _, numbers = identity.partition(":")
    if kind != "self":
        uid, gid = (int(number) for number in numbers.split(":"))
        if kind == "namespace":
            _enter_namespace(uid, gid)
        else:
            _drop(uid, gid, reach=kind == "reach")
    # After the change of identity, which clears it. SIGQUIT is Postgres's immediate shutdown: as safe as a
    # crash, and over in milliseconds, so that whoever comes next finds the data directory free.
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGQUIT), 0, 0, 0), "parent death signal")
    if os.getppid() != parent:
        raise SystemExit("the parent is gone already")
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted, and the path is absolute


if __name__ == "__main__":
    launch(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
