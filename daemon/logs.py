"""How the daemon logs: JSON lines, or colours on a terminal, with nothing in them that must not be read.

It owns what is masked and how long a field may be. An event is a key plus fields.
"""

import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO

import msgspec
import structlog
from msgspec import Struct
from structlog.typing import EventDict, Processor

from actors.ports import Contact
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

_SECRET_TEXT = (
    (re.compile(r"(?<=://)[^/@\s]+(?=@)"), MASK),  # a user and password in an address
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {MASK}"),
    (re.compile(r"(?i)([?&;\s,{\"']|^)([\w-]*(?:key|token|password|secret))([\"']?\s*[=:]\s*)(?!\s)[^\s&,;}]+"),
     rf"\1\2\3{MASK}"),
)  # fmt: skip

Observer = Callable[[str, str, Mapping[str, Any]], None]
"""Called with the level, the event and its fields, after masking, for metrics."""


def configure(*, level: str = "info", stream: TextIO | None = None, pretty: bool | None = None) -> None:
    """Set up the process's logs; call it again to change them.

    Args:
        level: "debug", "info", "warning" or "error"; personal fields are readable at debug alone.
        stream: stderr unless told otherwise.
        pretty: for people instead of JSON; None asks whether the stream is a terminal.
    """
    out = stream if stream is not None else sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    for_people = out.isatty() if pretty is None else pretty
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            protection(show_personal=number <= logging.DEBUG),
            structlog.dev.ConsoleRenderer(colors=out.isatty()) if for_people else _as_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,  # so that `configure` holds for loggers that spoke already
    )
    _adopt_libraries(number)


def observe(observer: Observer) -> None:
    """Tell `observer` of every event that is logged from now on, until `configure` is called again."""

    def tell(_logger: object, _method: str, event: EventDict) -> EventDict:
        observer(str(event.get("level", "")), str(event.get("event", "")), event)
        return event

    *before, renderer = structlog.get_config()["processors"]
    structlog.configure(processors=[*before, tell, renderer])


def protection(*, show_personal: bool) -> Processor:
    """Return a processor that masks secrets and people, and bounds every field."""

    def protect(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {key: _protected(key, value, 0, show_personal=show_personal) for key, value in event.items()}

    return protect


def _protected(key: str, value: object, depth: int, *, show_personal: bool) -> object:
    if isinstance(value, Secret) or (SECRET_NAME.search(key) and value not in (None, "", True, False)):
        return MASK
    if not show_personal and value and (isinstance(value, Contact) or PERSONAL_NAME.search(key)):
        return PERSONAL
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _scrubbed(value, EXCEPTION_MAX if key == "exception" else TEXT_MAX)
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case Struct() | Mapping() | list() | tuple() | set() | frozenset() if depth >= DEPTH_MAX:
            return f"<{type(value).__name__}>"
        case Struct():
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            return _protected(key, fields, depth, show_personal=show_personal)
        case Mapping():
            return _bounded_table(value, depth, show_personal=show_personal)
        case list() | tuple() | set() | frozenset():
            kept = [
                _protected("", item, depth + 1, show_personal=show_personal) for item in [*value][:ITEMS_MAX]
            ]
            return kept if len(value) <= ITEMS_MAX else [*kept, f"… {len(value) - ITEMS_MAX} more"]
        case _:
            return _scrubbed(str(value), TEXT_MAX)


def _bounded_table(table: Mapping[Any, object], depth: int, *, show_personal: bool) -> dict[str, object]:
    kept: dict[str, object] = {
        str(key): _protected(str(key), value, depth + 1, show_personal=show_personal)
        for key, value in [*table.items()][:ITEMS_MAX]
    }
    if len(table) > ITEMS_MAX:
        kept["…"] = f"{len(table) - ITEMS_MAX} more"
    return kept


def _scrubbed(text: str, length_max: int) -> str:
    # The end of a traceback says more than its beginning. What is thrown away need not be searched, but for a
    # margin: a cut must not part a secret from the name that gives it away.
    kept = text[-SEARCHED * length_max :]
    for pattern, replacement in _SECRET_TEXT:
        kept = pattern.sub(replacement, kept)
    return kept if len(kept) <= length_max else f"… {len(text) - length_max} more …" + kept[-length_max:]


def _as_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    first = {key: event[key] for key in ("timestamp", "level", "event") if key in event}
    return msgspec.json.encode({**first, **event}, enc_hook=str).decode()


class _Adopted(logging.Handler):
    """Passes what libraries log to structlog, where it is masked as ours is."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        text = record.getMessage()
        log.log(record.levelno, "library_log", library=record.name, text=text, exc_info=record.exc_info)


def _adopt_libraries(level: int) -> None:
    """Hear libraries from warning on: below it httpx tells addresses and asyncio tells everything."""
    root = logging.getLogger()
    for handler in [*root.handlers]:
        if isinstance(handler, _Adopted):
            root.removeHandler(handler)
    root.addHandler(_Adopted())
    root.setLevel(max(level, logging.WARNING))
