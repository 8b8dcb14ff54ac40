"""Writes through a service action: it owns how blocks become its parameters and what its answer says.

Either the whole of a business action as JSON, as `integration_piece` is documented, or a site's own action
by templates.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from actors.errors import MalformedError, RefusedError, UnreachableError
from adapters.erps.divalto import forms, wire
from adapters.erps.divalto.asking import TOLD_WELL, Asker, Told
from adapters.erps.divalto.pieces import amount_of, name_of
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.questions import Question
from adapters.erps.divalto.text import without
from adapters.erps.divalto.transport import Made
from adapters.erps.divalto.turns import Rank
from adapters.erps.divalto.wire import WireError

CUSTOMER_BLOCK = "icli"


class Integrator:
    """Integrates pieces and customers of one site.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        asker: what carries service actions to the site.
    """

    def __init__(self, system: str, settings: DivaltoSettings, asker: Asker) -> None:
        self._system = system
        self._settings = settings
        self._asker = asker

    async def integrate(self, data: Mapping[str, Any], hidden: Sequence[str]) -> Made:
        """Integrate one piece or customer; see `Transport.integrate`."""
        question = question_of(data, self._settings)
        told = await (self._by_template if question.ask else self._as_a_whole)(question, data, hidden)
        if CUSTOMER_BLOCK in data:
            return Made(str(data[CUSTOMER_BLOCK]["TIERS"]), None)
        number, prefix, stage, amount = told
        if not number or not stage:
            return Made("", None)
        name = name_of(str(data["ient"]["TICOD"]), stage, prefix, number)
        return Made(name, amount_of(amount))

    # --- integration_piece, whole ---

    async def _as_a_whole(
        self, question: Question, data: Mapping[str, Any], hidden: Sequence[str]
    ) -> tuple[str, str, str, str]:
        spelling = self._settings.spelling
        action = spelling.integrate_customer if CUSTOMER_BLOCK in data else spelling.integrate
        told = await self._told(question.action or spelling.service, param_of(data, self._settings), hidden)
        try:
            result = wire.read_result(told.text, spelling.code_path, spelling.message_path)
        except WireError as error:
            raise MalformedError(self._system, action, str(error)) from error
        if result.code not in spelling.good_codes:
            self._refuse(action, result.code, result.message, hidden)
        return (
            result.at(spelling.piece_number_path).strip(),
            result.at(spelling.piece_prefix_path),
            result.at(spelling.piece_stage_path).strip(),
            result.at(spelling.piece_amount_path),
        )

    # --- a site's own action ---

    async def _by_template(
        self, question: Question, data: Mapping[str, Any], hidden: Sequence[str]
    ) -> tuple[str, str, str, str]:
        action = question.action or self._settings.spelling.service
        told = await self._told(action, param_of(data, self._settings), hidden)
        try:
            content = forms.read(told.text, question.answer)
        except WireError as error:
            raise MalformedError(self._system, action, str(error)) from error
        code, message = content.at(question.code), content.at(question.message)
        if (question.code and code not in question.good) or (not question.code and message):
            if question.code and not code:
                raise MalformedError(self._system, action, "the answer holds no result code")
            self._refuse(action, code, message, hidden)
        return (
            content.at(question.number),
            content.at(question.prefix),
            content.at(question.stage) or str(data.get("ient", {}).get("PICOD", "")),
            content.at(question.amount),
        )

    # --- both ---

    async def _told(self, action: str, param: str, hidden: Sequence[str]) -> Told:
        told = await self._asker.ask(action, param, changes=True, rank=Rank.DOCUMENT)
        if told.status != TOLD_WELL:
            self._refuse(action, told.status, told.text, hidden)
        return told

    def _refuse(self, action: str, code: str, message: str, hidden: Sequence[str]) -> NoReturn:
        """Raise what a result that is not well means, by the site's own classification."""
        settings = self._settings
        secrets = (settings.password.reveal(), settings.user)
        why = without(message, *secrets, *hidden) or f"result code {code}"
        busy = any(word in message.lower() for word in settings.locked)
        if busy or settings.result_kinds.get(code) == "later":
            raise UnreachableError(self._system, action, why)  # open in somebody's screen: free in a while
        raise RefusedError(self._system, action, why)


def question_of(data: Mapping[str, Any], settings: DivaltoSettings) -> Question:
    """Return how the site is asked to integrate a piece, or a customer."""
    return settings.actions.customer if CUSTOMER_BLOCK in data else settings.actions.write


def param_of(data: Mapping[str, Any], settings: DivaltoSettings) -> str:
    """Return blocks as the site takes them: by its own template, else a whole business action as JSON."""
    question, spelling = question_of(data, settings), settings.spelling
    if not question.ask:
        action = spelling.integrate_customer if CUSTOMER_BLOCK in data else spelling.integrate
        parameters = {"dos": settings.dos, "etb": settings.etb}
        return wire.business_param(action, parameters, data, inside=spelling.parameters_inside)
    values = {"DOS": settings.dos, "ETB": settings.etb, **columns_of(data)}
    addresses = unnested(data, "ieadtb", "iead")
    return forms.fill(question, values, unnested(data, "imouvtb", "imouv"), addresses[0] if addresses else {})


def unnested(data: Mapping[str, Any], table: str, block: str) -> list[Mapping[str, str]]:
    """Return the rows of a table, whether each stands under its block's name or not."""
    return [row.get(block, row) for row in data.get(table, ())]


def columns_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns of the whole piece, or of the customer, by name."""
    values: dict[str, str] = {}
    for block in ("icli", "ipar", "ient"):
        values |= data.get(block, {})
    return values
