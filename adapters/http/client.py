"""The one module that talks HTTP to partners: it owns time-outs, size limits and the four errors.

httpx has had no release for years; whoever replaces it changes this module alone.
"""

import logging
import os
import socket
import ssl
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import structlog
import trio

from actors.errors import MalformedError, OutcomeUnknownError, UnreachableError
from adapters.http.sending import Whole
from adapters.settings import Secret, spellings

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""A page of 500 orders in full is about 3 MiB; more than this is not an answer."""

BODY_TOLD_MAX = 1_500
"""Characters of a body in the log, at debug alone: an order in full, and the beginning of a page of them."""

NOT_TOLD = "***"

HIDDEN_NOW_MAX = 2
"""Secrets of the moment: the token in use, and the one before it, which a call under way may still hold."""

log = structlog.get_logger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # below it tells whole addresses, and some are secrets

_TOO_LARGE = f"the answer is over {ANSWER_BYTES_MAX} bytes"

WHOLE_TIMES_MAX = 4
"""A whole exchange may take as many times what a partner may be silent for: one that trickles is away too."""

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
    """A partner's HTTP endpoint. Redirects are not followed: a shop sends a wrong host to its front page.

    What it tells the log of an exchange holds none of the `hidden` secrets, nor of those that `hide` adds.
    `seconds_max` is how long the partner may be silent, see `WHOLE_TIMES_MAX` for the whole.
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        *,
        hidden: Iterable[str] = (),
        seconds_max: float = 30.0,
        connect_seconds_max: float = 5.0,
    ) -> None:
        self.system = system
        self._whole_seconds_max = WHOLE_TIMES_MAX * seconds_max
        self._hidden = spellings(hidden)
        self._hidden_now: deque[frozenset[str]] = deque(maxlen=HIDDEN_NOW_MAX)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(seconds_max, connect=connect_seconds_max),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
            headers={"Accept-Encoding": "gzip"},
            follow_redirects=False,
            # A shop begins a session with every answer; who came back with it would be somebody's visitor.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def hide(self, secret: Secret) -> None:
        """Hide a secret that did not stand in the settings, such as a token; the last ones stay hidden."""
        self._hidden_now.append(spellings((secret.reveal(),)))

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        changes: bool | None = None,
        doing: str | None = None,
        tells: bool = True,
    ) -> Answer:
        """Send one request and return the answer whatever its status.

        `changes` says whether a lost answer leaves the outcome unknown: by default, except with GET and HEAD.
        `doing` is what errors and the log call the request, where its path is a secret; the log hears of no
        body unless it `tells`, which what brings a new secret must not.

        Raises:
            UnreachableError: nothing was sent, or nothing can have changed.
            OutcomeUnknownError: the request may have been carried out, but there is no answer in time, or one
                that is larger than `ANSWER_BYTES_MAX` or cannot be decoded.
            MalformedError: such an answer where nothing can have changed, or a request that cannot be sent.
        """
        doing = doing or f"{method} {path}"
        began = trio.current_time()
        may_change = method not in ("GET", "HEAD") if changes is None else changes
        lost = OutcomeUnknownError if may_change else UnreachableError
        senseless = OutcomeUnknownError if may_change else MalformedError
        try:
            request = self._http.build_request(method, path, params=params, headers=headers, content=content)
            request.stream = Whole(content or b"")
            with trio.fail_after(self._whole_seconds_max):
                response, raw = await self._read(request)
            body = _decoded(raw, response.headers.get("content-encoding", ""))
            log.debug(
                "partner_exchange",
                partner=self.system,
                doing=doing,
                query={name: self._masked(value) for name, value in (params or {}).items()},
                sent=self._told(content or b"") if tells else NOT_TOLD,
                status=response.status_code,
                answered=self._told(body) if tells else NOT_TOLD,
                seconds=round(trio.current_time() - began, 3),
            )
            return Answer(response.status_code, response.headers, body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise UnreachableError(self.system, doing, _why(error)) from error
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            # Our own request or its address is wrong: it was never sent, and the next try would fail alike.
            raise MalformedError(self.system, doing, f"cannot be sent: {type(error).__name__}") from error
        except trio.TooSlowError as error:
            raise lost(self.system, doing, "the answer took too long") from error
        except _UnreadableError as error:
            raise senseless(self.system, doing, str(error)) from error
        except httpx.TransportError as error:
            raise lost(self.system, doing, _why(error)) from error

    def _told(self, body: bytes) -> str:
        """Return the beginning of a body for the log, and how large the whole is where that is not all.

        It is masked before it is cut, so that no half of a secret is left at the end.
        """
        text = self._masked(body[: 2 * BODY_TOLD_MAX].decode("utf-8", "replace"))
        if len(body) <= BODY_TOLD_MAX:
            return text
        return f"{text[:BODY_TOLD_MAX]}… of {len(body)} bytes"

    def _masked(self, text: str) -> str:
        for secret in self._hidden.union(*self._hidden_now):
            text = text.replace(secret, NOT_TOLD)
        return text

    async def _read(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        body = bytearray()
        # Leaving the loop early would strand httpx's generators under Trio; a cancellation unwinds them all.
        with trio.CancelScope() as too_large:
            response = await self._http.send(request, stream=True)
            try:
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX:
                        too_large.cancel()
            finally:
                with trio.CancelScope(shield=True):  # closing a socket does not wait
                    await response.aclose()
            if len(body) <= ANSWER_BYTES_MAX:
                return response, bytes(body)
        raise _UnreadableError(_TOO_LARGE)


class _UnreadableError(Exception):
    """There is an answer, but it is too large or its encoding is broken."""


def _decoded(body: bytes, encoding: str) -> bytes:
    """Undo gzip, which is all that we offer, without letting a small body swell beyond the limit."""
    if encoding.strip().lower() in ("", "identity"):
        return body
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        whole = unzip.decompress(body, ANSWER_BYTES_MAX + 1)
    except zlib.error as error:
        raise _UnreadableError("the answer's encoding is broken") from error
    if len(whole) > ANSWER_BYTES_MAX:
        raise _UnreadableError(_TOO_LARGE)
    if body and not unzip.eof:
        raise _UnreadableError("the answer's encoding is broken")
    return whole


def _why(error: Exception) -> str:
    """Return the error's kind, and in the system's words what it comes from: refused, reset, no such name.

    Its own text is not told: libraries put addresses there, and some of those are secrets.
    """
    said = next((reason for cause in _causes(error) if (reason := _reason(cause))), "")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _reason(cause: BaseException) -> str:
    match cause:
        case ssl.SSLError():
            return cause.reason or ""
        case socket.gaierror():
            return cause.strerror or ""
        case OSError() if cause.errno is not None:
            return os.strerror(cause.errno)
        case _:
            return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it comes from; of several attempts at one host the first that failed."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        else:
            cause = cause.__cause__ or cause.__context__
