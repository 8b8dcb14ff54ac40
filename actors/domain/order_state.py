"""What an order is, the life cycle of its stages, and what follows from its state. It decides nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from actors.domain.documents import Document
from actors.domain.order_commands import PartStep
from actors.domain.order_events import (
    GoodsReturned,
    HoldKind,
    OrderBackordered,
    OrderHeld,
    OrderImported,
    OrderLine,
)
from actors.domain.order_sides import AtErp, Back
from actors.domain.stock_events import PackedParcel, Quantity

PartState = Literal["planned", "allocated", "confirmed", "packed", "shipped", "gone"]
Stage = Literal[
    "new",
    "held",
    "routing",
    "allocating",
    "backordered",
    "picking",
    "packed",
    "shipped",
    "delivered",
    "cancelled",
]

RESUME_AFTER = timedelta(seconds=5)
"""An order that has a step of its own to take is woken when it has not taken it by then: its daemon died."""

LIFE_CYCLE: Mapping[Stage, frozenset[Stage]] = {
    "new": frozenset({"held", "allocating", "backordered"}),
    "held": frozenset(
        {"new", "routing", "allocating", "backordered", "picking", "packed", "shipped", "cancelled"}
    ),
    "routing": frozenset({"held", "allocating", "backordered", "picking", "cancelled"}),
    "allocating": frozenset({"held", "routing", "backordered", "picking", "packed"}),
    "backordered": frozenset({"held", "allocating", "picking", "packed", "cancelled"}),
    "picking": frozenset({"held", "routing", "packed"}),
    "packed": frozenset({"held", "shipped"}),
    "shipped": frozenset({"delivered"}),
    "delivered": frozenset(),
    "cancelled": frozenset(),
}
"""Which stage may follow which; everything an order ever does is a walk in this table.

An order is "new" until a first plan is made or found impossible, and "routing" whenever later units lose
their warehouse: a reservation was refused or expired, or the floor did not find them. Both last only for the
moment in which the order decides, unless a cancel is on its way. It is "allocating" while any warehouse of
its plan has not promised or confirmed, "backordered" while nobody can fill the rest (what is confirmed is
picked and shipped all the same), "picking" once all of it is on floors, and "packed" once all of it stands in
parcels. What the shop takes out of an order may leave it in any of these at once. A hold covers whatever is
below it, and lifting it shows that again. There is no way back from "packed", as no warehouse gives up what
is packed; and an order ends "cancelled" only from where it holds no stock, so every cancel passes through
"routing" once something was planned. A stage is never stored: it is folded from the events, so that no two
places can disagree.
"""

CLOCKS: Mapping[Stage, timedelta] = {
    "new": timedelta(minutes=5),
    "routing": timedelta(minutes=5),
    "allocating": timedelta(minutes=5),
    "held": timedelta(hours=24),
    "backordered": timedelta(days=3),
    "picking": timedelta(hours=24),
    "packed": timedelta(hours=1),
    "shipped": timedelta(days=7),
}
"""How long an order may be silent in a stage before the desk makes it an anomaly.

What machines do takes minutes, a floor works an order within a day, carriers deliver within a week; delivered
and cancelled orders rest.
"""


REROUTABLE: tuple[PartState, ...] = ("planned", "allocated", "confirmed")
"""The states in which a part can be given back; what is packed stays with its floor."""

AGAIN = "~"
"""Stands in the id of an effect before the number of the attempt, from the second on."""


class Part(Struct, frozen=True, gc=False):
    """What one warehouse ships of the order.

    A part that is `gone` was refused, released or found short entirely.
    """

    fulfilment: str
    warehouse: str
    lines: tuple[Quantity, ...]
    state: PartState = "planned"
    parcels: tuple[PackedParcel, ...] = ()


class Parcel(Struct, frozen=True, gc=False):
    """A parcel and its label."""

    parcel: str
    tracking: str
    carrier: str
    weight_g: int
    status: str = "announced"


class Order(Struct, frozen=True, gc=False):
    """An order's state. `wanted` and the stage follow from it; nothing in it names a person.

    `id` is ours, which partners see as the order's reference; empty as long as nothing was imported.
    `avoid` is where floors did not find a SKU, by warehouse and SKU; `shunned` are warehouses that a person
    wants avoided; `parts_pardoned` is how many parts were planned when a person last had it routed anew.
    `short` is what floors did not find, by fulfilment and SKU. `refused` is what warehouses said they have
    instead of what was asked, by warehouse and SKU, until the search for units has come to an end: the
    picture may be older. `giving_back` are the parts that hold too much since an edit, or that a person wants
    routed anew; `keeping` is what some of them keep, by fulfilment, while they give back the rest alone.
    `refusals` are what partners would not take, by the effect that first asked. `former_lines` are of SKUs
    that the shop has taken out since: a floor may have packed them. `vanished` is why it was stopped since
    the shop last showed it whole, whether or not a person has let it go on. `erp` is the ERP's side, `back`
    what comes back.
    `promised` is when all its units were on floors for the first time, and `waited` whether it ever stood in
    a hold or for stock.
    """

    id: str = ""
    imported: OrderImported | None = None
    version: int = 0
    noticed: datetime | None = None
    promised: datetime | None = None
    waited: bool = False
    told_silent: int = 0
    since: datetime | None = None
    touched: datetime | None = None
    holds: Mapping[HoldKind, OrderHeld] = {}
    parts: Mapping[str, Part] = {}
    parts_planned: int = 0
    parts_pardoned: int = 0
    avoid: frozenset[tuple[str, str]] = frozenset()
    shunned: frozenset[str] = frozenset()
    short: Mapping[tuple[str, str], int] = {}
    refused: Mapping[tuple[str, str], int] = {}
    backordered: OrderBackordered | None = None
    giving_back: frozenset[str] = frozenset()
    keeping: Mapping[str, tuple[Quantity, ...]] = {}
    effects: Mapping[str, Document] = {}
    effects_asked: frozenset[str] = frozenset()
    refusals: Mapping[str, Document] = {}
    parcels: Mapping[str, Parcel] = {}
    tracked: frozenset[str] = frozenset()
    anomalies: Mapping[str, str] = {}
    cancel_asked: str = ""
    cancels_refused: frozenset[str] = frozenset()
    cancelled_by: str = ""
    ended: Literal["", "shipped", "delivered", "cancelled"] = ""
    former_lines: tuple[OrderLine, ...] = ()
    vanished: frozenset[str] = frozenset()
    erp: AtErp = AtErp()
    back: Back = Back()
    stage: Stage = "new"

    @property
    def facts(self) -> OrderImported:
        """What was imported; an order without it does not exist."""
        if self.imported is None:
            msg = "the order's stream does not begin with its import"
            raise ValueError(msg)
        return self.imported

    def live(self) -> Iterable[Part]:
        """Return the parts that hold, or are about to hold, stock for the order, or have shipped it."""
        return (part for part in self.parts.values() if part.state != "gone")

    def wanted(self) -> tuple[Quantity, ...]:
        """Return what the order asks for and no part covers, each SKU once, in the order of its lines."""
        return () if self.ended else _asked_for(self._uncovered(("gone",)))

    def unpromised(self) -> tuple[Quantity, ...]:
        """Return what the order asks for and no warehouse has promised yet: what is only planned as well."""
        return () if self.ended else _asked_for(self._uncovered(("gone", "planned")))

    def surplus(self) -> dict[str, int]:
        """Return what parts hold and the order does not ask for (any more), by SKU."""
        return {sku: -units for sku, units in self._uncovered(("gone",)).items() if units < 0}

    def _uncovered(self, but: tuple[PartState, ...]) -> dict[str, int]:
        """Return the units of each SKU beyond the parts in other states than these; below zero where less."""
        open_: dict[str, int] = {}
        for line in self.facts.lines:
            open_[line.sku] = open_.get(line.sku, 0) + line.units
        for part in self.parts.values():
            if part.state not in but:
                for quantity in part.lines:
                    open_[quantity.sku] = open_.get(quantity.sku, 0) - quantity.units
        return open_

    def is_on_floors(self) -> bool:
        """Tell whether every unit of it has been promised and handed to a floor."""
        return not self.wanted() and all(part.state not in ("planned", "allocated") for part in self.live())

    def label_effects(self, part: Part) -> tuple[str, ...]:
        """Return the effects that buy the part's labels, in the order of its parcels."""
        return tuple(effect_id("label", parcel.parcel) for parcel in part.parcels)


def _asked_for(uncovered: Mapping[str, int]) -> tuple[Quantity, ...]:
    return tuple([Quantity(sku, units) for sku, units in uncovered.items() if units > 0])


def order_id(channel: str, shop_order: str) -> str:
    """Return our id of a shop's order; at most 20 characters, as Divalto's reference field holds no more."""
    return f"{channel}-{shop_order}"


def effect_id(kind: str, about: str) -> str:
    """Return the id of an effect: there is one of each kind about each thing."""
    return f"{kind}:{about}"


def stage_of(order: Order) -> Stage:
    """Return the stage of the order's life, see `LIFE_CYCLE`."""
    if order.ended:
        return order.ended
    if order.holds:
        return "held"
    states = {part.state for part in order.live()}
    if "planned" in states or "allocated" in states:
        return "allocating"
    if order.backordered is not None:
        return "backordered"
    if not states or order.wanted():
        return "routing" if order.parts_planned else "new"
    return "picking" if "confirmed" in states else "packed"


def own_steps(order: Order) -> tuple[tuple[PartStep, Part], ...]:
    """Return what the order has to ask of warehouses by itself, the most pressing first.

    A plan over several warehouses stands or falls as a whole: all of it is reserved before any of it is
    confirmed, and where the rest of it cannot be filled, what is not confirmed is given back.
    """
    if order.imported is None or order.ended:
        return ()
    if order.cancel_asked:
        return tuple(("release", part) for part in order.live())
    if order.giving_back and (too_much := list(to_give_back(order))):
        return tuple(("reduce" if part.fulfilment in order.keeping else "release", part) for part in too_much)
    # Asked twice at each turn of each order, and there is nearly always nothing: one look at each part.
    planned: list[Part] = []
    allocated: list[Part] = []
    ready: list[Part] = []
    for part in order.parts.values():
        if part.state == "planned":
            planned.append(part)
        elif part.state == "allocated":
            allocated.append(part)
        elif ready_to_dispatch(order, part):
            ready.append(part)
    if not (planned or allocated or ready):
        return ()
    if order.backordered is not None and (planned or allocated):
        return tuple(("release", part) for part in order.live() if part.state in ("planned", "allocated"))
    if order.holds:
        return ()
    return (
        *(("reserve", part) for part in planned),
        *(("confirm", part) for part in allocated if not planned),
        *(("dispatch", part) for part in ready),
    )


def to_give_back(order: Order) -> Iterable[Part]:
    """Return the parts that have to give back all or some of their units, and no floor has packed by now."""
    if not order.giving_back:
        return ()
    return (
        part for part in order.live() if part.fulfilment in order.giving_back and part.state in REROUTABLE
    )


def to_restock(order: Order) -> Iterable[GoodsReturned]:
    """Return what came back and no warehouse has taken in yet."""
    return (each for each in order.back.returns.values() if each.delivery not in order.back.restocked)


def left(order: Order) -> Counter[str]:
    """Return how many units of each SKU have left."""
    units: Counter[str] = Counter()
    for part in order.live():
        for line in part.lines if part.state == "shipped" else ():
            units[line.sku] += line.units
    return units


def left_for_customer(order: Order, sku: str) -> int:
    """Return how many units of the SKU have left and not come back."""
    return left(order)[sku] - order.back.came(sku)


def expected_back(order: Order) -> tuple[Quantity, ...]:
    """Return what the shop has refunded of what has left and has not come back."""
    awaited = {sku: units - order.back.came(sku) for sku, units in order.back.refunded.items()}
    return tuple(Quantity(sku, units) for sku, units in awaited.items() if units > 0)


def has_own_step(order: Order) -> bool:
    """Tell whether the order itself has something to do, as opposed to waiting for others."""
    if order.stage in ("new", "routing", "allocating") or own_steps(order):
        return True
    return bool(order.back.returns) and any(True for _ in to_restock(order))


def ready_to_dispatch(order: Order, part: Part) -> bool:
    """Tell whether every parcel of the part has its label."""
    return part.state == "packed" and all(parcel.parcel in order.parcels for parcel in part.parcels)


def due_at(order: Order) -> datetime | None:
    """Return when the desk has to wake the order; None once it rests or a person has been told.

    Whoever was told that it is silent does not know of a step that it has to take since then.
    """
    if order.since is None or order.touched is None:
        return None
    expiries = [held.expires_at for held in order.holds.values() if held.expires_at is not None]
    is_told = bool(order.anomalies) and silence_id(order) in order.anomalies
    if is_told and order.version == order.told_silent:
        return min(expiries, default=None)
    if has_own_step(order):
        expiries.append(order.touched + RESUME_AFTER)
    elif order.stage in CLOCKS and not is_told:
        expiries.append(order.since + CLOCKS[order.stage])
    return min(expiries, default=None)


def silence_id(order: Order) -> str:
    """Return the id of the anomaly that says that the order is silent in its present stage."""
    since = order.since.isoformat(timespec="seconds") if order.since is not None else ""
    return f"{order.id}:silent:{order.stage}:{since}"


def first_asked(effect: str) -> str:
    """Return the effect that first asked for what this one asks for, perhaps again."""
    return effect.partition(AGAIN)[0]


def asked_again(order: Order, effect: str) -> str:
    """Return the id under which what was refused is asked for once more; each is unique in all time."""
    first = first_asked(effect)
    return f"{first}{AGAIN}{sum(first_asked(asked) == first for asked in order.effects_asked) + 1}"


def erp_has_order(order: Order) -> bool:
    """Tell whether the ERP was ever asked to book the order."""
    return effect_id("erp-order", order.id) in order.effects_asked


def changes_asked(order: Order) -> int:
    """Return how often the ERP was asked to change the order."""
    return sum(asked.startswith("erp-change:") and AGAIN not in asked for asked in order.effects_asked)
