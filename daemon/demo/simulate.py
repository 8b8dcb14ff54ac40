"""Serves a partner's simulator by itself, as a process of its own: for trials and tests over a real wire."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import trio

from adapters.channels.prestashop.simulated.below import make_pack
from adapters.channels.prestashop.simulator import FULL_KEY, Shop, Shopper, address, serve
from daemon.web import listen

PRODUCTS = 24
COMBINED_EVERY = 4
"""One product in so many has sizes."""

SIZES = ("S", "M", "L")
PACK = "SET-01"
UNITS = 300

OLD_DAYS = 90
"""Over how long the old orders were placed."""

OLD_STATES = (4, 5, 5, 5, 5, 5, 5, 6, 2, 10)
"""How old orders stand: mostly delivered, some cancelled, a few never shipped or never paid."""


class _Clock:
    """A clock that a shop's past is written by; then it runs."""

    def __init__(self) -> None:
        self.behind = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self.behind


def furnished(orders: int, seed: int) -> Shop:
    """Return a shop with goods, and so many orders from its past."""
    clock = _Clock()
    shop = Shop(seed, "Europe/Paris", now=clock)
    rng = random.Random(seed)
    for number in range(1, PRODUCTS + 1):
        reference = f"ART-{number:02d}"
        sizes = {f"{reference}-{size}": UNITS for size in SIZES} if number % COMBINED_EVERY == 0 else {}
        shop.add_product(
            reference,
            f"Article {number}",
            f"{rng.randrange(300, 9_900) / 100:.2f}",
            UNITS,
            combinations=sizes,
        )
    references = sorted(shop.stocks())
    shop.add_product(PACK, "A set of two", "19.90", UNITS)
    make_pack(shop, PACK, {references[0]: 1, references[1]: 2})
    for number in range(orders):
        clock.behind = timedelta(days=OLD_DAYS) * (orders - number) / orders + timedelta(minutes=5)
        shopper = Shopper(email=f"old{number}@example.org", lastname=f"Durand {number}")
        lines = [(rng.choice(references), 1)]
        order = shop.place_order(lines, shopper)
        shop.set_state(order, rng.choice(OLD_STATES))
    for reference in references:
        shop.set_stock(reference, UNITS)
    clock.behind = timedelta(0)
    return shop


def serve_prestashop(port: int, orders: int, seed: int, say: Callable[[str], None]) -> None:
    """Serve until interrupted; `say` gets the URL and the key once the shop answers."""
    trio.run(_serve, furnished(orders, seed), port, say)


async def _serve(shop: Shop, port: int, say: Callable[[str], None]) -> None:
    listeners = await listen("127.0.0.1", port)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, shop, listeners)
        say(f"{address(listeners)} {FULL_KEY}")
