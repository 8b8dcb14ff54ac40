"""Goods that come in, come back or are counted, as the blocks of a piece that moves stock. Pure."""

from actors.domain.documents import ErpAdjustment, ErpReception, ErpReturn
from adapters.erps.divalto.blocks import Built, duty_of, header_of, nested, reference_of, sku_line
from adapters.erps.divalto.pieces import CUSTOMER, INTERNAL, NOTE, SUPPLIER, InexpressibleError, depot_of
from adapters.erps.divalto.plugin import DivaltoSettings


def credit(document: ErpReturn, tiers: str, settings: DivaltoSettings) -> Built:
    """Return a return (OP D) as one piece: it brings the goods in, and credits them at its stage or later."""
    lines = [sku_line(line.sku, line.units, settings, price=line.unit_price) for line in document.lines]
    header = header_of(CUSTOMER, str(settings.return_stage), tiers, document.returned_at, settings)
    return _stock_piece(document, header, lines, settings.operations.credit, settings)


def reception(document: ErpReception, settings: DivaltoSettings) -> Built:
    """Return a supplier's delivery note (TICOD F, PICOD 3); without a price Divalto takes its own."""
    lines = [
        sku_line(line.sku, line.units, settings, price=line.unit_price or None) for line in document.lines
    ]
    return _stock_piece(
        document, header_of(SUPPLIER, NOTE, settings.supplier, document.received_at, settings), lines,
        settings.operations.purchase, settings,
    )  # fmt: skip


def adjustment(document: ErpAdjustment, settings: DivaltoSettings) -> Built:
    """Return an internal piece (TICOD I): a line in (JI) or out (II) for every line of the document."""
    operations = settings.operations
    lines = [
        sku_line(
            line.sku,
            abs(line.units),
            settings,
            OP=operations.stock_in if line.units > 0 else operations.stock_out,
        )
        for line in document.lines
        if line.units
    ]
    header = header_of(
        INTERNAL, str(settings.internal_stage), settings.internal, document.adjusted_at, settings
    )
    return _stock_piece(document, header, lines, operations.stock_in, settings)


def _stock_piece(
    document: ErpReception | ErpAdjustment | ErpReturn,
    header: dict[str, str],
    lines: list[dict[str, str]],
    operation: str,
    settings: DivaltoSettings,
) -> Built:
    if not lines:
        raise InexpressibleError("there is nothing to book")
    depot = depot_of(document.warehouse, settings)
    named, changed = reference_of(document.reference, settings)
    header |= {
        "OP": operation,
        "DEPO": depot,
        **named,
    }
    lines = [{**line, "DEPO": depot} for line in lines]
    data = {"ipar": duty_of(settings.spelling.duty_create, settings), "ient": header}
    return Built({**data, "imouvtb": nested(lines, "imouv", settings)}, tuple(changed))
