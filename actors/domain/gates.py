"""Which warehouses and carriers get nothing new for now, or no more than so much, because a person said so.

The settings say what there is; a gate is shut, opened and capped over them while the daemon runs, and stays
as it is over a restart. What a warehouse or a carrier has already is not touched.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from actors.domain.carrier_choice import CarrierRule
from actors.domain.routing import RoutingRules

GateKind = Literal["warehouse", "carrier"]


class GateShut(Struct, frozen=True, tag="gate.shut"):
    """The warehouse or carrier gets nothing new from now on."""

    kind: GateKind
    gate: str
    reason: str
    by: str


class GateOpened(Struct, frozen=True, tag="gate.opened"):
    """It gets what the rules say again."""

    kind: GateKind
    gate: str
    by: str


class GateCapped(Struct, frozen=True, tag="gate.capped"):
    """The warehouse gets nothing new while it has so many fulfilments in hand; None lifts the cap."""

    warehouse: str
    in_hand_max: int | None
    reason: str
    by: str


GateEvent = GateShut | GateOpened | GateCapped


class Gates(Struct, frozen=True):
    """The gates that are shut and the warehouses that are capped, each with the fact that says so."""

    shut: Mapping[tuple[GateKind, str], GateShut] = {}
    caps: Mapping[str, GateCapped] = {}
    version: int = 0

    def is_shut(self, gate: GateKind, name: str) -> bool:
        """Tell whether it gets nothing new."""
        return (gate, name) in self.shut


def evolve(gates: Gates, event: GateEvent) -> Gates:
    """Return the gates after the event."""
    shut, caps = dict(gates.shut), dict(gates.caps)
    match event:
        case GateShut(kind, gate):
            shut[kind, gate] = event
        case GateOpened(kind, gate):
            shut.pop((kind, gate), None)
        case GateCapped(warehouse, in_hand_max):
            caps.pop(warehouse, None)
            if in_hand_max is not None:
                caps[warehouse] = event
        case _:
            assert_never(event)
    return Gates(shut, caps, gates.version + 1)


def shut(gates: Gates, gate: GateKind, name: str, reason: str, by: str) -> tuple[GateEvent, ...]:
    """Return what shutting it causes: nothing where it is shut for that reason already."""
    before = gates.shut.get((gate, name))
    return () if before is not None and before.reason == reason else (GateShut(gate, name, reason, by),)


def opened(gates: Gates, gate: GateKind, name: str, by: str) -> tuple[GateEvent, ...]:
    """Return what opening it causes: nothing where it is open already."""
    return (GateOpened(gate, name, by),) if gates.is_shut(gate, name) else ()


def capped(
    gates: Gates, warehouse: str, in_hand_max: int | None, reason: str, by: str
) -> tuple[GateEvent, ...]:
    """Return what capping a warehouse causes: nothing where its cap is the same, for that reason, already."""
    cap = gates.caps.get(warehouse)
    stands = (cap.in_hand_max, cap.reason) if cap is not None else (None, reason)
    return () if stands == (in_hand_max, reason) else (GateCapped(warehouse, in_hand_max, reason, by),)


def routing_through(gates: Gates, rules: RoutingRules) -> RoutingRules:
    """Return the rules with shut warehouses closed and others capped.

    Their version names both, as decisions record it.
    """
    closed = sorted(name for gate, name in gates.shut if gate == "warehouse")
    caps = {name: cap.in_hand_max for name, cap in sorted(gates.caps.items())}
    if not closed and not caps:
        return rules
    sites = tuple(
        replace(site, open=site.open and site.name not in closed, in_hand_max=caps.get(site.name))
        for site in rules.warehouses
    )
    notes = [f"without {', '.join(closed)}"] if closed else []
    notes += [f"at most {most} at {name}" for name, most in caps.items()]
    return replace(rules, warehouses=sites, version=f"{rules.version} {', '.join(notes)}")


def carriers_through(gates: Gates, rules: Sequence[CarrierRule]) -> tuple[CarrierRule, ...]:
    """Return the rules with those of the shut carriers closed."""
    return tuple(
        replace(rule, open=rule.open and not gates.is_shut("carrier", rule.carrier)) for rule in rules
    )
