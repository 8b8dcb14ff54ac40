"""The partners' ports with a watch beside them: how each call ended, and how long it took.

It stands between the actors and the adapters, so that every call is seen: polls and stock as well as what
drains tell. It changes no answer. The ERP's books are handed on as they are: nobody waits for them.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

import trio

from actors.domain.documents import CarrierDocument, ErpDocument, ShopDocument, ShopTracking
from actors.errors import MalformedError, OutcomeUnknownError, RefusedError, UnreachableError
from actors.partners import Partners
from actors.ports.carrier import CarrierPort, TrackingPage
from actors.ports.erp import ErpPort
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from actors.ports.shop import Poll, Pushed, ShopOrder, ShopPort, ShopStanding, UnreadableOrder

T = TypeVar("T")

CALL_OUTCOMES: Final = ("ok", "refused", "unreachable", "unknown", "malformed", "cancelled", "crashed")
"""What can come of a call; the four in the middle are `actors.errors`."""

OPERATIONS: Final = (
    "poll",
    "cursor_at",
    "order",
    "reread",
    "survey",
    "tracked",
    "find",
    "carry_out",
    "stock",
    "push_stock",
    "events",
)
"""What partners are asked: the methods of their ports."""

Told = Callable[[str, str, str, float], None]
"""Called with the partner, the operation, the outcome and the seconds that a call took."""


def measured(partners: Partners, told: Told) -> Partners:
    """Return the partners, each with a watch beside it; they are named as their outboxes are."""
    return Partners(
        {name: _Shop(shop, _Watch(f"shop-{name}", told)) for name, shop in partners.shops.items()},
        _Erp(partners.erp, _Watch("erp", told)),
        {name: _Carrier(port, _Watch(f"carrier-{name}", told)) for name, port in partners.carriers.items()},
        partners.books,
    )


class _Watch:
    def __init__(self, partner: str, told: Told) -> None:
        self._partner = partner
        self._told = told

    async def over(self, operation: str, call: Awaitable[T]) -> T:
        began = trio.current_time()
        outcome = "cancelled"
        try:
            answer = await call
            outcome = "ok"
        except Exception as error:
            outcome = _outcome_of(error)
            raise
        finally:
            self._told(self._partner, operation, outcome, trio.current_time() - began)
        return answer


def _outcome_of(error: Exception) -> str:
    match error:
        case RefusedError():
            return "refused"
        case UnreachableError():
            return "unreachable"
        case OutcomeUnknownError():
            return "unknown"
        case MalformedError():
            return "malformed"
        case _:
            return "crashed"


class _Shop:
    """See `ShopPort` for what each method does."""

    def __init__(self, port: ShopPort, watch: _Watch) -> None:
        self._port = port
        self._watch = watch

    async def poll(self, cursor: str | None) -> Poll:
        return await self._watch.over("poll", self._port.poll(cursor))

    async def cursor_at(self, since: datetime, cursor: str | None = None) -> str:
        return await self._watch.over("cursor_at", self._port.cursor_at(since, cursor))

    async def order(self, shop_order: str) -> ShopOrder | UnreadableOrder | None:
        return await self._watch.over("order", self._port.order(shop_order))

    async def reread(
        self, shop_orders: Collection[str], *, whole: bool = True
    ) -> Mapping[str, ShopOrder | UnreadableOrder]:
        return await self._watch.over("reread", self._port.reread(shop_orders, whole=whole))

    async def survey(self, after: str) -> Sequence[ShopStanding]:
        return await self._watch.over("survey", self._port.survey(after))

    async def tracked(self, tellings: Sequence[ShopTracking]) -> Sequence[bool]:
        return await self._watch.over("tracked", self._port.tracked(tellings))

    async def find(self, document: ShopDocument) -> Outcome | None:
        return await self._watch.over("find", self._port.find(document))

    async def carry_out(self, document: ShopDocument) -> Outcome:
        return await self._watch.over("carry_out", self._port.carry_out(document))

    async def stock(self) -> Mapping[str, int]:
        return await self._watch.over("stock", self._port.stock())

    async def push_stock(self, levels: Mapping[str, int]) -> Pushed:
        return await self._watch.over("push_stock", self._port.push_stock(levels))


class _Erp:
    """See `ErpPort` for what each method does."""

    def __init__(self, port: ErpPort, watch: _Watch) -> None:
        self._port = port
        self._watch = watch

    async def find(self, document: ErpDocument) -> Outcome | None:
        return await self._watch.over("find", self._port.find(document))

    async def carry_out(self, document: ErpDocument, contact: Contact | None) -> Outcome:
        return await self._watch.over("carry_out", self._port.carry_out(document, contact))

    async def stock(self) -> Mapping[str, Mapping[str, int]]:
        return await self._watch.over("stock", self._port.stock())


class _Carrier:
    """See `CarrierPort` for what each method does."""

    def __init__(self, port: CarrierPort, watch: _Watch) -> None:
        self._port = port
        self._watch = watch

    async def find(self, document: CarrierDocument) -> Outcome | None:
        return await self._watch.over("find", self._port.find(document))

    async def carry_out(self, document: CarrierDocument, contact: Contact | None) -> Outcome:
        return await self._watch.over("carry_out", self._port.carry_out(document, contact))

    async def events(self, cursor: str | None) -> TrackingPage:
        return await self._watch.over("events", self._port.events(cursor))
