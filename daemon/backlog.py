"""What the control socket's backlog does, over the actors: anomalies, outboxes, partners."""

from collections.abc import Sequence

import msgspec
import trio

from actors.desk import Take
from actors.domain.anomaly_events import AnomalyResolved
from actors.domain.documents import ERP
from actors.domain.order_commands import AskAgain, ResolveAnomaly, Wake
from actors.domain.order_events import EffectRefused
from actors.domain.partitions import order_of
from actors.drain import Drain
from actors.ports.journal import OpenAnomaly, PendingEffect
from actors.system import System
from daemon.control.asked import DropEffect, ResolveAnomalies, RetryAnomalies, RetryOutbox, TakeAnomalies
from daemon.control.service import NOT_FOUND, Mandate, Refused
from daemon.control.trial import trial
from daemon.control.wire import AnomalyTold, Done, PartnerStatus, Trial, Untold
from daemon.order_asking import OrderAsking

DROP_SECONDS_MAX = 10.0
"""A drain gives up what it has not begun at once; what is behind another waits for that one."""

DROP_LOOK_S = 0.02
"""How often the outbox is looked at for an effect that its drain was told to give up."""

OUTBOX_SEARCHED_MAX = 20_000
"""What a drain holds in memory: what lies behind that is not tried yet, and cannot be given up either."""

ANOMALIES_COUNTED_MAX = 1_000
"""More open anomalies than this are a flood: the figure then says "at least"."""


class OpenBacklog:
    """Implements `daemon.control.service.Backlog`."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._orders = OrderAsking(system)

    async def partners(self) -> Sequence[PartnerStatus]:
        """Return how it goes with each partner."""
        return [await self._partner(drain) for drain in self._system.drains.values()]

    async def _partner(self, drain: Drain) -> PartnerStatus:
        pending = await self._system.journal.pending(drain.partner, 1)
        oldest = pending[0].requested_at if pending else None
        state = "has not told its stock yet" if self._is_awaited(drain) else _state(drain)
        return PartnerStatus(drain.partner, state, drain.depth, oldest)

    def _is_awaited(self, drain: Drain) -> bool:
        """Tell whether the start waits for the partner: nobody calls it by its drain until then."""
        return drain.partner == ERP and bool(self._system.stock_untold)

    async def anomalies(self, limit: int) -> Sequence[AnomalyTold]:
        """Return what a person should look at."""
        return [self._told(each) for each in await self._system.journal.anomalies(limit)]

    def _told(self, matter: OpenAnomaly) -> AnomalyTold:
        taken = self._system.desk.taken(matter.anomaly, matter.raised_at)
        by, at = taken if taken is not None else ("", None)
        return AnomalyTold(
            matter.anomaly,
            matter.stream,
            matter.problem,
            matter.detail,
            matter.mend,
            matter.raised_at,
            by,
            at,
        )

    async def take(self, asked: TakeAnomalies, mandate: Mandate) -> Done | Trial:
        """Note that whoever asks looks after these."""
        desk = self._system.desk
        matters = [await self._matter(name) for name in asked.anomalies]
        takes = [
            Take(each.anomaly, mandate.by, each.raised_at, asked.over, _key(mandate, each))
            for each in matters
        ]
        if mandate.dry_run:
            return trial(event for take in takes for event in desk.would_take(take))
        # In the order of the names: what stands before one that another looks after is taken all the same.
        for take in takes:
            taken = await desk.take(take)
            if taken is not None and taken.by != mandate.by:
                why = f"{taken.by} looks after {take.anomaly} since {taken.at:%Y-%m-%d %H:%M} UTC"
                raise Refused(f"{why}: take it over, or leave it")
        return Done()

    async def resolve(self, asked: ResolveAnomalies, mandate: Mandate) -> Done | Trial:
        """Take it from a person that matters are settled: each is told to whom it concerns."""
        matters = [await self._matter(name) for name in asked.anomalies]
        if mandate.dry_run:
            return trial(AnomalyResolved(matter.anomaly, mandate.by) for matter in matters)
        for matter in matters:
            order = order_of(matter.stream)
            if order is None:
                await self._system.desk.resolve(matter.anomaly, mandate.by, _key(mandate, matter))
            else:
                await self._orders.ask(order, ResolveAnomaly(matter.anomaly, mandate.by), mandate.key)
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
            tried = [await self._orders.would(order, AskAgain(mandate.by)) for order in orders]
            return Trial(tuple(each for one in tried for each in one.would))
        for drain in self._system.drains.values():
            drain.hurry()
        for order in orders:
            await self._orders.ask(order, AskAgain(mandate.by), mandate.key)
            await self._orders.ask(order, Wake())
        return Done()

    async def _matter(self, anomaly: str) -> OpenAnomaly:
        for matter in await self._system.journal.anomalies(ANOMALIES_COUNTED_MAX):
            if matter.anomaly == anomaly:
                return matter
        raise Refused(f"there is no open anomaly {anomaly}", NOT_FOUND)

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
        with trio.move_on_after(DROP_SECONDS_MAX):
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


def _key(mandate: Mandate, matter: OpenAnomaly) -> str:
    """Return the key of one matter among those that are asked for together."""
    return f"{mandate.key} {matter.anomaly}" if mandate.key else ""


def _kind(document: object) -> str:
    """Return the document's wire name."""
    return str(msgspec.to_builtins(document)["type"])


def _state(drain: Drain) -> str:
    """Return how it goes with a partner, for people."""
    if drain.circuit.is_open:
        return "away"
    return "lets an import go first" if drain.gives_way else "well"
