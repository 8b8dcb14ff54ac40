"""What whoever packs an order should read: gift messages and notes, for pick lists and for an order's story.

The words lie beside the log and are read there each time, so that they are gone once their person is
forgotten; only where they lie is remembered.
"""

from collections.abc import Iterable, Mapping

import trio

from actors.domain.order_commands import Wake
from actors.mailbox import SetAsideError
from actors.ports.shop import Packing, payload_of
from actors.system import System
from daemon.control.wire_orders import PackingTold

REMEMBERED_MAX = 20_000
"""Orders of which is remembered whether there are words: some 4 MB. Beyond that it begins anew."""


class PackingWords:
    """Reads them for one system's orders."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def of(self, order: str) -> PackingTold:
        """Return what is to be read of an order; of most there is nothing, which costs one look in all."""
        words = self._system.directory.words
        name = words.get(order)
        if name is None:
            name = await self._named_by(order)
            if len(words) >= REMEMBERED_MAX:
                words.clear()
            words[order] = name
        if not name:
            return PackingTold()
        told = await self.read(name)
        if told == PackingTold() and words.get(order) == name:
            words[order] = ""
        return told

    async def of_all(self, orders: Iterable[str]) -> Mapping[str, PackingTold]:
        """Return what is to be read of each of these orders; what is to be looked up is so together."""
        found: dict[str, PackingTold] = {}

        async def read(order: str) -> None:
            found[order] = await self.of(order)

        async with trio.open_nursery() as nursery:
            for order in dict.fromkeys(orders):
                nursery.start_soon(read, order)
        return found

    async def read(self, name: str) -> PackingTold:
        """Return what a payload's row says to whoever packs; nothing where it was erased."""
        body = await self._system.journal.beside(name)
        told = payload_of(body).packing if body is not None else Packing()
        return PackingTold(told.is_gift, told.gift_message, told.notes)

    async def _named_by(self, order: str) -> str:
        try:
            state = await self._system.hall.ask(order, Wake())
        except SetAsideError:
            return ""
        return state.imported.payload.id if state.imported is not None else ""
