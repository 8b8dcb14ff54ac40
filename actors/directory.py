"""Who is where: the handles by which actors reach one another, filled at composition. It decides nothing.

A message for an actor of another daemon would leave through the inbox table; which one it is, the caller
never sees.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import Struct

from actors.copies import ShopCopies
from actors.domain.ledger import Stock
from actors.domain.order_commands import OrderCommand
from actors.domain.stock_commands import Answer, StockCommand
from actors.mailbox import Mailbox, ask
from actors.ports.journal import PendingEffect
from actors.precedence import Precedence

Clock = Callable[[], datetime]
"""The time, UTC."""

TellOrder = Callable[[str, OrderCommand], Awaitable[None]]


class Keyed(Struct, frozen=True, gc=False):
    """A command with its sender's idempotency key."""

    key: str
    command: StockCommand


@dataclass(slots=True)
class WarehouseHandle:
    """A warehouse as others see it: its mailbox, and its stock to look at (never to touch)."""

    name: str
    mailbox: Mailbox[StockCommand | Keyed]
    stock: Stock = field(default_factory=Stock)


class UnknownWarehouseError(LookupError):
    """No warehouse has that name."""


class Directory:
    """Handles of the warehouses, the way to orders, and whom to wake when a partner has to be told.

    Attributes:
        warehouses: by name.
        copies: how old the shop's copy of each order is.
        precedence: whether a channel's import goes first.
        words: the row beside the log that holds words to whoever packs an order, "" where there are none; of
            an order that is not in here nobody has asked lately. Never the words themselves.
    """

    def __init__(self, warehouses: Mapping[str, WarehouseHandle]) -> None:
        self.warehouses = warehouses
        self.copies = ShopCopies()
        self.precedence = Precedence()
        self.words: dict[str, str] = {}
        self._drains: dict[str, Callable[[PendingEffect], None]] = {}
        self._arrivals: Callable[[str], None] | None = None
        self._watchers: list[Callable[[], None]] = []
        self._room: Callable[[str], None] | None = None
        self._heading: dict[str, set[str]] = {}
        self._unread: dict[str, Mapping[str, int]] = {}

    def on_effect(self, partner: str, wake: Callable[[PendingEffect], None]) -> None:
        """Register the outbox drain of a partner."""
        self._drains[partner] = wake

    def on_arrival(self, wake: Callable[[str], None]) -> None:
        """Register who hears that units of a SKU became available."""
        self._arrivals = wake

    def on_room(self, wake: Callable[[str], None]) -> None:
        """Register who hears that a warehouse has less in hand."""
        self._room = wake

    def on_movement(self, wake: Callable[[], None]) -> None:
        """Register who hears that any warehouse's stock has moved."""
        self._watchers.append(wake)

    def stock_moved(self) -> None:
        """Tell that stock has moved, whose movement is durable."""
        for wake in self._watchers:
            wake()

    async def ask_warehouse(self, warehouse: str, command: StockCommand | Keyed) -> Answer:
        """Ask a warehouse and return its answer.

        Raises:
            UnknownWarehouseError: there is none of that name.
            SetAsideError: the command crashed the warehouse's actor twice.
        """
        handle = self.warehouses.get(warehouse)
        if handle is None:
            raise UnknownWarehouseError(warehouse)
        answer: Answer = await ask(handle.mailbox, command)  # type: ignore[assignment] # what its actor sends
        return answer

    def effect_pending(self, effect: PendingEffect) -> None:
        """Wake the drain of the effect's partner; the outbox row itself is durable already."""
        drain = self._drains.get(effect.partner)
        if drain is not None:
            drain(effect)

    def stock_arrived(self, sku: str) -> None:
        """Tell that units of the SKU can be promised again."""
        if self._arrivals is not None:
            self._arrivals(sku)

    def room_came(self, warehouse: str) -> None:
        """Tell that the warehouse has less in hand than it had."""
        if self._room is not None:
            self._room(warehouse)

    def heads_for(self, warehouse: str, fulfilment: str) -> None:
        """Note that a plan counts on the warehouse: it is in hand there before the warehouse was even asked.

        A hundred orders that decide at once would else all see the room that only one of them can have.
        """
        self._heading.setdefault(warehouse, set()).add(fulfilment)

    def has_answered(self, warehouse: str, fulfilment: str) -> None:
        """Note that the warehouse was asked: from here on its own stock tells.

        What it did not promise made way without a move of its stock, of which nobody else would tell.
        """
        heading = self._heading.get(warehouse, set())
        if fulfilment not in heading:
            return
        heading.discard(fulfilment)
        handle = self.warehouses.get(warehouse)
        if handle is None or fulfilment not in handle.stock.fulfilments:
            self.room_came(warehouse)

    def load(self, warehouse: str) -> int:
        """Return how many fulfilments the warehouse has in hand, those included that head for it."""
        handle = self.warehouses.get(warehouse)
        there = handle.stock.fulfilments if handle is not None else {}
        heading = self._heading.get(warehouse, set())
        return len(there) + sum(fulfilment not in there for fulfilment in heading)

    def hold_back(self, order: str, units: Mapping[str, int]) -> None:
        """Keep units of each SKU from being sold again, for an order that nobody can read yet."""
        self._unread[order] = units

    def let_go(self, order: str) -> None:
        """Hold nothing back for the order any more: it speaks for itself by now, or is nobody's matter."""
        self._unread.pop(order, None)

    def picture(self, warehouse: str, sku: str) -> int:
        """Return what a warehouse could promise of a SKU just now; its reservation is the truth."""
        handle = self.warehouses.get(warehouse)
        return handle.stock.available(sku) if handle is not None else 0

    def has_units(self, sku: str) -> bool:
        """Tell whether any warehouse could promise a unit of the SKU just now."""
        return any(handle.stock.available(sku) > 0 for handle in self.warehouses.values())

    def knows(self, sku: str) -> bool:
        """Tell whether any warehouse has ever held the SKU."""
        return any(sku in handle.stock.shelves for handle in self.warehouses.values())

    def available_of(self, sku: str) -> int | None:
        """Return what all warehouses together could promise of a SKU; None where none has ever held it."""
        shelves = [
            handle.stock.shelves[sku] for handle in self.warehouses.values() if sku in handle.stock.shelves
        ]
        return sum(shelf.available for shelf in shelves) if shelves else None

    def available(self) -> dict[str, int]:
        """Return what all warehouses together could promise of each SKU."""
        total: dict[str, int] = {}
        for handle in self.warehouses.values():
            for sku, shelf in handle.stock.shelves.items():
                total[sku] = total.get(sku, 0) + shelf.available
        return total

    def held_back(self) -> dict[str, int]:
        """Return the units of each SKU that orders hold which nobody can read yet."""
        total: dict[str, int] = {}
        for units in self._unread.values():
            for sku, count in units.items():
                total[sku] = total.get(sku, 0) + count
        return total
