"""Why the ERP's stock is not the ledger's, per warehouse and SKU: each difference, split by its causes. Pure.

Both began alike when the ledger took over what the ERP said, and ever since the ERP has booked (X) what was
asked of it by documents and what its own users did, and the ledger (L) what was asked by documents and what
it took over of those users' doings. So

    X - L  =  - refused  - vanished  +  users' moves not taken over  -  in flight  +  rest

without anything left: a document that the ERP refused, or has no more, stands in L alone; what a user booked
stands in X alone until it is taken over; what is in flight is in L, and in X or not yet. The rest has no
cause that is known, and is told as such, except where one side does not know the article at all.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from actors.domain.discrepancies import UNDER_WAY_MAX, Cause, Discrepancy, Mend, SinceIs, command, settles
from actors.domain.documents import ERP
from actors.domain.erp_pieces import ErpMove
from actors.domain.erp_stock import AsOf, Place, Underway, in_flight, moves_of

T = TypeVar("T")

SCOPE = ERP
STOCK = "stock"

EVIDENCE_MAX = 10
"""Pieces or documents that are named for one difference; the others are counted."""


class Refused(Struct, frozen=True):
    """A document that the ERP would not take; `told_as` is the open anomaly that says so."""

    document: Underway
    told_as: str
    mend: Mend


class Books(Struct, frozen=True):
    """Both sides' figures, and everything that is known to lie between them.

    Attributes:
        as_of: when the ERP's figures were read.
        theirs, ours: units by place: what the ERP says, what is physically there by the ledger.
        underway: documents that were asked for and were not booked for certain before the reading.
        refused: documents that the ERP would not take.
        vanished: documents that it had booked and has no more: `done_at` is when it had.
        moves: what its users booked, and the ledger has not taken over.
        orders: those of the references on such moves that name an order of ours.
        known_there, known_here: the SKUs that each side knows; None where that was not asked.
    """

    as_of: AsOf
    theirs: Mapping[Place, int]
    ours: Mapping[Place, int]
    underway: tuple[Underway, ...] = ()
    refused: tuple[Refused, ...] = ()
    vanished: tuple[Underway, ...] = ()
    moves: tuple[ErpMove, ...] = ()
    orders: Collection[str] = ()
    known_there: Collection[str] | None = None
    known_here: Collection[str] | None = None


class Figures(Struct, frozen=True):
    """The figures of one place: the ledger's, the ERP's, and what the ERP's would be with all in flight."""

    warehouse: str
    sku: str
    ledger: int
    erp: int
    corrected: int


class _Part(Struct, frozen=True):
    cause: Cause
    units: int
    since: datetime
    detail: str
    mend: Mend
    evidence: tuple[str, ...] = ()
    since_is: SinceIs = "exact"
    told_as: str = ""


def differing(
    theirs: Mapping[Place, int], ours: Mapping[Place, int], except_for: Collection[Place] = ()
) -> list[Place]:
    """Return the places whose two figures are not the same, in order."""
    return sorted(
        place
        for place in theirs.keys() | ours.keys()
        if theirs.get(place, 0) != ours.get(place, 0) and place not in except_for
    )


def stock_discrepancies(books: Books, places: Iterable[Place]) -> tuple[Discrepancy, ...]:
    """Return every part of every difference of these places; those of a place sum up to its difference."""
    flight = in_flight(books.underway, books.as_of)
    underway = _by_place((each, moves_of(each.document)) for each in books.underway)
    refused = _by_place((each, moves_of(each.document.document)) for each in books.refused)
    vanished = _by_place((each, moves_of(each.document)) for each in books.vanished)
    moves: dict[Place, list[ErpMove]] = {}
    for move in books.moves:
        moves.setdefault((move.warehouse, move.sku), []).append(move)
    found: list[Discrepancy] = []
    for place in places:
        theirs, ours = books.theirs.get(place, 0), books.ours.get(place, 0)
        parts = [_refused(each, place) for each in refused.get(place, ())]
        parts += [_vanished(each, place) for each in vanished.get(place, ())]
        parts += _users(moves.get(place, ()), place, books.orders)
        left = theirs - ours - sum(part.units for part in parts)
        least, most = flight.get(place, (0, 0))
        waiting = min(max(left, least), most)
        if waiting:
            parts.append(_waiting(underway[place], waiting, books.as_of))
        if left != waiting:
            parts.append(_rest(books, place, left - waiting))
        shows = f"the ERP has {theirs} of {place[1]} in {place[0]}, and the ledger {ours}"
        found += [_told(part, place, shows) for part in _by_cause(parts) if part.units]
    return tuple(found)


def figures(books: Books, places: Iterable[Place]) -> tuple[Figures, ...]:
    """Return the figures of these places beside one another."""
    flight = in_flight(books.underway, books.as_of)
    return tuple(
        Figures(
            *place,
            ledger=(ours := books.ours.get(place, 0)),
            erp=(theirs := books.theirs.get(place, 0)),
            corrected=_corrected(theirs, ours, flight.get(place, (0, 0))),
        )
        for place in places
    )


def _corrected(theirs: int, ours: int, flight: tuple[int, int]) -> int:
    """Return the ERP's figure with what is in flight booked: as near to the ledger's as that can explain."""
    least, most = flight
    return theirs - min(max(theirs - ours, least), most)


def whole_units(units: Decimal) -> int:
    """Return the whole units: a part of one can neither be sold nor picked."""
    return int(units.to_integral_value(ROUND_FLOOR))


def _by_place(rows: Iterable[tuple[T, Mapping[Place, int]]]) -> dict[Place, list[T]]:
    found: dict[Place, list[T]] = {}
    for row, units in rows:
        for place in units:
            found.setdefault(place, []).append(row)
    return found


def _told(part: _Part, place: Place, shows: str) -> Discrepancy:
    return Discrepancy(
        scope=SCOPE,
        kind=STOCK,
        subject=" ".join(place),
        cause=part.cause,
        since=part.since,
        detail=f"{shows}: {part.detail}",
        mend=part.mend,
        units=part.units,
        since_is=part.since_is,
        evidence=part.evidence,
        told_as=part.told_as,
    )


def _by_cause(parts: Iterable[_Part]) -> Iterable[_Part]:
    """Return the parts with those of one cause as one."""
    whole: dict[Cause, _Part] = {}
    for part in parts:
        before = whole.get(part.cause)
        if before is None:
            whole[part.cause] = part
            continue
        commands = tuple(dict.fromkeys((*before.mend.commands, *part.mend.commands)))
        whole[part.cause] = replace(
            before,
            units=before.units + part.units,
            since=min(before.since, part.since),
            detail=f"{before.detail}, and {part.detail}",
            mend=replace(before.mend, commands=commands),
            evidence=(*before.evidence, *part.evidence),
        )
    return whole.values()


def _refused(refused: Refused, place: Place) -> _Part:
    document = refused.document
    units = -moves_of(document.document)[place]
    since = document.done_at or document.asked_at
    detail = f"{document.effect} would make it {-units:+d}, and was refused"
    return _Part(
        "document_refused",
        units,
        since,
        detail,
        refused.mend,
        (document.effect,),
        told_as=refused.told_as,
    )


def _vanished(document: Underway, place: Place) -> _Part:
    units = -moves_of(document.document)[place]
    since = document.done_at or document.asked_at
    detail = f"{document.effect} made it {-units:+d}, and is there no more"
    mend = Mend("bring it back at the ERP, or enter it there again")
    return _Part("erp_user", units, since, detail, mend, (document.effect,), since_is="at_the_earliest")


def _users(moves: Iterable[ErpMove], place: Place, orders: Collection[str]) -> Iterable[_Part]:
    """Return what users did, their counts apart from their other pieces."""
    by_cause: dict[Cause, list[ErpMove]] = {}
    for move in moves:
        by_cause.setdefault("count" if move.kind == "count" else "erp_user", []).append(move)
    for cause, several in by_cause.items():
        units = sum(whole_units(move.units) for move in several)
        doings = ", ".join(_doing(move) for move in several[:EVIDENCE_MAX])
        evidence = tuple(dict.fromkeys(move.number for move in several))
        since, mend = min(move.at for move in several), _take_over(several, place, orders)
        yield _Part(cause, units, since, doings, mend, evidence)


def _doing(move: ErpMove) -> str:
    who = move.by or "somebody"
    verb = {"delivery": "delivered", "return": "took back", "reception": "took in", "count": "counted"}[
        move.kind
    ]
    whole = whole_units(move.units)
    said = f"{whole:+d}" if move.kind == "count" else str(abs(whole))
    of_order = f" of {move.reference}" if move.reference else ""
    return f"{who} {verb} {said}{of_order} there as {move.number}"


def _take_over(moves: list[ErpMove], place: Place, orders: Collection[str]) -> Mend:
    warehouse, sku = place
    own = [move.reference for move in moves if move.reference in orders]
    if own:
        text = "it is an order of ours: if the goods have left, ship it here too; if not, undo it at the ERP"
        return Mend(text, tuple(command("order", "show", order) for order in dict.fromkeys(own)))
    commands = tuple(
        command(
            "stock",
            "mirror",
            warehouse,
            sku,
            f"--by={whole_units(move.units):+d}",
            "--booked-as",
            move.number,
        )
        for move in moves[:EVIDENCE_MAX]
        if whole_units(move.units)
    )
    return Mend("if the goods did move, take it over; if not, undo it at the ERP", commands)


def _waiting(documents: list[Underway], units: int, as_of: AsOf) -> _Part:
    asked_at = min(each.asked_at for each in documents)
    effects = tuple(each.effect for each in documents)
    named = ", ".join(effects[:EVIDENCE_MAX])
    return _Part(
        "document_under_way",
        units,
        asked_at,
        f"{named} is not booked yet, for {units:+d}",
        settles(asked_at + UNDER_WAY_MAX, as_of.ended_at, ERP),
        effects,
    )


def _rest(books: Books, place: Place, units: int) -> _Part:
    warehouse, sku = place
    since = books.as_of.ended_at
    if books.known_here is not None and sku not in books.known_here:
        mend = Mend(
            "map it to a SKU of ours by articles in [erp], or take over what lies there",
            (command("stock", "mirror", warehouse, sku, f"--by={units:+d}", "--booked-as", "opening"),),
        )
        return _Part("mapping", units, since, "no warehouse of ours knows it", mend, since_is="at_the_latest")
    if books.known_there is not None and sku not in books.known_there:
        mend = Mend("make the article at the ERP, or map the SKU to one by articles in [erp]")
        return _Part("mapping", units, since, "the ERP has no such article", mend, since_is="at_the_latest")
    text = f"count the goods: is the ledger right, correct the ERP by {-units:+d}; is the ERP, take it over"
    mend = Mend(text, (command("stock", "mirror", *place, f"--by={units:+d}", "--booked-as", "counted"),))
    return _Part(
        "unknown", units, since, f"nothing that is known explains {units:+d}", mend, since_is="at_the_latest"
    )
