"""Which warehouses and carriers get nothing new for now, because a person said so: facts and consequences.

The settings say what there is; a gate is shut and opened over them while the daemon runs, and stays as it is
over a restart. What a warehouse or a carrier has already is not touched.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

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


GateEvent = GateShut | GateOpened


class Gates(Struct, frozen=True):
    """The gates that are shut, each with the fact that shut it."""

    shut: Mapping[tuple[GateKind, str], GateShut] = {}
    version: int = 0

    def is_shut(self, gate: GateKind, name: str) -> bool:
        """Tell whether it gets nothing new."""
        return (gate, name) in self.shut


def evolve(gates: Gates, event: GateEvent) -> Gates:
    """Return the gates after the event."""
    key = (event.kind, event.gate)
    others = {each: shut for each, shut in gates.shut.items() if each != key}
    if isinstance(event, GateShut):
        others[key] = event
    return Gates(others, gates.version + 1)


def shut(gates: Gates, gate: GateKind, name: str, reason: str, by: str) -> tuple[GateEvent, ...]:
    """Return what shutting it causes: nothing where it is shut already."""
    return () if gates.is_shut(gate, name) else (GateShut(gate, name, reason, by),)


def opened(gates: Gates, gate: GateKind, name: str, by: str) -> tuple[GateEvent, ...]:
    """Return what opening it causes: nothing where it is open already."""
    return (GateOpened(gate, name, by),) if gates.is_shut(gate, name) else ()


def routing_through(gates: Gates, rules: RoutingRules) -> RoutingRules:
    """Return the rules with the shut warehouses closed; their version names these, as decisions record it."""
    names = sorted(name for gate, name in gates.shut if gate == "warehouse")
    if not names:
        return rules
    sites = tuple(replace(site, open=site.open and site.name not in names) for site in rules.warehouses)
    return replace(rules, warehouses=sites, version=f"{rules.version} without {', '.join(names)}")


def carriers_through(gates: Gates, rules: Sequence[CarrierRule]) -> tuple[CarrierRule, ...]:
    """Return the rules with those of the shut carriers closed."""
    return tuple(
        replace(rule, open=rule.open and not gates.is_shut("carrier", rule.carrier)) for rule in rules
    )
