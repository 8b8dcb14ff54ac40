"""The waker: has orders look again whose clock is due, or whom units, room or other rules may help.

Nothing waits unseen: every order has a clock in the index, and the waker reads the index. It decides nothing
about an order; the woken order does. An order that was silent beyond its clock puts that before a person.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
import trio

from actors.concerning import concerning
from actors.directory import Clock
from actors.domain.order_commands import Wake
from actors.domain.stock_events import Quantity
from actors.mailbox import SetAsideError
from actors.order import OrderHall
from actors.ports.journal import Journal, OrderRow

log = structlog.get_logger(__name__)

Fillable = Callable[[Sequence[Quantity]], bool]
"""Tells whether all that an order waits for could be promised now."""

CLOCK_CHECK_S = 1.0
"""How often the index is asked for due orders.

One indexed read, and a second is soon enough for any clock.
"""

DUE_MAX = 500
"""Orders woken at a time, so that a restart with 100,000 open orders does not wake them all at once."""

WAKE_AGAIN_S_FIRST = 30.0
WAKE_AGAIN_S_MAX = 600.0
"""A woken order that is still due is stuck: it is asked again ever more rarely.

So it keeps nobody else from being woken, and a step that crashes its warehouse does not fell it with the
daemon.
"""

WAITING_MAX = 1_000
"""Waiting orders looked at together, the first placed first; then the next, as long as it may help them."""

ARRIVALS_LOOKED_UP_MAX = 50
"""Of more SKUs that came at once, as with the ERP's stock at the first start, it is asked first which are
wanted at all: one look instead of one for each."""

ARRIVALS_MAX = 10_000
"""SKUs whose arrival is still to be looked at; where there were more, all that is wanted is looked at."""


@dataclass(slots=True)
class _Woken:
    """When a due order is woken again, should it still be due by then."""

    again_at: float = 0.0
    pause_s: float = WAKE_AGAIN_S_FIRST


class Waker:
    """Wakes orders by their clocks, and by what it is told has come."""

    def __init__(self, journal: Journal, hall: OrderHall, clock: Clock) -> None:
        self._journal = journal
        self._hall = hall
        self._clock = clock
        self._arrived: set[str] = set()
        self._overflowed = False
        self._arrival = trio.Event()
        self._fillable: Fillable | None = None
        self._rules_changed = False

    def rules_changed(self, fillable: Fillable) -> None:
        """Note that orders are routed and parcels assigned by other rules from now on."""
        self._rules_changed = True
        self.room_came(fillable)

    def room_came(self, fillable: Fillable) -> None:
        """Note that a warehouse may have more in hand again; `fillable` tells whom that helps."""
        self._fillable = fillable
        self._arrival.set()

    def stock_arrived(self, sku: str) -> None:
        """Note that units of the SKU can be promised."""
        if len(self._arrived) < ARRIVALS_MAX:
            self._arrived.add(sku)
        else:
            self._overflowed = True
        self._arrival.set()

    async def watch_clocks(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wake orders whose clock is due, as often as it takes until they have acted."""
        task_status.started()
        woken: dict[str, _Woken] = {}
        while True:
            now = trio.current_time()
            due = await self._journal.orders_due(self._clock(), DUE_MAX + len(woken))
            woken = {order: woken.get(order, _Woken()) for order in due}
            for order, last in woken.items():
                if now >= last.again_at:
                    last.again_at = now + last.pause_s
                    last.pause_s = min(2 * last.pause_s, WAKE_AGAIN_S_MAX)
                    await self._wake(order, Wake())
            await trio.sleep(CLOCK_CHECK_S)

    async def watch_arrivals(
        self,
        has_units: Callable[[str], bool] = lambda _sku: True,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Wake orders that wait for stock that came, one after another: the first placed is served first.

        Other rules, and room in a warehouse that is capped, may help orders as stock does. `has_units` tells
        whether there are units of a SKU left to be promised.
        """
        task_status.started()
        while True:
            await self._arrival.wait()
            self._arrival = trio.Event()
            if len(self._arrived) > ARRIVALS_LOOKED_UP_MAX or self._overflowed:
                arrived, self._arrived = self._arrived, set()
                is_all, self._overflowed = self._overflowed, False
                wanted = (await self._journal.wanted()).keys()
                self._arrived |= wanted if is_all else arrived & wanted
            while self._arrived:
                await self._wake_for_units(self._arrived.pop(), has_units)
            fillable, self._fillable = self._fillable, None
            if fillable is not None:
                await self._wake_fillable(fillable)
            if self._rules_changed:
                self._rules_changed = False
                await self._wake_for_carriers()

    async def _wake_for_units(self, sku: str, has_units: Callable[[str], bool]) -> None:
        """Wake who waits for the SKU; beyond the first ones only as long as there are units of it."""
        woken: set[str] = set()
        while True:
            # Whoever was woken and waits on stands before the next.
            waiting = await self._journal.orders_waiting_for(sku, WAITING_MAX + len(woken))
            wave = [order for order in waiting if order not in woken]
            for order in wave:
                await self._wake(order, Wake(units_came=True))
            woken.update(wave)
            if len(wave) < WAITING_MAX or not has_units(sku):
                return

    async def _wake_fillable(self, fillable: Fillable) -> None:
        """Wake whom other rules or room help, asking anew before each: the one before may have taken it."""
        last: OrderRow | None = None
        while rows := await self._journal.orders_in(("backordered",), WAITING_MAX, last):
            for row in rows:
                if fillable(row.waiting_for):
                    await self._wake(row.order, Wake())
            last = rows[-1]

    async def _wake_for_carriers(self) -> None:
        for anomaly in await self._journal.anomalies(WAITING_MAX):
            if anomaly.problem == "no_carrier":
                await self._wake(anomaly.stream.removeprefix("order-"), Wake())

    async def _wake(self, order: str, wake: Wake) -> None:
        with concerning(order):
            try:
                await self._hall.ask(order, wake)
            except SetAsideError:
                log.warning("order_not_woken")
