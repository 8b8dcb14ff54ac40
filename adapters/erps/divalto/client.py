"""Speaks to Divalto's REST service: it owns tokens, time-outs and the four errors of each endpoint.

It knows no document: what is asked for and what an answer means is for its callers.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import trio
from msgspec.structs import replace

from actors.errors import MalformedError, OutcomeUnknownError, RefusedError, UnreachableError
from adapters.erps.divalto import wire
from adapters.erps.divalto.asking import TOLD_WELL, Told
from adapters.erps.divalto.credentials import TokenSource
from adapters.erps.divalto.gate import Gate
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.text import without
from adapters.erps.divalto.turns import Rank
from adapters.erps.divalto.understanding import understood
from adapters.http.client import Answer, Client
from adapters.settings import Secret

_JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}

PAGE_RESTARTS_MAX = 3
"""A read whose rows shift under it begins anew this often before the caller is told to come back later."""


class DivaltoClient:
    """One service account of one site.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        gate: the way to the site, which other ways in share.
    """

    def __init__(self, system: str, settings: DivaltoSettings, gate: Gate) -> None:
        self._system = system
        self._settings = settings
        self._http = Client(
            system,
            settings.url,
            hidden=(settings.password.reveal(),),
            seconds_max=settings.execute_seconds_max,
        )
        self._gate = gate
        self._tokens = TokenSource(self._authenticate, settings.token_seconds)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, action: str, param: str, *, changes: bool, rank: Rank) -> Told:
        """Have a service action carried out and return what it told, whatever that means.

        Raises:
            UnreachableError: nothing was done.
            OutcomeUnknownError: it may have been done.
            RefusedError: the service will not take the request.
            MalformedError: the answer makes no sense; where `changes`, it may have been done.
        """
        envelope = await self._call(
            wire.EXECUTE_PATH,
            lambda token: wire.execute_request(action, token, param),
            doing=action,
            changes=changes,
            rank=rank,
            tells=not changes,
        )
        return Told(envelope.error, envelope.result if envelope.error == TOLD_WELL else envelope.why)

    async def records(
        self, query: wire.RecordQuery, rank: Rank = Rank.DOCUMENT
    ) -> Sequence[Mapping[str, str]]:
        """Return one page of a RecordSql.

        Raises:
            UnreachableError, MalformedError: as `act`; a read is not refused and leaves no outcome unknown.
        """
        doing = f"RecordSql {query.recordsql}.{query.where}"
        try:
            wire.records_request(query, "")
        except ValueError as error:
            raise MalformedError(self._system, doing, str(error)) from error
        envelope = await self._call(
            wire.RECORDS_PATH,
            lambda token: wire.records_request(query, token),
            doing=doing,
            changes=False,
            rank=rank,
        )
        if envelope.records is None:  # it would pass for "not there", and what is there for to be written
            raise MalformedError(self._system, doing, "the answer holds no records")
        return envelope.records

    async def all_records(
        self, query: wire.RecordQuery, key: Sequence[str], rank: Rank, *, whole_below: int = 0
    ) -> Sequence[Mapping[str, str]]:
        """Return every row of a RecordSql ordered by its unique `key`, page after page.

        Each page begins with the last row of the page before: if that row is another one by now, rows were
        added or removed meanwhile and the read begins anew. It ends with a page that brings nothing new, not
        with a short one: a site may cap pages below what is asked for. Nobody caps them at fewer rows than
        `whole_below`.
        """
        for _ in range(PAGE_RESTARTS_MAX):
            rows = await self._read_pages(query, key, rank, whole_below)
            if rows is not None:
                return rows
        raise UnreachableError(
            self._system, f"RecordSql {query.recordsql}", "its rows shift while they are read"
        )

    async def _read_pages(
        self, query: wire.RecordQuery, key: Sequence[str], rank: Rank, whole_below: int
    ) -> list[Mapping[str, str]] | None:
        rows: list[Mapping[str, str]] = []
        while True:
            page = await self.records(
                wire.RecordQuery(
                    dhoq=query.dhoq,
                    recordsql=query.recordsql,
                    fields=query.fields,
                    where=query.where,
                    where_parameters=query.where_parameters,
                    orderby=";".join(key),
                    offset=max(0, len(rows) - 1),
                    count=self._settings.page_rows,
                ),
                rank,
            )
            is_last = len(page) < min(whole_below, self._settings.page_rows)
            if rows:
                if not page or any(page[0].get(name) != rows[-1].get(name) for name in key):
                    return None
                page = page[1:]
            rows.extend(page)
            if is_last or not page:
                return rows

    async def _call(
        self,
        path: str,
        build: Callable[[str], bytes],
        *,
        doing: str,
        changes: bool,
        rank: Rank,
        tells: bool = False,
    ) -> wire.Envelope:
        """Send one request under a good token; a second time when Divalto says that it no longer is one.

        That second time is safe for a write too: a request that is turned away for its token has done
        nothing. Where `tells`, an error that the profile does not name is the caller's to judge.
        """
        self._gate.open_or_raise(doing)
        token = await self._tokens.token()
        async with self._gate.turn(rank):
            envelope = await self._try(path, build, token, doing=doing, changes=changes, tells=tells)
        if envelope is None:
            token = await self._tokens.token(instead_of=token)
            async with self._gate.turn(rank):
                envelope = await self._try(path, build, token, doing=doing, changes=changes, tells=tells)
        if envelope is None:
            raise UnreachableError(self._system, doing, "a new token was refused too")
        return envelope

    async def _try(
        self,
        path: str,
        build: Callable[[str], bytes],
        token: Secret,
        *,
        doing: str,
        changes: bool,
        tells: bool,
    ) -> wire.Envelope | None:
        """Return the answer, or None when the token was refused."""
        answer = await self._post(path, build(token.reveal()), doing=doing, changes=changes)
        if answer.status == _UNAUTHORIZED:
            return None
        envelope = await self._envelope(answer, doing=doing, changes=changes)
        if envelope.error == "0":
            return envelope
        kind = self._settings.error_kinds.get(envelope.error)
        if kind == "token" or (kind is None and self._speaks_of_token(envelope.why)):
            return None
        told = without(envelope.why, *self._secrets(), token.reveal())
        if tells and kind is None:
            return replace(envelope, why=told)
        why = f"error {envelope.error}: {told}"
        if kind == "refused" and changes:
            raise RefusedError(self._system, doing, why)
        raise self._unsettled(changes=changes)(self._system, doing, why)

    async def _envelope(self, answer: Answer, *, doing: str, changes: bool) -> wire.Envelope:
        """Return the parsed answer. No error quotes its body: an error page of IIS may repeat the request."""
        if answer.status >= _SERVER_ERROR:
            raise self._unsettled(changes=changes)(self._system, doing, f"HTTP {answer.status}")
        if answer.status in _REFUSED and changes:
            raise RefusedError(self._system, doing, f"HTTP {answer.status}")
        if answer.status != _OK:
            # 403, 404, 408, 429: IIS turned it away before the service saw it; a person or time mends that. A
            # read is never refused either: that would pass for a "no" to the document that is looked for.
            raise UnreachableError(self._system, doing, f"HTTP {answer.status}")
        try:
            return await understood(
                partial(wire.read_envelope, encodings=self._settings.encodings), answer.body
            )
        except wire.WireError as error:
            raise MalformedError(self._system, doing, str(error)) from error

    async def _post(self, path: str, body: bytes, *, doing: str, changes: bool) -> Answer:
        with trio.move_on_after(self._settings.execute_seconds_max):
            return await self._http.exchange(
                "POST", path, headers=_JSON_HEADERS, content=body, changes=changes
            )
        raise self._unsettled(changes=changes)(self._system, doing, "no answer in time")

    async def _authenticate(self) -> Secret:
        settings = self._settings
        doing = "Auth"
        body = wire.auth_request(
            domain=settings.domain, user=settings.user, password=settings.password.reveal(), env=settings.env
        )
        answer: Answer | None = None
        with trio.move_on_after(settings.auth_seconds_max):
            answer = await self._http.exchange(
                "POST", wire.AUTH_PATH, headers=_JSON_HEADERS, content=body, changes=False, tells=False
            )
        if answer is None:
            raise UnreachableError(self._system, doing, "no answer in time")
        if answer.status in (_UNAUTHORIZED, *_REFUSED):
            raise UnreachableError(self._system, doing, f"HTTP {answer.status}")
        try:
            envelope = await self._envelope(answer, doing=doing, changes=False)
        except MalformedError as error:
            # A page of IIS in place of a token is no fault of the document that waits.
            raise UnreachableError(self._system, doing, error.why) from error
        if envelope.error != "0" or not envelope.token:
            # A wrong password says nothing about the document that waits: it has to wait until a person mends
            # it.
            why = without(envelope.why, *self._secrets()) or "no token in the answer"
            raise UnreachableError(self._system, doing, why)
        token = Secret(envelope.token)
        self._http.hide(token)
        return token

    def _speaks_of_token(self, why: str) -> bool:
        words = "".join(letter if letter.isalpha() else " " for letter in why.lower()).split()
        return any(word.startswith(sign) for word in words for sign in self._settings.token_errors)

    def _unsettled(self, *, changes: bool) -> type[OutcomeUnknownError] | type[UnreachableError]:
        return OutcomeUnknownError if changes else UnreachableError

    def _secrets(self) -> tuple[str, str]:
        return self._settings.password.reveal(), self._settings.user


_OK = 200
_UNAUTHORIZED = 401
_REFUSED = (400, 413, 422)
_SERVER_ERROR = 500
