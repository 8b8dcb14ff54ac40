"""A shop's next page, read while the last one is imported; what it holds is its channel's matter."""

import trio

from actors.errors import PartnerError
from actors.ports.shop import Poll, ShopPort


class Ahead:
    """The next page, read while the last one is imported."""

    def __init__(self, shop: ShopPort, cursor: str) -> None:
        self._shop = shop
        self._cursor = cursor
        self.read_at = trio.current_time()
        self._page: Poll | None = None
        self._error: PartnerError | None = None

    async def read(self) -> None:
        """Read it; a partner's error waits until the last page is durable."""
        try:
            self._page = await self._shop.poll(self._cursor)
        except PartnerError as error:
            self._error = error

    def page(self) -> Poll:
        """Return it.

        Raises:
            PartnerError: it could not be read.
        """
        if self._error is not None:
            raise self._error
        if self._page is None:
            raise RuntimeError("the next page was asked for and never read")
        return self._page
