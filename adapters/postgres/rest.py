"""The colder tables' rows of a batch as one JSON text, read by the SQL function `journal_project_rest`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.json import Encoder

from actors.ports.journal import KeyedAnswer, OpenAnomaly, OrderRow, PendingEffect
from actors.ports.people import BesideRow
from actors.projections import Changes, Key, Resolution

Row: TypeAlias = dict[str, Any]

_encode = Encoder().encode


class Answered(Struct, frozen=True):
    """An answer to keep, and where it belongs."""

    partition: int
    stream: str
    at: datetime
    answer: KeyedAnswer


def rest_of(
    changes: Changes, beside: Sequence[tuple[int, BesideRow]] = (), answers: Sequence[Answered] = ()
) -> str | None:
    """Return the JSON text of all rows but fulfilments, None when there is none; bytes are in Base64."""
    tables: dict[str, list[Row]] = {
        "orders": [_order(key, row) for key, row in changes.orders.items()],
        "backorders": [waiting for key, row in changes.orders.items() for waiting in _backorders(key, row)],
        "requested": [_requested(key, *request) for key, request in changes.requested.items()],
        "settled": [{"partition": partition, "effect": effect} for partition, effect in changes.settled],
        "raised": [_raised(key, *raised) for key, raised in changes.raised.items()],
        "resolved": [
            {
                "partition": partition,
                "anomaly": anomaly,
                "resolved_at": resolution.at,
                "resolved_by": resolution.by,
            }
            for (partition, anomaly), resolution in changes.resolved.items()
        ],
        "slots": [
            {"partition": partition, "warehouse": warehouse, "sku": sku, "slot": slot}
            for ((partition, warehouse), sku), slot in changes.slots.items()
        ],
        "deliveries": [
            {"partition": partition, "warehouse": warehouse, "delivery": delivery}
            for (partition, warehouse), delivery in changes.deliveries
        ],
        "beside": [_beside(partition, row) for partition, row in beside],
        "answers": [_answer(answered) for answered in answers],
    }
    filled = {table: rows for table, rows in tables.items() if rows}
    return _encode(filled).decode() if filled else None


def _order(key: Key, row: OrderRow) -> Row:
    return {
        "partition": key[0],
        "order_id": row.order,
        "channel": row.channel,
        "shop_order": row.shop_order,
        "reference": row.reference,
        "state": row.state,
        "state_since": row.state_since,
        "due_at": row.due_at,
        "placed_at": row.placed_at,
        "waiting_for": row.waiting_for,
        "waiting_skus": [line.sku for line in row.waiting_for],
        "version": row.version,
    }


def _backorders(key: Key, row: OrderRow) -> Sequence[Row]:
    wanted: dict[str, int] = {}
    for line in row.waiting_for:
        wanted[line.sku] = wanted.get(line.sku, 0) + line.units
    return [
        {"partition": key[0], "sku": sku, "order_id": row.order, "units": units, "placed_at": row.placed_at}
        for sku, units in wanted.items()
    ]


def _requested(key: Key, position: int, effect: PendingEffect) -> Row:
    return {
        "partition": key[0],
        "effect": effect.effect,
        "stream": effect.stream,
        "partner": effect.partner,
        "document": effect.document,
        "requested_at": effect.requested_at,
        "position": position,
    }


def _raised(key: Key, anomaly: OpenAnomaly, resolution: Resolution | None) -> Row:
    return {
        "partition": key[0],
        "anomaly": anomaly.anomaly,
        "stream": anomaly.stream,
        "problem": anomaly.problem,
        "detail": anomaly.detail,
        "mend": anomaly.mend,
        "raised_at": anomaly.raised_at,
        "resolved_at": resolution.at if resolution is not None else None,
        "resolved_by": resolution.by if resolution is not None else None,
    }


def _beside(partition: int, row: BesideRow) -> Row:
    return {
        "partition": partition,
        "id": row.id,
        "kind": row.kind,
        "customer": row.customer,
        "salt": row.salt,
        "body": row.body,
        "erased_with": row.erased_with or None,
    }


def _answer(answered: Answered) -> Row:
    return {
        "partition": answered.partition,
        "stream": answered.stream,
        "key": answered.answer.key,
        "answer": answered.answer.answer,
        "at": answered.at,
    }
