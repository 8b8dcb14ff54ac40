"""What the control socket answers about the books: where shops, ledger and ERP differ, and why."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct


class DifferenceTold(Struct, frozen=True):
    """A part of a difference between a shop and the ledger that has one cause; `units` is what it explains.

    `ledger` and `shop` are the two figures, null where that side does not know the article; `about` names the
    orders that have not come. `since` is when it was first seen, of a write when it was told last.
    """

    article: str
    cause: str
    units: int
    ledger: int | None
    shop: int | None
    since: datetime
    about: tuple[str, ...]
    detail: str
    mend: str
    is_new: bool = True


class ChannelReconciled(Struct, frozen=True):
    """One look at one shop; `moving` articles moved meanwhile and are left to the next look."""

    channel: str
    at: datetime
    compared: int
    moving: int
    differences: tuple[DifferenceTold, ...]


class FiguresTold(Struct, frozen=True):
    """One SKU in one warehouse on all sides.

    `erp` is what the ERP says, `corrected` what it would say with everything in flight booked; `ledger` is
    what physically lies there. `shops` is what each shop shows of the article of that name, everywhere.
    """

    warehouse: str
    sku: str
    ledger: int
    erp: int
    corrected: int
    shops: Mapping[str, int]


class ErpReconciled(Struct, frozen=True):
    """One reading of the ERP's stock; `moving` places moved meanwhile and are left to the next look.

    `traced` is whether the ERP tells what its users booked: where it does not, that has no known cause.
    """

    began_at: datetime
    ended_at: datetime
    compared: int
    moving: int
    traced: bool
    figures: tuple[FiguresTold, ...]


class DiscrepancyTold(Struct, frozen=True):
    """A difference of an order, or of the ERP's stock, or the part of one that has one cause.

    `scope` is "erp" or a shop as the outbox names it; `units` is what it explains of a stock difference,
    above zero where the ERP has too many. `since_is` tells how well `since` is known: "exact",
    "at_the_earliest" or "at_the_latest". `settles_by` is null where it does not settle by itself. `anomaly`
    is another open anomaly that tells it, "" where there is none.
    """

    scope: str
    kind: str
    subject: str
    cause: str
    units: int
    since: datetime
    since_is: str
    is_new: bool
    evidence: tuple[str, ...]
    detail: str
    mend: str
    commands: tuple[str, ...]
    settles_by: datetime | None
    anomaly: str


class Reconciled(Struct, frozen=True):
    """Where shops, ledger and ERP differ.

    `channels` is about what the shops show as stock; `differences` about orders and about the ERP's stock, of
    which `erp` tells how it was read, null where it was not. `unread` is what could not be compared.
    """

    at: datetime
    channels: tuple[ChannelReconciled, ...]
    orders: int
    orders_moving: int
    erp: ErpReconciled | None
    differences: tuple[DiscrepancyTold, ...]
    unread: tuple[str, ...]
