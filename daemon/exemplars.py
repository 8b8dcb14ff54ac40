"""Names an order behind a figure, by its id and its trace: who looks at a slow point finds whose it was.

One for each bucket and second is enough, since Prometheus keeps the last that it scrapes; to name all would
cost five times what the figure itself does.
"""

import time
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from actors.domain.tracing import trace_id

EVERY_S: Final = 1.0
"""Less than any scrape's interval, so that none finds a bucket that was used without a name."""


def exemplar(order: str) -> dict[str, str]:
    """Return what names an order: some 65 characters of the 128 that OpenMetrics allows."""
    return {"trace_id": trace_id(order), "order": order}


class Exemplars:
    """Decides which observations of one histogram are named, for each bucket by itself."""

    def __init__(self, buckets: Sequence[float]) -> None:
        self._buckets = buckets
        self._due = [0.0] * (len(buckets) + 1)

    def of(self, order: str, value: float) -> dict[str, str] | None:
        """Return what names the order behind a value; None where one was named in its bucket a moment ago."""
        now = time.monotonic()
        bucket = bisect_left(self._buckets, value)
        if now < self._due[bucket]:
            return None
        self._due[bucket] = now + EVERY_S
        return exemplar(order)
