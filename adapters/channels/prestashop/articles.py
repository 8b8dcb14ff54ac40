"""What a shop sells: its products and combinations with EAN, weight and price, and what its packs hold.

It only reads, for people who set a channel up; which stock row stands for an article is `stock.py`'s matter.
"""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from decimal import Decimal

from adapters.articles import Article
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import (
    FieldError,
    Row,
    article_name,
    money,
    parts,
    reference_to,
    text,
    whole,
)
from adapters.channels.prestashop.languages import language_id
from adapters.channels.prestashop.plugin import PrestaShopSettings

PAGE = 1_000
PRODUCT = (
    "[id,name,reference,ean13,weight,price,active,cache_is_pack,"
    "product_bundle[id,id_product_attribute,quantity]]"
)
COMBINATION = "[id,id_product,reference,ean13,weight,price]"

Place = tuple[int, int]
"""A product and a combination of it, 0 for the product itself."""


async def read_articles(settings: PrestaShopSettings, name: str) -> Sequence[Article]:
    """Return what the shop sells, by rising ids; a product with combinations is sold as those.

    Raises:
        PartnerError: the shop cannot be read.
    """
    async with aclosing(Webservice(settings, name)) as webservice:
        language = str(await language_id(webservice, settings.language))
        products = await webservice.every_row("products", PRODUCT, PAGE, language=language)
        combinations = await webservice.every_row("combinations", COMBINATION, PAGE)
    return articles_of(products, combinations, settings)


def articles_of(
    products: Sequence[Row], combinations: Sequence[Row], settings: PrestaShopSettings
) -> Sequence[Article]:
    """Return the articles of these rows. Pure."""
    by_id = {reference_to(row, "id"): row for row in products}
    own: dict[int, list[Row]] = {}
    for row in combinations:
        own.setdefault(reference_to(row, "id_product"), []).append(row)
    names: dict[Place, str] = {}
    for product, row in by_id.items():
        names[product, 0] = _name(row, (product, 0), settings)
        for each in own.get(product, ()):
            place = (product, reference_to(each, "id"))
            names[place] = _name(each, place, settings)
    found: list[Article] = []
    for product, row in by_id.items():
        if product in own:
            found += [
                _article(each, row, (product, reference_to(each, "id")), names) for each in own[product]
            ]
        else:
            found.append(_article(row, row, (product, 0), names))
    return found


def _name(row: Row, place: Place, settings: PrestaShopSettings) -> str:
    return article_name(
        settings.sku_from,
        reference=text(row, "reference"),
        ean13=text(row, "ean13"),
        product=place[0],
        combination=place[1],
    )


def _article(row: Row, product: Row, place: Place, names: Mapping[Place, str]) -> Article:
    """A combination's price and weight are what it adds to its product's."""
    weight, price = _amount(product, "weight"), _amount(product, "price")
    if place[1]:
        weight, price = weight + _amount(row, "weight"), price + _amount(row, "price")
    return Article(
        name=names[place],
        id=f"{place[0]}-{place[1]}" if place[1] else str(place[0]),
        ean13=text(row, "ean13"),
        weight_g=int(weight * 1_000),
        price=price,
        is_active=text(product, "active") == "1",
        title=text(product, "name"),
        contains=_contents(product, names) if not place[1] else {},
    )


def _contents(product: Row, names: Mapping[Place, str]) -> Mapping[str, int]:
    """Return what a pack holds; of what the shop no longer has nothing can be said."""
    pieces: dict[str, int] = {}
    for part in parts(product, "product_bundle"):
        name = names.get((reference_to(part, "id"), reference_to(part, "id_product_attribute")), "")
        if name:
            pieces[name] = pieces.get(name, 0) + whole(part, "quantity")
    return pieces


def _amount(row: Row, name: str) -> Decimal:
    """Return an amount, which a combination may take off; nonsense is 0 here, as nothing is sold by it."""
    try:
        return money(row, name)
    except FieldError:
        given = str(row.get(name, ""))
        return -money({name: given[1:]}, name) if given.startswith("-") else Decimal(0)
