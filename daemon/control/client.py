"""Speaks to the control socket: for the demo's floor crew and the tests. It owns no meaning.

A change whose answer was lost is sent again under the same key by whoever asked; nothing is repeated here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from adapters.http.sending import Whole
from daemon.control.answers import DONE, WAIT_SECONDS_MAX, DaemonAwayError, told


class ControlClient:
    """A connection to the daemon on this machine; an async context manager, or close it with `aclose`."""

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(path)),
            base_url="http://wharfinger",
            timeout=WAIT_SECONDS_MAX,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def follow(
        self, path: str, hear: Callable[[dict[str, Any]], None], query: Mapping[str, str] | None = None
    ) -> None:
        """Hand the JSON object of each line of an answer to `hear`, for as long as there is more.

        Whoever has heard enough cancels.

        Raises:
            ControlError: the daemon said no.
            DaemonAwayError: it is away, or went away.
        """
        timeout = httpx.Timeout(WAIT_SECONDS_MAX, read=None)  # nothing may happen for long
        try:
            async with self._http.stream("GET", path, params=query, timeout=timeout) as response:
                if response.status_code != DONE:
                    told(response.status_code, await response.aread())
                async for line in response.aiter_lines():
                    hear(told(DONE, line.encode()))
        except httpx.TransportError as error:
            raise DaemonAwayError(f"{self._path}: {str(error) or type(error).__name__}") from error

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        key: str = "",
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Ask, and return the answer's JSON object. A POST needs a `key`.

        Raises:
            ControlError: the daemon said no.
            DaemonAwayError: an OSError; it is away, or its answer was lost: ask again with the same key.
        """
        headers = {"Idempotency-Key": key} if key else {}
        content = msgspec.json.encode(body) if body is not None else b""
        request = self._http.build_request(method, path, content=content, headers=headers, params=query)
        request.stream = Whole(content)
        try:
            response = await self._http.send(request)
        except httpx.TransportError as error:
            raise DaemonAwayError(f"{self._path}: {str(error) or type(error).__name__}") from error
        return told(response.status_code, response.content)
