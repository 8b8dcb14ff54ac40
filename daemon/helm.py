"""What the control socket can ask of the process itself: other rules, another log level, an end."""

import os
import signal
from collections.abc import Callable

import trio

from actors.system import Rules
from daemon import logs
from daemon.control.asked import Drain, LogLevel, Reload
from daemon.control.service import Mandate, Refused
from daemon.control.wire import Consequence, Done, Reloaded, Trial
from daemon.settings import SettingsError

WRONG = 422
"""What is asked for is understood, and the files it concerns are wrong."""

DEBUG_SECONDS = 1_800
"""Debug shows personal data: whoever forgets to end it, or is called away, has shown half an hour of it."""

STOP_AFTER_S = 0.5
"""By then the answer is recorded and gone: a daemon that has nothing in hand ends within milliseconds."""


async def _stop_soon() -> None:
    await trio.sleep(STOP_AFTER_S)
    os.kill(os.getpid(), signal.SIGTERM)


class ProcessHelm:
    """Implements `daemon.control.service.Helm`.

    `read` reads the rules from their files, `obey` puts them in force, `waiting` tells which other settings
    have changed there.
    """

    def __init__(
        self,
        read: Callable[[], Rules],
        obey: Callable[[Rules], None],
        waiting: Callable[[], tuple[str, ...]],
    ) -> None:
        self._read = read
        self._obey = obey
        self._waiting = waiting

    async def reload(self, asked: Reload, mandate: Mandate) -> Done | Trial:
        """Read the rules again."""
        del asked
        await trio.lowlevel.checkpoint()
        try:
            rules, waiting = self._read(), self._waiting()
        except SettingsError as error:
            raise Refused(str(error), WRONG) from error
        if mandate.dry_run:
            return Trial((Consequence("rules.reloaded", {"version": rules.routing.version}),))
        self._obey(rules)
        return Reloaded(waits_for_restart=waiting)

    async def drain(self, asked: Drain, mandate: Mandate) -> Done | Trial:
        """Do what SIGTERM does, by the same way, once whoever asked has had the answer."""
        del asked
        await trio.lowlevel.checkpoint()
        if mandate.dry_run:
            return Trial((Consequence("daemon.stopping", {}),))
        trio.lowlevel.spawn_system_task(_stop_soon)
        return Done()

    async def log_level(self, asked: LogLevel, mandate: Mandate) -> Done | Trial:
        """Log from another level on, as often as one likes."""
        await trio.lowlevel.checkpoint()
        if asked.logger and not logs.is_part(asked.logger):
            raise Refused(f"no logger is called {asked.logger}: see logger in the log's lines", WRONG)
        seconds = DEBUG_SECONDS if asked.seconds is None and asked.level == "debug" else asked.seconds
        if mandate.dry_run:
            told = {"level": asked.level, "logger": asked.logger, "seconds": seconds}
            return Trial((Consequence("log.level", told),))
        logs.set_level(asked.level, asked.logger, seconds)
        return Done()
