"""Which of the 64 partitions a stream belongs to, and how streams are named.

Fixed from the first day: it lies in every key.
"""

from functools import lru_cache
from zlib import crc32

PARTITIONS = 64
"""Enough to spread over any number of daemons we shall see; a change would move every row."""

DESK = "desk"

STREAMS_KNOWN = 10_000
"""Streams whose partition is remembered, a megabyte: orders that are awake ask at each turn."""

CONTROL = "control"
"""The trail of what was asked over the control socket."""


def order_stream(order: str) -> str:
    """Return the stream of one order."""
    return f"order-{order}"


def order_of(stream: str) -> str | None:
    """Return the order whose stream it is, None when it is another kind of stream."""
    return stream[6:] if stream.startswith("order-") else None


def stock_stream(warehouse: str) -> str:
    """Return the stream of one warehouse's stock."""
    return f"stock-{warehouse}"


def partner_stream(partner: str) -> str:
    """Return the stream of what happened with one partner."""
    return f"partner-{partner}"


def warehouse_of(stream: str) -> str | None:
    """Return the warehouse whose stock the stream holds, None when it is another kind of stream."""
    return stream[6:] if stream.startswith("stock-") else None


@lru_cache(STREAMS_KNOWN)
def partition_of(stream: str) -> int:
    """Return the partition of a stream: by the order's or warehouse's key, else by its whole name.

    An order's payload and contact lie in its stream's partition too, so that nothing on the way of one order
    crosses.
    """
    kind, _, key = stream.partition("-")
    return partition_of_key(key if kind in ("order", "stock") else stream)


def partition_of_key(key: str) -> int:
    """Return the partition that a bare key hashes to (CRC-32, which every language and database has)."""
    return crc32(key.encode()) % PARTITIONS
