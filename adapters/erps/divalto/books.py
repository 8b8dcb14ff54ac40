"""Divalto's books as values of ours: it owns which columns say so, and how a yes and a day are spelled.

It reads only, through whatever way the profile names for each table.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal

from msgspec.structs import replace

from actors.domain.documents import ErpOrder
from actors.erp_books import (
    ErpArticle,
    ErpCustomerFlags,
    ErpMove,
    ErpPiece,
    ErpStock,
    ErpStockLine,
    ExpectedLine,
)
from adapters.erps.divalto import blocks, pieces, wire
from adapters.erps.divalto.hours import at_site
from adapters.erps.divalto.moved import (
    MOVED_COLUMNS,
    MOVED_KEY,
    instant_of,
    is_told,
    is_us,
    read_moves,
    stamp_behind,
    stamp_of,
)
from adapters.erps.divalto.pieces import Article, Piece, amount_remark, sku_namer
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.reading import Reader, StockRow
from adapters.erps.divalto.text import reference
from adapters.erps.divalto.transport import Query, Row
from adapters.erps.divalto.turns import Rank
from adapters.erps.divalto.understanding import understood

YES = "2"
FEU_WARNED, FEU_BLOCKED = "2", "3"
CLOSED_VARIANT = "Usrd"
"""SART.CONF of a sub-reference that is no longer sold."""

ARTICLE_KEY = ("REF", "SREF1", "SREF2")
ARTICLE_COLUMNS = (*ARTICLE_KEY, "DES", "EAN", "VENUN", "POIN", "HSDT", "CONF", "STCOD")
CUSTOMER_COLUMNS = ("TIERS", "VISA", "FEU", "HSDT")
EXPECTED_KEY = ("PREFPINO", "PINO", "ENRNO")
EXPECTED_COLUMNS = (*EXPECTED_KEY, "TIERS", "REF", "SREF1", "SREF2", "DEPO", "CDQTE", "DELDEMDT")
CHANGED_COLUMNS = (*pieces.PIECE_COLUMNS, "USERMO", "USERMODH", "ENT_ID")

STAGES = {pieces.QUOTE: "quote", pieces.ORDER: "order", pieces.NOTE: "note", pieces.INVOICE: "invoice"}

_GRAMS = Decimal(1000)


class Books:
    """The books of one site as `ErpBooks`.

    Args:
        settings: the site's profile.
        reader: the way to read it.
        now: what time it is.
    """

    def __init__(self, settings: DivaltoSettings, reader: Reader, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._reader = reader
        self._now = now
        self._sku_of = sku_namer(settings)

    async def articles(self) -> Sequence[ErpArticle]:
        """Return every article; see `ErpBooks`."""
        query = Query(
            "articles", {"DOS": self._settings.dos}, ARTICLE_COLUMNS, ARTICLE_KEY, rank=Rank.ARTICLE
        )
        found = await self._reader.read(query, lambda rows: [self._article(row) for row in rows])
        return [article for article in found if article is not None]

    async def stock_reading(self) -> ErpStock:
        """Return what lies in the mapped depots; see `ErpBooks`."""
        began_at = self._now().astimezone(UTC)
        rows = [
            (warehouse, row)
            for warehouse, depot in sorted(self._settings.depots.items())
            for row in await self._reader.stock(depot)
        ]
        ended_at = self._now().astimezone(UTC)
        lines = await understood(self._stock_lines, rows)
        return ErpStock(began_at, ended_at, lines, tuple(sorted(self._settings.depots)))

    def _stock_lines(self, rows: Sequence[tuple[str, StockRow]]) -> tuple[ErpStockLine, ...]:
        units: dict[tuple[str, Article, str], Decimal] = {}
        for warehouse, row in rows:
            at = (warehouse, row.article, row.nature)
            units[at] = units.get(at, Decimal(0)) + row.units
        natures = self._settings.natures
        return tuple(
            ErpStockLine(warehouse, self._sku_of(article), nature, nature in natures, total)
            for (warehouse, article, nature), total in units.items()
        )

    async def customer(self, customer: str) -> ErpCustomerFlags | None:
        """Return a customer's flags; see `ErpBooks`."""
        query = Query("customers", {"TIERS": customer}, CUSTOMER_COLUMNS, rows_max=10)
        found = await self._reader.read(query, lambda rows: wire.columns(rows, *CUSTOMER_COLUMNS))
        for tiers, visa, feu, closed_on in found:
            if tiers == customer:
                return ErpCustomerFlags(
                    customer,
                    usable=visa.strip() == YES,
                    warned=feu.strip() == FEU_WARNED,
                    blocked=feu.strip() == FEU_BLOCKED,
                    closed=self._is_past(closed_on),
                )
        return None

    def customer_of(self, channel: str) -> str | None:
        """Return the generic web customer of a channel; see `ErpBooks`."""
        return self._settings.customer_of(channel) if self._settings.customer_policy == "generic" else None

    async def expected(self) -> Sequence[ExpectedLine]:
        """Return what suppliers still owe; see `ErpBooks`."""
        key = {"TICOD": pieces.SUPPLIER, "PICOD": pieces.ORDER, "CDCE4": pieces.ACTIVE}
        query = Query("expected", key, EXPECTED_COLUMNS, EXPECTED_KEY, rank=Rank.STOCK)
        warehouses = {depot: warehouse for warehouse, depot in self._settings.depots.items()}

        def read(rows: Sequence[Row]) -> list[ExpectedLine]:
            return [
                ExpectedLine(
                    pieces.name_of(pieces.SUPPLIER, pieces.ORDER, prefix, number.strip()),
                    supplier,
                    warehouses[depot],
                    self._sku_of(Article(ref, sref1, sref2)),
                    wire.read_decimal(units),
                    _day(due),
                )
                for prefix, number, _, supplier, ref, sref1, sref2, depot, units, due in wire.columns(
                    rows, *EXPECTED_COLUMNS
                )
                if depot in warehouses
            ]

        return await self._reader.read(query, read)

    async def invoices(self, order: str) -> Sequence[ErpPiece]:
        """Return the invoices of an order; see `ErpBooks`."""
        found = await self._pieces_of(order)
        return [_piece(piece) for piece in found if piece.stage == pieces.INVOICE]

    async def changed(self, since: str) -> tuple[Sequence[ErpPiece], str]:
        """Return what was changed since a position, which is a USERMODH; see `ErpBooks`."""
        begins = stamp_behind(since, self._settings) if since else "19000101000000"
        key = {"TICOD": pieces.CUSTOMER, "USERMODH": begins}
        query = Query("changed", key, CHANGED_COLUMNS, ("USERMODH", "ENT_ID"), rank=Rank.ARTICLE)

        def read(rows: Sequence[Row]) -> list[ErpPiece]:
            who = wire.columns(rows, "USERMO", "USERMODH")
            return [
                self._touched(_piece(piece), changed_by.strip(), changed_at.strip())
                for piece, (changed_by, changed_at) in zip(pieces.read_pieces(rows), who, strict=True)
            ]

        found = await self._reader.read(query, read)
        return found, max((piece.changed_at for piece in found), default=since)

    def _touched(self, piece: ErpPiece, by: str, at: str) -> ErpPiece:
        return replace(
            piece,
            changed_by=by,
            changed_at=at,
            by_us=is_us(by, self._settings.user),
            touched_at=instant_of(at, self._settings) if at else None,
        )

    def position(self, at: datetime) -> str:
        """Return the position of an instant; see `ErpBooks`."""
        return stamp_of(at, self._settings)

    def named(self, ours: str) -> str:
        """Return how a name of ours stands on a piece; see `ErpBooks`."""
        return reference(ours)

    async def moves(self, since: datetime) -> Sequence[ErpMove] | None:
        """Return what pieces touched since then moved; see `ErpBooks`."""
        found: list[ErpMove] = []
        for ticod in (pieces.CUSTOMER, pieces.SUPPLIER, pieces.INTERNAL):
            key = {"TICOD": ticod, "USERMODH": self.position(since)}
            query = Query("moved", key, MOVED_COLUMNS, MOVED_KEY, rank=Rank.ARTICLE)
            if not is_told(query, self._settings):
                return None
            moved = await self._reader.read(
                query, lambda rows: read_moves(rows, self._settings, self._sku_of)
            )
            found += moved
        return found

    async def pieces(self, order: str) -> Sequence[ErpPiece]:
        """Return every piece of an order and of its notes; see `ErpBooks`."""
        return [_piece(piece) for piece in await self._pieces_of(order)]

    def remark_on(self, document: ErpOrder, amount: Decimal | None) -> str:
        """Say so where an order's amount is not ours; see `ErpBooks`."""
        return amount_remark(blocks.order_amount(document, self._settings), amount, self._settings)

    async def _pieces_of(self, order: str) -> list[Piece]:
        wanted = reference(order)
        parties = ("",) if self._settings.customer_policy == "each" else self._settings.web_customers
        found: list[Piece] = []
        for tiers in parties:
            found += await self._reader.pieces(pieces.CUSTOMER, tiers, wanted)
            found += await self._reader.pieces_beginning(pieces.CUSTOMER, tiers, f"{wanted}.")
        return found

    def _article(self, row: Row) -> ErpArticle | None:
        (told,) = wire.columns([row], *ARTICLE_COLUMNS)
        ref, sref1, sref2, name, ean, unit, weight, closed_on, confidential, stocked = told
        if not ref:
            return None
        try:
            grams = (wire.read_decimal(weight or "0") * _GRAMS).to_integral_value(ROUND_HALF_UP)
            is_closed = self._is_past(closed_on)
        except wire.WireError as error:  # whoever looks has to find it among 100,000 rows
            raise wire.WireError(f"{ref}: {error}") from error
        return ErpArticle(
            sku=self._sku_of(Article(ref, sref1, sref2)),
            name=name,
            ean=ean,
            unit=unit,
            weight_g=int(grams),
            closed=is_closed or confidential == CLOSED_VARIANT,
            stocked=stocked.strip() == YES,
        )

    def _is_past(self, day: str) -> bool:
        """Return whether HSDT has come; a day yet to come closes nothing today."""
        closed_on = _day(day)
        return closed_on is not None and closed_on <= at_site(self._now(), self._settings).date()


def _piece(piece: Piece) -> ErpPiece:
    return ErpPiece(
        piece.reference,
        piece.name,
        STAGES.get(piece.stage, piece.stage),
        closed=piece.state != pieces.ACTIVE,
        amount=piece.amount,
    )


def _day(text: str) -> date | None:
    """Read YYYYMMDD; blank and zeros are no day.

    Raises:
        WireError: it is something else.
    """
    digits = text.strip()[:8]
    if not digits.strip("0"):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError as error:
        raise wire.WireError("a day was expected") from error
