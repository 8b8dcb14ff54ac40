"""What can be bought in a shop and how it gets delivered, for rehearsals and tests: whatever shop it is.

Nothing of it is used in production. It knows no orders; `placing.py` places them.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from msgspec import Struct

from actors.errors import RefusedError
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import FieldError, Row, reference_to, text
from adapters.channels.prestashop.stock import Stock

PAGE = 1_000

FALLBACK_WEIGHT_G = 300
"""Many shops weigh nothing; a parcel has to weigh something."""

PRODUCT = "[id,reference,price,weight,is_virtual,cache_is_pack,customizable,minimal_quantity]"
COMBINATION = "[id,id_product,reference,price,weight,minimal_quantity]"


class Buyable(Struct, frozen=True):
    """An article that is for sale by itself: `units` may be sold, `price` is without tax."""

    sku: str
    price: Decimal
    weight_g: int
    units: int


class Delivery(Struct, frozen=True):
    """How the shop delivers: the carrier (its id_reference) to order by, all carriers, and a country."""

    carrier: int
    carriers: tuple[int, ...]
    country: str


async def buyable(webservice: Webservice, stock: Stock) -> Sequence[Buyable]:
    """Return what can be bought by itself and put into a parcel, what there is most of first.

    Raises:
        PartnerError: the shop cannot be read.
    """
    selling = {"filter[active]": "[1]", "filter[available_for_order]": "[1]"}
    products = await webservice.every_row("products", PRODUCT, PAGE, **selling)
    combinations = await webservice.every_row("combinations", COMBINATION, PAGE)
    units = await stock.read()
    found = [
        Buyable(each.sku, each.price, each.weight_g, units[each.sku])
        for each in _articles(products, combinations)
        if units.get(each.sku, 0) > 0
    ]
    return sorted(found, key=lambda each: (-each.units, each.sku))


async def delivery(webservice: Webservice) -> Delivery:
    """Return how an order gets delivered here.

    Raises:
        PartnerError: the shop cannot be read, or has no active carrier.
    """
    live = {"filter[deleted]": "[0]", "filter[active]": "[1]", "sort": "[id_ASC]"}
    rows = await webservice.rows("carriers", "[id,id_reference]", **live)
    by_id = {reference_to(row, "id"): reference_to(row, "id_reference") for row in rows}
    if not by_id:
        raise RefusedError(webservice.system, "look for a carrier", "the shop has no active one")
    carriers = tuple(by_id.values())
    newest = await webservice.rows("orders", "[id,id_carrier]", sort="[id_DESC]", limit="1")
    # Who delivered to the last customer delivers; else the second, as a fresh shop's first is pick-up.
    last = [by_id[each] for row in newest if (each := reference_to(row, "id_carrier")) in by_id]
    carrier = last[0] if last else carriers[min(1, len(carriers) - 1)]
    countries = await webservice.rows(
        "countries", "[id,iso_code]", **{"filter[active]": "[1]", "sort": "[id_ASC]"}
    )
    codes = [text(row, "iso_code") for row in countries]
    return Delivery(carrier, carriers, "FR" if "FR" in codes or not codes else codes[0])


def _articles(products: Sequence[Row], combinations: Sequence[Row]) -> Sequence[Buyable]:
    """Return what is sold by itself and can be packed; of a product with combinations, those. Pure."""
    parents = {reference_to(row, "id_product") for row in combinations}
    by_id = {reference_to(row, "id"): row for row in products if _can_be_packed(row)}
    found = [
        _article(row, _number(row, "price"), _number(row, "weight"))
        for product, row in by_id.items()
        if product not in parents
    ]
    for row in combinations:
        parent = by_id.get(reference_to(row, "id_product"))
        if parent is not None and _sells_singly(row):
            price, weight = (_number(parent, name) + _number(row, name) for name in ("price", "weight"))
            found.append(_article(row, price, weight))
    skus = [each.sku for each in found]
    # Of several with one reference nobody could say which was bought.
    return [each for each in found if each.sku and skus.count(each.sku) == 1]


def _can_be_packed(row: Row) -> bool:
    special = (text(row, name) for name in ("is_virtual", "cache_is_pack", "customizable"))
    return all(value in ("", "0") for value in special) and _sells_singly(row)


def _sells_singly(row: Row) -> bool:
    return reference_to(row, "minimal_quantity") <= 1


def _article(row: Row, price: Decimal, weight_kg: Decimal) -> Buyable:
    return Buyable(text(row, "reference"), price, int(weight_kg * 1_000) or FALLBACK_WEIGHT_G, units=0)


def _number(row: Row, name: str) -> Decimal:
    try:
        found = Decimal(text(row, name))
    except (InvalidOperation, FieldError):
        return Decimal(0)
    return found if found.is_finite() else Decimal(0)
