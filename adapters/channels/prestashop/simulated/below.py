"""What hangs below a row: the lists that the webservice shows under `associations`."""

from collections.abc import Mapping

from adapters.channels.prestashop.simulated.shop import Shop
from adapters.channels.prestashop.simulated.tables import Resource, Row, Value, number

Lists = dict[str, list[dict[str, Value]]]

SAME_NAME = (
    "product_id",
    "product_attribute_id",
    "product_quantity",
    "product_name",
    "product_reference",
    "product_ean13",
)
"""Parts of an order's row that are fields of its order_detail."""


def associations(shop: Shop, seen_by: int, resource: Resource, row: Row) -> Lists:
    """Return the lists below a row, as one of the installation's shops sees them."""
    row_id = number(row["id"])
    match resource.name:
        case "orders":
            return {"order_rows": [_order_row(shop, detail) for detail in shop.ordering.details[row_id]]}
        case "products":
            return shop.stockroom.associations(row_id, seen_by) | shop.lists.get((resource.name, row_id), {})
        case "combinations":
            return {"product_option_values": [{"id": row_id}], "images": [{"id": row_id}]}
        case _:
            return shop.lists.get((resource.name, row_id), {})


def make_pack(shop: Shop, reference: str, contents: Mapping[str, int]) -> None:
    """Make a product a pack of so many pieces of other references."""
    pack = shop.stockroom.article(reference)
    shop.tables["products"][pack.product] |= {"cache_is_pack": "1", "product_type": "pack"}
    held: list[dict[str, Value]] = []
    for each, units in contents.items():
        article = shop.stockroom.article(each)
        held.append({"id": article.product, "id_product_attribute": article.combination, "quantity": units})
    shop.lists["products", pack.product] = {"product_bundle": held}


def _order_row(shop: Shop, detail: int) -> dict[str, Value]:
    row = shop.tables["order_details"][detail]
    return {
        "id": detail,
        **{name: row[name] for name in SAME_NAME},
        "product_isbn": None,
        "product_upc": None,
        "product_price": row["product_price"],
        "id_customization": row["id_customization"],
        "unit_price_tax_incl": row["unit_price_tax_incl"],
        "unit_price_tax_excl": row["unit_price_tax_excl"],
    }
