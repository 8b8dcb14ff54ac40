"""What happens to an order without moving its date: refunds, payments, and statuses under a wrong clock.

Each is a list whose ids only grow, so news are the ids above the last one seen: an indexed read of some 20 ms
where the poll by date costs 160. It owns which list is asked for when; what becomes of an order that has news
is the poll's matter.
"""

from collections.abc import Mapping
from typing import Literal

import trio
from msgspec import Struct

from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import Row, reference_to
from adapters.channels.prestashop.together import collapsed

Feed = Literal["slip", "history", "payment"]

TURNS = 24
"""In so many polls each list is asked for at least once: two minutes at five seconds.

Most idle polls so cost the shop one request.
"""

TURN_OF: Mapping[int, Feed] = {3: "slip", 9: "history", 15: "slip", 21: "payment"}
"""Which list in which poll; refunds twice, since what was refunded must not be shipped."""

LOOK_MAX = 250
"""News a look; what is more waits for the next one."""

RESOURCE: Mapping[Feed, tuple[str, str]] = {
    "slip": ("order_slip", "[id,id_order]"),
    "history": ("order_histories", "[id,id_order]"),
    "payment": ("order_payments", "[id,order_reference]"),
}


Marks = Mapping[Feed, int]
"""The highest id seen of each list; a list that was never looked at has none."""


class News(Struct, frozen=True):
    """Orders to be looked at; `again` are to be told again although their rows are the same."""

    orders: frozenset[int]
    again: bool
    marks: Marks


class SideFeeds:
    """The lists beside one shop's orders."""

    def __init__(self, webservice: Webservice, *, with_refunds: bool) -> None:
        self._webservice = webservice
        self._kinds: tuple[Feed, ...] = (
            ("slip", "history", "payment") if with_refunds else ("history", "payment")
        )

    async def begin(self, marks: Marks) -> Marks:
        """Return the marks with every list that has none marked at its present end.

        Raises:
            PartnerError: the shop did not answer.
        """
        found = dict(marks)

        async def mark(kind: Feed) -> None:
            rows = await self._rows(kind, sort="[id_DESC]", limit="1")
            found[kind] = max((reference_to(row, "id") for row in rows), default=0)

        with collapsed():
            async with trio.open_nursery() as nursery:
                for kind in self._kinds:
                    if kind not in marks:
                        nursery.start_soon(mark, kind)
        return found

    async def news(self, marks: Marks, turn: int) -> News:
        """Return what the list whose turn it is tells of.

        Raises:
            PartnerError: the shop did not answer.
        """
        kind = TURN_OF.get(turn % TURNS)
        if kind is None or kind not in self._kinds:
            return News(frozenset(), again=False, marks=marks)
        last = marks.get(kind, 0)
        query = {"filter[id]": f">[{last}]", "sort": "[id_ASC]", "limit": str(LOOK_MAX)}
        rows = await self._rows(kind, **query)
        now_last = max((reference_to(row, "id") for row in rows), default=last)
        orders = await self._of_payments(rows) if kind == "payment" else _orders(rows)
        return News(orders, again=kind == "slip", marks={**marks, kind: now_last})

    async def _rows(self, kind: Feed, **query: str) -> list[Row]:
        resource, display = RESOURCE[kind]
        if kind == "payment":
            return await self._webservice.rows_if_allowed(resource, display, **query)
        return await self._webservice.rows(resource, display, **query)

    async def _of_payments(self, rows: list[Row]) -> frozenset[int]:
        """A payment is of a reference, which the orders of one cart share."""
        references = sorted({str(row.get("order_reference", "")) for row in rows})
        plain = [each for each in references if each.isalnum()]
        if not plain:
            return frozenset()
        query = {"filter[reference]": f"[{'|'.join(plain)}]"}
        found = await self._webservice.rows("orders", "[id]", **query)
        return frozenset(reference_to(row, "id") for row in found)


def _orders(rows: list[Row]) -> frozenset[int]:
    return frozenset(reference_to(row, "id_order") for row in rows) - {0}
