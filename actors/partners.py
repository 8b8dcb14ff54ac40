"""Everybody outside, and the door by which the drain of each reaches it."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from actors.attempt import PartnerDoor
from actors.domain.documents import ERP, Document
from actors.erp_books import ErpBooks
from actors.ports.carrier import CarrierPort
from actors.ports.erp import ErpPort
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from actors.ports.shop import ShopPort

SHOP_WORKERS = 4
"""Four connections get some 80 writes a second out of PrestaShop, and more connections no more."""

ERP_WORKERS = 2
"""Divalto runs a process per request and each service account needs a licence."""

CARRIER_WORKERS = 4
"""Labels are what a packer waits for."""


@dataclass(frozen=True, slots=True)
class Partners:
    """The ports of everybody outside, by their names in the settings; `books` where the ERP shows its own."""

    shops: Mapping[str, ShopPort]
    erp: ErpPort
    carriers: Mapping[str, CarrierPort]
    books: ErpBooks | None = None


class Way(NamedTuple):
    """How one partner is told things: the name of its outbox, its door, and how many may pass at once."""

    name: str
    door: PartnerDoor
    workers: int


def ways_to(partners: Partners) -> Iterator[Way]:
    """Yield the way to each partner, the ERP first."""
    yield Way(ERP, _Door(partners.erp.find, partners.erp.carry_out), ERP_WORKERS)
    for name, shop in partners.shops.items():
        yield Way(f"shop-{name}", _shop_door(shop), SHOP_WORKERS)
    for name, carrier in partners.carriers.items():
        yield Way(f"carrier-{name}", _Door(carrier.find, carrier.carry_out), CARRIER_WORKERS)


@dataclass(frozen=True, slots=True)
class _Door:
    """A partner's port as a drain sees it.

    Each port takes its own kind of document, and the outbox holds no other kind under that partner's name;
    that is why these two need no closer type.
    """

    look: Callable[[Any], Awaitable[Outcome | None]]
    do: Callable[[Any, Contact | None], Awaitable[Outcome]]

    async def find(self, document: Document) -> Outcome | None:
        return await self.look(document)

    async def carry_out(self, document: Document, contact: Contact | None) -> Outcome:
        return await self.do(document, contact)


def _shop_door(shop: ShopPort) -> _Door:
    """Return a shop's door: shops need no contact, they gave it to us."""
    return _Door(shop.find, lambda document, _: shop.carry_out(document))
