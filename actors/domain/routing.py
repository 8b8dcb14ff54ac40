"""Which warehouses ship an order: a pure function of what is wanted, what there is, and the rules.

Every set of warehouses up to the largest allowed split is looked at, the best rank first, and each candidate
is returned with the reason why it was not taken: the explanation is the decision's own working, not a later
guess.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from msgspec import Struct

from actors.domain.order_events import Candidate, PlannedFulfilment
from actors.domain.stock_events import Quantity, Shortage

CANDIDATES_EXPLAINED_MAX = 24
"""Ten warehouses in parts of three make 175 sets.

The best two dozen explain a choice, the rest only fill the log.
"""

Picture = Callable[[str, str], int]
"""What is available, by warehouse and SKU, as far as is known; the reservation is the truth."""


Load = Callable[[str], int]
"""How many fulfilments a warehouse has in hand: promised, or on their way to be, and not out of the house."""


def idle(_warehouse: str) -> int:
    """Return that nothing is in hand: for rules that cap no warehouse."""
    return 0


class WarehouseRule(Struct, frozen=True, gc=False):
    """How routing sees a warehouse.

    A lower `priority` is preferred. With `in_hand_max` fulfilments in hand it gets no more.
    """

    name: str
    country: str = "FR"
    priority: int = 100
    open: bool = True
    in_hand_max: int | None = None

    def is_full(self, load: Load) -> bool:
        """Tell whether it has all in hand that it may."""
        return self.in_hand_max is not None and load(self.name) >= self.in_hand_max


class RoutingRules(Struct, frozen=True, gc=False):
    """The rules of one version; `version` is the hash of their text and is recorded with each decision."""

    warehouses: tuple[WarehouseRule, ...]
    parts_max: int = 2
    version: str = "unversioned"


class Plan(Struct, frozen=True, gc=False):
    """Who ships what, and every candidate that was looked at."""

    parts: tuple[PlannedFulfilment, ...]
    candidates: tuple[Candidate, ...]


class NoPlan(Struct, frozen=True, gc=False):
    """Nobody can fill it now: what is missing over all warehouses together, or too many parts were needed."""

    missing: tuple[Shortage, ...]
    candidates: tuple[Candidate, ...]


def route(
    wanted: Sequence[Quantity],
    country: str,
    picture: Picture,
    rules: RoutingRules,
    *,
    avoid: frozenset[tuple[str, str]] = frozenset(),
    load: Load = idle,
    ids: Callable[[int], str],
) -> Plan | NoPlan:
    """Return the best plan for `wanted` (each SKU once).

    `avoid` holds (warehouse, SKU) pairs that the floor could not find lately, or that a person wants
    elsewhere. `ids` gives the n-th part its id. The rank of a set is: fewer parts, then fewer warehouses
    abroad, then the lower sum of priorities, then the names.
    """
    sites = sorted((site for site in rules.warehouses if site.open), key=lambda site: site.name)
    stock = {
        site.name: {
            line.sku: 0 if (site.name, line.sku) in avoid else picture(site.name, line.sku) for line in wanted
        }
        for site in sites
    }
    full = {site.name: f"has {site.in_hand_max} in hand, its cap" for site in sites if site.is_full(load)}
    candidates: list[Candidate] = []
    for parts in range(1, min(rules.parts_max, len(sites)) + 1):
        ranked = sorted(combinations(sites, parts), key=lambda chosen: _rank(chosen, country))
        for chosen in ranked:
            names = tuple(site.name for site in sorted(chosen, key=lambda site: (site.priority, site.name)))
            why_not = _full(names, full) or _why_not(wanted, names, stock, avoid)
            if len(candidates) < CANDIDATES_EXPLAINED_MAX or not why_not:
                candidates.append(Candidate(names, _rank(chosen, country)[:3], why_not))
            if not why_not:
                return Plan(_assign(wanted, names, stock, ids), tuple(candidates))
    return NoPlan(_missing(wanted, stock), tuple(candidates))


def _rank(chosen: Sequence[WarehouseRule], country: str) -> tuple[int, int, int, tuple[str, ...]]:
    abroad = sum(site.country != country for site in chosen)
    return (len(chosen), abroad, sum(site.priority for site in chosen), tuple(site.name for site in chosen))


def fillable(wanted: Sequence[Quantity], picture: Picture, rules: RoutingRules, load: Load) -> bool:
    """Tell whether all of it lies in warehouses that are open and not full, so that routing is worth it."""
    sites = [site.name for site in rules.warehouses if site.open and not site.is_full(load)]
    return all(sum(picture(site, line.sku) for site in sites) >= line.units for line in wanted)


def _full(names: Sequence[str], full: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {full[name]}" for name in names if name in full)


def _why_not(
    wanted: Sequence[Quantity],
    names: Sequence[str],
    stock: Mapping[str, Mapping[str, int]],
    avoid: frozenset[tuple[str, str]],
) -> str:
    short: list[str] = []
    for line in wanted:
        together = sum(stock[name][line.sku] for name in names)
        if together < line.units:
            avoided = [name for name in names if (name, line.sku) in avoid]
            beside = f" ({' and '.join(avoided)} avoided)" if avoided else ""
            short.append(f"{line.sku}: {together} of {line.units}{beside}")
    return "has too few of " + ", ".join(short) if short else ""


def _assign(
    wanted: Sequence[Quantity],
    names: Sequence[str],
    stock: Mapping[str, Mapping[str, int]],
    ids: Callable[[int], str],
) -> tuple[PlannedFulfilment, ...]:
    """Give each line to the first warehouse that has all of it; spread it only where no single one has."""
    shares: dict[str, list[Quantity]] = {name: [] for name in names}
    for line in wanted:
        whole = next((name for name in names if stock[name][line.sku] >= line.units), None)
        left = line.units
        for name in (whole,) if whole is not None else names:
            taken = min(left, stock[name][line.sku])
            if taken > 0:
                shares[name].append(Quantity(line.sku, taken))
                left -= taken
    filled = [(name, lines) for name, lines in shares.items() if lines]
    return tuple(PlannedFulfilment(ids(n), name, tuple(lines)) for n, (name, lines) in enumerate(filled, 1))


def _missing(wanted: Sequence[Quantity], stock: Mapping[str, Mapping[str, int]]) -> tuple[Shortage, ...]:
    totals = {line.sku: sum(site[line.sku] for site in stock.values()) for line in wanted}
    short = tuple(
        Shortage(line.sku, line.units, totals[line.sku]) for line in wanted if totals[line.sku] < line.units
    )
    return short or tuple(Shortage(line.sku, line.units, totals[line.sku]) for line in wanted)
