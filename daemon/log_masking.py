"""What of an event must not be read in the log: secrets never, people in lines of level debug alone.

It also bounds every field. Names of fields are judged by closed lists, texts by the shapes of what they hold.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from structlog.typing import EventDict

from actors.ports.people import Contact
from adapters.settings import Secret

TEXT_MAX = 2_000
"""A partner's answer or a SQL text may be long; the journal of a busy day must not be full of one."""

EXCEPTION_MAX = 20_000
"""A deep traceback through nurseries has some 10,000 characters; its end names the error."""

ITEMS_MAX = 50
"""Of a list or table in one field."""

DEPTH_MAX = 4
"""Fields are figures and names; what is nested deeper is somebody's payload."""

SEARCHED = 3
"""So many times a field's length is searched for secrets before it is cut."""

MASK = "***"
PERSONAL = "<personal>"

SECRET_NAME = re.compile(
    r"(^|[_.-])(token|password|passwd|secret|key|authorization|cookie|dsn)$", re.IGNORECASE
)
PERSONAL_NAME = re.compile(
    r"(^|[_.-])(contact|e?mail|phone|mobile|name|firstname|lastname|company|street2?|address\d?|postcode|city)$",
    re.IGNORECASE,
)

_OURS = frozenset({"timestamp", "level", "event", "logger", "order", "trace"})
"""What this process itself says: it holds nobody's words, and is not searched."""

_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""A user and password."""

_TELLTALE = r"[\w-]*(?:key|token|password|passwd|secret)"
_SECRET_TEXT = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {MASK}"),
    # As a query, a form, a header or JSON; a value in quotes reaches to their end.
    (
        re.compile(
            rf"(?i)([?&;\s,{{\"'\\]|^)({_TELLTALE})(\\?[\"']?\s*[=:]\s*)(?!\s)"
            r"(?:\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|\\\"(?:(?!\\\").)*(?:\\\")?|[^\s&,;}]+)"
        ),
        rf"\1\2\3{MASK}",
    ),
    (re.compile(rf"(?i)<((?:\w+:)?{_TELLTALE})>[^<]*"), rf"<\1>{MASK}"),
)

_PERSONAL_TEXT = (
    re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+"),
    # With the country's code, or ten French figures by twos; no part of a longer number or name.
    re.compile(r"(?<![\w+.-])(?:\+|00)[1-9]\d{0,2}(?:[ .()/-]{0,2}\d){7,12}(?![\w-])"),
    re.compile(r"(?<![\w.-])0[1-9](?:([ .-]?)\d\d)(?:\1\d\d){3}(?![\w-])"),
)


class Protection:
    """A processor that masks secrets and people, and bounds every field.

    Args:
        hidden: texts that never show, wherever they stand: see `adapters.settings.spellings`.
    """

    def __init__(self, hidden: Collection[str] = ()) -> None:
        # The longest first: one secret may be a part of another's spelling.
        self._hidden = tuple(sorted(hidden, key=len, reverse=True))

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        """Return the event as it may be read."""
        is_debug = event.get("level") == "debug"
        return {
            key: value if key in _OURS else self._protected(key, value, 0, show_personal=is_debug)
            for key, value in event.items()
        }

    def _protected(self, key: str, value: object, depth: int, *, show_personal: bool) -> object:
        if isinstance(value, Secret) or (SECRET_NAME.search(key) and value not in (None, "", True, False)):
            return MASK
        if not show_personal and value and (isinstance(value, Contact) or PERSONAL_NAME.search(key)):
            return PERSONAL
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                length_max = EXCEPTION_MAX if key == "exception" else TEXT_MAX
                return self._scrubbed(value, length_max, show_personal=show_personal)
            case bytes() | bytearray() | memoryview():
                return f"<{len(value)} bytes>"
            case Struct() | Mapping() | list() | tuple() | set() | frozenset() if depth >= DEPTH_MAX:
                return f"<{type(value).__name__}>"
            case Struct():
                fields = {name: getattr(value, name) for name in value.__struct_fields__}
                return self._protected(key, fields, depth, show_personal=show_personal)
            case Mapping():
                return self._bounded_table(value, depth, show_personal=show_personal)
            case list() | tuple() | set() | frozenset():
                kept = [
                    self._protected("", item, depth + 1, show_personal=show_personal)
                    for item in [*value][:ITEMS_MAX]
                ]
                return kept if len(value) <= ITEMS_MAX else [*kept, f"… {len(value) - ITEMS_MAX} more"]
            case _:
                return self._scrubbed(str(value), TEXT_MAX, show_personal=show_personal)

    def _bounded_table(
        self, table: Mapping[Any, object], depth: int, *, show_personal: bool
    ) -> dict[str, object]:
        kept: dict[str, object] = {
            str(key): self._protected(str(key), value, depth + 1, show_personal=show_personal)
            for key, value in [*table.items()][:ITEMS_MAX]
        }
        if len(table) > ITEMS_MAX:
            kept["…"] = f"{len(table) - ITEMS_MAX} more"
        return kept

    def without_secrets(self, text: str) -> str:
        """Return the text without what is hidden, and without whoever an address logs in as."""
        for secret in self._hidden:
            text = text.replace(secret, MASK)
        return _IN_ADDRESS.sub(MASK, text)

    def _scrubbed(self, text: str, length_max: int, *, show_personal: bool) -> str:
        # The end of a traceback says more than its beginning. What is thrown away need not be searched, but
        # for a margin: a cut must not part a secret from the name that gives it away.
        kept = text[-SEARCHED * length_max :]
        kept = self.without_secrets(kept)
        for pattern, replacement in _SECRET_TEXT:
            kept = pattern.sub(replacement, kept)
        if not show_personal:
            for pattern in _PERSONAL_TEXT:
                kept = pattern.sub(PERSONAL, kept)
        return kept if len(kept) <= length_max else f"… {len(text) - length_max} more …" + kept[-length_max:]


def secrets_in(settings: object) -> Iterable[str]:
    """Return every secret of the settings, however deep it lies; of an address its password as well."""
    match settings:
        case Secret():
            text = settings.reveal()
            yield text
            yield from _password_in(text)
        case Struct():
            for name in settings.__struct_fields__:
                value = getattr(settings, name)
                if isinstance(value, str) and SECRET_NAME.search(name):
                    yield value
                yield from secrets_in(value)
        case Mapping():
            for each in settings.values():
                yield from secrets_in(each)
        case list() | tuple():
            for each in settings:
                yield from secrets_in(each)
        case _:
            return


def _password_in(address: str) -> Iterable[str]:
    try:
        password = urlsplit(address).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
