"""Folders on a site's SFTP server: one connection, made when it is needed and anew when it broke.

It owns time-outs, reconnecting, and that a drop whose answer is lost is looked at before it is done again.
paramiko blocks: each thing is asked in a thread, which ends when its connection is closed.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import trio

from actors.errors import OutcomeUnknownError, UnreachableError
from adapters.erps.divalto.files_settings import SftpSettings
from adapters.erps.divalto.sftp_session import BROKEN, Session, UntrustedError

WORDS_MAX = 150
"""Characters of what a server says of its refusal that an error's text holds; more is no reason."""

_Done = TypeVar("_Done")


class _BrokenError(Exception):
    """The connection broke, and with it what was asked; `was_new` if it had been made for this."""

    def __init__(self, why: str, *, was_new: bool) -> None:
        super().__init__(why)
        self.was_new = was_new


class SftpFolders:
    """The folders of one server, as `Folders`. One thing is asked at a time.

    Args:
        system: the partner as the settings name it.
        settings: the server's.
    """

    def __init__(self, system: str, settings: SftpSettings) -> None:
        self._system = system
        self._settings = settings
        self._one = trio.Lock()
        self._session: Session | None = None

    async def names(self, folder: str) -> Sequence[str]:
        """See `Folders.names`."""
        return await self._ask(lambda session: session.names(folder), folder)

    async def exists(self, folder: str, name: str) -> bool:
        """See `Folders.exists`."""
        return await self._ask(lambda session: session.exists(folder, name), name)

    async def drop(self, folder: str, name: str, content: bytes) -> None:
        """See `Folders.drop`.

        Written anew the file would be there twice if it had been taken meanwhile. So the second half, its
        renaming, is only done again where the part still lies there: where it is gone, the first has done it.
        """
        if not await self._ask(lambda session: session.prepare(folder, name, content), name):
            return
        try:
            was_there = await self._once(lambda session: session.reveal(folder, name), name)
        except _BrokenError as broken:
            try:
                await self._ask(lambda session: session.reveal(folder, name), name)
            except UnreachableError as error:
                raise OutcomeUnknownError(self._system, name, str(broken)) from error
        else:
            if not was_there:
                raise OutcomeUnknownError(self._system, name, "its part was taken before it had its name")

    async def remove(self, folder: str, name: str) -> None:
        """See `Folders.remove`."""
        await self._ask(lambda session: session.remove(folder, name), name)

    async def read(self, folder: str, name: str, *, since: float | None = None) -> bytes | None:
        """See `Folders.read`."""
        return await self._ask(lambda session: session.read(folder, name, since), name)

    async def clock(self, folder: str) -> float:
        """See `Folders.clock`."""
        return await self._ask(lambda session: session.clock(folder), folder)

    async def aclose(self) -> None:
        """Close the connection."""
        self._discard()
        await trio.lowlevel.checkpoint()

    async def _ask(self, act: Callable[[Session], _Done], doing: str) -> _Done:
        """Have something done that may be done twice: a second time if an older connection has broken."""
        try:
            try:
                return await self._once(act, doing)
            except _BrokenError as broken:
                if broken.was_new:
                    raise
                return await self._once(act, doing)
        except _BrokenError as broken:
            raise UnreachableError(self._system, doing, f"SFTP: {broken}") from broken

    async def _once(self, act: Callable[[Session], _Done], doing: str) -> _Done:
        """Have something done; UnreachableError where the server says no, or will not be spoken to."""
        async with self._one:
            was_new = self._session is None
            try:
                with trio.fail_after(self._settings.seconds_max):
                    session = self._session or await self._open()
                    return await self._in_thread(session, partial(act, session))
            except UntrustedError as error:
                raise UnreachableError(self._system, doing, f"SFTP: {error}") from error
            except trio.TooSlowError as error:
                raise _BrokenError("no answer in time", was_new=was_new) from error
            except BROKEN as error:
                self._discard()
                raise _BrokenError(words_of(error), was_new=was_new) from error
            except OSError as error:
                if self._session is None or not self._session.is_alive:
                    self._discard()
                    raise _BrokenError(words_of(error), was_new=was_new) from error
                raise UnreachableError(self._system, doing, f"the folder: {words_of(error)}") from error

    async def _open(self) -> Session:
        session = Session(self._settings)
        await self._in_thread(session, session.open)
        self._session = session
        return session

    async def _in_thread(self, session: Session, act: Callable[[], _Done]) -> _Done:
        """Have a thread do it; whoever gives up closes the connection, and so ends the thread."""
        try:
            return await trio.to_thread.run_sync(act, abandon_on_cancel=True)
        except trio.Cancelled:
            session.abort()
            self._session = None
            raise

    def _discard(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.abort()


def words_of(error: Exception) -> str:
    """Return what an error says, on a short line, as a server's own words may be in it."""
    if isinstance(error, UnicodeDecodeError):
        return "the server names something in it by a text that is no UTF-8"
    said = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
    return " ".join(said.split())[:WORDS_MAX]
