"""The way into Divalto by a web hook of the site's own: it takes pieces, and tells next to nothing.

It owns the hook's address and its short answer. The code in the address is all that the site asks for, so the
address stands in no error and no log. What became of a piece is looked up.
"""

import re
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any
from urllib.parse import quote

import trio

from actors.errors import MalformedError, OutcomeUnknownError, RefusedError, UnreachableError
from adapters.erps.divalto import wire
from adapters.erps.divalto.gate import Gate
from adapters.erps.divalto.integration import CUSTOMER_BLOCK, columns_of, param_of
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.text import without
from adapters.erps.divalto.transport import Made
from adapters.erps.divalto.turns import Rank
from adapters.erps.divalto.webhook_settings import QUERY_NAMES
from adapters.http.client import Answer, Client
from adapters.settings import Secret

PATH = "/api/v1/WebHook/"
"""Below the REST service's address; Harmony 408 and later."""

_HEADERS = {"Content-Type": "application/json; charset=utf-8"}
_TOLD = re.compile(r"[\s\"']*(\d{1,3})\b[\s;:,|-]*(.*?)[\s\"']*", re.ASCII | re.DOTALL)

_OK = 200
_JUDGED = (400, 413, 422)
"""Statuses under which the hook's program, or the service for it, says no; others say that it was not run."""
_SERVER_ERROR = 500


class WebHook:
    """The web hook of one site.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        gate: the way to the site, which other ways in share.
    """

    def __init__(self, system: str, settings: DivaltoSettings, gate: Gate) -> None:
        self._system = system
        self._settings = settings
        self._hook = settings.webhook
        self._http = Client(
            system,
            settings.url,
            hidden=(self._hook.code.reveal(), self._hook.customer_code.reveal()),
            seconds_max=settings.execute_seconds_max,
        )
        self._gate = gate

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def integrate(self, data: Mapping[str, Any], hidden: Sequence[str]) -> Made:
        """Have the hook take one piece or customer; see `Transport.integrate`."""
        of_customer = CUSTOMER_BLOCK in data
        doing = "web hook of customers" if of_customer else "web hook"
        code = (
            self._hook.customer_code if of_customer and self._hook.customer_code.reveal() else self._hook.code
        )
        query = _filled(self._hook.query, data, self._settings)
        await self._call(doing, code, query, param_of(data, self._settings).encode(), hidden)
        return Made("", None, settled=False)

    async def try_out(self) -> bool:
        """Have the hook do nothing and return True; only see that it is there where no `trial` is given.

        Raises:
            UnreachableError, MalformedError: as everywhere.
        """
        hook = self._hook
        doing = "web hook"
        if not hook.trial:
            self._gate.open_or_raise(doing)
            async with self._gate.turn(Rank.DOCUMENT):
                answer = await self._exchange("GET", "/", doing, {}, None, changes=False)
            if answer.status >= _SERVER_ERROR:
                raise UnreachableError(self._system, doing, f"HTTP {answer.status}")
            return False
        for code in (hook.code, hook.customer_code):
            if code.reveal():
                try:
                    await self._call(doing, code, hook.trial, b"{}", ())
                except (RefusedError, OutcomeUnknownError) as error:
                    raise UnreachableError(self._system, doing, error.why) from error
        return True

    async def _call(
        self, doing: str, code: Secret, query: Mapping[str, str], body: bytes, hidden: Sequence[str]
    ) -> None:
        """Call the hook; return if it has taken what it was called with."""
        self._gate.open_or_raise(doing)
        path = PATH + quote(code.reveal(), safe="")
        async with self._gate.turn(Rank.DOCUMENT):
            answer = await self._exchange("POST", path, doing, query, body, changes=True)
            if answer.status >= _SERVER_ERROR:
                raise OutcomeUnknownError(self._system, doing, f"HTTP {answer.status}")
            if answer.status not in (_OK, *_JUDGED):
                # IIS or the service turned it away before a program saw it; a person or time mends that.
                raise UnreachableError(self._system, doing, f"HTTP {answer.status}: is its code right?")
        self._judge(doing, *self._read(answer, doing), hidden)

    async def _exchange(
        self,
        method: str,
        path: str,
        doing: str,
        query: Mapping[str, str],
        body: bytes | None,
        *,
        changes: bool,
    ) -> Answer:
        with trio.move_on_after(self._settings.execute_seconds_max):
            return await self._http.exchange(
                method, path, params=query, headers=_HEADERS, content=body, changes=changes, doing=doing
            )
        lost = OutcomeUnknownError if changes else UnreachableError
        raise lost(self._system, doing, "no answer in time")

    def _read(self, answer: Answer, doing: str) -> tuple[str, str]:
        """Return the code that a hook answers with, and its text; the HTTP status where it tells no other.

        The public documentation says "400", "200" or "0" and a short message, and not where the code stands.
        """
        text = wire.read_text(answer.body, self._settings.encodings).strip()
        if text.startswith("<"):  # a page: some other program has answered
            raise MalformedError(self._system, doing, "the answer is a page")
        told = _TOLD.fullmatch(text)
        code, why = (told[1], told[2]) if told else (str(answer.status), text)
        if answer.status != _OK and code in self._hook.good:
            code = str(answer.status)
        return code, why

    def _judge(self, doing: str, code: str, told: str, hidden: Sequence[str]) -> None:
        """Raise what a code that is not good means, by the site's own classification."""
        if code in self._hook.good:
            return
        settings = self._settings
        kind = settings.result_kinds.get(code)
        secrets = (self._hook.code.reveal(), self._hook.customer_code.reveal())
        why = without(told, *filter(None, secrets), *hidden)
        busy = any(word in told.lower() for word in settings.locked)
        if busy or kind == "later":
            raise UnreachableError(self._system, doing, why or f"code {code}")
        if kind is None and not why:  # so a hook that is not there answers too: no document is to be refused
            raise UnreachableError(self._system, doing, f"code {code} without a reason: is its code right?")
        raise RefusedError(self._system, doing, why or f"code {code}")


def _filled(query: Mapping[str, str], data: Mapping[str, Any], settings: DivaltoSettings) -> dict[str, str]:
    columns = {"DOS": settings.dos, "ETB": settings.etb, **columns_of(data)}
    values = {name: columns.get(name, "") for name in QUERY_NAMES}
    return {name: Template(template).substitute(values) for name, template in query.items()}
