"""Writes that may still be under way in a Divalto that cannot be asked to refuse a reference that exists.

It owns how long such a document is left alone; where Divalto checks for duplicates nothing of this is needed.
"""

import trio


class Unsettled:
    """Documents whose last answer was lost not long ago.

    What was sent before this process began is not known, so every document counts as lost when this is made.

    Args:
        seconds: after so long a write is no longer under way: it is there, or it never will be.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = trio.current_time()
        self._lost: dict[str, float] = {}

    def lose(self, document: str) -> None:
        """Note that the document's answer was lost just now."""
        self._lost[document] = trio.current_time()

    def settle(self, document: str) -> None:
        """Note that the document's outcome is known."""
        self._lost.pop(document, None)

    def under_way(self, document: str) -> bool:
        """Return whether an earlier attempt may still come to be."""
        return trio.current_time() - self._lost.get(document, self._began) < self._seconds
