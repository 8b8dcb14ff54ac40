"""The paths under /v1/ and what each asks of the desk or the floor; it decides nothing."""

from collections.abc import Sequence

from msgspec import Struct

from daemon.control.router import Call, Change, Reading, Route
from daemon.control.service import Desk, Floor
from daemon.control.wire import (
    Adjustment,
    Anomalies,
    CancelOrder,
    HoldOrder,
    Orders,
    Outbox,
    PackFulfilment,
    PickLists,
    Reception,
    ReleaseOrder,
    RetryOrder,
    Scan,
    Short,
    SlotAssignment,
    StockLevels,
)

_ORDER = "/v1/orders/{order}"
_WAREHOUSE = "/v1/warehouses/{warehouse}"


def routes(desk: Desk, floor: Floor) -> Sequence[Route]:
    """Return every path of the control socket."""
    return (*_of_the_desk(desk), *_of_the_floor(floor))


def _of_the_desk(desk: Desk) -> Sequence[Route]:
    async def status(_call: Call) -> Struct:
        return await desk.status()

    async def orders(call: Call) -> Struct:
        states = [state for state in call.query.get("state", "").split(",") if state]
        return Orders(tuple(await desk.orders(states, call.limit)))

    async def order(call: Call) -> Struct:
        return await desk.order(call.names["order"])

    async def hold(call: Call, asked: HoldOrder) -> Struct:
        return await desk.hold(call.names["order"], asked, by=call.by, key=call.key)

    async def release(call: Call, asked: ReleaseOrder) -> Struct:
        return await desk.release(call.names["order"], asked, by=call.by, key=call.key)

    async def cancel(call: Call, _asked: CancelOrder) -> Struct:
        return await desk.cancel(call.names["order"], by=call.by, key=call.key)

    async def retry(call: Call, _asked: RetryOrder) -> Struct:
        return await desk.retry(call.names["order"], by=call.by, key=call.key)

    async def anomalies(call: Call) -> Struct:
        return Anomalies(tuple(await desk.anomalies(call.limit)))

    async def outbox(call: Call) -> Struct:
        return Outbox(tuple(await desk.outbox(call.limit)))

    return (
        Reading("/v1/status", status),
        Reading("/v1/orders", orders, query=("state", "limit")),
        Reading(_ORDER, order),
        Change(f"{_ORDER}/hold", HoldOrder, hold),
        Change(f"{_ORDER}/release", ReleaseOrder, release),
        Change(f"{_ORDER}/cancel", CancelOrder, cancel),
        Change(f"{_ORDER}/retry", RetryOrder, retry),
        Reading("/v1/anomalies", anomalies, query=("limit",)),
        Reading("/v1/outbox", outbox, query=("limit",)),
    )


def _of_the_floor(floor: Floor) -> Sequence[Route]:
    async def picklists(call: Call) -> Struct:
        return PickLists(tuple(await floor.picklists(call.names["warehouse"], call.limit)))

    async def stock(call: Call) -> Struct:
        return StockLevels(tuple(await floor.stock(call.names["warehouse"], call.query.get("sku"))))

    async def scan(call: Call, asked: Scan) -> Struct:
        return await floor.scan(call.names["warehouse"], asked, key=call.key)

    async def short(call: Call, asked: Short) -> Struct:
        return await floor.short(call.names["warehouse"], asked, key=call.key)

    async def pack(call: Call, asked: PackFulfilment) -> Struct:
        return await floor.pack(call.names["warehouse"], asked, key=call.key)

    async def receive(call: Call, asked: Reception) -> Struct:
        return await floor.receive(call.names["warehouse"], asked, key=call.key)

    async def adjust(call: Call, asked: Adjustment) -> Struct:
        return await floor.adjust(call.names["warehouse"], asked, key=call.key)

    async def assign_slot(call: Call, asked: SlotAssignment) -> Struct:
        return await floor.assign_slot(call.names["warehouse"], asked, key=call.key)

    return (
        Reading(f"{_WAREHOUSE}/picklists", picklists, query=("limit",)),
        Reading(f"{_WAREHOUSE}/stock", stock, query=("sku",)),
        Change(f"{_WAREHOUSE}/scans", Scan, scan),
        Change(f"{_WAREHOUSE}/shorts", Short, short),
        Change(f"{_WAREHOUSE}/packs", PackFulfilment, pack),
        Change(f"{_WAREHOUSE}/receptions", Reception, receive),
        Change(f"{_WAREHOUSE}/adjustments", Adjustment, adjust),
        Change(f"{_WAREHOUSE}/slots", SlotAssignment, assign_slot),
    )
