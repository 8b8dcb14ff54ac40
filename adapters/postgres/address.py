"""One address of a database for both of our drivers: what asyncpg makes of it, said in libpq's words."""

import os
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from psycopg import pq

_HOSTS: Final = "/run/postgresql,/var/run/postgresql,/tmp,localhost"
"""Where asyncpg looks when neither the address nor PGHOST names a server; libpq looks in one place."""

_OURS: Final = {
    "gssencmode": "disable",  # asyncpg has none, and libpq would ask Kerberos for tickets first
    "client_encoding": "UTF8",
    "tcp_user_timeout": "30000",  # ms; as long as a statement may take
}


def libpq_address(dsn: str) -> tuple[bytes, dict[str, str]]:
    """Return the address for libpq, and the settings of the session that asyncpg reads out of it.

    What libpq has no keyword for is to asyncpg a setting of the server's, such as `?search_path=shop`.
    """
    parts = urlsplit(dsn)
    asked = dict(parse_qsl(parts.query))
    if "database" in asked:
        asked["dbname"] = asked.pop("database")
    keywords = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    settings = {name: value for name, value in asked.items() if name not in keywords}
    known = {name: value for name, value in asked.items() if name in keywords}
    if not (parts.hostname or known.get("host") or os.environ.get("PGHOST")):
        known["host"] = _HOSTS
    query = urlencode({**known, **_OURS}, quote_via=quote)
    return f"{_before_query(parts)}?{query}".encode(), settings


def _before_query(parts: SplitResult) -> str:
    """Return it quoted anew: libpq refuses a stray `%`, and shows the password that holds it."""
    auth, at, hosts = parts.netloc.partition("@") if "@" in parts.netloc else ("", "", parts.netloc)
    user, colon, password = auth.partition(":")
    database = _quoted(parts.path.removeprefix("/"))
    return f"{parts.scheme}://{_quoted(user)}{colon}{_quoted(password)}{at}{hosts}/{database}"


def _quoted(text: str) -> str:
    return quote(unquote(text), safe="")
