"""The ERP: takes over its stock once, when a warehouse is new here. Documents go out through its drain."""

from collections.abc import Sequence
from datetime import datetime

import structlog
import trio

from actors.directory import Clock, Directory, WarehouseHandle
from actors.domain.stock_commands import OpenStock
from actors.ports.erp import ErpPort
from actors.ports.journal import Journal

OPENED_TOGETHER = 500
"""SKUs that are opened side by side: a warehouse decides as many in one batch."""

log = structlog.get_logger(__name__)


async def take_over_stock(erp: ErpPort, journal: Journal, directory: Directory, clock: Clock) -> None:
    """Open every warehouse that has no stream yet with what the ERP says lies there.

    The others are left alone.

    Raises:
        UnreachableError, MalformedError: as the ERP's port; nothing is opened by halves that a repeat would
            not mend.
    """
    new = [handle for handle in directory.warehouses.values() if await _is_new(handle, journal)]
    if not new:
        return
    now = clock()
    stock = await erp.stock()
    for handle in new:
        await _open(handle.name, sorted(stock.get(handle.name, {}).items()), directory)
        await journal.save_cursor(_opened(handle.name), now.isoformat())
        log.info("stock_taken_over", warehouse=handle.name, skus=len(stock.get(handle.name, {})))


async def _open(warehouse: str, stock: Sequence[tuple[str, int]], directory: Directory) -> None:
    """Open the SKUs side by side, so that many share a commit."""
    for begin in range(0, len(stock), OPENED_TOGETHER):
        async with trio.open_nursery() as nursery:
            for sku, units in stock[begin : begin + OPENED_TOGETHER]:
                nursery.start_soon(
                    directory.ask_warehouse, warehouse, OpenStock(sku, max(units, 0), "", "erp")
                )


async def _is_new(handle: WarehouseHandle, journal: Journal) -> bool:
    return await journal.cursor(_opened(handle.name)) is None


def _opened(warehouse: str) -> str:
    return f"opened-{warehouse}"


async def opened_at(warehouse: str, journal: Journal) -> datetime | None:
    """Return when the ERP's stock began to be read for the opening, None where that was not noted."""
    text = await journal.cursor(_opened(warehouse))
    try:
        return datetime.fromisoformat(text) if text is not None else None
    except ValueError:  # versions before kept no more than that it was done
        return None
