"""What the webservice says when it says no: its codes, and its words on one line. Pure."""

import re

from adapters.http.client import Answer

CURABLE = frozenset({17, 18, 20, 21, 22, 25, 26, 132})
"""Codes about keys, rights and a webservice that is off: nothing was done, and the shop can mend it."""

NO_RIGHT = frozenset({25, 26})
"""Codes of a key that may not read the resource."""

NOT_OFFERED = frozenset({27, 32, 35})
"""Codes of a shop, such as an older one, that has no such resource, or not these fields of it."""

SAID_MAX = 150
"""Characters of a shop's words that an error's text holds: its own sentences are shorter."""

_CODE = re.compile(rb"<code><!\[CDATA\[(\d+)\]\]></code>")
_MESSAGE = re.compile(rb"<message><!\[CDATA\[(.*?)\]\]></message>", re.DOTALL)
_JSON_CODE = re.compile(rb'"code":"?(\d+)')
_JSON_MESSAGE = re.compile(rb'"message":"((?:[^"\\]|\\.)*)"')


def errors_of(answer: Answer) -> tuple[list[int], str]:
    """Return the webservice's codes and what it said on a line, but where it only repeats our body."""
    codes = [int(code) for code in _CODE.findall(answer.body) or _JSON_CODE.findall(answer.body)]
    if not codes:
        kind = answer.headers.get("content-type", "nothing").split(";")[0]
        return [], f"{answer.status} with {kind if answer.body else 'an empty body'}"
    found = _MESSAGE.search(answer.body) or _JSON_MESSAGE.search(answer.body)
    said = "" if found is None or 127 in codes else " ".join(found[1].decode("utf-8", "replace").split())  # noqa: PLR2004
    told = f"{answer.status}, code {'+'.join(map(str, codes))}"
    return codes, f"{told}: {said[:SAID_MAX]}" if said else told
