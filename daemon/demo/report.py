"""What a demo came to: the daemon's books held against those of the shop, the ERP and the carrier."""

from collections.abc import Mapping
from typing import Any

from actors.domain.ledger import INNER_ACCOUNTS
from daemon.demo.scenario import WAREHOUSES
from daemon.demo.stage import DEPOTS, House

DONE = ("shipped", "delivered", "cancelled")


async def figures(house: House, audit: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return the report.

    An order that was backordered and then shipped counts under `backordered`, not under `shipped`; what is
    neither shipped nor cancelled in the end is `open`. So placed = shipped + backordered + cancelled + open.
    """
    counts = (await house.client.get("/v1/status"))["orders"]
    ended = counts.get("shipped", 0) + counts.get("delivered", 0)
    ledger = {site: await _stock(house, site) for site in WAREHOUSES}
    shown = await house.front.shown()
    waited = sum(order.was_backordered and order.was_shipped for order in shown)
    return {
        "orders": {
            "placed": len(shown),
            "imported": sum(counts.values()),
            "shipped": ended - waited,
            "backordered": waited,
            "cancelled": counts.get("cancelled", 0),
            "open": sum(count for state, count in counts.items() if state not in DONE),
        },
        "shop": {
            "tracked": sum(bool(order.tracking) for order in shown),
            "shipped": sum(order.was_shipped for order in shown),
            "stock_mismatches": len(await shop_mismatches(house, ledger)),
        },
        "erp": {
            "orders": len({piece.reference.partition(".")[0] for piece in house.erp.pieces(ticod="C")}),
            "duplicates": len(house.erp.duplicates()),
            "delivery_notes": len(house.erp.pieces(ticod="C", picod=3)),
            "stock_mismatches": len(erp_mismatches(house, ledger)),
        },
        "carriers": {"labels": len(house.carrier.labels), "duplicate_labels": house.carrier.duplicate_labels},
        "audit": {name: audit[name] for name in ("ok", "events", "movements", "oversold_units", "chain")},
        "seconds": round(seconds, 1),
    }


async def _stock(house: House, site: str) -> Mapping[str, Mapping[str, int]]:
    rows = (await house.client.get(f"/v1/warehouses/{site}/stock"))["stock"]
    return {row["sku"]: row for row in rows}


async def shop_mismatches(house: House, ledger: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[str]:
    """Return the SKUs whose sellable figure in the shop is not what the ledger could promise."""
    skus = [article.sku for article in house.scenario.articles]
    promised = {sku: sum(site[sku]["available"] for site in ledger.values() if sku in site) for sku in skus}
    shown = await house.front.stock(skus)
    return [sku for sku in skus if shown[sku] != promised[sku]]


def erp_mismatches(house: House, ledger: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[str]:
    """Return "warehouse SKU" where the ERP's physical stock is not what lies in the house."""
    wrong: list[str] = []
    for site, depot in DEPOTS.items():
        booked = house.erp.stock(depot)
        for article in house.scenario.articles:
            row = ledger[site].get(article.sku)
            if booked.get(article.sku, 0) != (
                sum(row[account] for account in INNER_ACCOUNTS) if row is not None else 0
            ):
                wrong.append(f"{site} {article.sku}")
    return wrong


def is_sound(report: Mapping[str, Any]) -> bool:
    """Tell whether nothing is lost, doubled, oversold or different between the books."""
    orders = report["orders"]
    return bool(
        report["audit"]["ok"]
        and report["audit"]["oversold_units"] == 0
        and orders["placed"] == orders["imported"]
        and orders["placed"] == orders["shipped"] + orders["backordered"] + orders["cancelled"]
        and orders["open"] == 0
        and report["shop"]["stock_mismatches"] == 0
        and report["erp"]["stock_mismatches"] == 0
        and report["erp"]["duplicates"] == 0
        and report["carriers"]["duplicate_labels"] == 0
        and report["shop"]["shipped"] == orders["shipped"] + orders["backordered"]
    )
