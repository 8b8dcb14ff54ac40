"""Partners' nonsense through the daemon as it runs: said clearly, put before a person, and no order lost."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from adapters.channels.prestashop.simulator import Shopper
from adapters.http.faults import HTML_HEADERS, HTML_PAGE, cut
from adapters.http.server import Request, Response
from daemon.demo.play import audit

if TYPE_CHECKING:
    from tests.simulation.conftest import Open

pytestmark = pytest.mark.slow

NONSENSE = Response(200, HTML_PAGE, HTML_HEADERS)

PROBLEM = (("Content-Type", "application/problem+json"),)
NO_SUCH_POSTCODE = Response(
    422,
    b'{"title": "The label cannot be made", "errors": [{"field": "ship_to.postcode", "code": "unknown"}]}',
    PROBLEM,
)


def _number(order: str) -> int:
    return int(order.removeprefix("main-"))


def of_orders(request: Request) -> bool:
    return request.path == "/api/orders"


def of_purchase(request: Request) -> bool:
    return request.method == "POST" and request.path == "/v1/labels"


def without(order: int, field: str) -> Callable[[Response], Response]:
    """Return what takes a field out of an order on its way to us."""

    def change(answer: Response) -> Response:
        page: Any = msgspec.json.decode(answer.body)
        for row in page["orders"] if isinstance(page, dict) else page:
            if row["id"] == order:
                row.pop(field, None)
        return Response(answer.status, msgspec.json.encode(page), answer.headers)

    return change


async def test_html_and_a_cut_page_from_the_shop_are_told_and_no_order_is_lost(open_merchant: "Open") -> None:
    with trio.fail_after(60):
        async with open_merchant() as merchant:
            faults = merchant.stage.faults
            faults.outage_answer, faults.outage = NONSENSE, True
            order = merchant.place(("TEAPOT-BLUE", 1))
            told = await merchant.anomaly("shop_unusable")
            assert told["detail"].startswith("shop main: GET /api/")
            assert "200 with text/html" in told["detail"]
            assert "look at the shop main" in told["mend"]
            faults.change_next(lambda answer: cut(answer, 200), of_orders)
            faults.outage = False
            away = await merchant.logged("channel_away", error="UnreachableError")
            assert away["detail"].startswith("shop main: GET /api/orders: ")
            await merchant.shipped(order)
            await merchant.no_anomalies()
            assert len(merchant.stage.carrier.labels) == 1


async def test_html_from_erp_and_carrier_delays_an_order_and_doubles_nothing(open_merchant: "Open") -> None:
    with trio.fail_after(60):
        async with open_merchant() as merchant:
            stage = merchant.stage
            for faults in (stage.erp.faults, stage.carrier.faults):
                faults.outage_answer, faults.outage = NONSENSE, True
            order = merchant.place(("TEAPOT-BLUE", 1))
            await merchant.logged("effect_delayed", partner="erp", effect=f"erp-order:{order}")
            await merchant.logged("effect_delayed", partner="carrier-swift", effect=f"label:{order}.1.1")
            for faults in (stage.erp.faults, stage.carrier.faults):
                faults.outage = False
            await merchant.shipped(order)
            await merchant.told()
            # A look for tracking events may have met the nonsense too: that is said until the next look.
            await merchant.no_anomalies(but="tracking_unread")
            assert len(stage.carrier.labels) == 1
            assert len(stage.erp.pieces(ticod="C", picod=3)) == 1
            assert stage.erp.duplicates() == ()
            assert "Traceback" not in merchant.text()


async def test_an_order_that_makes_no_sense_waits_for_its_mend_and_stops_no_other(
    open_merchant: "Open",
) -> None:
    with trio.fail_after(60):
        async with open_merchant() as merchant:
            shop = merchant.stage.shop
            shop.add_product("NOVELTY", stock=5)
            merchant.stage.erp.add_article("NOVELTY")

            price = merchant.place(("TEAPOT-RED", 1))
            detail = shop.tables["order_details"][shop.ordering.details[_number(price)][0]]
            good, detail["unit_price_tax_excl"] = detail["unit_price_tax_excl"], "on request"
            field = merchant.place(("TEAPOT-RED", 1))
            breaks, broken = without(_number(field), "id_currency"), {field}
            merchant.stage.faults.change_next(
                lambda answer: breaks(answer) if broken else answer, of_orders, sys.maxsize
            )
            sku = merchant.place(("NOVELTY", 1))
            address = merchant.place(("TEAPOT-WHITE", 1), shopper=Shopper(postcode=""))
            plain = merchant.place(("TEAPOT-WHITE", 1))
            await merchant.shipped(plain)

            told = await merchant.anomaly("unreadable_order", price)
            assert told["detail"] == "unit_price_tax_excl is no number"
            assert told["mend"] == f"mend order {_number(price)} in the shop; it is read again by itself"
            assert (await merchant.anomaly("unreadable_order", field))["detail"] == "id_currency is missing"
            await merchant.logged("anomaly_raised", anomaly=f"{sku}:invalid", problem="unknown_sku")
            told = await merchant.anomaly("unknown_sku", sku)
            assert told["detail"].startswith("no warehouse knows the SKU NOVELTY")
            told = await merchant.anomaly("invalid_order", address)
            assert told["detail"] == "the delivery address has no postcode"
            assert told["mend"].startswith("mend the address in the shop")

            detail["unit_price_tax_excl"] = good
            broken.clear()
            shop.edit_address(_number(address), postcode="69002")
            await merchant.receive("NOVELTY", 5)
            await merchant.shipped(price, field, sku, address)
            await merchant.no_anomalies()


async def test_an_order_that_the_shop_never_finishes_is_put_before_a_person(open_merchant: "Open") -> None:
    with trio.fail_after(60):
        async with open_merchant() as merchant:
            shop = merchant.stage.shop
            # Once this has left the first import is over, and no order is old any more, whatever its date.
            await merchant.shipped(merchant.place(("CUP-BLUE", 1)))
            kept, dropped = (shop.begin_order([("TEAPOT-BLUE", 1), ("CUP-BLUE", 1)]) for _ in range(2))
            for order in (kept, dropped):
                shop.tables["orders"][order]["date_add"] = "2020-01-01 00:00:00"
            told = await merchant.anomaly("unfinished_order", f"main-{kept}:")
            assert told["mend"].startswith(f"finish or delete order {kept} in the shop")
            await merchant.anomaly("unfinished_order", f"main-{dropped}:")
            shop.finish_order(kept)
            shop.delete_order(dropped)
            await merchant.shipped(f"main-{kept}")
            await merchant.no_anomalies()


async def test_what_partners_refuse_is_put_before_a_person_and_asked_again_when_mended(
    open_merchant: "Open",
) -> None:
    with trio.fail_after(60):
        async with open_merchant() as merchant:
            stage = merchant.stage
            stage.shop.add_product("NOVELTY", stock=5)
            await merchant.receive("NOVELTY", 5)
            unknown = merchant.place(("NOVELTY", 1))
            await merchant.shipped(unknown)
            stage.carrier.faults.answer_next(NO_SUCH_POSTCODE, of_purchase)
            address = merchant.place(("TEAPOT-BLUE", 1))

            told = await merchant.anomaly("refused_by_partner", f":erp-order:{unknown}")
            assert told["detail"] == f"erp-order:{unknown}: Article inexistant"
            assert told["mend"].endswith(f"wharfctl order retry {unknown}")
            await merchant.anomaly("refused_by_partner", f":erp-note:{unknown}.1")
            told = await merchant.anomaly("refused_by_partner", f":label:{address}.1.1")
            assert told["detail"].endswith("(ship_to.postcode unknown)")
            assert "mended in the shop is read again" in told["mend"]
            assert await merchant.state(address) == "packed"

            stage.erp.add_article("NOVELTY")
            stage.erp.set_stock("NOVELTY", "LYO", 5)
            for _ in range(2):
                await stage.client.post(f"/v1/orders/{unknown}/retry", {}, "a-key")
            stage.shop.edit_address(_number(address), postcode="69002")
            await merchant.shipped(address)
            await merchant.told()
            # The reception that Divalto refused was booked by hand: only a person can say so.
            assert [each["anomaly"] for each in await merchant.anomalies()] == [
                "refused:erp-reception:lyon:D1/NOVELTY"
            ]
            notes = {note.reference for note in stage.erp.pieces(ticod="C", picod=3)}
            assert notes == {f"{unknown}.1", f"{address}.1"}
            assert stage.erp.duplicates() == ()
            assert len(stage.carrier.labels) == 2
            assert (await trio.to_thread.run_sync(audit, stage.config))["ok"]
