"""What an order has asked of partners, and what became of it: folded from its stream. It decides nothing."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from actors.domain.anomaly_events import AnomalyEvent
from actors.domain.documents import Document
from actors.domain.order_events import EffectDone, EffectRefused, EffectRequested, OrderEvent, ParcelLabelled
from actors.domain.order_fold import evolve
from actors.domain.order_state import Order, first_asked

Outcome = Literal["waiting", "done", "refused"]


class Asked(Struct, frozen=True):
    """An effect at its last attempt.

    Attributes:
        effect: its id at that attempt.
        document: what the partner was to be told.
        asked_at: when it was asked for.
        outcome, at: what became of it, and when that was recorded; of what waits, when it was asked for.
        reference: the partner's own name for what it took, or why it refused.
    """

    effect: str
    document: Document
    asked_at: datetime
    outcome: Outcome
    at: datetime
    reference: str = ""


class History(Struct, frozen=True):
    """An order, and what it asked of partners, by the id under which each was first asked for."""

    order: Order
    asked: Mapping[str, Asked]


def history(events: Iterable[tuple[OrderEvent | AnomalyEvent, datetime]]) -> History:
    """Fold an order's stream."""
    order = Order()
    asked: dict[str, Asked] = {}
    for event, at in events:
        order = evolve(order, event, at)
        match event:
            case EffectRequested(effect, _, document):
                asked[first_asked(effect)] = Asked(effect, document, at, "waiting", at)
            case EffectDone(effect, reference) | ParcelLabelled(effect, reference=reference):
                _settle(asked, effect, "done", at, reference)
            case EffectRefused(effect, why):
                _settle(asked, effect, "refused", at, why)
            case _:
                pass
    return History(order, asked)


def _settle(asked: dict[str, Asked], effect: str, outcome: Outcome, at: datetime, reference: str) -> None:
    before = asked[first_asked(effect)]
    asked[first_asked(effect)] = Asked(effect, before.document, before.asked_at, outcome, at, reference)
