"""The ERP: takes over its stock once, when a warehouse is new here. Documents go out through its drain."""

import structlog

from actors.directory import Directory, WarehouseHandle
from actors.domain.stock_commands import AssignSlot, OpenStock
from actors.ports import ErpPort, Journal

log = structlog.get_logger(__name__)


async def take_over_stock(erp: ErpPort, journal: Journal, directory: Directory) -> None:
    """Open every warehouse that has no stream yet with what the ERP says lies there.

    The others are left alone.

    Raises:
        UnreachableError, MalformedError: as the ERP's port; nothing is opened by halves that a repeat would
            not mend.
    """
    new = [handle for handle in directory.warehouses.values() if await _is_new(handle, journal)]
    if not new:
        return
    stock = await erp.stock()
    for handle in new:
        for sku, units in sorted(stock.get(handle.name, {}).items()):
            # An article that is out of stock is known all the same: orders for it wait, they are not wrong.
            command = OpenStock(sku, units, "", "erp") if units > 0 else AssignSlot(sku, "")
            await directory.ask_warehouse(handle.name, command)
        await journal.save_cursor(f"opened-{handle.name}", "done")
        log.info("stock_taken_over", warehouse=handle.name, skus=len(stock.get(handle.name, {})))


async def _is_new(handle: WarehouseHandle, journal: Journal) -> bool:
    return await journal.cursor(f"opened-{handle.name}") is None
