"""A change of an order and a customer of its own, as blocks. Pure.

A change is told as a difference: blank or zero means "leave as it is", lines go by ENRNO, one without creates
a line, and CEF "S" removes one. So a change that was carried out leaves nothing to change.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from actors.domain.documents import ErpChange
from actors.ports.people import Contact
from adapters.erps.divalto import wire
from adapters.erps.divalto.blocks import Built, address_of, line_of, nested, piece_key, price_of
from adapters.erps.divalto.pieces import (
    CUSTOMER,
    ORDER,
    Article,
    InexpressibleError,
    OpenLine,
    Piece,
    article_of,
    depot_of,
    tiers_of,
)
from adapters.erps.divalto.plugin import DivaltoSettings

REMOVED = "S"
VISA = "2"
"""Without a visa a customer may stand on no piece."""


class _At(NamedTuple):
    """What two lines share that are one and the same; the price as Divalto holds it."""

    article: Article
    depot: str
    price: str


def change(
    document: ErpChange, piece: Piece, open_lines: Sequence[OpenLine], settings: DivaltoSettings
) -> Built | None:
    """Return the modification after which these lines are open of the order; None if they are already.

    The shipping fee, where it is a line, stays as it is.
    """
    wanted = _wanted(document, settings)
    fee = article_of(settings.shipping_article, settings) if settings.shipping == "line" else None
    rows: list[dict[str, str]] = []
    left: list[OpenLine] = []
    for line in open_lines:
        if line.article == fee:
            continue
        units = wanted.pop(_at(line), None)
        if units is None:
            left.append(line)
        elif units != line.units:
            rows.append({"ENRNO": line.record, **_quantity(units, settings)})
    for line in left:
        same = next((at for at in wanted if at[:2] == (line.article, line.depot)), None)
        if same is None or Decimal(same.price) == 0:  # a zero would leave the price as it is
            rows.append({"ENRNO": line.record, "CEF": REMOVED})
            continue
        units = wanted.pop(same)
        price = price_of(Decimal(same.price), settings)
        rows.append({"ENRNO": line.record, **_quantity(units, settings), **price})
    rows += [
        line_of(at.article, int(units), settings, price=Decimal(at.price), DEPO=at.depot)
        for at, units in wanted.items()
    ]
    if not rows:
        return None
    header = {"TICOD": CUSTOMER, "PICOD": ORDER, "TIERS": piece.tiers, **piece_key(piece)}
    duty = {settings.spelling.duty: settings.spelling.duty_modify}
    return Built({"ipar": duty, "ient": header, "imouvtb": nested(rows, "imouv", settings)})


def customer(reference: str, contact: Contact, settings: DivaltoSettings) -> Built:
    """Return a new customer under the TIERS that stands for the shop's."""
    address, changed = address_of(contact)
    fields = {**settings.customer_header, **address, "TIERS": tiers_of(reference), "VISA": VISA}
    return Built({"icli": fields}, tuple(changed))


def _wanted(document: ErpChange, settings: DivaltoSettings) -> dict[_At, Decimal]:
    if not document.lines:
        raise InexpressibleError("a change that leaves no line is a cancellation")
    wanted: dict[_At, Decimal] = {}
    for line in document.lines:
        if line.units <= 0:
            raise InexpressibleError(f"{line.units} units cannot stand on a line")
        depot = depot_of(line.warehouse or next(iter(settings.depots)), settings)
        at = _At(article_of(line.sku, settings), depot, wire.decimal_text(line.unit_price, 4))
        wanted[at] = wanted.get(at, Decimal(0)) + line.units
    return wanted


def _at(line: OpenLine) -> _At:
    return _At(line.article, line.depot, wire.decimal_text(line.price, 4))


def _quantity(units: Decimal, settings: DivaltoSettings) -> dict[str, str]:
    return {settings.spelling.quantity: wire.decimal_text(units, 3, settings.decimal)}
