"""What the index and the floor's table say of an order and of a fulfilment.

Pure functions of their states.
"""

from collections.abc import Sequence

import msgspec

from actors.domain.ledger import CLOSED, Fulfilment
from actors.domain.order_state import Order, due_at
from actors.ports.journal import FulfilmentRow, OrderRow

UNPROMISED = ("new", "held", "routing", "backordered")
"""The stages in which an order may want units that nobody has promised; in `allocating` it is about to hear.

One that was held between its plan and its question keeps the plan, and asks nobody before it is released.
"""

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Fulfilment)


def order_row(order: Order) -> OrderRow:
    """Return the order's row of the index."""
    facts = order.facts
    return OrderRow(
        order=order.id,
        channel=facts.channel,
        shop_order=facts.shop_order,
        reference=facts.reference,
        state=order.stage,
        state_since=order.since or facts.placed_at,
        due_at=due_at(order),
        placed_at=facts.placed_at,
        waiting_for=order.unpromised() if order.stage in UNPROMISED else (),
        version=order.version,
    )


def fulfilment_row(fulfilment: Fulfilment, warehouse: str) -> FulfilmentRow:
    """Return the fulfilment's row; its body is the whole state, so that `fulfilments_of` gives it back."""
    return FulfilmentRow(
        fulfilment=fulfilment.fulfilment,
        order=fulfilment.order,
        warehouse=warehouse,
        state=fulfilment.state,
        closed=fulfilment.state in CLOSED,
        body=_ENCODER.encode(fulfilment),
    )


def fulfilments_of(bodies: Sequence[bytes]) -> dict[str, Fulfilment]:
    """Return the fulfilments that rows hold in their bodies, by their names and in their order."""
    decode = _DECODER.decode
    return {each.fulfilment: each for each in map(decode, bodies)}
