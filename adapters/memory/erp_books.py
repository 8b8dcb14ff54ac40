"""An ERP's books in process: what a test writes into them is what is read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import trio

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
from actors.errors import UnreachableError

START = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class MemoryErpBooks:
    """Books that tell what they hold; a position counts the pieces that were told.

    `reads` are the names of the tables in the order in which they were read, `stock` what lies in each place
    of the `warehouses`, by `clock`; `meanwhile` happens while that is read.
    """

    away: bool = False
    articles_: list[ErpArticle] = field(default_factory=list)
    customers: dict[str, ErpCustomerFlags] = field(default_factory=dict)
    expected_: list[ExpectedLine] = field(default_factory=list)
    pieces_: list[ErpPiece] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    clock: Callable[[], datetime] = lambda: START
    warehouses: tuple[str, ...] = ()
    stock: dict[tuple[str, str], int] = field(default_factory=dict)
    moves_: list[ErpMove] = field(default_factory=list)
    tells_moves: bool = True
    meanwhile: list[Callable[[], None]] = field(default_factory=list)

    async def articles(self) -> Sequence[ErpArticle]:
        """Return the articles."""
        await self._read("articles")
        return tuple(self.articles_)

    async def stock_reading(self) -> ErpStock:
        """Return what lies there as of when it is read; what is to happen meanwhile happens."""
        await self._read("stock")
        began_at = self.clock()
        lines = tuple(
            ErpStockLine(warehouse, sku, "N", sellable=True, units=Decimal(units))
            for (warehouse, sku), units in self.stock.items()
        )
        while self.meanwhile:
            self.meanwhile.pop()()
        return ErpStock(began_at, self.clock(), lines, self.warehouses)

    async def moves(self, since: datetime) -> Sequence[ErpMove] | None:
        """Return the moves of pieces that were touched since then."""
        await self._read("moved")
        return [move for move in self.moves_ if move.at >= since] if self.tells_moves else None

    def customer_of(self, channel: str) -> str | None:
        """Return the customer that bears the channel's name in capitals."""
        return channel.upper()

    async def customer(self, customer: str) -> ErpCustomerFlags | None:
        """Return a customer's flags; one that nobody has written about may be used."""
        await self._read("customers")
        usable = ErpCustomerFlags(customer, usable=True, warned=False, blocked=False, closed=False)
        return self.customers.get(customer, usable)

    async def expected(self) -> Sequence[ExpectedLine]:
        """Return what suppliers owe."""
        await self._read("expected")
        return tuple(self.expected_)

    async def invoices(self, order: str) -> Sequence[ErpPiece]:
        """Return the invoices of an order and of its notes."""
        await self._read("invoices")
        ours = [piece for piece in self.pieces_ if piece.reference.partition(".")[0] == order]
        return [piece for piece in ours if piece.stage == "invoice"]

    async def pieces(self, order: str) -> Sequence[ErpPiece]:
        """Return the pieces of an order and of its notes."""
        await self._read("pieces")
        return [piece for piece in self.pieces_ if piece.reference.partition(".")[0] == order]

    def named(self, ours: str) -> str:
        """Return the name as it is: it has room for any."""
        return ours

    def remark_on(self, document: ErpOrder, amount: Decimal | None) -> str:
        """Return nothing: what it is told is what it books."""
        del document, amount
        return ""

    async def changed(self, since: str) -> tuple[Sequence[ErpPiece], str]:
        """Return the pieces from the position on, the one at it again."""
        await self._read("changed")
        begin = int(since or "0")
        return self.pieces_[max(begin - 1, 0) :], str(len(self.pieces_))

    def position(self, at: datetime) -> str:
        """Return the beginning: nobody has touched a piece before a test began."""
        del at
        return "0"

    async def _read(self, table: str) -> None:
        await trio.lowlevel.checkpoint()
        self.reads.append(table)
        if self.away:
            raise UnreachableError("memory erp", f"reading {table}", "it is switched off")
