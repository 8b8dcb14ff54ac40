"""Speaks to WebServiceDiva over SOAP: it owns its time-outs and the four errors.

The service knows no account, so there is no token; everything else of a site's manners is the `Gate`'s.
"""

from functools import partial

import trio

from actors.errors import MalformedError, OutcomeUnknownError, UnreachableError
from adapters.erps.divalto import envelope
from adapters.erps.divalto.asking import Told
from adapters.erps.divalto.gate import Gate
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.turns import Rank
from adapters.erps.divalto.understanding import understood
from adapters.erps.divalto.wire import WireError
from adapters.http.client import Answer, Client

_OK = 200
_SERVER_ERROR = 500


class SoapClient:
    """WebServiceDiva of one site.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        gate: the way to the site, which other ways in share.
    """

    def __init__(self, system: str, settings: DivaltoSettings, gate: Gate) -> None:
        self._system = system
        self._settings = settings
        self._soap = settings.soap
        base, self._path = _parted(self._soap.url)
        self._http = Client(system, base, seconds_max=settings.execute_seconds_max)
        self._gate = gate

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, action: str, param: str, *, changes: bool, rank: Rank) -> Told:
        """Have a service action carried out; see `Asker.ask`."""
        encoding = self._soap.encoding
        headers = {
            "Content-Type": f"text/xml; charset={encoding}",
            "SOAPAction": f'"{self._soap.soap_action}"',
        }
        lost = OutcomeUnknownError if changes else UnreachableError
        body = envelope.request(action, param, encoding)
        self._gate.open_or_raise(action)
        async with self._gate.turn(rank):
            answer = await self._exchange(
                "POST", self._path, action, headers=headers, body=body, changes=changes
            )
            if answer.status >= _SERVER_ERROR:
                # A SOAP fault is a 500 too, and it may come from what followed the commit.
                raise lost(self._system, action, f"HTTP {answer.status}")
            if answer.status != _OK:
                # IIS turned it away before the service saw it; a person or time mends that.
                raise UnreachableError(self._system, action, f"HTTP {answer.status}")
        try:
            read = partial(envelope.read, encodings=self._settings.encodings)
            return Told(*await understood(read, answer.body))
        except WireError as error:
            raise MalformedError(self._system, action, str(error)) from error

    async def operations(self) -> tuple[str, ...]:
        """Return the operations that the service's own WSDL describes.

        Raises:
            UnreachableError, MalformedError: as everywhere.
        """
        async with self._gate.turn(Rank.DOCUMENT):
            answer = await self._exchange(
                "GET", f"{self._path}?wsdl", "WSDL", headers={}, body=None, changes=False
            )
            if answer.status != _OK:
                raise UnreachableError(self._system, "WSDL", f"HTTP {answer.status}")
        try:
            return envelope.operations(answer.body, self._settings.encodings)
        except WireError as error:
            raise MalformedError(self._system, "WSDL", str(error)) from error

    async def _exchange(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        headers: dict[str, str],
        body: bytes | None,
        changes: bool,
    ) -> Answer:
        with trio.move_on_after(self._settings.execute_seconds_max):
            return await self._http.exchange(method, path, headers=headers, content=body, changes=changes)
        lost = OutcomeUnknownError if changes else UnreachableError
        raise lost(self._system, doing, "no answer in time")


def _parted(url: str) -> tuple[str, str]:
    """Return where the service's machine is, and the path on it, to which nothing may be added."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}", f"/{path}"
