"""A desk and a floor in memory: one order, one warehouse, and every change remembered under its key."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
import trio

from actors.inspection import OrderFilter, UnansweredError
from adapters.memory.journal import MemoryJournal
from daemon.control.api import Services
from daemon.control.asked import (
    Adjustment,
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
    RetryOutbox,
    Return,
    Scan,
    Short,
    SlotAssignment,
    TakeAnomalies,
)
from daemon.control.service import (
    NOT_FOUND,
    Auditor,
    Backlog,
    Desk,
    Floor,
    Gates,
    Helm,
    Mandate,
    Refused,
    Tail,
)
from daemon.control.wire import (
    AnomalyTold,
    CarrierTold,
    Done,
    PartnerStatus,
    Reloaded,
    Status,
    Untold,
    WarehouseTold,
)
from daemon.control.wire_books import (
    ChannelReconciled,
    DifferenceTold,
    DiscrepancyTold,
    ErpReconciled,
    FiguresTold,
    Reconciled,
)
from daemon.control.wire_floor import Label, MovementTold, PickLine, PickList, StockExplained, StockLevel
from daemon.control.wire_log import AuditTold, EndTold, EventTold, LastAudit
from daemon.control.wire_orders import (
    CandidateTold,
    ExpectedTold,
    OrderStory,
    OrderSummary,
    PackingTold,
    RoutingTold,
    Step,
)
from daemon.trail import JournalTrail

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
ORDER = OrderSummary("main-7", "main", "XKBKNABJK", "picking", AT, AT)


class FakeDesk:
    """Answers for one order, main-7."""

    def __init__(self) -> None:
        self.done: list[tuple[str, object, str, str]] = []
        self.asked_for: list[tuple[OrderFilter, int]] = []
        self.never_answers = False
        self.unanswered = False

    async def status(self) -> Status:
        await trio.lowlevel.checkpoint()
        if self.never_answers:
            await trio.sleep_forever()
        partner = PartnerStatus("erp", "away since 10:02", 3, AT)
        return Status("0.1.0", "running", AT, "r1", 64, {"picking": 1}, 1, ("lyon",), (partner,))

    async def orders(self, wanted: OrderFilter, limit: int) -> Sequence[OrderSummary]:
        await trio.lowlevel.checkpoint()
        self.asked_for.append((wanted, limit))
        if self.unanswered:
            raise UnansweredError("the database has not answered")
        return [ORDER]

    async def order(self, order: str) -> OrderStory:
        await self._known(order)
        routing = RoutingTold(
            AT, "r1", ("lyon",), (CandidateTold(("lille",), (1, 0, 10), "has too few of TEAPOT: 0 of 1"),)
        )
        data = {"channel": "main", "total": "12.00"}
        step = Step(1, AT, "order.imported", data, "channel main")
        packing = PackingTold(is_gift=True, gift_message="Happy birthday", notes=("Ring twice",))
        expected = (ExpectedTold("TEAPOT", "lyon", 40, date(2026, 12, 3), "F2-7"),)
        return OrderStory(ORDER, ("manual",), (), (step,), (routing,), packing, ("C4-1",), expected)

    async def hold(self, order: str, asked: HoldOrder, mandate: Mandate) -> Done:
        return await self._do("hold", order, asked, mandate)

    async def release(self, order: str, asked: ReleaseOrder, mandate: Mandate) -> Done:
        return await self._do("release", order, asked, mandate)

    async def reroute(self, order: str, asked: RerouteOrder, mandate: Mandate) -> Done:
        return await self._do("reroute", order, asked, mandate)

    async def cancel(self, order: str, mandate: Mandate) -> Done:
        await self._known(order)
        assert mandate.by
        assert mandate.key
        raise Refused("too late: packed in lyon, intercept it there")

    async def retry(self, order: str, mandate: Mandate) -> Done:
        return await self._do("retry", order, None, mandate)

    async def anomalies(self, limit: int) -> Sequence[AnomalyTold]:
        await trio.lowlevel.checkpoint()
        matter = ("a1", "order-main-7", "no_carrier", "does not go to NZ", "add a rule", AT)
        told = AnomalyTold(*matter, taken_by="uid 0", taken_at=AT)
        return [told][:limit]

    async def outbox(self, limit: int) -> Sequence[Untold]:
        await trio.lowlevel.checkpoint()
        return [Untold("erp-order:main-7", "order-main-7", "erp", "erp.order", AT)][:limit]

    async def reconcile(self, channel: str | None) -> Reconciled:
        await trio.lowlevel.checkpoint()
        if channel not in (None, "main"):
            raise Refused(f"there is no channel {channel}", NOT_FOUND)
        told = DifferenceTold("CUP", "foreign_write", 2, 5, 7, AT, (), "written", "wharfctl stock adjust")
        erp = ErpReconciled(AT, AT, 9, 1, True, (FiguresTold("lyon", "CUP", 5, 7, 7, {"main": 7}),))
        found = DiscrepancyTold(
            "erp",
            "stock",
            "lyon CUP",
            "count",
            2,
            AT - timedelta(hours=3),
            "exact",
            is_new=True,
            evidence=("I3-5",),
            detail="counted",
            mend="mirror it",
            commands=("wharfctl stock mirror",),
            settles_by=None,
            anomaly="",
        )
        channels = (ChannelReconciled("main", AT, 1, 0, (told,)),)
        return Reconciled(AT, channels, 12, 0, erp, (found,), ("the shop main: it is away",))

    async def partners(self) -> Sequence[PartnerStatus]:
        return (await self.status()).partners

    async def resolve(self, asked: ResolveAnomalies, mandate: Mandate) -> Done:
        return await self._do("resolve", ORDER.order, asked, mandate)

    async def take(self, asked: TakeAnomalies, mandate: Mandate) -> Done:
        return await self._do("take", ORDER.order, asked, mandate)

    async def retry_anomalies(self, asked: RetryAnomalies, mandate: Mandate) -> Done:
        return await self._do("retry_anomalies", ORDER.order, asked, mandate)

    async def retry_outbox(self, asked: RetryOutbox, mandate: Mandate) -> Done:
        return await self._do("retry_outbox", ORDER.order, asked, mandate)

    async def drop(self, asked: DropEffect, mandate: Mandate) -> Done:
        return await self._do("drop", ORDER.order, asked, mandate)

    async def _known(self, order: str) -> None:
        await trio.lowlevel.checkpoint()
        if order != ORDER.order:
            raise Refused(f"there is no order {order}", NOT_FOUND)

    async def _do(self, what: str, order: str, asked: object, mandate: Mandate) -> Done:
        await self._known(order)
        self.done.append((what, asked, mandate.by, mandate.key))
        return Done()


class FakeFloor:
    """Answers for one warehouse, lyon; a key that comes again is answered as the first time."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.keys: dict[str, Done] = {}

    async def picklists(self, warehouse: str, limit: int) -> Sequence[PickList]:
        await self._known(warehouse)
        lines = (PickLine("A-01", "TEAPOT", 2, 1, 0), PickLine("B-02", "CUP", 1, 0, 0))
        packing = PackingTold(is_gift=True, gift_message="Happy birthday", notes=("Ring twice",))
        return [PickList("main-7/1", "main-7", lines, packing, ("manual: call first",))][:limit]

    async def label(self, parcel: str) -> Label:
        await trio.lowlevel.checkpoint()
        if parcel != "main-7.1.1":
            raise Refused(f"{parcel} has no label yet")
        return Label(parcel, "SW000000014FR", "zpl", b"^XA^FDAnna M\xc3\xbcller^FS^XZ")

    async def stock(self, warehouse: str, sku: str | None) -> Sequence[StockLevel]:
        await self._known(warehouse)
        levels = [
            StockLevel(warehouse, "CUP", "B-02", 5, 1, 0, 0),
            StockLevel(warehouse, "TEAPOT", "A-01", 3, 1, 1, 0),
        ]
        return [level for level in levels if sku in (None, level.sku)]

    async def explain(self, warehouse: str, sku: str, limit: int) -> StockExplained:
        (now,) = await self.stock(warehouse, sku) or (StockLevel(warehouse, sku, "", 0, 0, 0, 0),)
        earlier = StockLevel(warehouse, sku, now.slot, 0, 0, 0, 0)
        moved = MovementTold(AT, "stock.received", "D-1", "supplier", "available", now.available)
        return StockExplained(now, earlier, (moved,)[:limit])

    async def stock_everywhere(self, sku: str) -> Sequence[StockLevel]:
        found = await self.stock("lyon", sku)
        if not found:
            raise Refused(f"no warehouse ever held {sku}", NOT_FOUND)
        return found

    async def explain_everywhere(self, sku: str, limit: int) -> Sequence[StockExplained]:
        await self.stock_everywhere(sku)
        return [await self.explain("lyon", sku, limit)]

    async def scan(self, warehouse: str, asked: Scan, mandate: Mandate) -> Done:
        await self._known(warehouse)
        if asked.slot != "A-01":
            raise Refused(f"{asked.sku} lies in slot A-01, not {asked.slot}")
        return await self._do(asked, mandate)

    async def short(self, warehouse: str, asked: Short, mandate: Mandate) -> Done:
        await self._known(warehouse)
        return await self._do(asked, mandate)

    async def pack(self, warehouse: str, asked: PackFulfilment, mandate: Mandate) -> Done:
        await self._known(warehouse)
        return await self._do(asked, mandate)

    async def receive(self, warehouse: str, asked: Reception, mandate: Mandate) -> Done:
        await self._known(warehouse)
        return await self._do(asked, mandate)

    async def take_back(self, warehouse: str, asked: Return, mandate: Mandate) -> Done:
        await self._known(warehouse)
        return await self._do(asked, mandate)

    async def adjust(self, warehouse: str, asked: Adjustment, mandate: Mandate) -> Done:
        await self._known(warehouse)
        return await self._do(asked, mandate)

    async def count(self, warehouse: str, asked: Counting, mandate: Mandate) -> Done:
        await self._known(warehouse)
        return await self._do(asked, mandate)

    async def mirror(self, warehouse: str, asked: MirroredPiece, mandate: Mandate) -> Done:
        await self._known(warehouse)
        return await self._do(asked, mandate)

    async def assign_slot(self, warehouse: str, asked: SlotAssignment, mandate: Mandate) -> Done:
        await self._known(warehouse)
        return await self._do(asked, mandate)

    async def _known(self, warehouse: str) -> None:
        await trio.lowlevel.checkpoint()
        if warehouse != "lyon":
            raise Refused(f"there is no warehouse {warehouse}", NOT_FOUND)

    async def _do(self, asked: object, mandate: Mandate) -> Done:
        await trio.lowlevel.checkpoint()
        key = mandate.key
        if key not in self.keys:
            self.keys[key] = Done()
            self.done.append(asked)
        return self.keys[key]


class FakeHelm:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.done: list[object] = []

    async def reload(self, asked: Reload, mandate: Mandate) -> Done:
        await self._do(asked, mandate)
        return Reloaded(waits_for_restart=("channels.main.buffer",))

    async def drain(self, asked: Drain, mandate: Mandate) -> Done:
        return await self._do(asked, mandate)

    async def log_level(self, asked: LogLevel, mandate: Mandate) -> Done:
        return await self._do(asked, mandate)

    async def _do(self, asked: object, mandate: Mandate) -> Done:
        await trio.lowlevel.checkpoint()
        assert mandate.by
        self.done.append(asked)
        return Done()


class FakeGates:
    """Answers for one warehouse and one carrier, and remembers what it was told."""

    def __init__(self) -> None:
        self.done: list[tuple[str, object]] = []

    async def warehouses(self) -> Sequence[WarehouseTold]:
        await trio.lowlevel.checkpoint()
        return [WarehouseTold("lyon", False, "uid 0", "flood", "FR", 1, 8, 2, 1, 0, 3, 5, "uid 7", "ill")]

    async def carriers(self) -> Sequence[CarrierTold]:
        await trio.lowlevel.checkpoint()
        return [CarrierTold("swift", True, "", "", "HOME", "standard", ("FR",), 30_000)]

    async def close_warehouse(self, warehouse: str, asked: CloseGate, mandate: Mandate) -> Done:
        return await self._do(warehouse, asked, mandate)

    async def open_warehouse(self, warehouse: str, asked: OpenGate, mandate: Mandate) -> Done:
        return await self._do(warehouse, asked, mandate)

    async def cap_warehouse(self, warehouse: str, asked: CapWarehouse, mandate: Mandate) -> Done:
        return await self._do(warehouse, asked, mandate)

    async def close_carrier(self, carrier: str, asked: CloseGate, mandate: Mandate) -> Done:
        return await self._do(carrier, asked, mandate)

    async def open_carrier(self, carrier: str, asked: OpenGate, mandate: Mandate) -> Done:
        return await self._do(carrier, asked, mandate)

    async def _do(self, name: str, asked: object, mandate: Mandate) -> Done:
        await trio.lowlevel.checkpoint()
        assert mandate.by
        self.done.append((name, asked))
        return Done()


@pytest.fixture
def gates() -> FakeGates:
    fake = FakeGates()
    _as_the_actors_do: Gates = fake
    return fake


class FakeTail:
    """Tells as many events as are asked for, then one more for whoever follows, and then nothing for long."""

    def __init__(self) -> None:
        self.left = trio.Event()
        self.unanswered = False

    async def events(self, last: int, tell: Callable[[EventTold], Awaitable[None]], *, follow: bool) -> None:
        try:
            for version in range(1, last + 1):
                await tell(EventTold(AT, "order-main-7", version, "order.shipped", {}))
            if self.unanswered:
                raise UnansweredError("the database has not answered")
            if follow:
                await trio.sleep(0.05)
                await tell(EventTold(AT, "order-main-7", last + 1, "order.delivered", {}))
                await trio.sleep_forever()
        finally:
            self.left.set()

    async def ends(self, at: Mapping[int, int]) -> Sequence[EndTold]:
        await trio.lowlevel.checkpoint()
        return [EndTold(partition, position + 5, "ab" * 32) for partition, position in at.items()]


@pytest.fixture
def tail() -> FakeTail:
    fake = FakeTail()
    _as_the_log_does: Tail = fake
    return fake


class FakeAuditor:
    """Tells three lines, the last of which is its `outcome`."""

    def __init__(self) -> None:
        self.outcome = AuditTold("whole", events=23, movements=15)
        self.under_way = False

    def begin(self) -> Callable[[Callable[[AuditTold], Awaitable[None]]], Awaitable[None]]:
        if self.under_way:
            raise Refused("an audit is under way")
        return self._run

    async def last(self) -> LastAudit:
        await trio.lowlevel.checkpoint()
        return LastAudit(AT, self.outcome.state == "whole", 23, 0, self.outcome.findings_total)

    async def _run(self, tell: Callable[[AuditTold], Awaitable[None]]) -> None:
        for told in (AuditTold("running"), AuditTold("running", events=20), self.outcome):
            await tell(told)


@pytest.fixture
def auditor() -> FakeAuditor:
    fake = FakeAuditor()
    _as_the_process_does: Auditor = fake
    return fake


async def name_of(uid: int) -> str:
    await trio.lowlevel.checkpoint()
    return {1000: "anna"}.get(uid, "")


@pytest.fixture
def trail() -> JournalTrail:
    """The trail as the daemon keeps it, in a journal in memory."""
    return JournalTrail(MemoryJournal(), lambda: AT, name_of)


@pytest.fixture
def helm() -> FakeHelm:
    fake = FakeHelm()
    _as_the_process_does: Helm = fake
    return fake


@pytest.fixture
def services(
    desk: FakeDesk,
    floor: FakeFloor,
    helm: FakeHelm,
    gates: FakeGates,
    tail: FakeTail,
    auditor: FakeAuditor,
    trail: JournalTrail,
) -> Services:
    return Services(desk, desk, floor, helm, gates, tail, auditor, trail)


@pytest.fixture
def desk() -> FakeDesk:
    fake = FakeDesk()
    _as_the_actors_do: Desk = fake
    _as_the_actors_do_too: Backlog = fake
    return fake


@pytest.fixture
def floor() -> FakeFloor:
    fake = FakeFloor()
    _as_the_actors_do: Floor = fake
    return fake
