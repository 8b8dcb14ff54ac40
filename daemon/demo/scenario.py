"""What is sold in the demo and what is ordered: a pure function of the number of orders and the seed.

In somebody's shop it is a function of his goods as well.

Besides ordinary orders there are those that go wrong in every shop: one that only two warehouses together can
fill, one that nobody can fill until goods arrive, one cancelled before the pick, one cancelled too late.
"""

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

from msgspec import Struct

WAREHOUSES = ("lyon", "nantes")

Fate = Literal["ships", "split", "waits", "cancelled_early", "cancelled_late"]

SPECIAL_EVERY = 25
"""One order in so many of each special kind, and the first of each among the first orders of any demo."""

SPARE_UNITS = 3
"""What is left of each article in the end, so that shop and ERP have a figure to agree on."""


class Article(Struct, frozen=True):
    """Something that is sold; `price` is without tax in EUR."""

    sku: str
    name: str
    price: Decimal
    weight_g: int
    slot: str


class Goods(Struct, frozen=True):
    """What somebody's shop has to sell: so many units of an article, `price` without tax."""

    sku: str
    price: Decimal
    weight_g: int
    units: int


class NotEnoughGoodsError(Exception):
    """The shop has too little to sell for so many orders."""


class PlannedOrder(Struct, frozen=True):
    """An order to be placed, and what is to become of it; in somebody's shop the country is his matter."""

    lines: tuple[tuple[str, int], ...]
    fate: Fate
    country: str


class Scenario(Struct, frozen=True):
    """Everything that a demo of so many orders under a seed consists of."""

    articles: tuple[Article, ...]
    stock: Mapping[str, Mapping[str, int]]
    orders: tuple[PlannedOrder, ...]

    def awaited(self) -> Mapping[str, int]:
        """Return the units that have to be received for the orders that wait."""
        needed: dict[str, int] = {}
        for order in self.orders:
            if order.fate == "waits":
                for sku, units in order.lines:
                    if sku == RARE:
                        needed[sku] = needed.get(sku, 0) + units
        return needed


KINDS = ("TEAPOT", "CUP", "BOWL", "PLATE", "SPOON", "KETTLE", "TRAY", "JUG")
COLOURS = ("BLUE", "WHITE", "RED", "GREEN")
ONLY_LYON = "VASE-LYON"
ONLY_NANTES = "LAMP-NANTES"
RARE = "CLOCK-RARE"


def plan(orders: int, seed: int) -> Scenario:
    """Return the demo's goods and orders."""
    rng = random.Random(seed)
    articles = _articles(rng)
    placed = tuple(_order(number, rng) for number in range(orders))
    return Scenario(articles, _stock(articles, placed), placed)


def plan_from(goods: Sequence[Goods], orders: int, seed: int) -> Scenario:
    """Return orders of what somebody's shop has to sell, never of more than it has.

    None waits for goods: what the shop may sell is what the warehouses hold.

    Raises:
        NotEnoughGoodsError: there are too few goods.
    """
    if len(goods) < len(WAREHOUSES):
        msg = f"the shop has {len(goods)} articles that the demo could sell, and it takes {len(WAREHOUSES)}"
        raise NotEnoughGoodsError(msg)
    rng = random.Random(seed)
    left = {each.sku: each.units - SPARE_UNITS for each in goods}
    apart = tuple(each.sku for each in goods[: len(WAREHOUSES)])
    placed = tuple(_order_from(left, apart, number, rng) for number in range(orders))
    articles = tuple(
        Article(each.sku, each.sku, each.price, each.weight_g, _slot(number, rng))
        for number, each in enumerate(goods)
    )
    stock: dict[str, dict[str, int]] = {site: {} for site in WAREHOUSES}
    for each in goods:
        if each.sku in apart:
            stock[WAREHOUSES[apart.index(each.sku)]][each.sku] = each.units
        else:
            lyon, nantes = WAREHOUSES
            stock[lyon][each.sku] = each.units - each.units // 3
            stock[nantes][each.sku] = each.units // 3
    return Scenario(articles, stock, placed)


FATES_IN_SOMEBODYS_SHOP: Mapping[int, Fate] = {1: "split", 3: "cancelled_early", 4: "cancelled_late"}


def _order_from(
    left: dict[str, int], apart: tuple[str, ...], number: int, rng: random.Random
) -> PlannedOrder:
    fate = FATES_IN_SOMEBODYS_SHOP.get(number % SPECIAL_EVERY, "ships")
    there = [sku for sku, units in left.items() if units > 0]
    if fate == "split" and all(left[sku] > 0 for sku in apart):
        skus = list(apart)
    elif there:
        fate = "ships" if fate == "split" else fate
        skus = rng.sample(there, min(len(there), rng.choice((1, 1, 2, 2, 3))))
    else:
        msg = f"the shop has goods for {number} orders: take --orders {number}"
        raise NotEnoughGoodsError(msg)
    lines: list[tuple[str, int]] = []
    for sku in skus:
        units = min(left[sku], rng.choice((1, 1, 1, 2)))
        left[sku] -= units
        lines.append((sku, units))
    return PlannedOrder(tuple(lines), fate, "")


def _slot(number: int, rng: random.Random) -> str:
    return f"{'ABCD'[number % 4]}-{number // 4:02d}-{rng.randrange(1, 6)}"


def _articles(rng: random.Random) -> tuple[Article, ...]:
    skus = [f"{kind}-{colour}" for kind in KINDS for colour in COLOURS]
    return tuple(
        Article(
            sku=sku,
            name=sku.replace("-", " ").title(),
            price=Decimal(rng.randrange(350, 8_900)) / 100,
            weight_g=rng.randrange(150, 1_800),
            slot=_slot(number, rng),
        )
        for number, sku in enumerate([*skus, ONLY_LYON, ONLY_NANTES, RARE])
    )


def _order(number: int, rng: random.Random) -> PlannedOrder:
    country = rng.choice(("FR", "FR", "FR", "BE", "DE"))
    kind = number % SPECIAL_EVERY
    ordinary = _lines(rng)
    match kind:
        case 1:
            return PlannedOrder(((ONLY_LYON, rng.randint(1, 3)), (ONLY_NANTES, 1)), "split", country)
        case 2:
            return PlannedOrder(((RARE, rng.randint(1, 2)), *ordinary[:1]), "waits", country)
        case 3:
            return PlannedOrder(ordinary, "cancelled_early", country)
        case 4:
            return PlannedOrder(ordinary, "cancelled_late", country)
        case _:
            return PlannedOrder(ordinary, "ships", country)


def _lines(rng: random.Random) -> tuple[tuple[str, int], ...]:
    count = rng.choice((1, 1, 2, 2, 3, 4))
    skus = rng.sample([f"{kind}-{colour}" for kind in KINDS for colour in COLOURS], count)
    return tuple((sku, rng.choice((1, 1, 1, 2, 3))) for sku in skus)


def _stock(articles: Sequence[Article], orders: Sequence[PlannedOrder]) -> Mapping[str, Mapping[str, int]]:
    """Return enough of everything, spread over the warehouses so that some orders have to be split."""
    demand = {article.sku: SPARE_UNITS for article in articles}
    for order in orders:
        for sku, units in order.lines:
            demand[sku] += units
    lyon, nantes = WAREHOUSES
    stock: dict[str, dict[str, int]] = {lyon: {}, nantes: {}}
    for article in articles:
        units = demand[article.sku]
        match article.sku:
            case "LAMP-NANTES":
                stock[nantes][article.sku] = units
            case "VASE-LYON":
                stock[lyon][article.sku] = units
            case "CLOCK-RARE":
                stock[lyon][article.sku] = 0
            case _:
                stock[lyon][article.sku] = units - units // 3
                stock[nantes][article.sku] = units // 3
    return stock
