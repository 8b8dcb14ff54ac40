"""What is sent to the shop: our writes as the XML that it takes. Pure.

A PATCH names its row in the body, whose id is the one that counts; several objects are siblings.
"""

from collections.abc import Mapping, Sequence


def _document(node: str, objects: Sequence[Mapping[str, str | int]]) -> bytes:
    from lxml import etree  # late: a large library, of which reading needs nothing

    root = etree.Element("prestashop")
    for fields in objects:
        element = etree.SubElement(root, node)
        for name, value in fields.items():
            etree.SubElement(element, name).text = str(value)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def new_history(order: int, state: int) -> bytes:
    """Return the body of a POST that moves an order to a state."""
    return _document("order_history", [{"id_order": order, "id_order_state": state}])


def tracking_change(row_id: int, tracking: str) -> bytes:
    """Return the body of a PATCH of one order_carriers row: the id in the body is the one that counts."""
    return _document("order_carrier", [{"id": row_id, "tracking_number": tracking}])


def new_tracking(order: int, carrier: int, tracking: str) -> bytes:
    """Return the body of a POST of another parcel's order_carriers row."""
    return _document(
        "order_carrier", [{"id_order": order, "id_carrier": carrier, "tracking_number": tracking}]
    )


def stock_change(quantities: Mapping[int, int]) -> bytes:
    """Return the body of a PATCH of several stock rows, by row id: siblings, without a list around them."""
    rows = [{"id": row_id, "quantity": units} for row_id, units in quantities.items()]
    return _document("stock_available", rows)
