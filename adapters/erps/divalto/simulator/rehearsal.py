"""A small site and a day's documents to rehearse on: for tests, benchmarks and trying a profile by hand.

It owns sample data only; what is done with it is the caller's matter.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
import trio

from actors.domain.documents import (
    ErpAdjustment,
    ErpCancellation,
    ErpChange,
    ErpCustomer,
    ErpDeliveryNote,
    ErpDocument,
    ErpLine,
    ErpOrder,
    ErpReception,
    ErpReturn,
)
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from adapters.erps.divalto.adapter import DivaltoErp
from adapters.erps.divalto.files_settings import FileSettings
from adapters.erps.divalto.plugin import DivaltoSettings, FlowSettings, SoapSettings, Way
from adapters.erps.divalto.simulator import Divalto
from adapters.erps.divalto.simulator.drop import Drop
from adapters.erps.divalto.simulator.rest import BASE_PATH
from adapters.erps.divalto.simulator.soap import SOAP_PATH
from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.spelling import Spelling
from adapters.erps.divalto.webhook_settings import WebHookSettings
from adapters.settings import Secret

if TYPE_CHECKING:
    from adapters.erps.divalto.simulator.share import Share

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""When a rehearsal begins, at the site and at the adapter, whatever day it is played on."""

PERSON = Contact(
    name="Zoë Łukasiewicz",
    street="12 rue de l’Œuvre",
    postcode="69008",
    city="Lyon",
    country="FR",
    email="zoe@example.org",
    phone="+33 6 00 00 00 00",
)
"""Nobody, with letters that Latin-1 does not have."""


WEB_HOOK_CODE = "c0de-0f-the-h00k"


class Clock:
    """Goes on by itself, and may be put forward: not Trio's, as a thread asks it too."""

    def __init__(self, begins: datetime) -> None:
        self._ahead = begins - timedelta(seconds=time.monotonic())

    def __call__(self) -> datetime:
        """Return what time it is."""
        return self._ahead + timedelta(seconds=time.monotonic())

    def forward(self, by: timedelta) -> None:
        """Let time pass, or come back."""
        self._ahead += by


@dataclass(slots=True)
class Site:
    """A simulated site that sells teapots and cups, and an adapter that speaks to it."""

    divalto: Divalto
    erp: DivaltoErp
    settings: DivaltoSettings
    now: Clock
    drop: Drop | None = None
    share: "Share | None" = None

    async def told(self) -> None:
        """Wait, where there are exports, until what has happened so far stands in them."""
        if self.drop is not None:
            await self.drop.exported()

    async def settle(self, document: ErpDocument, contact: Contact | None = None) -> Outcome:
        """Do as an outbox does after an unknown outcome: look first, write only what is not there."""
        return await self.erp.find(document) or await self.erp.carry_out(document, contact)


@asynccontextmanager
async def open_site(
    *,
    switches: Switches | None = None,
    theirs: Spelling | None = None,
    way: Way = "rest",
    folder: Path | None = None,
    files: Mapping[str, Any] = {},
    by_sftp: bool = False,
    their_dos: str = "1",
    begins: datetime = NOON,
    **settings: Any,  # noqa: ANN401 - any of DivaltoSettings'
) -> AsyncGenerator[Site]:
    """Yield a site with depots D01 (paris) and D02 (lyon).

    Args:
        switches: the simulated site's habits.
        theirs: its spelling.
        way: which way all flows go.
        folder: where the folders of a site that takes files are made, empty.
        files: settings of those that are to differ.
        by_sftp: whether the adapter reaches those folders over SFTP alone, which is its `Site.share`.
        their_dos: the company file.
        begins: what time it is at first; the site's own clock shows it in the time zone of the settings.
        settings: those that are to differ.
    """
    now = Clock(begins)
    zone = ZoneInfo(settings.get("timezone", "UTC"))
    divalto = _company(their_dos, switches, theirs, lambda: now().astimezone(zone))
    async with trio.open_nursery() as nursery:
        url = await nursery.start(divalto.serve)
        flows = FlowSettings(way, way, way, way)
        ours = msgspec.structs.replace(settings_for(divalto, url), **{"flows": flows, **settings})
        drop, share = None, None
        if folder is not None:
            dropped = _folders(folder, files)
            drop = divalto.drop(dropped)
            await nursery.start(drop.run)
            share = await _shared(folder, nursery) if by_sftp else None
            ours = msgspec.structs.replace(ours, files=share.seen_by(dropped) if share else dropped)
        erp = DivaltoErp("divalto", ours, now=now)
        try:
            yield Site(divalto, erp, ours, now, drop, share)
        finally:
            with trio.move_on_after(5, shield=True):
                await erp.aclose()
        nursery.cancel_scope.cancel()


def _company(
    dos: str, switches: Switches | None, spelling: Spelling | None, now: Callable[[], datetime]
) -> Divalto:
    """Return a site with articles, stock and a web hook."""
    divalto = Divalto(dos, 7, depots=("D01", "D02"), switches=switches, spelling=spelling, now=now)
    for ref in ("TEAPOT", "CUP"):
        divalto.add_article(ref, price=Decimal("99.0000"))
    divalto.add_article("SHIRT", "XL", "BLUE")
    divalto.add_article("PORT", stocked=False)
    divalto.set_stock("TEAPOT", "D01", 10)
    divalto.set_stock("TEAPOT", "D02", 5)
    divalto.set_stock("CUP", "D01", 20)
    divalto.web_hooks.codes.add(WEB_HOOK_CODE)
    return divalto


async def _shared(folder: Path, nursery: trio.Nursery) -> "Share":
    """Serve the folders over SFTP."""
    from adapters.erps.divalto.simulator.share import Share  # what it is made with is an extra

    share = Share(folder)
    await nursery.start(share.serve)
    return share


def _folders(folder: Path, files: Mapping[str, Any]) -> FileSettings:
    """Make the folders, and return settings under which a test does not wait."""
    made = {name: folder / name for name in ("inbox", "rejected", "exports")}
    for path in made.values():
        path.mkdir()
    usual = FileSettings(
        inbox=str(made["inbox"]),
        rejected=str(made["rejected"]),
        exports=str(made["exports"]),
        look_seconds=0.01,
        export_seconds=0.0,
        wait_seconds=5.0,
    )
    return msgspec.structs.replace(usual, **files)


def settings_for(divalto: Divalto, url: str) -> DivaltoSettings:
    """Return the settings under which the simulated site answers."""
    account = divalto.account
    return DivaltoSettings(
        url=url,
        domain=account.domain,
        user=account.user,
        password=Secret(account.password),
        env=account.env,
        dos="1",
        customer="WEB",
        depots={"paris": "D01", "lyon": "D02"},
        execute_seconds_max=5.0,
        webhook=WebHookSettings(Secret(WEB_HOOK_CODE)),
        soap=SoapSettings(url.removesuffix(BASE_PATH) + SOAP_PATH),
        settle_seconds=0.0,
    )


def line(sku: str, units: int, price: str = "12.5", warehouse: str = "paris") -> ErpLine:
    """Return a document's line."""
    return ErpLine(line="1", sku=sku, units=units, unit_price=Decimal(price), warehouse=warehouse)


def order(*lines: ErpLine, reference: str = "main-1042", shipping: str = "4.90") -> ErpOrder:
    """Return an order of three teapots and two cups unless told otherwise."""
    return ErpOrder(
        reference=reference,
        channel="main",
        shop_reference="XKBKNABJK",
        placed_at=NOON,
        currency="EUR",
        lines=lines or (line("TEAPOT", 3), line("CUP", 2, "3.3333")),
        shipping=Decimal(shipping),
        contact="contact-1",
    )


def note(*lines: ErpLine, number: int = 1, warehouse: str = "paris") -> ErpDeliveryNote:
    """Return a delivery note of all of that order unless told otherwise."""
    return ErpDeliveryNote(
        reference=f"main-1042.{number}",
        order_reference="main-1042",
        warehouse=warehouse,
        lines=lines or (line("TEAPOT", 3), line("CUP", 2, "3.3333")),
        shipped_at=NOON,
    )


def cancellation() -> ErpCancellation:
    """Return the cancellation of that order."""
    return ErpCancellation(order_reference="main-1042")


def change(*lines: ErpLine) -> ErpChange:
    """Return a change of that order to these lines."""
    return ErpChange(order_reference="main-1042", lines=lines)


def credit(*lines: ErpLine) -> ErpReturn:
    """Return a teapot of that order that came back, unless told otherwise."""
    return ErpReturn(
        reference="main-1042.R1",
        order_reference="main-1042",
        channel="main",
        warehouse="paris",
        lines=lines or (line("TEAPOT", 1),),
        returned_at=NOON,
    )


def customer() -> ErpCustomer:
    """Return the shop's customer 42."""
    return ErpCustomer(reference="main:42", channel="main", contact="contact-1")


def reception() -> ErpReception:
    """Return ten teapots that came in."""
    return ErpReception(
        reference="ASN-2026-77", warehouse="paris", lines=(line("TEAPOT", 10, "6"),), received_at=NOON
    )


def adjustment() -> ErpAdjustment:
    """Return two teapots lost and a cup found."""
    return ErpAdjustment(
        reference="count-17",
        warehouse="paris",
        lines=(line("TEAPOT", -2, "0"), line("CUP", 1, "0")),
        adjusted_at=NOON,
    )
