"""Asks the daemon until it answers, as a scanner does: a repeat under the same key changes nothing."""

from collections.abc import Mapping
from typing import Any

import trio

from daemon.control.answers import ControlError
from daemon.control.client import ControlClient

PAUSE_S = 0.1
"""Between two attempts: a daemon that was killed is back within a second or two."""

NOT_NOW = 503
"""It is starting or draining; everything else that it answers is an answer."""


class PatientClient:
    """A control client that outlives its daemon. The caller bounds the time."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    async def get(self, path: str) -> Mapping[str, Any]:
        """Return what the daemon says.

        Raises:
            ControlError: it said no.
        """
        return await self._ask("GET", path, None, "")

    async def post(self, path: str, body: Mapping[str, object], key: str) -> None:
        """Return once the daemon has done it, now or at an earlier attempt.

        Raises:
            ControlError: it said no.
        """
        await self._ask("POST", path, body, key)

    async def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None, key: str
    ) -> Mapping[str, Any]:
        while True:
            try:
                return await self._client.request(method, path, body, key=key)
            except OSError:
                pass
            except ControlError as error:
                if error.status != NOT_NOW:
                    raise
            await trio.sleep(PAUSE_S)
