"""The way into Divalto by a site's own service actions, over REST or SOAP.

It owns how a question is put to an action and how its answer becomes rows. What cannot be selected by such an
action is selected here: `ENTETES` lists a customer's pieces, of which one reference is wanted.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from string import Template
from typing import Any, NamedTuple, Protocol

from actors.errors import MalformedError, RefusedError, UnreachableError
from adapters.erps.divalto import forms, wire
from adapters.erps.divalto.asking import TOLD_WELL, Asker
from adapters.erps.divalto.hours import at_site
from adapters.erps.divalto.integration import Integrator
from adapters.erps.divalto.pieces import CUSTOMER
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.questions import Question
from adapters.erps.divalto.text import without
from adapters.erps.divalto.transport import Made, Query, Row
from adapters.erps.divalto.understanding import understood
from adapters.erps.divalto.wire import WireError

ALWAYS_TOLD = ("PINOTIERS", "PIREF", "USERMODH")
"""A piece's reference, which it is recognised by, and the instant that others are asked for from."""


class ClosableAsker(Asker, Protocol):
    """An asker with connections."""

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class ActionTransport:
    """One site by its service actions.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        asker: what carries actions to the site; closed by whoever made it.
        now: what time it is; pieces are listed from a while ago until tomorrow.
    """

    def __init__(
        self, system: str, settings: DivaltoSettings, asker: ClosableAsker, now: Callable[[], datetime]
    ) -> None:
        self._system = system
        self._settings = settings
        self._asker = asker
        self._now = now
        self._integrator = Integrator(system, settings, asker)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._asker.aclose()

    async def integrate(self, data: Mapping[str, Any], hidden: Sequence[str]) -> Made:
        """Integrate one piece; see `Transport.integrate`."""
        return await self._integrator.integrate(data, hidden)

    async def rows(self, query: Query) -> Sequence[Row]:
        """Return the rows of an action's answer; see `Transport.rows`."""
        question: Question = getattr(
            self._settings.actions, "pieces" if query.table == "notes" else query.table
        )
        if not question.action:
            raise UnreachableError(self._system, query.table, "the profile names no action that tells it")
        others = query.table == "pieces" and query.key["TICOD"] != CUSTOMER
        if others and "TICOD" not in Template(question.ask).get_identifiers():
            why = "it lists customers' pieces alone: its template has no ${TICOD}"
            raise MalformedError(self._system, question.action, why)
        found: list[Row] = []
        for stage in question.stages or ("",):
            asked = {**query.key, "PICOD": stage} if stage else query.key
            found += await self._ask(query, question, asked)
        return found

    async def _ask(self, query: Query, question: Question, key: Mapping[str, str]) -> list[Row]:
        try:
            param = forms.ask(question, {**self._surroundings(), **key})
        except WireError as error:
            raise MalformedError(self._system, question.action, str(error)) from error
        try:
            told = await self._asker.ask(question.action, param, changes=False, rank=query.rank)
        except RefusedError as error:  # a read is not refused: that would pass for a no to the document
            raise UnreachableError(self._system, question.action, error.why) from error
        if told.status != TOLD_WELL:
            return self._nothing(question, told.status, told.text)
        try:
            answer = await understood(partial(_read, query=query, question=question, key=key), told.text)
        except WireError as error:
            raise MalformedError(self._system, question.action, str(error)) from error
        return self._nothing(question, *answer) if isinstance(answer, _Not) else answer

    def _nothing(self, question: Question, status: str, why: str) -> list[Row]:
        """Return no rows if the status says that there are none, else say why it could not be answered."""
        if status in question.nothing:
            return []
        settings = self._settings
        told = without(why, settings.password.reveal(), settings.user)
        raise UnreachableError(self._system, question.action, told or f"status {status}")

    def _surroundings(self) -> dict[str, str]:
        today = at_site(self._now(), self._settings).date()
        return {
            "DOS": self._settings.dos,
            "ETB": self._settings.etb,
            "FROM": wire.date_text(today - timedelta(days=self._settings.look_back_days)),
            "TO": wire.date_text(today + timedelta(days=1)),
        }


class _Not(NamedTuple):
    """An answer that is not well: its code, and what it says of it."""

    code: str
    message: str


def _read(text: str, query: Query, question: Question, key: Mapping[str, str]) -> list[Row] | _Not:
    """Return the rows in an answer's text; WireError where it makes no sense."""
    content = forms.read(text, question.answer)
    code, message = content.at(question.code), content.at(question.message)
    if (question.code and code not in question.good) or (not question.code and message):
        return _Not(code, message)
    granted = _granted(question, key)
    return [_named(row, query, granted, question.columns) for row in content.rows(question.rows)]


def _granted(question: Question, key: Mapping[str, str]) -> Mapping[str, str]:
    """Return the columns that a row need not tell, since the action was asked for those that have them.

    A list of customers' pieces has no TICOD to ask for. What a piece is recognised by is never taken for
    granted: one order's pieces would be those of all.
    """
    asked = {"TICOD", *Template(question.ask).get_identifiers()}
    return {name: value for name, value in key.items() if name in asked and name not in ALWAYS_TOLD}


def _named(row: Row, query: Query, granted: Mapping[str, str], names: Mapping[str, str]) -> Row:
    """Return the row under our names."""
    told: dict[str, str] = {}
    for column in query.columns:
        theirs = names.get(column, column)
        if theirs.startswith("="):
            told[column] = theirs[1:]
        elif theirs in row:
            told[column] = row[theirs]
        elif column in granted:
            told[column] = granted[column]
    return told
