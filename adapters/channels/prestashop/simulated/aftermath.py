"""What happens around an order beside its states: messages, vouchers, payments, returns.

None of it moves the order's `date_upd`, so no poll by date tells of it.
"""

from decimal import Decimal
from html import escape, unescape

from adapters.channels.prestashop.simulated.ordering import TAX
from adapters.channels.prestashop.simulated.shop import Shop
from adapters.channels.prestashop.simulated.tables import Value, number


def write_message(shop: Shop, order: int, text: str, *, employee: int = 0, private: bool = False) -> int:
    """Write a message about an order, by its customer unless an employee does; return the message's id.

    The shop purifies what is shown as HTML before it keeps it, and a message is.
    """
    now = shop.local_now()
    threads = shop.tables["customer_threads"]
    thread = next((number(row["id"]) for row in threads.values() if row["id_order"] == order), 0)
    if not thread:
        values: dict[str, Value] = {
            "id_lang": 1,
            "id_shop": shop.tables["orders"][order]["id_shop"],
            "id_customer": shop.tables["orders"][order]["id_customer"],
            "id_order": order,
            "token": f"{shop.rng.getrandbits(48):012x}",
            "status": "open",
            "date_add": now,
            "date_upd": now,
        }
        thread = number(shop.tables.insert("customer_threads", values)["id"])
    message: dict[str, Value] = {
        "id_employee": employee,
        "id_customer_thread": thread,
        "message": escape(unescape(text), quote=False),
        "private": int(private),
        "date_add": now,
        "date_upd": now,
    }
    return number(shop.tables.insert("customer_messages", message)["id"])


def customize(shop: Shop, order: int, reference: str, *texts: str, images: int = 0) -> int:
    """Have texts and images put on the article of an order's line; return the customization's id.

    Without any it is as after its fields were taken from the article: the shop then tells of neither.
    """
    for detail in shop.ordering.details[order]:
        row = shop.tables["order_details"][detail]
        if row["product_reference"] == reference:
            values = {"id_cart": shop.tables["orders"][order]["id_cart"], "id_product": row["product_id"]}
            made = number(shop.tables.insert("customizations", {**values, "in_cart": "1"})["id"])
            row["id_customization"] = made
            shop.lists["customizations", made] = {
                "customized_data_text_fields": [
                    {"id_customization_field": place, "value": each} for place, each in enumerate(texts, 1)
                ],
                "customized_data_images": [
                    {"id_customization_field": len(texts) + place, "value": f"{made}{place}"}
                    for place in range(1, images + 1)
                ],
            }
            return made
    raise ValueError(f"order {order} has no line of {reference}")


def use_voucher(shop: Shop, order: int, name: str, value: Decimal) -> int:
    """Take a voucher's value (with tax) off an order's total; return the id of the order_cart_rule."""
    row = shop.tables["orders"][order]
    net = round(value / TAX, 2)
    for total, sign in (("total_discounts", 1), ("total_paid", -1)):
        for field, off in ((total, value), (f"{total}_tax_incl", value), (f"{total}_tax_excl", net)):
            row[field] = f"{Decimal(str(row[field])) + sign * off:.6f}"
    rule: dict[str, Value] = {
        "id_order": order,
        "id_cart_rule": 1,
        "name": name,
        "value": str(value),
        "value_tax_excl": str(net),
    }
    return number(shop.tables.insert("order_cart_rules", rule)["id"])


def pay(shop: Shop, order: int, amount: Decimal, method: str, transaction: str = "") -> int:
    """Note a payment as the back office does, without another state; return its id."""
    values: dict[str, Value] = {
        "order_reference": shop.tables["orders"][order]["reference"],
        "id_currency": shop.tables["orders"][order]["id_currency"],
        "amount": str(amount),
        "payment_method": method,
        "conversion_rate": "1",
        "transaction_id": transaction,
        "date_add": shop.local_now(),
    }
    return number(shop.tables.insert("order_payments", values)["id"])


def ask_return(shop: Shop, order: int, reference: str, units: int, question: str) -> int:
    """Have the customer announce a return of units of a line; return its id."""
    now = shop.local_now()
    for detail in shop.ordering.details[order]:
        row = shop.tables["order_details"][detail]
        if row["product_reference"] == reference:
            row["product_quantity_return"] = number(row["product_quantity_return"]) + units
    values: dict[str, Value] = {
        "id_customer": shop.tables["orders"][order]["id_customer"],
        "id_order": order,
        "question": question,
        "state": "1",
        "date_add": now,
        "date_upd": now,
    }
    return number(shop.tables.insert("order_returns", values)["id"])


def take_out_lines(shop: Shop, order: int) -> None:
    """Delete every line of an order in the back office; the shop then lists the order without any.

    So does a cancel of all that an unpaid order holds, which moves it to the cancelled state besides.
    """
    for detail in shop.ordering.details[order]:
        del shop.tables["order_details"][detail]
    shop.ordering.details[order].clear()
    shop.edit_order(order, total_paid="0.000000", total_products="0.000000")


def refund_by_voucher(shop: Shop, order: int, reference: str, units: int) -> None:
    """Refund units of a line for a voucher: the shop counts them in the line and makes no slip."""
    shop.tables["order_slip"].pop(shop.refund(order, [(reference, units)]))
