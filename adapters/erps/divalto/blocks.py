"""Orders and what comes of them as the blocks of `integration_piece`: it owns the choice of fields. Pure.

What Divalto cannot hold raises `InexpressibleError`: nothing that a stock or an amount hangs on is cut.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from actors.domain.documents import ErpDeliveryNote, ErpOrder
from actors.ports.people import Contact
from adapters.erps.divalto import wire
from adapters.erps.divalto.pieces import (
    CLOSED,
    CUSTOMER,
    NOTE,
    ORDER,
    Article,
    InexpressibleError,
    OpenLine,
    Piece,
    article_of,
    day_text,
    depot_of,
)
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.erps.divalto.text import fit, reference

YES = "2"
"""Divalto's booleans are 1 for no and 2 for yes."""

PIREF_LENGTH = 40
UNITS_MAX = 999_999_999
"""Quantities are DECIMAL(12,3)."""

ADDRESS_LENGTHS: Mapping[str, int] = {
    "NOM": 80,
    "ADRCPL1": 50,
    "ADRCPL2": 50,
    "RUE": 50,
    "LOC": 50,
    "CPOSTAL": 10,
    "VIL": 50,
    "PAY": 3,
    "TEL": 20,
    "EMAIL": 80,
}
"""Columns of a customer's address; those of manual addresses (EAD) are inferred to be the same."""


class Built(NamedTuple):
    """The data of one `integration_piece`, the columns whose text was changed, its amount without tax."""

    data: dict[str, Any]
    changed: tuple[str, ...] = ()
    amount: Decimal | None = None


def order(document: ErpOrder, tiers: str, contact: Contact | None, settings: DivaltoSettings) -> Built:
    """Return an order of the customer `tiers` (PICOD 2) with its fee and its manual delivery address."""
    if not document.lines:
        raise InexpressibleError("the order has no lines")
    depots = [depot_of(line.warehouse or next(iter(settings.depots)), settings) for line in document.lines]
    lines = [
        sku_line(line.sku, line.units, settings, price=line.unit_price, DEPO=depot)
        for line, depot in zip(document.lines, depots, strict=True)
    ]
    named, changed = reference_of(document.reference, settings, document.shop_reference)
    header = {
        **({"TACOD": settings.tariff} if settings.tariff else {}),
        **settings.order_header,
        **settings.channel_headers.get(document.channel, {}),
        **header_of(CUSTOMER, ORDER, tiers, document.placed_at, settings),
        "OP": settings.operations.sale,
        "DEPO": depots[0],
        "DEV": document.currency,
        **named,
    }
    country = contact.country if contact is not None else ""
    regime = settings.tax_regimes.get(country) or settings.tax_regimes.get("*")
    if regime:
        header["TVATIE"] = regime
    if document.shipping and settings.shipping == "line":
        fee = sku_line(settings.shipping_article, 1, settings, price=document.shipping, DEPO=depots[0])
        lines.append(fee)
    elif document.shipping and settings.shipping == "footer":
        header[f"PIEDNO_{1:04}"] = str(settings.shipping_footer)
        header[f"PIEDMT_{1:04}"] = wire.decimal_text(document.shipping, 2, settings.decimal)
    data: dict[str, Any] = {"ient": header}
    if contact is not None:
        address, cut = address_of(contact)
        changed += cut
        header["ADRTYP_0003"] = (
            YES  # the third address is that of delivery; "manual" means: of this piece alone
        )
        data["ieadtb"] = nested([address], "iead", settings)
    data["imouvtb"] = nested(lines, "imouv", settings)
    return Built(
        {"ipar": duty_of(settings.spelling.duty_create, settings), **data},
        tuple(changed),
        order_amount(document, settings),
    )


def order_amount(document: ErpOrder, settings: DivaltoSettings) -> Decimal:
    """Return what the order comes to without tax, each line to 2 places.

    Prices are not rounded to the 4 places that Divalto has: of many units that makes an amount other than the
    customer's, which is to be seen.
    """
    fee = document.shipping if settings.shipping != "none" else Decimal(0)
    prices = [line.unit_price * line.units for line in document.lines]
    return sum((Decimal(wire.decimal_text(price, 2)) for price in [*prices, fee]), Decimal(0))


def delivery_note(
    document: ErpDeliveryNote, piece: Piece, open_lines: Sequence[OpenLine], settings: DivaltoSettings
) -> Built:
    """Return the partial validation that moves lines of the order `piece` to a delivery note (PICOD 3).

    Lines are named by their ENRNO alone: an unknown one would create a line.
    """
    spelling = settings.spelling
    depot = depot_of(document.warehouse, settings)
    lines = [
        {"ENRNO": record, spelling.quantity: wire.decimal_text(units, 3, settings.decimal), "DEPO": depot}
        for record, units in allocate(document, open_lines, settings).items()
    ]
    header = {
        **header_of(CUSTOMER, ORDER, piece.tiers, document.shipped_at, settings),
        **piece_key(piece),
        "DEPO": depot,
        **reference_of(document.reference, settings)[0],
    }
    duty = {**duty_of(spelling.duty_validate, settings), spelling.target_stage: NOTE}
    return Built({"ipar": duty, "ient": header, "imouvtb": nested(lines, "imouv", settings)})


def allocate(
    document: ErpDeliveryNote, open_lines: Sequence[OpenLine], settings: DivaltoSettings
) -> dict[str, Decimal]:
    """Return how many units of which order line (ENRNO) the note delivers.

    Lines of its own depot come first, and of them those at the document's price. The fee, where it is a line,
    goes with the first note: as long as it is open.
    """
    depot = depot_of(document.warehouse, settings)
    left = {line.record: line.units for line in open_lines}
    taken: dict[str, Decimal] = {}
    for line in document.lines:
        article = article_of(line.sku, settings)
        missing = Decimal(_whole(line.units))
        price = wire.decimal_text(line.unit_price, 4)
        for candidate in sorted(
            (candidate for candidate in open_lines if candidate.article == article),
            key=lambda at: (at.depot != depot, wire.decimal_text(at.price, 4) != price),
        ):
            units = min(missing, left[candidate.record])
            if units > 0:
                left[candidate.record] -= units
                taken[candidate.record] = taken.get(candidate.record, Decimal(0)) + units
                missing -= units
        if missing > 0:
            raise InexpressibleError(f"the order has {missing} units of {line.sku!r} too few open")
    if not taken:
        raise InexpressibleError("the delivery note has no lines")
    if settings.shipping == "line":
        fee = article_of(settings.shipping_article, settings)
        taken.update(
            {line.record: line.units for line in open_lines if line.article == fee and left[line.record] > 0}
        )
    return taken


def closing(piece: Piece, settings: DivaltoSettings) -> Built:
    """Return the change that closes what is open of an order (CE4 8); everything else is left as it is."""
    header = {"TICOD": CUSTOMER, "PICOD": ORDER, "TIERS": piece.tiers, **piece_key(piece), "CE4": CLOSED}
    return Built(
        {"ipar": {settings.spelling.duty: settings.spelling.duty_modify}, "ient": header, "imouvtb": []}
    )


def reference_of(ours: str, settings: DivaltoSettings, shown: str = "") -> tuple[dict[str, str], list[str]]:
    """Return the columns that hold our reference, and those whose text was changed.

    Beside it PIREF shows a person `shown` too, unless it is itself what the site looks references up by.
    """
    if settings.reference_field == "PIREF":
        return {"PIREF": reference(ours)}, []
    piref = fit(f"{ours} {shown}", PIREF_LENGTH)
    return {"PINOTIERS": reference(ours), "PIREF": piref.text}, ["PIREF"] if piref.changed else []


def duty_of(duty: str, settings: DivaltoSettings) -> dict[str, str]:
    """Return what is to be done with a piece, and whether a reference that exists is refused."""
    return {settings.spelling.duty: duty, "PcePiRefCtrFl": "2" if settings.duplicate_check else "1"}


def header_of(ticod: str, stage: str, tiers: str, at: datetime, settings: DivaltoSettings) -> dict[str, str]:
    """Return what every new header bears."""
    header = {
        "TICOD": ticod,
        "PICOD": stage,
        "TIERS": tiers,
        "ETB": settings.etb,
        "PIDT": day_text(at, settings),
    }
    return {**header, "PREFPINO": settings.prefix} if settings.prefix else header


def piece_key(piece: Piece) -> dict[str, str]:
    """Return the columns that name a piece which is there."""
    return {"PREFPINO": piece.prefix, "PINO": piece.number}


def sku_line(
    sku: str, units: int, settings: DivaltoSettings, *, price: Decimal | None = None, **more: str
) -> dict[str, str]:
    """Return a new line of a SKU; without a price Divalto takes its own."""
    return line_of(article_of(sku, settings), units, settings, price=price, **more)


def line_of(
    article: Article, units: int, settings: DivaltoSettings, *, price: Decimal | None = None, **more: str
) -> dict[str, str]:
    """Return a new line; without a price Divalto takes its own."""
    line = {
        "REF": article.ref,
        "SREF1": article.sref1,
        "SREF2": article.sref2,
        settings.spelling.quantity: wire.decimal_text(Decimal(_whole(units)), 3, settings.decimal),
        **more,
    }
    if price is not None:
        line |= price_of(price, settings)
    if price == 0:
        line["GRATUITFL"] = YES  # a zero alone means "your own price"
    return line


def price_of(price: Decimal, settings: DivaltoSettings) -> dict[str, str]:
    """Return the columns of a price for one unit: a line that is there may bear one for a hundred."""
    return {
        "PUB": wire.decimal_text(price, 4, settings.decimal),
        "PPAR": wire.decimal_text(Decimal(1), 3, settings.decimal),
    }


def _whole(units: int) -> int:
    if not 0 < units <= UNITS_MAX:
        raise InexpressibleError(f"{units} units cannot stand on a line")
    return units


def address_of(contact: Contact) -> tuple[dict[str, str], list[str]]:
    """Return an address's columns, and those whose text was changed to fit."""
    texts = {
        "NOM": contact.company or contact.name,
        "ADRCPL1": contact.name if contact.company else "",
        "ADRCPL2": contact.street2,
        "RUE": contact.street,
        "LOC": contact.state,
        "CPOSTAL": contact.postcode,
        "VIL": contact.city,
        "PAY": contact.country,
        "TEL": contact.phone,
        "EMAIL": contact.email,
    }
    fitted = {column: fit(text, ADDRESS_LENGTHS[column]) for column, text in texts.items() if text}
    return {column: it.text for column, it in fitted.items()}, [
        column for column, it in fitted.items() if it.changed
    ]


def nested(rows: Sequence[Mapping[str, str]], block: str, settings: DivaltoSettings) -> list[Any]:
    """Return the rows of a table as the site spells them."""
    return [{block: dict(row)} if settings.spelling.lines_nested else dict(row) for row in rows]
