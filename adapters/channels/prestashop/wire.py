"""What the rows of the shop's orders mean: JSON rows to our orders. Pure.

What cannot be understood makes that one order unreadable. Only named fields are ever asked for: a customer's
password hash and secure key never leave the shop.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from actors.ports.people import Contact
from actors.ports.shop import Packing, ShopLine, ShopOrder, UnreadableOrder
from adapters.channels.prestashop.dates import to_utc
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
from adapters.channels.prestashop.plugin import SkuSource
from adapters.channels.prestashop.vouchers import less

Standing = Literal["open", "unpaid", "cancelled", "shipped", "unfinished"]

ENDED: frozenset[Standing] = frozenset({"cancelled", "shipped"})
"""Nothing is sent to anybody any more, so neither customer nor address is read."""

ORDER_FIELDS = (
    "id,reference,current_state,date_add,date_upd,id_customer,id_address_delivery,id_address_invoice,id_carrier,"
    "id_currency,id_lang,id_shop,id_shop_group,id_cart,module,payment,valid,note,gift,gift_message,recyclable,"
    "invoice_number,invoice_date,carrier_tax_rate,conversion_rate,"
    "total_paid,total_paid_real,total_paid_tax_incl,total_paid_tax_excl,total_products,"
    "total_discounts_tax_incl,total_discounts_tax_excl,total_shipping_tax_incl,total_shipping_tax_excl,"
    "total_wrapping_tax_incl,total_wrapping_tax_excl"
)
ROW_FIELDS = (
    "id,product_id,product_attribute_id,product_quantity,product_name,product_reference,product_ean13,"
    "id_customization,unit_price_tax_incl,unit_price_tax_excl"
)
ORDER = f"[{ORDER_FIELDS},order_rows[{ROW_FIELDS}]]"
CUSTOMER = "[id,email,company,firstname,lastname]"
REFUND = (
    "[id,id_order,amount,total_shipping_tax_incl,date_add,"
    "order_slip_details[id_order_detail,product_quantity,amount_tax_excl,amount_tax_incl]]"
)
REFUNDED_LINE = "[id,id_order,product_quantity_refunded]"
ADDRESS = (
    "[id,id_country,id_state,company,lastname,firstname,address1,address2,postcode,city,phone,phone_mobile]"
)

UNITS_MAX = 1_000_000
"""More of one article in one order is a mistake, and the ledger's sums stay far from any limit."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an order's row only names, by the shop's ids; `refunded` are units by the id of a line.

    `unclear_refunds` says why by order, where a refund cannot be understood. `carriers` are by order, where
    its row names none. `sku_from` is what names an article. `details` and `packing` are by order; orders of
    which nobody has asked them have none.
    """

    zone: ZoneInfo
    standings: Mapping[int, Standing]
    customers: Mapping[int, Row]
    addresses: Mapping[int, Row]
    countries: Mapping[int, str]
    states: Mapping[int, str]
    currencies: Mapping[int, str]
    services: Mapping[int, str]
    refunded: Mapping[int, int]
    unclear_refunds: Mapping[int, str] = field(default_factory=dict[int, str])
    carriers: Mapping[int, int] = field(default_factory=dict[int, int])
    sku_from: Sequence[SkuSource] = ("reference",)
    languages: Mapping[int, str] = field(default_factory=dict[int, str])
    shops: Mapping[int, Row] = field(default_factory=dict[int, Row])
    details: Mapping[int, Mapping[str, Sequence[Row]]] = field(
        default_factory=dict[int, Mapping[str, Sequence[Row]]]
    )
    packing: Mapping[int, Packing] = field(default_factory=dict[int, Packing])


def is_unfinished(row: Row) -> bool:
    """Return whether the shop may still be building the order: it shows it in state 0, or without rows."""
    return row.get("current_state") in (0, "0", "", None) or not row.get("associations")


def has_ended(row: Row, standings: Mapping[int, Standing]) -> bool:
    """Return whether an order was cancelled or shipped, though it has no rows: a cancel can take them out."""
    return standings.get(reference_to(row, "current_state")) in ENDED


def standing(row: Row, standings: Mapping[int, Standing]) -> Standing:
    """Return how an order stands."""
    if is_unfinished(row) and not has_ended(row, standings):
        return "unfinished"
    state = whole(row, "current_state")
    found = standings.get(state)
    if found is None:
        raise FieldError(f"current_state {state} is no state of the shop")
    return found


def read_order(row: Row, around: Surroundings) -> ShopOrder | UnreadableOrder:
    """Return the order of a row: `total` with tax, `shipping` and prices without, all less its vouchers.

    What wrapping costs is part of `shipping`.
    """
    customer = around.customers.get(reference_to(row, "id_customer"), {})
    address = around.addresses.get(reference_to(row, "id_address_delivery"))
    raw = _payload(row, customer, address, around)
    shop_order = str(row.get("id", ""))
    try:
        return _understood(row, around, customer, address, raw)
    except FieldError as error:
        customer_id = reference_to(row, "id_customer")
        return UnreadableOrder(
            shop_order=shop_order,
            why=str(error),
            raw=raw,
            customer=str(customer_id) if customer_id else "",
            standing=around.standings.get(reference_to(row, "current_state"), ""),
            placed_at=_instant(row, around.zone),
            units=_units_held(row, around),
        )


def _units_held(row: Row, around: Surroundings) -> Mapping[str, int]:
    """Return the units that an order holds which cannot be read whole, as far as they can be."""
    units: dict[str, int] = {}
    try:
        listed = parts(row, "order_rows")
    except FieldError:
        return units
    for part in listed if around.standings.get(reference_to(row, "current_state")) not in ENDED else ():
        left = reference_to(part, "product_quantity") - around.refunded.get(reference_to(part, "id"), 0)
        with suppress(FieldError):  # an article without a name that can be read is nobody's stock
            name = _article(part, around.sku_from)
            if 0 < left <= UNITS_MAX:
                units[name] = units.get(name, 0) + left
    return units


def _payload(row: Row, customer: Row, address: Row | None, around: Surroundings) -> bytes:
    """Return what is kept of the order as the shop told it, in the shop's own words but for `packing`."""
    order = reference_to(row, "id")
    told: dict[str, object] = {
        "order": row,
        "customer": customer,
        "delivery": address,
        "invoice": around.addresses.get(reference_to(row, "id_address_invoice")),
        "shop": around.shops.get(reference_to(row, "id_shop")),
        **around.details.get(order, {}),
        "packing": around.packing.get(order, Packing()),
        "language": around.languages.get(reference_to(row, "id_lang")) or None,
        "is_whole": order in around.details,
    }
    return msgspec.json.encode({name: each for name, each in told.items() if each is not None})


def _understood(row: Row, around: Surroundings, customer: Row, address: Row | None, raw: bytes) -> ShopOrder:
    unclear = around.unclear_refunds.get(reference_to(row, "id"))
    if unclear is not None:
        raise FieldError(unclear)
    placed_at = _instant(row, around.zone)
    if placed_at is None:
        raise FieldError("date_add is no date")
    currency = around.currencies.get(whole(row, "id_currency"))
    if currency is None:
        raise FieldError("id_currency names no currency")
    stands = standing(row, around.standings)
    if address is not None:
        contact = read_contact(customer, address, around)
    elif stands in ENDED and reference_to(row, "id_address_delivery"):
        contact = Contact("")
    else:
        raise FieldError("id_address_delivery names no address")
    lines, fee = less(
        [_line(part, around.sku_from) for part in parts(row, "order_rows")],
        money(row, "total_shipping_tax_excl") + money(row, "total_wrapping_tax_excl"),
        money(row, "total_discounts_tax_excl"),
    )
    refunded = tuple(line.sku for line in lines if int(line.line) in around.refunded)
    credited: tuple[ShopLine, ...] = ()
    if stands == "shipped":
        credited = tuple(
            _credited(line, around.refunded) for line in lines if int(line.line) in around.refunded
        )
    if stands in ("open", "unpaid"):
        lines = tuple(_left(line, around.refunded) for line in lines)
        if lines and not any(line.units for line in lines):
            stands = "cancelled"
    return ShopOrder(
        shop_order=str(whole(row, "id")),
        reference=text(row, "reference"),
        standing=stands,
        placed_at=placed_at,
        currency=currency,
        total=money(row, "total_paid"),
        shipping=fee,
        service=around.services.get(whole(row, "id_carrier") or around.carriers.get(whole(row, "id"), 0), ""),
        country=contact.country,
        lines=tuple(line for line in lines if line.units),
        customer=str(whole(row, "id_customer")),
        contact=contact,
        raw=raw,
        refunded=refunded,
        credited=credited,
        packing=around.packing.get(reference_to(row, "id"), Packing()),
        is_whole=reference_to(row, "id") in around.details,
        language=around.languages.get(reference_to(row, "id_lang"), ""),
    )


def _instant(row: Row, zone: ZoneInfo) -> datetime | None:
    try:
        return to_utc(text(row, "date_add"), zone)
    except ValueError:
        return None


def _line(part: Row, sku_from: Sequence[SkuSource]) -> ShopLine:
    units = whole(part, "product_quantity")
    if not 0 < units <= UNITS_MAX:
        raise FieldError("product_quantity is out of bounds")
    return ShopLine(
        line=str(whole(part, "id")),
        sku=_article(part, sku_from),
        units=units,
        unit_price=money(part, "unit_price_tax_excl"),
    )


def _article(part: Row, sku_from: Sequence[SkuSource]) -> str:
    return article_name(
        sku_from,
        reference=text(part, "product_reference"),
        ean13=text(part, "product_ean13"),
        product=reference_to(part, "product_id"),
        combination=reference_to(part, "product_attribute_id"),
    )


def _credited(line: ShopLine, refunded: Mapping[int, int]) -> ShopLine:
    """Return what of a line was refunded: never more than was sold."""
    return msgspec.structs.replace(line, units=min(line.units, refunded[int(line.line)]))


def _left(line: ShopLine, refunded: Mapping[int, int]) -> ShopLine:
    """Return what of a line is still to be shipped; a refund of what has left changes no line."""
    units = max(0, line.units - refunded.get(int(line.line), 0))
    return msgspec.structs.replace(line, units=units)


def refunded_units(
    slips: Iterable[Row], lines: Iterable[Row] = ()
) -> tuple[Mapping[int, int], Mapping[int, str]]:
    """Return the refunded units by the id of the order's row, over all slips, and what is unclear of them.

    The shop counts them in its `lines` as well, and there also what it refunded by a voucher, without a slip.
    Of a slip that cannot be understood the order is named, with why: its units may be refunded or not.
    """
    units: dict[int, int] = {}
    unclear: dict[int, str] = {}
    for slip in slips:
        try:
            for part in parts(slip, "order_slip_details"):
                detail = reference_to(part, "id_order_detail")
                units[detail] = units.get(detail, 0) + whole(part, "product_quantity")
        except FieldError as error:
            unclear[reference_to(slip, "id_order")] = f"a refund: {error}"
    for line in lines:
        detail, counted = reference_to(line, "id"), reference_to(line, "product_quantity_refunded")
        if counted > units.get(detail, 0):
            units[detail] = counted
    return units, unclear


def read_contact(customer: Row, address: Row, around: Surroundings) -> Contact:
    """Return who gets the parcel, and where; country and state as ISO codes."""
    country = around.countries.get(whole(address, "id_country"))
    if country is None:
        raise FieldError("id_country names no country")
    return Contact(
        name=f"{text(address, 'firstname')} {text(address, 'lastname')}".strip(),
        company=text(address, "company"),
        street=text(address, "address1"),
        street2=text(address, "address2"),
        postcode=text(address, "postcode"),
        city=text(address, "city"),
        state=around.states.get(whole(address, "id_state"), ""),
        country=country,
        email=text(customer, "email"),
        phone=text(address, "phone_mobile") or text(address, "phone"),
    )
