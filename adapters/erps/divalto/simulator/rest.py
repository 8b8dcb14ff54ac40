"""The simulated REST service: Auth, Execute, RecordSql, web hooks, envelopes, tokens, awkward encodings.

It owns HTTP and JSON; what is asked is carried out by `business`, `records` and `web_hooks`.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import trio

from adapters.erps.divalto.simulator.historic import HISTORIC_ACTION, Historic
from adapters.erps.divalto.simulator.infinity import Infinity
from adapters.erps.divalto.simulator.records import Records, RecordsError
from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.web_hooks import WEB_HOOK_PATH, WebHooks
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
    """The endpoints over one company file."""

    def __init__(  # noqa: PLR0913 - a part for each endpoint
        self,
        account: Account,
        infinity: Infinity,
        historic: Historic,
        records: Records,
        web_hooks: WebHooks,
        switches: Switches,
        spelling: Spelling,
        *,
        secret: bytes,
        now: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._infinity = infinity
        self._historic = historic
        self._records = records
        self.web_hooks = web_hooks
        self._switches = switches
        self._spelling = spelling
        self._secret = secret
        self._now = now
        self._tokens: dict[str, float] = {}
        self.authentications = 0

    def answer(self, request: Request) -> Response:
        """Answer one request as the service would."""
        if WEB_HOOK_PATH in request.path:
            return UNAVAILABLE if self._switches.closed else self.web_hooks.answer(request)
        if request.method != "POST":
            return iis_page(405, "Method Not Allowed")
        try:
            asked = json.loads(request.body)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            return _json({"error": 1, "result": "", "txterr": "JSON incorrect", "infos": ""})
        return self._route(request.path, asked)

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

    @property
    def tokens(self) -> frozenset[str]:
        """The tokens that it gave out and knows."""
        return frozenset(self._tokens)

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
        action, param = str(asked.get("action", "")), str(asked.get("param", ""))
        if action == self._spelling.service:
            result = self._infinity.answer(param)
        elif action == HISTORIC_ACTION:
            result = self._historic.answer_xml(param)
        else:
            status, result = self._historic.answer_hmp(action, param)
            if status:
                return _json({"error": status, "result": "", "txterr": result, "infos": ""})
        return _json({"error": 0, "result": result, "txterr": "", "infos": ""})


def _json(value: Mapping[str, Any]) -> Response:
    return Response(200, json.dumps(value, ensure_ascii=False).encode(), JSON_HEADERS)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
