"""Pieces as a person at the ERP's screen sees them: copies that later changes leave alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from adapters.erps.divalto.simulator.tables import CLOSED, Header


@dataclass(frozen=True, slots=True)
class PieceSeen:
    """A piece as a person at the ERP's screen sees it; `lines` are (article, depot, units), all of them.

    `more` holds codes: TACOD, and REGL, BLMOD and TVATIE where they came in.
    """

    name: str
    ticod: str
    picod: int
    etb: str
    tiers: str
    reference: str
    closed: bool
    lines: tuple[tuple[str, str, int | Decimal], ...]
    amount: Decimal
    currency: str
    date: str
    address: Mapping[str, str]
    more: Mapping[str, str]


def seen(header: Header) -> PieceSeen:
    """Return what a screen shows of a header."""
    return PieceSeen(
        name=header.name,
        ticod=header.ticod,
        picod=header.picod,
        etb=header.etb,
        tiers=header.tiers,
        reference=header.pinotiers,
        closed=header.state == CLOSED,
        lines=tuple((str(line.article), line.depo, line.units) for line in header.lines),
        amount=header.amount,
        currency=header.dev,
        date=header.pidt,
        address=dict(header.address),
        more={"TACOD": header.tacod, **header.more},
    )
