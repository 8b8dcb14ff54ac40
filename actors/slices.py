"""Many rows taken slice by slice, between which others run: one thread serves everybody."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

SLICE: Final = 2_000
"""Rows that are looked at without a break: some two milliseconds, which is what a commit takes."""


def slices(rows: Iterable[T]) -> Iterator[Sequence[T]]:
    """Yield the rows, so many at a time. While others run in between, the rows themselves must not change."""
    left = iter(rows)
    while some := tuple(islice(left, SLICE)):
        yield some
