"""Plays the demo: places orders, lets the crews work, receives what was awaited, waits until all rests."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import trio

from adapters.postgres.embedded import EmbeddedPostgres, temporary_folder
from daemon.control.answers import ControlError
from daemon.demo.crew import Crew
from daemon.demo.real_front import Waiting, open_real_front
from daemon.demo.report import DONE, figures, is_sound
from daemon.demo.scenario import WAREHOUSES, Fate, PlannedOrder, Scenario, plan, plan_from
from daemon.demo.screen import Screen
from daemon.demo.stage import DaemonProcess, House, open_house, open_stage

PEOPLE = 3
"""Pickers in each warehouse."""

SETTLE_S_MAX = 600.0
"""A demo that has not come to rest ten minutes after its time reports what is still open and fails."""

ORDER_S_MAX = 0.5
"""Of an order, in somebody's shop or on a machine that has other work: several times what it takes."""

LOOK_EVERY_S = 0.5

SOCKET_ROOM = len("/wharfinger-12345678/control.sock")
"""What the control socket needs below the folder for temporary ones: a socket's path is short."""

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `timeout`, and a terminal that is closed."""


@dataclass(slots=True)
class Play:
    """One demo under way."""

    stage: House
    screen: Screen
    place_every_s: float | None = None
    left_alone: set[str] = field(default_factory=set)
    too_late: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    crews: dict[str, Crew] = field(default_factory=dict)
    placed_first: str = ""

    def __post_init__(self) -> None:
        weights = {article.sku: article.weight_g for article in self.stage.scenario.articles}
        for site in WAREHOUSES:
            self.crews[site] = Crew(site, self.stage.client, weights, self.left_alone, self.packed)

    async def packed(self, order: str) -> None:
        """The customer of an order that is cancelled too late calls now."""
        if order in self.too_late:
            self.too_late.discard(order)
            self.called.add(order)
            await self.stage.front.cancel(order.removeprefix("main-"))
        await trio.lowlevel.checkpoint()

    async def run(self) -> None:
        """Return when every order has come to its end and the partners have been told."""
        slots = {article.sku: article.slot for article in self.stage.scenario.articles}
        for crew in self.crews.values():
            await crew.put_away(slots)
        async with trio.open_nursery() as nursery:
            for crew in self.crews.values():
                nursery.start_soon(crew.work, PEOPLE)
            nursery.start_soon(self._look_on)
            nursery.start_soon(self._answer_who_called)
            seconds = patience_s(len(self.stage.scenario.orders))
            with trio.move_on_after(seconds) as bound:
                await self._place_all()
                await self._receive_what_is_awaited()
                await self._come_to_rest()
            nursery.cancel_scope.cancel()
        if bound.cancelled_caught:
            self.screen.tell(f"It has not come to rest within {seconds:.0f} s: what is open counts as wrong.")

    async def _place_all(self) -> None:
        orders = iter(list(enumerate(self.stage.scenario.orders)))
        async with trio.open_nursery() as nursery:
            for _ in range(self.stage.front.at_once):
                nursery.start_soon(self._place, orders, nursery)

    async def _place(self, orders: Iterator[tuple[int, PlannedOrder]], nursery: trio.Nursery) -> None:
        """Place what is not placed yet; what is to become of an order is noted before it is worked on."""
        pause_s = self.stage.front.place_every_s if self.place_every_s is None else self.place_every_s
        for number, order in orders:
            placed = await self.stage.front.place(number, order, partial(self._foretell, order.fate))
            self.placed_first = self.placed_first or f"main-{placed}"
            if order.fate == "cancelled_early":
                nursery.start_soon(self._cancel_early, f"main-{placed}")
            await trio.sleep(pause_s)

    def _foretell(self, fate: Fate, shop_order: str) -> None:
        if fate == "cancelled_early":
            self.left_alone.add(f"main-{shop_order}")
        elif fate == "cancelled_late":
            self.too_late.add(f"main-{shop_order}")

    async def _cancel_early(self, order: str) -> None:
        """Cancel once the order lies on a floor, before anybody picks it."""
        await self._until(order, "picking")
        await self.stage.front.cancel(order.removeprefix("main-"))

    async def _until(self, order: str, state: str) -> None:
        while await self._state(order) != state:
            await trio.sleep(0.1)

    async def _state(self, order: str) -> str:
        try:
            story = await self.stage.client.get(f"/v1/orders/{order}")
        except ControlError:
            return "not imported yet"
        return str(story["order"]["state"])

    async def _receive_what_is_awaited(self) -> None:
        """Let the goods arrive only once every order that waits for them is known to wait."""
        waiting = sum(order.fate == "waits" for order in self.stage.scenario.orders)
        while await self._count("backordered") < waiting:
            await trio.sleep(0.1)
        for sku, units in self.stage.scenario.awaited().items():
            await self.crews["lyon"].receive(f"D-{sku}", sku, units, _slot(self.stage.scenario, sku))

    async def _count(self, state: str) -> int:
        status = await self.stage.client.get("/v1/status")
        return int(status["orders"].get(state, 0))

    async def _come_to_rest(self) -> None:
        """Wait until no order is open, the outbox is empty and the shop shows what the ledger can promise."""
        while True:
            status = await self.stage.client.get("/v1/status")
            under_way = sum(count for state, count in status["orders"].items() if state not in DONE)
            # The shop is asked only when there is a chance: it may be somebody's, and slow.
            untold = sum(partner["pending"] for partner in status["partners"])
            if not (under_way or untold) and is_sound(await figures(self.stage, NO_AUDIT, 0.0)):
                return
            await trio.sleep(LOOK_EVERY_S)

    async def _answer_who_called(self) -> None:
        """Be the person who is asked about an order that was cancelled when a part of it had left.

        Any order may be split while units are short. The customer is talked round, and the rest follows.
        """
        while True:
            await trio.sleep(LOOK_EVERY_S)
            for order in sorted(self.called):
                state = await self._state(order)
                if state == "held":
                    await self.stage.client.post(
                        f"/v1/orders/{order}/release", {"hold": "manual"}, f"talked-round-{order}"
                    )
                elif state in DONE:
                    self.called.discard(order)

    async def _look_on(self) -> None:
        while True:
            status = await self.stage.client.get("/v1/status")
            self.screen.show(status, self.stage.front.placed, len(self.stage.carrier.labels))
            await trio.sleep(LOOK_EVERY_S)


def patience_s(orders: int) -> float:
    """Return for how long so many orders are waited for, from the first one that is placed."""
    return SETTLE_S_MAX + orders * ORDER_S_MAX


NO_AUDIT: Mapping[str, Any] = {
    "ok": True,
    "events": 0,
    "movements": 0,
    "oversold_units": 0,
    "chain": "unread",
}
"""Stands in while the demo looks whether everything has come to rest; the audit comes at the end."""


def _slot(scenario: Scenario, sku: str) -> str:
    return next(article.slot for article in scenario.articles if article.sku == sku)


def audit(config: Path) -> Mapping[str, Any]:
    """Run `wharfinger audit` as an operator does, and return what it printed."""
    command = [sys.executable, "-m", "daemon", "audit", "--json", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        answer: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise RuntimeError(f"the audit failed: {done.stderr[-2_000:]}") from error
    return answer


@dataclass(frozen=True, slots=True)
class Wish:
    """What demo somebody wants; with `stay` everything stays up afterwards, to be looked at, until Ctrl-C.

    `shop_url` and `shop_key` name somebody's shop to sell in; without them one is simulated.
    """

    orders: int
    seed: int
    stay: bool
    report: Path | None
    shop_url: str = ""
    shop_key: str = field(default="", repr=False)


def run_demo(wish: Wish) -> bool:
    """Play a demo on this machine; return whether everything came out right."""
    with tempfile.TemporaryDirectory(prefix="wharfinger-", dir=temporary_folder(SOCKET_ROOM)) as name:
        folder = Path(name)
        with EmbeddedPostgres(folder / "pg") as server:
            return trio.run(_play, wish, folder, server.dsn)


@asynccontextmanager
async def _house(wish: Wish, folder: Path, dsn: str, tell: Callable[[str], None]) -> AsyncGenerator[House]:
    if not wish.shop_url:
        async with open_stage(plan(wish.orders, wish.seed), wish.seed, folder, dsn) as stage:
            yield stage
        return
    async with open_real_front(wish.shop_url, wish.shop_key, Waiting(tell)) as front:
        scenario = plan_from(await front.goods(), wish.orders, wish.seed)
        async with open_house(scenario, wish.seed, folder, dsn, front) as house:
            yield house


async def _play(wish: Wish, folder: Path, dsn: str) -> bool:
    """Play it, and clean up after it, also where somebody ends it before.

    Raises:
        KeyboardInterrupt: it was ended before it had come to anything.
    """
    came_to: list[bool] = []
    with _until_a_signal():
        await _perform(wish, folder, dsn, came_to)
    if not came_to:
        raise KeyboardInterrupt
    return came_to[0]


@contextmanager
def _until_a_signal() -> Generator[None]:
    """Cancel what is done within once a signal that ends programs comes; one that is ignored stays so."""
    token = trio.lowlevel.current_trio_token()
    with trio.CancelScope() as scope:

        def end(_signal: int, _frame: FrameType | None) -> None:
            token.run_sync_soon(scope.cancel, idempotent=True)

        heeded = [one for one in ENDINGS if signal.getsignal(one) != signal.SIG_IGN]
        kept = {one: signal.signal(one, end) for one in heeded}
        try:
            yield
        finally:
            for one, handler in kept.items():
                signal.signal(one, handler)


async def _perform(wish: Wish, folder: Path, dsn: str, came_to: list[bool]) -> None:
    began = trio.current_time()
    with Screen(wish.orders) as screen:
        async with _house(wish, folder, dsn, screen.tell) as stage:
            process = DaemonProcess(stage.config, stage.log_file)
            process.start()
            try:
                await process.until_ready(stage.client)
                play = Play(stage, screen)
                await play.run()
                seconds = trio.current_time() - began
                proof = await trio.to_thread.run_sync(audit, stage.config)
                report = await figures(stage, proof, seconds)
                sound = is_sound(report)
                if wish.report is not None:
                    await trio.Path(wish.report).write_text(json.dumps(report, indent=2) + "\n")
                screen.end(report, sound=sound)
                came_to.append(sound)
                if wish.stay:
                    screen.invite(
                        stage.folder / "control.sock", stage.config, stage.web_port, play.placed_first
                    )
                    await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await process.stop()
