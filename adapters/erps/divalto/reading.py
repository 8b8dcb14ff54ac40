"""Reads a Divalto site whichever way in: it owns which rows answer a question, and their meaning.

Rows that a transport could not select are left out here: a collation may know no case, an action may list all
pieces of a customer.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple, TypeVar

from actors.errors import MalformedError
from adapters.erps.divalto import wire
from adapters.erps.divalto.pieces import (
    LINE_COLUMNS,
    PIECE_COLUMNS,
    Article,
    OpenLine,
    Piece,
    read_open_lines,
    read_pieces,
)
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.transport import Query, Row, Transport
from adapters.erps.divalto.turns import Rank
from adapters.erps.divalto.understanding import understood

PIECES_MAX = 1000
"""Pieces of one reference: an order, its notes and invoices; more means another use of PINOTIERS."""

LINE_KEY = ("ENRNO",)
LINES_SURELY_WHOLE = 50
"""No site caps its answers at fewer rows. Most pieces have less, and cost no request to see that there are
no more."""

_Read = TypeVar("_Read")


class StockRow(NamedTuple):
    """Units of one article and nature in one depot; a place or a lot of it may be a row of its own."""

    article: Article
    depot: str
    nature: str
    units: Decimal


class Reader:
    """The reads that writing needs.

    Args:
        system: the partner as the settings name it.
        settings: the site's profile.
        transport: the way in.
    """

    def __init__(self, system: str, settings: DivaltoSettings, transport: Transport) -> None:
        self._system = system
        self._settings = settings
        self._transport = transport

    async def pieces(self, ticod: str, tiers: str, reference: str) -> list[Piece]:
        """Return headers of any stage with exactly that PINOTIERS; of any third party where `tiers` is ""."""
        key = {"TICOD": ticod, **({"TIERS": tiers} if tiers else {}), "PINOTIERS": reference}
        found = await self.read(Query("pieces", key, PIECE_COLUMNS, rows_max=PIECES_MAX), read_pieces)
        return [piece for piece in found if piece.reference == reference]

    async def pieces_beginning(self, ticod: str, tiers: str, beginning: str) -> list[Piece]:
        """Return headers of any stage whose PINOTIERS begins so; none where the site has no such look-up."""
        key = {"TICOD": ticod, **({"TIERS": tiers} if tiers else {}), "PINOTIERS": beginning}
        found = await self.read(Query("notes", key, PIECE_COLUMNS, rows_max=PIECES_MAX), read_pieces)
        return [piece for piece in found if piece.reference.startswith(beginning)]

    async def open_lines(self, piece: Piece) -> list[OpenLine]:
        """Return what is still on order of a piece."""
        key = {
            "TICOD": piece.ticod,
            "PICOD": piece.stage,
            "TIERS": piece.tiers,
            "PREFPINO": piece.prefix,
            "PINO": piece.number,
        }
        # Of a line that is left out a change would make another one.
        query = Query("lines", key, LINE_COLUMNS, LINE_KEY, whole_below=LINES_SURELY_WHOLE)
        return await self.read(query, read_open_lines)

    async def stock(self, depot: str) -> list[StockRow]:
        """Return everything that lies in a depot, of whatever nature.

        Raises:
            MalformedError: also where the site has the depot in other letters, which would pass for empty.
        """
        names = self._settings.spelling.stock_columns
        unique = (*names.key, *names.parts)
        columns = (*unique, names.units, *names.less)
        query = Query("stock", {"DEPO": depot}, columns, unique, rank=Rank.STOCK)
        rows = await self.read(query, self._stock_rows)
        found = [row for row in rows if row.depot.lower() == depot.lower()]
        if found and found[0].depot != depot:
            why = f"the depot {depot} is {found[0].depot} there: so it has to stand in depots"
            raise MalformedError(self._system, "reading stock", why)
        return found

    def _stock_rows(self, rows: Sequence[Row]) -> list[StockRow]:
        names = self._settings.spelling.stock_columns
        found: list[StockRow] = []
        for ref, sref1, sref2, depot, nature, units, *less in wire.columns(
            rows, *names.key, names.units, *names.less
        ):
            try:
                left = wire.read_decimal(units) - sum(map(wire.read_decimal, less), Decimal(0))
            except wire.WireError as error:  # whoever looks has to find it among 100,000 rows
                raise wire.WireError(f"{ref} in {depot}: {error}") from error
            found.append(StockRow(Article(ref, sref1, sref2), depot, nature, left))
        return found

    async def read(self, query: Query, read: Callable[[Sequence[Row]], _Read]) -> _Read:
        """Return what `read` makes of the rows; see `understood`.

        Raises:
            UnreachableError, MalformedError: as the transport, and where `read` finds no sense in a row.
        """
        rows = await self._transport.rows(query)
        try:
            return await understood(read, rows)
        except wire.WireError as error:
            raise MalformedError(self._system, f"reading {query.table}", str(error)) from error
