"""The service account's token: obtained once, shared by all callers, and never shown.

The token is a JWT that carries the password in clear. It lives in this object alone: not in a log, an error,
a repr, a file or a journal.
"""

from collections.abc import Awaitable, Callable

import trio

from actors.errors import PartnerError
from adapters.erps.divalto.plugin import TOKEN_MARGIN_SECONDS
from adapters.settings import Secret


class TokenSource:
    """Hands out one token to all; whoever comes first renews it, the others wait for that one attempt.

    Args:
        obtain: asks Divalto for a new token.
        seconds: how long a token lives; it is renewed a little before.
    """

    def __init__(self, obtain: Callable[[], Awaitable[Secret]], seconds: float) -> None:
        self._obtain = obtain
        self._seconds = seconds
        self._lock = trio.Lock()
        self._token: Secret | None = None
        self._good_until = 0.0
        self._attempts = 0
        self._failure: PartnerError | None = None

    async def token(self, *, instead_of: Secret | None = None) -> Secret:
        """Return a good token, another than `instead_of` where Divalto has just refused that one.

        Raises whatever the attempt to obtain it raised, to everyone who waited for it.
        """
        seen = self._attempts
        async with self._lock:
            if (
                self._token is not None
                and self._token is not instead_of
                and trio.current_time() < self._good_until
            ):
                return self._token
            if self._attempts != seen and self._failure is not None:
                failure = self._failure
                raise type(failure)(failure.system, failure.doing, failure.why) from failure
            self._token = None
            return await self._renew()

    async def _renew(self) -> Secret:
        asked_at = trio.current_time()
        self._failure = None  # if this attempt is cancelled, the next who waits makes one of his own
        try:
            token = await self._obtain()
        except PartnerError as error:
            self._failure = error
            raise
        else:
            self._token = token
            self._good_until = asked_at + self._seconds - TOKEN_MARGIN_SECONDS
            return token
        finally:
            self._attempts += 1
