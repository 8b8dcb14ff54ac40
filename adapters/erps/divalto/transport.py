"""What has to be asked of a Divalto site, whichever way in: by REST, by actions of its own, or by files.

It owns the two questions, to integrate a piece and to read rows, and the shapes of their answers. A transport
raises only the errors of `actors.errors`; what rows mean is `reading`.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from adapters.erps.divalto.turns import Rank

Table = Literal["pieces", "notes", "lines", "stock", "articles", "customers", "expected", "changed", "moved"]
"""What can be read: pieces by their reference or, as "notes", by its beginning; lines of a piece; the stock
of a depot; articles with their sub-references; one customer; open lines of purchase orders; pieces that were
changed since an instant, and the lines of those that moved stock."""

Row = Mapping[str, str]
"""Columns by the dictionary's names, right-trimmed, every value a string."""


class Query(Struct, frozen=True):
    """Rows that are wanted.

    Attributes:
        table: what is read.
        key: columns and the values that select the rows; a transport may answer with more than those.
        columns: what is wanted of each row.
        unique: columns that tell rows apart, by which many rows are paged; empty where one page is enough.
        whole_below: a page of fewer rows than this is the last one; 0 where a site may cap pages at any
            size, so that only a page that brings nothing new is.
        rows_max: without `unique`, more rows than this are a mistake.
        rank: what goes first when calls have to wait.
    """

    table: Table
    key: Mapping[str, str]
    columns: tuple[str, ...]
    unique: tuple[str, ...] = ()
    whole_below: int = 0
    rows_max: int = 1000
    rank: Rank = Rank.DOCUMENT


class Made(NamedTuple):
    """A piece that was written: its name, "" where the site does not tell it, and its amount without tax.

    Where it is not `settled`, the site has taken it and may still be at it.
    """

    name: str
    amount: Decimal | None
    settled: bool = True


class Writer(Protocol):
    """A way for pieces into one site."""

    async def integrate(self, data: Mapping[str, Any], hidden: Sequence[str]) -> Made:
        """Integrate one piece, or one customer, and return what the site tells of it.

        Args:
            data: the blocks, as `blocks` builds them; a customer has the block `icli` alone.
            hidden: personal values that must not stand in an error's text.

        Raises:
            UnreachableError: nothing was done.
            OutcomeUnknownError: it may have been done.
            RefusedError: Divalto says no.
            MalformedError: the answer makes no sense; it may have been done.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...


class Transport(Writer, Protocol):
    """A way into one site for reads too."""

    async def rows(self, query: Query) -> Sequence[Row]:
        """Return the rows; none of "notes" where the profile says that the site has no such look-up.

        Raises:
            UnreachableError: it could not be read, or the profile does not say how.
            MalformedError: the answer makes no sense. A read is not refused.
        """
        ...
