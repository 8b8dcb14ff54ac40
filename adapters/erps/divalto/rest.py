"""The way into Divalto by REST: `integration_piece` to write, opened RecordSql dictionaries to read.

It owns which dictionary and condition answers which question; the wire's errors are `client`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from actors.errors import MalformedError
from adapters.erps.divalto import wire
from adapters.erps.divalto.client import DivaltoClient
from adapters.erps.divalto.pieces import (
    LINE_COLUMNS,
    PIECE_COLUMNS,
    Article,
    OpenLine,
    Piece,
    name_of,
    read_open_lines,
    read_pieces,
)
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.spelling import Dictionary
from adapters.erps.divalto.transport import Made, StockRow
from adapters.erps.divalto.turns import Rank

PIECES_MAX = 1000
"""Pieces of one reference: an order, its notes and invoices; more means another use of PINOTIERS."""

LINES_MAX = 10_000
"""Lines of one piece; MOUV numbers them in four digits."""

_Read = TypeVar("_Read")


class RestTransport:
    """One site by REST.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        now: what time it is.
    """

    def __init__(self, system: str, settings: DivaltoSettings, now: Callable[[], datetime]) -> None:
        self._system = system
        self._settings = settings
        self._spelling = settings.spelling
        self._client = DivaltoClient(system, settings, now)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def integrate(self, data: Mapping[str, Any], hidden: Sequence[str]) -> Made:
        """Integrate one piece; see `Transport.integrate`."""
        spelling = self._spelling
        result = await self._client.act(spelling.integrate, data, changes=True, hidden=hidden)
        number = result.at(spelling.piece_number_path).strip()
        stage = result.at(spelling.piece_stage_path).strip()
        if not number or not stage:
            return Made("", None)
        name = name_of(str(data["ient"]["TICOD"]), stage, result.at(spelling.piece_prefix_path), number)
        return Made(name, _amount(result.at(spelling.piece_amount_path)))

    async def pieces(self, ticod: str, tiers: str, reference: str) -> Sequence[Piece]:
        """Return headers of any stage with that PINOTIERS; the condition has to leave PICOD open."""
        dictionary = self._spelling.pieces
        key = {"ticod": ticod, "tiers": tiers, "pinotiers": reference}
        return await self._read(dictionary, dictionary.by_key, key, PIECE_COLUMNS, PIECES_MAX, read_pieces)

    async def pieces_beginning(self, ticod: str, tiers: str, beginning: str) -> Sequence[Piece]:
        """Return headers of any stage whose PINOTIERS begins so."""
        dictionary = self._spelling.pieces
        if not dictionary.by_prefix:
            return ()
        key = {"ticod": ticod, "tiers": tiers, "pinotiers": beginning}
        return await self._read(dictionary, dictionary.by_prefix, key, PIECE_COLUMNS, PIECES_MAX, read_pieces)

    async def open_lines(self, piece: Piece) -> Sequence[OpenLine]:
        """Return what is still on order of a piece."""
        dictionary = self._spelling.lines
        key = {
            "ticod": piece.ticod,
            "picod": piece.stage,
            "tiers": piece.tiers,
            "prefpino": piece.prefix,
            "pino": piece.number,
        }
        return await self._read(dictionary, dictionary.by_key, key, LINE_COLUMNS, LINES_MAX, read_open_lines)

    async def stock(self, depot: str) -> Sequence[StockRow]:
        """Return everything that lies in a depot, page by page."""
        dictionary, names = self._spelling.stock, self._spelling.stock_columns
        key = (*names.key, *names.parts)
        query = wire.RecordQuery(
            dhoq=dictionary.dhoq,
            recordsql=dictionary.recordsql,
            fields=(*key, names.units),
            where=dictionary.by_key,
            where_parameters={"depo": depot},
        )
        records = await self._client.all_records(query, key, Rank.STOCK)
        return self._understood(dictionary, self._stock_rows, records)

    def _stock_rows(self, records: Sequence[Mapping[str, str]]) -> Sequence[StockRow]:
        names = self._spelling.stock_columns
        return [
            StockRow(Article(ref, sref1, sref2), depot, nature, wire.read_decimal(units))
            for ref, sref1, sref2, depot, nature, units in wire.columns(records, *names.key, names.units)
        ]

    async def _read(
        self,
        dictionary: Dictionary,
        where: str,
        key: Mapping[str, str],
        columns: Sequence[str],
        count: int,
        read: Callable[[Sequence[Mapping[str, str]]], _Read],
    ) -> _Read:
        query = wire.RecordQuery(
            dhoq=dictionary.dhoq,
            recordsql=dictionary.recordsql,
            fields=tuple(columns),
            where=where,
            where_parameters=key,
            count=count,
        )
        return self._understood(dictionary, read, await self._client.records(query))

    def _understood(
        self,
        dictionary: Dictionary,
        read: Callable[[Sequence[Mapping[str, str]]], _Read],
        records: Sequence[Mapping[str, str]],
    ) -> _Read:
        try:
            return read(records)
        except wire.WireError as error:
            raise MalformedError(self._system, f"RecordSql {dictionary.recordsql}", str(error)) from error


def _amount(text: str) -> Decimal | None:
    """Return the amount a site tells of the piece that it made, None where it tells none."""
    try:
        return wire.read_decimal(text)
    except wire.WireError:
        return None
