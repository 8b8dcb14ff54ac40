"""Routing: what a plan must be, whatever the stock looks like."""

import random
from collections import Counter
from itertools import combinations, permutations

import hypothesis.strategies as st
from hypothesis import given
from msgspec.structs import replace

from actors.domain.routing import (
    CANDIDATES_EXPLAINED_MAX,
    NoPlan,
    Plan,
    RoutingRules,
    WarehouseRule,
    fillable,
    route,
)
from actors.domain.stock_events import Quantity, Shortage

SKUS = ("CUP", "LID", "TEAPOT")
SITES = ("brest", "lyon", "nantes", "torino")

Shelves = dict[str, dict[str, int]]

shelves = st.fixed_dictionaries(
    {site: st.fixed_dictionaries({sku: st.integers(0, 4) for sku in SKUS}) for site in SITES}
)
wanted = st.dictionaries(st.sampled_from(SKUS), st.integers(1, 8), min_size=1).map(
    lambda asked: tuple(Quantity(sku, units) for sku, units in asked.items())
)
sites = st.lists(
    st.builds(
        WarehouseRule,
        st.sampled_from(SITES),
        st.sampled_from(["FR", "IT"]),
        st.integers(1, 3),
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda site: site.name,
).map(tuple)
rules = st.builds(RoutingRules, sites, st.integers(1, 3), st.just("v1"))
avoided = st.frozensets(st.tuples(st.sampled_from(SITES), st.sampled_from(SKUS)), max_size=2)


def plan_for(
    asked: tuple[Quantity, ...],
    stock: Shelves,
    given_rules: RoutingRules,
    avoid: frozenset[tuple[str, str]] = frozenset(),
) -> Plan | NoPlan:
    return route(
        asked,
        "FR",
        lambda site, sku: stock.get(site, {}).get(sku, 0),
        given_rules,
        avoid=avoid,
        ids=lambda n: f"main-1.{n}",
    )


def can_fill(names: tuple[str, ...], asked: tuple[Quantity, ...], stock: Shelves) -> bool:
    return all(sum(stock[name][line.sku] for name in names) >= line.units for line in asked)


def without(stock: Shelves, avoid: frozenset[tuple[str, str]]) -> Shelves:
    return {
        site: {sku: 0 if (site, sku) in avoid else units for sku, units in row.items()}
        for site, row in stock.items()
    }


@given(wanted, shelves, rules, avoided)
def test_a_plan_covers_exactly_what_is_wanted_and_takes_no_more_than_there_is(
    asked: tuple[Quantity, ...],
    stock: Shelves,
    given_rules: RoutingRules,
    avoid: frozenset[tuple[str, str]],
) -> None:
    plan = plan_for(asked, stock, given_rules, avoid)
    if isinstance(plan, Plan):
        taken: Counter[str] = Counter()
        for part in plan.parts:
            for line in part.lines:
                assert 0 < line.units <= without(stock, avoid)[part.warehouse][line.sku]
                taken[line.sku] += line.units
        assert taken == Counter({line.sku: line.units for line in asked})
        assert len({part.warehouse for part in plan.parts}) == len(plan.parts)
        assert [part.fulfilment for part in plan.parts] == [
            f"main-1.{n}" for n in range(1, len(plan.parts) + 1)
        ]


@given(wanted, shelves, rules, st.dictionaries(st.sampled_from(SITES), st.integers(0, 3)), st.integers(1, 3))
def test_a_full_warehouse_is_as_if_it_were_closed_but_for_the_reason(
    asked: tuple[Quantity, ...], stock: Shelves, given_rules: RoutingRules, loads: dict[str, int], most: int
) -> None:
    def load(site: str) -> int:
        return loads.get(site, 0)

    def picture(site: str, sku: str) -> int:
        return stock[site][sku]

    full = {site.name for site in given_rules.warehouses if load(site.name) >= most}
    capped = replace(
        given_rules, warehouses=tuple(replace(site, in_hand_max=most) for site in given_rules.warehouses)
    )
    closed = replace(
        given_rules,
        warehouses=tuple(
            replace(site, open=site.open and site.name not in full) for site in given_rules.warehouses
        ),
    )
    plan = route(asked, "FR", picture, capped, load=load, ids=str)
    wanted_plan = plan_for(asked, stock, closed)
    assert [(part.warehouse, part.lines) for part in getattr(plan, "parts", ())] == [
        (part.warehouse, part.lines) for part in getattr(wanted_plan, "parts", ())
    ]
    for candidate in plan.candidates:
        stopped = [name for name in candidate.warehouses if name in full]
        said = "; ".join(f"{name} has {most} in hand, its cap" for name in stopped)
        assert not said or candidate.rejected == said
    if isinstance(plan, Plan):
        assert fillable(asked, picture, capped, load)


@given(wanted, shelves, rules, avoided)
def test_a_plan_is_found_if_there_is_one_and_has_the_fewest_parts(
    asked: tuple[Quantity, ...],
    stock: Shelves,
    given_rules: RoutingRules,
    avoid: frozenset[tuple[str, str]],
) -> None:
    names = [site.name for site in given_rules.warehouses if site.open]
    enough = [
        parts
        for parts in range(1, given_rules.parts_max + 1)
        for chosen in combinations(names, parts)
        if can_fill(chosen, asked, without(stock, avoid))
    ]
    plan = plan_for(asked, stock, given_rules, avoid)
    assert (len(plan.parts) if isinstance(plan, Plan) else None) == min(enough, default=None)


@given(wanted, shelves, rules)
def test_every_candidate_is_explained_and_only_the_taken_one_has_no_reason_against_it(
    asked: tuple[Quantity, ...], stock: Shelves, given_rules: RoutingRules
) -> None:
    plan = plan_for(asked, stock, given_rules)
    not_taken = [candidate for candidate in plan.candidates if candidate.rejected]
    taken = [candidate for candidate in plan.candidates if not candidate.rejected]
    assert all(not can_fill(candidate.warehouses, asked, stock) for candidate in not_taken)
    assert len(not_taken) <= CANDIDATES_EXPLAINED_MAX
    if isinstance(plan, Plan):
        assert [set(each.warehouses) for each in taken] == [{part.warehouse for part in plan.parts}]
    else:
        assert taken == []
        open_sites = sum(site.open for site in given_rules.warehouses)
        assert len(not_taken) == sum(
            len(list(combinations(range(open_sites), parts))) for parts in range(1, given_rules.parts_max + 1)
        )


@given(wanted, shelves, rules, st.randoms(use_true_random=False))
def test_the_same_question_has_the_same_answer_however_the_rules_are_listed(
    asked: tuple[Quantity, ...], stock: Shelves, given_rules: RoutingRules, rng: random.Random
) -> None:
    shuffled = list(given_rules.warehouses)
    rng.shuffle(shuffled)
    other = RoutingRules(tuple(shuffled), given_rules.parts_max, given_rules.version)
    assert plan_for(asked, stock, given_rules) == plan_for(asked, stock, other)


@given(wanted, shelves, rules)
def test_a_closed_warehouse_ships_nothing(
    asked: tuple[Quantity, ...], stock: Shelves, given_rules: RoutingRules
) -> None:
    plan = plan_for(asked, stock, given_rules)
    closed = {site.name for site in given_rules.warehouses if not site.open}
    assert not any(closed & set(candidate.warehouses) for candidate in plan.candidates)


ONE_EACH = RoutingRules((WarehouseRule("lyon", priority=1), WarehouseRule("nantes", priority=2)))


def test_the_preferred_warehouse_ships_when_both_could() -> None:
    stock = {"lyon": {"TEAPOT": 1}, "nantes": {"TEAPOT": 1}}
    plan = plan_for((Quantity("TEAPOT", 1),), stock, ONE_EACH)
    assert isinstance(plan, Plan)
    assert plan.parts[0].warehouse == "lyon"


def test_a_warehouse_at_home_comes_before_a_preferred_one_abroad() -> None:
    abroad = RoutingRules((WarehouseRule("torino", "IT", 1), WarehouseRule("nantes", "FR", 9)))
    stock = {"torino": {"TEAPOT": 1}, "nantes": {"TEAPOT": 1}}
    plan = plan_for((Quantity("TEAPOT", 1),), stock, abroad)
    assert isinstance(plan, Plan)
    assert plan.parts[0].warehouse == "nantes"


def test_one_parcel_from_afar_is_better_than_two_from_near() -> None:
    three = RoutingRules((*ONE_EACH.warehouses, WarehouseRule("torino", "IT", 9)))
    stock = {
        "lyon": {"TEAPOT": 1, "CUP": 0},
        "nantes": {"TEAPOT": 0, "CUP": 1},
        "torino": {"TEAPOT": 1, "CUP": 1},
    }
    plan = plan_for((Quantity("TEAPOT", 1), Quantity("CUP", 1)), stock, three)
    assert isinstance(plan, Plan)
    assert [part.warehouse for part in plan.parts] == ["torino"]


def test_a_line_is_spread_only_where_no_warehouse_has_all_of_it() -> None:
    stock = {"lyon": {"TEAPOT": 3, "CUP": 1}, "nantes": {"TEAPOT": 3, "CUP": 2}}
    plan = plan_for((Quantity("TEAPOT", 4), Quantity("CUP", 2)), stock, ONE_EACH)
    assert isinstance(plan, Plan)
    assert [(part.warehouse, part.lines) for part in plan.parts] == [
        ("lyon", (Quantity("TEAPOT", 3),)),
        ("nantes", (Quantity("TEAPOT", 1), Quantity("CUP", 2))),
    ]


def test_what_nobody_can_fill_says_how_much_is_missing_over_all_warehouses() -> None:
    stock = {"lyon": {"TEAPOT": 1, "CUP": 9}, "nantes": {"TEAPOT": 1, "CUP": 0}}
    plan = plan_for((Quantity("TEAPOT", 5), Quantity("CUP", 1)), stock, ONE_EACH)
    assert isinstance(plan, NoPlan)
    assert plan.missing == (Shortage("TEAPOT", 5, 2),)


def test_an_order_that_too_many_warehouses_would_have_to_share_waits() -> None:
    only_one = RoutingRules(ONE_EACH.warehouses, parts_max=1)
    stock = {"lyon": {"TEAPOT": 1}, "nantes": {"TEAPOT": 1}}
    plan = plan_for((Quantity("TEAPOT", 2),), stock, only_one)
    assert isinstance(plan, NoPlan)
    assert plan.missing == (Shortage("TEAPOT", 2, 2),)


def test_what_the_floor_could_not_find_is_not_asked_of_that_warehouse_again() -> None:
    stock = {"lyon": {"TEAPOT": 5}, "nantes": {"TEAPOT": 5}}
    plan = plan_for((Quantity("TEAPOT", 1),), stock, ONE_EACH, frozenset({("lyon", "TEAPOT")}))
    assert isinstance(plan, Plan)
    assert plan.parts[0].warehouse == "nantes"


def test_the_listing_of_the_rules_does_not_break_a_tie() -> None:
    stock = {"brest": {"TEAPOT": 1}, "lyon": {"TEAPOT": 1}, "nantes": {"CUP": 1}}
    plans = {
        tuple(part.warehouse for part in plan.parts)
        for listed in permutations(WarehouseRule(name) for name in stock)
        if isinstance(
            plan := plan_for((Quantity("TEAPOT", 1), Quantity("CUP", 1)), stock, RoutingRules(listed)), Plan
        )
    }
    assert plans == {("brest", "nantes")}


def test_a_warehouse_that_is_avoided_is_told_so_and_not_that_it_has_none() -> None:
    two = RoutingRules((WarehouseRule("lyon", priority=1), WarehouseRule("nantes", priority=2)), 1, "v1")
    stock = {"lyon": {"CUP": 4}, "nantes": {"CUP": 4}}
    plan = plan_for((Quantity("CUP", 2),), stock, two, frozenset({("lyon", "CUP")}))
    assert [(each.warehouses, each.rejected) for each in plan.candidates] == [
        (("lyon",), "has too few of CUP: 0 of 2 (lyon avoided)"),
        (("nantes",), ""),
    ]
