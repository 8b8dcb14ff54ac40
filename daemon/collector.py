"""How often Python's cyclic collector looks for garbage. Nearly all of ours goes by reference counts alone.

By default it begins every 700 objects, and walks everything that lives about as often as that grew by a
quarter: a fifth of the daemon's time when a thousand orders are awake. It owns nothing else of memory.
"""

import gc
from typing import Final

YOUNG_MAX: Final = 100_000
"""Objects made and not yet gone before the collector begins: some 10 MB, ten milliseconds of work."""

YOUNG_ROUNDS: Final = 20
OLD_ROUNDS: Final = 50
"""Rounds over the young before those that survived are walked too: cycles (crashed tasks) are few."""


def look_seldom() -> None:
    """Look for garbage less often: from the start on, as nearly all that a start makes is there to stay."""
    gc.set_threshold(YOUNG_MAX, YOUNG_ROUNDS, OLD_ROUNDS)


def collect_seldom() -> None:
    """Take what lives now as everlasting, and look for garbage in the rest less often; to be called once."""
    gc.collect()
    gc.freeze()
    look_seldom()
