"""The webservice's HTTP face: keys and rights, methods, resources, formats, headers and statuses as recorded.

Anything that the real one answers before its own code runs (no credentials, a wrong host, a dead PHP) is
HTML.
"""

import base64
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl, urlencode, urlsplit

import trio

from adapters.channels.prestashop.simulated import changes
from adapters.channels.prestashop.simulated.below import associations
from adapters.channels.prestashop.simulated.keys import METHODS, Key
from adapters.channels.prestashop.simulated.query import Display, Query, RefusalError, display_of, select
from adapters.channels.prestashop.simulated.rendering import Renderer
from adapters.channels.prestashop.simulated.shop import Shop
from adapters.channels.prestashop.simulated.stockroom import FIRST_SHOP
from adapters.channels.prestashop.simulated.tables import RESOURCES, Resource, Row
from adapters.channels.prestashop.simulated.writing import Given, parse
from adapters.http.server import Request, Response

KEY_LENGTH = 32
REALM = (
    'Basic realm="Welcome to PrestaShop Webservice, '
    'please enter the authentication key as the login. No password required."'
)
HTML = ("Content-Type", "text/html; charset=utf-8")
NOT_FOR = {"stock_availables": frozenset({"POST", "DELETE"})}
"""Methods that no right can open."""

OF_ONE_SHOP = frozenset({"orders", "order_details", "carts", "customers"})
"""Resources whose rows of other shops are silently absent from lists, though not by their id."""

MAKE_INVOICES = frozenset({"orders", "order_histories"})
"""Resources whose POST may print an invoice, and then a warning in front of the answer."""

FULL_ORDERS_MAX = 1_000
"""Orders with all that hangs below them on one page, before PHP has used up its 128 MB."""

DATABASE_DOWN = b'<!DOCTYPE html>\n<html lang="en"><head><title>500 Server Error</title></head></html>\n'
PHP_DOWN = b"<html>\n<head><title>502 Bad Gateway</title></head>\n</html>\n"
INVOICE_WARNING = b"<strong>TCPDF ERROR: </strong>[Image] Unable to get the size of the image: /img/"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that has come as far as the webservice's own code."""

    method: str
    path: list[str]
    query: Query
    key: Key
    renderer: Renderer
    body: bytes
    known_sha1: str | None
    loaded: Mapping[int, Row]


class Service:
    """Answers requests from a shop. Handling is one step, unless the shop's `patch_seconds` say otherwise.

    Args:
        shop: the state that is served.
        host: the Host header that the shop answers to; every other is sent to its front page.
    """

    def __init__(self, shop: Shop, host: str) -> None:
        self._shop = shop
        self._host = host
        self._base_url = f"http://{host}"
        self._sessions = 0

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        await trio.lowlevel.checkpoint()
        if self._shop.down == "php":
            return Response(502, PHP_DOWN, (("Content-Type", "text/html"),))
        if self._shop.down == "database":
            return Response(500, DATABASE_DOWN, (HTML,))
        parts = urlsplit(request.target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, encoding="utf-8"))
        path = [part for part in request.path.split("/") if part]
        if not path or path[0] != "api":
            return Response(404, b"", (HTML,))
        shop = query.get("id_shop", "1")
        known_shop = shop == "all" or (shop.isdigit() and int(shop) in self._shop.tables["shops"])
        if request.header("host") != self._host or not known_shop:
            front = {"url": "/".join(path[1:])} | {k: v for k, v in query.items() if k != "id_shop"}
            target = f"{self._base_url}/?{urlencode(front)}"
            return Response(302, b"", (HTML, ("Location", target)))
        loaded: dict[int, Row] = {}
        if request.method == "PATCH" and self._shop.patch_seconds:
            # A PATCH loads the whole row and writes the whole row: what happens in between is undone.
            rows = self._shop.tables[path[1]] if path[1:] and path[1] in RESOURCES else {}
            loaded = {row_id: dict(row) for row_id, row in rows.items()}
            await trio.sleep(self._shop.patch_seconds)
        return self._answer(request, path[1:], query, loaded)

    def _answer(self, request: Request, path: list[str], query: Query, loaded: Mapping[int, Row]) -> Response:
        wanted = request.header("output-format") or request.header("io-format") or query.get("output_format")
        language = query.get("language", "")
        renderer = Renderer(
            self._base_url,
            as_json=wanted == "JSON",
            language=int(language) if language.isdigit() else 0,
            associations_of=partial(
                associations, self._shop, _leading_id(query.get("id_shop", "")) or FIRST_SHOP
            ),
        )
        given = _key_given(request, query, drops_header=self._shop.drops_authorization)
        if given is None:
            return Response(401, b"401 Unauthorized", (HTML, ("WWW-Authenticate", REALM)))
        try:
            key = self._authenticate(given)
        except RefusalError as refusal:
            headers = self._headers(renderer.content_type, version="0")
            if refusal.status == 401:  # noqa: PLR2004 - the status says it best
                headers.append(("WWW-Authenticate", REALM))
            return Response(refusal.status, renderer.errors(refusal.errors), headers)
        known_sha1 = request.header("local-content-sha1")
        asked = _Asked(request.method, path, query, key, renderer, request.body, known_sha1, loaded)
        try:
            return self._serve(asked)
        except RefusalError as refusal:
            body = renderer.errors(refusal.errors) if refusal.errors else b""
            return Response(refusal.status, body, self._headers(renderer.content_type if body else ""))
        except changes.CrashError:
            return Response(500, b"", (HTML,))

    def _authenticate(self, given: str) -> Key:
        if self._shop.disabled:
            text = "The PrestaShop webservice is disabled. Please activate it in the PrestaShop Back Office"
            raise RefusalError(503, (22, text))
        if not given:
            raise RefusalError(401, (17, "Authentication key is empty"))
        if len(given) != KEY_LENGTH:
            raise RefusalError(401, (18, "Invalid authentication key format"))
        # The database compares without regard to case.
        key = {name.upper(): key for name, key in self._shop.keys.items()}.get(given.upper())
        if key is None or not key.active:
            inactive = (20, "Authentification key is not active")
            raise RefusalError(401, inactive, (21, "No permission for this authentication key"))
        return key

    def _serve(self, asked: _Asked) -> Response:
        if asked.method not in METHODS or (asked.method == "PATCH" and self._shop.is_before_patch):
            raise RefusalError(405, (23, f"Method {asked.method} is not valid"))
        if not asked.path:
            return self._root(asked)
        resource = self._permitted(asked)
        shop = asked.query.get("id_shop", "1")
        if shop != "all" and int(shop) not in asked.key.shops:
            raise RefusalError(403, (132, "No permission for this key on this shop"))
        if asked.method in ("GET", "HEAD"):
            return self._read(asked, resource)
        if asked.method in NOT_FOR.get(resource.name, ()):
            text = f"Method {asked.method} is not allowed for the resource {resource.name}"
            raise RefusalError(405, (101, text))
        if asked.method == "DELETE":
            ids = changes.ids_of(asked.query.get("id", asked.path[1] if len(asked.path) > 1 else "[]"))
            changes.remove(self._shop, resource, ids)
            return Response(200, b"", self._headers(""))
        return self._write(asked, resource)

    def _permitted(self, asked: _Asked) -> Resource:
        name = asked.path[0]
        resource = RESOURCES.get(name)
        if resource is None:
            listed = ", ".join(f'"{each}"' for each in RESOURCES)
            text = f'Resource of type "{name}" does not exists. Did you mean: "search"?'
            raise RefusalError(400, (27, f"{text} The full list is: {listed}"))
        if asked.key.rights is not None:
            allowed = asked.key.rights.get(name)
            if allowed is None:
                text = f'Resource of type "{name}" is not allowed with this authentication key'
                raise RefusalError(401, (26, text))
            if asked.method not in allowed:
                text = f"Method {asked.method} is not allowed for the resource {name}"
                raise RefusalError(405, (25, f"{text} with this authentication key"))
        return resource

    def _root(self, asked: _Asked) -> Response:
        if asked.renderer.content_type == "application/json":
            raise changes.CrashError
        names = RESOURCES if asked.key.rights is None else asked.key.rights
        inner = ""
        for name in names:
            allowed = METHODS if asked.key.rights is None else asked.key.rights[name]
            methods = " ".join(
                f'{each}="{str(each.upper() in allowed).lower()}"'
                for each in ("get", "put", "post", "patch", "delete", "head")
            )
            link = f"{self._base_url}/api/{name}"
            inner += f'<{name} xlink:href="{link}" {methods}>\n<description xlink:href="{link}" {methods}>\n'
            inner += f"The {name}</description>\n"
            for schema in ("blank", "synopsis"):
                inner += f'<schema xlink:href="{link}?schema={schema}" type="{schema}"/>\n'
            inner += f"</{name}>\n"
        head = '<?xml version="1.0" encoding="UTF-8"?>\n<prestashop xmlns:xlink="http://www.w3.org/1999/xlink">\n'
        body = f'{head}<api shopName="{self._shop.name}">\n{inner}</api>\n</prestashop>\n'.encode()
        return Response(200, body, self._headers(asked.renderer.content_type, body))

    def _read(self, asked: _Asked, resource: Resource) -> Response:
        schema = asked.query.get("schema")
        if schema in ("blank", "synopsis"):
            body = asked.renderer.schema(resource, synopsis=schema == "synopsis")
            return Response(200, body, self._headers(asked.renderer.content_type, body))
        display = display_of(resource, asked.query)
        if len(asked.path) > 1:
            row = self._shop.tables[resource.name].get(_leading_id(asked.path[1]))
            if row is None:
                raise RefusalError(404)
            if resource.name == "stock_availables" and (row["id_shop"], row["id_shop_group"]) == (0, 0):
                text = f"This StockAvailable ({row['id']}) does not exists on this shop"
                raise RefusalError(404, (131, text))
            body = asked.renderer.single(resource, row, display)
        else:
            rows = select(resource, self._listed(asked, resource), asked.query, self._shop.seed)
            if _is_heavy(resource, display) and len(rows) > FULL_ORDERS_MAX:
                raise changes.CrashError
            body = asked.renderer.listing(resource, rows, display)
            if resource.name == "orders":
                self._shop.orders_were_read()
        headers = self._headers(asked.renderer.content_type, body)
        if asked.known_sha1 == hashlib.sha1(body, usedforsecurity=False).hexdigest():
            return Response(304, b"", self._headers("", body))
        return Response(200, body, headers)

    def _listed(self, asked: _Asked, resource: Resource) -> Collection[Row]:
        """Return the rows that a list may show: never those that have lost their shop (0)."""
        rows = self._shop.tables[resource.name].values()
        shop = asked.query.get("id_shop", "1")
        if resource.name == "stock_availables" and shop != "all":
            return [row for row in rows if row["id_shop"] in (0, int(shop))]
        if resource.name not in OF_ONE_SHOP:
            return rows
        shops = frozenset(self._shop.tables["shops"]) if shop == "all" else frozenset({int(shop)})
        return [row for row in rows if row["id_shop"] in shops]

    def _write(self, asked: _Asked, resource: Resource) -> Response:
        given = parse(asked.body)
        rows = [self._written(asked, resource, each) for each in given]
        if asked.query.get("sendemail") == "1":
            self._shop.mail(resource.name, rows)
        if asked.method == "POST" and self._shop.invoice_warns and resource.name in MAKE_INVOICES:
            return Response(200, INVOICE_WARNING, (HTML,))
        texts = [({"id": each.id} if each.id else {}) | dict(each.fields) for each in given]
        body = asked.renderer.written(resource, rows, texts)
        status = 201 if asked.method == "POST" else 200
        return Response(status, body, self._headers(asked.renderer.content_type, body))

    def _written(self, asked: _Asked, resource: Resource, given: Given) -> Row:
        if asked.method == "POST":
            return changes.add(self._shop, resource, given)
        stale = asked.loaded.get(int(given.id)) if given.id is not None and given.id.isdigit() else None
        if stale is not None:
            self._shop.tables[resource.name][int(given.id or 0)].update(stale)
        return changes.change(self._shop, resource, given, blank=asked.method == "PUT")

    def _headers(
        self, content_type: str, body: bytes | None = None, version: str = ""
    ) -> list[tuple[str, str]]:
        headers = [("Content-Type", content_type)] if content_type else []
        headers += [
            ("Access-Time", str(int(self._shop.now().timestamp()))),
            ("X-Powered-By", "PrestaShop Webservice"),
            ("PSWS-Version", version or self._shop.version),
            ("Execution-Time", "0.004" if version != "0" else "0"),
        ]
        if body is not None:
            headers.append(("Content-Sha1", hashlib.sha1(body, usedforsecurity=False).hexdigest()))
        # Every answer begins a session that nobody needs.
        self._sessions += 1
        session = hashlib.sha256(b"%d:%d" % (self._shop.seed, self._sessions)).hexdigest()
        headers.append(("Set-Cookie", f"PrestaShop-86fce55c={session}; path=/; HttpOnly; SameSite=Lax"))
        return headers


def _key_given(request: Request, query: Query, *, drops_header: bool) -> str | None:
    """Return the key from the user's name of Basic authentication, or from the query; None without either."""
    if drops_header:
        return query.get("ws_key")
    scheme, _, encoded = (request.header("authorization") or "").partition(" ")
    if scheme.lower() == "basic":
        return base64.b64decode(encoded).decode("utf-8", "replace").partition(":")[0]
    return query.get("ws_key")


def _context(query: Query) -> int:
    """Return the shop that a request looks through."""
    return _leading_id(query.get("id_shop", "")) or FIRST_SHOP


def _leading_id(text: str) -> int:
    found = re.match(r"\d+", text)
    return int(found[0]) if found else 0


def _is_heavy(resource: Resource, display: Display | None) -> bool:
    """Tell whether every row drags what hangs below it into PHP's memory."""
    return resource.name == "orders" and display is not None and (display.full or bool(display.associations))
