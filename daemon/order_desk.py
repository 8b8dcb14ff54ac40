"""What the control socket's desk does, over the actors: orders, anomalies, and the daemon at a glance."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import trio

from actors.domain.anomaly_events import AnomalyResolved
from actors.domain.order_commands import (
    AskAgain,
    Cancel,
    Hold,
    OrderCommand,
    ReleaseHold,
    ResolveAnomaly,
    Wake,
)
from actors.domain.order_events import CancelRefused, EffectRefused, OrderBackordered, OrderRouted
from actors.domain.order_fold import evolve
from actors.domain.order_life import decide
from actors.domain.order_state import Order
from actors.domain.partitions import order_of
from actors.drain import Drain
from actors.inspection import Inspection, OrderFilter
from actors.order import stream_of
from actors.ports import OpenAnomaly, OrderRow, PendingEffect, Recorded
from actors.system import System
from daemon.books import reconciled
from daemon.control.asked import (
    DropEffect,
    HoldOrder,
    ReleaseOrder,
    ResolveAnomalies,
    RetryAnomalies,
    RetryOutbox,
)
from daemon.control.service import CONFLICT, NOT_FOUND, Mandate, Refused
from daemon.control.trial import trial
from daemon.control.wire import (
    AnomalyTold,
    CandidateTold,
    ChannelReconciled,
    Done,
    OrderStory,
    OrderSummary,
    PartnerStatus,
    RoutingTold,
    Status,
    Trial,
    Untold,
)
from daemon.timeline import timeline

UNAVAILABLE = 503

CANCEL_SECONDS_MAX = 10.0
"""Warehouses answer within milliseconds; a person waits no longer to hear whether it was in time."""

DROP_LOOK_S = 0.02
"""How often the outbox is looked at for an effect that its drain was told to give up."""

OUTBOX_SEARCHED_MAX = 20_000
"""What a drain holds in memory: what lies behind that is not tried yet, and cannot be given up either."""

ANOMALIES_COUNTED_MAX = 1_000
"""More open anomalies than this are a flood: the figure then says "at least"."""


class OrderDesk:
    """Implements `daemon.control.service.Desk`."""

    def __init__(
        self, system: System, inspection: Inspection, *, version: str, started_at: datetime, partitions: int
    ) -> None:
        self._system = system
        self._inspection = inspection
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
            rules=system.rules.routing.version,
            partitions=self._partitions,
            orders=await system.journal.order_counts(),
            anomalies=len(anomalies),
            warehouses=tuple(system.directory.warehouses),
            partners=tuple(await self.partners()),
        )

    async def partners(self) -> Sequence[PartnerStatus]:
        """Return how it goes with each partner."""
        return [await self._partner(drain) for drain in self._system.drains.values()]

    async def _partner(self, drain: Drain) -> PartnerStatus:
        pending = await self._system.journal.pending(drain.partner, 1)
        oldest = pending[0].requested_at if pending else None
        return PartnerStatus(drain.partner, "away" if drain.circuit.is_open else "well", drain.depth, oldest)

    async def orders(self, wanted: OrderFilter, limit: int) -> Sequence[OrderSummary]:
        """Return the orders that fit, the first placed first."""
        return [_summary(row) for row in await self._inspection.find_orders(wanted, limit)]

    async def order(self, order: str) -> OrderStory:
        """Return everything about an order."""
        row = await self._row(order)
        recorded = await self._system.journal.read(stream_of(order))
        state = await self._ask(order, Wake())
        holds = tuple(f"{kind}: {'; '.join(held.reasons)}" for kind, held in state.holds.items())
        return OrderStory(
            order=_summary(row),
            holds=holds,
            anomalies=tuple(state.anomalies),
            timeline=timeline(recorded),
            routing=tuple(told for each in recorded if (told := _routing(each)) is not None),
        )

    async def hold(self, order: str, asked: HoldOrder, mandate: Mandate) -> Done | Trial:
        """Stop the order."""
        command = Hold(asked.hold, asked.reason, asked.expires_at, mandate.by)
        if mandate.dry_run:
            return await self._would(order, command)
        await self._row(order)
        state = await self._ask(order, command, mandate.key)
        if state.ended:
            raise Refused(f"{order} is {state.ended} already")
        return Done()

    async def release(self, order: str, asked: ReleaseOrder, mandate: Mandate) -> Done | Trial:
        """Let the order go on."""
        return await self._tell(order, ReleaseHold(asked.hold, mandate.by), mandate)

    async def retry(self, order: str, mandate: Mandate) -> Done | Trial:
        """Ask partners once more for what they refused, if there is anything."""
        return await self._tell(order, AskAgain(mandate.by), mandate)

    async def cancel(self, order: str, mandate: Mandate) -> Done | Trial:
        """Stop the order for good, if that still can be; say where to intercept it if not."""
        if mandate.dry_run:
            return await self._would(order, Cancel(mandate.by))
        await self._row(order)
        await self._ask(order, Cancel(mandate.by), mandate.key)
        # The order hears one thing after another: it answers this when the warehouses have answered it.
        state = await self._ask(order, Wake())
        if state.ended == "cancelled":
            return Done()
        recorded = await self._system.journal.read(stream_of(order))
        where = [each.event.where for each in recorded if isinstance(each.event, CancelRefused)]
        raise Refused(
            f"too late, intercept {where[-1]}" if where else f"{order} could not be cancelled yet", CONFLICT
        )

    async def anomalies(self, limit: int) -> Sequence[AnomalyTold]:
        """Return what a person should look at."""
        return [
            AnomalyTold(each.anomaly, each.stream, each.problem, each.detail, each.mend, each.raised_at)
            for each in await self._system.journal.anomalies(limit)
        ]

    async def reconcile(self, channel: str | None) -> Sequence[ChannelReconciled]:
        """Return where the shops' figures differ from the ledger's, and why."""
        return await reconciled(self._system, channel)

    async def outbox(self, limit: int) -> Sequence[Untold]:
        """Return what partners have still to be told."""
        pending = [
            effect
            for partner in self._system.drains
            for effect in await self._system.journal.pending(partner, limit)
        ]
        pending.sort(key=lambda effect: effect.requested_at)
        return [
            Untold(each.effect, each.stream, each.partner, _kind(each.document), each.requested_at)
            for each in pending[:limit]
        ]

    async def resolve(self, asked: ResolveAnomalies, mandate: Mandate) -> Done | Trial:
        """Take it from a person that matters are settled: each is told to whom it concerns."""
        matters = [await self._matter(name) for name in asked.anomalies]
        if mandate.dry_run:
            return trial(AnomalyResolved(matter.anomaly, mandate.by) for matter in matters)
        for matter in matters:
            order = order_of(matter.stream)
            if order is None:
                await self._system.desk.resolve(matter.anomaly, mandate.by)
            else:
                await self._ask(order, ResolveAnomaly(matter.anomaly, mandate.by), mandate.key)
        return Done()

    async def retry_anomalies(self, asked: RetryAnomalies, mandate: Mandate) -> Done | Trial:
        """Have each order try again what its anomalies are about, and each partner asked at once."""
        names = set(asked.anomalies)
        every = await self._system.journal.anomalies(ANOMALIES_COUNTED_MAX)
        matters = [matter for matter in every if not names or matter.anomaly in names]
        for name in names - {matter.anomaly for matter in matters}:
            raise Refused(f"there is no open anomaly {name}", NOT_FOUND)
        orders = dict.fromkeys(order for matter in matters if (order := order_of(matter.stream)) is not None)
        if mandate.dry_run:
            tried = [await self._would(order, AskAgain(mandate.by)) for order in orders]
            return Trial(tuple(each for one in tried for each in one.would))
        for drain in self._system.drains.values():
            drain.hurry()
        for order in orders:
            await self._ask(order, AskAgain(mandate.by), mandate.key)
            await self._ask(order, Wake())
        return Done()

    async def _matter(self, anomaly: str) -> OpenAnomaly:
        for matter in await self._system.journal.anomalies(ANOMALIES_COUNTED_MAX):
            if matter.anomaly == anomaly:
                return matter
        raise Refused(f"there is no open anomaly {anomaly}", NOT_FOUND)

    async def retry_outbox(self, asked: RetryOutbox, mandate: Mandate) -> Done | Trial:
        """Try now what waits for a further attempt."""
        await trio.lowlevel.checkpoint()
        drains = self._system.drains
        if asked.partner and asked.partner not in drains:
            raise Refused(f"there is no partner {asked.partner}: {', '.join(drains)}", NOT_FOUND)
        if mandate.dry_run:
            return trial(())
        for name, drain in drains.items():
            if asked.partner in ("", name):
                drain.hurry()
        return Done()

    async def drop(self, asked: DropEffect, mandate: Mandate) -> Done | Trial:
        """Tell a partner something no more; return once it is recorded as refused."""
        effect = await self._untold(asked.effect)
        why = f"given up by {mandate.by}: {asked.reason}"
        if mandate.dry_run:
            return trial((EffectRefused(effect.effect, why),))
        self._system.drains[effect.partner].give_up(effect.effect, why)
        with trio.move_on_after(CANCEL_SECONDS_MAX):
            # The drain owes nobody word of a single effect, so it is looked for.
            while await self._system.journal.effect(effect.effect, effect.stream) is not None:  # noqa: ASYNC110
                await trio.sleep(DROP_LOOK_S)
            return Done()
        raise Refused(f"{effect.effect} is dropped when its turn comes: another of its order is before it")

    async def _untold(self, name: str) -> PendingEffect:
        for partner in self._system.drains:
            for effect in await self._system.journal.pending(partner, OUTBOX_SEARCHED_MAX):
                if effect.effect == name:
                    return effect
        raise Refused(f"nobody has still to be told {name}", NOT_FOUND)

    async def _row(self, order: str) -> OrderRow:
        row = await self._system.journal.order_row(order)
        if row is None:
            raise Refused(f"there is no order {order}", NOT_FOUND)
        return row

    async def _tell(self, order: str, command: OrderCommand, mandate: Mandate) -> Done | Trial:
        if mandate.dry_run:
            return await self._would(order, command)
        await self._row(order)
        await self._ask(order, command, mandate.key)
        return Done()

    async def _would(self, order: str, command: OrderCommand) -> Trial:
        """Decide as the order would, on what is recorded of it, and record nothing."""
        state = Order()
        await self._row(order)
        for each in await self._system.journal.read(stream_of(order)):
            state = evolve(state, each.event, each.at)  # type: ignore[arg-type] # an order's stream
        return trial(decide(state, command, self._system.facts()))

    async def _ask(self, order: str, command: OrderCommand, key: str = "") -> Order:
        if self._system.draining:
            raise Refused("the daemon is draining: ask again when it is back", UNAVAILABLE)
        with trio.move_on_after(CANCEL_SECONDS_MAX):
            return await self._system.hall.ask(order, command, key=key)
        raise Refused(f"{order} has not answered in {CANCEL_SECONDS_MAX:.0f} s: ask again", UNAVAILABLE)


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


def _kind(document: object) -> str:
    """Return the document's wire name."""
    return str(msgspec.to_builtins(document)["type"])
