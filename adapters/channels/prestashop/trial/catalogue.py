"""What is wrong with a shop's products and stock rows: references, sums, and who else counts the stock."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import Row, reference_to, text
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.trials import Finding, listed, warning, well, wrong

PAGE = 1000
PRODUCT = "[id,reference,active,advanced_stock_management]"
COMBINATION = "[id,id_product,reference]"
STOCK_ROW = "[id,id_product,id_product_attribute,id_shop,id_shop_group,quantity,depends_on_stock]"


async def try_catalogue(
    webservice: Webservice, settings: PrestaShopSettings, now: Callable[[], datetime]
) -> list[Finding]:
    """Return what was found.

    Raises:
        PartnerError: as the webservice's.
    """
    del settings, now
    products = await webservice.every_row("products", PRODUCT, PAGE)
    combinations = await webservice.every_row("combinations", COMBINATION, PAGE)
    rows = await webservice.every_row("stock_availables", STOCK_ROW, PAGE)
    return [*references(products, combinations), *sums(combinations, rows), *advanced(products, rows)]


def references(products: Sequence[Row], combinations: Sequence[Row]) -> list[Finding]:
    """Return the articles that cannot be told apart, or not be told at all. Pure."""
    with_combinations = {reference_to(row, "id_product") for row in combinations}
    sold = {reference_to(row, "id"): row for row in products if text(row, "active") != "0"}
    articles = [
        (text(row, "reference"), f"product {product}")
        for product, row in sold.items()
        if product not in with_combinations
    ] + [
        (
            text(row, "reference"),
            f"combination {reference_to(row, 'id')} of product {reference_to(row, 'id_product')}",
        )
        for row in combinations
        if reference_to(row, "id_product") in sold
    ]
    by_reference: dict[str, list[str]] = defaultdict(list)
    for reference, what in articles:
        by_reference[reference].append(what)
    nameless = by_reference.pop("", [])
    doubled = [
        f"{reference} ({', '.join(whats)})" for reference, whats in by_reference.items() if len(whats) > 1
    ]
    findings: list[Finding] = []
    if doubled:
        mend = "give each its own reference: else one of them gets the stock and the orders of all"
        findings.append(wrong("references", f"used more than once: {listed(doubled)}", mend))
    if nameless:
        mend = "give them the reference that is their SKU in the ERP"
        findings.append(warning("references", f"without a reference: {listed(nameless)}", mend))
    return findings or [well("references", f"{len(articles)} articles, each with a reference of its own")]


def sums(combinations: Sequence[Row], rows: Sequence[Row]) -> list[Finding]:
    """Return the products whose own row is not the sum of their combinations' rows. Pure."""
    own: dict[tuple[int, int, int], int] = {}
    total: dict[tuple[int, int, int], int] = defaultdict(int)
    sold = {(reference_to(row, "id_product"), reference_to(row, "id")) for row in combinations}
    for row in rows:
        product, combination = reference_to(row, "id_product"), reference_to(row, "id_product_attribute")
        place = (product, reference_to(row, "id_shop"), reference_to(row, "id_shop_group"))
        if combination == 0:
            own[place] = reference_to(row, "quantity")
        elif (product, combination) in sold:
            total[place] += reference_to(row, "quantity")
    apart = [
        f"product {place[0]} shows {own[place]}, its combinations {units}"
        for place, units in total.items()
        if place in own and own[place] != units
    ]
    if not apart:
        return [well("combinations", f"{len(total)} products with combinations, each in step with them")]
    mend = (
        "save the product's quantities in the back office once, or let the first push of a combination do it"
    )
    return [warning("combinations", f"out of step with their product: {listed(apart)}", mend)]


def advanced(products: Sequence[Row], rows: Sequence[Row]) -> list[Finding]:
    """Return what the shop's own warehouses count, so that nothing that is pushed stays. Pure."""
    kept = [str(reference_to(row, "id")) for row in products if text(row, "advanced_stock_management") == "1"]
    bound = sorted({reference_to(row, "id_product") for row in rows if text(row, "depends_on_stock") == "1"})
    if bound:
        mend = "set their available quantities to manual: the shop computes them, whatever is pushed"
        detail = f"their stock depends on the shop's warehouses: products {listed([*map(str, bound)])}"
        return [wrong("advanced stock", detail, mend)]
    if kept:
        mend = "switch advanced stock management off for them"
        return [warning("advanced stock", f"switched on for products {listed(kept)}", mend)]
    return [well("advanced stock", "no product uses it")]
