"""Lines that moved stock (MOUV), as moves of ours: it owns which columns say what moved, which way, by whom.

A line moves stock when it becomes part of a note; a piece that begins as an invoice or a credit note moves it
itself. SENS says which way; what its digits mean no public documentation tells, so it is a setting.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from actors.domain.erp_pieces import ErpMove, MoveKind
from adapters.erps.divalto import pieces, wire
from adapters.erps.divalto.hours import at_site
from adapters.erps.divalto.pieces import Article
from adapters.erps.divalto.plugin import DivaltoSettings, flow_of
from adapters.erps.divalto.transport import Query, Row
from adapters.erps.divalto.wire import WireError

STAMP = "%Y%m%d%H%M%S"
"""How USERMODH spells an instant, by the site's clock."""

STAMP_LENGTH = 14

WRITING_MAX = timedelta(minutes=5)
"""How much older than its commit a stamp may be: as long as a run that invoices a day's notes may take."""

MOVED_KEY = ("USERMODH", "ENRNO")
MOVED_COLUMNS = (
    *MOVED_KEY,
    "TICOD",
    "PICOD",
    "PREFPINO",
    "PINO",
    "PINOTIERS",
    "REF",
    "SREF1",
    "SREF2",
    "DEPO",
    "SENS",
    "BLQTE",
    "FAQTE",
    "USERMO",
)


def is_told(query: Query, settings: DivaltoSettings) -> bool:
    """Return whether the profile says how such lines are read: few sites will have opened that dictionary."""
    match flow_of(query.table, settings.flows):
        case "rest":
            return bool(settings.spelling.moved.equal)
        case "execute" | "soap":
            return bool(settings.actions.moved.action)
        case "files":
            return True


def is_us(user: str, ours: str) -> bool:
    """Return whether that user is our service account; codes are compared without case, as everywhere."""
    return bool(ours) and user.strip().lower() == ours.lower()


def read_moves(
    rows: Sequence[Row], settings: DivaltoSettings, sku_of: Callable[[Article], str]
) -> list[ErpMove]:
    """Return what the rows moved in mapped depots.

    Raises:
        WireError: a row makes no sense.
    """
    warehouses = {depot: warehouse for warehouse, depot in settings.depots.items()}
    found: list[ErpMove] = []
    for at, _, ticod, stage, prefix, number, ours, *article, depot, sense, noted, billed, by in wire.columns(
        rows, *MOVED_COLUMNS
    ):
        warehouse = warehouses.get(depot)
        units = wire.read_decimal(noted) or wire.read_decimal(billed)
        if warehouse is None or not units or stage.strip() not in (pieces.NOTE, pieces.INVOICE):
            continue
        signed = units if sense.strip() == settings.spelling.sense_in else -units
        found.append(
            ErpMove(
                number=pieces.name_of(ticod.strip(), stage.strip(), prefix.strip(), number.strip()),
                reference=ours.strip(),
                kind=_kind(ticod.strip(), signed),
                warehouse=warehouse,
                sku=sku_of(Article(*article)),
                units=signed,
                by=by.strip(),
                by_us=is_us(by, settings.user),
                at=instant_of(at, settings),
            )
        )
    return found


def stamp_of(at: datetime, settings: DivaltoSettings) -> str:
    """Return the earliest stamp of anything written since an instant.

    In the hour before the site's clock is set back, what is written later bears earlier stamps.
    """
    here = at_site(at, settings)
    offsets = [here.replace(fold=fold).utcoffset() or timedelta(0) for fold in (here.fold, 1)]
    return (here.replace(tzinfo=None) - (offsets[0] - offsets[1])).strftime(STAMP)


def stamp_behind(stamp: str, settings: DivaltoSettings) -> str:
    """Return the earliest stamp of anything that was not to be seen yet when one with `stamp` was."""
    return stamp_of(instant_of(stamp, settings) - WRITING_MAX, settings)


def _kind(ticod: str, units: Decimal) -> MoveKind:
    match ticod:
        case pieces.SUPPLIER:
            return "reception"
        case pieces.INTERNAL:
            return "count"
        case _:
            return "return" if units > 0 else "delivery"


def instant_of(text: str, settings: DivaltoSettings) -> datetime:
    """Read an instant by the site's own clock; of the hour that comes twice a year, the first.

    Raises:
        WireError: it is something else.
    """
    zone: tzinfo = UTC if settings.timezone == "UTC" else ZoneInfo(settings.timezone)
    try:
        return datetime.strptime(text.strip()[:STAMP_LENGTH], STAMP).replace(tzinfo=zone).astimezone(UTC)
    except ValueError as error:
        raise WireError("an instant was expected") from error
