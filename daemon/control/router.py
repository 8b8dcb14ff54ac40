"""Finds who answers a request of the control socket, and answers what is wrong with it as problem+json.

It owns paths, methods, bodies, idempotency keys and who may ask; it knows no meaning of any request.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

import msgspec
import trio
from msgspec import Struct

from adapters.http.server import Request, Response
from daemon.control.service import Refused
from daemon.control.wire import ProblemDetails

ANSWER_SECONDS_MAX = 30.0
"""Longer than any commit takes under load; whoever waited this long asks again with the same key."""

KEY_LENGTH_MAX = 128
"""A UUID has 36 characters, a scanner's serial number and counter fewer than 60."""

KEYS_REMEMBERED = 10_000
"""An hour of a busy floor: using a key for two things is a scanner's mistake, made within minutes."""

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
"""Rows of one answer: some 300 KiB of orders."""

Body = TypeVar("Body", bound=Struct)


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler is told besides the body: the path's names, the query, who asks, a change's key."""

    names: Mapping[str, str]
    query: Mapping[str, str]
    by: str
    key: str

    @property
    def limit(self) -> int:
        """How many rows are asked for.

        Raises:
            Refused: it is no number, or out of bounds.
        """
        given = self.query.get("limit", str(LIMIT_DEFAULT))
        if not given.isdecimal() or not 1 <= int(given) <= LIMIT_MAX:
            raise Refused(f"limit: expected a number from 1 to {LIMIT_MAX}", HTTPStatus.BAD_REQUEST)
        return int(given)


@dataclass(frozen=True, slots=True)
class Reading:
    """A GET; `query` names the parameters it knows."""

    path: str
    answer: Callable[[Call], Awaitable[Struct]]
    query: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Change(Generic[Body]):
    """A POST that changes something: its body is checked, and it needs a key."""

    path: str
    body: type[Body]
    answer: Callable[[Call, Body], Awaitable[Struct]]


Route = Reading | Change[Any]


class Router:
    """Answers requests by the route that matches; `uids` are the users who may ask (None: anybody)."""

    def __init__(self, routes: Sequence[Route], uids: Collection[int] | None = None) -> None:
        self._routes = [(route, route.path.split("/")) for route in routes]
        self._uids = uids
        self._digests: OrderedDict[str, bytes] = OrderedDict()

    async def answer(self, request: Request) -> Response:
        """Answer a request; a fault of whoever answers it goes up."""
        try:
            with trio.fail_after(ANSWER_SECONDS_MAX):
                answer = await self._answered(request)
        except Refused as refused:
            return problem(refused.status, refused.reason)
        except trio.TooSlowError:
            why = f"no answer within {ANSWER_SECONDS_MAX:g} s: ask again, a change under the same key"
            return problem(HTTPStatus.GATEWAY_TIMEOUT, why)
        return answer if isinstance(answer, Response) else _json(HTTPStatus.OK, answer)

    async def _answered(self, request: Request) -> Struct | Response:
        if self._uids is not None and (request.peer is None or request.peer.uid not in self._uids):
            raise Refused("this socket is its owner's alone", HTTPStatus.FORBIDDEN)
        matching = [(route, names) for route, names in self._matching(request)]
        if not matching:
            raise Refused(f"there is nothing at {request.path}", HTTPStatus.NOT_FOUND)
        by = f"uid {request.peer.uid}" if request.peer is not None else "unknown"
        for route, names in matching:
            match route:
                case Reading() if request.method in ("GET", "HEAD"):
                    return await route.answer(Call(names, _query(request, route.query), by, ""))
                case Change() if request.method == "POST":
                    _query(request, ())
                    body = _decoded(request.body, route.body)
                    return await route.answer(Call(names, {}, by, self._key(request)), body)
                case _:
                    continue
        allowed = sorted({"GET" if isinstance(route, Reading) else "POST" for route, _ in matching})
        refusal = problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.path} takes {' or '.join(allowed)}")
        return Response(refusal.status, refusal.body, (*refusal.headers, ("Allow", ", ".join(allowed))))

    def _matching(self, request: Request) -> list[tuple[Route, dict[str, str]]]:
        # Split before decoding, so that a name may hold a slash.
        given = [unquote(part) for part in request.target.partition("?")[0].split("/")]
        found: list[tuple[Route, dict[str, str]]] = []
        for route, parts in self._routes:
            if len(parts) == len(given):
                names = {
                    part[1:-1]: value
                    for part, value in zip(parts, given, strict=True)
                    if part.startswith("{") and value
                }
                filled = [names.get(part[1:-1], part) if part.startswith("{") else part for part in parts]
                if filled == given:
                    found.append((route, names))
        return found

    def _key(self, request: Request) -> str:
        """Return the key under which the actors recognise a repeat: it covers what is asked, too.

        A scanner that uses a key again for something else is told so, while the key is remembered; later
        it is done as what it is, another command.
        """
        given = (request.header("idempotency-key") or "").strip('"')
        if not given or len(given) > KEY_LENGTH_MAX or not given.isascii() or not given.isprintable():
            why = f"a change needs an Idempotency-Key header of 1 to {KEY_LENGTH_MAX} ASCII characters"
            raise Refused(why, HTTPStatus.BAD_REQUEST)
        digest = hashlib.sha256(b"\0".join((request.path.encode(), request.body))).digest()[:12]
        if self._digests.setdefault(given, digest) != digest:
            why = "this Idempotency-Key was used for another request"
            raise Refused(why, HTTPStatus.UNPROCESSABLE_ENTITY)
        self._digests.move_to_end(given)
        if len(self._digests) > KEYS_REMEMBERED:
            self._digests.popitem(last=False)
        return f"{given}:{digest.hex()}"


def problem(status: int, detail: str) -> Response:
    """Return a problem+json answer (RFC 9457)."""
    body = ProblemDetails(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return Response(
        status, msgspec.json.encode(body) + b"\n", (("Content-Type", "application/problem+json"),)
    )


def _json(status: int, answer: Struct) -> Response:
    return Response(status, msgspec.json.encode(answer) + b"\n", (("Content-Type", "application/json"),))


def _query(request: Request, known: Collection[str]) -> dict[str, str]:
    query = dict(request.query)
    for name in query:
        if name not in known:
            told = f": known are {', '.join(known)}" if known else ""
            raise Refused(f"{name}: unknown parameter{told}", HTTPStatus.BAD_REQUEST)
    return query


def _decoded(body: bytes, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise Refused(f"body: {error}".replace("`", ""), HTTPStatus.BAD_REQUEST) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"body: {error}", HTTPStatus.BAD_REQUEST) from error
