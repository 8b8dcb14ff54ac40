"""What the control socket's floor does, over the warehouse actors: pick lists, scans, packing, receiving."""

import collections
import hashlib
import itertools
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

import msgspec
import trio

from actors.directory import Keyed, WarehouseHandle
from actors.domain.documents import ERP, ErpAdjustment, ErpLine, ErpReception
from actors.domain.ledger import INNER_ACCOUNTS, Fulfilment, Shelf, Stock
from actors.domain.order_commands import TakeBack, Wake
from actors.domain.order_state import left_for_customer
from actors.domain.partitions import stock_stream
from actors.domain.sku_names import alike
from actors.domain.stock_commands import (
    Adjust,
    AssignSlot,
    Count,
    Mirror,
    Pack,
    Pick,
    Receive,
    Rejected,
    ReportShort,
    StockCommand,
)
from actors.domain.stock_decisions import decide
from actors.domain.stock_events import PackedParcel, Quantity, StockEffectRequested
from actors.inspection import BookedMovement, Inspection
from actors.mailbox import SetAsideError
from actors.ports.journal import OrderRow
from actors.system import System
from daemon.control.asked import (
    Adjustment,
    Counting,
    MirroredPiece,
    PackFulfilment,
    Reception,
    Return,
    Scan,
    Short,
    SlotAssignment,
)
from daemon.control.service import NOT_FOUND, Mandate, Refused
from daemon.control.trial import trial
from daemon.control.wire import Done, Trial
from daemon.control.wire_floor import Label, MovementTold, PickLine, PickList, StockExplained, StockLevel
from daemon.labels import find_label
from daemon.order_asking import OrderAsking, told_holds
from daemon.packing_words import PackingWords

UNAVAILABLE = 503

SCAN_SECONDS_MAX = 10.0
"""A scanner that hears nothing for this long sends its scan again, under the same key."""

HELD_TOGETHER = 1_000
"""Held orders looked through at a time: all that wait for a payment are among them."""

NAMES_OF_A_CAUSE = ("fulfilment", "delivery", "reason", "source", "booked_as")
"""The fields by which an event that moves stock says for what it did."""

ERP_REFERENCE_MAX = 20
"""What the ERP's reference field holds."""


class WarehouseFloor:
    """Implements `daemon.control.service.Floor`."""

    def __init__(self, system: System, inspection: Inspection) -> None:
        self._system = system
        self._inspection = inspection
        self._orders = OrderAsking(system)
        self._words = PackingWords(system)

    async def picklists(self, warehouse: str, limit: int) -> Sequence[PickList]:
        """Return the fulfilments that the floor may pick, the first promised first, each along its slots."""
        stock = await self._stock(warehouse)
        floor = (each for each in stock.fulfilments.values() if each.state == "floor")
        lists = [_picklist(fulfilment, stock) for fulfilment in itertools.islice(floor, limit)]
        words = await self._words.of_all(each.order for each in lists)
        holds = await self._holds({each.order for each in lists})
        return [
            msgspec.structs.replace(each, packing=words[each.order], holds=holds.get(each.order, ()))
            for each in lists
        ]

    async def _holds(self, orders: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Return why those of these orders that are held are so; mostly none is, which costs no look."""
        system = self._system
        last: OrderRow | None = None
        found: dict[str, Sequence[str]] = {}
        while system.census.counts()["held"] and (
            rows := await system.journal.orders_in(("held",), HELD_TOGETHER, last)
        ):
            for order in (row.order for row in rows if row.order in orders):
                try:
                    found[order] = told_holds(await system.hall.ask(order, Wake()))
                except SetAsideError:
                    found[order] = (f"wharfctl order show {order} tells",)
            last = rows[-1]
        return found

    async def label(self, parcel: str) -> Label:
        """Return a parcel's label."""
        return await find_label(self._system.journal, parcel)

    async def stock(self, warehouse: str, sku: str | None) -> Sequence[StockLevel]:
        """Return where the units stand."""
        shelves = (await self._stock(warehouse)).shelves
        if sku is not None and sku not in shelves:
            raise Refused(f"{warehouse} never held {sku}", NOT_FOUND)
        return [
            self._level(warehouse, name, shelf)
            for name, shelf in sorted(shelves.items())
            if sku in (None, name)
        ]

    def _level(self, warehouse: str, sku: str, shelf: Shelf) -> StockLevel:
        owed = self._system.expected.get((warehouse, sku), ())
        return StockLevel(
            warehouse,
            sku,
            shelf.slot,
            shelf.available,
            shelf.reserved,
            shelf.picked,
            shelf.quarantine,
            expected=sum(each.units for each in owed),
            due=owed[0].due if owed else None,
        )

    async def explain(self, warehouse: str, sku: str, limit: int) -> StockExplained:
        """Return which movements make up a SKU's figures, the newest first."""
        if sku not in (await self._stock(warehouse)).shelves:
            raise Refused(f"{warehouse} never held {sku}", NOT_FOUND)
        booked = await self._inspection.movements(warehouse, sku, limit)
        (now,) = await self.stock(warehouse, sku)
        earlier = {name: getattr(now, name) for name in INNER_ACCOUNTS}
        for movement in booked:
            for account, units in ((movement.source, movement.units), (movement.target, -movement.units)):
                if account in earlier:
                    earlier[account] += units
        return StockExplained(now, StockLevel(warehouse, sku, now.slot, **earlier), tuple(map(_told, booked)))

    async def stock_everywhere(self, sku: str) -> Sequence[StockLevel]:
        """Return where a SKU's units stand in each warehouse that knows it."""
        return [level for name in await self._knowing(sku) for level in await self.stock(name, sku)]

    async def explain_everywhere(self, sku: str, limit: int) -> Sequence[StockExplained]:
        """Return which movements make up a SKU's figures in each warehouse that knows it."""
        return [await self.explain(name, sku, limit) for name in await self._knowing(sku)]

    async def scan(self, warehouse: str, asked: Scan, mandate: Mandate) -> Done | Trial:
        """Record a pick."""
        return await self._ask(warehouse, Pick(asked.fulfilment, asked.slot, asked.sku, asked.units), mandate)

    async def short(self, warehouse: str, asked: Short, mandate: Mandate) -> Done | Trial:
        """Record that a slot held too few."""
        command = ReportShort(asked.fulfilment, asked.slot, asked.sku, asked.missing, asked.reason)
        return await self._ask(warehouse, command, mandate)

    async def pack(self, warehouse: str, asked: PackFulfilment, mandate: Mandate) -> Done | Trial:
        """Record what lies in which parcel; the parcels are numbered within their fulfilment."""
        parcels = tuple(
            PackedParcel(
                parcel=f"{asked.fulfilment}.{number}",
                lines=tuple(Quantity(line.sku, line.units) for line in parcel.lines),
                weight_g=parcel.weight_g,
            )
            for number, parcel in enumerate(asked.parcels, 1)
        )
        return await self._ask(warehouse, Pack(asked.fulfilment, parcels), mandate)

    async def receive(self, warehouse: str, asked: Reception, mandate: Mandate) -> Done | Trial:
        """Take in goods, and have the ERP told of them; a delivery counts once for each of its SKUs.

        A supplier may split it between warehouses, which the ERP has to book each by itself. Refused where it
        has brought another number of units already: whoever takes in the rest of it would believe it booked.
        """
        delivery = f"{asked.delivery}/{asked.sku}"
        reference = _erp_reference(f"{delivery}/{warehouse}")
        line = ErpLine("1", asked.sku, asked.units, Decimal(0), warehouse)
        document = ErpReception(reference, warehouse, (line,), self._system.surroundings.clock())
        effect = StockEffectRequested(f"erp-reception:{warehouse}:{delivery}", ERP, document)
        command = Receive(delivery, asked.sku, asked.units, asked.slot, (effect,))
        came_before = delivery in self._handle(warehouse).stock.deliveries
        answer = await self._ask(warehouse, command, mandate)
        if came_before:
            await self._compare_with_first(warehouse, effect.effect, asked)
        return answer

    async def _compare_with_first(self, warehouse: str, effect: str, asked: Reception) -> None:
        """Refuse a delivery that has come already, with other units than now, or is another by its names."""
        for first in await self._inspection.asked(stock_stream(warehouse), [effect]):
            if not isinstance(first.document, ErpReception):
                continue
            (line,) = first.document.lines
            if (line.sku, line.units) != (asked.sku, asked.units):
                raise Refused(_counted_once(asked.delivery, f"{line.units} of {line.sku}"))

    async def take_back(self, warehouse: str, asked: Return, mandate: Mandate) -> Done | Trial:
        """Take in what came back of an order, and have the ERP credit it; never more than has left."""
        self._handle(warehouse)
        command = TakeBack(
            delivery=f"{asked.delivery}/{asked.sku}",
            warehouse=warehouse,
            sku=asked.sku,
            units=asked.units,
            condition=asked.condition,
            slot=asked.slot,
            by=mandate.by,
        )
        if mandate.dry_run:
            return await self._orders.would(asked.order, command)
        await self._orders.row(asked.order)
        order = await self._orders.ask(asked.order, command, mandate.key)
        came = order.back.returns.get(command.delivery)
        if came is None:
            left = left_for_customer(order, asked.sku)
            raise Refused(f"{left} of {asked.sku} have left for {asked.order} and not come back")
        if (came.warehouse, came.units, came.condition) != (warehouse, asked.units, asked.condition):
            first = f"{came.units} {came.condition} of {came.sku} to {came.warehouse}"
            raise Refused(_counted_once(asked.delivery, first))
        return Done()

    async def adjust(self, warehouse: str, asked: Adjustment, mandate: Mandate) -> Done | Trial:
        """Correct the shelf, and have the ERP told of it; a name that nobody knows is likely to be a slip."""
        self._handle(warehouse)
        if not asked.new:
            await self._demand_known(asked.sku)
        now = self._system.surroundings.clock()
        reference = _erp_reference(f"adjust {warehouse} {mandate.key} {now.isoformat()}")
        line = ErpLine("1", asked.sku, asked.units, Decimal(0), warehouse)
        document = ErpAdjustment(reference, warehouse, (line,), now)
        effect = StockEffectRequested(f"erp-adjustment:{warehouse}:{reference}", ERP, document)
        return await self._ask(warehouse, Adjust(asked.sku, asked.units, asked.reason, (effect,)), mandate)

    async def _demand_known(self, sku: str) -> None:
        await self._system.loaded.wait()
        directory = self._system.directory
        if directory.knows(sku):
            return
        if not self._system.started.is_set():
            raise Refused(f"{sku} is not known yet: the ERP's stock is being taken over", UNAVAILABLE)
        shelves = [house.stock.shelves for house in directory.warehouses.values()]
        meant = alike(sku, collections.ChainMap(*shelves))
        hint = f"is it {' or '.join(meant)}? " if meant else ""
        why = f"no warehouse ever held {sku}: {hint}receive it, or say that it is a new article (--new)"
        raise Refused(why, NOT_FOUND)

    async def count(self, warehouse: str, asked: Counting, mandate: Mandate) -> Done | Trial:
        """Bring the books to what was counted, and have the ERP told of the difference."""
        now = self._system.surroundings.clock()
        reference = _erp_reference(f"count {warehouse} {mandate.key} {now.isoformat()}")
        command = Count(asked.sku, asked.slot, asked.units, asked.reason, warehouse, reference, now)
        return await self._ask(warehouse, command, mandate)

    async def mirror(self, warehouse: str, asked: MirroredPiece, mandate: Mandate) -> Done | Trial:
        """Take over what the ERP has booked already; it is not told of it."""
        return await self._ask(warehouse, Mirror(asked.sku, asked.units, asked.booked_as), mandate)

    async def assign_slot(self, warehouse: str, asked: SlotAssignment, mandate: Mandate) -> Done | Trial:
        """Say where a SKU lies; a name that nobody knows is likely to be a slip."""
        self._handle(warehouse)
        if not asked.new:
            await self._demand_known(asked.sku)
        return await self._ask(warehouse, AssignSlot(asked.sku, asked.slot), mandate)

    def _handle(self, warehouse: str) -> WarehouseHandle:
        handle = self._system.directory.warehouses.get(warehouse)
        if handle is None:
            raise Refused(f"there is no warehouse {warehouse}", NOT_FOUND)
        return handle

    async def _stock(self, warehouse: str) -> Stock:
        """Return a warehouse's stock once it is known: a daemon that starts has a moment without any."""
        handle = self._handle(warehouse)
        await self._system.loaded.wait()
        return handle.stock

    async def _knowing(self, sku: str) -> Sequence[str]:
        await self._system.loaded.wait()
        houses = self._system.directory.warehouses
        knowing = sorted(name for name, house in houses.items() if sku in house.stock.shelves)
        if not knowing:
            raise Refused(f"no warehouse ever held {sku}", NOT_FOUND)
        return knowing

    async def _ask(self, warehouse: str, command: StockCommand, mandate: Mandate) -> Done | Trial:
        self._handle(warehouse)
        if mandate.dry_run:
            decided = decide(await self._stock(warehouse), command)
            if isinstance(decided.answer, Rejected):
                raise Refused(decided.answer.why)
            return trial(decided.events)
        if self._system.draining:
            raise Refused("the daemon is draining: send it again when it is back", UNAVAILABLE)
        with trio.move_on_after(SCAN_SECONDS_MAX):
            try:
                answer = await self._system.directory.ask_warehouse(warehouse, Keyed(mandate.key, command))
            except SetAsideError as error:
                raise Refused(str(error)) from error
            if isinstance(answer, Rejected):
                raise Refused(answer.why)
            return Done()
        raise Refused(f"{warehouse} has not answered in {SCAN_SECONDS_MAX:.0f} s: send it again", UNAVAILABLE)


def _counted_once(delivery: str, first: str) -> str:
    return f"{delivery} has brought {first} already, and counts once: name what came besides by another name"


def _told(movement: BookedMovement) -> MovementTold:
    data = msgspec.to_builtins(movement.event, str_keys=True)
    about = next((str(data[name]) for name in NAMES_OF_A_CAUSE if data.get(name)), "")
    return MovementTold(movement.at, data["type"], about, movement.source, movement.target, movement.units)


def _picklist(fulfilment: Fulfilment, stock: Stock) -> PickList:
    lines = [
        PickLine(stock.shelves[line.sku].slot, line.sku, line.units, line.picked, line.missing)
        for line in fulfilment.lines
    ]
    lines.sort(key=lambda line: (line.slot, line.sku))
    return PickList(fulfilment.fulfilment, fulfilment.order, tuple(lines))


def _erp_reference(name: str) -> str:
    """Return the name itself where the ERP's field holds it, else a digest that does.

    A correction's name tells when it was asked for: its key may be used again after a day, for another one.
    """
    if len(name) <= ERP_REFERENCE_MAX and name.isascii():
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:ERP_REFERENCE_MAX]
