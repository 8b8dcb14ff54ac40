"""The one writer of a warehouse's stock: decides in memory, records in batches, answers once it is durable.

Deciding runs ahead of recording by a bounded number of batches; whoever asked hears nothing before the
commit. If recording fails, this actor falls and starts from what the journal holds, so a decision that was
not recorded was never made. It knows nothing of orders but their ids.
"""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import msgspec
import trio

from actors.directory import Clock, Directory, Keyed, TellOrder, WarehouseHandle
from actors.domain.ledger import Shelf, Stock, apply
from actors.domain.order_commands import OrderCommand
from actors.domain.stock_commands import Answer, Release, Reserve, StockCommand
from actors.domain.stock_decisions import decide
from actors.domain.stock_events import (
    FulfilmentDispatched,
    FulfilmentPacked,
    PickFellShort,
    ReservationReduced,
    ReservationReleased,
    StockAdjusted,
    StockCounted,
    StockEffectRequested,
    StockEvent,
    StockMirrored,
    StockOpened,
    StockReceived,
    UnitsPicked,
    UnitsReserved,
    UnitsReturned,
)
from actors.floor_news import news_again, news_of
from actors.mailbox import Letter, tell
from actors.ports.journal import (
    Append,
    Durable,
    FulfilmentRow,
    Journal,
    KeyedAnswer,
    PendingEffect,
    StockPicture,
)
from actors.rows import fulfilment_row, fulfilments_of

BATCH_MAX = 512
"""Commands decided together.

Large enough that a commit's cost vanishes, small enough to decide in some 10 ms.
"""

HALF_ABOVE = 8
"""From twice as many commands on, half of them are decided while the others are being recorded.

Fewer are better recorded together: a commit costs as much as ten of its reservations.
"""

UNDER_WAY_MAX = 2
"""Batches at the journal: it encodes one while the database writes the other, so both cores work.

One more is decided meanwhile, which keeps this actor busy; further ones would only add to the wait.
"""

OUTLAST_S_MAX = 60.0
"""Twice as long as a commit may take: what has no outcome by then belongs to a database that is gone."""

NEWS_MAX = 1_000
"""News for orders that waits for delivery.

When it is full the floor's commands wait, and the mailbox behind them.
"""

EXPIRY_CHECK_S = 5.0
"""Reservations that wait for other warehouses last ten minutes; seconds late is early enough."""

MAILBOX_MAX = 4_096
"""Four batches and more: askers beyond it wait at the door, which a reservation outlasts by far."""

ANSWERS_REMEMBERED = 200_000
"""Keys of 24 hours at two scans a second around the clock; older ones go first."""

_CONCERN_NOBODY = frozenset({UnitsReserved, UnitsPicked})
"""What there is most of, and nobody is told of but whoever asked: one look instead of one at each case."""

_ANSWERS = msgspec.json.Encoder()
_ANSWER = msgspec.json.Decoder(Answer)


@dataclass(slots=True)
class _Batch:
    """What was decided together: one append, and what follows once it is durable."""

    append: Append | None
    letters: Sequence[Letter[StockCommand | Keyed]]
    answers: Sequence[Answer]
    events: Sequence[StockEvent]
    is_durable: Durable = trio.lowlevel.checkpoint


def stream_of(warehouse: str) -> str:
    """Return the name of the warehouse's stream."""
    return f"stock-{warehouse}"


def first_placed_first(
    letters: Sequence[Letter[StockCommand | Keyed]],
) -> Sequence[Letter[StockCommand | Keyed]]:
    """Return the letters with the reservations among them in the order in which their orders were placed.

    The orders of one page ask at the same moment, and Trio lets tasks of one moment run in an order of its
    own: the last unit would go to either of them. All other letters keep their places.
    """
    places: list[int] = []
    asked: list[tuple[datetime, int, str, int]] = []
    for place, letter in enumerate(letters):
        message = letter.message
        if isinstance(message, Reserve) and message.placed_at is not None:
            places.append(place)
            asked.append((message.placed_at, len(message.order), message.order, place))
    in_order = sorted(asked)  # by number where many were placed in one second: main-9 before main-10
    if in_order == asked:
        return letters
    came, arranged = list(letters), list(letters)
    for place, (*_, came_at) in zip(places, in_order, strict=True):
        arranged[place] = came[came_at]
    return arranged


def restore(picture: StockPicture) -> Stock:
    """Return the stock that the projections describe."""
    stock = Stock(
        fulfilments=fulfilments_of(picture.open_fulfilments),
        closed=fulfilments_of(picture.closed_fulfilments),
        deliveries=set(picture.deliveries),
    )
    for balance in picture.balances:
        stock.shelves[balance.sku] = Shelf(
            available=balance.available,
            reserved=balance.reserved,
            picked=balance.picked,
            quarantine=balance.quarantine,
            opened=-balance.opening,
        )
    for sku, slot in picture.slots.items():
        stock.shelves.setdefault(sku, Shelf()).slot = slot
    return stock


class Warehouse:
    """A warehouse's actor. `run` is started anew after a crash, and begins from the journal each time."""

    def __init__(
        self,
        handle: WarehouseHandle,
        journal: Journal,
        directory: Directory,
        tell_order: TellOrder,
        clock: Clock,
    ) -> None:
        self._handle = handle
        self._journal = journal
        self._directory = directory
        self._tell_order = tell_order
        self._clock = clock
        self._version = 0
        self._answers: dict[str, Answer] = {}
        self._room = trio.Semaphore(UNDER_WAY_MAX)
        self._under_way: deque[_Batch] = deque()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve the mailbox until it is closed and everything in it is durable."""
        picture = await self._journal.stock_picture(self._handle.name)
        stock = self._handle.stock = restore(picture)
        self._version = picture.version
        self._answers = {row.key: _ANSWER.decode(row.answer) for row in picture.answers}
        self._room = trio.Semaphore(UNDER_WAY_MAX)
        self._under_way.clear()
        at_journal, to_answer = trio.open_memory_channel[_Batch](UNDER_WAY_MAX)
        news, to_tell = trio.open_memory_channel[tuple[str, OrderCommand]](NEWS_MAX)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_expiries, stock)
                async with trio.open_nursery() as pipeline:
                    pipeline.start_soon(self._tell_news, news_again(stock), to_tell)
                    pipeline.start_soon(self._answer_all, to_answer, news)
                    async with at_journal:
                        task_status.started()
                        crash = await self._decide_on_all_letters(stock, at_journal)
                if crash is not None:
                    raise crash
                nursery.cancel_scope.cancel()
        finally:
            with trio.move_on_after(OUTLAST_S_MAX, shield=True):
                await self._outlast_what_is_under_way()

    async def _outlast_what_is_under_way(self) -> None:
        """Return once nothing of ours becomes durable any more: whoever begins anew begins from all of it."""
        for batch in self._under_way:
            with suppress(Exception):  # whoever is told of a failure has failed of it already
                await batch.is_durable()

    async def _decide_on_all_letters(
        self, stock: Stock, at_journal: trio.MemorySendChannel[_Batch]
    ) -> Exception | None:
        """Decide until the mailbox is closed, or return what made a decision crash.

        What was decided before it is recorded and answered first.
        """
        while letters := await self._handle.mailbox.take(
            BATCH_MAX, half_above=HALF_ABOVE, arrange=first_placed_first
        ):
            try:
                batch = self._decide_all(stock, letters)
            except Exception as error:  # noqa: BLE001 - it is raised again, as soon as it may be
                return error
            await self._room.acquire()
            if batch.append is not None:
                batch.is_durable = await self._journal.enqueue(batch.append)
            self._under_way.append(batch)
            at_journal.send_nowait(batch)
        return None

    def _decide_all(self, stock: Stock, letters: Sequence[Letter[StockCommand | Keyed]]) -> _Batch:
        events: list[StockEvent] = []
        answers: list[Answer] = []
        changed: dict[str, FulfilmentRow] = {}
        keyed: list[KeyedAnswer] = []
        name = self._handle.name
        for letter in letters:
            message = letter.message
            key, command = (message.key, message.command) if isinstance(message, Keyed) else ("", message)
            if key and key in self._answers:
                answers.append(self._answers[key])
                continue
            decision = decide(stock, command)
            for event in decision.events:
                fulfilment = apply(stock, event)
                if fulfilment is not None:
                    changed[fulfilment.fulfilment] = fulfilment_row(fulfilment, name)
            events.extend(decision.events)
            answers.append(decision.answer)
            if key:
                self._remember(key, decision.answer)
                keyed.append(KeyedAnswer(key, _ANSWERS.encode(decision.answer)))
        append = None
        if events or keyed:
            append = Append(
                stream=stream_of(name),
                expected=self._version,
                events=tuple(events),
                at=self._clock(),
                fulfilments=tuple(changed.values()),
                answers=tuple(keyed),
            )
            self._version += len(events)
        return _Batch(append, letters, answers, events)

    def _remember(self, key: str, answer: Answer) -> None:
        self._answers[key] = answer
        if len(self._answers) > ANSWERS_REMEMBERED:
            del self._answers[next(iter(self._answers))]

    async def _answer_all(
        self,
        to_answer: trio.MemoryReceiveChannel[_Batch],
        news: trio.MemorySendChannel[tuple[str, OrderCommand]],
    ) -> None:
        async with news:
            async for batch in to_answer:
                await batch.is_durable()
                self._under_way.popleft()
                self._room.release()
                self._handle.mailbox.settle(len(batch.letters))
                for letter, answer in zip(batch.letters, batch.answers, strict=True):
                    if letter.reply is not None:
                        letter.reply.send(answer)
                if batch.events:
                    self._directory.stock_moved()
                await self._follow_up(batch.events, news)

    async def _follow_up(
        self, events: Sequence[StockEvent], news: trio.MemorySendChannel[tuple[str, OrderCommand]]
    ) -> None:
        """Tell whom a durable event concerns.

        Orders of their fulfilments, the desk of stock, the ERP's drain.
        """
        for event in events:
            if type(event) in _CONCERN_NOBODY:
                continue
            if isinstance(event, FulfilmentDispatched | PickFellShort | ReservationReleased):
                self._directory.room_came(self._handle.name)
            match event:
                case FulfilmentPacked() | PickFellShort() | ReservationReleased():
                    told = news_of(self._handle.stock, event)
                    if told is not None:
                        await news.send(told)
                    if isinstance(event, ReservationReleased):
                        for line in (*event.reserved, *event.picked):
                            self._directory.stock_arrived(line.sku)
                case ReservationReduced(_, released):
                    for line in released:
                        self._directory.stock_arrived(line.sku)
                case (
                    StockReceived(_, sku)
                    | UnitsReturned(_, _, sku)
                    | StockOpened(sku)
                    | StockAdjusted(sku)
                    | StockCounted(sku)
                    | StockMirrored(sku)
                ):
                    self._directory.stock_arrived(sku)
                case StockEffectRequested(effect, partner, document):
                    stream = stream_of(self._handle.name)
                    self._directory.effect_pending(
                        PendingEffect(effect, stream, partner, document, self._clock())
                    )
                case _:
                    pass

    async def _tell_news(
        self,
        again: Sequence[tuple[str, OrderCommand]],
        to_tell: trio.MemoryReceiveChannel[tuple[str, OrderCommand]],
    ) -> None:
        for order, command in again:
            await self._tell_order(order, command)
        async for order, command in to_tell:
            await self._tell_order(order, command)

    async def _watch_expiries(self, stock: Stock) -> None:
        while True:
            await trio.sleep(EXPIRY_CHECK_S)
            now = self._clock()
            for fulfilment in tuple(stock.fulfilments.values()):
                if fulfilment.expires_at is not None and fulfilment.expires_at <= now:
                    await tell(self._handle.mailbox, Release(fulfilment.fulfilment, "expired"))
