"""What an order keeps of its ERP's side and of what comes back. It decides nothing.

Apart from the order's own state, since most events touch neither, and each event copies the order.
"""

from collections.abc import Mapping
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from actors.domain.documents import Document, ErpChange, ErpDeliveryNote, ErpLine, ErpOrder
from actors.domain.order_events import GoodsRestocked, GoodsReturned, RefundNoted


class AtErp(Struct, frozen=True, gc=False):
    """The order as the ERP was told it, and what the ERP says of it.

    Attributes:
        told: the lines that it was told last to keep open.
        noted: those delivered since, by fulfilment.
        stale: whether what is open may be other lines by now.
        overruled: whether a person let the order go on although the ERP objects to it.
        invoices: its numbers.
    """

    told: tuple[ErpLine, ...] = ()
    noted: Mapping[str, tuple[ErpLine, ...]] = {}
    stale: bool = False
    overruled: bool = False
    invoices: tuple[str, ...] = ()


class Back(Struct, frozen=True, gc=False):
    """What has left and is expected back, or has come.

    Attributes:
        refunded: what the shop has refunded of what has left, by SKU.
        returns: what came back, by delivery.
        restocked: the deliveries that their warehouse has taken in.
    """

    refunded: Mapping[str, int] = {}
    returns: Mapping[str, GoodsReturned] = {}
    restocked: frozenset[str] = frozenset()

    def came(self, sku: str) -> int:
        """Return how many units of the SKU came back."""
        return sum(each.units for each in self.returns.values() if each.sku == sku)


def telling(erp: AtErp, document: Document) -> AtErp:
    """Return the ERP's side once a document was asked for."""
    match document:
        case ErpOrder() | ErpChange():
            return replace(erp, told=document.lines, noted={}, stale=False)
        case ErpDeliveryNote():
            return replace(erp, noted={**erp.noted, document.reference: document.lines})
        case _:
            return erp


def moved_on(erp: AtErp) -> AtErp:
    """Return the ERP's side once the order's lines, or their warehouses, may be others."""
    return replace(erp, stale=True) if erp.told and not erp.stale else erp


def came_back(back: Back, event: RefundNoted | GoodsReturned | GoodsRestocked) -> Back:
    """Return what comes back once the event has happened."""
    match event:
        case RefundNoted(lines):
            return replace(back, refunded={line.sku: line.units for line in lines})
        case GoodsReturned(delivery):
            return replace(back, returns={**back.returns, delivery: event})
        case GoodsRestocked(delivery):
            return replace(back, restocked=back.restocked | {delivery})
        case _:
            assert_never(event)
