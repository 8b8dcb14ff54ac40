"""Where an order stands otherwise at the ERP or in the shop than here, each difference with its cause. Pure.

What we told a partner is in the order's own stream: a difference is a document that is still to be told, one
that was refused, or, where the partner has taken it, what somebody has done there since.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from actors.domain.discrepancies import UNDER_WAY_MAX, Cause, Discrepancy, Mend, SinceIs, command, settles
from actors.domain.documents import ERP, ErpReturn, ShopStatus, ShopTracking
from actors.domain.erp_pieces import ErpPiece
from actors.domain.order_draft import shop
from actors.domain.order_history import Asked, History
from actors.domain.order_state import Order, effect_id, first_asked

NOTES = ("note", "invoice")

Standing = Literal["open", "unpaid", "cancelled", "shipped", "deleted", "unread"]
"""How the order stands in the shop; "unread" is what nobody asked, or what means nothing."""


class Pieces(Struct, frozen=True):
    """The ERP's pieces of one order, by the reference that they bear there.

    Attributes:
        of_order: those that bear the order's own.
        of_notes: those of its parts and returns, by our name for them; the others under the ERP's.
        remark: what is wrong with the order's amount, "" for nothing.
    """

    of_order: tuple[ErpPiece, ...] = ()
    of_notes: Mapping[str, tuple[ErpPiece, ...]] = {}
    remark: str = ""


class Shown(Struct, frozen=True):
    """The shop's order; `tracking` is whether it shows the parcels that it was told of, None if unread."""

    standing: Standing = "unread"
    tracking: bool | None = None


class Sight(Struct, frozen=True):
    """Everything that is known of one order on all sides.

    Attributes:
        history: ours.
        pieces: the ERP's, None where they were not read.
        shown: the shop's.
        anomalies: the open anomalies' names.
        now: when it was read.
    """

    history: History
    pieces: Pieces | None
    shown: Shown
    anomalies: Collection[str]
    now: datetime


class _Finding(Struct, frozen=True):
    kind: str
    cause: Cause
    since: datetime
    detail: str
    mend: Mend
    evidence: tuple[str, ...]
    since_is: SinceIs = "exact"
    told_as: tuple[str, ...] = ()
    about: str = ""


def order_discrepancies(sight: Sight) -> tuple[Discrepancy, ...]:
    """Return every difference of one order."""
    order = sight.history.order
    partner = shop(order)
    found = [(partner, each) for each in _shop_differs(sight)]
    if sight.pieces is not None:
        found += [(ERP, each) for each in _erp_differs(sight, sight.pieces)]
    return tuple(_told(scope, each, order.id, sight.anomalies) for scope, each in found)


def _told(scope: str, finding: _Finding, order: str, anomalies: Collection[str]) -> Discrepancy:
    told_as = next((name for name in finding.told_as if name in anomalies), "")
    return Discrepancy(
        scope=scope,
        kind=finding.kind,
        subject=finding.about or order,
        cause=finding.cause,
        since=finding.since,
        detail=f"{order}: {finding.detail}",
        mend=finding.mend,
        since_is=finding.since_is,
        evidence=finding.evidence,
        told_as=told_as,
    )


# --- the ERP ------------------------------------------------------------------------------------------------


def _erp_differs(sight: Sight, pieces: Pieces) -> Iterable[_Finding]:
    yield from _order_differs(sight, pieces)
    yield from _notes_differ(sight, pieces)


def _order_differs(sight: Sight, pieces: Pieces) -> Iterable[_Finding]:
    order, asked = sight.history.order, sight.history.asked.get(_erp_order(sight.history.order))
    orders = [piece for piece in pieces.of_order if piece.stage == "order"]
    advanced = [piece for piece in pieces.of_order if piece.stage in NOTES]
    if asked is None:
        if pieces.of_order:
            numbers = _numbers(pieces.of_order)
            detail = f"the ERP has {', '.join(numbers)} of it, which was never asked for"
            mend = Mend("look where it comes from, and close it at the ERP", (_show(order),))
            yield _finding(sight, "order_extra", _by(pieces.of_order), pieces.of_order, detail, mend)
        return
    if not pieces.of_order and not any(pieces.of_notes.values()):
        yield _absent(sight, "order_missing", "its order", asked)
        return
    if len(orders) > 1:
        detail = f"the ERP has it {len(orders)} times, as {', '.join(_numbers(orders))}"
        mend = Mend(f"close all but {orders[0].number} at the ERP", (_show(order),))
        yield _finding(sight, "order_doubled", _by(orders[1:]), orders[1:], detail, mend)
        return
    if advanced:
        yield _delivered_there(sight, advanced)
    elif orders:
        yield from _stands_otherwise(sight, pieces, orders[0], asked)


def _delivered_there(sight: Sight, advanced: Sequence[ErpPiece]) -> _Finding:
    order = sight.history.order
    numbers = ", ".join(_numbers(advanced))
    detail = f"{_who(advanced)} delivered it at the ERP as {numbers}, and here it is {order.stage}"
    if order.ended in ("shipped", "delivered"):
        mend = Mend("undo one of the deliveries at the ERP: the goods left once", (_show(order),))
    elif order.ended == "cancelled":
        mend = Mend("undo it at the ERP: it is cancelled here", (_show(order),))
    else:
        mend = Mend("ship it here too if the goods have left; if not, undo it at the ERP", (_show(order),))
    return _finding(sight, "delivered_there", "erp_user", advanced, detail, mend)


def _stands_otherwise(sight: Sight, pieces: Pieces, piece: ErpPiece, asked: Asked) -> Iterable[_Finding]:
    order = sight.history.order
    if order.ended == "cancelled":
        if not piece.closed:
            yield _still_open(sight, piece)
        return
    if piece.closed and _has_to_leave(order):
        detail = f"{_who([piece])} closed {piece.number} at the ERP, and here it is {order.stage}"
        mend = Mend(
            f"open {piece.number} again at the ERP, or stop the order here",
            (command("order", "cancel", order.id),),
        )
        yield _finding(sight, "order_closed", "erp_user", [piece], detail, mend)
    elif pieces.remark and not piece.closed and not any(pieces.of_notes.values()):
        cause: Cause = "erp_user" if piece.changed_by and not piece.by_us else "unknown"
        who = f"{piece.changed_by} changed {piece.number} there: " if cause == "erp_user" else ""
        mend = Mend(f"compare {piece.number} with the shop's order, and mend its prices", (_show(order),))
        told = (f"remark:{asked.effect}",)
        yield _finding(
            sight, "amount", cause, [piece], f"{who}{pieces.remark}", mend, effects=(asked.effect,), told=told
        )


def _still_open(sight: Sight, piece: ErpPiece) -> _Finding:
    order = sight.history.order
    asked = sight.history.asked.get(effect_id("erp-cancel", order.id))
    what = f"{piece.number} is open at the ERP, and here it is cancelled"
    if asked is None or asked.outcome == "done":
        cause: Cause = "erp_user" if piece.changed_by and not piece.by_us else "unknown"
        mend = Mend(f"close {piece.number} at the ERP", (_show(order),))
        return _finding(sight, "order_open", cause, [piece], what, mend)
    return _untold(sight, "order_open", what, asked, ERP)


def _has_to_leave(order: Order) -> bool:
    return not order.ended and (bool(order.wanted()) or any(part.state != "shipped" for part in order.live()))


def _notes_differ(sight: Sight, pieces: Pieces) -> Iterable[_Finding]:
    order, expected = sight.history.order, set[str]()
    for part in order.parts.values():
        asked = sight.history.asked.get(effect_id("erp-note", part.fulfilment))
        if asked is None:
            continue
        expected.add(part.fulfilment)
        notes = [piece for piece in pieces.of_notes.get(part.fulfilment, ()) if piece.stage in NOTES]
        doubled = [piece for piece in notes if piece.stage == "note" and not piece.closed]
        if not notes:
            missing = _absent(sight, "note_missing", f"its note {part.fulfilment}", asked)
            yield replace(missing, about=part.fulfilment)
        elif len(doubled) > 1:
            numbers = ", ".join(_numbers(doubled))
            detail = f"{part.fulfilment} was delivered {len(doubled)} times, as {numbers}"
            mend = Mend(f"undo all but {doubled[0].number} at the ERP", (_show(order),))
            found = _finding(sight, "note_doubled", _by(doubled[1:]), doubled[1:], detail, mend)
            yield replace(found, about=part.fulfilment)
    yield from _notes_of_nothing(sight, pieces, expected)


def _notes_of_nothing(sight: Sight, pieces: Pieces, expected: Collection[str]) -> Iterable[_Finding]:
    documents = [asked.document for asked in sight.history.asked.values()]
    returns = {document.reference for document in documents if isinstance(document, ErpReturn)}
    for name, several in pieces.of_notes.items():
        notes = [piece for piece in several if piece.stage in NOTES]
        if notes and name not in expected and name not in returns:
            detail = f"the ERP has {', '.join(_numbers(notes))} of {name}, which never left here"
            mend = Mend("undo it at the ERP", (_show(sight.history.order),))
            yield replace(_finding(sight, "note_extra", _by(notes), notes, detail, mend), about=name)


def _absent(sight: Sight, kind: str, what: str, asked: Asked) -> _Finding:
    """Return why something that was asked for is not at the ERP."""
    if asked.outcome != "done":
        return _untold(sight, kind, f"the ERP has not {what} yet", asked, ERP)
    detail = f"the ERP had {what} as {asked.reference}, and has it no more"
    text = f"bring {asked.reference} back at the ERP, or enter it there again"
    mend = Mend(text, (_show(sight.history.order),))
    evidence = (asked.effect, asked.reference)
    return _Finding(kind, "erp_user", asked.at, detail, mend, evidence, "at_the_earliest")


# --- the shop -----------------------------------------------------------------------------------------------


def _shop_differs(sight: Sight) -> Iterable[_Finding]:
    order, standing = sight.history.order, sight.shown.standing
    match standing:
        case "unread":
            pass
        case "deleted":
            if not order.ended:
                detail = f"the shop has deleted it, and here it is {order.stage}"
                mend = Mend("stop it, unless it is to be shipped all the same", (_cancel(order),))
                yield _shop_write(sight, "deleted", detail, mend, (f"{order.id}:deleted",))
        case "open" | "unpaid":
            if order.ended:
                yield _shop_is_behind(sight, standing)
        case "shipped":
            if order.ended in ("", "cancelled"):
                detail = f"somebody set it to shipped in the shop, and here it is {order.stage}"
                mend = Mend("stop it here if the goods are gone, else set the shop back", (_cancel(order),))
                told = (f"{order.id}:shipped", f"{order.id}:contradicted")
                yield _shop_write(sight, "shipped_there", detail, mend, told)
        case "cancelled":
            if order.ended != "cancelled":
                yield _cancelled_there(sight)
    yield from _tracking_differs(sight)


def _shop_is_behind(sight: Sight, standing: str) -> _Finding:
    order = sight.history.order
    status = "cancelled" if order.ended == "cancelled" else "shipped"
    what = f"the shop shows it as {standing}, and here it is {order.ended}"
    asked = _last_status(sight.history, status)
    if asked is None or asked.outcome == "done":
        mend = Mend(f"set its state in the shop to {status}", (_show(order),))
        return _shop_write(sight, "status", what, mend, (f"{order.id}:contradicted",), asked)
    return _untold(sight, "status", what, asked, shop(order))


def _cancelled_there(sight: Sight) -> _Finding:
    order = sight.history.order
    what = f"the shop shows it as cancelled, and here it is {order.stage}"
    if order.ended or order.cancels_refused:
        mend = Mend("intercept the parcel, or take it back as a return", (_show(order),))
        return _shop_write(sight, "cancelled_late", what, mend, (f"{order.id}:cancel",))
    mend = Mend("nothing: the next poll brings it", (_cancel(order),))
    return _Finding("cancelled_there", "not_imported", sight.now, what, mend, (), "at_the_latest")


def _tracking_differs(sight: Sight) -> Iterable[_Finding]:
    tellings = [asked for asked in sight.history.asked.values() if isinstance(asked.document, ShopTracking)]
    if not tellings:
        return
    last = tellings[-1]
    order = sight.history.order
    if last.outcome != "done":
        yield _untold(sight, "tracking", "the shop does not show its parcels yet", last, shop(order))
    elif sight.shown.tracking is False:
        what = "the shop was told of its parcels, and shows them no more"
        mend = Mend("give the shop's order its tracking number again", (_show(order),))
        yield _shop_write(sight, "tracking", what, mend, (), last)


def _last_status(history: History, status: str) -> Asked | None:
    return next(
        (
            asked
            for asked in reversed(tuple(history.asked.values()))
            if isinstance(asked.document, ShopStatus) and asked.document.status == status
        ),
        None,
    )


# --- what all of them say -----------------------------------------------------------------------------------


def _untold(sight: Sight, kind: str, what: str, asked: Asked, partner: str) -> _Finding:
    """Return a difference that is a document which the partner has not taken."""
    order = sight.history.order
    effects = (asked.effect,)
    if asked.outcome == "waiting":
        mend = settles(asked.asked_at + UNDER_WAY_MAX, sight.now, partner)
        return _Finding(kind, "document_under_way", asked.asked_at, what, mend, effects)
    mend = Mend("mend what it says, then have it asked for again", (command("order", "retry", order.id),))
    detail = f"{what}: it was refused, {asked.reference}"
    told = (f"{order.id}:refused:{first_asked(asked.effect)}",)
    return _Finding(kind, "document_refused", asked.at, detail, mend, effects, told_as=told)


def _finding(
    sight: Sight,
    kind: str,
    cause: Cause,
    pieces: Sequence[ErpPiece],
    detail: str,
    mend: Mend,
    *,
    effects: tuple[str, ...] = (),
    told: tuple[str, ...] = (),
) -> _Finding:
    """Return a difference that pieces of the ERP prove."""
    touched = [piece.touched_at for piece in pieces if piece.touched_at is not None]
    how: SinceIs = "exact" if touched and cause == "erp_user" else "at_the_latest"
    since = min(touched) if how == "exact" else sight.now
    return _Finding(kind, cause, since, detail, mend, (*_numbers(pieces), *effects), how, told)


def _shop_write(
    sight: Sight, kind: str, detail: str, mend: Mend, told: tuple[str, ...], asked: Asked | None = None
) -> _Finding:
    """Return a difference that somebody made in the shop, after it took what it was told last."""
    if asked is None:
        return _Finding(kind, "shop_write", sight.now, detail, mend, (), "at_the_latest", told)
    return _Finding(kind, "shop_write", asked.at, detail, mend, (asked.effect,), "at_the_earliest", told)


def _by(pieces: Iterable[ErpPiece]) -> Cause:
    """Return whether a user of the ERP made these pieces what they are, as far as it tells."""
    return "erp_user" if any(piece.changed_by and not piece.by_us for piece in pieces) else "unknown"


def _who(pieces: Iterable[ErpPiece]) -> str:
    return next((piece.changed_by for piece in pieces if piece.changed_by), "somebody")


def _numbers(pieces: Iterable[ErpPiece]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(piece.number for piece in pieces))


def _erp_order(order: Order) -> str:
    return effect_id("erp-order", order.id)


def _show(order: Order) -> str:
    return command("order", "show", order.id)


def _cancel(order: Order) -> str:
    return command("order", "cancel", order.id)
