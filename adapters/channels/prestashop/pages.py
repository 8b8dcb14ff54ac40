"""Reading a shop's orders by rising id, ahead of whoever takes them, without losing one between two pages.

A shop gives a quarter more to two connections than to one, and nothing while it waits to be asked: so what a
page's orders name is read ahead as well. A page is found by its offset, and an offset shifts when an order is
deleted; so each page begins with the last row of the one before, and where that does not fit, the reading
begins anew.
"""

import itertools
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from actors.errors import PartnerError
from adapters.channels.prestashop.client import IDS_A_REQUEST, Webservice
from adapters.channels.prestashop.fields import FieldError, Row, reference_to
from adapters.channels.prestashop.reading import NOTHING_NAMED, Named
from adapters.channels.prestashop.wire import ORDER

PAGE_MAX = IDS_A_REQUEST
"""Orders a page: what they name then takes one request of each kind. Pages of 500 take two of nearly all, and
whoever imports them begins later, and ends later after the shop has told everything."""

AHEAD = 4
"""Pages asked for or not yet taken: two that are read, and two for whoever takes them slowly; some 10 MB."""

READ_AT_ONCE = 2
"""Connections for pages: a third gives hardly more, and the others read what the orders name."""

LAST_MIN = 75
"""The last pages get shorter and shorter, down to about this many orders: little is left to import once the
shop has told everything. A shorter one would cost the shop as much for its four requests as for its rows."""

LONG_S = 0.1
"""A first page that takes so long holds some hundred orders at least: the next one is asked for beside it."""


Failure = PartnerError | FieldError
"""What whoever takes a page is told instead of it."""

Name = Callable[[Sequence[Row]], Awaitable[Named]]
"""Reads what orders' rows name."""


@dataclass(frozen=True, slots=True)
class Page:
    """Orders by rising id.

    Attributes:
        rows: of the orders.
        read_at: when the oldest of them was asked for, on the clock of Trio.
        named: what was read of what they name; of a row that came later, nothing.
    """

    rows: list[Row]
    read_at: float
    named: Named = NOTHING_NAMED


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows of all that there were at the beginning a page holds."""

    offset: int
    count: int


class PageStream:
    """All orders above an id, in pages, read by tasks of a nursery that outlives each taking.

    Attributes:
        next_id: the id above which the next page taken begins.
    """

    def __init__(self, webservice: Webservice, name: Name, last_id: int, page_size: int) -> None:
        self.next_id = last_id
        self._webservice = webservice
        self._name = name
        self._base = last_id
        self._room = trio.Semaphore(AHEAD)
        self._connections = trio.Semaphore(READ_AT_ONCE)
        self._naming = trio.Lock()
        self._spans = [Span(number * page_size, page_size) for number in range(READ_AT_ONCE + 1)]
        self._counted = trio.Event()
        self._pages: dict[int, Page | Failure] = {}
        self._arrived = trio.Event()
        self._taken = 0
        self._is_over = False
        self._scope = trio.CancelScope()

    async def run(self) -> None:
        """Read until the last page, or until closed."""
        with self._scope:
            await self._connections.acquire()
            async with trio.open_nursery() as nursery:
                first_is_read = trio.Event()
                nursery.start_soon(self._read, 0, first_is_read)
                with trio.move_on_after(LONG_S):
                    await first_is_read.wait()
                if not self._is_over:  # a shop whose first page is not full has no others
                    nursery.start_soon(self._count_pages)
                    await self._read_on(nursery)

    async def _read_on(self, nursery: trio.Nursery) -> None:
        for number in itertools.count(1):
            if number > READ_AT_ONCE:
                await self._counted.wait()
            if number >= len(self._spans):
                return
            await self._room.acquire()
            await self._connections.acquire()
            if self._is_over:
                return
            nursery.start_soon(self._read, number)

    async def _count_pages(self) -> None:
        """Learn how many pages there can be, by the highest id, so that none is asked for in vain."""
        try:
            rows = await self._webservice.rows("orders", "[id]", sort="[id_DESC]", limit="1")
        except PartnerError:
            pass  # what was begun is read; whoever takes next begins anew behind it
        else:
            above = max((reference_to(row, "id") for row in rows), default=0) - self._base
            self._spans += further(self._spans[-1], above)
        self._counted.set()

    def close(self) -> None:
        """Read no further."""
        self._is_over = True
        self._scope.cancel()

    async def take(self) -> tuple[Page, bool]:
        """Return the orders of the next page, and whether there may be more.

        A page at a time, so that the shop is asked for the next one, and for what its orders name, while the
        last is imported, and little is left to import once the shop has told everything.

        Raises:
            PartnerError: it could not be read.
            FieldError: what its orders name makes no sense.
        """
        page = await self._page(self._taken)
        if not isinstance(page, Page):
            raise page
        rows = page.rows
        if self._taken and not (rows and reference_to(rows[0], "id") == self.next_id):
            self.close()  # it does not follow what was taken: whoever takes next begins anew behind that
            return Page([], page.read_at), True
        overlap = min(self._taken, 1)
        is_full = len(rows) >= self._spans[self._taken].count + overlap
        self._advance(rows)
        if self.is_read_through:
            self.close()
        return Page(rows[overlap:], page.read_at, page.named), is_full

    def _advance(self, rows: list[Row]) -> None:
        del self._pages[self._taken]
        self._taken += 1
        self._room.release()
        if rows:
            self.next_id = reference_to(rows[-1], "id")

    @property
    def was_ahead(self) -> bool:
        """Whether pages were read before they were asked for."""
        return self._taken > 1

    @property
    def is_read_through(self) -> bool:
        """Whether all is taken that there was when the reading began."""
        return self._counted.is_set() and self._taken == len(self._spans)

    @property
    def is_closed(self) -> bool:
        """Whether nothing more comes."""
        return self._scope.cancel_called

    async def _page(self, number: int) -> Page | Failure:
        while number not in self._pages:
            await self._arrived.wait()
        return self._pages[number]

    async def _read(self, number: int, rows_are_read: trio.Event | None = None) -> None:
        overlap = min(number, 1)
        offset, count = self._spans[number].offset - overlap, self._spans[number].count + overlap
        query = {
            "filter[id]": f">[{self._base}]",
            "sort": "[id_ASC]",
            "limit": f"{offset},{count}" if offset else str(count),
        }
        read_at = trio.current_time()
        try:
            rows = await self._webservice.rows("orders", ORDER, **query)
            self._is_over = self._is_over or len(rows) < count
        except PartnerError as error:
            self._is_over = True
            self._arrive(number, error)
            return
        finally:
            self._connections.release()
            if rows_are_read is not None:
                rows_are_read.set()
        try:
            async with self._naming:  # in their order: the first page is what somebody waits for
                named = await self._name(rows[overlap:])
        except (PartnerError, FieldError) as error:
            self._is_over = True
            self._arrive(number, error)
        else:
            self._arrive(number, Page(rows, read_at, named))

    def _arrive(self, number: int, page: Page | Failure) -> None:
        self._pages[number] = page
        self._arrived.set()
        self._arrived = trio.Event()


def further(last: Span, orders: int) -> Generator[Span]:
    """Yield the pages behind one, of at most so many orders in all."""
    offset, count = last.offset + last.count, last.count
    while (left := orders - offset) > 0:
        is_last = left < 2 * LAST_MIN
        count = min(last.count, left if is_last else -(-left // 2))
        yield Span(offset, count)
        offset += count


class PageReader:
    """The streams of one shop: one at a time, begun anew where it is not the last one that goes on."""

    def __init__(self, webservice: Webservice, name: Name, page_size: int) -> None:
        self._webservice = webservice
        self._name = name
        self._page_size = min(page_size, PAGE_MAX)
        self._nursery: trio.Nursery | None = None
        self._stream: PageStream | None = None
        self._read_to: int | None = None

    @contextmanager
    def reading_in(self, nursery: trio.Nursery) -> Generator[None]:
        """Let pages be read ahead by tasks of this nursery."""
        self._nursery = nursery
        try:
            yield
        finally:
            self._nursery = None
            self._end()

    async def above(self, last_id: int) -> tuple[Page, bool]:
        """Return the next orders above an id, and whether there may be more of them.

        Raises:
            PartnerError, FieldError: as `PageStream.take`.
        """
        read_to, self._read_to = self._read_to, None
        if self._nursery is None or last_id == read_to:
            return await self._one_page(last_id)
        stream = self._stream
        if stream is None or stream.is_closed or stream.next_id != last_id:
            self._end()
            stream = PageStream(self._webservice, self._name, last_id, self._page_size)
            self._nursery.start_soon(stream.run)
        self._stream = None  # should this be the last that is heard of it
        try:
            page, is_full = await stream.take()
            self._stream = stream if is_full else None
        finally:
            if self._stream is None:
                stream.close()
        is_last = not is_full or stream.is_read_through
        if is_last and stream.was_ahead:
            # The last page may have been read a while before it was taken: whoever asks next, which is while
            # this one is imported, is told what came since.
            self._read_to = stream.next_id
            return page, True
        return page, is_full

    def _end(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    async def _one_page(self, last_id: int) -> tuple[Page, bool]:
        query = {"filter[id]": f">[{last_id}]", "sort": "[id_ASC]", "limit": str(self._page_size)}
        read_at = trio.current_time()
        rows = await self._webservice.rows("orders", ORDER, **query)
        return Page(rows, read_at), len(rows) >= self._page_size
