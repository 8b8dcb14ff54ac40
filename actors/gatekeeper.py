"""Keeps the gates of warehouses and carriers: records who shut, opened and capped them, and what rules hold.

One change at a time, and rarely: it needs no mailbox.
"""

from collections.abc import Callable, Sequence
from typing import cast

import trio

from actors.directory import Clock
from actors.domain.carrier_choice import CarrierRule
from actors.domain.gates import (
    GateEvent,
    GateKind,
    Gates,
    capped,
    carriers_through,
    evolve,
    opened,
    routing_through,
    shut,
)
from actors.domain.routing import RoutingRules
from actors.ports import Append, Journal

STREAM = "gates"


class Gatekeeper:
    """The gates; `changed` is called after each change. `load` comes first."""

    def __init__(self, journal: Journal, clock: Clock, changed: Callable[[], None]) -> None:
        self._journal = journal
        self._clock = clock
        self._changed = changed
        self._turn = trio.Lock()
        self.gates = Gates()

    async def load(self) -> None:
        """Read how the gates stand."""
        gates = Gates()
        for recorded in await self._journal.read(STREAM):
            gates = evolve(gates, cast("GateEvent", recorded.event))
        self.gates = gates

    def would_shut(self, gate: GateKind, name: str, reason: str, by: str) -> Sequence[GateEvent]:
        """Return what shutting it would record."""
        return shut(self.gates, gate, name, reason, by)

    def would_open(self, gate: GateKind, name: str, by: str) -> Sequence[GateEvent]:
        """Return what opening it would record."""
        return opened(self.gates, gate, name, by)

    def would_cap(self, warehouse: str, in_hand_max: int | None, reason: str, by: str) -> Sequence[GateEvent]:
        """Return what capping it would record."""
        return capped(self.gates, warehouse, in_hand_max, reason, by)

    async def shut(self, gate: GateKind, name: str, reason: str, by: str) -> None:
        """Let nothing new through; return once that is durable."""
        async with self._turn:
            await self._record(self.would_shut(gate, name, reason, by))

    async def open(self, gate: GateKind, name: str, by: str) -> None:
        """Let through again what the rules say; return once that is durable."""
        async with self._turn:
            await self._record(self.would_open(gate, name, by))

    async def cap(self, warehouse: str, in_hand_max: int | None, reason: str, by: str) -> None:
        """Let through only what fits under the cap (None: everything); return once that is durable."""
        async with self._turn:
            await self._record(self.would_cap(warehouse, in_hand_max, reason, by))

    async def _record(self, events: Sequence[GateEvent]) -> None:
        if not events:
            return
        await self._journal.append(Append(STREAM, self.gates.version, tuple(events), self._clock()))
        for event in events:
            self.gates = evolve(self.gates, event)
        self._changed()

    def routing(self, rules: RoutingRules) -> RoutingRules:
        """Return the rules through the gates as they stand."""
        return routing_through(self.gates, rules)

    def carriers(self, rules: Sequence[CarrierRule]) -> tuple[CarrierRule, ...]:
        """Return the carriers' rules through the gates as they stand."""
        return carriers_through(self.gates, rules)
