"""The way into Divalto by files: a piece a file, rejects read back, tables as the site exports them.

It owns what the state of the folders proves. A file is gone once Divalto has taken it; whether it was booked
is then looked up, as everywhere, in an export that is certainly younger. Where the folders lie is `folders`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import quote

import trio

from actors.errors import MalformedError, OutcomeUnknownError, RefusedError, UnreachableError
from adapters.erps.divalto import sheet
from adapters.erps.divalto.folders import Folders
from adapters.erps.divalto.gate import Gate
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.text import without
from adapters.erps.divalto.transport import Made, Query, Row
from adapters.erps.divalto.wire import WireError, columns

EXTENSIONS = {"datahub": "xml", "csv": "csv", "xlsx": "xlsx"}
PIECES = "pieces.csv"
PIECE_NUMBER = ("TICOD", "PICOD", "PREFPINO", "PINO")
"""What tells a piece's lines from another's."""


class FileTransport:
    """One site by files.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        gate: says when the site is closed; files take no turn, since they wait for Divalto's own task.
        folders: where the folders lie.
    """

    def __init__(self, system: str, settings: DivaltoSettings, gate: Gate, folders: Folders) -> None:
        self._system = system
        self._settings = settings
        self._files = settings.files
        self._gate = gate
        self._folders = folders
        self._taken_at: float | None = None
        self._out: dict[str, float | None] = {}
        """References whose file nobody has seen being taken, and when it was first seen to be gone; as many
        as documents whose outcome is unknown."""

    async def aclose(self) -> None:
        """Close the folders."""
        await self._folders.aclose()

    async def integrate(self, data: Mapping[str, Any], hidden: Sequence[str]) -> Made:
        """Drop a piece and wait until it is taken or comes back; see `Transport.integrate`.

        A file that an earlier attempt left in the folder is waited for rather than written anew.
        """
        files, name = self._files, self.name_of(data)
        self._gate.open_or_raise(name)
        await self._begin()
        await self._folders.clock(files.inbox)  # before anything else: the folder can be written to
        if not await self._folders.exists(files.inbox, name):
            await self._folders.remove(files.rejected, name)
        self._out[_reference_in(name)] = None
        content = sheet.write(sheet.blocks_of(data, self._settings.dos), files)
        await self._folders.drop(files.inbox, name, content)
        try:
            if not await self._gone(name):
                raise OutcomeUnknownError(self._system, name, "it has not been taken from the folder yet")
            self._took(await self._folders.clock(files.inbox))
            del self._out[_reference_in(name)]
            await self._settled()
            rejected = await self._folders.read(files.rejected, name)
        except UnreachableError as error:
            raise OutcomeUnknownError(self._system, name, error.why) from error
        if rejected is not None:
            self._refuse(name, rejected, hidden)
        return Made("", None)

    async def rows(self, query: Query) -> Sequence[Row]:
        """Return the rows of an export that holds everything of ours; see `Transport.rows`."""
        table = "pieces" if query.table == "notes" else query.table
        export = f"{table}.csv"
        wanted = self._dropped_as(query)
        await self._begin()
        gone = await self._gone_of(wanted, export) if self._files.inbox and wanted else []
        content = await self._fresh(export)
        try:
            # A thread, since everybody else would wait for seconds of parsing: an export holds all there is.
            rows = await trio.to_thread.run_sync(self._rows_in, content, query)
        except WireError as error:
            raise MalformedError(self._system, export, str(error)) from error
        for reference in gone:
            self._out.pop(reference, None)
        return rows

    def _rows_in(self, content: bytes, query: Query) -> list[Row]:
        rows = sheet.read_csv(content, self._files.encoding)
        if query.table == "lines":  # those of all pieces would pass for one's
            columns(rows, *(name for name in PIECE_NUMBER if query.key[name]))
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

    def _dropped_as(self, query: Query) -> str:
        """Return the reference in the names of files whose rows are asked for, as `name_of` has it."""
        key = query.key
        if self._settings.reference_field in key:
            return key[self._settings.reference_field]
        if "PINO" in key:
            return f"{key.get('PREFPINO', '')}{key['PINO']}"
        return key["TIERS"] if query.table == "customers" else ""

    # --- what the folders show ---

    async def _begin(self) -> None:
        """Note, once, what an earlier process has dropped: its files may be taken at any time from now on."""
        if self._taken_at is not None:
            return
        waiting = await self._folders.names(self._files.inbox) if self._files.inbox else ()
        now = await self._now_at_share()
        if self._taken_at is None:
            self._out.update(dict.fromkeys(map(_reference_in, waiting)))
            self._took(now)

    async def _gone(self, name: str) -> bool:
        """Return whether the file is taken in time."""
        with trio.move_on_after(self._files.wait_seconds):
            # A folder of another machine tells of no change by itself.
            while await self._folders.exists(self._files.inbox, name):  # noqa: ASYNC110 - see above
                await trio.sleep(self._files.look_seconds)
            return True
        return False

    async def _gone_of(self, wanted: str, doing: str) -> list[str]:
        """Return the references among those wanted whose files are gone by now, none knows since when.

        An export proves nothing of them unless it is younger than the first look that found them gone.
        """
        waiting = await self._folders.names(self._files.inbox)
        if any(_is_of(_reference_in(name), wanted) for name in waiting):
            raise UnreachableError(self._system, doing, "a file of that reference waits in the folder")
        gone = [reference for reference in self._out if _is_of(reference, wanted)]
        for reference in gone:
            seen = self._out[reference]
            if seen is None:
                seen = self._out[reference] = await self._now_at_share()
            self._took(seen)
        return gone

    def _took(self, at: float) -> None:
        """Note that everything of interest had been taken by then."""
        self._taken_at = at if self._taken_at is None else max(at, self._taken_at)

    async def _settled(self) -> None:
        """Wait until a file that is gone would have come back: Divalto removes it before it rejects it."""
        if self._files.exports:
            await self._fresh(PIECES)
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

    async def _fresh(self, name: str) -> bytes:
        """Return an export that is younger than the last piece that was taken; wait for the next if need be.

        What an earlier process dropped is not known here, so the first export has to be younger than the
        first question.
        """
        since = (self._taken_at or 0.0) + self._files.export_seconds
        with trio.move_on_after(self._files.wait_seconds):
            while True:
                found = await self._folders.read(self._files.exports, name, since=since)
                if found is not None:
                    return found
                await trio.sleep(self._files.look_seconds)
        raise UnreachableError(self._system, name, "there is no export that is new enough yet")

    async def _now_at_share(self) -> float:
        return await self._folders.clock(self._files.inbox or self._files.exports)


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


def _reference_in(name: str) -> str:
    """Return the reference in a file's name, as it is spelled there."""
    return name.rpartition(".")[0].partition("-")[2]


def _is_of(reference: str, wanted: str) -> bool:
    """Return whether a file of that reference is meant; of one that begins so where it ends with a dot."""
    wanted = _in_name(wanted)
    return reference == wanted or (wanted.endswith(".") and reference.startswith(wanted))
