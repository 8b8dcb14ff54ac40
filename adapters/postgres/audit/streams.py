"""Reads each stream in the order of its versions: has it a hole, what effects are open, how orders stand.

Of an order it knows only what its events say outright: that it ended and how, is held, or is open.
Memory is bounded by what one stream has open.
"""

from typing import Final

import asyncpg
from msgspec import Struct, field

from adapters.postgres.audit.report import Findings
from adapters.postgres.connect import Connection

PAGE: Final = 5_000

_ROWS: Final = """
    SELECT partition, stream, version, position, kind,
           CASE WHEN kind IN ('order.held', 'order.hold_released') THEN data ->> 'hold'
                WHEN kind LIKE '%.effect\\_%' OR kind = 'order.labelled' THEN data ->> 'effect' END AS name
      FROM event WHERE partition = $1 AND (stream, version) > ($2, $3) ORDER BY stream, version LIMIT $4
"""
_ORDERS: Final = (
    "SELECT order_id, state, version FROM order_index WHERE partition = $1 AND order_id = ANY ($2)"
)

_ENDED: Final = {"order.shipped": "shipped", "order.delivered": "delivered", "order.cancelled": "cancelled"}
_TOLD: Final = frozenset({*_ENDED.values(), "held"})
_REQUESTED: Final = frozenset({"order.effect_requested", "stock.effect_requested"})
_SETTLED: Final = frozenset(
    {
        "order.effect_done",
        "order.effect_refused",
        "order.labelled",
        "stock.effect_done",
        "stock.effect_refused",
    }
)


class _Stream(Struct):
    name: str
    version: int = 0
    position: int = 0
    ended: str = ""
    holds: set[str] = field(default_factory=set)
    effects: dict[str, int] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """What the order's index must say, "" where it may say any open state."""
        return self.ended or ("held" if self.holds else "")


class StreamsAudit:
    """The streams of one partition."""

    def __init__(self, connection: Connection, partition: int, findings: Findings) -> None:
        self._connection = connection
        self._partition = partition
        self._findings = findings
        self._ended: list[_Stream] = []
        self._orders = 0
        self._pending: dict[str, int] = {}

    async def run(self) -> None:
        """Read everything."""
        stream = _Stream("")
        while rows := await self._connection.fetch(_ROWS, self._partition, stream.name, stream.version, PAGE):
            for row in rows:
                if row["stream"] != stream.name:
                    self._end(stream)
                    stream = _Stream(row["stream"])
                self._take(stream, row)
            await self._compare_orders()
        self._end(stream)
        await self._compare_orders()
        await self._compare_counts()

    def _wrong(self, position: int, what: str) -> None:
        self._findings.add(self._partition, position, what)

    def _take(self, stream: _Stream, row: asyncpg.Record) -> None:
        position, kind, name = row["position"], row["kind"], row["name"]
        if row["version"] != stream.version + 1:
            self._wrong(position, f"{stream.name} has no version {stream.version + 1}")
        if position <= stream.position:
            self._wrong(position, f"{stream.name} has its versions in another order than the log")
        stream.version, stream.position = row["version"], position
        if kind == "order.held":
            stream.holds.add(name)
        elif kind == "order.hold_released":
            stream.holds.discard(name)
        elif kind in _ENDED:
            stream.ended = _ENDED[kind]
        elif kind in _REQUESTED:
            stream.effects[name] = position
        elif kind in _SETTLED and stream.effects.pop(name, None) is None:
            self._wrong(position, f"the effect {name} is settled and was not asked for, or settled before")

    def _end(self, stream: _Stream) -> None:
        self._pending.update(stream.effects)
        if stream.name.startswith("order-"):
            self._ended.append(stream)

    async def _compare_orders(self) -> None:
        ended, self._ended[:] = list(self._ended), []
        names = [stream.name.removeprefix("order-") for stream in ended]
        rows = await self._connection.fetch(_ORDERS, self._partition, names) if names else []
        found = {row["order_id"]: row for row in rows}
        self._orders += len(found)
        for stream, name in zip(ended, names, strict=True):
            row = found.get(name)
            if row is None or row["version"] != stream.version or not _agrees(stream.state, row["state"]):
                self._wrong(
                    stream.position, f"the index does not show the order {name} as its events tell it"
                )

    async def _compare_counts(self) -> None:
        orders = await self._connection.fetchval(
            "SELECT count(*) FROM order_index WHERE partition = $1", self._partition
        )
        if orders > self._orders:
            self._wrong(0, f"{orders - self._orders} orders stand in the index that have no events")
        rows = await self._connection.fetch(
            "SELECT effect, position FROM outbox WHERE partition = $1", self._partition
        )
        outbox = {row["effect"]: row["position"] for row in rows}
        for effect, position in sorted(self._pending.items() ^ outbox.items()):
            self._wrong(position, f"the outbox and the events differ about the effect {effect}")


def _agrees(told: str, indexed: str) -> bool:
    return told == indexed if told else indexed not in _TOLD
