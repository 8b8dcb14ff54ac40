"""What orders have to hear of a warehouse's floor: pure functions of its events and its stock."""

from actors.domain.ledger import Stock
from actors.domain.order_commands import Expired, FellShort, OrderCommand, Packed
from actors.domain.stock_events import FulfilmentPacked, PickFellShort, ReservationReleased, StockEvent


def news_of(stock: Stock, event: StockEvent) -> tuple[str, OrderCommand] | None:
    """Return the order that an event concerns and what it hears, None for what no order hears."""
    match event:
        case FulfilmentPacked(fulfilment, parcels):
            known = stock.known(fulfilment)
            return (known.order, Packed(fulfilment, parcels)) if known is not None else None
        case PickFellShort(fulfilment, sku):
            known = stock.known(fulfilment)
            line = known.line(sku) if known is not None else None
            return (
                (known.order, FellShort(fulfilment, sku, line.missing))
                if known is not None and line
                else None
            )
        case ReservationReleased(fulfilment, _, _, "expired"):
            known = stock.known(fulfilment)
            return (known.order, Expired(fulfilment)) if known is not None else None
        case _:
            return None


def news_again(stock: Stock) -> list[tuple[str, OrderCommand]]:
    """Return what orders may not have heard when daemons before died; hearing it twice changes nothing.

    An order may have given back what it had not heard to be short. What has left, its order saw being packed,
    and heard before that what was missing from it.
    """
    news: list[tuple[str, OrderCommand]] = []
    may_be_short = [known for known in stock.closed.values() if known.state in ("short", "released")]
    for known in (*stock.fulfilments.values(), *may_be_short):
        news.extend(
            (known.order, FellShort(known.fulfilment, line.sku, line.missing))
            for line in known.lines
            if line.missing
        )
        if known.state == "packed":
            news.append((known.order, Packed(known.fulfilment, known.parcels)))
    return news
