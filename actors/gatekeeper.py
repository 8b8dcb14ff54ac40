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
from actors.ports.journal import Append, Journal, KeyedAnswer

STREAM = "gates"

DONE = b"done"
"""What is kept under an idempotency key: that it was done, or was so already."""


class Gatekeeper:
    """The gates; `changed` is called after each change.

    `load` comes before the rules are asked for. Who changes a gate even before has it loaded.
    """

    def __init__(self, journal: Journal, clock: Clock, changed: Callable[[], None]) -> None:
        self._journal = journal
        self._clock = clock
        self._changed = changed
        self._turn = trio.Lock()
        self._is_loaded = False
        self.gates = Gates()

    async def load(self) -> None:
        """Read how the gates stand."""
        async with self._turn:
            await self._load()

    async def _load(self) -> None:
        if self._is_loaded:
            return
        gates = Gates()
        for recorded in await self._journal.read(STREAM):
            gates = evolve(gates, cast("GateEvent", recorded.event))
        self.gates = gates
        self._is_loaded = True

    def would_shut(self, gate: GateKind, name: str, reason: str, by: str) -> Sequence[GateEvent]:
        """Return what shutting it would record."""
        return shut(self.gates, gate, name, reason, by)

    def would_open(self, gate: GateKind, name: str, by: str) -> Sequence[GateEvent]:
        """Return what opening it would record."""
        return opened(self.gates, gate, name, by)

    def would_cap(self, warehouse: str, in_hand_max: int | None, reason: str, by: str) -> Sequence[GateEvent]:
        """Return what capping it would record."""
        return capped(self.gates, warehouse, in_hand_max, reason, by)

    async def shut(self, gate: GateKind, name: str, reason: str, by: str, *, key: str = "") -> None:
        """Let nothing new through; return once that is durable."""
        await self._change(key, lambda: self.would_shut(gate, name, reason, by))

    async def open(self, gate: GateKind, name: str, by: str, *, key: str = "") -> None:
        """Let through again what the rules say; return once that is durable."""
        await self._change(key, lambda: self.would_open(gate, name, by))

    async def cap(
        self, warehouse: str, in_hand_max: int | None, reason: str, by: str, *, key: str = ""
    ) -> None:
        """Let through only what fits under the cap (None: everything); return once that is durable."""
        await self._change(key, lambda: self.would_cap(warehouse, in_hand_max, reason, by))

    async def _change(self, key: str, decide: Callable[[], Sequence[GateEvent]]) -> None:
        """Record what is decided, once under one key: what others have changed since stays as it is."""
        async with self._turn:
            await self._load()
            if key and await self._journal.keyed_answer(STREAM, key) is not None:
                return
            events = tuple(decide())
            answers = (KeyedAnswer(key, DONE),) if key else ()
            if events or answers:
                append = Append(STREAM, self.gates.version, events, self._clock(), answers=answers)
                await self._journal.append(append)
            for event in events:
                self.gates = evolve(self.gates, event)
            if events:
                self._changed()

    def routing(self, rules: RoutingRules) -> RoutingRules:
        """Return the rules through the gates as they stand."""
        return routing_through(self.gates, rules)

    def carriers(self, rules: Sequence[CarrierRule]) -> tuple[CarrierRule, ...]:
        """Return the carriers' rules through the gates as they stand."""
        return carriers_through(self.gates, rules)
