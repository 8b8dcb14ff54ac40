"""The way into Divalto by REST: `integration_piece` to write, opened RecordSql dictionaries to read.

It owns which dictionary and condition answers which question; the wire's errors are `client`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from actors.errors import UnreachableError
from adapters.erps.divalto import wire
from adapters.erps.divalto.client import DivaltoClient
from adapters.erps.divalto.integration import Integrator
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.spelling import Dictionary, Spelling
from adapters.erps.divalto.transport import Made, Query, Row


class RestTransport:
    """One site by REST.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        client: its REST service; closed by whoever made it.
    """

    def __init__(self, system: str, settings: DivaltoSettings, client: DivaltoClient) -> None:
        self._system = system
        self._spelling = settings.spelling
        self._client = client
        self._integrator = Integrator(system, settings, client)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def integrate(self, data: Mapping[str, Any], hidden: Sequence[str]) -> Made:
        """Integrate one piece; see `Transport.integrate`."""
        return await self._integrator.integrate(data, hidden)

    async def rows(self, query: Query) -> Sequence[Row]:
        """Return a RecordSql's records, page by page where they are many; see `Transport.rows`."""
        dictionary, where = dictionary_of(query, self._spelling)
        if not where and query.table == "notes":
            return ()
        if not where:
            raise UnreachableError(
                self._system, query.table, "the profile names no condition that selects it"
            )
        asked = wire.RecordQuery(
            dhoq=dictionary.dhoq,
            recordsql=dictionary.recordsql,
            fields=query.columns,
            where=where,
            where_parameters={name.lower(): value for name, value in query.key.items()},
            count=query.rows_max,
        )
        if query.unique:
            return await self._client.all_records(
                asked, query.unique, query.rank, whole_below=query.whole_below
            )
        return await self._client.records(asked, query.rank)


def dictionary_of(query: Query, spelling: Spelling) -> tuple[Dictionary, str]:
    """Return the dictionary that answers, and its condition's name; "" where the site has none."""
    match query.table:
        case "notes" if "TIERS" not in query.key:
            return spelling.pieces, spelling.pieces.reference_beginning
        case "notes":
            return spelling.pieces, spelling.pieces.beginning
        case "pieces" if "TIERS" not in query.key:
            return spelling.pieces, spelling.pieces.reference
        case table:
            dictionary: Dictionary = getattr(spelling, table)
            return dictionary, dictionary.equal
