"""The way into Divalto by files: a piece a file, rejects read back, tables as the site exports them.

It owns the folders and what their state proves. A file is gone once Divalto has taken it; whether it was
booked is then looked up, as everywhere, in an export that is certainly younger. Folders of another machine
have to be mounted: no SFTP library that is kept well runs under Trio.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar, TypeVarTuple
from urllib.parse import quote

import trio

from actors.errors import MalformedError, OutcomeUnknownError, RefusedError, UnreachableError
from adapters.erps.divalto import sheet
from adapters.erps.divalto.gate import Gate
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.text import without
from adapters.erps.divalto.transport import Made, Query, Row
from adapters.erps.divalto.wire import WireError

FILE_BYTES_MAX = 256 * 1024 * 1024
"""A depot's stock as CSV comes to some 10 MB; more than this is another file."""

EXTENSIONS = {"datahub": "xml", "csv": "csv", "xlsx": "xlsx"}
PIECES = "pieces.csv"
CLOCK = "wharfinger.clock"
"""An empty file whose time is the share's own: this machine's clock may be another."""

_Done = TypeVar("_Done")
_Given = TypeVarTuple("_Given")


class FileTransport:
    """One site by files.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        gate: says when the site is closed; files take no turn, since they wait for Divalto's own task.
    """

    def __init__(self, system: str, settings: DivaltoSettings, gate: Gate) -> None:
        self._system = system
        self._settings = settings
        self._files = settings.files
        self._gate = gate
        self._taken_at: float | None = None

    async def aclose(self) -> None:
        """Nothing is open between two calls."""
        await trio.lowlevel.checkpoint()

    async def integrate(self, data: Mapping[str, Any], hidden: Sequence[str]) -> Made:
        """Drop a piece and wait until it is taken or comes back; see `Transport.integrate`.

        A file that an earlier attempt left in the folder is waited for rather than written anew.
        """
        name = self.name_of(data)
        self._gate.open_or_raise(name)
        await self._now_at_share(name)  # before anything else: the folder can be written to
        content = sheet.write(sheet.blocks_of(data, self._settings.dos), self._files)
        await self._run(_drop, self._inbox / name, self._rejected / name, content, doing=name)
        if not await self._gone(name):
            raise OutcomeUnknownError(self._system, name, "it has not been taken from the folder yet")
        try:
            self._taken_at = await self._now_at_share(name)
            await self._settled()
            rejected = await self._run(_read_if_there, self._rejected / name, doing=name)
        except UnreachableError as error:
            raise OutcomeUnknownError(self._system, name, error.why) from error
        if rejected is not None:
            self._refuse(name, rejected, hidden)
        return Made("", None)

    async def rows(self, query: Query) -> Sequence[Row]:
        """Return the rows of an export that holds everything of ours; see `Transport.rows`."""
        table = "pieces" if query.table == "notes" else query.table
        doing = f"{table}.csv"
        wanted = query.key.get(self._settings.reference_field, "")
        if self._files.inbox and wanted:
            waiting = await self._run(_is_waiting, self._inbox, wanted, doing=doing)
            if waiting:
                raise UnreachableError(self._system, doing, "a file of that reference waits in the folder")
        content = await self._fresh(Path(self._files.exports) / doing, doing)
        try:
            rows = sheet.read_csv(content, self._files.encoding)
        except WireError as error:
            raise MalformedError(self._system, doing, str(error)) from error
        return [row for row in rows if _selected(row, query, self._settings.reference_field)]

    def name_of(self, data: Mapping[str, Any]) -> str:
        """Return the name of a piece's file: what is done, and the reference that it is done for."""
        extension = EXTENSIONS[self._files.form]
        if "icli" in data:
            return f"CLI-{_in_name(str(data['icli']['TIERS']))}.{extension}"
        duty, header, spelling = data["ipar"], data["ient"], self._settings.spelling
        kind = f"{header['TICOD']}{duty.get(spelling.target_stage, header['PICOD'])}{duty[spelling.duty]}"
        reference = (
            header.get(self._settings.reference_field) or f"{header.get('PREFPINO', '')}{header['PINO']}"
        )
        return f"{kind}-{_in_name(str(reference))}.{extension}"

    # --- what the folders show ---

    @property
    def _inbox(self) -> Path:
        return Path(self._files.inbox)

    @property
    def _rejected(self) -> Path:
        return Path(self._files.rejected)

    async def _gone(self, name: str) -> bool:
        """Return whether the file is taken in time."""
        with trio.move_on_after(self._files.wait_seconds):
            # A folder of another machine tells of no change by itself.
            while await self._run(Path.exists, self._inbox / name, doing=name):  # noqa: ASYNC110 - see above
                await trio.sleep(self._files.look_seconds)
            return True
        return False

    async def _settled(self) -> None:
        """Wait until a file that is gone would have come back: Divalto removes it before it rejects it."""
        if self._files.exports:
            await self._fresh(Path(self._files.exports) / PIECES, PIECES)
        else:
            await trio.sleep(self._files.look_seconds)

    def _refuse(self, name: str, rejected: bytes, hidden: Sequence[str]) -> NoReturn:
        """Raise what a file says that came back."""
        try:
            told = sheet.reasons(rejected, self._files)
        except WireError as error:
            raise MalformedError(self._system, name, f"it came back, but {error}") from error
        why = without("; ".join(told), *hidden) or "it came back without a reason"
        if any(word in why.lower() for word in self._settings.locked):
            raise UnreachableError(self._system, name, why)
        raise RefusedError(self._system, name, why)

    async def _fresh(self, path: Path, doing: str) -> bytes:
        """Return an export that is younger than the last piece that was taken; wait for the next if need be.

        What an earlier process dropped is not known here, so the first export has to be younger than the
        first question.
        """
        if self._taken_at is None:
            self._taken_at = await self._now_at_share(doing)
        since = self._taken_at + self._files.export_seconds
        with trio.move_on_after(self._files.wait_seconds):
            while True:
                found = await self._run(_read_if_since, path, since, doing=doing)
                if found is not None:
                    return found
                await trio.sleep(self._files.look_seconds)
        raise UnreachableError(self._system, doing, "there is no export that is new enough yet")

    async def _now_at_share(self, doing: str) -> float:
        folder = self._inbox if self._files.inbox else Path(self._files.exports)
        return await self._run(_touch, folder / CLOCK, doing=doing)

    async def _run(self, act: Callable[[*_Given], _Done], *arguments: *_Given, doing: str) -> _Done:
        """Have a thread touch the folders, which may be another machine's."""
        try:
            return await trio.to_thread.run_sync(act, *arguments)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise UnreachableError(self._system, doing, f"the folder: {why}") from error


def _selected(row: Row, query: Query, reference_field: str) -> bool:
    """Return whether an export's row is wanted; what is no column of it selects nothing."""
    for column, value in query.key.items():
        told = row.get(column)
        if told is None:
            continue
        if column == reference_field and query.table == "notes":
            if not told.startswith(value):
                return False
        elif column == "USERMODH":
            if told < value:
                return False
        elif told.strip() != value.strip():
            return False
    return True


def _in_name(reference: str) -> str:
    return quote(reference, safe="._-~")


def _drop(path: Path, rejected: Path, content: bytes) -> None:
    """Put a whole file into the folder at once, unless it is there; first remove what came back before."""
    if path.exists():
        return
    rejected.unlink(missing_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _is_waiting(inbox: Path, reference: str) -> bool:
    """Return whether a file of that reference waits; of one that begins so where it ends with a dot."""
    wanted = _in_name(reference)
    waiting = [path.stem.partition("-")[2] for path in inbox.iterdir() if not path.name.startswith(".")]
    return any(name == wanted or (wanted.endswith(".") and name.startswith(wanted)) for name in waiting)


def _touch(path: Path) -> float:
    path.write_bytes(b"")
    return path.stat().st_mtime


def _read_if_since(path: Path, since: float) -> bytes | None:
    """Read a file that was finished after an instant of the share's clock."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mtime <= since:
                return None
            return _bounded(file.read(FILE_BYTES_MAX + 1))
    except FileNotFoundError:
        return None


def _read_if_there(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return _bounded(file.read(FILE_BYTES_MAX + 1))
    except FileNotFoundError:
        return None


def _bounded(content: bytes) -> bytes:
    if len(content) > FILE_BYTES_MAX:
        raise OSError(f"it is over {FILE_BYTES_MAX} bytes")
    return content
