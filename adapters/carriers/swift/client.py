"""Swift's three calls over HTTP: it owns the headers and what each status means, not what bodies mean."""

from actors.errors import MalformedError, OutcomeUnknownError, RefusedError, UnreachableError
from adapters.carriers.swift.plugin import SwiftSettings
from adapters.carriers.swift.wire import refusal
from adapters.http.client import Answer, Client

EVENTS_PER_PAGE = 200
"""About 40 KiB; the carrier allows 500."""

_LABELS = "/v1/labels"
_EVENTS = "/v1/events"


class SwiftClient:
    """One account's endpoint. Every call raises the errors of `actors.errors` and nothing else."""

    def __init__(self, system: str, settings: SwiftSettings) -> None:
        self.system = system
        key = settings.api_key.reveal()
        self._http = Client(system, settings.url.rstrip("/"), hidden=(key,), seconds_max=settings.seconds_max)
        self._headers = {"X-Api-Key": key, "Accept": "application/json"}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def buy(self, key: str, body: bytes) -> bytes:
        """POST a label under its idempotency key and return the answer's body.

        Any 5xx leaves the outcome unknown: it may come from a proxy behind which the label was paid.
        """
        headers = {**self._headers, "Idempotency-Key": key, "Content-Type": "application/json"}
        answer = await self._http.exchange("POST", _LABELS, headers=headers, content=body)
        doing = f"POST {_LABELS}"
        if answer.status in (200, 201):
            return answer.body
        if answer.status >= 500:  # noqa: PLR2004 - HTTP's server errors
            raise OutcomeUnknownError(self.system, doing, f"answered {answer.status}")
        raise self._no(answer, doing)

    async def labels(self, reference: str) -> bytes:
        """Return the body of the list of labels with that reference."""
        answer = await self._http.exchange(
            "GET", _LABELS, params={"reference": reference}, headers=self._headers
        )
        return self._read(answer, f"GET {_LABELS}")

    async def events(self, after: str | None) -> bytes:
        """Return the body of the next page of the tracking feed."""
        params = {"limit": str(EVENTS_PER_PAGE)} | ({"after": after} if after else {})
        answer = await self._http.exchange("GET", _EVENTS, params=params, headers=self._headers)
        return self._read(answer, f"GET {_EVENTS}")

    def _read(self, answer: Answer, doing: str) -> bytes:
        if answer.status == 200:  # noqa: PLR2004 - HTTP's OK
            return answer.body
        if answer.status >= 500:  # noqa: PLR2004 - HTTP's server errors
            raise UnreachableError(self.system, doing, f"answered {answer.status}")
        raise self._no(answer, doing)

    def _no(self, answer: Answer, doing: str) -> Exception:
        match answer.status:
            case 401 | 403:
                # Everything would be refused alike: a matter of the account, not of this parcel.
                return UnreachableError(self.system, doing, "the API key is not accepted")
            case 408 | 425 | 429:
                return UnreachableError(self.system, doing, f"answered {answer.status}")
            case 400 | 402 | 404 | 409 | 413 | 422:
                return RefusedError(self.system, doing, refusal(answer.body))
            case status:
                return MalformedError(self.system, doing, f"answered {status}")
