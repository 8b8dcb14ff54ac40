"""An order that stands otherwise at the ERP or in the shop is told with its cause, and no other one is."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.domain.anomaly_events import AnomalyEvent
from actors.domain.discrepancies import Discrepancy
from actors.domain.documents import (
    Document,
    ErpCancellation,
    ErpDeliveryNote,
    ErpOrder,
    ShopParcel,
    ShopStatus,
    ShopTracking,
)
from actors.domain.erp_pieces import ErpPiece
from actors.domain.order_events import (
    Beside,
    CancelAsked,
    EffectDone,
    EffectRefused,
    EffectRequested,
    FulfilmentAllocated,
    FulfilmentReady,
    FulfilmentShipped,
    OrderCancelled,
    OrderConfirmed,
    OrderEvent,
    OrderImported,
    OrderLine,
    OrderRouted,
    OrderShipped,
    PlannedFulfilment,
)
from actors.domain.order_history import Outcome, history
from actors.domain.order_reconciliation import Pieces, Shown, Sight, Standing, order_discrepancies
from actors.domain.stock_events import PackedParcel, Quantity

NINE = datetime(2026, 11, 25, 9, tzinfo=UTC)
NOW = NINE + timedelta(hours=3)
ORDER, PART = "main-7", "main-7.1"
LINES = (Quantity("CUP", 2),)

IMPORTED = OrderImported(
    "main",
    "7",
    "REF7",
    NINE,
    "EUR",
    Decimal(10),
    Decimal(0),
    "standard",
    "FR",
    (OrderLine("1", "CUP", 2, Decimal(5)),),
    Beside("c", "0"),
    Beside("p", "0"),
)
PLANNED: tuple[OrderEvent, ...] = (
    IMPORTED,
    OrderRouted((PlannedFulfilment(PART, "lyon", LINES),), (), "r"),
    FulfilmentAllocated(PART),
    OrderConfirmed((PART,)),
)
SHIPPED: tuple[OrderEvent, ...] = (
    *PLANNED,
    FulfilmentReady(PART, (PackedParcel(f"{PART}.1", LINES, 500),)),
    FulfilmentShipped(PART),
    OrderShipped(),
)
CANCELLED: tuple[OrderEvent, ...] = (IMPORTED, CancelAsked("desk"), OrderCancelled("desk"))

ERP_ORDER, NOTE = f"erp-order:{ORDER}", f"erp-note:{PART}"
TRACKING, STATUS, CANCEL = f"tracking:{PART}", f"status-shipped:{ORDER}", f"erp-cancel:{ORDER}"
DOCUMENTS: Mapping[str, tuple[str, Document]] = {
    ERP_ORDER: ("erp", ErpOrder(ORDER, "main", "REF7", NINE, "EUR", (), Decimal(0), "c")),
    NOTE: ("erp", ErpDeliveryNote(PART, ORDER, "lyon", (), NINE)),
    CANCEL: ("erp", ErpCancellation(ORDER)),
    TRACKING: ("shop-main", ShopTracking("7", (ShopParcel(f"{PART}.1", "swift", "S1", 500),))),
    STATUS: ("shop-main", ShopStatus("7", "shipped")),
    f"status-cancelled:{ORDER}": ("shop-main", ShopStatus("7", "cancelled")),
}
ASKED_AT = NINE + timedelta(minutes=10)


def asked(outcomes: Mapping[str, Outcome]) -> list[OrderEvent]:
    events: list[OrderEvent] = []
    for effect, outcome in outcomes.items():
        events.append(EffectRequested(effect, *DOCUMENTS[effect]))
        if outcome == "done":
            events.append(EffectDone(effect, "C2-1"))
        elif outcome == "refused":
            events.append(EffectRefused(effect, "Article inexistant"))
    return events


def piece(
    reference: str, stage: str, number: str, *, closed: bool = False, by: str = "wharfinger"
) -> ErpPiece:
    at = "20261125110000"
    touched = datetime(2026, 11, 25, 11, tzinfo=UTC)
    return ErpPiece(
        reference,
        number,
        stage,
        closed=closed,
        amount=Decimal(10),
        changed_by=by,
        changed_at=at,
        by_us=by == "wharfinger",
        touched_at=touched,
    )


BOOKED = piece(ORDER, "order", "C2-1")
DELIVERED = piece(PART, "note", "C3-1")


def sight(
    events: tuple[OrderEvent, ...],
    outcomes: Mapping[str, Outcome],
    pieces: Pieces | None,
    standing: Standing,
    *,
    tracking: bool | None = None,
    anomalies: tuple[str, ...] = (),
) -> Sight:
    whole: chain[OrderEvent | AnomalyEvent] = chain(events, asked(outcomes))
    told = history((event, ASKED_AT) for event in whole)
    return Sight(told, pieces, Shown(standing, tracking), anomalies, NOW)


def look(
    events: tuple[OrderEvent, ...],
    outcomes: Mapping[str, Outcome],
    pieces: Pieces | None,
    standing: Standing,
    *,
    tracking: bool | None = None,
    anomalies: tuple[str, ...] = (),
) -> dict[str, Discrepancy]:
    found = order_discrepancies(
        sight(events, outcomes, pieces, standing, tracking=tracking, anomalies=anomalies)
    )
    return {f"{each.kind}:{each.cause}": each for each in found}


ALL_DONE: Mapping[str, Outcome] = {ERP_ORDER: "done", NOTE: "done", TRACKING: "done", STATUS: "done"}
AT_ERP = Pieces((replace(BOOKED, closed=True),), {PART: (DELIVERED,)})


def test_an_order_that_everybody_knows_alike_is_in_order() -> None:
    assert look(SHIPPED, ALL_DONE, AT_ERP, "shipped", tracking=True) == {}
    assert look(PLANNED, {ERP_ORDER: "done"}, Pieces((BOOKED,)), "open") == {}
    assert look((IMPORTED,), {}, Pieces(), "open") == {}
    closed = Pieces((replace(BOOKED, closed=True),))
    assert look(CANCELLED, {ERP_ORDER: "done", CANCEL: "done"}, closed, "cancelled") == {}


@given(
    st.fixed_dictionaries({effect: st.sampled_from(("waiting", "done", "refused")) for effect in ALL_DONE})
)
def test_what_a_partner_has_not_taken_is_under_way_or_refused_and_nobodys_doing(
    outcomes: dict[str, Outcome],
) -> None:
    has_order, has_note = outcomes[ERP_ORDER] == "done", outcomes[NOTE] == "done"
    pieces = Pieces(
        (replace(BOOKED, closed=has_note),) if has_order else (), {PART: (DELIVERED,)} if has_note else {}
    )
    standing: Standing = "shipped" if outcomes[STATUS] == "done" else "open"
    found = look(SHIPPED, outcomes, pieces, standing, tracking=outcomes[TRACKING] == "done")
    words = {"waiting": "document_under_way", "refused": "document_refused"}
    kinds = {ERP_ORDER: "order_missing", NOTE: "note_missing", TRACKING: "tracking", STATUS: "status"}
    expected = {
        f"{kinds[effect]}:{words[outcome]}"
        for effect, outcome in outcomes.items()
        if outcome != "done" and not (effect == ERP_ORDER and has_note)  # notes prove their order
    }
    assert set(found) == expected
    for each in found.values():
        if each.cause == "document_under_way":
            assert each.mend.commands == (f"wharfctl outbox retry {each.scope}",)
        else:
            assert each.mend.commands == ("wharfctl order retry main-7",)
            assert "Article inexistant" in each.detail


PLANTS: Mapping[str, tuple[Pieces, Standing, bool]] = {
    "order_missing:erp_user": (Pieces(), "shipped", True),
    "note_missing:erp_user": (Pieces((BOOKED,)), "shipped", True),
    "note_doubled:erp_user": (
        Pieces((BOOKED,), {PART: (DELIVERED, piece(PART, "note", "C3-2", by="MARTINE"))}),
        "shipped",
        True,
    ),
    "note_extra:erp_user": (
        Pieces(
            (BOOKED,), {PART: (DELIVERED,), "main-7.9": (piece("main-7.9", "note", "C3-3", by="MARTINE"),)}
        ),
        "shipped",
        True,
    ),
    "order_doubled:unknown": (
        Pieces((BOOKED, piece(ORDER, "order", "C2-2")), {PART: (DELIVERED,)}),
        "shipped",
        True,
    ),
    "delivered_there:erp_user": (
        Pieces((piece(ORDER, "note", "C3-9", by="MARTINE"),), {PART: (DELIVERED,)}),
        "shipped",
        True,
    ),
    "status:shop_write": (AT_ERP, "open", True),
    "tracking:shop_write": (AT_ERP, "shipped", False),
    "cancelled_late:shop_write": (AT_ERP, "cancelled", True),
}


@pytest.mark.parametrize("planted", PLANTS)
def test_what_somebody_does_to_a_shipped_order_is_told_by_its_cause(planted: str) -> None:
    pieces, standing, tracking = PLANTS[planted]
    found = look(SHIPPED, ALL_DONE, pieces, standing, tracking=tracking)
    assert planted in found
    # Where the order's own pieces are gone, so are its notes.
    assert set(found) - {planted} <= {"note_missing:erp_user"}


def test_an_order_that_a_user_closed_is_told_with_who_and_when() -> None:
    closed = piece(ORDER, "order", "C2-1", closed=True, by="MARTINE")
    (found,) = look(PLANNED, {ERP_ORDER: "done"}, Pieces((closed,)), "open").values()
    assert (found.kind, found.cause, found.evidence) == ("order_closed", "erp_user", ("C2-1",))
    assert found.detail == "main-7: MARTINE closed C2-1 at the ERP, and here it is picking"
    assert (found.since, found.since_is) == (datetime(2026, 11, 25, 11, tzinfo=UTC), "exact")
    assert found.mend.commands == ("wharfctl order cancel main-7",)


def test_a_cancelled_order_that_stands_open_at_the_erp_was_not_told_or_opened_again() -> None:
    outcomes: dict[str, Outcome] = {ERP_ORDER: "done", CANCEL: "waiting"}
    assert set(look(CANCELLED, outcomes, Pieces((BOOKED,)), "cancelled")) == {"order_open:document_under_way"}
    outcomes[CANCEL] = "done"
    by_user = piece(ORDER, "order", "C2-1", by="MARTINE")
    assert set(look(CANCELLED, outcomes, Pieces((by_user,)), "cancelled")) == {"order_open:erp_user"}
    assert set(look(CANCELLED, outcomes, Pieces((BOOKED,)), "cancelled")) == {"order_open:unknown"}


def test_another_amount_is_the_users_who_touched_the_piece_last_or_has_no_known_cause() -> None:
    by_user = piece(ORDER, "order", "C2-1", by="MARTINE")
    for one, cause in ((by_user, "erp_user"), (BOOKED, "unknown")):
        (found,) = look(PLANNED, {ERP_ORDER: "done"}, Pieces((one,), {}, "it comes to 9"), "open").values()
        assert (found.kind, found.cause) == ("amount", cause)
        assert found.detail.endswith("it comes to 9")


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        ("shipped", "shipped_there:shop_write"),
        ("cancelled", "cancelled_there:not_imported"),
        ("deleted", "deleted:shop_write"),
        ("unread", ""),
    ],
)
def test_what_the_shop_did_to_an_open_order_is_told(standing: Standing, expected: str) -> None:
    found = look(PLANNED, {ERP_ORDER: "done"}, Pieces((BOOKED,)), standing)
    assert set(found) == ({expected} if expected else set())


def test_what_another_anomaly_tells_already_is_not_told_twice() -> None:
    names = (f"{ORDER}:refused:{NOTE}", f"{ORDER}:deleted")
    outcomes: dict[str, Outcome] = {**ALL_DONE, NOTE: "refused"}
    refused = look(SHIPPED, outcomes, Pieces((BOOKED,)), "shipped", tracking=True, anomalies=names)
    assert refused["note_missing:document_refused"].told_as == names[0]
    gone = look(PLANNED, {ERP_ORDER: "done"}, Pieces((BOOKED,)), "deleted", anomalies=names)
    assert gone["deleted:shop_write"].told_as == names[1]


def test_where_the_erp_was_not_read_nothing_is_said_of_it() -> None:
    assert look(SHIPPED, ALL_DONE, None, "shipped", tracking=True) == {}


def test_what_vanished_is_as_old_as_its_booking_at_the_most() -> None:
    (found,) = look(PLANNED, {ERP_ORDER: "done"}, Pieces(), "open").values()
    assert (found.since, found.since_is) == (ASKED_AT, "at_the_earliest")
    assert found.evidence == (ERP_ORDER, "C2-1")
