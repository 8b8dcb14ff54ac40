"""Which orders have changed: none is lost, although the shop's dates have one second and no zone.

A first import goes by id. After it each poll reads what is dated since a little before the last change (two
changes in one second, a transaction that shows late, an hour that repeats), leaves out what it has handed out
with the same content, and looks again at orders that were half built. Now and then a poll goes by id instead,
for a clock that was wrong, or asks for what moves no date (`feeds.py`): it is `partial`, costs the shop one
request as every idle one does, and leaves the marks of the dates alone for the next one.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import trio

from actors.errors import MalformedError
from actors.ports.shop import Poll, ShopStanding
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.cursor import (
    ID_REACH_BACK,
    LONG_AGO,
    Cursor,
    advanced,
    changed_at,
    digest,
    forgetting,
    highest,
    seconds,
)
from adapters.channels.prestashop.dates import FAR_FUTURE, reach_back, second_after, to_local, to_utc
from adapters.channels.prestashop.feeds import NO_NEWS, News, SideFeeds
from adapters.channels.prestashop.fields import Row, reference_to, text
from adapters.channels.prestashop.pages import Page, PageReader
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.reading import OrderReader
from adapters.channels.prestashop.wire import ORDER, is_unfinished

READ_IN_DETAIL_MAX = 50
"""Of more orders that are to be shipped, in a page of the first import, what only people want to know is not
read with them: it would take the shop twice the time. Whoever reads them again later is told it then."""

IMPORT_SECONDS_MAX = 30.0
"""Between two polls of a first import: 2,000 orders are read and imported in some three seconds."""

SURVEYED = 1_000
"""Orders a page of a survey: two fields each."""

UNFINISHED_MAX = 500
"""Half-built orders looked at again; a shop that leaves more of them has another trouble."""

UNFINISHED_SECONDS_MAX = 600
"""An order that is half built for longer is handed out as it is: nothing waits unseen."""


class _Read(msgspec.Struct, frozen=True):
    """What a poll read, besides what it looks at again.

    Attributes:
        page: the orders' rows.
        cursor: as the reading leaves it; the marks are still those from before.
        news: of the list that was asked in place of the orders.
        partial: whether the orders were not read by date although their dates are what has to be followed.
    """

    page: Page
    cursor: Cursor
    news: News = NO_NEWS
    partial: bool = False


class OrderFeed:
    """Polls one shop's orders."""

    def __init__(self, webservice: Webservice, reader: OrderReader, settings: PrestaShopSettings) -> None:
        self._webservice = webservice
        self._reader = reader
        self._page_size = settings.page_size
        self._beside = SideFeeds(webservice, with_refunds=settings.refunds)
        self._after_order = settings.after_order
        self._overlap = timedelta(seconds=settings.overlap_seconds)
        self.pages = PageReader(webservice, reader.named, settings.page_size)
        self._import_until = 0.0
        self._import_over = trio.Event()

    @property
    def is_importing(self) -> bool:
        """Whether a first import is under way."""
        return trio.current_time() < self._import_until

    async def import_over(self) -> None:
        """Return once no first import is under way, or none has been heard of for a while.

        A shop gives its 1,500 orders a second only to somebody who asks for nothing else.
        """
        while self.is_importing:
            with trio.move_on_at(self._import_until):
                await self._import_over.wait()

    def _note_import(self, *, is_importing: bool) -> None:
        self._import_until = trio.current_time() + IMPORT_SECONDS_MAX if is_importing else 0.0
        if not is_importing:
            self._import_over.set()
            self._import_over = trio.Event()

    async def poll(self, saved: str | None) -> Poll:
        """Return the orders that are new or changed since the saved cursor, a page at most.

        Raises:
            MalformedError: the saved cursor is none of ours, or an answer makes no sense.
            UnreachableError: the shop did not answer, or only half.
        """
        cursor = self._cursor(saved)
        zone = await self._reader.zone()
        again, imported = cursor.unfinished, cursor.importing
        if imported:
            self._note_import(is_importing=True)
        begins_window = not cursor.is_in_window
        cursor = msgspec.structs.replace(cursor, marks=await self._beside.begin(cursor.marks))
        read_at = trio.current_time()
        read = await self._read(cursor, zone)
        page, news, cursor = read.page, read.news, read.cursor
        more = cursor.importing or cursor.is_in_window
        by_id = {reference_to(row, "id"): row for row in page.rows}
        looked_at = [order for order in {*again, *news.orders} if order not in by_id]
        if looked_at:
            found = await self._webservice.rows_by_ids("orders", ORDER, looked_at)
            by_id.update((reference_to(row, "id"), row) for row in found)
        by_id = {order: row for order, row in by_id.items() if order > self._after_order}
        now = self._webservice.clock
        if read.partial:
            # The marks are of dates, which were not read: what changed meanwhile is still ahead of them.
            cursor = msgspec.structs.replace(cursor, last_id=highest(cursor.last_id, page.rows))
        else:
            if begins_window:
                began = to_local(now, zone) if now is not None else ""
                cursor = msgspec.structs.replace(cursor, began=began)
            cursor = advanced(cursor, by_id.values(), zone, now, imported=imported, whole=not more)
        changed, cursor = self._changed(cursor, by_id, await self._being_built(by_id), zone)
        if not read.partial:
            cursor = forgetting(cursor, zone, self._overlap)
        detailed_max = READ_IN_DETAIL_MAX if imported else None
        orders = await self._reader.read(
            changed, detailed_max=detailed_max, with_slips=news.retold, ahead=page.named
        )
        if imported:
            self._note_import(is_importing=cursor.importing)
        return Poll(
            tuple(orders),
            msgspec.json.encode(cursor).decode(),
            more=more,
            ahead_s=max(0.0, read_at - page.read_at),
            partial=read.partial,
        )

    async def cursor_at(self, since: datetime, saved: str | None) -> str:
        """Return a cursor whose first import begins with the first order placed since.

        What changed after the mark of the saved one is told once the import is over.

        Raises:
            MalformedError: the saved cursor is none of ours.
            UnreachableError: the shop did not answer.
        """
        before = self._cursor(saved)
        zone = await self._reader.zone()
        # In an hour that repeats the date may mean either: the earlier one, and whoever imports looks again.
        begins = reach_back(to_local(since, zone), zone, timedelta(0))
        newest = await self._webservice.rows("orders", "[id]", sort="[id_DESC]", limit="1")
        query = {
            "filter[date_add]": f"[{begins},{FAR_FUTURE}]",
            "date": "1",
            "sort": "[id_ASC]",
            "limit": "1",
        }
        first = await self._webservice.rows("orders", "[id]", **query)
        now = self._webservice.clock
        last_id = max((reference_to(row, "id") for row in newest), default=0)
        if first:
            last_id = min(last_id, reference_to(first[0], "id") - 1)
        mark = before.mark or (to_local(now, zone) if now is not None else "")
        begun = Cursor(last_id=last_id, mark=mark, unfinished=before.unfinished, marks=before.marks)
        return msgspec.json.encode(begun).decode()

    async def survey(self, last_id: int) -> list[ShopStanding]:
        """Return how the next orders above `last_id` stand, a page at most."""
        above = max(last_id, self._after_order)
        query = {"filter[id]": f">[{above}]", "sort": "[id_ASC]", "limit": str(SURVEYED)}
        rows = await self._webservice.rows("orders", "[id,current_state]", **query)
        return [
            ShopStanding(str(reference_to(row, "id")), standing)
            for row, standing in zip(rows, await self._reader.standings(rows), strict=True)
        ]

    def _cursor(self, saved: str | None) -> Cursor:
        if saved is None:
            return Cursor(last_id=self._after_order)
        try:
            return msgspec.json.decode(saved, type=Cursor)
        except msgspec.MsgspecError as error:
            raise MalformedError(self._webservice.system, "read the cursor", "it is not ours") from error

    async def _read(self, cursor: Cursor, zone: ZoneInfo) -> _Read:
        if cursor.importing:
            page, cursor = await self._import(cursor)
            return _Read(page, cursor)
        beside = None if cursor.is_in_window else self._beside.at(cursor.turn)
        read_at = trio.current_time()
        if beside is None:
            rows, cursor = await self._follow(cursor, zone)
            return _Read(Page(rows, read_at), cursor)
        cursor = msgspec.structs.replace(cursor, turn=cursor.turn + 1)
        if beside == "id":
            rows = await self._above(max(0, cursor.last_id - ID_REACH_BACK), ID_REACH_BACK)
            return _Read(Page(rows, read_at), cursor, partial=True)
        news = await self._beside.news(beside, cursor.marks)
        seen = {order: each for order, each in cursor.seen.items() if order not in news.retold}
        cursor = msgspec.structs.replace(cursor, marks=news.marks, seen=seen)
        return _Read(Page([], read_at), cursor, news, partial=True)

    async def _import(self, cursor: Cursor) -> tuple[Page, Cursor]:
        page, is_full = await self.pages.above(cursor.last_id)
        return page, msgspec.structs.replace(cursor, importing=is_full)

    async def _above(self, last_id: int, beside: int = 0) -> list[Row]:
        """Return a page of orders by id; `beside` rows more where that many are known already."""
        limit = str(self._page_size + beside)
        query = {"filter[id]": f">[{last_id}]", "sort": "[id_ASC]", "limit": limit}
        return await self._webservice.rows("orders", ORDER, **query)

    async def _follow(self, cursor: Cursor, zone: ZoneInfo) -> tuple[list[Row], Cursor]:
        if cursor.within is not None:
            return await self._within_a_second(cursor, *cursor.within)
        back = reach_back(cursor.mark or LONG_AGO, zone, self._overlap)
        # In an hour that repeats the floor may lie ahead; then it is none.
        floor = cursor.floor if cursor.mark and cursor.floor <= second_after(cursor.mark) else ""
        start = cursor.page_from or max(back, floor)
        query = {
            "filter[date_upd]": f"[{start},{FAR_FUTURE}]",
            "date": "1",
            "sort": "[date_upd_ASC,id_ASC]",
            "limit": str(self._page_size),
        }
        rows = await self._webservice.rows("orders", ORDER, **query)
        if len(rows) >= self._page_size:
            dates = [date for row in rows if (date := changed_at(row))]
            if not dates:
                raise MalformedError(
                    self._webservice.system, "GET /api/orders", "no order says when it changed"
                )
            first, last = dates[0], dates[-1]
            if first == last:
                within = (last, reference_to(rows[-1], "id"))
                return rows, msgspec.structs.replace(cursor, within=within, page_from="")
            # Not by offset: an order that changes moves to the end and would shift another one away.
            return rows, msgspec.structs.replace(cursor, page_from=last)
        return rows, msgspec.structs.replace(cursor, page_from="", turn=cursor.turn + 1)

    async def _within_a_second(self, cursor: Cursor, second: str, after: int) -> tuple[list[Row], Cursor]:
        query = {
            "filter[date_upd]": f"[{second},{second}]",
            "date": "1",
            "filter[id]": f">[{after}]",
            "sort": "[id_ASC]",
            "limit": str(self._page_size),
        }
        rows = await self._webservice.rows("orders", ORDER, **query)
        if len(rows) >= self._page_size:
            within = (second, reference_to(rows[-1], "id"))
            return rows, msgspec.structs.replace(cursor, within=within)
        return rows, msgspec.structs.replace(cursor, within=None, page_from=second_after(second))

    async def _being_built(self, rows: Mapping[int, Row]) -> Collection[int]:
        ended = await self._reader.ended(list(rows.values()))
        return {order for order, row in rows.items() if is_unfinished(row) and order not in ended}

    def _changed(
        self, cursor: Cursor, rows: Mapping[int, Row], being_built: Collection[int], zone: ZoneInfo
    ) -> tuple[list[Row], Cursor]:
        """Leave out what was handed out with the same content, and what is still being built.

        What is half built for too long is handed out, and not looked at with each poll any more: it stands
        before a person then, and whoever put it there reads it again.
        """
        seen = dict(cursor.seen)
        unfinished = set(cursor.unfinished)
        changed: list[Row] = []
        for order, row in rows.items():
            if order in being_built and not self._is_overdue(row, zone):
                unfinished.add(order)
                continue
            unfinished.discard(order)
            content = digest(row)
            known = seen.get(order)
            if known is None or known[1] != content:
                seen[order] = (seconds(changed_at(row)), content)
                changed.append(row)
        # What is no longer found was deleted before it was complete.
        gone = {order for order in cursor.unfinished if order not in rows}
        kept = tuple(sorted(unfinished - gone))[-UNFINISHED_MAX:]
        return changed, msgspec.structs.replace(cursor, seen=seen, unfinished=kept)

    def _is_overdue(self, row: Row, zone: ZoneInfo) -> bool:
        now = self._webservice.clock
        try:
            placed_at = to_utc(text(row, "date_add"), zone)
        except ValueError:
            return True
        return now is not None and now - placed_at > timedelta(seconds=UNFINISHED_SECONDS_MAX)
