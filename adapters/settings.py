"""What every plugin's settings are made of: a secret that never shows itself, and a problem named by its key.

It owns no file and no format: the daemon reads the settings and resolves where a secret lies.
"""

import base64
import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

from msgspec import Struct

HIDDEN_LENGTH_MIN: Final = 4
"""A shorter secret stands in half of all words: only the names of fields can tell that one is there."""


class Secret:
    """A key, token or password. Only `reveal` shows it; everything that might print it shows `***`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself, for the wire and nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a secret is not to be stored")


NO_SECRET = Secret("")
"""A secret that is not given."""


def spellings(secrets: Iterable[str]) -> frozenset[str]:
    """Return how these may stand in a text: as they are, in a URL, in JSON, as Basic credentials."""
    found: set[str] = set()
    for secret in secrets:
        basic = base64.b64encode(f"{secret}:".encode()).decode()
        found |= {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], basic}
    return frozenset(text for text in found if len(text) >= HIDDEN_LENGTH_MIN)


class Problem(Struct, frozen=True):
    """A setting that cannot be: its key below the plugin's own table, and what is wrong with it."""

    key: str
    why: str


def url_problems(key: str, url: str) -> tuple[Problem, ...]:
    """Return what is wrong with a partner's address: credentials in it would end up in logs and errors."""
    scheme, found, rest = url.partition("://")
    host = rest.partition("/")[0]
    if not found or scheme not in ("http", "https") or not host:
        return (Problem(key, "has to begin with http:// or https:// and name a host"),)
    if "@" in host:
        return (Problem(key, "must not hold a user or password: they have settings of their own"),)
    if "?" in rest or "#" in rest:
        return (Problem(key, "must not hold a query"),)
    return ()
