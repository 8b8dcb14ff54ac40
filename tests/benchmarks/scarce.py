"""`scarce`: more attempts at once than there are units. A check more than a figure: as many are granted.

5 units and 48 attempts, 100 units and 400 attempts, all of one SKU and all at once. Everybody is answered
within `PATIENCE_S`, and the books say the same as the answers did.
"""

import trio

from actors.domain.stock_commands import Granted, NotEnough, Reserve
from actors.domain.stock_events import Quantity
from actors.mailbox import ask
from tests.benchmarks import house
from tests.benchmarks.measure import Figure, Lab, goal

NAME = "scarce"
CASES = ((5, 48), (100, 400))
PATIENCE_S = 10.0
SKU = "LAST-TEAPOT"


def measure(lab: Lab) -> list[Figure]:
    """Return the figures."""
    figures: list[Figure] = []
    for units, attempts in CASES:
        dsn = lab.database()
        house.furnish(dsn, [SKU], units)
        figures += _figures("one daemon", units, attempts, trio.run(_through_one, dsn, attempts))
        lab.drop(dsn)
    return figures


def _figures(who: str, units: int, attempts: int, counted: dict[str, int]) -> list[Figure]:
    what = f"{who}, {attempts} attempts at {units} units"
    return [
        goal(NAME, f"{what}: granted", counted["granted"], "orders", "==", units),
        goal(NAME, f"{what}: refused", counted["refused"], "orders", "==", attempts - units),
        goal(NAME, f"{what}: timed out", counted["timed out"], "orders", "==", 0),
        goal(NAME, f"{what}: reserved in the books", counted["booked"], "units", "==", units),
    ]


async def _through_one(dsn: str, attempts: int) -> dict[str, int]:
    counted = {"granted": 0, "refused": 0, "timed out": 0}

    async def attempt(number: int) -> None:
        order = f"O{number}"
        with trio.move_on_after(PATIENCE_S) as patience:
            answer = await ask(at_work.handle.mailbox, Reserve(f"{order}.1", order, (Quantity(SKU, 1),)))
            counted["granted"] += isinstance(answer, Granted)
            counted["refused"] += isinstance(answer, NotEnough)
        counted["timed out"] += patience.cancelled_caught

    async with house.open_house(dsn) as at_work:
        async with trio.open_nursery() as nursery:
            for number in range(attempts):
                nursery.start_soon(attempt, number)
        picture = await at_work.journal.stock_picture(house.SITE)
    return {**counted, "booked": sum(balance.reserved for balance in picture.balances)}
