"""Finds who answers a request of the control socket, and answers what is wrong with it as problem+json.

It owns methods, bodies, idempotency keys, and who may ask; every change that somebody wants leaves a
line in the log with pid and uid, and stands on the trail. It knows no meaning of any request.
"""

import hashlib
import math
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import msgspec
import structlog
import trio
from msgspec import Struct

from actors.concerning import concerning
from actors.inspection import UnansweredError
from adapters.http.server import CutOffError, Request, Response, SendPiece, Stream
from daemon.control.access import Access, Role
from daemon.control.answers import ANSWER_SECONDS_MAX
from daemon.control.asked import CONTROL, EXPECTED
from daemon.control.asking import KEY_LENGTH_MAX, Asking
from daemon.control.routes import (
    Answer,
    Body,
    Call,
    Change,
    Feed,
    Following,
    Reading,
    Route,
    flag_of,
    query_of,
)
from daemon.control.service import Refused, Trail
from daemon.control.wire import Done, ProblemDetails

log = structlog.get_logger(__name__)

DRY_RUN = "dry_run"
"""The parameter of every change that asks only what would come of it."""

KEY_PATTERN = r"^[!#-~]+$"
"""Any printable ASCII but the space and the quote: some write the header's value in quotes."""

CONTROL_CHARACTERS = re.compile(f"[{CONTROL}]")

CONTROL_ESCAPES = re.compile(rb"(?<!\\)(?:\\\\)*\\u00(?:0[0-8bcef]|1[0-9a-f])", re.IGNORECASE)
"""The same as JSON writes them; an escaped backslash begins no escape."""

KEYS_REMEMBERED = 10_000
"""An hour of a busy floor: using a key for two things is a scanner's mistake, made within minutes."""

ANSWERED_SECONDS_MAX = 24 * 3_600.0
"""The journal keeps an answer under its key as long."""

Match = tuple[Route, Mapping[str, str]]
"""A route that takes a request's path, and the names in that path."""

Told = Callable[[str, int, float], None]
"""Called with a route's path as it is described, the answer's status, and the seconds until it was made."""

NO_ROUTE = "other"
"""What is told of as the path of requests that no route takes: what a client makes up is nobody's label."""


def unheard(route: str, status: int, seconds: float) -> None:
    """Tell nobody of a request."""


class Router:
    """Answers requests by the route that matches, for those who may ask (anybody without `access`).

    `trail` keeps who asked for which change.
    """

    def __init__(
        self, routes: Sequence[Route], trail: Trail, access: Access | None = None, told: Told = unheard
    ) -> None:
        self._routes = [(route, route.path.split("/")) for route in routes]
        self._trail = trail
        self._access = access
        self._told = told
        self._digests: OrderedDict[str, bytes] = OrderedDict()
        self._answers: OrderedDict[str, tuple[float, Struct]] = OrderedDict()

    async def answer(self, request: Request) -> Response | Stream:
        """Answer a request; a fault of whoever answers it goes up."""
        began = trio.current_time()
        matching = self._matching(request)
        response = await self._responded(request, matching)
        route = matching[0][0].path if matching else NO_ROUTE
        self._told(route, response.status, trio.current_time() - began)
        return response

    async def _responded(self, request: Request, matching: Sequence[Match]) -> Response | Stream:
        bounds = [route.seconds_max for route, _ in matching if isinstance(route, Reading)]
        seconds_max = max(bounds, default=ANSWER_SECONDS_MAX)
        try:
            with trio.fail_after(seconds_max):
                answer = await self._answered(request, matching)
        except Refused as refused:
            return problem(refused.status, refused.reason)
        except UnansweredError as error:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}: ask again")
        except trio.TooSlowError:
            why = f"no answer within {seconds_max:g} s: ask again, a change under the same key"
            return problem(HTTPStatus.GATEWAY_TIMEOUT, why)
        return answer if isinstance(answer, Response | Stream) else _json(HTTPStatus.OK, answer)

    async def _answered(self, request: Request, matching: Sequence[Match]) -> Answer | Response | Stream:
        role = self._role_of(request)
        if CONTROL_CHARACTERS.search(unquote(request.target)):
            raise Refused("a name or parameter holds a control character", HTTPStatus.BAD_REQUEST)
        if not matching:
            raise Refused(f"there is nothing at {request.path}", HTTPStatus.NOT_FOUND)
        for route, names in matching:
            match route:
                case Reading() if request.method in ("GET", "HEAD"):
                    _demand(route, role)
                    return await route.answer(Call(names, query_of(request, route.query)))
                case Following() if request.method == "GET":
                    _demand(route, role)
                    feed = route.answer(Call(names, query_of(request, route.query)))
                    return Stream(HTTPStatus.OK, _lines(feed), (("Content-Type", "application/x-ndjson"),))
                case Change() if request.method == "POST":
                    return await self._change(request, route, names, role)
                case _:
                    continue
        allowed = sorted({"POST" if isinstance(route, Change) else "GET" for route, _ in matching})
        refusal = problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.path} takes {' or '.join(allowed)}")
        return Response(refusal.status, refusal.body, (*refusal.headers, ("Allow", ", ".join(allowed))))

    def _role_of(self, request: Request) -> Role:
        if self._access is None:
            return Role.ADMIN
        role = self._access.role_of(request.peer)
        if role is None:
            uid, pid = (request.peer.uid, request.peer.pid) if request.peer is not None else (None, None)
            log.warning("control_stranger", path=request.path, method=request.method, uid=uid, pid=pid)
            raise Refused("you are in none of the groups that may ask here", HTTPStatus.FORBIDDEN)
        return role

    async def _change(
        self, request: Request, route: Change[Any], names: Mapping[str, str], role: Role
    ) -> Struct:
        """Make a change; who wanted it is durable before, and what came of it after, whatever that was."""
        asking = Asking(request, role, names)
        with concerning(names.get("order", "")):
            try:
                asking.number = await self._begin(request, route, asking)
                answer = self._answer_to(asking.key)
                if answer is None:
                    answer = await self._made(route, names, asking)
            except Refused as refused:
                asking.outcome, asking.why = "refused", refused.reason
                raise
            except trio.Cancelled:
                asking.outcome, asking.why = "unknown", "it took too long"
                raise
            else:
                asking.outcome = "done"
                self._remember(asking.key, answer)
                return answer
            finally:
                # It takes as long as a commit, which the database's timeout bounds.
                with trio.CancelScope(shield=True):
                    await self._end(asking)

    async def _made(self, route: Change[Any], names: Mapping[str, str], asking: Asking) -> Struct:
        """Return the answer of whoever makes the change.

        What it is about may be gone because a daemon before this one has done it, and the answer was lost.
        """
        try:
            return await route.answer(names, asking.body, asking.mandate())
        except Refused as error:
            refused = error
        is_gone = refused.status == HTTPStatus.NOT_FOUND and not asking.dry_run
        if is_gone and await self._trail.was_done(asking.told()):
            return Done()
        raise refused

    async def _begin(self, request: Request, route: Change[Any], asking: Asking) -> int:
        """Check what is asked, and put it on the trail; return its number there.

        Raises:
            Refused: they may not, or it makes no sense. That is no change, and stands in the log alone.
        """
        _demand(route, asking.role)
        asking.dry_run = flag_of(query_of(request, (DRY_RUN,)), DRY_RUN)
        asking.body = _decoded(request.body, route.body)
        asking.key = self._key(request, asking.given, uses_it_up=not asking.dry_run)
        return await self._trail.asked(asking.told())

    async def _end(self, asking: Asking) -> None:
        told = asking.told()
        with concerning(asking.order):
            log.info(
                "control_change",
                path=told.path,
                pid=told.pid,
                uid=told.uid,
                role=told.role,
                idempotency=told.key,
                dry_run=told.dry_run,
                outcome=asking.outcome,
                why=asking.why,
            )
        if asking.number is not None:
            await self._trail.settled(asking.number, asking.outcome, asking.why)

    def _matching(self, request: Request) -> list[Match]:
        # Split before decoding, so that a name may hold a slash.
        given = [unquote(part) for part in request.target.partition("?")[0].split("/")]
        found: list[Match] = []
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

    def _answer_to(self, key: str) -> Struct | None:
        """Return the answer that was given under this key, None where none was, or not lately.

        After a restart a repeat is recognised by the actors, or by the trail.
        """
        at, answer = self._answers.get(key, (-math.inf, None))
        return answer if trio.current_time() - at < ANSWERED_SECONDS_MAX else None

    def _remember(self, key: str, answer: Struct) -> None:
        if key and self._answer_to(key) is None:
            self._answers[key] = (trio.current_time(), answer)
            if len(self._answers) > KEYS_REMEMBERED:
                self._answers.popitem(last=False)

    def _key(self, request: Request, given: str, *, uses_it_up: bool) -> str:
        """Return the key under which the actors recognise a repeat: it covers what is asked, too.

        A scanner that uses a key again for something else is told so, while the key is remembered; later
        it is done as what it is, another command.
        """
        if len(given) > KEY_LENGTH_MAX or not re.fullmatch(KEY_PATTERN, given):
            why = (
                f"a change needs an Idempotency-Key header of 1 to {KEY_LENGTH_MAX} visible ASCII characters"
            )
            raise Refused(why, HTTPStatus.BAD_REQUEST)
        if not uses_it_up:
            return ""
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


def _json(status: int, answer: Answer) -> Response:
    return Response(status, msgspec.json.encode(answer) + b"\n", (("Content-Type", "application/json"),))


def _lines(feed: Feed) -> Callable[[SendPiece], Awaitable[None]]:
    """Return what sends each answer of `feed` as a line."""

    async def send_all(send: SendPiece) -> None:
        async def tell(answer: Struct) -> None:
            await send(msgspec.json.encode(answer) + b"\n")

        try:
            await feed(tell)
        except UnansweredError as error:
            log.warning("control_feed_cut_off", why=str(error))
            raise CutOffError from error

    return send_all


def _demand(route: Route, role: Role) -> None:
    if role < route.role:
        why = f"this takes the role {route.role.name.lower()}, and you are {role.name.lower()}"
        raise Refused(why, HTTPStatus.FORBIDDEN)


def _decoded(body: bytes, kind: type[Body]) -> Body:
    if CONTROL_ESCAPES.search(body):
        raise Refused("body: a text holds a control character", HTTPStatus.BAD_REQUEST)
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise Refused(_told(error), HTTPStatus.BAD_REQUEST) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"body: {error}", HTTPStatus.BAD_REQUEST) from error


def _told(error: msgspec.ValidationError) -> str:
    """Name the field first, as with parameters: `units: expected int >= 1`."""
    told = str(error).replace("`", "")
    for pattern, expected in EXPECTED.items():
        told = told.replace(f"str matching regex {pattern!r}", expected)
    what, found, where = told.partition(" - at $.")
    return f"{where}: {what[:1].lower()}{what[1:]}" if found else f"body: {what}"
