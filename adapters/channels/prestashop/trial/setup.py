"""Whether the shop is set up as the settings say: maintenance, clock, time zone, order states, carriers."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from actors.errors import RefusedError, UnreachableError
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.dates import to_utc
from adapters.channels.prestashop.fields import Row, reference_to, text
from adapters.channels.prestashop.languages import language_id
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.trials import Finding, listed, warning, well, wrong

CLOCK_OFF_MAX = timedelta(seconds=30)
"""Instants are compared between the shop and us in minutes; half of one hurts nobody."""

CLOCK_WRONG = timedelta(minutes=10)
"""Beyond it orders look as if they were placed in the past or in the future."""

PAGE = 1000
NAMES = ("PS_SHOP_ENABLE", "PS_TIMEZONE", "PS_STOCK_MANAGEMENT", "PS_ADVANCED_STOCK_MANAGEMENT")


async def try_setup(
    webservice: Webservice, settings: PrestaShopSettings, now: Callable[[], datetime]
) -> list[Finding]:
    """Return what was found.

    Raises:
        PartnerError: as the webservice's.
    """
    query = {"filter[name]": f"[{'|'.join(NAMES)}]"}
    rows = await webservice.rows("configurations", "[name,value]", **query)
    configured = {text(row, "name"): text(row, "value") for row in rows}
    offset = webservice.clock - now() if webservice.clock is not None else None
    newest = await webservice.rows("orders", "[id,date_upd]", sort="[id_DESC]", limit="1")
    spoken, language = await _language(webservice, settings)
    states = await webservice.every_row(
        "order_states", "[id,name,paid,shipped,deleted]", PAGE, language=str(language)
    )
    carriers = await webservice.every_row("carriers", "[id,id_reference,name,active,deleted]", PAGE)
    return [
        *_switches(configured),
        _clock(offset),
        _zone(_zones(rows), settings, newest, webservice.clock),
        *spoken,
        *_states(states, settings),
        *_carriers(carriers, settings),
    ]


async def _language(webservice: Webservice, settings: PrestaShopSettings) -> tuple[list[Finding], int]:
    """Return what is to be said of the channel's language, and the shop's id of it or of its own one."""
    if not settings.language:
        return [], await language_id(webservice, "")
    try:
        language = await language_id(webservice, settings.language)
    except RefusedError as error:
        mend = "set language to the ISO code of a language that is enabled in the shop, or leave it out"
        return [wrong("language", error.why, mend)], await language_id(webservice, "")
    except UnreachableError as error:
        mend = "tick GET of languages for the key, or leave language out of the settings"
        return [wrong("language", error.why, mend)], await language_id(webservice, "")
    return [well("language", settings.language)], language


def _switches(configured: dict[str, str]) -> list[Finding]:
    findings: list[Finding] = []
    if configured.get("PS_SHOP_ENABLE") == "0":
        mend = "Shop Parameters > General > Maintenance: enable the shop when it is ready"
        findings.append(warning("maintenance", "the shop is in maintenance: nobody can buy", mend))
    else:
        findings.append(well("maintenance", "the shop is open"))
    if configured.get("PS_STOCK_MANAGEMENT") == "0":
        mend = "Shop Parameters > Product Settings: enable stock management"
        findings.append(wrong("stock", "the shop manages no stock: it sells whatever is pushed to it", mend))
    if configured.get("PS_ADVANCED_STOCK_MANAGEMENT") == "1":
        mend = "switch advanced stock management off: the shop's warehouses are ours now"
        findings.append(warning("advanced stock", "advanced stock management is switched on", mend))
    return findings


def _clock(offset: timedelta | None) -> Finding:
    if offset is None:
        mend = "something between the shop and us removes the header Access-Time"
        return warning("clock", "the shop does not say its time", mend)
    seconds = offset.total_seconds()
    detail = f"the shop's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} ours"
    mend = "set both machines' clocks by NTP"
    if abs(offset) > CLOCK_WRONG:
        return wrong("clock", detail, mend)
    if abs(offset) > CLOCK_OFF_MAX:
        return warning("clock", detail, mend)
    return well("clock", "the shop's clock and ours agree")


def _zones(rows: list[Row]) -> list[str]:
    """Return the time zones of the installation: each of its shops may have one of its own."""
    return sorted({text(row, "value") for row in rows if text(row, "name") == "PS_TIMEZONE"})


def _zone(
    zones: list[str], settings: PrestaShopSettings, newest: list[Row], clock: datetime | None
) -> Finding:
    configured = ", ".join(zones)
    used = settings.time_zone or configured
    if len(zones) > 1 and not settings.time_zone:
        mend = "set time_zone in the channel's settings to that of its shop"
        return wrong("time zone", f"the shops of this installation have several: {configured}", mend)
    if used not in available_timezones():
        mend = "set time_zone in the channel's settings to a name such as Europe/Paris"
        return wrong("time zone", f"PS_TIMEZONE is {configured!r}, which is no time zone", mend)
    if settings.time_zone and zones and settings.time_zone not in zones:
        mend = "leave time_zone out of the settings, unless you know that the shop's own is wrong"
        detail = f"time_zone is {settings.time_zone}, and the shop says {configured}"
        return warning("time zone", detail, mend)
    if newest and clock is not None and _is_ahead(text(newest[0], "date_upd"), ZoneInfo(used), clock):
        mend = "set time_zone in the channel's settings to the one in which the shop really writes its dates"
        return warning("time zone", f"in {used} the newest order is dated in the future", mend)
    return well("time zone", used)


def _is_ahead(date: str, zone: ZoneInfo, clock: datetime) -> bool:
    try:
        return to_utc(date, zone) > clock + CLOCK_WRONG
    except ValueError:
        return False


def _states(rows: Iterable[Row], settings: PrestaShopSettings) -> list[Finding]:
    shown = {reference_to(row, "id"): row for row in rows if text(row, "deleted") != "1"}
    findings: list[Finding] = []
    for status, state in settings.state_of.items():
        if state not in shown:
            mend = f"set state_of.{status} to an order state that the shop has"
            detail = f"the shop has no order state {state}, which state_of.{status} names"
            findings.append(wrong("order states", detail, mend))
        elif status == "shipped" and text(shown[state], "shipped") != "1":
            mend = f"tick 'Set the order as shipped' of order state {state}, or name another"
            detail = (
                f"order state {state} ({text(shown[state], 'name')}) does not count as shipped in the shop"
            )
            findings.append(warning("order states", detail, mend))
    for key in ("open", "unpaid", "cancelled", "shipped"):
        missing = [state for state in getattr(settings, key) if state not in shown]
        if missing:
            mend = f"take them out of {key}, or correct them"
            detail = f"{key} names order states that the shop does not have: {listed([*map(str, missing)])}"
            findings.append(warning("order states", detail, mend))
    return findings or [
        well("order states", f"{len(shown)} in the shop, all that the settings name among them")
    ]


def _carriers(rows: Iterable[Row], settings: PrestaShopSettings) -> list[Finding]:
    live = {
        str(reference_to(row, "id_reference")): text(row, "name")
        for row in rows
        if text(row, "deleted") != "1" and text(row, "active") == "1"
    }
    findings: list[Finding] = []
    unmapped = [
        f"{reference} ({name})" for reference, name in live.items() if reference not in settings.service_of
    ]
    if unmapped:
        mend = (
            'add them to service_of, such as service_of = { "2" = "standard" }; or disable them in the shop'
        )
        detail = f"carriers (id_reference) without a service of ours: {listed(unmapped)}"
        findings.append(warning("carriers", detail, mend))
    gone = [reference for reference in settings.service_of if reference not in live]
    if gone:
        mend = "take them out of service_of, unless old orders still name them; the key is the id_reference"
        detail = f"service_of names carriers that the shop does not offer: {listed(gone)}"
        findings.append(warning("carriers", detail, mend))
    return findings or [well("carriers", f"{len(live)} carriers, each with a service of ours")]
