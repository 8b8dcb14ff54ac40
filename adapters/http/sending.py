"""A request's body as httpx is handed it by both of our clients. It owns nothing else of a request."""

from collections.abc import AsyncIterator

import httpx


class Whole(httpx.AsyncByteStream):
    """A body that is sent in one piece.

    httpx's own is an async generator. A connection that breaks while it is sent strands the generator, which
    Trio rightly complains of; an iterator with nothing to clean up cannot be stranded.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return an iterator over the one piece, anew for each attempt to send."""
        return _Once(self._body)


class _Once(AsyncIterator[bytes]):
    def __init__(self, piece: bytes) -> None:
        self._piece: bytes | None = piece

    async def __anext__(self) -> bytes:
        if self._piece is None:
            raise StopAsyncIteration
        piece, self._piece = self._piece, None
        return piece
