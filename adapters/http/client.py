"""The one module that talks HTTP to partners: it owns time-outs, size limits and the four errors, and nothing else.

httpx has had no release for years; whoever replaces it changes this module alone.
"""

from collections.abc import Mapping

import httpx

from actors.errors import MalformedError, OutcomeUnknownError, UnreachableError

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""A page of 500 orders in full is about 3 MiB; more than this is not an answer."""

CONNECTIONS_MAX = 8
"""Partners' own limits are lower (see their notes); this only bounds mistakes."""


class Answer:
    """A whole answer of a partner, whatever its status: its meaning is the caller's matter."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def is_json(self) -> bool:
        """Whether the answer says that it is JSON."""
        return "json" in self.headers.get("content-type", "")

    def text(self, length_max: int = 200) -> str:
        """Return the beginning of the body on one line, for error texts."""
        return " ".join(self.body[: 4 * length_max].decode("utf-8", "replace").split())[:length_max]


class Client:
    """A partner's HTTP endpoint. Redirects are never followed: a shop sends a wrong host to its front page."""

    def __init__(self, system: str, base_url: str, *, seconds_max: float = 30.0, connect_seconds_max: float = 5.0) -> None:
        self.system = system
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(seconds_max, connect=connect_seconds_max),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        changes: bool | None = None,
    ) -> Answer:
        """Send one request and return the answer whatever its status.

        `changes` says whether a lost answer leaves the outcome unknown; by default every method but GET and HEAD.

        Raises:
            UnreachableError: nothing was sent, or nothing can have changed.
            OutcomeUnknownError: the request may have been carried out.
            MalformedError: the answer is larger than `ANSWER_BYTES_MAX`.
        """
        doing = f"{method} {path}"
        may_change = method not in ("GET", "HEAD") if changes is None else changes
        try:
            async with self._http.stream(method, path, params=params, headers=headers, content=content) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX:
                        raise MalformedError(self.system, doing, f"the answer is over {ANSWER_BYTES_MAX} bytes")
                return Answer(response.status_code, response.headers, bytes(body))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise UnreachableError(self.system, doing, type(error).__name__) from error
        except httpx.TransportError as error:
            kind = OutcomeUnknownError if may_change else UnreachableError
            raise kind(self.system, doing, type(error).__name__) from error
