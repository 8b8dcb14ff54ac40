"""Folders that a site and the daemon share: of this machine here, of another in `sftp`.

It owns how a file appears whole, and whose clock its age is told by. What files mean is `files`.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar, TypeVarTuple

import trio

from actors.errors import OutcomeUnknownError, PartnerError, UnreachableError

FILE_BYTES_MAX = 256 * 1024 * 1024
"""A depot's stock as CSV comes to some 10 MB; more than this is another file."""

SECONDS_MAX = 60.0
"""For a folder of this machine or a mounted one: twice what a server by SFTP is given for a large export."""

CLOCK = "wharfinger.clock"
"""A small file whose time is the share's own: this machine's clock may be another."""

_Done = TypeVar("_Done")
_Given = TypeVarTuple("_Given")


class Folders(Protocol):
    """Folders by the paths that the profile gives them.

    Each method raises UnreachableError where nothing was done; `drop` raises OutcomeUnknownError where the
    file may be there.
    """

    async def names(self, folder: str) -> Sequence[str]:
        """Return the names of the files in a folder, those that are still being written left out."""
        ...

    async def exists(self, folder: str, name: str) -> bool:
        """Return whether there is such a file."""
        ...

    async def drop(self, folder: str, name: str, content: bytes) -> None:
        """Put a whole file into the folder at once, unless there is one of that name."""
        ...

    async def remove(self, folder: str, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    async def read(self, folder: str, name: str, *, since: float | None = None) -> bytes | None:
        """Return a file's content; None where there is none, or none finished after `since` by `clock`."""
        ...

    async def clock(self, folder: str) -> float:
        """Return what time it is there, in seconds; that it can be told shows that files can be written."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...


class LocalFolders:
    """Folders of this machine, or of another that are mounted: a thread touches them, one thing at a time.

    A mounted folder whose server is away holds its thread for as long as that lasts. Nobody waits for that
    thread, but nothing is begun before it has ended: so no later attempt is overtaken by an earlier one.

    Args:
        system: the partner as the settings name it.
        seconds_max: how long anything may take, what is before it included.
    """

    def __init__(self, system: str, seconds_max: float = SECONDS_MAX) -> None:
        self._system = system
        self._seconds_max = seconds_max
        self._one = trio.CapacityLimiter(1)

    async def names(self, folder: str) -> Sequence[str]:
        """See `Folders.names`."""
        return await self._run(_names, Path(folder), doing=folder)

    async def exists(self, folder: str, name: str) -> bool:
        """See `Folders.exists`."""
        return await self._run(Path.exists, Path(folder, name), doing=name)

    async def drop(self, folder: str, name: str, content: bytes) -> None:
        """See `Folders.drop`."""
        await self._run(_drop, Path(folder, name), content, doing=name, late=OutcomeUnknownError)

    async def remove(self, folder: str, name: str) -> None:
        """See `Folders.remove`."""
        await self._run(_remove, Path(folder, name), doing=name)

    async def read(self, folder: str, name: str, *, since: float | None = None) -> bytes | None:
        """See `Folders.read`."""
        return await self._run(_read, Path(folder, name), since, doing=name)

    async def clock(self, folder: str) -> float:
        """See `Folders.clock`."""
        return await self._run(_touch, Path(folder, CLOCK), doing=folder)

    async def aclose(self) -> None:
        """Nothing is open between two calls."""
        await trio.lowlevel.checkpoint()

    async def _run(
        self,
        act: Callable[[*_Given], _Done],
        *arguments: *_Given,
        doing: str,
        late: type[PartnerError] = UnreachableError,
    ) -> _Done:
        try:
            with trio.fail_after(self._seconds_max):
                return await trio.to_thread.run_sync(
                    act, *arguments, abandon_on_cancel=True, limiter=self._one
                )
        except trio.TooSlowError as error:
            raise late(self._system, doing, "the folder: no answer in time") from error
        except OSError as error:
            why = error.strerror or str(error)
            raise UnreachableError(self._system, doing, f"the folder: {why}") from error


def part_of(name: str) -> str:
    """Return what a file is called while it is written."""
    return f".{name}.part"


def bounded(content: bytes) -> bytes:
    """Return a file's content; OSError if it is too large."""
    if len(content) > FILE_BYTES_MAX:
        raise OSError(f"it is over {FILE_BYTES_MAX} bytes")
    return content


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def _drop(path: Path, content: bytes) -> None:
    if path.exists():
        return
    part = path.with_name(part_of(path.name))
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _read(path: Path, since: float | None) -> bytes | None:
    try:
        with path.open("rb") as file:
            if since is not None and os.fstat(file.fileno()).st_mtime <= since:
                return None
            return bounded(file.read(FILE_BYTES_MAX + 1))
    except FileNotFoundError:
        return None


def _touch(path: Path) -> float:
    path.write_bytes(b"\n")  # an empty file that is emptied once more need not become younger
    return path.stat().st_mtime
