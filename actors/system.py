"""All actors of a daemon, wired together over ports.

Who starts first, who supervises whom, and how they drain.

It knows no adapter; `daemon/compose.py` hands it the ports. What stands here is only the order of things.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from actors.attempt import Observe
from actors.carrier import Carrier
from actors.census import WATCHED, Census
from actors.channel import Channel, ChannelSettings
from actors.desk import MAILBOX_MAX as DESK_MAILBOX_MAX
from actors.desk import Desk, set_aside_by
from actors.directory import Clock, Directory, WarehouseHandle
from actors.domain.assortment import Assortment
from actors.domain.carrier_choice import CarrierRule
from actors.domain.documents import ERP
from actors.domain.erp_word import ErpWord
from actors.domain.order_commands import OrderCommand
from actors.domain.order_life import Facts
from actors.domain.order_state import Order
from actors.domain.routing import RoutingRules, fillable
from actors.domain.stock_events import Quantity
from actors.drain import Drain
from actors.erp import take_over_stock
from actors.erp_reader import Arrival, ErpReader, Pauses
from actors.errors import PartnerError
from actors.gatekeeper import Gatekeeper
from actors.mailbox import Mailbox, SetAsideError
from actors.order import OrderHall, OrderMoved
from actors.owners import Owners
from actors.partners import Partners, Way, ways_to
from actors.ports.journal import Event, Journal
from actors.supervisor import supervise
from actors.waker import Waker
from actors.warehouse import MAILBOX_MAX as WAREHOUSE_MAILBOX_MAX
from actors.warehouse import Warehouse

log = structlog.get_logger(__name__)

TAKE_OVER_RETRY_S = 5.0
"""A first start without the ERP's stock has nothing to promise: it asks again until the ERP answers."""


NO_WORD = ErpWord()


@dataclass(frozen=True, slots=True)
class Rules:
    """What may change while the daemon runs (SIGHUP): routing, carriers, and what channels' articles hold."""

    routing: RoutingRules
    carriers: tuple[CarrierRule, ...]
    assortments: Mapping[str, Assortment] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything impure that actors are handed: the time, chance, and where figures go.

    `before_intake` is called once all that a start loads is in memory, right before an order is taken in.
    """

    clock: Clock
    entropy: Callable[[int], bytes]
    rng: random.Random
    observe: Observe = lambda partner, outcome, seconds, stream: None  # noqa: ARG005 - nobody listens by default
    moved: OrderMoved = lambda before, after, events: None  # noqa: ARG005 - the same
    before_intake: Callable[[], None] = lambda: None


@dataclass(slots=True)
class System:
    """The actors.

    `run` starts them and returns when they have drained, or raises what none of them survives.

    Attributes:
        loaded: set once each warehouse's stock stands in memory as the journal has it.
        started: set once orders can flow.
        stock_untold: why the start still waits for the ERP's stock, "" where it does not.
    """

    journal: Journal
    partners: Partners
    channels: tuple[ChannelSettings, ...]
    rules: Rules
    surroundings: Surroundings
    carrier_poll_s: float = 60.0
    erp_pauses: Pauses = field(default_factory=Pauses)
    directory: Directory = field(init=False)
    hall: OrderHall = field(init=False)
    desk: Desk = field(init=False)
    waker: Waker = field(init=False)
    gatekeeper: Gatekeeper = field(init=False)
    reader: ErpReader | None = field(init=False, default=None)
    _routing: RoutingRules = field(init=False)
    _carriers: tuple[CarrierRule, ...] = field(init=False)
    census: Census = field(init=False, default_factory=Census)
    drains: dict[str, Drain] = field(init=False, default_factory=dict)
    shops: dict[str, Channel] = field(init=False, default_factory=dict)
    draining: bool = field(init=False, default=False)
    loaded: trio.Event = field(init=False, default_factory=trio.Event)
    started: trio.Event = field(init=False, default_factory=trio.Event)
    stock_untold: str = field(init=False, default="")
    _intake: trio.CancelScope = field(init=False, default_factory=trio.CancelScope)
    _stop: trio.Event = field(init=False, default_factory=trio.Event)
    _all_there: trio.Event = field(init=False, default_factory=trio.Event)

    def __post_init__(self) -> None:
        names = [site.name for site in self.rules.routing.warehouses]
        self.directory = Directory(
            {name: WarehouseHandle(name, Mailbox(WAREHOUSE_MAILBOX_MAX)) for name in names}
        )
        self.hall = OrderHall(self.journal, self.directory, self.facts, self._set_aside, self._moved)
        self.desk = Desk(self.journal, self.surroundings.clock, Mailbox(DESK_MAILBOX_MAX))
        self.waker = Waker(self.journal, self.hall, self.surroundings.clock)
        self.gatekeeper = Gatekeeper(self.journal, self.surroundings.clock, self._gates_changed)
        self._through_gates()
        if self.partners.books is not None:
            self.reader = ErpReader(
                self.partners.books,
                self.journal,
                self.hall,
                self.desk,
                tuple(self.partners.shops),
                self.erp_pauses,
            )
        self.directory.on_arrival(self.waker.stock_arrived)
        self.directory.on_room(self._room_came)
        owners = Owners(self.hall, self.directory, self.desk, self.surroundings.entropy)
        for way in ways_to(self.partners):
            self._add_drain(way, owners)

    def facts(self) -> Facts:
        """Return what a decision may look at now."""
        return Facts(
            now=self.surroundings.clock(),
            rules=self._routing,
            carriers=self._carriers,
            picture=self.directory.picture,
            knows=self.directory.knows,
            load=self.directory.load,
            erp=self.reader.word if self.reader is not None else NO_WORD,
        )

    @property
    def expected(self) -> Mapping[tuple[str, str], Sequence[Arrival]]:
        """What suppliers owe by warehouse and SKU, the first due first; empty before it was read."""
        return self.reader.expected if self.reader is not None else {}

    @property
    def ready(self) -> bool:
        """Whether orders can flow."""
        return self.started.is_set() and not self.draining

    @property
    def phase(self) -> str:
        """Return "starting", "running" or "draining"."""
        if self.draining:
            return "draining"
        return "running" if self.ready else "starting"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start everybody in the order in which they lean on each other; `started` once orders can flow."""
        async with trio.open_nursery() as nursery:
            await self.gatekeeper.load()
            self._through_gates()
            self.census.load(await self.journal.orders_since(WATCHED))
            await nursery.start(self.hall.run)
            await nursery.start(partial(supervise, "desk", self.desk.run, on_crash=self.desk.crashed))
            for handle in self.directory.warehouses.values():
                await self._start_warehouse(nursery, handle)
            self.loaded.set()
            await self._take_over_stock()
            await self._look_for_arrivals()
            self._make_channels()  # an order that is woken asks its channel before it goes on a floor
            self._all_there.set()
            for name, drain in self.drains.items():
                await nursery.start(supervise, f"drain {name}", drain.run)
            self.surroundings.before_intake()
            nursery.start_soon(self._take_in)
            self.started.set()
            task_status.started()
            await self._stop.wait()
            await self._drain()
            nursery.cancel_scope.cancel()

    def stop(self) -> None:
        """Take nothing new in, bring what is in hand to a recorded point, and let `run` return."""
        self.draining = True
        self._intake.cancel()
        self._stop.set()

    @property
    def routing(self) -> RoutingRules:
        """The routing rules in force, through the gates."""
        return self._routing

    def _through_gates(self) -> None:
        """Renew the rules in force: they are asked for with every decision, and change once a month."""
        self._routing = self.gatekeeper.routing(self.rules.routing)
        self._carriers = self.gatekeeper.carriers(self.rules.carriers)

    def _gates_changed(self) -> None:
        self._through_gates()
        self.waker.rules_changed(self._fillable)

    def _room_came(self, warehouse: str) -> None:
        if warehouse in self.gatekeeper.gates.caps:
            self.waker.room_came(self._fillable)

    def _fillable(self, wanted: Sequence[Quantity]) -> bool:
        return fillable(wanted, self.directory.picture, self._routing, self.directory.load)

    def reload(self, rules: Rules) -> None:
        """Decide by other rules from now on; the warehouses stay those of the start."""
        self.rules = rules
        self._gates_changed()
        for name, channel in self.shops.items():
            channel.sells(rules.assortments.get(name, Assortment()))
        log.info("rules_reloaded", version=rules.routing.version, carrier_rules=len(rules.carriers))

    def _moved(self, before: Order, after: Order, events: Sequence[Event]) -> None:
        self.census.moved(before, after)
        self.surroundings.moved(before, after, events)

    async def _start_warehouse(self, nursery: trio.Nursery, handle: WarehouseHandle) -> None:
        actor = Warehouse(handle, self.journal, self.directory, self._tell_of_floor, self.surroundings.clock)

        async def crashed(error: Exception) -> None:
            for letter in handle.mailbox.after_crash():
                kind = type(getattr(letter.message, "command", letter.message)).__name__
                await self._set_aside(f"warehouse {handle.name}", kind, type(error).__name__)
                if letter.reply is not None:
                    letter.reply.fail(SetAsideError(f"{kind} for {handle.name} was set aside"))

        async def run() -> None:
            await supervise(f"warehouse {handle.name}", actor.run, on_crash=crashed, task_status=started)

        started = _Started()
        nursery.start_soon(run)
        await started.event.wait()

    async def _tell_of_floor(self, order: str, command: OrderCommand) -> None:
        """Let an order hear of a floor, at a start only once it can see all stock, and ask its shop."""
        await self._all_there.wait()
        await self.hall.tell(order, command)

    async def _set_aside(self, actor: str, message: str, error: str) -> None:
        await set_aside_by(self.desk.raise_anomaly)(actor, message, error)

    def _add_drain(self, way: Way, owners: Owners) -> None:
        drain = Drain(
            way.name,
            self.journal,
            way.door,
            owners,
            workers=way.workers,
            rng=self.surroundings.rng,
            observe=self.surroundings.observe,
            precedence=self.directory.precedence if way.name == ERP else None,
        )
        self.drains[way.name] = drain
        self.directory.on_effect(way.name, drain.add)

    async def _take_over_stock(self) -> None:
        while not self._stop.is_set():
            try:
                await take_over_stock(
                    self.partners.erp, self.journal, self.directory, self.surroundings.clock
                )
            except PartnerError as error:
                self.stock_untold = str(error)
                log.warning("stock_not_taken_over", error=type(error).__name__, detail=str(error))
                with trio.move_on_after(TAKE_OVER_RETRY_S):
                    await self._stop.wait()
            else:
                self.stock_untold = ""
                return

    async def _look_for_arrivals(self) -> None:
        """Wake the orders whose units came without their hearing of it: the last daemon died in between.

        Nobody knows either by which rules it decided.
        """
        self.waker.rules_changed(self._fillable)
        available = self.directory.available()
        for sku in await self.journal.wanted():
            if available.get(sku):
                self.waker.stock_arrived(sku)

    async def _take_in(self) -> None:
        """Everything that brings new work; all of it ends when the daemon drains."""
        with self._intake:
            async with trio.open_nursery() as nursery:
                for name, channel in self.shops.items():
                    nursery.start_soon(supervise, f"channel {name}", channel.run)
                    nursery.start_soon(supervise, f"second look {name}", channel.second_look.run)
                for name, port in self.partners.carriers.items():
                    carrier = Carrier(name, port, self.journal, self.hall, self.desk, self.carrier_poll_s)
                    nursery.start_soon(supervise, f"carrier {name}", carrier.run)
                if self.reader is not None:
                    nursery.start_soon(supervise, "erp reader", self.reader.run)
                nursery.start_soon(supervise, "clocks", self.waker.watch_clocks)
                arrivals = partial(self.waker.watch_arrivals, self.directory.has_units)
                nursery.start_soon(supervise, "arrivals", arrivals)
                nursery.start_soon(
                    supervise, "outboxes", partial(self.desk.watch_outboxes, tuple(self.drains))
                )

    def _make_channels(self) -> None:
        entropy, assortments = self.surroundings.entropy, self.rules.assortments
        for settings in self.channels:
            name, shop = settings.name, self.partners.shops[settings.name]
            channel = Channel(
                settings,
                shop,
                self.journal,
                self.hall,
                self.desk,
                self.directory,
                entropy,
                self.surroundings.clock,
            )
            channel.sells(assortments.get(name, Assortment()))
            self.shops[name] = channel
        for settings in self.channels:
            if settings.stock_with:
                self.shops[settings.stock_with].share_stock(self.shops[settings.name])

    async def _drain(self) -> None:
        """Whoever hands work on comes before whoever takes it. The caller bounds the time."""
        async with trio.open_nursery() as nursery:  # all at once: who waits for a slow one begins nothing
            for drain in self.drains.values():
                nursery.start_soon(drain.finish)
        await self.hall.drain()
        for handle in self.directory.warehouses.values():
            await handle.mailbox.emptied()
        await self.hall.drain()
        log.info("drained")


class _Started(trio.TaskStatus[None]):
    """Remembers that an actor is ready, without tying its supervisor to whoever waits for it."""

    def __init__(self) -> None:
        self.event = trio.Event()

    def started(self, value: None = None) -> None:
        del value
        self.event.set()
