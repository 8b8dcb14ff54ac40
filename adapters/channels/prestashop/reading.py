"""From the shop's order rows to our orders: fetches in bulk what they name by id, keeps what seldom changes.

It owns the caches of countries, states, currencies, carriers and order states; which rows to read is not its
matter.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import trio

from actors.errors import MalformedError
from actors.ports.shop import Packing, ShopOrder, UnreadableOrder
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.details import DetailReader, Details, packing_of
from adapters.channels.prestashop.fields import FieldError, Row, reference_to, text
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.together import collapsed
from adapters.channels.prestashop.wire import (
    ADDRESS,
    CUSTOMER,
    REFUND,
    REFUNDED_LINE,
    Standing,
    Surroundings,
    has_ended,
    read_order,
    refunded_units,
)

SHOP = "[id,name,id_shop_group]"
SHOP_GROUP = "[id,name,share_customer,share_order,share_stock]"

PAGE = 1000
"""Rows a page of small resources; the shop's memory ends at 1,000 orders, and these are far smaller."""

READ_AT_A_TIME = 20
"""Orders understood before others have their turn: some two milliseconds."""


@dataclass(frozen=True, slots=True)
class Named:
    """What the rows of orders only name, as far as orders that have ended need it too.

    Attributes:
        orders: the ids of the orders for which it was read.
        customers, addresses: rows by their ids.
        slips: refunds.
        refunded_lines: lines of which units were refunded, by a slip or without one.
        carriers: who carries an order whose own row names nobody, by the order's id.
    """

    orders: frozenset[int]
    customers: Mapping[int, Row]
    addresses: Mapping[int, Row]
    slips: Sequence[Row]
    refunded_lines: Sequence[Row]
    carriers: Mapping[int, int]


NOTHING_NAMED = Named(frozenset(), {}, {}, (), (), {})


class OrderReader:
    """Understands order rows of one shop."""

    def __init__(self, webservice: Webservice, settings: PrestaShopSettings) -> None:
        self._webservice = webservice
        self._services = settings.service_of
        self._sku_from = settings.sku_from
        self._with_refunds = settings.refunds
        self._zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
        self._standings: dict[int, Standing] = {
            **dict.fromkeys(settings.open, "open"),
            **dict.fromkeys(settings.unpaid, "unpaid"),
            **dict.fromkeys(settings.cancelled_states, "cancelled"),
            **dict.fromkeys(settings.shipped_states, "shipped"),
        }
        self._countries: dict[int, str] = {}
        self._states: dict[int, str] = {0: ""}
        self._currencies: dict[int, str] = {}
        self._carriers: dict[int, str] = {0: ""}
        self._languages: dict[int, str] = {}
        self._language = settings.language
        self._shops: dict[int, Row] = {}
        self._details = DetailReader(webservice)

    async def zone(self) -> ZoneInfo:
        """Return what the shop's dates are local to.

        Raises:
            MalformedError: the shop names none that is known, or several; the settings have to.
        """
        if self._zone is None:
            query = {"filter[name]": "[PS_TIMEZONE]"}
            rows = await self._webservice.rows("configurations", "[name,value]", **query)
            # Each shop of an installation may have its own, and the list does not say whose is which.
            names = {text(row, "value") for row in rows} or {""}
            doing = "GET /api/configurations"
            if len(names) > 1:
                why = "PS_TIMEZONE differs between its shops; set time_zone in the settings"
                raise MalformedError(self._webservice.system, doing, why)
            try:
                self._zone = ZoneInfo(names.pop())
            except (ZoneInfoNotFoundError, ValueError) as error:
                why = "PS_TIMEZONE is no known time zone; set time_zone in the settings"
                raise MalformedError(self._webservice.system, doing, why) from error
        return self._zone

    async def named(self, rows: Sequence[Row], with_slips: Collection[int] = frozenset()) -> Named:
        """Read what orders name, unless they have ended; their refunds then of those `with_slips` alone.

        What seldom changes (currencies, carriers and the like) is read with it where it is not known yet.

        Raises:
            PartnerError: as the webservice's.
        """
        living = _living(rows, await self._standings_of(rows))
        customers: dict[int, Row] = {}
        addresses: dict[int, Row] = {}
        slips: list[Row] = []
        refunded_lines: list[Row] = []
        carriers: dict[int, int] = {}
        # Side by side: a shop gives a quarter more to two connections than to one.
        with collapsed():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._fill, customers, living, "id_customer", "customers", CUSTOMER)
                nursery.start_soon(self._addresses, addresses, living)
                refundable = [*living, *(row for row in rows if reference_to(row, "id") in with_slips)]
                nursery.start_soon(self._refunds, slips, refundable)
                nursery.start_soon(self._refunded_lines, refunded_lines, refundable)
                nursery.start_soon(self._currencies_of, rows)
                nursery.start_soon(self._services_of, rows)
                nursery.start_soon(self._carriers_below, carriers, living)
                nursery.start_soon(self._languages_of, living)
                nursery.start_soon(self._shops_of, living)
        orders = frozenset(_ids(rows, "id"))
        return Named(orders, customers, addresses, slips, refunded_lines, carriers)

    async def read(
        self,
        rows: Sequence[Row],
        *,
        detailed_max: int | None = None,
        with_slips: Collection[int] = frozenset(),
        ahead: Named = NOTHING_NAMED,
    ) -> list[ShopOrder | UnreadableOrder]:
        """Return the orders of the rows; one that cannot be understood does not stop the others.

        Those to be shipped come with all that the shop keeps about them, at six requests more, unless there
        are more than `detailed_max` of them (None: however many). Of those that have ended only the refunds
        are read, of `with_slips`. What was read `ahead` is not read again.
        """
        if not rows:
            return []
        plain = await self._plain(rows)
        living = _living(rows, plain.standings)
        details: dict[int, Details] = {}
        ended: dict[int, ShopOrder | UnreadableOrder] = {}
        rest: list[Named] = []

        async def read_rest() -> None:
            unnamed = [row for row in rows if reference_to(row, "id") not in ahead.orders]
            rest.append(await self.named(unnamed, with_slips) if unnamed else NOTHING_NAMED)

        with collapsed():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read_rest)
                nursery.start_soon(_read_ended, rows, plain, with_slips, ended)
                if living and (detailed_max is None or len(living) <= detailed_max):
                    nursery.start_soon(self._in_detail, details, living)
        addresses = {**ahead.addresses, **rest[0].addresses}
        slips = [*ahead.slips, *rest[0].slips]
        refunded, unclear = refunded_units(slips, [*ahead.refunded_lines, *rest[0].refunded_lines])
        around = replace(
            plain,
            customers={**ahead.customers, **rest[0].customers},
            addresses=addresses,
            countries=await self._countries_of(addresses),
            states=await self._states_of(addresses),
            refunded=refunded,
            unclear_refunds=unclear,
            carriers={**ahead.carriers, **rest[0].carriers},
            languages=await self._languages_of(living),
            shops=await self._shops_of(living),
            details=_with_refunds(details, slips),
            packing=_packing(living, details),
        )
        await _read_rest(rows, around, ended)
        return [ended[number] for number in range(len(rows))]

    async def _plain(self, rows: Sequence[Row]) -> Surroundings:
        """Return what is needed to understand an order that has ended."""
        return Surroundings(
            zone=await self.zone(),
            standings=await self._standings_of(rows),
            customers={},
            addresses={},
            countries={},
            states={},
            currencies=await self._currencies_of(rows),
            services=await self._services_of(rows),
            refunded={},
            sku_from=self._sku_from,
        )

    async def _fill(
        self, found: dict[int, Row], rows: Sequence[Row], field: str, resource: str, display: str
    ) -> None:
        children = await self._webservice.rows_by_ids(resource, display, _ids(rows, field))
        found.update((reference_to(row, "id"), row) for row in children)

    async def standings(self, rows: Sequence[Row]) -> list[str]:
        """Return how orders stand by their state alone; "" where that means nothing to us."""
        known = await self._standings_of(rows)
        states = [reference_to(row, "current_state") for row in rows]
        return [known.get(state, "") if state else "unfinished" for state in states]

    async def ended(self, rows: Sequence[Row]) -> Collection[int]:
        """Return the ids of the orders that were cancelled or shipped."""
        standings = await self._standings_of(rows)
        return {reference_to(row, "id") for row in rows if has_ended(row, standings)}

    async def _addresses(self, found: dict[int, Row], rows: Sequence[Row]) -> None:
        ids = _ids(rows, "id_address_delivery") | _ids(rows, "id_address_invoice")
        children = await self._webservice.rows_by_ids("addresses", ADDRESS, ids)
        found.update((reference_to(row, "id"), row) for row in children)
        await self._countries_of(found)
        await self._states_of(found)

    async def _refunds(self, found: list[Row], rows: Sequence[Row]) -> None:
        if self._with_refunds:
            ids = _ids(rows, "id")
            found += await self._webservice.rows_by_ids("order_slip", REFUND, ids, field="id_order")

    async def _refunded_lines(self, found: list[Row], rows: Sequence[Row]) -> None:
        """Read the lines that were refunded: a voucher given for one makes no slip."""
        if self._with_refunds:
            query = {"filter[product_quantity_refunded]": ">[0]"}
            found += await self._webservice.rows_by_ids(
                "order_details", REFUNDED_LINE, _ids(rows, "id"), field="id_order", optional=True, **query
            )

    async def _in_detail(self, found: dict[int, Details], rows: Sequence[Row]) -> None:
        found.update(await self._details.read(rows))

    async def _standings_of(self, rows: Iterable[Row]) -> Mapping[int, Standing]:
        if _ids(rows, "current_state") - self._standings.keys():
            display = "[id,paid,shipped]"
            for row in await self._webservice.every_row("order_states", display, PAGE):
                meaning: Standing = "open"
                if text(row, "shipped") == "1":
                    meaning = "shipped"
                elif text(row, "paid") != "1":
                    meaning = "unpaid"
                self._standings.setdefault(reference_to(row, "id"), meaning)
        return self._standings

    async def _countries_of(self, addresses: Mapping[int, Row]) -> Mapping[int, str]:
        if _ids(addresses.values(), "id_country") - self._countries.keys():
            rows = await self._webservice.every_row("countries", "[id,iso_code]", PAGE)
            self._countries.update((reference_to(row, "id"), text(row, "iso_code")) for row in rows)
        return self._countries

    async def _states_of(self, addresses: Mapping[int, Row]) -> Mapping[int, str]:
        missing = _ids(addresses.values(), "id_state") - self._states.keys()
        if missing:
            rows = await self._webservice.rows_by_ids("states", "[id,iso_code]", missing)
            self._states.update(dict.fromkeys(missing, ""))
            self._states.update((reference_to(row, "id"), text(row, "iso_code")) for row in rows)
        return self._states

    async def _currencies_of(self, rows: Sequence[Row]) -> Mapping[int, str]:
        missing = _ids(rows, "id_currency") - self._currencies.keys()
        if missing:
            found = await self._webservice.rows_by_ids("currencies", "[id,iso_code]", missing)
            self._currencies.update((reference_to(row, "id"), text(row, "iso_code")) for row in found)
        return self._currencies

    async def _languages_of(self, rows: Sequence[Row]) -> Mapping[int, str]:
        missing = _ids(rows, "id_lang") - self._languages.keys()
        if missing:
            found = await self._webservice.rows_by_ids("languages", "[id,iso_code]", missing, optional=True)
            self._languages.update(dict.fromkeys(missing, self._language))
            self._languages.update((reference_to(row, "id"), text(row, "iso_code")) for row in found)
        return self._languages

    async def _shops_of(self, rows: Sequence[Row]) -> Mapping[int, Row]:
        missing = _ids(rows, "id_shop") - self._shops.keys()
        if missing:
            shops = await self._webservice.rows_by_ids("shops", SHOP, missing, optional=True)
            ids = _ids(shops, "id_shop_group")
            groups = await self._webservice.rows_by_ids("shop_groups", SHOP_GROUP, ids, optional=True)
            by_id = {reference_to(row, "id"): row for row in groups}
            self._shops.update((shop, {"id": shop}) for shop in missing)
            for row in shops:
                group = by_id.get(reference_to(row, "id_shop_group"))
                self._shops[reference_to(row, "id")] = {**row, "group": group}
        return self._shops

    async def _services_of(self, rows: Sequence[Row]) -> Mapping[int, str]:
        """A carrier's id changes with each edit in the back office, its id_reference does not."""
        missing = _ids(rows, "id_carrier") - self._carriers.keys()
        if missing:
            found = await self._webservice.rows_by_ids("carriers", "[id,id_reference]", missing)
            for row in found:
                service = self._services.get(str(reference_to(row, "id_reference")), "")
                self._carriers[reference_to(row, "id")] = service
        return self._carriers

    async def _carriers_below(self, found: dict[int, int], rows: Sequence[Row]) -> None:
        """Read who carries orders whose row names nobody: PrestaShop 9.1 can give one to several carriers."""
        ids = [reference_to(row, "id") for row in rows if not reference_to(row, "id_carrier")]
        display = "[id,id_order,id_carrier]"
        below = await self._webservice.rows_by_ids("order_carriers", display, ids, field="id_order")
        for row in sorted(below, key=lambda row: reference_to(row, "id")):
            found.setdefault(reference_to(row, "id_order"), reference_to(row, "id_carrier"))
        await self._services_of(below)


def _living(rows: Sequence[Row], standings: Mapping[int, Standing]) -> list[Row]:
    """Leave out what has ended: most of a shop's orders, and of those nobody needs more than the row."""
    return [row for row in rows if not has_ended(row, standings)]


def _ids(rows: Iterable[Row], field: str) -> set[int]:
    return {reference_to(row, field) for row in rows} - {0}


def _with_refunds(details: Mapping[int, Details], slips: Iterable[Row]) -> Mapping[int, Details]:
    found = {order: dict(each) for order, each in details.items()}
    for slip in slips:
        each = found.get(reference_to(slip, "id_order"))
        if each is not None:
            each["refunds"] = [*each.get("refunds", ()), slip]
    return found


def _packing(rows: Iterable[Row], details: Mapping[int, Details]) -> Mapping[int, Packing]:
    """Return what whoever packs should read, where it can be read: no word stops an order."""
    found: dict[int, Packing] = {}
    for row in rows:
        with suppress(FieldError):
            found[reference_to(row, "id")] = packing_of(row, details.get(reference_to(row, "id"), {}))
    return found


async def _read_rest(
    rows: Sequence[Row], around: Surroundings, found: dict[int, ShopOrder | UnreadableOrder]
) -> None:
    """Understand the orders that are not found yet."""
    left = (number for number in range(len(rows)) if number not in found)
    for read, number in enumerate(left, 1):
        found[number] = read_order(rows[number], around)
        if read % READ_AT_A_TIME == 0:
            await trio.lowlevel.checkpoint()


async def _read_ended(
    rows: Sequence[Row],
    around: Surroundings,
    but: Collection[int],
    found: dict[int, ShopOrder | UnreadableOrder],
) -> None:
    """Understand the orders of which nothing more is read, while the shop looks for what the others need."""
    for number, row in enumerate(rows):
        if has_ended(row, around.standings) and reference_to(row, "id") not in but:
            found[number] = read_order(row, around)
        if number % READ_AT_A_TIME == 0:
            await trio.lowlevel.checkpoint()
