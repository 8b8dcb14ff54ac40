"""What the ERP knows beside our documents, as values, and the protocol by which an adapter reads it.

Everything here is read only. Quantities are Decimals: an ERP may keep half metres, and what they mean for a
SKU that is counted in pieces is the caller's matter.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from actors.domain.documents import ErpOrder
from actors.domain.erp_pieces import ErpMove, ErpPiece

__all__ = [
    "ErpArticle",
    "ErpBooks",
    "ErpCustomerFlags",
    "ErpMove",
    "ErpPiece",
    "ErpStock",
    "ErpStockLine",
    "ExpectedLine",
]


class ErpArticle(Struct, frozen=True):
    """An article, or one sub-reference of one. `weight_g` and `ean` are 0 and "" where the ERP has none."""

    sku: str
    name: str
    ean: str
    unit: str
    weight_g: int
    closed: bool
    stocked: bool


class ErpStockLine(Struct, frozen=True):
    """Units of one SKU and nature in one warehouse of ours."""

    warehouse: str
    sku: str
    nature: str
    sellable: bool
    units: Decimal


class ErpStock(Struct, frozen=True):
    """A reading of the stock.

    Attributes:
        began_at, ended_at: by our clock, when it was read: what was booked before the first is in it, what
            was booked after the second is not, and of what lies between nobody knows.
        lines: what lies there, summed over places and lots.
        warehouses: which were read; one of which there is no line is empty.
    """

    began_at: datetime
    ended_at: datetime
    lines: tuple[ErpStockLine, ...]
    warehouses: tuple[str, ...] = ()


class ErpCustomerFlags(Struct, frozen=True):
    """Whether a customer may stand on a piece: usable with a visa, warned of, blocked, closed."""

    customer: str
    usable: bool
    warned: bool
    blocked: bool
    closed: bool


class ExpectedLine(Struct, frozen=True):
    """Units that a supplier still owes on a purchase order; `due` is None where nobody said when."""

    purchase_order: str
    supplier: str
    warehouse: str
    sku: str
    units: Decimal
    due: date | None


class ErpBooks(Protocol):
    """The books of the ERP, for reading.

    Every method raises only UnreachableError and MalformedError. Rows come in pages of the site's own size.
    """

    async def articles(self) -> Sequence[ErpArticle]:
        """Return every article; one with sub-references by these alone."""
        ...

    async def stock_reading(self) -> ErpStock:
        """Return what lies in the mapped warehouses, of whatever nature."""
        ...

    async def customer(self, customer: str) -> ErpCustomerFlags | None:
        """Return a customer's flags, None when there is no such customer."""
        ...

    def customer_of(self, channel: str) -> str | None:
        """Return under whom all orders of a channel stand, None where each person has a customer."""
        ...

    async def expected(self) -> Sequence[ExpectedLine]:
        """Return what suppliers still owe to the mapped warehouses."""
        ...

    async def invoices(self, order: str) -> Sequence[ErpPiece]:
        """Return the invoices of an order of ours, those of its delivery notes too."""
        ...

    async def changed(self, since: str) -> tuple[Sequence[ErpPiece], str]:
        """Return customers' pieces that were changed since a position, and the position to ask from next.

        A position is the ERP's own; "" is the beginning. A piece that was changed at the position itself, or
        shortly before it, comes again: better twice than never.
        """
        ...

    async def moves(self, since: datetime) -> Sequence[ErpMove] | None:
        """Return what pieces touched since then moved, whoever did it; None where the site cannot tell."""
        ...

    async def pieces(self, order: str) -> Sequence[ErpPiece]:
        """Return every piece of an order of ours and of its delivery notes, of whatever stage."""
        ...

    def remark_on(self, document: ErpOrder, amount: Decimal | None) -> str:
        """Say so where an order's amount without tax is not ours within the site's tolerance, else ""."""
        ...

    def position(self, at: datetime) -> str:
        """Return the position for `changed` from which everything since then comes."""
        ...

    def named(self, ours: str) -> str:
        """Return how a name of ours, such as an order's id, stands on a piece as its reference."""
        ...
