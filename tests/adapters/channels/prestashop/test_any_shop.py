"""Whatever a shop does, and however its answers get lost, in the end we know every order as it stands."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from actors.errors import OutcomeUnknownError, UnreachableError
from actors.ports import ShopOrder

if TYPE_CHECKING:
    from tests.adapters.channels.prestashop.conftest import World

STEPS = 60
STATES = (2, 3, 4, 5, 6, 9, 10)


def act(world: World, rng: random.Random) -> None:
    """Do something in the shop, or let time pass."""
    shop = world.shop
    finished = [order for order in shop.tables["orders"] if order not in shop.ordering.unfinished]
    match rng.randrange(8):
        case 0 | 1 | 2:
            shop.half_built_reads = rng.choice((0, 0, 1, 3))
            for _ in range(rng.choice((1, 1, 5))):
                shop.place_order([("cup", 1), ("teapot", 1)][: rng.randint(1, 2)])
        case 3 | 4 if finished:
            shop.set_state(rng.choice(finished), rng.choice(STATES))
        case 5 if finished:
            shop.edit_order(rng.choice(finished), note=f"note {rng.random()}")
        case 6 if finished:
            shop.refund(rng.choice(finished), [("cup", 1)])
        case _:
            world.clock.tick(seconds=rng.choice((1, 20, 90, 400, 3600)))


@pytest.mark.parametrize("seed", range(6))
async def test_in_the_end_every_order_is_known_as_it_stands(world: World, seed: int) -> None:
    rng = random.Random(seed)
    if seed % 3 == 0:
        world.clock.now = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)  # the night in which an hour repeats
    known: dict[str, ShopOrder] = {}
    cursor: str | None = None
    async with world.connect(page_size=rng.choice((1, 2, 3, 7, 250))) as adapter:

        async def poll() -> bool:
            nonlocal cursor
            try:
                poll = await adapter.poll(cursor)
            except (UnreachableError, OutcomeUnknownError):
                return True
            known.update((order.shop_order, order) for order in poll.orders if isinstance(order, ShopOrder))
            cursor = poll.cursor
            return poll.more

        for _ in range(STEPS):
            world.faults.refuse = rng.choice((0.0, 0.0, 0.3))
            act(world, rng)
            if rng.random() < 0.5:
                await poll()
        world.faults.refuse = 0.0
        world.shop.half_built_reads = 0
        # Long enough for every feed to have had its turn.
        for _ in range(14):
            while await poll():
                pass
        for order in world.shop.orders():
            assert known[str(order.id)] == await adapter.order(str(order.id))
    assert len(known) == len(world.shop.orders()) > 0
