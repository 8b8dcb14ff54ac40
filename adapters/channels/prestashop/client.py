"""Requests to one shop's webservice: the key, the formats, and what each way of failing means to the caller.

It reads JSON, since a stored `]]>` makes the shop's XML malformed, and writes XML, since the shop takes
nothing else. What stands in the rows is `wire.py`'s matter.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec
import structlog
import trio

from actors.errors import (
    MalformedError,
    OutcomeUnknownError,
    PartnerError,
    RefusedError,
    UnreachableError,
)
from adapters.channels.prestashop.fields import Row, reference_to
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.refusals import CURABLE, NO_RIGHT, NOT_OFFERED, errors_of
from adapters.http.client import Answer, Client

IDS_A_REQUEST = 300
"""Ids in one filter: with eight digits and an encoded bar each under 4 KiB, which every proxy passes."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

CALLED = {"order_slip": "order_slips"}
"""What a page calls a list, where that is not the resource's name."""

TOO_MANY = 429
"""What hosts and proxies say who count requests; nothing was done."""

BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"
"""What a file of a module that begins with a byte order mark or an empty line puts before each answer."""

SECONDS = re.compile(r"[0-9]{1,11}")
"""The shop's own instant as it tells it: eleven digits last for three thousand years."""

log = structlog.get_logger(__name__)


def _came_without_key(answer: Answer) -> bool:
    """Tell whether the shop was shown no key at all: then it answers neither XML nor JSON, but HTML."""
    return answer.status == 401 and answer.headers.get("content-type", "").startswith("text/html")  # noqa: PLR2004


class Webservice:
    """One shop's webservice.

    Args:
        settings: where it is, and the key.
        name: the channel's name, for errors.

    Attributes:
        clock: the shop's own instant at its last answer, from Access-Time; None before the first.
    """

    def __init__(self, settings: PrestaShopSettings, name: str) -> None:
        self.system = f"shop {name}"
        self.clock: datetime | None = None
        self._client = Client(
            self.system, settings.url, hidden=(settings.key,), seconds_max=settings.seconds_max
        )
        self._limit = trio.CapacityLimiter(settings.connections)
        self._unreadable: set[str] = set()
        self._always: dict[str, str] = {}
        self._headers: dict[str, str] = {}
        if settings.id_shop is not None:
            self._always["id_shop"] = str(settings.id_shop)
        self._by_query = {"ws_key": settings.key}
        if settings.key_in_query:
            self._always |= self._by_query
        else:
            user = base64.b64encode(f"{settings.key}:".encode()).decode()
            self._headers["Authorization"] = f"Basic {user}"

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def rows(self, resource: str, display: str, **query: str) -> list[Row]:
        """Return the rows of a list; `display` is "[field,...]", `query` as the webservice names it.

        Raises:
            UnreachableError: nothing came, or half a page, or the shop does not let us in.
            RefusedError: it understood and said no.
            MalformedError: it answered something that is no list.
        """
        return await self._list(resource, display, query, optional=False)

    async def rows_if_allowed(self, resource: str, display: str, **query: str) -> list[Row]:
        """Return the rows of a list, none where the shop or the key has none to show; else as `rows`."""
        return await self._list(resource, display, query, optional=True)

    async def _list(
        self, resource: str, display: str, query: Mapping[str, str], *, optional: bool
    ) -> list[Row]:
        doing = f"GET /api/{resource}"
        answer = await self._exchange("GET", f"/api/{resource}", {"display": display, **query}, None)
        if optional and self._goes_without(resource, answer):
            return []
        self._check(answer, doing, changes=False)
        page = self._decode(answer, doing)
        # An empty list has lost its name, and PHP may write an empty array as an object.
        found = (page and page.get(CALLED.get(resource, resource))) if isinstance(page, dict) else page
        if found == {}:
            return []
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise MalformedError(self.system, doing, f"no list of {resource}")
        return found

    async def rows_by_ids(
        self,
        resource: str,
        display: str,
        ids: Iterable[int],
        field: str = "id",
        *,
        optional: bool = False,
        **query: str,
    ) -> list[Row]:
        """Return the rows whose `field` is one of `ids`, in as many requests as it takes.

        `query` says more of which of them are meant. What is `optional` has no rows for a key that may not
        read it, nor in a shop that has none.
        """
        wanted = sorted(set(ids) - {0})
        found: list[Row] = []
        for start in range(0, len(wanted), IDS_A_REQUEST):
            some = "|".join(map(str, wanted[start : start + IDS_A_REQUEST]))
            of_these = {f"filter[{field}]": f"[{some}]", **query}
            found += await self._list(resource, display, of_these, optional=optional)
        return found

    async def every_row(self, resource: str, display: str, page_size: int, **query: str) -> list[Row]:
        """Return all rows of a resource, page after page by id; `display` must hold the id.

        Raises:
            PartnerError: as `rows`; MalformedError also where a page begins anew what was read.
        """
        found: list[Row] = []
        last = 0
        while True:
            window = {"filter[id]": f">[{last}]", "sort": "[id_ASC]", "limit": str(page_size)}
            page = await self.rows(resource, display, **window, **query)
            found += page
            if len(page) < page_size:
                return found
            before, last = last, reference_to(page[-1], "id")
            if last <= before:  # something in front of the shop answers without looking at what is asked
                raise MalformedError(self.system, f"GET /api/{resource}", "its pages do not go on")

    def _goes_without(self, resource: str, answer: Answer) -> bool:
        """Tell whether the shop shows nothing of a resource that can be missed, and say so once."""
        if answer.status not in (400, 401, 405):
            return False
        codes = set(errors_of(answer)[0])
        if not codes & (NO_RIGHT | NOT_OFFERED):
            return False
        if resource not in self._unreadable:
            self._unreadable.add(resource)
            if codes & NO_RIGHT:
                log.warning("prestashop.no_right", shop=self.system, resource=resource)
            else:
                log.warning("prestashop.not_offered", shop=self.system, resource=resource)
        return True

    async def one(self, resource: str, row_id: int, display: str) -> Row | None:
        """Return one row by its own address, None where there is none.

        Lists leave out what is another shop's, and what has lost its shop; this shows both.
        """
        path = f"/api/{resource}/{row_id}"
        answer = await self._exchange("GET", path, {"display": display}, None)
        if answer.status == 404 and not answer.body:  # noqa: PLR2004 - the shop's way of saying none
            return None
        self._check(answer, f"GET {path}", changes=False)
        page = self._decode(answer, f"GET {path}")
        found = page.get(CALLED.get(resource, resource)) if isinstance(page, dict) else None
        if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
            raise MalformedError(self.system, f"GET {path}", f"not one of {resource}")
        return found[0]

    async def row(self, resource: str, row_id: int, display: str) -> Row | None:
        """Return one row, None where there is none (or none that this id_shop shows)."""
        # By the list, since a missing id is an empty 404 and a single row has another shape.
        found = await self.rows(resource, display, **{"filter[id]": f"[{row_id}]"})
        return found[0] if found else None

    async def write(self, method: str, path: str, body: bytes, **query: str) -> None:
        """PATCH or POST `body`.

        Raises:
            UnreachableError: nothing was done.
            RefusedError: the shop said no; of several objects those before the wrong one are written.
            OutcomeUnknownError: it may have been done: every lost answer, 5xx, and HTML after a 200.
        """
        answer = await self._exchange(method, path, query, body)
        self._check(answer, f"{method} {path}", changes=True)

    async def _exchange(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> Answer:
        params = {**self._always, **query}
        if body is None:
            params["output_format"] = "JSON"
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "text/xml; charset=utf-8"
        async with self._limit:
            answer = await self._client.exchange(method, path, params=params, headers=headers, content=body)
            if "Authorization" in headers and _came_without_key(answer):
                answer = await self._exchange_by_query(method, path, params, headers, body)
        self.clock = _instant(answer.headers.get("access-time", "")) or self.clock
        return answer

    async def _exchange_by_query(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Answer:
        """Send once more what a server in front of the shop took the key from, and go on so if that helps.

        The shop saw no key and has done nothing, so this is no second write.
        """
        bare = {name: value for name, value in headers.items() if name != "Authorization"}
        answer = await self._client.exchange(
            method, path, params={**params, **self._by_query}, headers=bare, content=body
        )
        if not _came_without_key(answer) and self._headers:
            log.warning("prestashop.header_dropped", shop=self.system, key_goes_by="ws_key")
            self._always |= self._by_query
            self._headers.clear()
        return answer

    def _check(self, answer: Answer, doing: str, *, changes: bool) -> None:
        """Return when the shop's own code has carried the request out; else raise what it means."""
        is_page = answer.headers.get("content-type", "").startswith("text/html")
        if answer.status in (200, 201) and not is_page:
            return
        codes, why = errors_of(answer)
        raise self._failure(answer, doing, codes, why, changes=changes)

    def _failure(
        self, answer: Answer, doing: str, codes: list[int], why: str, *, changes: bool
    ) -> PartnerError:
        status = answer.status
        if any(code in CURABLE for code in codes):
            return UnreachableError(self.system, doing, why)
        if status in REDIRECTS:
            # Only a wrong host or scheme, or an unknown id_shop, does this; it may be mended on either side.
            return UnreachableError(self.system, doing, "sent to the front page: wrong host or id_shop")
        if status == TOO_MANY:
            return UnreachableError(
                self.system, doing, "429: a server in front of the shop wants fewer requests"
            )
        if status in (401, 403):
            return UnreachableError(self.system, doing, f"{status}: the key does not reach the webservice")
        if 127 in codes:  # noqa: PLR2004 - the shop's code for a body that is no XML
            return RefusedError(self.system, doing, why)
        if status >= 500:  # noqa: PLR2004 - what a status says is said by its number
            if changes:
                return OutcomeUnknownError(self.system, doing, why)
            return UnreachableError(self.system, doing, why)
        if codes:
            return RefusedError(self.system, doing, why)
        if changes and status == 200:  # noqa: PLR2004 - the same
            # PHP wrote a warning in front of its answer (seen: TCPDF without an image); the work was done.
            return OutcomeUnknownError(self.system, doing, "HTML after 200")
        return MalformedError(self.system, doing, why)

    def _decode(self, answer: Answer, doing: str) -> object:
        body = answer.body.lstrip(BEFORE_JSON)
        try:
            page: object = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            if body[:1] in (b"{", b"["):
                raise UnreachableError(self.system, doing, "the page breaks off in its middle") from error
            raise MalformedError(self.system, doing, "no JSON") from error
        return page


def _instant(seconds: str) -> datetime | None:
    """Return the instant of so many seconds since 1970; None where they are none, as a proxy may have it."""
    if not SECONDS.fullmatch(seconds):
        return None
    return datetime.fromtimestamp(int(seconds), UTC)
