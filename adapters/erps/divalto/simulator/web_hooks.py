"""The simulated site's own web hooks: a program behind a code takes pieces, and answers next to nothing.

It owns the codes and the short answers; a piece is integrated by `infinity`. Where the code stands in an
answer is made up, as the public documentation does not show it.
"""

import json
from collections.abc import Mapping
from typing import Any

from adapters.erps.divalto.simulator.asked import BusinessError
from adapters.erps.divalto.simulator.infinity import Infinity
from adapters.erps.divalto.simulator.switches import Switches
from adapters.http.server import Request, Response

WEB_HOOK_PATH = "/api/v1/WebHook/"
TRIAL = "essai"
"""A query with this name is answered and nothing is done."""


class WebHooks:
    """The web hooks of one company file.

    Attributes:
        codes: the codes under which there is a hook, the only secret of each.
        taken: what came in under them, the query's values among the body's.
    """

    def __init__(self, infinity: Infinity, switches: Switches) -> None:
        self._infinity = infinity
        self._switches = switches
        self._waiting: list[str] = []
        self.codes: set[str] = set()
        self.taken: list[Mapping[str, Any]] = []

    def answer(self, request: Request) -> Response:
        """Answer one request; what is no business action is taken and looked at by nobody."""
        if request.path.rpartition("/")[2] not in self.codes:
            return Response(400, b"400")
        try:
            body = json.loads(request.body or b"{}")
        except ValueError:
            return Response(400, b"400")
        query = dict(request.query)
        if TRIAL not in query:
            self.taken.append({**query, **(body if isinstance(body, dict) else {})})
            if isinstance(body, dict) and "action" in body:
                return self._act(request.body.decode())
        return Response(200, self._switches.web_hook_good.encode())

    def run(self) -> None:
        """Run the programs that lag behind; what they refuse is told to nobody."""
        while self._waiting:
            try:
                self._infinity.carry_out(self._waiting.pop(0))
            except BusinessError:
                continue

    def _act(self, param: str) -> Response:
        if self._switches.web_hook_lags:
            self._waiting.append(param)
            return Response(200, self._switches.web_hook_good.encode())
        try:
            self._infinity.carry_out(param)
        except BusinessError as error:
            status = 400 if self._switches.web_hook_refuses == "status" else 200
            return Response(status, f"400 {error.message}".encode(self._switches.sent))
        return Response(200, self._switches.web_hook_good.encode())
