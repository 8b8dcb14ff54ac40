"""Gates of warehouses and carriers: shut by a person, kept over a restart, and seen in every decision."""

from datetime import UTC, datetime

from actors.domain.carrier_choice import CarrierChosen, CarrierRule, NoCarrier, choose_carrier
from actors.domain.gates import GateCapped, GateOpened, GateShut
from actors.domain.routing import NoPlan, Plan, RoutingRules, WarehouseRule, route
from actors.domain.stock_events import Quantity
from actors.gatekeeper import STREAM, Gatekeeper
from adapters.memory.journal import MemoryJournal

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
RULES = RoutingRules((WarehouseRule("lyon", priority=1), WarehouseRule("nantes", priority=2)), version="r1")
CARRIERS = (CarrierRule("swift", "HOME"), CarrierRule("slow", "POST"))


def keeper(journal: MemoryJournal, changes: list[str]) -> Gatekeeper:
    return Gatekeeper(journal, lambda: AT, lambda: changes.append("changed"))


def routed(rules: RoutingRules) -> Plan | NoPlan:
    return route(
        (Quantity("TEAPOT", 1),),
        "FR",
        lambda _site, _sku: 5,
        rules,
        avoid=frozenset(),
        ids=lambda n: f"main-1.{n}",
    )


async def test_a_warehouse_that_is_shut_gets_no_new_order_and_the_decision_says_so() -> None:
    journal, changes = MemoryJournal(), list[str]()
    gates = keeper(journal, changes)
    await gates.shut("warehouse", "lyon", "flood", "uid 0")
    plan = routed(gates.routing(RULES))
    assert isinstance(plan, Plan)
    assert [part.warehouse for part in plan.parts] == ["nantes"]
    assert gates.routing(RULES).version == "r1 without lyon"
    assert changes == ["changed"]
    await gates.open("warehouse", "lyon", "uid 0")
    assert gates.routing(RULES) == RULES


async def test_a_carrier_that_is_shut_gets_no_parcel_and_the_reason_is_told() -> None:
    gates = keeper(MemoryJournal(), [])
    await gates.shut("carrier", "swift", "strike", "uid 0")
    chosen = choose_carrier(gates.carriers(CARRIERS), service="", country="FR", weight_g=500)
    assert chosen == CarrierChosen("slow", "POST")
    await gates.shut("carrier", "slow", "strike", "uid 0")
    none = choose_carrier(gates.carriers(CARRIERS), service="", country="FR", weight_g=500)
    assert none == NoCarrier(("swift is closed", "slow is closed"))


async def test_gates_stand_as_they_stood_after_a_restart_and_each_change_is_recorded_once() -> None:
    journal, changes = MemoryJournal(), list[str]()
    first = keeper(journal, changes)
    for _ in range(2):
        await first.shut("warehouse", "lyon", "flood", "uid 7")
        await first.shut("carrier", "swift", "strike", "uid 7")
    await first.open("carrier", "swift", "uid 8")
    await first.open("carrier", "swift", "uid 8")
    second = keeper(journal, [])
    await second.load()
    assert second.gates == first.gates
    assert [recorded.event for recorded in await journal.read(STREAM)] == [
        GateShut("warehouse", "lyon", "flood", "uid 7"),
        GateShut("carrier", "swift", "strike", "uid 7"),
        GateOpened("carrier", "swift", "uid 8"),
    ]
    assert len(changes) == 3


async def test_a_cap_stands_over_a_restart_in_the_rules_and_in_the_version_until_it_is_lifted() -> None:
    journal, changes = MemoryJournal(), list[str]()
    first = keeper(journal, changes)
    for _ in range(2):
        await first.cap("lyon", 20, "two pickers are ill", "uid 7")
    await first.shut("warehouse", "nantes", "flood", "uid 7")
    again = keeper(journal, [])
    await again.load()
    assert again.gates == first.gates
    rules = again.routing(RULES)
    assert [(site.name, site.open, site.in_hand_max) for site in rules.warehouses] == [
        ("lyon", True, 20),
        ("nantes", False, None),
    ]
    assert rules.version == "r1 without nantes, at most 20 at lyon"
    await again.open("warehouse", "nantes", "uid 7")
    await again.cap("lyon", None, "they are back", "uid 8")
    assert again.routing(RULES) == RULES
    capped = [each.event for each in await journal.read(STREAM) if isinstance(each.event, GateCapped)]
    assert capped == [
        GateCapped("lyon", 20, "two pickers are ill", "uid 7"),
        GateCapped("lyon", None, "they are back", "uid 8"),
    ]


async def test_a_gate_that_is_shut_again_for_another_reason_is_shut_for_that_one() -> None:
    journal, changes = MemoryJournal(), list[str]()
    gates = keeper(journal, changes)
    await gates.shut("warehouse", "lyon", "stocktaking until noon", "uid 7")
    await gates.shut("warehouse", "lyon", "flood", "uid 8")
    await gates.cap("nantes", 20, "one picker is ill", "uid 7")
    await gates.cap("nantes", 20, "two pickers are ill", "uid 8")
    again = keeper(journal, [])
    await again.load()
    assert again.gates.shut["warehouse", "lyon"] == GateShut("warehouse", "lyon", "flood", "uid 8")
    assert again.gates.caps["nantes"] == GateCapped("nantes", 20, "two pickers are ill", "uid 8")


async def test_a_change_that_is_repeated_under_its_key_undoes_nothing_that_came_since() -> None:
    journal, changes = MemoryJournal(), list[str]()
    gates = keeper(journal, changes)
    await gates.cap("lyon", 20, "ill", "uid 7", key="k1")
    await gates.cap("lyon", None, "back", "uid 8", key="k2")
    await gates.shut("carrier", "swift", "strike", "uid 7", key="k3")
    await gates.open("carrier", "swift", "uid 8", key="k4")
    await gates.open("carrier", "swift", "uid 8", key="k5")
    stands = gates.gates
    await gates.cap("lyon", 20, "ill", "uid 7", key="k1")
    await gates.shut("carrier", "swift", "strike", "uid 7", key="k3")
    again = keeper(journal, [])
    await again.load()
    await again.cap("lyon", 20, "ill", "uid 7", key="k1")
    assert (gates.gates, again.gates, len(changes)) == (stands, stands, 4)


async def test_what_the_settings_close_no_gate_opens() -> None:
    gates = keeper(MemoryJournal(), [])
    closed = RoutingRules((WarehouseRule("lyon", open=False),))
    await gates.open("warehouse", "lyon", "uid 0")
    assert gates.routing(closed) == closed


async def test_who_shuts_a_gate_before_the_gates_were_read_changes_them_as_they_stand() -> None:
    """Whoever asked while the daemon was away is answered first of all."""
    journal, changes = MemoryJournal(), list[str]()
    await keeper(journal, []).shut("warehouse", "lyon", "flood", "uid 7")
    gates = keeper(journal, changes)
    await gates.shut("carrier", "swift", "strike", "uid 0")
    await gates.load()
    assert (gates.gates.is_shut("warehouse", "lyon"), gates.gates.is_shut("carrier", "swift")) == (True, True)
    assert [recorded.version for recorded in await journal.read(STREAM)] == [1, 2]
