"""A PrestaShop webservice over real HTTP, as awkward as the 9.1.4 that was measured, on a Python object.

    shop = Shop(seed=1, time_zone="Europe/Paris")
    shop.add_product("teapot", price="19.90", stock=5)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    await nursery.start(serve, shop, listeners, Faults(random.Random(1)))
    order = shop.place_order([("teapot", 2)], Shopper(country="BE"), carrier=2)
    ...
    shop.order(order).state, shop.order(order).tracking, shop.stock("teapot")

Its key is `FULL_KEY` unless `shop.keys` is given others. The parts lie in `simulated/`.
"""

from collections.abc import Sequence

import trio

from adapters.channels.prestashop.simulated.keys import FULL_KEY, Key, rights
from adapters.channels.prestashop.simulated.ordering import Shopper
from adapters.channels.prestashop.simulated.service import Service
from adapters.channels.prestashop.simulated.shop import OrderPicture, Shop, SoldOutError
from adapters.http.faults import Faults
from adapters.http.server import serve as serve_http

__all__ = [
    "FULL_KEY",
    "Key",
    "OrderPicture",
    "Shop",
    "Shopper",
    "SoldOutError",
    "address",
    "rights",
    "serve",
]


def address(listeners: Sequence[trio.SocketListener]) -> str:
    """Return the URL of the first listener, as the settings want it."""
    host, port = listeners[0].socket.getsockname()[:2]
    return f"http://{host}:{port}"


async def serve(
    shop: Shop,
    listeners: Sequence[trio.SocketListener],
    faults: Faults | None = None,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the shop until cancelled, as the host of the first listener; `faults` strike in front of it."""
    service = Service(shop, address(listeners).removeprefix("http://"))
    handler = service.handle if faults is None else faults.wrap(service.handle)
    await serve_http(handler, listeners, task_status=task_status)
