"""Tries a shop step by step and says what is wrong with it and what to do. It reads only.

Rights to write are tried with a body that is no XML: the shop looks at the right before it looks at the body.
It owns the order of the steps; each step stands in a module of its own.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from actors.errors import PartnerError
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import FieldError
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.trial.catalogue import try_catalogue
from adapters.channels.prestashop.trial.door import Door, try_door
from adapters.channels.prestashop.trial.orders import try_orders
from adapters.channels.prestashop.trial.rights import try_rights
from adapters.channels.prestashop.trial.setup import try_setup
from adapters.trials import Finding, wrong

__all__ = ["try_shop"]


async def try_shop(name: str, settings: PrestaShopSettings, now: Callable[[], datetime]) -> Sequence[Finding]:
    """Return everything that was found; it ends where nothing further can work.

    Args:
        name: the channel's name, for errors.
        settings: what is to be tried.
        now: our own instant, to compare clocks with.
    """
    door = Door(settings, name)
    try:
        findings, entered = await try_door(door)
        if not entered:
            return findings
        rights, readable = await try_rights(door)
    finally:
        await door.aclose()
    findings = [*findings, *rights]
    # Whatever way in was found, the rest is tried by it, so that one run shows all there is.
    webservice = Webservice(replace(settings, key_in_query=door.in_query), name)
    try:
        for needs, attempt in (
            (("configurations", "order_states", "carriers", "orders"), try_setup),
            (("products", "combinations", "stock_availables"), try_catalogue),
            (("orders", "customers", "addresses", "countries"), try_orders),
        ):
            if readable.issuperset(needs):
                findings += await attempt(webservice, settings, now)
    except (PartnerError, FieldError) as error:
        mend = "look at the shop's own error log; then run this again"
        findings.append(wrong("reading", str(error), mend))
    finally:
        await webservice.aclose()
    return findings
