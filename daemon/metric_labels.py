"""Labels with a bound: whatever comes in, a metric has no more series than its vocabularies allow.

A label is either a word of a closed vocabulary or a name from the settings. Anything else counts as "other".
"""

from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram

OTHER: Final = "other"

NAMES_MAX: Final = 100
"""Names of one kind from the settings: nobody has a hundred shops, warehouses or carriers. The next would be
a mistake of ours, such as an order's id in their place."""

M = TypeVar("M", Counter, Gauge, Histogram)
Bound = Callable[[str], str]
"""Returns the value that a label may have in the place of another."""


def words(vocabulary: Iterable[str]) -> Bound:
    """Allow the words of a closed vocabulary."""
    known = frozenset(vocabulary)
    return lambda value: value if value in known else OTHER


def names(most: int = NAMES_MAX) -> Bound:
    """Allow the first so many names that come."""
    known: set[str] = set()

    def bounded(value: str) -> str:
        if value not in known:
            if len(known) >= most:
                return OTHER
            known.add(value)
        return value

    return bounded


class Children(Generic[M]):
    """A metric's children by their label values: finding one in a dict costs a fraction of `labels()`."""

    __slots__ = ("_bounds", "_children", "_metric")

    def __init__(self, metric: M, *bounds: Bound) -> None:
        self._metric: M = metric
        self._bounds = bounds
        self._children: dict[tuple[str, ...], M] = {}

    def of(self, *values: str) -> M:
        """Return the child with these label values, each within its bound."""
        child = self._children.get(values)
        if child is None:
            allowed = tuple(bound(value) for bound, value in zip(self._bounds, values, strict=True))
            child = self._children.get(allowed)
            if child is None:
                child = self._children[allowed] = self._metric.labels(*allowed)
        return child

    def forget(self) -> None:
        """Have no children any more: what is not told again must not keep its figure."""
        self._metric.clear()
        self._children.clear()
