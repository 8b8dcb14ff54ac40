"""The simulated REST service: Auth, Execute, RecordSql, their envelopes, tokens and awkward encodings.

It owns HTTP and JSON; what is asked is carried out by `business` and `records`.
"""

import ast
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import trio

from adapters.erps.divalto.simulator.asked import BAD_REQUEST, BusinessError
from adapters.erps.divalto.simulator.business import Business
from adapters.erps.divalto.simulator.records import Records, RecordsError
from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.tables import Header
from adapters.erps.divalto.spelling import Spelling
from adapters.http.server import Request, Response

BASE_PATH = "/DhsDivaltoServiceDivaApiRest"
AUTH_PATH = "/api/v1/Authent/Auth"
EXECUTE_PATH = "/api/v1/WebService/Execute"
RECORDS_PATH = "/api/v1/RecordSql/Execute"

JSON_HEADERS = (("Content-Type", "application/json; charset=utf-8"),)
OLE_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - an OLE automation date knows no zone


def iis_page(status: int, title: str) -> Response:
    """Return what IIS itself says where the service does not answer."""
    page = (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">\r\n<html><head><title>'
        f"{status} - {title}</title></head>\r\n<body><h1>{title}</h1></body></html>\r\n"
    )
    return Response(
        status, page.encode("latin-1"), (("Content-Type", "text/html"), ("Server", "Microsoft-IIS/10.0"))
    )


UNAVAILABLE = iis_page(503, "Service Unavailable")


@dataclass(frozen=True, slots=True)
class Account:
    """The service account that the simulated site knows."""

    user: str
    password: str
    domain: str
    env: str


class _ExpiredError(Exception):
    """The token is unknown or too old."""


class Rest:
    """The three endpoints over one company file."""

    def __init__(
        self,
        account: Account,
        business: Business,
        records: Records,
        switches: Switches,
        spelling: Spelling,
        *,
        dos: str,
        secret: bytes,
        now: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._business = business
        self._records = records
        self._switches = switches
        self._spelling = spelling
        self._dos = dos
        self._secret = secret
        self._now = now
        self._tokens: dict[str, float] = {}
        self._processes = trio.CapacityLimiter(switches.processes)
        self._warm = False
        self.authentications = 0

    async def answer(self, request: Request) -> Response:
        """Answer one request as the service would, in a process of its own as long as there is one."""
        self._processes.total_tokens = self._switches.processes
        async with self._processes:
            await self._start_process()
            if request.method != "POST":
                return iis_page(405, "Method Not Allowed")
            try:
                asked = json.loads(request.body)
            except ValueError:
                return _json({"error": 1, "result": "", "txterr": "JSON incorrect", "infos": ""})
            if not isinstance(asked, dict):
                return _json({"error": 1, "result": "", "txterr": "JSON incorrect", "infos": ""})
            return self._route(request.path, asked)

    async def _start_process(self) -> None:
        seconds = self._switches.warm_seconds if self._warm else self._switches.cold_seconds
        self._warm = True
        if seconds > 0:
            await trio.sleep(seconds)
        else:
            await trio.lowlevel.checkpoint()

    def _route(self, path: str, asked: Mapping[str, Any]) -> Response:
        if path.endswith(AUTH_PATH):
            return self._authenticate(asked)
        try:
            if path.endswith(EXECUTE_PATH):
                self._check_token(asked)
                return UNAVAILABLE if self._switches.closed else self._execute(asked)
            if path.endswith(RECORDS_PATH):
                self._check_token(asked)
                return self._select(asked)
        except _ExpiredError:
            if self._switches.expired_token == "401":  # noqa: S105 - a status, no secret
                return Response(401, b"", (("WWW-Authenticate", "Bearer"),))
            return _json({"error": 9, "result": "", "txterr": "Token expired", "infos": ""})
        return iis_page(404, "Not Found")

    # --- Auth ---

    def _authenticate(self, asked: Mapping[str, Any]) -> Response:
        self.authentications += 1
        account = self._account
        given = [asked.get(name, "") for name in ("user", "password", "domain", "env")]
        if given != [account.user, account.password, account.domain, account.env]:
            why = "Utilisateur ou mot de passe incorrect"
            return _json({"error": 1, "access_token": "", "txterr": why, "infos": ""})
        token = self._token()
        self._tokens[token] = trio.current_time() + self._switches.token_seconds
        return _json({"error": 0, "access_token": token, "txterr": "", "infos": ""})

    def _token(self) -> str:
        """Return a JWT as the documentation shows it: the password in clear, an OLE date for its end."""
        account = self._account
        until = self._now().replace(tzinfo=None) + timedelta(seconds=self._switches.token_seconds)
        claims = {
            "ident": "DivaltoApiRest",
            "user": account.user,
            "password": account.password,
            "env": account.env,
            "domain": account.domain,
            "exp": f"{(until - OLE_EPOCH) / timedelta(days=1):.10f}",
            "jti": str(self.authentications),
        }
        head = {"alg": "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", "typ": "JWT"}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
        return f"{signed}.{_base64(hmac.digest(self._secret, signed.encode(), hashlib.sha256))}"

    def _check_token(self, asked: Mapping[str, Any]) -> None:
        token = str(asked.get("access_token", ""))
        if self._tokens.get(token, 0.0) <= trio.current_time():
            raise _ExpiredError

    def expire_tokens(self) -> None:
        """Make every token that was ever given out too old."""
        self._tokens.clear()

    # --- RecordSql ---

    def _select(self, asked: Mapping[str, Any]) -> Response:
        try:
            rows = self._records.select(asked)
        except (RecordsError, ValueError) as error:
            return _json(
                {"error": 2, "txterr": str(error), "tablename": "", "nbrecord": 0, "records": [], "infos": ""}
            )
        records = [{"record": {"TABLE_ID": str(number), **row}} for number, row in enumerate(rows, start=1)]
        return _json(
            {
                "error": 0,
                "txterr": "",
                "tablename": asked.get("recordsql", ""),
                "nbrecord": len(records),
                "records": records,
                "infos": "",
            }
        )

    # --- Execute ---

    def _execute(self, asked: Mapping[str, Any]) -> Response:
        if asked.get("action") != self._spelling.service:
            return _json({"error": 3, "result": "", "txterr": "Action inconnue", "infos": ""})
        script = ""
        try:
            action, data = self._param(str(asked.get("param", "")))
            script = str(action.get("swinfinity", ""))
            piece = self._act(script, data)
        except BusinessError as error:
            return self._result(script, error.code, error.message, {})
        return self._result(
            script, "0", "Intégration terminée |Consultez le livre de bord", self._named(piece)
        )

    def _act(self, script: str, data: Mapping[str, Any]) -> Header:
        if script != self._spelling.integrate:
            raise BusinessError(BAD_REQUEST, "Action métier inconnue")
        return self._business.integrate(data)

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
            (spelling.piece_amount_path, f"{piece.amount:.2f}"),
        ):
            *parents, last = path.removeprefix("result.").split(".")
            place = named
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        return named

    def _result(self, script: str, code: str, message: str, named: Mapping[str, Any]) -> Response:
        if self._switches.malformed_result:
            # Broken as the documentation's own sample is: a brace and a quote are missing.
            told = json.dumps({"resultcode": code, "errormessage": message}, ensure_ascii=False)
            head = f'{{"label": "infinity","codeScript": "{script}","result":'
            text = f'{head}{{"common":{told},"response":"transactionId": "1354"}}}}'
        else:
            common = {"resultcode": code, "errormessage": message}
            inner = {"label": "infinity", "codeScript": script, "result": {"common": common, **named}}
            text = json.dumps(inner, ensure_ascii=False)
        return _json({"error": 0, "result": text, "txterr": "", "infos": ""})


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


def _json(value: Mapping[str, Any]) -> Response:
    return Response(200, json.dumps(value, ensure_ascii=False).encode(), JSON_HEADERS)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
