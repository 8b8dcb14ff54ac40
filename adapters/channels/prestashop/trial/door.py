"""The first contact with a shop: address, connection, key, and whether the webservice is there at all."""

import base64
import ssl
from collections.abc import Generator
from urllib.parse import urlsplit

from actors.errors import PartnerError
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.refusals import errors_of
from adapters.http.client import Answer, Client
from adapters.trials import Finding, warning, well, wrong

NO_PATCH_BEFORE = 8
"""The first major version whose webservice knows PATCH."""

BACK_OFFICE = "Advanced Parameters > Webservice"

KEY_MENDS = {
    17: ("the shop received an empty key", "put the webservice's key into key_file"),
    18: ("the key has not 32 characters", f"copy the whole key from {BACK_OFFICE} into key_file"),
    20: ("the shop does not know the key, or it is disabled", f"enable it, or make one, in {BACK_OFFICE}"),
    21: ("the key may do nothing", f"enable it, or make one, in {BACK_OFFICE}"),
    22: ("the webservice is switched off", f"switch on 'Enable PrestaShop's webservice' in {BACK_OFFICE}"),
    132: ("the key has no permission for this id_shop", f"associate the key with that shop in {BACK_OFFICE}"),
}
"""What the webservice's own codes mean to somebody who sets it up."""


class Door:
    """Asks one shop's webservice raw questions.

    Attributes:
        in_query: the key is sent as `ws_key=`.
        with_shop: `id_shop` is sent.
    """

    def __init__(self, settings: PrestaShopSettings, name: str) -> None:
        self.settings = settings
        self.in_query = settings.key_in_query
        self.with_shop = settings.id_shop is not None
        self._client = Client(
            f"shop {name}", settings.url, hidden=(settings.key,), seconds_max=settings.seconds_max
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, method: str, path: str, body: bytes | None = None, **query: str) -> Answer:
        """Return the answer, whatever it is.

        Raises:
            PartnerError: there is none.
        """
        params = dict(query)
        headers: dict[str, str] = {}
        if self.with_shop:
            params["id_shop"] = str(self.settings.id_shop)
        if self.in_query:
            params["ws_key"] = self.settings.key
        else:
            user = base64.b64encode(f"{self.settings.key}:".encode()).decode()
            headers["Authorization"] = f"Basic {user}"
        if body is not None:
            headers["Content-Type"] = "text/xml; charset=utf-8"
        return await self._client.exchange(method, path, params=params, headers=headers, content=body)


def is_html(answer: Answer) -> bool:
    """Tell whether something in front of the webservice has answered."""
    return answer.headers.get("content-type", "").startswith("text/html")


async def try_door(door: Door) -> tuple[list[Finding], bool]:
    """Return what was found, and whether the shop lets us in; `door` is left as it gets through."""
    try:
        answer = await door.ask("GET", "/api/")
        findings = []
        if answer.status == 401 and is_html(answer) and not door.in_query:  # noqa: PLR2004 - the status says it
            door.in_query = True
            answer = await door.ask("GET", "/api/")
            if not (answer.status == 401 and is_html(answer)):  # noqa: PLR2004 - the same
                findings.append(_header_dropped())
        if answer.status in (301, 302):
            return [*findings, await _redirected(door, answer)], False
    except PartnerError as error:
        return [_unreachable(door.settings.url, error)], False
    refused = _refused(answer)
    if refused is not None:
        return [*findings, refused], False
    reached = well("address", f"{door.settings.url} answers as a webservice")
    return [*findings, reached, well("key", "the shop takes the key"), _version(answer)], True


def _header_dropped() -> Finding:
    return wrong(
        "key",
        "the server in front of the shop drops the Authorization header",
        "let it pass the header on (Apache: CGIPassAuth On, or SetEnvIf Authorization): until then the key is"
        " sent in the address (as with key_in_query = true), and stands in the shop's access log",
    )


def _unreachable(url: str, error: PartnerError) -> Finding:
    tls = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if tls is not None:
        mend = "the certificate has to be valid for this host; is the port one of https at all?"
        return wrong("connection", f"no TLS with {url}: {tls.reason or type(tls).__name__}", mend)
    mend = "look at url: host, port, and whether this machine may reach it (firewall, DNS)"
    return wrong("connection", f"no connection to {url}: {error.why}", mend)


def _causes(error: BaseException) -> Generator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


async def _redirected(door: Door, answer: Answer) -> Finding:
    there = urlsplit(answer.headers.get("location", ""))
    here = urlsplit(door.settings.url)
    if (here.scheme, there.scheme) == ("http", "https") and here.hostname == there.hostname:
        return wrong(
            "address", f"the shop insists on https: it sends to {there.netloc}", "write https:// in url"
        )
    if door.with_shop:
        door.with_shop = False
        without = await door.ask("GET", "/api/")
        if without.status not in (301, 302):
            shop = door.settings.id_shop
            return wrong(
                "address",
                f"the shop has no id_shop {shop}",
                "set id_shop to one that it has, or leave it out",
            )
    if there.netloc == here.netloc:
        return wrong(
            "address",
            f"the shop sends {here.netloc} to its front page at that same address",
            "the server in front of the shop tells it another host than it is asked by, such as one without"
            " its port: let it pass the Host header on as it is (nginx: fastcgi_param HTTP_HOST $http_host)",
        )
    return wrong(
        "address",
        f"the shop sends {here.netloc} to its front page at {there.netloc or 'another address'}",
        "write in url the host that the shop itself uses (Shop Parameters > Traffic & SEO > Shop URL)",
    )


def _refused(answer: Answer) -> Finding | None:
    codes, why = errors_of(answer)
    for code in codes:
        if code in KEY_MENDS:
            detail, mend = KEY_MENDS[code]
            return wrong("webservice" if code == 22 else "key", f"{detail} (code {code})", mend)  # noqa: PLR2004
    if answer.status == 200 and not is_html(answer):  # noqa: PLR2004 - the status says it
        return None
    if answer.status in (401, 403):
        mend = "look at what stands in front of the shop: a password for the whole site, or a firewall"
        return wrong("key", f"something in front of the webservice refuses us: {why}", mend)
    if answer.status == 404:  # noqa: PLR2004 - the same
        mend = "url is the shop's address without /api; the shop's .htaccess has to rewrite /api"
        return wrong("address", f"there is no webservice at /api/: {why}", mend)
    if answer.status >= 500:  # noqa: PLR2004 - the same
        return wrong("webservice", f"the shop is down: {why}", "look at its PHP and database logs")
    return wrong(
        "address", f"what answers is no webservice: {why}", "look at url: is it the shop's own address?"
    )


def _version(answer: Answer) -> Finding:
    version = answer.headers.get("psws-version", "")
    major = version.partition(".")[0]
    if not major.isdecimal():
        return warning("version", "the shop does not say its version", "it should be PrestaShop 8 or 9")
    if int(major) < NO_PATCH_BEFORE:
        return wrong(
            "version",
            f"PrestaShop {version} knows no PATCH, and its PUT blanks every field that is left out",
            "update the shop to PrestaShop 8 or 9",
        )
    return well("version", f"PrestaShop {version}")


def codes_of(answer: Answer) -> frozenset[int]:
    """Return the webservice's own codes in an answer."""
    return frozenset(errors_of(answer)[0])
