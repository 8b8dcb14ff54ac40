"""As whom Postgres runs: it refuses root, and needs an account that has a name.

It decides, and gives files to that account where it must; `embedded_launch.py` carries the decision out
between fork and exec.
"""

import functools
import os
import pwd
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from adapters.postgres.embedded_binaries import EmbeddedPostgresError

_LAUNCHER = Path(__file__).with_name("embedded_launch.py")


@dataclass(frozen=True, slots=True)
class Identity:
    """What the launcher is told, and who has to own the server's files (None: whoever we are)."""

    told: str
    owner: tuple[int, int] | None = None

    def command(self, program: Path, *arguments: str) -> list[str]:
        """Return the command line that runs `program` as this identity, until the calling thread ends."""
        return [
            sys.executable,
            "-I",
            "-S",
            str(_LAUNCHER),
            self.told,
            str(os.getpid()),
            str(program),
            *arguments,
        ]

    def take_over(self, folder: Path) -> None:
        """Give `folder` and all in it to this identity."""
        if self.owner is None or folder.stat().st_uid == self.owner[0]:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *self.owner, follow_symlinks=False)


def choose_identity(data_dir: Path, binaries: Path) -> Identity:
    """Decide as whom to run the server in `binaries` on `data_dir`, which exists.

    Ourselves, if we are an ordinary account with a name. Otherwise an ordinary account in a user namespace,
    where the files stay ours; where the kernel or a container forbids that, root drops to `nobody` and gives
    it the files. As root, data that belong to an ordinary account are served as that account, so that it
    finds them as it left them.
    """
    uid = os.geteuid()
    if uid != 0 and _has_name(uid):
        return Identity("self")
    owner = data_dir.stat()
    if uid == 0 and owner.st_uid != 0:
        return _dropped(owner.st_uid, owner.st_gid, data_dir, binaries)
    account = _ordinary_account()
    namespace = Identity(f"namespace:{account.pw_uid}:{account.pw_gid}")
    if _works(namespace):
        return namespace
    if uid == 0:
        return _dropped(account.pw_uid, account.pw_gid, data_dir, binaries)
    message = (
        f"Postgres needs an account with a name, uid {uid} has none, and user namespaces are not allowed here"
    )
    raise EmbeddedPostgresError(message)


def _dropped(uid: int, gid: int, *paths: Path) -> Identity:
    # A folder of root's that is closed to others may lie above the data or the binaries: its home, a
    # temporary one.
    closed = any(not folder.stat().st_mode & stat.S_IXOTH for path in paths for folder in path.parents)
    return Identity(f"{'reach' if closed else 'drop'}:{uid}:{gid}", owner=(uid, gid))


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _ordinary_account() -> pwd.struct_passwd:
    accounts = {account.pw_name: account for account in pwd.getpwall() if account.pw_uid != 0}
    if not accounts:
        raise EmbeddedPostgresError("Postgres does not run as root, and this machine has no other account")
    return accounts.get("nobody") or next(iter(accounts.values()))


@functools.cache
def _works(identity: Identity) -> bool:
    probe = identity.command(
        Path(sys.executable).resolve(), "-I", "-S", "-c", "import os; raise SystemExit(os.geteuid() == 0)"
    )
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0
