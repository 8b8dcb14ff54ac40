"""From which level on each part of the program is heard, and until when. It writes nothing."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

LEVELS = ("debug", "info", "warning", "error")
"""What can be asked for; critical is always heard."""


def number_of(level: str) -> int:
    """Return a level's number as the standard library has it."""
    return logging.getLevelNamesMapping()[level.upper()]


@dataclass(frozen=True, slots=True)
class Passing:
    """A level that holds for a while; `until` is by the monotonic clock, None for as long as the process."""

    level: str
    until: float | None = None


@dataclass(slots=True)
class Levels:
    """The level of the whole, and those of parts, named as modules are: "adapters.erps" is all below it.

    Args:
        usual: the level that everything returns to.
    """

    usual: str
    clock: Callable[[], float] = time.monotonic
    _passing: dict[str, Passing] = field(default_factory=dict)

    def set(self, level: str, part: str = "", seconds: float | None = None) -> None:
        """Hear `part` (all when it is "") from this level on, for so long or until it is set again.

        A level of the whole is also that of the parts: what was set for them ends.
        """
        if not part:
            self._passing.clear()
        if not part and seconds is None:
            self.usual = level
            return
        self._passing[part] = Passing(level, None if seconds is None else self.clock() + seconds)

    def expired(self) -> Mapping[str, Passing]:
        """Forget, and return, what has held for its time."""
        now = self.clock()
        over = {
            part: each for part, each in self._passing.items() if each.until is not None and now >= each.until
        }
        for part in over:
            del self._passing[part]
        return over

    @property
    def lowest(self) -> int:
        """The lowest level that anything is heard from."""
        return min(number_of(level) for level in (self.whole, *self._levels()))

    @property
    def whole(self) -> str:
        """The level of what has none of its own."""
        passing = self._passing.get("")
        return self.usual if passing is None else passing.level

    def of(self, name: str) -> int:
        """Return the level's number for a module: the one of the nearest part above it."""
        while name and self._passing:
            if name in self._passing:
                return number_of(self._passing[name].level)
            name = name.rpartition(".")[0]
        return number_of(self.whole)

    def _levels(self) -> list[str]:
        return [each.level for each in self._passing.values()]
