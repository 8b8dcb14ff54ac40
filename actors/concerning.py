"""Says in the log which order something is about: every line that is written meanwhile names it.

Context variables are a task's own, and a new task begins with those of whoever started it: so whoever takes
up another order's work says so anew.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import Token
from types import TracebackType

from structlog.contextvars import bind_contextvars, get_contextvars, reset_contextvars

from actors.domain.partitions import order_of


def concerning(order: str) -> AbstractContextManager[None]:
    """Have every line of the log name the order, as long as the block lasts; "" is about none."""
    return _Concerning(order)


def concerned() -> str:
    """Return the order that this task's lines are about, "" for none: for whoever hands the work on."""
    return str(get_contextvars().get("order", ""))


def concerning_stream(stream: str) -> AbstractContextManager[None]:
    """Have every line name the order whose stream this is, none where it is another kind of stream."""
    return concerning(order_of(stream) or "")


class _Concerning:
    """Each order's work passes here a dozen times: structlog's own manager costs three times as much."""

    __slots__ = ("_before", "_order")

    def __init__(self, order: str) -> None:
        self._order = order

    def __enter__(self) -> None:
        self._before: Mapping[str, Token[object]] = bind_contextvars(order=self._order)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        reset_contextvars(**self._before)
