"""A merchant with a daemon of its own: partners on loopback, crews on the floor, and what the daemon says."""

import itertools
import json
import os
import signal
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
import trio

from adapters.channels.prestashop.simulator import Shopper
from adapters.postgres.embedded_binaries import Binaries, available_binaries
from daemon.control.answers import ControlError
from daemon.demo.crew import Crew
from daemon.demo.fronts import SERVICE_CARRIER
from daemon.demo.scenario import WAREHOUSES, plan
from daemon.demo.stage import DaemonProcess, Stage, open_stage

LOOK_EVERY_S = 0.05
SECONDS_MAX = 30.0
"""Longer than any back-off that these tests cause; what has not come by then does not come."""


@dataclass(slots=True)
class Merchant:
    """Everything of one merchant that a test looks at or disturbs."""

    stage: Stage
    daemon: DaemonProcess
    left_alone: set[str] = field(default_factory=set)
    deliveries: int = 0

    def place(
        self, *lines: tuple[str, int], shopper: Shopper | None = None, carrier: int = SERVICE_CARRIER
    ) -> str:
        """Place an order in the shop; return our name for it."""
        return f"main-{self.stage.shop.place_order(lines, shopper or Shopper(), carrier=carrier)}"

    async def receive(self, sku: str, units: int, site: str = "lyon") -> None:
        """Take goods in that nobody has announced."""
        self.deliveries += 1
        delivery = f"D{self.deliveries}"
        body = {"delivery": delivery, "sku": sku, "units": units, "slot": "Z-01"}
        await self.stage.client.post(f"/v1/warehouses/{site}/receptions", body, delivery)

    async def start(self) -> None:
        """Start the daemon (again), and return once it takes orders."""
        self.daemon.start()
        await self.daemon.until_ready(self.stage.client)

    def signal(self, number: signal.Signals) -> None:
        assert self.daemon.process is not None
        os.kill(self.daemon.process.pid, number)

    async def ended(self) -> int:
        """Return the daemon's exit code once it has ended."""
        process = self.daemon.process
        assert process is not None
        with trio.fail_after(SECONDS_MAX):
            while (code := process.poll()) is None:
                await trio.sleep(LOOK_EVERY_S)
        return code

    async def ask(self, path: str) -> dict[str, Any]:
        return dict(await self.stage.client.get(path))

    async def state(self, order: str) -> str:
        """Return the state of an order, "" while the daemon has not heard of it."""
        try:
            return str((await self.ask(f"/v1/orders/{order}"))["order"]["state"])
        except ControlError:
            return ""

    async def until(self, order: str, *states: str) -> None:
        """Return once the order is in one of the states. It is not looked at, since a look wakes it."""
        seen: list[dict[str, Any]] = []

        async def is_there() -> bool:
            seen[:] = (await self.ask("/v1/orders"))["orders"]
            return any(each["order"] == order and each["state"] in states for each in seen)

        await self.becomes(is_there, lambda: f"{order} is not {states}: {seen}")

    async def shipped(self, *orders: str) -> None:
        for order in orders:
            await self.until(order, "shipped", "delivered")

    async def anomalies(self) -> list[dict[str, Any]]:
        return list((await self.ask("/v1/anomalies"))["anomalies"])

    async def anomaly(self, problem: str, about: str = "") -> dict[str, Any]:
        """Return the anomaly of that problem about that, once there is one."""
        found: list[dict[str, Any]] = []
        seen: list[dict[str, Any]] = []

        async def is_there() -> bool:
            seen[:] = await self.anomalies()
            found[:] = [each for each in seen if each["problem"] == problem and about in each["anomaly"]]
            return bool(found)

        await self.becomes(is_there, lambda: f"no {problem} about {about}: {seen}")
        (one,) = found
        return one

    async def no_anomalies(self, but: str = "") -> None:
        """Return once nothing is left for a person to look at, but for problems of that one kind."""
        seen: list[dict[str, Any]] = []

        async def is_there() -> bool:
            seen[:] = [each for each in await self.anomalies() if each["problem"] != but]
            return not seen

        await self.becomes(is_there, lambda: f"left: {seen}")

    async def told(self) -> None:
        """Return once no partner has still to be told anything."""
        seen: list[dict[str, Any]] = []

        async def is_there() -> bool:
            seen[:] = (await self.ask("/v1/outbox"))["outbox"]
            return not seen

        await self.becomes(is_there, lambda: f"not told: {seen}")

    async def becomes(
        self, is_so: Callable[[], Awaitable[bool]], what: Callable[[], str] = lambda: ""
    ) -> None:
        """Return once it is so; fail with what was seen, and the daemon's last words, when it never is."""
        with trio.move_on_after(SECONDS_MAX):
            while not await is_so():
                await trio.sleep(LOOK_EVERY_S)
            return
        raise AssertionError(f"{what()}\n{self.text()[-3_000:]}")

    async def logged(self, event: str, **fields: object) -> dict[str, Any]:
        """Return the first line of the log of that event with those fields, once there is one."""
        found: list[dict[str, Any]] = []

        async def is_there() -> bool:
            await trio.lowlevel.checkpoint()
            found[:] = [
                line for line in self.log() if line["event"] == event and fields.items() <= line.items()
            ]
            return bool(found)

        await self.becomes(is_there, lambda: f"{event} was not logged")
        return found[0]

    async def says(self, words: str) -> bool:
        await trio.lowlevel.checkpoint()
        return words in self.text()

    async def has_labels(self, count: int) -> bool:
        await trio.lowlevel.checkpoint()
        return len(self.stage.carrier.labels) >= count

    def text(self) -> str:
        return self.daemon.log_file.read_text(errors="replace") if self.daemon.log_file.exists() else ""

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of the log; what is no JSON is a line for people and has the event ""."""
        lines: list[dict[str, Any]] = []
        for line in self.text().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                lines.append({"event": "", "line": line})
        return lines


class Open(Protocol):
    """Opens a merchant on the test's own database, or on that of `dsn`.

    `changed` are changes to the settings, each an old text and the new one.
    """

    def __call__(
        self, *, dsn: str = "", start: bool = True, changed: Sequence[tuple[str, str]] = ()
    ) -> AbstractAsyncContextManager[Merchant]: ...


@asynccontextmanager
async def _open(
    folder: Path, dsn: str, *, start: bool = True, changed: Sequence[tuple[str, str]] = ()
) -> AsyncGenerator[Merchant]:
    scenario = plan(0, 1)
    async with open_stage(scenario, 1, folder, dsn) as stage, trio.open_nursery() as nursery:
        text = stage.config.read_text()
        quick = (("poll_seconds = 0.5", "poll_seconds = 0.15"), ("reread_seconds = 6", "reread_seconds = 2"))
        for old, new in (*quick, *changed):
            assert old in text
            text = text.replace(old, new)
        stage.config.write_text(text)
        merchant = Merchant(stage, DaemonProcess(stage.config, stage.log_file))
        weights = defaultdict(lambda: 500, {article.sku: article.weight_g for article in scenario.articles})

        async def packed(_order: str) -> None:
            await trio.lowlevel.checkpoint()

        try:
            if start:
                await merchant.start()
            for site in WAREHOUSES:
                crew = Crew(site, stage.client, weights, merchant.left_alone, packed)
                nursery.start_soon(crew.work, 1)
            yield merchant
            nursery.cancel_scope.cancel()
        finally:
            process = merchant.daemon.process
            if process is not None and process.poll() is None:
                process.kill()
            if process is not None:
                process.wait()


@pytest.fixture
def open_merchant(tmp_path: Path, request: pytest.FixtureRequest) -> Open:

    numbers = itertools.count(1)

    def opened(
        *, dsn: str = "", start: bool = True, changed: Sequence[tuple[str, str]] = ()
    ) -> AbstractAsyncContextManager[Merchant]:
        where = dsn or str(request.getfixturevalue("dsn"))
        folder = tmp_path / f"stage{next(numbers)}"
        folder.mkdir()
        return _open(folder, where, start=start, changed=changed)

    return opened


@pytest.fixture
def another_dsn(database_of: Callable[[Binaries], str]) -> str:
    """Another database than that of `dsn`."""
    return database_of(next(iter(available_binaries())))
