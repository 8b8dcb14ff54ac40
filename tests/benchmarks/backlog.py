"""Makes a journal full of open orders, quickly and truly: what the domain decides for one, for each.

Nine in ten are on the floor with their units reserved and their partners told; the tenth waits for stock. The
events of one order of each kind are decided by the domain; the others differ by their number and their SKUs.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import trio

from actors.domain.ledger import Stock, apply
from actors.domain.log import LogEvent
from actors.domain.order_allocation import next_steps
from actors.domain.order_commands import Answered, Import, OrderCommand, Settled
from actors.domain.order_draft import Facts
from actors.domain.order_events import Beside, OrderLine, OrderRouted
from actors.domain.order_fold import evolve
from actors.domain.order_life import consider
from actors.domain.order_state import Order
from actors.domain.partitions import order_stream, stock_stream
from actors.domain.stock_commands import Done, Granted, Reserve
from actors.domain.stock_events import StockEvent, StockOpened, UnitsReserved
from actors.ports.journal import Append, FulfilmentRow, Journal
from actors.rows import fulfilment_row, order_row
from adapters.postgres.journal import open_journal
from tests.benchmarks.merchant import RULES, SITE, skus

STOCK = stock_stream(SITE)
BACKORDERED_EVERY = 10
AT_ONCE = 500
"""Orders written side by side."""

NUMBER = "7777777"
ARTICLES = ("ARTICLE-1", "ARTICLE-2", "ARTICLE-3")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[LogEvent, ...]).decode


async def make(dsn: str, orders: int) -> list[str]:
    """Fill the journal; return the names of the orders' streams."""
    now = datetime.now(UTC)
    on_the_floor, backordered = (_encode(_live(now, available)) for available in (9, 0))
    articles = skus()
    names: list[str] = []
    async with open_journal(dsn, owner="bench-backlog") as journal:
        stock = Stock()
        opened = tuple(StockOpened(sku, 1_000_000, "A-1", "bench") for sku in articles)
        await _record_stock(journal, stock, 0, opened, now)
        version = len(opened)
        for first in range(1, orders + 1, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, orders + 1))
            reserved: list[StockEvent] = []
            async with trio.open_nursery() as nursery:
                for number in numbers:
                    waits = number % BACKORDERED_EVERY == 0
                    events = _decode(_written_for(backordered if waits else on_the_floor, number, articles))
                    reserved += _reservations(events)
                    append = _append_of(number, events, now)
                    names.append(append.stream)
                    nursery.start_soon(journal.append, append)
                nursery.start_soon(_record_stock, journal, stock, version, reserved, now)
            version += len(reserved)
        await journal.save_cursor(f"opened-{SITE}", "done")
    return names


def _live(now: datetime, available: int) -> list[LogEvent]:
    """Let one order live as far as it comes by itself; return its events."""
    facts = Facts(now, RULES.routing, RULES.carriers, lambda _warehouse, _sku: available, lambda _sku: True)
    order, events = Order(), list[LogEvent]()

    def take(command: OrderCommand) -> None:
        nonlocal order
        draft = consider(order, command, facts)
        order = draft.order
        events.extend(draft.events)

    take(_import(now))
    while steps := next_steps(order, now):
        step = steps[0]
        answer = Granted(step.fulfilment) if isinstance(step.command, Reserve) else Done()
        take(Answered(step.kind, step.fulfilment, answer))
    for effect in tuple(order.effects):
        take(Settled(effect, "1", "", Decimal(0), "", None))
    return events


def _import(now: datetime) -> Import:
    return Import(
        channel="main",
        shop_order=NUMBER,
        reference=f"REF{NUMBER}",
        standing="open",
        placed_at=now,
        currency="EUR",
        total=Decimal("64.90"),
        shipping=Decimal("4.90"),
        service="standard",
        country="FR",
        lines=tuple(OrderLine(str(n), sku, 1, Decimal("20.00")) for n, sku in enumerate(ARTICLES, 1)),
        address_problems=(),
        contact=Beside(f"main-{NUMBER}:contact", "0" * 64),
        payload=Beside(f"main-{NUMBER}:payload", "0" * 64),
    )


def _written_for(pattern: bytes, number: int, articles: Sequence[str]) -> bytes:
    pattern = pattern.replace(NUMBER.encode(), str(number).encode())
    for n, article in enumerate(ARTICLES):
        pattern = pattern.replace(article.encode(), articles[(number * 7 + n) % len(articles)].encode())
    return pattern


def _append_of(number: int, events: tuple[LogEvent, ...], now: datetime) -> Append:
    order = Order()
    for event in events:
        order = evolve(order, event, now)  # type: ignore[arg-type] # an order's events
    return Append(order_stream(f"main-{number}"), 0, events, now, orders=(order_row(order),))


def _reservations(events: Sequence[LogEvent]) -> list[UnitsReserved]:
    return [
        UnitsReserved(part.fulfilment, part.fulfilment.partition(".")[0], part.lines, None)
        for event in events
        if isinstance(event, OrderRouted)
        for part in event.plan
    ]


async def _record_stock(
    journal: Journal, stock: Stock, version: int, events: Sequence[StockEvent], now: datetime
) -> None:
    rows: list[FulfilmentRow] = []
    for event in events:
        fulfilment = apply(stock, event)
        if fulfilment is not None:
            rows.append(fulfilment_row(fulfilment, SITE))
    await journal.append(Append(STOCK, version, tuple(events), now, fulfilments=tuple(rows)))
