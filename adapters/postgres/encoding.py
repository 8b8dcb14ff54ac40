"""A batch of appends as the arguments of `journal_append`: hashed, summed up, column by column.

It is the hot path of the writer: plain lists and joined texts, since an object or an array per row would cost
more than the database does. It touches no connection.
"""

import re
from collections.abc import Sequence
from operator import add
from typing import Final, TypeVar

from msgspec import Struct

from actors.domain.anomaly_events import AnomalyRaised, AnomalyResolved
from actors.domain.ledger import Account, Flow, flows
from actors.domain.log import KINDS, chain, encode_event, header, microseconds
from actors.domain.partitions import partition_of, warehouse_of
from actors.domain.stock_events import StockEvent
from actors.ports.journal import Append, Event
from actors.ports.people import BesideRow
from actors.projections import Changes, FulfilmentChange, Key, positions_of_fulfilments
from adapters.postgres.rest import Answered, rest_of

T = TypeVar("T")

SEPARATOR: Final = "\x1f"
"""Stands between the texts of a column. JSON escapes control characters, and no id of ours has one."""

_ZERO: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""How JSON writes the zero byte; an escaped backslash begins no escape. A column of type json takes it, and
then no statement that looks into that event works any more: no audit, for as long as there is the log."""

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
        self._totals: dict[Key, dict[tuple[Account, Account], dict[str, int]]] = {}

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
        kinds = [KINDS[type(event)] for event in append.events]
        encoded = [encode_event(event) for event in append.events]
        for kind, data in zip(kinds, encoded, strict=True):
            position += 1
            version += 1
            previous = chain(previous, header(partition, position, stream, version, kind, at), data)
            self._event_hashes.append(previous)
        self.bytes += sum(map(len, encoded))
        self._event_kinds += kinds
        self._event_data += encoded
        count = len(append.events)
        self._event_partitions += [partition] * count
        self._event_positions += range(first, position + 1)
        self._event_streams += [stream] * count
        self._event_versions += range(append.expected + 1, version + 1)
        self._event_ats += [at] * count
        self._tips[partition] = self._after[partition] = Tip(position, previous)
        return first

    def _move(self, partition: int, warehouse: str, first: int, events: Sequence[Event]) -> None:
        moved: list[Flow] = []
        for position, event in enumerate(events, first):
            if isinstance(event, StockEvent):
                lines = 0
                for flow in flows(event):
                    moved.append(flow)
                    self._move_positions += [position] * len(flow.lines)
                    self._move_lines += range(lines, lines := lines + len(flow.lines))
            else:
                _refuse_strangers(event, warehouse)
        self._move_skus += [line.sku for flow in moved for line in flow.lines]
        self._move_sources += [flow.source for flow in moved for _ in flow.lines]
        self._move_targets += [flow.target for flow in moved for _ in flow.lines]
        self._move_units += [line.units for flow in moved for line in flow.lines]
        count = len(self._move_positions) - len(self._move_partitions)
        self._move_partitions += [partition] * count
        self._move_warehouses += [warehouse] * count
        self._sum_up((partition, warehouse), moved)

    def _sum_up(self, house: Key, moved: Sequence[Flow]) -> None:
        totals = self._totals.setdefault(house, {})
        for flow in moved:
            total = totals.setdefault((flow.source, flow.target), {})
            for line in flow.lines:
                total[line.sku] = total.get(line.sku, 0) + line.units

    def _take_fulfilments(self, partition: int, first: int, append: Append) -> None:
        positions, opened = positions_of_fulfilments(first, append.events)
        for row in append.fulfilments:
            position = positions.get(row.fulfilment)
            if position is None:
                raise UnwritableError(f"the row of {row.fulfilment} comes without an event that names it")
            self._changes.take_fulfilment(partition, row, position, opened=row.fulfilment in opened)

    def arguments(self, owner: str, fences: dict[int, int]) -> list[bytes | None]:
        """Return the arguments of `journal_append` in their order, as a driver sends texts.

        Raises:
            UnwritableError: a text holds the separator, or the zero byte.
            UnicodeEncodeError: a text is no Unicode.
        """
        partitions = sorted(self.before)
        texts = (
            owner,
            _numbers(partitions),
            _numbers([fences[partition] for partition in partitions]),
            _numbers([self.before[partition].position for partition in partitions]),
            _numbers([self._after[partition].position for partition in partitions]),
            _hashes([self._after[partition].hash for partition in partitions]),
            _numbers([partition for partition, _, _ in self.unsure]),
            _quoted([stream for _, stream, _ in self.unsure]),
            _numbers([version for _, _, version in self.unsure]),
            *self._event_columns(),
            *self._movement_columns(),
            *self._balance_columns(),
            *_fulfilment_columns(self._changes.opened),
            *_fulfilment_columns(self._changes.changed),
            rest_of(self._changes, self._beside, self._answers),
        )
        return [_wire(text) for text in texts]

    def _event_columns(self) -> tuple[str, ...]:
        return (
            _numbers(_one(self._event_partitions)),
            _numbers(self._event_positions),
            _texts(_one(self._event_streams)),
            _numbers(self._event_versions),
            _texts(_one(self._event_kinds)),
            _texts([_readable(b"\x1f".join(self._event_data)).decode()], len(self._event_data)),
            _numbers(self._event_ats),
            b"".join(self._event_hashes).hex(SEPARATOR, 32),
        )

    def _movement_columns(self) -> tuple[str, ...]:
        return (
            _numbers(_one(self._move_partitions)),
            _numbers(self._move_positions),
            _numbers(self._move_lines),
            _texts(_one(self._move_warehouses)),
            _texts(self._move_skus),
            _texts(_one(self._move_sources)),
            _texts(_one(self._move_targets)),
            _numbers(self._move_units),
        )

    def _balance_columns(self) -> tuple[str, ...]:
        partitions: list[int] = []
        warehouses: list[str] = []
        skus: list[str] = []
        accounts: dict[Account, list[int]] = {}
        for (partition, warehouse), totals in self._totals.items():
            # In the order of the keys: rows of one page follow one another, and locks have one order.
            moved = sorted(set().union(*totals.values()))
            partitions += [partition] * len(moved)
            warehouses += [warehouse] * len(moved)
            for (source, target), total in totals.items():
                units = [total.get(sku, 0) for sku in moved]
                _add(accounts.setdefault(source, []), len(skus), [-count for count in units])
                _add(accounts.setdefault(target, []), len(skus), units)
            skus += moved
        # An account that nothing touched is left out: most batches touch two of the nine.
        columns = [_numbers(_filled(accounts.get(account), len(skus))) for account in ACCOUNTS]
        return (_numbers(_one(partitions)), _texts(_one(warehouses)), _texts(skus), "", *columns)


def _wire(text: str | None) -> bytes | None:
    if text is None:
        return None
    wire = text.encode()
    if b"\0" in wire:  # the driver would end the text there
        raise UnwritableError("a text holds the zero byte")
    return wire


def _readable(data: bytes) -> bytes:
    if b"\\u0000" in data and _ZERO.search(data):
        raise UnwritableError("a text holds the zero byte")
    return data


def _add(column: list[int], begin: int, units: list[int]) -> None:
    """Add `units` to the part of a column that begins at `begin`; what lies before and is missing is zero."""
    if len(column) <= begin:
        column += [0] * (begin - len(column))
        column += units
    else:
        column[begin:] = map(add, column[begin:], units)


def _filled(column: list[int] | None, length: int) -> list[int]:
    return column + [0] * (length - len(column)) if column is not None else []


def _refuse_strangers(event: Event, warehouse: str) -> None:
    if not isinstance(event, AnomalyRaised | AnomalyResolved):
        raise UnwritableError(
            f"{type(event).__name__} does not belong in the stream of the warehouse {warehouse}"
        )


def _fulfilment_columns(changes: dict[Key, FulfilmentChange]) -> tuple[str, ...]:
    rows = [change.row for change in changes.values()]
    return (
        _numbers(_one([partition for partition, _ in changes])),
        _texts([row.fulfilment for row in rows]),
        _texts([row.order for row in rows]),
        _texts(_one([row.warehouse for row in rows])),
        _texts(_one([row.state for row in rows])),
        _nullable([change.closed_position for change in changes.values()]),
        _texts([b"\x1f".join([row.body for row in rows]).decode()], len(rows)),
        _numbers([change.position for change in changes.values()]),
    )


def _one(column: list[T]) -> list[T]:
    """Return the first value alone where all are the same; the database knows how many rows there are."""
    return column[:1] if column and column.count(column[0]) == len(column) else column


def _numbers(values: list[int]) -> str:
    """Return the literal of a Postgres array. A list's own text is the quickest way there by far."""
    return "{" + repr(values)[1:-1] + "}"


def _nullable(values: list[int | None]) -> str:
    return "{" + repr(values)[1:-1].replace("None", "NULL") + "}"


def _hashes(values: Sequence[bytes]) -> str:
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"


def _quoted(values: Sequence[str]) -> str:
    """Return the literal of an array of texts, whatever they hold."""
    escaped = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return "{" + ",".join([f'"{value}"' for value in escaped]) + "}"


def _texts(values: Sequence[str], count: int | None = None) -> str:
    """Return the texts joined; `count` when they are joined already."""
    column = SEPARATOR.join(values)
    expected = max(len(values) if count is None else count, 1) - 1
    if column.count(SEPARATOR) != expected:
        raise UnwritableError("a text holds the control character that separates texts")
    return column
