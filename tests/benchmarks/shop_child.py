"""A simulated shop in a process of its own that takes as long for each request as the real one took.

What a request costs is a model of what was measured (PrestaShop 9.1.4, two cores, 5,005 orders): a part that
only one request at a time can have, since more connections gave hardly more, and a part that overlaps.

    orders in full, pages of 500: 1,228 a second on one connection, 1,559 on four
    an order by its id: 67 on one, 79 on four
    a stock row a PATCH: 37 on one, 88 on four; 20 rows a PATCH: 203 rows a second on one
    a poll by date over 105,000 orders: 163 ms, where one by id takes 20 ms

What nobody measured is assumed: a small row costs half of an order's, and a further row of a batch overlaps
as far as the first one does. It is a machine of its own, so what we do on ours makes it no slower: reads are
answered from what was rendered once, and a wait that our machine ends late is not added to the next one.
"""

import random
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import trio

from adapters.channels.prestashop.simulated.service import Service
from adapters.channels.prestashop.simulator import Shop, Shopper, address
from adapters.http.server import Request, Response, serve

REQUEST_S, REQUEST_BESIDE_S = 0.0126, 0.0023
ORDER_S, ORDER_BESIDE_S = 0.000616, 0.000169
SMALL_S, SMALL_BESIDE_S = ORDER_S / 2, ORDER_BESIDE_S / 2
PATCH_S, PATCH_BESIDE_S = 0.0114, 0.0156
ROW_S, ROW_BESIDE_S = 0.0016, 0.0022
BY_DATE_S = 0.163 - 0.020
"""A scan of 105,000 orders: `date_upd` has no index."""

SLICE_S = 0.01

FINISHED = (4, 5, 6)
OPEN = 2


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a request: alone, and beside others."""

    alone_s: float
    beside_s: float


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it was answered; `shop_s` is what it cost the shop."""

    method: str
    target: str
    shop_s: float


class CostlyShop:
    """Serves a shop at the real one's pace, and keeps what it was asked."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._alone = trio.Lock()
        self._free_at = 0.0
        self._rendered: dict[str, Response] = {}
        self._asked: list[Asked] = []

    async def handle(self, request: Request) -> Response:
        """Answer a request; `/bench/asked` tells what was asked since it was last asked."""
        if request.path == "/bench/asked":
            asked, self._asked = self._asked, []
            return Response(200, msgspec.json.encode(asked), (("Content-Type", "application/json"),))
        if request.method == "POST":  # what is told of orders would change the pages that are read again
            return Response(503, b"", (("Content-Type", "text/html"),))
        answer = self._rendered.get(request.target) if request.method == "GET" else None
        if answer is None:
            answer = await self._service.handle(request)
        if request.method == "GET" and "stock_availables" not in request.path:
            self._rendered[request.target] = answer
        cost = cost_of(request, answer)
        self._asked.append(Asked(request.method, request.target, cost.alone_s + cost.beside_s))
        left_s, ready_at = cost.alone_s, trio.current_time()
        while left_s > 0:  # in turns with other requests, as a machine does it
            async with self._alone:
                self._free_at = ready_at = max(ready_at, self._free_at) + min(left_s, SLICE_S)
                await trio.sleep_until(ready_at)
            left_s -= SLICE_S
        await trio.sleep_until(ready_at + cost.beside_s)
        return answer


def cost_of(request: Request, answer: Response) -> Cost:
    """Return what the request costs, by the rows that it reads or writes."""
    if request.method == "PATCH":
        rows = len(re.findall(rb"<stock_available>", request.body))
        further = max(0, rows - 1)
        return Cost(PATCH_S + further * ROW_S, PATCH_BESIDE_S + further * ROW_BESIDE_S)
    page = msgspec.json.decode(answer.body) if answer.body[:1] in (b"{", b"[") else []
    rows = len(next(iter(page.values()))) if isinstance(page, dict) else 0
    by_date = BY_DATE_S if "filter[date_upd]" in dict(request.query) else 0.0
    if request.path == "/api/orders":
        return Cost(REQUEST_S + by_date + rows * ORDER_S, REQUEST_BESIDE_S + rows * ORDER_BESIDE_S)
    return Cost(REQUEST_S + rows * SMALL_S, REQUEST_BESIDE_S + rows * SMALL_BESIDE_S)


def a_shop(orders: int, open_percent: int, articles: int) -> Shop:
    """Return a shop with so many orders, placed over the last year, of which so many are still open."""
    draw = random.Random(7)
    now = datetime.now(UTC)
    at = [now]
    shop = Shop(seed=7, now=lambda: at[0])
    skus = [f"SKU-{number:05d}" for number in range(articles)]
    for sku in skus:
        shop.add_product(sku, stock=1_000)
    for number in range(orders):
        at[0] = now - timedelta(days=365) * (1 - number / orders)
        lines = [(sku, draw.choice((1, 1, 2))) for sku in draw.sample(skus, 3)]
        order = shop.place_order(lines, Shopper(email=f"someone{number}@example.com"), state=OPEN)
        if draw.randrange(100) >= open_percent:
            shop.set_state(order, draw.choice(FINISHED))
    at[0] = now
    return shop


async def main(*size: int) -> None:
    """Serve a shop of this size (see `a_shop`) until standard input is closed; say first at which address."""
    orders, open_percent, articles = size
    shop = a_shop(orders, open_percent, articles)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    costly = CostlyShop(Service(shop, address(listeners).removeprefix("http://")))
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, costly.handle, listeners)
        print(address(listeners), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, *map(int, sys.argv[1:]))
