"""Who makes sense of what a site tells: a thread where it is long, as everybody else would wait for it.

It owns from which length on; what is understood is its callers' matter.
"""

from collections.abc import Callable, Sized
from typing import TypeVar

import trio

ROWS_AT_ONCE = 1_000
"""100,000 articles take a second, and a scanner would wait for it."""

TEXT_AT_ONCE = 20_000
"""Characters or bytes: XML of so many takes five milliseconds, that of a large site's articles seconds."""

_Told = TypeVar("_Told", bound=Sized)
_Read = TypeVar("_Read")


async def understood(read: Callable[[_Told], _Read], told: _Told) -> _Read:
    """Return what `read` makes of rows, or of a text, in a thread if it is long.

    `read` looks only at what never changes.
    """
    at_once = TEXT_AT_ONCE if isinstance(told, str | bytes) else ROWS_AT_ONCE
    if len(told) <= at_once:
        return read(told)
    return await trio.to_thread.run_sync(read, told)
