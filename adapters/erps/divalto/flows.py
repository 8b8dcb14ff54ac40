"""Which way each flow of a site goes: it owns the transports of a profile and hands each question its own."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from adapters.erps.divalto.actions import ActionTransport
from adapters.erps.divalto.client import DivaltoClient
from adapters.erps.divalto.files_settings import FileSettings
from adapters.erps.divalto.folders import Folders, LocalFolders
from adapters.erps.divalto.gate import Gate
from adapters.erps.divalto.plugin import DivaltoSettings, Way, flow_of
from adapters.erps.divalto.rest import RestTransport
from adapters.erps.divalto.transport import Made, Query, Row, Transport, Writer
from adapters.erps.divalto.webhook import WebHook

if TYPE_CHECKING:
    from adapters.erps.divalto.soap import SoapClient

REFERENCE = "PINOTIERS"
BY_REFERENCE = ("pieces", "notes", "changed", "moved")


class Flows:
    """Every way into one site that its profile uses, as one `Transport`.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        now: what time it is, aware of its zone.
    """

    def __init__(self, system: str, settings: DivaltoSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        gate = Gate(system, settings, now)
        ways = settings.flows.used
        self._rest = DivaltoClient(system, settings, gate) if {"rest", "execute"} & ways else None
        self.soap = _soap(system, settings, gate) if "soap" in ways else None
        self._ways: dict[Way, Transport] = {}
        if self._rest is not None:
            self._ways["rest"] = RestTransport(system, settings, self._rest)
            self._ways["execute"] = ActionTransport(system, settings, self._rest, now)
        if self.soap is not None:
            self._ways["soap"] = ActionTransport(system, settings, self.soap, now)
        self.folders: Folders | None = None
        if "files" in ways:
            from adapters.erps.divalto.files import FileTransport  # late: with spreadsheets, and XML for them

            self.folders = folders_of(system, settings.files)
            self._ways["files"] = FileTransport(system, settings, gate, self.folders)
        self.web_hook: WebHook | None = None
        self._writer: Writer
        write = settings.flows.write
        if write == "webhook":
            self._writer = self.web_hook = WebHook(system, settings, gate)
        else:
            self._writer = self._ways[write]

    async def aclose(self) -> None:
        """Close the connections."""
        for way in self._ways.values():
            await way.aclose()
        if self.web_hook is not None:
            await self.web_hook.aclose()

    async def integrate(self, data: Mapping[str, Any], hidden: Sequence[str]) -> Made:
        """Integrate one piece by the flow for writes; see `Transport.integrate`."""
        return await self._writer.integrate(data, hidden)

    async def rows(self, query: Query) -> Sequence[Row]:
        """Read by the flow of what is read; see `Transport.rows`.

        Where a site looks our references up in another column than PINOTIERS, it is so called here alone.
        """
        way = self._ways[flow_of(query.table, self._settings.flows)]
        theirs = self._settings.reference_field
        if theirs == REFERENCE or query.table not in BY_REFERENCE:
            return await way.rows(query)
        asked = msgspec.structs.replace(
            query,
            key={theirs if name == REFERENCE else name: value for name, value in query.key.items()},
            columns=tuple(theirs if name == REFERENCE else name for name in query.columns),
        )
        rows = await way.rows(asked)
        return [{REFERENCE if name == theirs else name: value for name, value in row.items()} for row in rows]


def _soap(system: str, settings: DivaltoSettings, gate: Gate) -> "SoapClient":
    from adapters.erps.divalto.soap import SoapClient  # late: few sites have it, and it brings an XML library

    return SoapClient(system, settings, gate)


def folders_of(system: str, settings: FileSettings) -> Folders:
    """Return the folders that a site shares: mounted ones, or those of its SFTP server."""
    if not settings.sftp.host:
        return LocalFolders(system)
    from adapters.erps.divalto.sftp import SftpFolders  # an extra: only sites with such a server have it

    return SftpFolders(system, settings.sftp)
