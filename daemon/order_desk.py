"""What the control socket's desk does, over the actors: orders, and the daemon at a glance."""

from collections.abc import Sequence
from datetime import date, datetime

from actors.domain.order_allocation import is_packed_whole
from actors.domain.order_cancel import REST_GOES_ON, rest_goes_on
from actors.domain.order_commands import (
    AskAgain,
    Cancel,
    Hold,
    ReleaseHold,
    Reroute,
    Wake,
)
from actors.domain.order_events import CancelRefused, OrderBackordered, OrderRouted
from actors.inspection import Inspection, OrderFilter
from actors.order import stream_of
from actors.ports.journal import OrderRow, Recorded
from actors.system import System
from daemon.backlog import ANOMALIES_COUNTED_MAX, OpenBacklog
from daemon.books import Bookkeeper
from daemon.control.asked import (
    HoldOrder,
    ReleaseOrder,
    RerouteOrder,
    as_utc,
)
from daemon.control.service import CONFLICT, NOT_FOUND, Mandate, Refused
from daemon.control.wire import Done, Status, Trial
from daemon.control.wire_books import Reconciled
from daemon.control.wire_orders import CandidateTold, ExpectedTold, OrderStory, OrderSummary, RoutingTold
from daemon.order_asking import OrderAsking, told_holds
from daemon.packing_words import PackingWords
from daemon.timeline import timeline


class OrderDesk:
    """Implements `daemon.control.service.Desk`."""

    def __init__(
        self,
        system: System,
        inspection: Inspection,
        backlog: OpenBacklog,
        *,
        version: str,
        started_at: datetime,
        partitions: int,
    ) -> None:
        self._system = system
        self._inspection = inspection
        self._backlog = backlog
        self._orders = OrderAsking(system)
        self._words = PackingWords(system)
        self._bookkeeper = Bookkeeper(system, inspection)
        self._version = version
        self._started_at = started_at
        self._partitions = partitions

    async def status(self) -> Status:
        """Return the daemon at a glance."""
        system = self._system
        anomalies = await system.journal.anomalies(ANOMALIES_COUNTED_MAX)
        return Status(
            version=self._version,
            state=system.phase,
            started_at=self._started_at,
            rules=system.routing.version,
            partitions=self._partitions,
            orders=await system.journal.order_counts(),
            anomalies=len(anomalies),
            warehouses=tuple(system.directory.warehouses),
            partners=tuple(await self._backlog.partners()),
        )

    async def orders(self, wanted: OrderFilter, limit: int) -> Sequence[OrderSummary]:
        """Return the orders that fit, the first placed first."""
        rows = await self._inspection.find_orders(wanted, limit)
        if not rows:  # of a name that the settings have no longer there may be some
            self._named("warehouse", wanted.warehouse, tuple(self._system.directory.warehouses))
            self._named("channel", wanted.channel, tuple(each.name for each in self._system.channels))
        return [_summary(row) for row in rows]

    def _named(self, what: str, name: str, known: Sequence[str]) -> None:
        if name and name not in known:
            raise Refused(f"there is no {what} {name}: {', '.join(known)}", NOT_FOUND)

    async def order(self, order: str) -> OrderStory:
        """Return everything about an order."""
        row = await self._orders.row(order)
        recorded = await self._system.journal.read(stream_of(order))
        state = await self._orders.ask(order, Wake())
        return OrderStory(
            order=_summary(row),
            holds=told_holds(state),
            anomalies=tuple(state.anomalies),
            timeline=timeline(recorded),
            routing=tuple(told for each in recorded if (told := _routing(each)) is not None),
            packing=await self._words.read(state.facts.payload.id),
            invoices=state.erp.invoices,
            expected=self._expected(row),
        )

    def _expected(self, row: OrderRow) -> tuple[ExpectedTold, ...]:
        """Return what suppliers owe of the SKUs that an order waits for, the first due first."""
        wanted = {line.sku for line in row.waiting_for}
        told = [
            ExpectedTold(sku, warehouse, each.units, each.due, each.purchase_order)
            for (warehouse, sku), arrivals in self._system.expected.items()
            if sku in wanted
            for each in arrivals
        ]
        return tuple(sorted(told, key=lambda each: (each.sku, each.due or date.max, each.warehouse)))

    async def hold(self, order: str, asked: HoldOrder, mandate: Mandate) -> Done | Trial:
        """Stop the order."""
        expires_at = as_utc(asked.expires_at) if asked.expires_at is not None else None
        command = Hold(asked.hold, asked.reason, expires_at, mandate.by)
        if mandate.dry_run:
            return await self._orders.would(order, command)
        await self._orders.row(order)
        state = await self._orders.ask(order, command, mandate.key)
        if state.ended:
            raise Refused(f"{order} is {state.ended} already")
        return Done()

    async def release(self, order: str, asked: ReleaseOrder, mandate: Mandate) -> Done | Trial:
        """Let the order go on; refused where it is held for something else alone."""
        command = ReleaseHold(asked.hold, mandate.by)
        if mandate.dry_run:
            return await self._orders.would(order, command)
        await self._orders.row(order)
        held = (await self._orders.ask(order, Wake())).holds
        state = await self._orders.ask(order, command, mandate.key)
        if state.holds and asked.hold not in held:
            raise Refused(f"{order} has no hold {asked.hold}: it has {', '.join(state.holds)}")
        return Done()

    async def reroute(self, order: str, asked: RerouteOrder, mandate: Mandate) -> Done | Trial:
        """Have what is not packed given back and routed anew; refused where nothing is left to be."""
        if asked.avoid and asked.avoid not in self._system.directory.warehouses:
            raise Refused(f"there is no warehouse {asked.avoid}", NOT_FOUND)
        command = Reroute(mandate.by, asked.avoid)
        if mandate.dry_run:
            return await self._orders.would(order, command)
        await self._orders.row(order)
        state = await self._orders.ask(order, command, mandate.key)
        if state.ended or state.cancel_asked:
            raise Refused(f"{order} is {state.ended or 'being cancelled'} already")
        if is_packed_whole(state):
            raise Refused(f"all of {order} is packed already")
        return Done()

    async def retry(self, order: str, mandate: Mandate) -> Done | Trial:
        """Ask partners once more for what they refused, if there is anything."""
        return await self._orders.tell(order, AskAgain(mandate.by), mandate)

    async def cancel(self, order: str, mandate: Mandate) -> Done | Trial:
        """Stop the order for good, if that still can be; say where to intercept it if not."""
        if mandate.dry_run:
            return await self._orders.would(order, Cancel(mandate.by))
        await self._orders.row(order)
        await self._orders.ask(order, Cancel(mandate.by), mandate.key)
        # The order hears one thing after another: it answers this when the warehouses have answered it.
        state = await self._orders.ask(order, Wake())
        if state.ended == "cancelled":
            return Done()
        recorded = await self._system.journal.read(stream_of(order))
        where = [each.event.where for each in recorded if isinstance(each.event, CancelRefused)]
        if not where:
            raise Refused(f"{order} could not be cancelled yet", CONFLICT)
        rest = f"; {REST_GOES_ON}" if rest_goes_on(state) else ""
        raise Refused(f"too late, intercept {where[-1]}{rest}", CONFLICT)

    async def reconcile(self, channel: str | None) -> Reconciled:
        """Return where shops, ledger and ERP differ, and why."""
        return await self._bookkeeper.reconciled(channel)


def _summary(row: OrderRow) -> OrderSummary:
    waiting = tuple(line.sku for line in row.waiting_for)
    return OrderSummary(
        row.order, row.channel, row.reference, row.state, row.state_since, row.placed_at, waiting
    )


def _routing(recorded: Recorded) -> RoutingTold | None:
    chosen: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    match recorded.event:
        case OrderRouted(plan, candidates, rules):
            chosen = tuple(part.warehouse for part in plan)
        case OrderBackordered(short, candidates, rules):
            missing = tuple(f"{line.sku}: {line.available} of {line.asked}" for line in short)
        case _:
            return None
    told = tuple(CandidateTold(each.warehouses, each.rank, each.rejected) for each in candidates)
    return RoutingTold(recorded.at, rules, chosen, told, missing)
