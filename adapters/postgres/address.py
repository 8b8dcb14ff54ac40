"""One address of a database for both of our drivers: what asyncpg makes of it, said in libpq's words."""

import os
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

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

    What libpq has no keyword for is to asyncpg a setting of the server's, such as `?search_path=shop`. What
    stands before the `?` counts more than the same in the query; to libpq it is the other way round.
    """
    parts = urlsplit(dsn)
    auth, at, hosts = parts.netloc.partition("@") if "@" in parts.netloc else ("", "", parts.netloc)
    user, colon, password = auth.partition(":")
    database = parts.path.removeprefix("/")
    asked = dict(parse_qsl(parts.query))
    if "database" in asked:
        asked["dbname"] = asked.pop("database")
    stands = {"host": hosts, "port": hosts, "user": user, "password": password, "dbname": database}
    asked = {name: value for name, value in asked.items() if not stands.get(name)}
    if asked.get("host", "/")[0] != "/":
        hosts = asked.pop("host")  # it may name a port, which libpq reads in front only
    if not (hosts or asked.get("host") or os.environ.get("PGHOST")):
        asked["host"] = _HOSTS
    keywords = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    settings = {name: value for name, value in asked.items() if name not in keywords}
    known = {name: value for name, value in asked.items() if name in keywords}
    # Quoted anew: libpq refuses a stray `%`, and shows the password that holds it.
    before = f"{parts.scheme}://{_quoted(user)}{colon}{_quoted(password)}{at}{hosts}/{_quoted(database)}"
    return f"{before}?{urlencode({**known, **_OURS}, quote_via=quote)}".encode(), settings


def _quoted(text: str) -> str:
    return quote(unquote(text), safe="")
