"""Which rights the key has, each by name, without writing anything.

A write is tried with a body that is no XML. The shop looks at the right first: without it code 25 or 26 comes
back, with it code 127, and nothing was understood that could have been carried out.
"""

from collections.abc import Mapping

from actors.errors import PartnerError
from adapters.channels.prestashop.refusals import NO_RIGHT
from adapters.channels.prestashop.trial.door import BACK_OFFICE, Door, codes_of, is_html
from adapters.http.client import Answer
from adapters.trials import Finding, warning, well, wrong

NEEDED: Mapping[str, tuple[str, ...]] = {
    "addresses": ("GET",),
    "carriers": ("GET",),
    "combinations": ("GET",),
    "configurations": ("GET",),
    "countries": ("GET",),
    "currencies": ("GET",),
    "customers": ("GET",),
    "order_carriers": ("GET", "PATCH", "POST"),
    "order_histories": ("GET", "POST"),
    "order_slip": ("GET",),
    "order_states": ("GET",),
    "orders": ("GET",),
    "products": ("GET",),
    "states": ("GET",),
    "stock_availables": ("GET", "PATCH"),
}
"""By resource, what we do with it; order_slip only where refunds are read."""

WELCOME: Mapping[str, str] = {
    "customer_messages": "what a customer writes about an order is not told to whoever packs it",
    "customer_threads": "what a customer writes about an order is not told to whoever packs it",
    "customizations": "what a customer had written on an article is not told to whoever packs it",
    "languages": "in which language a customer bought is not known",
    "order_cart_rules": "vouchers are not kept with an order",
    "order_details": "what was refunded by a voucher is shipped, and weights of lines are not kept",
    "order_payments": "payments are not kept with an order",
    "order_returns": "returns are not kept with an order",
    "shop_groups": "the group of an order's shop is not kept with it",
    "shops": "the name of an order's shop is not kept with it",
}
"""To be read where the key may, and what is missed without it; orders ship all the same."""

OTHER_SHOP = 132
NO_SUCH_METHOD = 23
NO_SUCH_RESOURCE = 27
UNDERSTOOD_NOTHING = 127
UPDATE = "update the shop to PrestaShop 8 or 9"
NOT_XML = b"not XML, on purpose: a right is being tried"


async def try_rights(door: Door) -> tuple[list[Finding], frozenset[str]]:
    """Return what was found, and the resources that can be read."""
    findings: list[Finding] = []
    readable: set[str] = set()
    granted = 0
    for resource, methods in NEEDED.items():
        if resource == "order_slip" and not door.settings.refunds:
            continue
        for method in methods:
            found = await _try(door, resource, method)
            if found is not None:
                findings.append(found)
                continue
            granted += 1
            if method == "GET":
                readable.add(resource)
    if not findings:
        findings.append(well("rights", f"the key has all {granted} rights that are needed"))
    for resource, missed in WELCOME.items():
        found = await _try(door, resource, "GET")
        if found is not None:
            findings.append(warning("rights", f"{found.detail}: {missed}", found.mend))
    return findings, frozenset(readable)


async def _try(door: Door, resource: str, method: str) -> Finding | None:
    what = f"{method} {resource}"
    try:
        if method == "GET":
            answer = await door.ask(
                method, f"/api/{resource}", output_format="JSON", display="[id]", limit="1"
            )
        else:
            answer = await door.ask(method, f"/api/{resource}", NOT_XML)
    except PartnerError as error:
        return wrong("rights", f"{what}: no answer: {error.why}", "run this again; look at the shop's load")
    codes = codes_of(answer)
    if codes & NO_RIGHT:
        mend = f"tick {method} of {resource} for the key in {BACK_OFFICE}"
        return wrong("rights", f"{what} is not granted", mend)
    if OTHER_SHOP in codes:
        mend = f"associate the key with the shop of id_shop in {BACK_OFFICE}"
        return wrong("rights", f"{what}: the key has no permission for this id_shop", mend)
    if NO_SUCH_METHOD in codes or NO_SUCH_RESOURCE in codes:
        lacks = method if NO_SUCH_METHOD in codes else f"resource {resource}"
        return wrong("rights", f"{what}: this PrestaShop has no {lacks}", UPDATE)
    return None if _is_carried_so_far(answer, method, codes) else _in_between(what, answer)


def _is_carried_so_far(answer: Answer, method: str, codes: frozenset[int]) -> bool:
    if method == "GET":
        return answer.status == 200 and not is_html(answer)  # noqa: PLR2004 - the status says it
    return UNDERSTOOD_NOTHING in codes


def _in_between(what: str, answer: Answer) -> Finding:
    return wrong(
        "rights",
        f"{what} does not reach the webservice: {answer.status}",
        "look at what stands in front of the shop: a firewall that knows only GET and POST?",
    )
