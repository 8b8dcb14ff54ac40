"""Faults that a partner's simulator can be told to have: by chance, by plan, or all at once (an outage).

It owns when a request goes wrong and how the wire shows it; it knows no partner. A simulator hands every
request to `Faults.apply` with the handler that would answer it well.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from adapters.http.server import Drop, Handler, Request, Response

HTML_PAGE = b"<!DOCTYPE html>\n<html><body><h1>Something went wrong</h1></body></html>\n"
"""What a proxy or a front page sends where JSON or XML was asked for."""

HTML_HEADERS = (("Content-Type", "text/html; charset=utf-8"),)

Matches = Callable[[Request], bool]
Change = Callable[[Response], Response | Drop]


def any_request(_request: Request) -> bool:
    """Match every request."""
    return True


def any_change(request: Request) -> bool:
    """Match every request that may change something."""
    return request.method not in ("GET", "HEAD")


def cut(answer: Response, bytes_sent: int) -> Drop:
    """Return the beginning of `answer`: the connection breaks before its announced length is reached."""
    lines = [f"HTTP/1.1 {answer.status} Cut", *(f"{name}: {value}" for name, value in answer.headers)]
    head = "\r\n".join([*lines, f"Content-Length: {len(answer.body)}", "", ""])
    return Drop(head.encode("latin-1") + answer.body[:bytes_sent])


@dataclass(slots=True)
class _Planned:
    """One deterministic fault: it strikes the next `count` requests that match."""

    matches: Matches
    count: int
    strike: Callable[[Request, Handler], Awaitable[Response | Drop]]


class Faults:
    """A plan of faults. Rates are chances per request in 0..1, drawn from `rng` in the order of arrival.

    Args:
        rng: the only source of chance; the same seed and order of requests give the same faults.
        lose_answer: carry the request out, then close the connection without an answer.
        refuse: close the connection without having carried anything out.
        html: answer 200 with a page of HTML, without having carried anything out.
        server_error: answer `outage_answer` without having carried anything out.
        seconds_max: each request waits a random time up to this before it is carried out.

    Attributes:
        outage: while it is true nothing is carried out and every request gets `outage_answer`.
        outage_answer: 502 with HTML (a dead PHP) unless told otherwise; a `Drop` is a dead machine.
        struck: how many requests each kind of fault has struck, by its name.
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        lose_answer: float = 0.0,
        refuse: float = 0.0,
        html: float = 0.0,
        server_error: float = 0.0,
        seconds_max: float = 0.0,
    ) -> None:
        self._rng = rng
        self.lose_answer = lose_answer
        self.refuse = refuse
        self.html = html
        self.server_error = server_error
        self.seconds_max = seconds_max
        self.outage = False
        self.outage_answer: Response | Drop = Response(502, HTML_PAGE, HTML_HEADERS)
        self.struck: dict[str, int] = {}
        self._plan: list[_Planned] = []

    def lose_next(self, matches: Matches = any_change, count: int = 1) -> None:
        """Carry out the next `count` requests that match, and lose their answers."""

        async def strike(request: Request, handler: Handler) -> Response | Drop:
            await handler(request)
            return self._note("lose_answer", Drop())

        self._plan.append(_Planned(matches, count, strike))

    def answer_next(self, answer: Response | Drop, matches: Matches = any_request, count: int = 1) -> None:
        """Give the next `count` requests that match this answer (or `Drop`), without carrying them out."""

        async def strike(_request: Request, _handler: Handler) -> Response | Drop:
            await trio.lowlevel.checkpoint()
            return self._note("answer", answer)

        self._plan.append(_Planned(matches, count, strike))

    def change_next(self, change: Change, matches: Matches = any_request, count: int = 1) -> None:
        """Carry out the next `count` requests that match and pass their answers through `change`.

        With `lambda answer: cut(answer, 100)` a page breaks; with another body a field is malformed.
        """

        async def strike(request: Request, handler: Handler) -> Response | Drop:
            answer = await handler(request)
            return self._note("change", answer if isinstance(answer, Drop) else change(answer))

        self._plan.append(_Planned(matches, count, strike))

    def delay_next(self, seconds: float, matches: Matches = any_change, count: int = 1) -> None:
        """Carry out the next `count` requests that match so much later, whether or not one still waits."""

        async def strike(request: Request, handler: Handler) -> Response | Drop:
            await trio.sleep(seconds)
            return self._note("delay", await handler(request))

        self._plan.append(_Planned(matches, count, strike))

    async def apply(self, request: Request, handler: Handler) -> Response | Drop:
        """Answer `request` through `handler`, or wrongly: outages first, then the plan, then chance."""
        # Every request draws as often, so that one more outage does not shift all later faults.
        lost, refused, html, failed, waited = (self._rng.random() for _ in range(5))
        if waited * self.seconds_max > 0:
            await trio.sleep(waited * self.seconds_max)
        if self.outage:
            return self._note("outage", self.outage_answer)
        for planned in self._plan:
            if planned.matches(request):
                planned.count -= 1
                if planned.count <= 0:
                    self._plan.remove(planned)
                return await planned.strike(request, handler)
        if refused < self.refuse:
            return self._note("refuse", Drop())
        if html < self.html:
            return self._note("html", Response(200, HTML_PAGE, HTML_HEADERS))
        if failed < self.server_error:
            return self._note("server_error", self.outage_answer)
        answer = await handler(request)
        return self._note("lose_answer", Drop()) if lost < self.lose_answer else answer

    def wrap(self, handler: Handler) -> Handler:
        """Return `handler` with these faults in front of it, to be given to `adapters.http.server.serve`."""

        async def faulty(request: Request) -> Response | Drop:
            return await self.apply(request, handler)

        return faulty

    def _note(self, kind: str, answer: Response | Drop) -> Response | Drop:
        self.struck[kind] = self.struck.get(kind, 0) + 1
        return answer
