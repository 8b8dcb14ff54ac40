"""Says in the log which order something is about: every line that is written meanwhile names it.

Context variables are a task's own, and a new task begins with those of whoever started it: so whoever takes
up another order's work says so anew.
"""

from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType

from actors.domain.partitions import order_of

_order: ContextVar[str] = ContextVar("order", default="")


def concerning(order: str) -> AbstractContextManager[None]:
    """Have every line of the log name the order, as long as the block lasts; "" is about none."""
    return _Concerning(order)


def concerning_stream(stream: str) -> AbstractContextManager[None]:
    """Have every line name the order whose stream this is, none where it is another kind of stream."""
    return _Concerning(order_of(stream) or "")


def concerned() -> str:
    """Return the order that this task's lines are about, "" for none: for whoever hands work on."""
    return _order.get()


class _Concerning:
    """An order's work passes here a dozen times, and structlog's own manager costs ten times as much."""

    __slots__ = ("_before", "_name")

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._before: Token[str] = _order.set(self._name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _order.reset(self._before)
