"""A batch of appends as the arguments of `journal_append`: hashed, summed up, column by column.

It is the hot path of the writer: plain lists and joined texts, since an object or an array per row would cost
more than the database does. It touches no connection.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from actors.domain.anomaly_events import AnomalyRaised, AnomalyResolved
from actors.domain.ledger import Account, movements
from actors.domain.log import KINDS, chain, encode_event, header, microseconds
from actors.domain.partitions import partition_of, warehouse_of
from actors.domain.stock_events import StockEvent
from actors.ports import Append, BesideRow, Event
from actors.projections import Changes, FulfilmentChange, Key, positions_of_fulfilments
from adapters.postgres.rest import Answered, rest_of

SEPARATOR: Final = "\x1f"
"""Stands between the texts of a column. JSON escapes control characters, and no id of ours has one."""

ACCOUNTS: Final[tuple[Account, ...]] = (
    "available",
    "reserved",
    "picked",
    "quarantine",
    "supplier",
    "customer",
    "count",
    "opening",
    "transit",
)
_ACCOUNT: Final = {account: number for number, account in enumerate(ACCOUNTS)}

_NONE: Final = "{}"

Argument = str | Sequence[int] | Sequence[str] | Sequence[bytes] | None


class UnwritableError(ValueError):
    """An append that no database could take, such as an id with a control character in it."""


class Tip(Struct, frozen=True):
    """Where a partition's chain ends."""

    position: int
    hash: bytes


class Batch:
    """Appends that are committed together, or not at all.

    `tips` is the writer's, and runs ahead of the database: every append that was added to any batch is in it.
    `before` keeps what this batch found there. `unsure` are streams whose version only the database knows.
    """

    def __init__(self, tips: dict[int, Tip]) -> None:
        self._tips = tips
        self.before: dict[int, Tip] = {}
        self.unsure: list[tuple[int, str, int]] = []
        self.bytes = 0
        self._after: dict[int, Tip] = {}
        self._changes = Changes()
        self._beside: list[tuple[int, BesideRow]] = []
        self._answers: list[Answered] = []
        self._event_partitions: list[int] = []
        self._event_positions: list[int] = []
        self._event_streams: list[str] = []
        self._event_versions: list[int] = []
        self._event_kinds: list[str] = []
        self._event_data: list[bytes] = []
        self._event_ats: list[int] = []
        self._event_hashes: list[bytes] = []
        self._move_partitions: list[int] = []
        self._move_positions: list[int] = []
        self._move_lines: list[int] = []
        self._move_warehouses: list[str] = []
        self._move_skus: list[str] = []
        self._move_sources: list[str] = []
        self._move_targets: list[str] = []
        self._move_units: list[int] = []
        self._balances: dict[Key, dict[str, list[int]]] = {}

    @property
    def events(self) -> int:
        """How many events it holds."""
        return len(self._event_positions)

    @property
    def movements(self) -> int:
        """How many movements follow from them."""
        return len(self._move_positions)

    def add(self, append: Append) -> None:
        """Encode and chain `append` to what is there. After an error the batch is good for nothing.

        Raises:
            ConflictError: it contradicts another append of this batch.
            UnwritableError: a row that goes with no event of the append.
        """
        partition = partition_of(append.stream)
        first = self._log(partition, append)
        warehouse = warehouse_of(append.stream)
        if warehouse is not None:
            self._move(partition, warehouse, first, append.events)
        self._changes.follow(partition, append.stream, append.at, first, append.events)
        if append.fulfilments:
            self._take_fulfilments(partition, first, append)
        for order in append.orders:
            self._changes.orders[partition, order.order] = order
        for row in append.beside:
            self._beside.append((partition, row))
            self.bytes += len(row.body)
        self._answers += [Answered(partition, append.stream, append.at, answer) for answer in append.answers]

    def _log(self, partition: int, append: Append) -> int:
        tip = self._tips[partition]
        self.before.setdefault(partition, tip)
        at = microseconds(append.at)
        position, previous, version, stream = tip.position, tip.hash, append.expected, append.stream
        first = position + 1
        add_kind, add_data, add_hash = (
            self._event_kinds.append,
            self._event_data.append,
            self._event_hashes.append,
        )
        for event in append.events:
            position += 1
            version += 1
            kind = KINDS[type(event)]
            data = encode_event(event)
            previous = chain(previous, header(partition, position, stream, version, kind, at), data)
            add_kind(kind)
            add_data(data)
            add_hash(previous)
            self.bytes += len(data)
        count = len(append.events)
        self._event_partitions += [partition] * count
        self._event_positions += range(first, position + 1)
        self._event_streams += [stream] * count
        self._event_versions += range(append.expected + 1, version + 1)
        self._event_ats += [at] * count
        self._tips[partition] = self._after[partition] = Tip(position, previous)
        return first

    def _move(self, partition: int, warehouse: str, first: int, events: Sequence[Event]) -> None:
        balances = self._balances.setdefault((partition, warehouse), {})
        before = len(self._move_positions)
        for position, event in enumerate(events, first):
            if not isinstance(event, StockEvent):
                _refuse_strangers(event, warehouse)
                continue
            for line, move in enumerate(movements(event)):
                sku, units = move.sku, move.units
                self._move_positions.append(position)
                self._move_lines.append(line)
                self._move_skus.append(sku)
                self._move_sources.append(move.source)
                self._move_targets.append(move.target)
                self._move_units.append(units)
                balance = balances.get(sku)
                if balance is None:
                    balance = balances[sku] = [0] * len(ACCOUNTS)
                balance[_ACCOUNT[move.source]] -= units
                balance[_ACCOUNT[move.target]] += units
        count = len(self._move_positions) - before
        self._move_partitions += [partition] * count
        self._move_warehouses += [warehouse] * count

    def _take_fulfilments(self, partition: int, first: int, append: Append) -> None:
        positions, opened = positions_of_fulfilments(first, append.events)
        for row in append.fulfilments:
            position = positions.get(row.fulfilment)
            if position is None:
                raise UnwritableError(f"the row of {row.fulfilment} comes without an event that names it")
            self._changes.take_fulfilment(partition, row, position, opened=row.fulfilment in opened)

    def arguments(self, owner: str, fences: dict[int, int]) -> tuple[Argument, ...]:
        """Return the arguments of `journal_append` in their order.

        Raises:
            UnwritableError: a text holds the separator.
        """
        partitions = sorted(self.before)
        return (
            owner,
            partitions,
            [fences[partition] for partition in partitions],
            [self.before[partition].position for partition in partitions],
            [self._after[partition].position for partition in partitions],
            [self._after[partition].hash for partition in partitions],
            [partition for partition, _, _ in self.unsure],
            [stream for _, stream, _ in self.unsure],
            [version for _, _, version in self.unsure],
            *self._event_columns(),
            *self._movement_columns(),
            *self._balance_columns(),
            *_fulfilment_columns(self._changes.opened),
            *_fulfilment_columns(self._changes.changed),
            rest_of(self._changes, self._beside, self._answers),
        )

    def _event_columns(self) -> tuple[str, ...]:
        return (
            _numbers(self._event_partitions),
            _numbers(self._event_positions),
            _texts(self._event_streams),
            _numbers(self._event_versions),
            _texts(self._event_kinds),
            _texts([b"\x1f".join(self._event_data).decode()], len(self._event_data)),
            _numbers(self._event_ats),
            b"".join(self._event_hashes).hex(SEPARATOR, 32),
        )

    def _movement_columns(self) -> tuple[str, ...]:
        return (
            _numbers(self._move_partitions),
            _numbers(self._move_positions),
            _numbers(self._move_lines),
            _texts(self._move_warehouses),
            _texts(self._move_skus),
            _texts(self._move_sources),
            _texts(self._move_targets),
            _numbers(self._move_units),
        )

    def _balance_columns(self) -> tuple[str, ...]:
        partitions: list[int] = []
        warehouses: list[str] = []
        skus: list[str] = []
        deltas: list[list[int]] = []
        # Always in the same order, so that nobody who should lock these rows too can lock them crosswise.
        for (partition, warehouse), balances in sorted(self._balances.items()):
            for sku in sorted(balances):
                partitions.append(partition)
                warehouses.append(warehouse)
                skus.append(sku)
                deltas.append(balances[sku])
        accounts = [list(column) for column in zip(*deltas, strict=True)] or [[]] * len(ACCOUNTS)
        # An account that nothing touched is left out: most batches touch two of the nine.
        columns = [_numbers(column) if any(column) else _NONE for column in accounts]
        return (_numbers(partitions), _texts(warehouses), _texts(skus), _texts([""] * len(skus)), *columns)


def _refuse_strangers(event: Event, warehouse: str) -> None:
    if not isinstance(event, AnomalyRaised | AnomalyResolved):
        raise UnwritableError(
            f"{type(event).__name__} does not belong in the stream of the warehouse {warehouse}"
        )


def _fulfilment_columns(changes: dict[Key, FulfilmentChange]) -> tuple[str, ...]:
    rows = [change.row for change in changes.values()]
    return (
        _numbers([partition for partition, _ in changes]),
        _texts([row.fulfilment for row in rows]),
        _texts([row.order for row in rows]),
        _texts([row.warehouse for row in rows]),
        _texts([row.state for row in rows]),
        _nullable([change.closed_position for change in changes.values()]),
        _texts([b"\x1f".join([row.body for row in rows]).decode()], len(rows)),
        _numbers([change.position for change in changes.values()]),
    )


def _numbers(values: list[int]) -> str:
    """Return the literal of a Postgres array. A list's own text is the quickest way there by far."""
    return "{" + repr(values)[1:-1] + "}"


def _nullable(values: list[int | None]) -> str:
    return "{" + repr(values)[1:-1].replace("None", "NULL") + "}"


def _texts(values: Sequence[str], count: int | None = None) -> str:
    """Return the texts joined; `count` when they are joined already."""
    column = SEPARATOR.join(values)
    expected = max(len(values) if count is None else count, 1) - 1
    if column.count(SEPARATOR) != expected:
        raise UnwritableError("a text holds the control character that separates texts")
    return column
