"""What a demo came to: the daemon's books held against those of the shop, the ERP and the carrier."""

from collections.abc import Mapping
from typing import Any

from actors.domain.ledger import INNER_ACCOUNTS
from daemon.demo.scenario import WAREHOUSES
from daemon.demo.stage import DEPOTS, Stage

SHIPPED_STATE = 4
BACKORDERED_STATE = 9
"""PrestaShop's order states "Shipped" and "On backorder (paid)"."""

DONE = ("shipped", "delivered", "cancelled")


async def figures(stage: Stage, audit: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return the report.

    An order that was backordered and then shipped counts under `backordered`, not under `shipped`; what is
    neither shipped nor cancelled in the end is `open`. So placed = shipped + backordered + cancelled + open.
    """
    counts = (await stage.client.get("/v1/status"))["orders"]
    ended = counts.get("shipped", 0) + counts.get("delivered", 0)
    ledger = {site: await _stock(stage, site) for site in WAREHOUSES}
    shown = stage.shop.orders()
    waited = sum({BACKORDERED_STATE, SHIPPED_STATE} <= set(order.states) for order in shown)
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
            "shipped": sum(SHIPPED_STATE in order.states for order in shown),
            "stock_mismatches": len(shop_mismatches(stage, ledger)),
        },
        "erp": {
            "orders": len({piece.reference.partition(".")[0] for piece in stage.erp.pieces(ticod="C")}),
            "duplicates": len(stage.erp.duplicates()),
            "delivery_notes": len(stage.erp.pieces(ticod="C", picod=3)),
            "stock_mismatches": len(erp_mismatches(stage, ledger)),
        },
        "carriers": {"labels": len(stage.carrier.labels), "duplicate_labels": stage.carrier.duplicate_labels},
        "audit": {name: audit[name] for name in ("ok", "events", "movements", "oversold_units", "chain")},
        "seconds": round(seconds, 1),
    }


async def _stock(stage: Stage, site: str) -> Mapping[str, Mapping[str, int]]:
    rows = (await stage.client.get(f"/v1/warehouses/{site}/stock"))["stock"]
    return {row["sku"]: row for row in rows}


def shop_mismatches(stage: Stage, ledger: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[str]:
    """Return the SKUs whose sellable figure in the shop is not what the ledger could promise."""
    skus = [article.sku for article in stage.scenario.articles]
    promised = {sku: sum(site[sku]["available"] for site in ledger.values() if sku in site) for sku in skus}
    return [sku for sku in skus if stage.shop.stock(sku) != promised[sku]]


def erp_mismatches(stage: Stage, ledger: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[str]:
    """Return "warehouse SKU" where the ERP's physical stock is not what lies in the house."""
    wrong: list[str] = []
    for site, depot in DEPOTS.items():
        booked = stage.erp.stock(depot)
        for article in stage.scenario.articles:
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
