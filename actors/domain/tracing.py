"""The trace id under which everything about one order can be found, in logs and in metrics' exemplars.

It follows from the order's id alone: so every process and every restart has the same, nothing has to be
stored or handed on, and whoever knows the order knows its trace.
"""

from hashlib import sha256
from typing import Final

TRACE_ID_LENGTH: Final = 32
"""Sixteen bytes as lower-case hex, as W3C Trace Context and OpenTelemetry want it."""


def trace_id(order: str) -> str:
    """Return the trace id of an order, as 32 lower-case hexadecimal digits."""
    return sha256(f"wharfinger order {order}".encode()).hexdigest()[:TRACE_ID_LENGTH]
