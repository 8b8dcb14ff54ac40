"""What happens to an order without moving its date: refunds, payments, and statuses under a wrong clock.

Each is a list whose ids only grow, so news are the ids above the last one seen: an indexed read of some 20 ms
where the poll by date costs 160. It owns which list is asked for when, and when the orders are read by id;
what becomes of an order that has news is the poll's matter.

What is asked for at such a turn takes the place of the poll by date, so that an idle poll is one request.
"""

from collections.abc import Mapping
from typing import Literal

import trio
from msgspec import Struct

from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.details import PLAIN
from adapters.channels.prestashop.fields import Row, reference_to
from adapters.channels.prestashop.together import collapsed

Feed = Literal["slip", "history", "payment"]

Beside = Feed | Literal["id"]
"""What is asked for in place of the orders by date."""

TURNS = 24
"""In so many polls each list is asked for at least once: two minutes at five seconds."""

TURN_OF: Mapping[int, Beside] = {
    3: "slip",
    5: "id",
    9: "history",
    11: "id",
    15: "slip",
    17: "id",
    21: "payment",
    23: "id",
}
"""What is asked for in which poll; refunds twice, since what was refunded must not be shipped.

Never two in a row, so that whatever such a poll does not see is seen by the next one; and none of the first
ones, which come after an import.
"""

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
    """Orders to be looked at; `retold` are to be told again although their rows are the same."""

    orders: frozenset[int]
    retold: frozenset[int]
    marks: Marks


NO_NEWS = News(frozenset(), frozenset(), {})


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

    def at(self, turn: int) -> Beside | None:
        """Return what is asked for at this turn in place of the orders by date; None: those."""
        beside = TURN_OF.get(turn % TURNS)
        return beside if beside == "id" or beside in self._kinds else None

    async def news(self, kind: Feed, marks: Marks) -> News:
        """Return what a list tells of.

        Raises:
            PartnerError: the shop did not answer.
        """
        last = marks.get(kind, 0)
        query = {"filter[id]": f">[{last}]", "sort": "[id_ASC]", "limit": str(LOOK_MAX)}
        rows = await self._rows(kind, **query)
        now_last = max((reference_to(row, "id") for row in rows), default=last)
        orders = await self._of_payments(rows) if kind == "payment" else _orders(rows)
        retold = orders if kind == "slip" else frozenset[int]()
        return News(orders, retold, {**marks, kind: now_last})

    async def _rows(self, kind: Feed, **query: str) -> list[Row]:
        resource, display = RESOURCE[kind]
        if kind == "payment":
            return await self._webservice.rows_if_allowed(resource, display, **query)
        return await self._webservice.rows(resource, display, **query)

    async def _of_payments(self, rows: list[Row]) -> frozenset[int]:
        """A payment is of a reference, which the orders of one cart share."""
        references = sorted({str(row.get("order_reference", "")) for row in rows})
        plain = [each for each in references if PLAIN.fullmatch(each)]
        if not plain:
            return frozenset()
        query = {"filter[reference]": f"[{'|'.join(plain)}]"}
        found = await self._webservice.rows("orders", "[id]", **query)
        return frozenset(reference_to(row, "id") for row in found)


def _orders(rows: list[Row]) -> frozenset[int]:
    return frozenset(reference_to(row, "id_order") for row in rows) - {0}
