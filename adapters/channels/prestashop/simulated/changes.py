"""What writes over the webservice do to the shop: PATCH, PUT that blanks, POST, DELETE, with their traps.

Objects of one body are written one after another and nothing is undone: an error leaves those before it
written.
"""

import json
from decimal import Decimal

from adapters.channels.prestashop.simulated.ordering import Purchase, refused_payment
from adapters.channels.prestashop.simulated.query import RefusalError
from adapters.channels.prestashop.simulated.shop import Shop
from adapters.channels.prestashop.simulated.stockroom import Article
from adapters.channels.prestashop.simulated.tables import Resource, Row, Value, number, stored
from adapters.channels.prestashop.simulated.writing import (
    Given,
    blanked,
    check_required,
    check_writable,
    validate,
)

MODULES = frozenset({"ps_wirepayment", "ps_checkpayment", "ps_cashondelivery"})


class CrashError(Exception):
    """PHP dies: 500, `text/html`, an empty body."""


def change(shop: Shop, resource: Resource, given: Given, *, blank: bool) -> Row:
    """Carry out one object of a PATCH, or with `blank` of a PUT; return the row as it is answered.

    Raises:
        RefusalError: with the recorded codes.
    """
    if given.id is None:
        raise RefusalError(400, (90, "id is required when modifying a resource"))
    row = shop.tables[resource.name].get(int(given.id) if given.id.isdigit() else 0)
    if row is None:
        raise RefusalError(404, (92, "Invalid ID"))
    check_writable(resource, given)
    if blank:
        check_required(resource, given)
    texts = {name: text for name, text in given.fields.items() if name in resource.fields}
    validate(resource, texts)
    before = dict(row)
    values: dict[str, Value] = blanked(resource, row, texts) if blank else dict(texts)
    row.update((name, stored(resource.fields[name], value)) for name, value in values.items())
    _follow(shop, resource, row, before)
    # A PUT answers what it was given: blanks, not the zeros that the database makes of them.
    return row | values if blank else row


def _follow(shop: Shop, resource: Resource, row: Row, before: Row) -> None:
    """Do what the shop does beside the row itself."""
    match resource.name:
        case "orders":
            row["date_upd"] = shop.local_now()
            state = number(row["current_state"])
            # A PUT that leaves the state out blanks it as any field: the order looks half built again.
            if state not in (0, before["current_state"]):
                row["current_state"] = before["current_state"]
                if state not in shop.tables["order_states"]:
                    raise CrashError
                shop.ordering.set_state(number(row["id"]), state)
        case "stock_availables":
            shop.stockroom.recompute(row)
        case "addresses" | "customers" | "products" | "carts":
            row["date_upd"] = shop.local_now()
        case _:
            pass


def add(shop: Shop, resource: Resource, given: Given) -> Row:
    """Carry out one object of a POST; return the row as it is answered: what was not given is blank.

    Raises:
        RefusalError: with the recorded codes.
        CrashError: where the real shop dies; some of the work may have been done.
    """
    check_writable(resource, given)
    check_required(resource, given)
    texts = {name: text for name, text in given.fields.items() if name in resource.fields}
    validate(resource, texts)
    row = _added(shop, resource, given, texts)
    answered: Row = {"id": row["id"]} | dict.fromkeys(resource.fields, "")
    if resource.name != "orders":
        answered |= {
            name: row[name] for name in ("date_add", "date_upd", "secure_key", "passwd") if name in row
        }
    answered.update((name, text) for name, text in texts.items() if name not in ("current_state", "passwd"))
    return answered


def _added(shop: Shop, resource: Resource, given: Given, texts: dict[str, str]) -> Row:
    values: dict[str, Value] = dict(texts)
    now = shop.local_now()
    values |= {name: now for name in ("date_add", "date_upd") if name in resource.fields}
    match resource.name:
        case "order_histories":
            order, state = int(texts["id_order"]), int(texts["id_order_state"])
            if order not in shop.tables["orders"] or state not in shop.tables["order_states"]:
                raise CrashError
            return shop.ordering.set_state(order, state)
        case "customers":
            if any(row["email"] == texts["email"] for row in shop.tables["customers"].values()):
                taken = (140, "The email is already used, please choose another one")
                raise RefusalError(500, taken, (46, "Unable to save resource"))
            values |= {"passwd": "$2y$10$" + "0" * 53, "secure_key": f"{shop.rng.getrandbits(128):032x}"}
            values |= {"id_shop": 1, "id_shop_group": 1}
        case "orders":
            return _order_from_cart(shop, texts)
        case _:
            pass
    row = shop.tables.insert(resource.name, values)
    shop.lists[resource.name, number(row["id"])] = {
        name: [
            resource.associations[name].entry(
                {key: int(text) if text.isdigit() else text for key, text in entry.items()}
            )
            for entry in entries
        ]
        for name, entries in given.lists.items()
        if name in resource.associations
    }
    return row


def _order_from_cart(shop: Shop, texts: dict[str, str]) -> Row:
    cart = int(texts["id_cart"])
    customer = shop.tables["customers"].get(int(texts["id_customer"]))
    known = any(row["id_cart"] == cart for row in shop.tables["orders"].values())
    # A customer whom a PUT has blanked has no secure key, and the payment module stumbles over that.
    if texts["module"] not in MODULES or known or customer is None or not customer["secure_key"]:
        raise CrashError
    bought: list[tuple[Article, int]] = []
    for part in shop.lists.get(("carts", cart), {}).get("cart_rows", []):
        place = (number(part["id_product"]), number(part["id_product_attribute"]))
        article = shop.stockroom.article_of(*place)
        if article is not None:
            bought.append((article, number(part["quantity"])))
    if not bought:
        raise CrashError
    carrier = shop.tables["carriers"][int(texts["id_carrier"])]
    state = int(texts.get("current_state") or 11)
    purchase = Purchase(tuple(bought), number(carrier["id_reference"]), state, cart=cart)
    order = shop.ordering.begin(int(texts["id_customer"]), int(texts["id_address_delivery"]), purchase)
    row = shop.tables["orders"][order]
    if round(Decimal(texts["total_paid"]), 2) != round(Decimal(str(row["total_paid"])), 2):
        shop.ordering.unfinished[order] = refused_payment(purchase)
    shop.finish_order(order)
    return row


def remove(shop: Shop, resource: Resource, ids: list[int]) -> None:
    """Carry out a DELETE.

    Raises:
        RefusalError: 404 with code 87 where one is not there.
    """
    missing = [each for each in ids if each not in shop.tables[resource.name]]
    if missing or not ids:
        text = ", ".join(map(str, missing or [0]))
        raise RefusalError(404, (87, f"Id(s) not exists: {text}"))
    for each in ids:
        if resource.name == "orders":
            shop.delete_order(each)
        else:
            del shop.tables[resource.name][each]


def ids_of(text: str) -> list[int]:
    """Return the ids of `[11,12]`."""
    found = json.loads(text) if text.startswith("[") else [text]
    return [int(each) for each in found]
