"""What the control socket's desk does, over the actors: orders, anomalies, and the daemon at a glance."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import trio

from actors.domain.order_commands import AskAgain, Cancel, Hold, OrderCommand, ReleaseHold, Wake
from actors.domain.order_events import CancelRefused, OrderBackordered, OrderRouted
from actors.domain.order_fold import evolve
from actors.domain.order_life import decide
from actors.domain.order_state import Order
from actors.drain import Drain
from actors.order import stream_of
from actors.ports import OrderRow, Recorded
from actors.system import System
from daemon.control.service import CONFLICT, NOT_FOUND, Mandate, Refused
from daemon.control.trial import trial
from daemon.control.wire import (
    AnomalyTold,
    CandidateTold,
    Done,
    HoldOrder,
    OrderStory,
    OrderSummary,
    PartnerStatus,
    ReleaseOrder,
    RoutingTold,
    Status,
    Step,
    Trial,
    Untold,
)

UNAVAILABLE = 503

CANCEL_SECONDS_MAX = 10.0
"""Warehouses answer within milliseconds; a person waits no longer to hear whether it was in time."""

ANOMALIES_COUNTED_MAX = 1_000
"""More open anomalies than this are a flood: the figure then says "at least"."""


class OrderDesk:
    """Implements `daemon.control.service.Desk`."""

    def __init__(self, system: System, *, version: str, started_at: datetime, partitions: int) -> None:
        self._system = system
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
            partners=tuple([await self._partner(drain) for drain in system.drains.values()]),
        )

    async def _partner(self, drain: Drain) -> PartnerStatus:
        pending = await self._system.journal.pending(drain.partner, 1)
        oldest = pending[0].requested_at if pending else None
        return PartnerStatus(drain.partner, "away" if drain.circuit.is_open else "well", drain.depth, oldest)

    async def orders(self, states: Sequence[str], limit: int) -> Sequence[OrderSummary]:
        """Return orders in these states, the first placed first."""
        return [_summary(row) for row in await self._system.journal.orders_in(states, limit)]

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
            timeline=tuple(_step(each) for each in recorded),
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


def _step(recorded: Recorded) -> Step:
    data = msgspec.to_builtins(recorded.event, str_keys=True)
    return Step(recorded.version, recorded.at, data.pop("type"), data)


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
