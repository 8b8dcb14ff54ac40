"""What has to be asked of a Divalto site, whichever way in: REST today, SOAP and files alike.

It owns the questions and the shapes of their answers. A transport raises only the errors of `actors.errors`.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from adapters.erps.divalto.pieces import Article, OpenLine, Piece


class StockRow(NamedTuple):
    """Units of one article and nature in one depot; a place or a lot of it may be a row of its own."""

    article: Article
    depot: str
    nature: str
    units: Decimal


class Made(NamedTuple):
    """A piece that was written: its name, "" where the site does not tell it, and its amount without tax."""

    name: str
    amount: Decimal | None


class Transport(Protocol):
    """A way into one site."""

    async def integrate(self, data: Mapping[str, Any], hidden: Sequence[str]) -> Made:
        """Integrate one piece and return what the site tells of it.

        Args:
            data: the blocks, as `blocks` builds them.
            hidden: personal values that must not stand in an error's text.

        Raises:
            UnreachableError: nothing was done.
            OutcomeUnknownError: it may have been done.
            RefusedError: Divalto says no.
            MalformedError: the answer makes no sense; it may have been done.
        """
        ...

    async def pieces(self, ticod: str, tiers: str, reference: str) -> Sequence[Piece]:
        """Return headers of any stage with that PINOTIERS, perhaps of another case."""
        ...

    async def pieces_beginning(self, ticod: str, tiers: str, beginning: str) -> Sequence[Piece]:
        """Return headers of any stage whose PINOTIERS begins so; none where the site has no such look-up."""
        ...

    async def open_lines(self, piece: Piece) -> Sequence[OpenLine]:
        """Return what is still on order of a piece."""
        ...

    async def stock(self, depot: str) -> Sequence[StockRow]:
        """Return everything that lies in a depot, of whatever nature."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...
