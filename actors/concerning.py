"""Says in the log which order something is about: every line that is written meanwhile names it.

Context variables are a task's own, and a new task begins with those of whoever started it: so whoever takes
up another order's work says so anew.
"""

from contextlib import AbstractContextManager

from structlog.contextvars import bound_contextvars, get_contextvars

from actors.domain.partitions import order_of


def concerning(order: str) -> AbstractContextManager[None]:
    """Have every line of the log name the order, as long as the block lasts; "" is about none."""
    return bound_contextvars(order=order)


def concerned() -> str:
    """Return the order that this task's lines are about, "" for none: for whoever hands the work on."""
    return str(get_contextvars().get("order", ""))


def concerning_stream(stream: str) -> AbstractContextManager[None]:
    """Have every line name the order whose stream this is, none where it is another kind of stream."""
    return concerning(order_of(stream) or "")
