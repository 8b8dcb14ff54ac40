"""The service action WEB_SERVICE_INFINITY, whichever way it comes in: JSON asks for a business action.

It owns the inner JSON and its documented brokenness; the piece is `business`.
"""

import ast
import json
from collections.abc import Mapping
from typing import Any

from adapters.erps.divalto.simulator.asked import BAD_REQUEST, BusinessError
from adapters.erps.divalto.simulator.business import Business
from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.tables import Header
from adapters.erps.divalto.spelling import Spelling

ACCEPTED = "Intégration terminée |Consultez le livre de bord"


class Infinity:
    """The service action over one company file."""

    def __init__(self, business: Business, switches: Switches, spelling: Spelling, dos: str) -> None:
        self._business = business
        self._switches = switches
        self._spelling = spelling
        self._dos = dos

    def answer(self, param: str) -> str:
        """Carry out what `param` asks for and return the inner JSON, valid or not."""
        script = ""
        try:
            action, data = self._param(param)
            script = str(action.get("swinfinity", ""))
            named = self._act(script, data)
        except BusinessError as error:
            return self._result(script, error.code, error.message, {})
        return self._result(script, self._spelling.good_codes[0], ACCEPTED, named)

    def carry_out(self, param: str) -> None:
        """Carry out what `param` asks for, as a program of the site's own does, or raise BusinessError."""
        action, data = self._param(param)
        self._act(str(action.get("swinfinity", "")), data)

    def _act(self, script: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        if script == self._spelling.integrate:
            return self._named(self._business.integrate(data))
        if script == self._spelling.integrate_customer:
            return {"response": {"TIERS": self._business.make_customer(data)}}
        raise BusinessError(BAD_REQUEST, "Action métier inconnue")

    def _param(self, text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        param = _diva_json(text)
        action, data = param.get("action"), param.get("data")
        if not isinstance(action, dict) or not isinstance(data, dict):
            raise BusinessError(BAD_REQUEST, "Requête non conforme")
        holder = action if self._spelling.parameters_inside else param
        parameters = holder.get("parameters", {})
        if not isinstance(parameters, dict) or str(parameters.get("dos", self._dos)) != self._dos:
            raise BusinessError(BAD_REQUEST, "Dossier inexistant")
        return action, data

    def _named(self, piece: Header) -> dict[str, Any]:
        """Return what the answer tells of the piece, where the spelling says that it stands."""
        if not self._switches.answers_number:
            return {}
        spelling = self._spelling
        named: dict[str, Any] = {}
        for path, value in (
            (spelling.piece_number_path, str(piece.pino)),
            (spelling.piece_prefix_path, piece.prefix.ljust(10)),
            (spelling.piece_stage_path, str(piece.picod)),
            (spelling.piece_amount_path, f"{piece.amount:.2f}".replace(".", self._switches.decimal)),
        ):
            _put(named, path, value)
        return named

    def _result(self, script: str, code: str, message: str, named: Mapping[str, Any]) -> str:
        if self._switches.malformed_result:
            # Broken as the documentation's own sample is: a brace and a quote are missing.
            told = json.dumps({"resultcode": code, "errormessage": message}, ensure_ascii=False)
            head = f'{{"label": "infinity","codeScript": "{script}","result":'
            return f'{head}{{"common":{told},"response":"transactionId": "1354"}}}}'
        result = dict(named)
        _put(result, self._spelling.code_path, code)
        _put(result, self._spelling.message_path, message)
        inner = {"label": "infinity", "codeScript": script, "result": result}
        return json.dumps(inner, ensure_ascii=False)


def _put(result: dict[str, Any], path: str, value: str) -> None:
    """Put a value where its dotted path leads below `result`."""
    *parents, last = path.removeprefix("result.").split(".")
    for parent in parents:
        result = result.setdefault(parent, {})
    result[last] = value


def _diva_json(text: str) -> Mapping[str, Any]:
    """Parse as Diva's parser does, which takes single quotes for double ones."""
    try:
        param = json.loads(text)
    except ValueError:
        try:
            param = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise BusinessError(BAD_REQUEST, "Requête non conforme") from None
    if not isinstance(param, dict):
        raise BusinessError(BAD_REQUEST, "Requête non conforme")
    return param
