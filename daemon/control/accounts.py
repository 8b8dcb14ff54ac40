"""The names of this machine's users, for people who read who did what. A role never hangs on a name."""

import pwd
from collections.abc import Callable

import trio

SECONDS_MAX = 1.0
"""A directory service that is away must not keep a change waiting: its number is what counts."""

NAMES_KEPT = 1_000
"""More users than any merchant has; a name is asked for once in a daemon's life."""

NAME_LENGTH_MAX = 64
"""A user's name has 32 characters at most (useradd(8)), one of a directory service more."""


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name[:NAME_LENGTH_MAX]
    except (KeyError, OSError):
        return ""


class Accounts:
    """Looks names up, in a thread since a directory service may be behind them, and remembers them.

    One thread at a time: it may hang for minutes, and those of others must be left to them.
    """

    def __init__(self, look_up: Callable[[int], str] = _name_of) -> None:
        self._look_up = look_up
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._names: dict[int, str] = {}

    async def name_of(self, uid: int) -> str:
        """Return the user's name, "" where there is none or it cannot be told in time."""
        known = self._names.get(uid)
        if known is not None:
            await trio.lowlevel.checkpoint()
            return known
        name = ""
        with trio.move_on_after(SECONDS_MAX):
            name = await trio.to_thread.run_sync(
                self._look_up, uid, abandon_on_cancel=True, limiter=self._one_at_a_time
            )
        if name and len(self._names) < NAMES_KEPT:
            self._names[uid] = name
        return name
