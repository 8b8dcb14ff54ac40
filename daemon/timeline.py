"""Tells an order's events as a person reads them: who did what, because of what, and how long it took.

It is a pure reading of recorded events, and decides nothing.
"""

from collections.abc import Sequence

import msgspec

from actors.domain.order_events import (
    AllocationReduced,
    AllocationRefused,
    AllocationReleased,
    EffectDone,
    EffectRefused,
    EffectRequested,
    FulfilmentAllocated,
    FulfilmentFellShort,
    FulfilmentReady,
    FulfilmentShipped,
    OrderConfirmed,
    OrderImported,
    OrderRouted,
    ParcelLabelled,
    ParcelTracked,
    ReductionRefused,
)
from actors.ports.journal import Event, Recorded
from daemon.control.wire_orders import Step

ITSELF = "order"
"""Who acted where nobody else did: the order decided by its rules."""

OfWarehouse = (
    FulfilmentAllocated
    | AllocationRefused
    | AllocationReleased
    | AllocationReduced
    | ReductionRefused
    | FulfilmentFellShort
    | FulfilmentReady
    | FulfilmentShipped
)
OfPartner = EffectDone | EffectRefused | ParcelLabelled


def timeline(recorded: Sequence[Recorded]) -> tuple[Step, ...]:
    """Return the steps of an order, the first first."""
    reader = _Reader()
    return tuple(reader.step(each) for each in recorded)


class _Reader:
    """Remembers what later events refer to: who holds a part, who was asked for what, and when."""

    def __init__(self) -> None:
        self._houses: dict[str, str] = {}
        self._asked: dict[str, tuple[str, Recorded]] = {}
        self._labels: dict[str, str] = {}

    def step(self, recorded: Recorded) -> Step:
        event = recorded.event
        call, seconds = self._call(recorded)
        data = msgspec.to_builtins(event, str_keys=True)
        kind = data.pop("type")
        return Step(
            recorded.version, recorded.at, kind, data, self._actor(event), _cause(event), call, seconds
        )

    def _actor(self, event: Event) -> str:
        match event:
            case OrderImported(channel):
                return f"channel {channel}"
            case OrderRouted(plan):
                self._houses |= {part.fulfilment: part.warehouse for part in plan}
                return ITSELF
            case OrderConfirmed(fulfilments):
                return f"warehouse {self._houses.get(fulfilments[0], '?')}" if fulfilments else ITSELF
            case (
                FulfilmentAllocated()
                | AllocationRefused()
                | AllocationReleased()
                | AllocationReduced()
                | ReductionRefused()
                | FulfilmentFellShort()
                | FulfilmentReady()
                | FulfilmentShipped()
            ):
                return f"warehouse {self._houses.get(event.fulfilment, '?')}"
            case EffectDone() | EffectRefused() | ParcelLabelled():
                return self._asked[event.effect][0] if event.effect in self._asked else "?"
            case ParcelTracked(parcel):
                return self._labels.get(parcel, "carrier")
            case _:
                return str(getattr(event, "by", "") or ITSELF)

    def _call(self, recorded: Recorded) -> tuple[str, float | None]:
        """Return which call to a partner a step is about, and how many seconds its outcome took."""
        event = recorded.event
        match event:
            case EffectRequested(effect, partner):
                self._asked[effect] = (partner, recorded)
                return f"{partner}: {effect}", None
            case EffectDone() | EffectRefused() | ParcelLabelled():
                if event.effect not in self._asked:
                    return event.effect, None
                partner, asked = self._asked[event.effect]
                if isinstance(event, ParcelLabelled):
                    self._labels[event.parcel] = partner
                return f"{partner}: {event.effect}", (recorded.at - asked.at).total_seconds()
            case _:
                return "", None


def _cause(event: Event) -> str:
    """Return in a word or two why it happened, as far as the event itself says so."""
    for name in ("reason", "reasons", "why", "where", "problem", "fulfilment", "carrier_event"):
        value = getattr(event, name, None)
        if value:
            return "; ".join(value) if isinstance(value, tuple) else str(value)
    return ""
