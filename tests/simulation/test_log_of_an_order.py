"""What the log says of an order on its whole way: which order it is about, and no word too many."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
import trio

from actors.domain.tracing import trace_id
from adapters.channels.prestashop.simulator import Shopper
from adapters.http.client import BODY_TOLD_MAX
from adapters.http.faults import HTML_HEADERS, HTML_PAGE
from adapters.http.server import Request, Response
from daemon.control.answers import ControlError
from daemon.control.client import ControlClient

if TYPE_CHECKING:
    from tests.simulation.conftest import Merchant, Open

pytestmark = pytest.mark.slow

NONSENSE = Response(200, HTML_PAGE, HTML_HEADERS)
REFUSED = Response(
    422,
    b'{"title": "No label", "errors": [{"field": "ship_to.postcode", "code": "unknown"}]}',
    (("Content-Type", "application/problem+json"),),
)
DSN_PASSWORD = "dsn hunter2/&"
BUYER = Shopper(
    firstname="Apolline",
    lastname="Quatrevaux",
    email="apolline@quatrevaux.example",
    address1="17 impasse des Tilleuls",
    address2="batiment Garance",
    postcode="69007",
    city="Vaulx-sur-Brume",
    phone="0655443322",
    company="Ateliers Quatrevaux",
)
PERSON = [value for field in fields(BUYER) if len(value := str(getattr(BUYER, field.name))) > 2]
REASON = "Madame Quatrevaux has called"


def of_purchase(request: Request) -> bool:
    return request.method == "POST" and request.path == "/v1/labels"


def secrets_of(merchant: "Merchant") -> set[str]:
    """Return every secret of the scenario, as it is and as a URL spells it."""
    folder = merchant.stage.folder
    known = {(folder / name).read_text() for name in ("shop.key", "erp.password", "swift.key", "dsn")}
    tokens = merchant.stage.erp.tokens
    assert tokens
    plain = {*known, *tokens, DSN_PASSWORD}
    return plain | {quote(secret, safe="") for secret in plain}


def found(words: Iterator[str] | set[str] | list[str], text: str) -> list[str]:
    """Return the words that stand in the text, each not as a part of a longer word or number."""
    return [word for word in words if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)]


async def troubled(merchant: "Merchant") -> str:
    """Have an order go its whole way through an outage, a refusal and a hold; return its name."""
    stage = merchant.stage
    for faults in (stage.erp.faults, stage.carrier.faults):
        faults.outage_answer, faults.outage = NONSENSE, True
    order = merchant.place(("TEAPOT-BLUE", 1), ("CUP-BLUE", 1), shopper=BUYER)
    await merchant.logged("effect_delayed", partner="carrier-swift", order=order)
    await merchant.logged("effect_delayed", partner="erp", order=order)
    stage.carrier.faults.answer_next(REFUSED, of_purchase)
    for faults in (stage.erp.faults, stage.carrier.faults):
        faults.outage = False
    await merchant.logged("anomaly_raised", order=order, problem="refused_by_partner")
    await stage.client.post(f"/v1/orders/{order}/hold", {"reason": REASON}, "hold-1")
    with pytest.raises(ControlError):
        await stage.client.post(f"/v1/orders/{order}/reroute", {"avoid": "nowhere"}, "reroute-1")
    await stage.client.post(f"/v1/orders/{order}/release", {}, "release-1")
    await stage.client.post(f"/v1/orders/{order}/retry", {}, "retry-1")
    await merchant.shipped(order)
    await merchant.told()
    return order


async def events_of(merchant: "Merchant") -> str:
    """Return the whole log of events as the control socket tells it."""
    told: list[dict[str, Any]] = []
    async with ControlClient(merchant.stage.folder / "control.sock") as client:
        await client.follow("/v1/tail", told.append, {"limit": "1000"})
    assert any(each["kind"] == "order.shipped" for each in told)
    return json.dumps(told, ensure_ascii=False)


@pytest.mark.parametrize(("level", "by_query"), [("info", False), ("debug", True)])
async def test_every_line_about_an_order_names_it_and_none_shows_a_person_or_a_secret(
    open_merchant: "Open", level: str, *, by_query: bool
) -> None:
    key = 'key_file = "shop.key"'
    changed = ((key, f"{key}\nkey_in_query = true"),) if by_query else ()
    with trio.fail_after(90):
        async with open_merchant(start=False, changed=changed) as merchant:
            dsn = merchant.stage.folder / "dsn"
            account = f"//postgres:{quote(DSN_PASSWORD, safe='')}@"
            dsn.write_text(dsn.read_text().replace("//postgres@", account))
            assert account in dsn.read_text()
            await merchant.start()
            await merchant.stage.client.post("/v1/log-level", {"level": level}, "level-1")
            order = await troubled(merchant)
            events = await events_of(merchant)
            async with httpx.AsyncClient() as web:
                figures = (await web.get(f"http://127.0.0.1:{merchant.stage.web_port}/metrics")).text
            hidden = secrets_of(merchant)
            assert "wharfinger_" in figures

            text = merchant.text()
            assert found(hidden, text) == []
            assert found(hidden, events) == found(hidden, figures) == []
            assert found(PERSON, figures) == []
            assert found(PERSON, events.replace(REASON, "")) == []

            lines = merchant.log()
            assert {"control_change", "effect_delayed", "anomaly_raised"} <= {each["event"] for each in lines}
            for line in lines:
                told = json.dumps(line, ensure_ascii=False)
                if line["level"] != "debug":
                    assert found([*PERSON, REASON], told) == []
                    if found([order], told.replace(f"/{order}/", f" {order} ")):
                        assert (line["order"], line["trace"]) == (order, trace_id(order)), told

            exchanges = [line for line in lines if line["event"] == "partner_exchange"]
            assert bool(exchanges) == (level == "debug")
            if exchanges:
                bodies = [line[name] for line in exchanges for name in ("sent", "answered")]
                assert max(map(len, bodies)) < BODY_TOLD_MAX + 100
                shown = "".join(bodies)
                assert "Quatrevaux" in shown  # what debug is for; what is looked for above can be found
                assert {line["partner"] for line in exchanges} == {
                    "shop main",
                    "erp divalto",
                    "carrier swift",
                }
