"""Tries a site's profile step by step, reading only, and says what fails and what to do about it.

It owns the order of the steps and their hints; it writes nothing to Divalto and prints nothing.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from actors.errors import PartnerError
from adapters.erps.divalto.pieces import ACTIVE, CUSTOMER, ORDER, Piece
from adapters.erps.divalto.plugin import DivaltoSettings, problems
from adapters.erps.divalto.rest import RestTransport
from adapters.erps.divalto.transport import Transport

NEVER_A_REFERENCE = "wharfinger-trial"
"""No order of ours has such an id: they end with the shop's number."""

_NO_PIECE = Piece(CUSTOMER, ORDER, "", "", "0", ACTIVE, NEVER_A_REFERENCE)


class Step(Struct, frozen=True):
    """One thing that was tried; `detail` is what was seen, or what failed and a hint. Holds no secret."""

    name: str
    good: bool
    detail: str


async def try_profile(name: str, settings: DivaltoSettings) -> tuple[Step, ...]:
    """Try settings, account, dictionaries and depots; end where nothing further can work.

    Args:
        name: the ERP as the settings name it.
        settings: the site's profile.
    """
    wrong = problems(settings)
    if wrong:
        told = "; ".join(f"{problem.key} {problem.why}" for problem in wrong)
        return (Step("settings", good=False, detail=told),)
    transport = RestTransport(f"erp {name}", settings, lambda: datetime.now(UTC))
    try:
        return (Step("settings", good=True, detail="complete"), *await _try_reads(transport, settings))
    finally:
        await transport.aclose()


async def _try_reads(transport: Transport, settings: DivaltoSettings) -> Sequence[Step]:
    steps: list[Step] = []

    async def step(name: str, hint: str, attempt: Callable[[], Awaitable[str]]) -> bool:
        try:
            steps.append(Step(name, good=True, detail=await attempt()))
        except PartnerError as error:
            steps.append(Step(name, good=False, detail=f"{error}: {hint}"))
        return steps[-1].good

    async def by_reference() -> str:
        found = await transport.pieces(CUSTOMER, settings.customer, NEVER_A_REFERENCE)
        return "pieces are found by TIERS and PINOTIERS" if not found else f"{len(found)} pieces of a trial"

    async def by_beginning() -> str:
        if not settings.spelling.pieces.by_prefix:
            return "not asked for: right where delivered orders keep their header"
        await transport.pieces_beginning(CUSTOMER, settings.customer, f"{NEVER_A_REFERENCE}.")
        return "pieces are found by the beginning of PINOTIERS"

    async def of_lines() -> str:
        await transport.open_lines(_NO_PIECE)
        return "lines are found by their piece"

    pieces, lines, stock = settings.spelling.pieces, settings.spelling.lines, settings.spelling.stock
    if not await step(
        "account and pieces", _hint(pieces.dhoq, pieces.recordsql, pieces.by_key, "account"), by_reference
    ):
        return steps
    await step("notes of an order", _hint(pieces.dhoq, pieces.recordsql, pieces.by_prefix), by_beginning)
    await step("lines", _hint(lines.dhoq, lines.recordsql, lines.by_key), of_lines)
    for warehouse, depot in settings.depots.items():

        async def of_depot(depot: str = depot) -> str:
            rows = await transport.stock(depot)
            sellable = sum(row.nature in settings.natures for row in rows)
            return f"{len(rows)} rows in depot {depot}, {sellable} of sellable nature"

        await step(f"stock of {warehouse}", _hint(stock.dhoq, stock.recordsql, stock.by_key), of_depot)
    return steps


def _hint(dhoq: str, recordsql: str, condition: str, more: str = "") -> str:
    asked = f"the site has to open {dhoq} with RecordSql {recordsql} and its condition {condition}"
    return f"look at url and {more}; {asked}" if more else asked
