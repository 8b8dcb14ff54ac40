"""How wide the columns of a table may be on a terminal. It draws nothing.

A drawing library shrinks the widest columns and breaks names, counts and instants anywhere; here words stay
whole as long as they find room, and longest those that people type again.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

RULED = 3
"""Letters that a ruled table spends between two columns, and one more at its beginning."""

OPEN = 2
"""Letters that a table without rules spends behind a column."""

TYPED_AGAIN = frozenset({"order", "anomaly", "effect", "fulfilment", "warehouse", "sku", "slot"})
"""Headings of what the next command takes: it is copied from here."""

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z")


LEAST = 4
"""Letters of a column below which nobody reads it: a terminal of forty columns breaks what it likes."""


class Fit(NamedTuple):
    """The width of each column in letters, and whether there is room for rules between them."""

    widths: Sequence[int]
    ruled: bool


def readable(text: str) -> str:
    """Return an instant to the second, in two words that may stand in two lines; any other text as it is."""
    return _INSTANT.sub(r"\1 \2Z", text) if _INSTANT.fullmatch(text) else text


def fitted(columns: Sequence[Sequence[str]], room: int) -> Fit:
    """Return what fits columns, each its heading and cells, into so many letters."""
    wanted = [max(len(text) for text in column) for column in columns]
    words = [max((len(word) for text in column for word in text.split()), default=1) for column in columns]
    ruled, open_ = room - RULED * len(columns) - 1, room - OPEN * len(columns)
    if sum(words) <= ruled:
        return Fit(_shared(words, wanted, ruled), ruled=True)
    if sum(words) <= open_:
        return Fit(_shared(words, wanted, open_), ruled=False)
    return Fit(_cut(words, [column[0] in TYPED_AGAIN for column in columns], open_), ruled=False)


def _shared(words: Sequence[int], wanted: Sequence[int], room: int) -> Sequence[int]:
    """Give each column its longest word, and the rest to those that want least first."""
    given, left = list(words), room - sum(words)
    asking = sorted(range(len(words)), key=lambda column: wanted[column] - words[column])
    for place, column in enumerate(asking):
        more = min(wanted[column] - words[column], left // (len(asking) - place))
        given[column] += more
        left -= more
    return given


def _cut(words: Sequence[int], spared: Sequence[bool], room: int) -> Sequence[int]:
    """Cut the longest words, all to one length, until the columns fit; spare some while that is enough."""
    for level in range(max(words), LEAST - 1, -1):
        cut = [word if spare else min(word, level) for word, spare in zip(words, spared, strict=True)]
        if sum(cut) <= room:
            return cut
    return _cut(words, [False] * len(words), room) if any(spared) else [min(word, LEAST) for word in words]
