"""Tells what a change would record, for those who only try it. It decides nothing."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from daemon.control.wire import Consequence, Trial


def trial(events: Iterable[Struct]) -> Trial:
    """Return these events as the control socket tells them."""
    would: list[Consequence] = []
    for event in events:
        data = msgspec.to_builtins(event, str_keys=True)
        would.append(Consequence(data.pop("type"), data))
    return Trial(tuple(would))
