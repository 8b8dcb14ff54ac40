"""The floor crews of the demo: they pick and pack through the control socket, as people with scanners will.

Every scan carries a key of its own; a scan whose answer was lost is sent again under the same key.
"""

import itertools
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
import trio

from daemon.control.answers import ControlError
from daemon.demo.patience import PatientClient

log = structlog.get_logger(__name__)

WALK_S = 0.05
"""How long the crew rests when there is nothing to pick, and between two looks at a daemon that is away."""

BOX_G = 120
"""What an empty carton weighs."""

PARCEL_UNITS_MAX = 6
"""More than this goes into a second carton, so that the demo ships orders in several parcels."""


@dataclass(slots=True)
class Crew:
    """Everybody who works in one warehouse. Orders in `left_alone` are not touched."""

    warehouse: str
    client: PatientClient
    weights_g: Mapping[str, int]
    left_alone: Collection[str]
    on_packed: Callable[[str], Awaitable[None]]
    _in_hand: set[str] = field(default_factory=set)
    _keys: "itertools.count[int]" = field(default_factory=itertools.count)

    async def work(self, people: int) -> None:
        """Pick and pack until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(people):
                nursery.start_soon(self._one_person)

    async def put_away(self, slots: Mapping[str, str]) -> None:
        """Say where each article lies."""
        for sku, slot in slots.items():
            await self._send("slots", {"sku": sku, "slot": slot})

    async def receive(self, delivery: str, sku: str, units: int, slot: str) -> None:
        """Take in a delivery."""
        await self._send("receptions", {"delivery": delivery, "sku": sku, "units": units, "slot": slot})

    async def _one_person(self) -> None:
        while True:
            job = await self._next_job()
            if job is None:
                await trio.sleep(WALK_S)
                continue
            try:
                await self._fulfil(job)
            except ControlError as error:
                # It was cancelled under our hands, or short: the next list tells.
                log.info("job_dropped", fulfilment=job["fulfilment"], why=str(error))
            finally:
                self._in_hand.discard(job["fulfilment"])

    async def _next_job(self) -> Mapping[str, Any] | None:
        lists = await self.client.get(f"/v1/warehouses/{self.warehouse}/picklists")
        jobs: list[dict[str, Any]] = lists["picklists"]
        for job in jobs:
            fulfilment = job["fulfilment"]
            if job["order"] not in self.left_alone and fulfilment not in self._in_hand:
                self._in_hand.add(fulfilment)
                return job
        return None

    async def _fulfil(self, job: Mapping[str, Any]) -> None:
        fulfilment = job["fulfilment"]
        picked: list[tuple[str, int]] = []
        for line in job["lines"]:
            left = line["units"] - line["picked"] - line["missing"]
            if left:
                scan = {"fulfilment": fulfilment, "slot": line["slot"], "sku": line["sku"], "units": left}
                await self._send("scans", scan)
            picked.append((line["sku"], line["units"] - line["missing"]))
        await self._send("packs", {"fulfilment": fulfilment, "parcels": self._cartons(picked)})
        await self.on_packed(job["order"])

    def _cartons(self, picked: list[tuple[str, int]]) -> list[dict[str, object]]:
        """Fill cartons one after another, none with more than `PARCEL_UNITS_MAX` units."""
        units = [sku for sku, count in picked for _ in range(count)]
        cartons: list[dict[str, object]] = []
        for begin in range(0, len(units), PARCEL_UNITS_MAX):
            content = units[begin : begin + PARCEL_UNITS_MAX]
            lines = [{"sku": sku, "units": content.count(sku)} for sku in dict.fromkeys(content)]
            weight_g = BOX_G + sum(self.weights_g[sku] for sku in content)
            cartons.append({"lines": lines, "weight_g": weight_g})
        return cartons

    async def _send(self, what: str, body: dict[str, object]) -> None:
        key = f"crew-{self.warehouse}-{next(self._keys)}"
        await self.client.post(f"/v1/warehouses/{self.warehouse}/{what}", body, key)
