"""The paths under /v1/ and what each asks of the desk, the floor or the helm; it decides nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import trio
from msgspec import Struct

from actors.domain.order_state import LIFE_CYCLE
from actors.inspection import OrderFilter
from daemon.control.access import Role
from daemon.control.answers import RECONCILE_SECONDS_MAX
from daemon.control.asked import (
    Adjustment,
    CancelOrder,
    CapWarehouse,
    CloseGate,
    Counting,
    Drain,
    DropEffect,
    HoldOrder,
    LogLevel,
    MirroredPiece,
    OpenGate,
    PackFulfilment,
    Reception,
    ReleaseOrder,
    Reload,
    RerouteOrder,
    ResolveAnomalies,
    RetryAnomalies,
    RetryOrder,
    RetryOutbox,
    Return,
    Scan,
    Short,
    SlotAssignment,
    TakeAnomalies,
)
from daemon.control.openapi import Document, document
from daemon.control.routes import Call, Change, Feed, Following, Reading, Route
from daemon.control.service import (
    Auditor,
    Backlog,
    Desk,
    Floor,
    Gates,
    Helm,
    Mandate,
    Tail,
    Trail,
    TrailFilter,
)
from daemon.control.wire import (
    Anomalies,
    Carriers,
    Done,
    Outbox,
    Partners,
    Reloaded,
    Status,
    Trial,
    Warehouses,
)
from daemon.control.wire_books import Reconciled
from daemon.control.wire_floor import Label, PickLists, StockExplained, StockExplanations, StockLevels
from daemon.control.wire_log import AuditTold, Changes, EventTold, LastAudit, LogEnds
from daemon.control.wire_orders import Orders, OrderStory

Asked = TypeVar("Asked", bound=Struct)

_ORDER = "/v1/orders/{order}"
_WAREHOUSE = "/v1/warehouses/{warehouse}"
_CARRIER = "/v1/carriers/{carrier}"

_ORDERS = {
    "state": "only orders in one of these states, parted by commas",
    "channel": "only orders of this channel",
    "warehouse": "only orders of which this warehouse holds something",
    "placed_before": "only orders placed by then (RFC 3339)",
}
_LIMIT = {"limit": "how many rows at most, 1 to 1000; 100 unless told"}
_LIMIT_EACH = {"limit": "how many rows of each warehouse at most, 1 to 1000; 100 unless told"}


@dataclass(frozen=True, slots=True)
class Services:
    """Whoever answers for the daemon."""

    desk: Desk
    backlog: Backlog
    floor: Floor
    helm: Helm
    gates: Gates
    tail: Tail
    auditor: Auditor
    trail: Trail


def routes(services: Services) -> Sequence[Route]:
    """Return every path of the control socket."""
    told = (
        *_of_the_desk(services.desk),
        *_of_the_backlog(services.backlog),
        *_of_the_gates(services.gates),
        *_of_the_tail(services.tail),
        *_of_the_auditor(services.auditor),
        _of_the_trail(services.trail),
        *_of_the_floor(services.floor),
        *_of_the_helm(services.helm),
    )
    described = document(told)

    async def openapi(_call: Call) -> Document:
        await trio.lowlevel.checkpoint()
        return described

    return (*told, Reading("/v1/openapi.json", Struct, openapi))


def _of_the_desk(desk: Desk) -> Sequence[Route]:
    async def status(_call: Call) -> Struct:
        return await desk.status()

    async def orders(call: Call) -> Struct:
        wanted = OrderFilter(
            call.words("state", LIFE_CYCLE),
            call.query.get("channel", ""),
            call.query.get("warehouse", ""),
            call.instant("placed_before"),
        )
        return Orders(tuple(await desk.orders(wanted, call.limit)))

    async def order(call: Call) -> Struct:
        return await desk.order(call.names["order"])

    async def cancel(order: str, _asked: CancelOrder, mandate: Mandate) -> Done | Trial:
        return await desk.cancel(order, mandate)

    async def retry(order: str, _asked: RetryOrder, mandate: Mandate) -> Done | Trial:
        return await desk.retry(order, mandate)

    async def reconcile(call: Call) -> Struct:
        return await desk.reconcile(call.query.get("channel"))

    return (
        Reading("/v1/status", Status, status),
        Reading("/v1/orders", Orders, orders, query=_ORDERS | _LIMIT),
        Reading(_ORDER, OrderStory, order),
        Change(f"{_ORDER}/hold", HoldOrder, _about("order", desk.hold)),
        Change(f"{_ORDER}/release", ReleaseOrder, _about("order", desk.release)),
        Change(f"{_ORDER}/cancel", CancelOrder, _about("order", cancel)),
        Change(f"{_ORDER}/reroute", RerouteOrder, _about("order", desk.reroute)),
        Change(f"{_ORDER}/retry", RetryOrder, _about("order", retry)),
        Reading(
            "/v1/reconciliation",
            Reconciled,
            reconcile,
            query={"channel": "only this channel's shop"},
            seconds_max=RECONCILE_SECONDS_MAX,
        ),
    )


def _of_the_backlog(backlog: Backlog) -> Sequence[Route]:
    async def anomalies(call: Call) -> Struct:
        return Anomalies(tuple(await backlog.anomalies(call.limit)))

    async def outbox(call: Call) -> Struct:
        return Outbox(tuple(await backlog.outbox(call.limit)))

    async def partners(_call: Call) -> Struct:
        return Partners(tuple(await backlog.partners()))

    return (
        Reading("/v1/anomalies", Anomalies, anomalies, query=_LIMIT),
        Change("/v1/anomalies/resolve", ResolveAnomalies, _about_all(backlog.resolve)),
        Change("/v1/anomalies/take", TakeAnomalies, _about_all(backlog.take)),
        Change("/v1/anomalies/retry", RetryAnomalies, _about_all(backlog.retry_anomalies)),
        Reading("/v1/outbox", Outbox, outbox, query=_LIMIT),
        Change("/v1/outbox/retry", RetryOutbox, _about_all(backlog.retry_outbox)),
        Change("/v1/outbox/drop", DropEffect, _about_all(backlog.drop)),
        Reading("/v1/partners", Partners, partners),
    )


def _of_the_gates(gates: Gates) -> Sequence[Route]:
    async def warehouses(_call: Call) -> Struct:
        return Warehouses(tuple(await gates.warehouses()))

    async def carriers(_call: Call) -> Struct:
        return Carriers(tuple(await gates.carriers()))

    house, carrier = "warehouse", "carrier"
    admin = Role.ADMIN
    return (
        Reading("/v1/warehouses", Warehouses, warehouses),
        Change(f"{_WAREHOUSE}/close", CloseGate, _about(house, gates.close_warehouse), role=admin),
        Change(f"{_WAREHOUSE}/open", OpenGate, _about(house, gates.open_warehouse), role=admin),
        Change(f"{_WAREHOUSE}/cap", CapWarehouse, _about(house, gates.cap_warehouse), role=admin),
        Reading("/v1/carriers", Carriers, carriers),
        Change(f"{_CARRIER}/close", CloseGate, _about(carrier, gates.close_carrier), role=admin),
        Change(f"{_CARRIER}/open", OpenGate, _about(carrier, gates.open_carrier), role=admin),
    )


def _of_the_tail(tail: Tail) -> Sequence[Route]:
    def events(call: Call) -> Feed:
        return partial(tail.events, call.limit, follow=call.flag("follow"))

    async def ends(call: Call) -> Struct:
        return LogEnds(tuple(await tail.ends(call.positions("at"))))

    query = {**_LIMIT, "follow": "true to be told what comes, too"}
    at = {"at": "at which position of which partition, such as 0:41,63:7"}
    return (
        Following("/v1/tail", EventTold, events, query=query),
        Reading("/v1/tail/ends", LogEnds, ends, query=at),
    )


def _of_the_auditor(auditor: Auditor) -> Sequence[Route]:
    def audit(_call: Call) -> Feed:
        return auditor.begin()

    async def last(_call: Call) -> Struct:
        return await auditor.last()

    return (
        Following("/v1/audit", AuditTold, audit, role=Role.OPERATOR),
        Reading("/v1/audit/last", LastAudit, last),
    )


def _of_the_trail(trail: Trail) -> Route:
    async def changes(call: Call) -> Struct:
        wanted = TrailFilter(call.query.get("user", ""), call.query.get("about", ""))
        return Changes(tuple(await trail.changes(wanted, call.limit)))

    query = {
        **_LIMIT,
        "user": "only what this user asked for, by name or number",
        "about": "only changes that name this: an order (its parts count), a warehouse, a SKU",
    }
    # Who worked when is no colleague's matter.
    return Reading("/v1/trail", Changes, changes, query=query, role=Role.ADMIN)


def _of_the_floor(floor: Floor) -> Sequence[Route]:
    async def picklists(call: Call) -> Struct:
        return PickLists(tuple(await floor.picklists(call.names["warehouse"], call.limit)))

    async def label(call: Call) -> Struct:
        return await floor.label(call.names["parcel"])

    async def stock(call: Call) -> Struct:
        return StockLevels(tuple(await floor.stock(call.names["warehouse"], call.query.get("sku"))))

    async def explain(call: Call) -> Struct:
        return await floor.explain(call.names["warehouse"], call.names["sku"], call.limit)

    async def stock_everywhere(call: Call) -> Struct:
        return StockLevels(tuple(await floor.stock_everywhere(call.names["sku"])))

    async def explain_everywhere(call: Call) -> Struct:
        return StockExplanations(tuple(await floor.explain_everywhere(call.names["sku"], call.limit)))

    return (
        Reading("/v1/stock/{sku}", StockLevels, stock_everywhere),
        Reading("/v1/stock/{sku}/movements", StockExplanations, explain_everywhere, query=_LIMIT_EACH),
        Reading(f"{_WAREHOUSE}/stock/{{sku}}", StockExplained, explain, query=_LIMIT),
        Reading(f"{_WAREHOUSE}/picklists", PickLists, picklists, query=_LIMIT),
        Reading(f"{_WAREHOUSE}/stock", StockLevels, stock, query={"sku": "only this one"}),
        # It names a customer and an address, which whoever only looks need not see.
        Reading("/v1/parcels/{parcel}/label", Label, label, role=Role.OPERATOR),
        Change(f"{_WAREHOUSE}/scans", Scan, _about("warehouse", floor.scan)),
        Change(f"{_WAREHOUSE}/shorts", Short, _about("warehouse", floor.short)),
        Change(f"{_WAREHOUSE}/packs", PackFulfilment, _about("warehouse", floor.pack)),
        Change(f"{_WAREHOUSE}/receptions", Reception, _about("warehouse", floor.receive)),
        Change(f"{_WAREHOUSE}/returns", Return, _about("warehouse", floor.take_back)),
        Change(f"{_WAREHOUSE}/adjustments", Adjustment, _about("warehouse", floor.adjust)),
        Change(f"{_WAREHOUSE}/counts", Counting, _about("warehouse", floor.count)),
        Change(f"{_WAREHOUSE}/mirrored", MirroredPiece, _about("warehouse", floor.mirror)),
        Change(f"{_WAREHOUSE}/slots", SlotAssignment, _about("warehouse", floor.assign_slot)),
    )


def _of_the_helm(helm: Helm) -> Sequence[Route]:
    return (
        Change("/v1/reload", Reload, _about_all(helm.reload), Reloaded, role=Role.ADMIN),
        Change("/v1/drain", Drain, _about_all(helm.drain), role=Role.ADMIN),
        Change("/v1/log-level", LogLevel, _about_all(helm.log_level), role=Role.ADMIN),
    )


Handler = Callable[[Mapping[str, str], Asked, Mandate], Awaitable[Struct]]


def _about(name: str, do: Callable[[str, Asked, Mandate], Awaitable[Done | Trial]]) -> Handler[Asked]:
    """Return what answers a change of the one thing that the path names."""

    async def answer(names: Mapping[str, str], asked: Asked, mandate: Mandate) -> Struct:
        return await do(names[name], asked, mandate)

    return answer


def _about_all(do: Callable[[Asked, Mandate], Awaitable[Done | Trial]]) -> Handler[Asked]:
    async def answer(_names: Mapping[str, str], asked: Asked, mandate: Mandate) -> Struct:
        return await do(asked, mandate)

    return answer
