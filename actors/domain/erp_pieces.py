"""What stands in the ERP's books under customers, suppliers and its own house, as values. Pure."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct


class ErpPiece(Struct, frozen=True):
    """A customer's piece as it stands in the ERP.

    Attributes:
        reference: ours, of the order or delivery note that it came from; "" for what is none of ours.
        number: the ERP's own name for it.
        stage: quote, order, note or invoice.
        closed: whether nothing of it is open.
        amount: without tax, None where the ERP does not tell.
        changed_by, changed_at: who touched it last, and when by the ERP's clock; "" where it does not tell.
        by_us: whether that was our own service account.
        touched_at: the same instant by ours, None where it does not tell.
    """

    reference: str
    number: str
    stage: str
    closed: bool
    amount: Decimal | None
    changed_by: str = ""
    changed_at: str = ""
    by_us: bool = False
    touched_at: datetime | None = None


MoveKind = Literal["delivery", "return", "reception", "count"]


class ErpMove(Struct, frozen=True):
    """Units of one SKU that a piece moved in one warehouse of ours.

    Attributes:
        number, reference: the piece's name in the ERP, and what stands on it as a foreign reference.
        kind: a customer's note or return, a supplier's note, or an internal piece.
        units: above zero they came in.
        by, by_us: who touched the piece last, and whether that was our own service account.
        at: when that was.
    """

    number: str
    reference: str
    kind: MoveKind
    warehouse: str
    sku: str
    units: Decimal
    by: str
    by_us: bool
    at: datetime
