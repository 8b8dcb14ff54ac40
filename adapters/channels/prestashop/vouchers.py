"""What an order's lines and its fee come to once its vouchers are taken off. Pure.

The shop tells a voucher by the order, not by its lines. The ERP books lines, part by part as they leave, and
refunds are made by lines: so each line bears its share, to the cent.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from actors.ports.shop import ShopLine
from adapters.channels.prestashop.fields import CENT

PRICE_PLACE = Decimal("0.0001")
"""Of prices that a share has changed: times up to 99 units, to the cent, they are the line's amount again."""


def less(lines: Sequence[ShopLine], fee: Decimal, discount: Decimal) -> tuple[tuple[ShopLine, ...], Decimal]:
    """Return lines and fee of which `discount` is taken off; none of them falls below zero.

    A discount of just the fee is a free delivery. Every other one is the goods', in proportion to what each
    line costs, and the fee bears what they cannot.
    """
    if discount in (0, fee):
        return tuple(lines), fee - discount
    left = min(discount, sum((_amount(line) for line in lines), Decimal(0)))
    fee_left = max(Decimal(0), fee - (discount - left))
    goods = sum((_amount(line) for line in lines), Decimal(0))
    found: list[ShopLine] = []
    for line in lines:
        amount = _amount(line)
        share = (left * amount / goods).quantize(CENT, ROUND_HALF_UP) if amount != goods else left
        found.append(_at(line, max(Decimal(0), amount - share)) if share else line)
        left, goods = left - share, goods - amount
    return tuple(found), fee_left


def _amount(line: ShopLine) -> Decimal:
    return line.units * line.unit_price


def _at(line: ShopLine, amount: Decimal) -> ShopLine:
    price = (amount / line.units).quantize(PRICE_PLACE)
    cents = price.quantize(CENT)
    return msgspec.structs.replace(line, unit_price=cents if cents == price else price)
