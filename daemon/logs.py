"""How the daemon logs: JSON lines, or colours on a terminal. An event is a key plus fields, see docs/logs.md.

It owns the way of a line: heard or not, named, masked, counted, held back in a flood, written. What each of
these means is its own module's.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

from actors.concerning import concerned
from actors.domain.tracing import trace_id
from adapters.settings import spellings
from daemon.log_flood import Flood
from daemon.log_levels import Levels, Passing, number_of
from daemon.log_masking import Protection

LINE_BYTES_MAX = 40_000
"""journald cuts what is longer than 48 KiB (LineMax=) in two, and neither half is JSON."""

PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""syslog's numbers, by which `journalctl -p` selects; see sd-daemon(3)."""

Observer = Callable[[str, str, Mapping[str, Any]], None]
"""Called with the level, the event and its fields, after masking, for metrics."""


def configure(
    *,
    level: str = "info",
    stream: TextIO | None = None,
    pretty: bool | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Set up the process's logs; call it again to begin anew.

    Args:
        level: "debug", "info", "warning" or "error"; personal data is readable in lines of level debug alone.
        stream: stderr unless told otherwise.
        pretty: for people instead of JSON; None asks whether the stream is a terminal.
        environ: the process's environment, which says whether the stream is journald's.
    """
    out = stream if stream is not None else sys.stderr
    is_pretty = out.isatty() if pretty is None else pretty
    is_journal = goes_to_journal(out, environ)
    levels = Levels(level)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _Heard(levels),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _named,
            structlog.processors.format_exc_info,
            Protection(),
            Flood(),
            structlog.dev.ConsoleRenderer(colors=out.isatty()) if is_pretty else _Json(is_journal=is_journal),
        ],
        logger_factory=lambda *names: _Writer(out, *names[:1]),
        cache_logger_on_first_use=False,  # so that a level holds for loggers that spoke already
    )
    _hear_from(levels)


def observe(observer: Observer) -> None:
    """Tell `observer` of every event that is logged from now on, until `configure` is called again.

    It hears of what a flood holds back, too.
    """

    def tell(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        observer(str(event.get("level", "")), str(event.get("event", "")), event)
        return event

    *before, flood, renderer = structlog.get_config()["processors"]
    structlog.configure(processors=[*before, tell, flood, renderer])


def hide(secrets: Iterable[str]) -> None:
    """Never show these from now on, wherever they stand, until `configure` is called again."""
    hidden = spellings(secrets)
    processors = structlog.get_config()["processors"]
    structlog.configure(
        processors=[Protection(hidden) if isinstance(each, Protection) else each for each in processors]
    )


def set_level(level: str, part: str = "", seconds: float | None = None) -> None:
    """Hear a part of the program (all when it is "") from another level on, for so long or for good.

    What was set for a time returns by itself, and a line says so.
    """
    (heard,) = (each for each in structlog.get_config()["processors"] if isinstance(each, _Heard))
    levels = heard.levels
    levels.set(level, part, seconds)
    _hear_from(levels)


def is_part(name: str) -> bool:
    """Tell whether there is a part of the program of that name, as `set_level` takes it."""
    ours = ("actors", "adapters", "daemon")
    return name.partition(".")[0] in ours and any(
        module == name or module.startswith(f"{name}.") for module in (*ours, *sys.modules)
    )


def goes_to_journal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether journald reads the stream itself, by the device and inode that systemd tells.

    See JOURNAL_STREAM in systemd.exec(5): a shell in between may have sent the stream elsewhere.
    """
    with suppress(OSError, ValueError):
        found = os.fstat(stream.fileno())
        return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
    return False


def for_people(text: str, *, level: str, stream: TextIO, environ: Mapping[str, str] = os.environ) -> str:
    """Return a line for people, without secrets, and with its priority where journald reads the stream."""
    kept = _protection().without_secrets(text)
    return f"<{PRIORITIES[level]}>{kept}" if goes_to_journal(stream, environ) else kept


class _Writer(structlog.WriteLogger):
    """Writes lines, and remembers for which module."""

    def __init__(self, out: TextIO, name: str = "") -> None:
        super().__init__(out)
        self.name = name


class _Heard:
    """A processor that drops what is below the level of its module."""

    def __init__(self, levels: Levels) -> None:
        self.levels = levels

    def __call__(self, logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Return the event, or raise DropEvent."""
        over = self.levels.expired()
        if over:
            _hear_from(self.levels)
            _say_returned(over, self.levels)
        if number_of(event["level"]) < self.levels.of(getattr(logger, "name", "")):
            raise structlog.DropEvent
        return event


def _say_returned(over: Mapping[str, Passing], levels: Levels) -> None:
    log = structlog.get_logger(__name__)
    for part, was in over.items():
        log.info("log.level_returned", part=part, was=was.level, now=levels.whole)


def _named(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the module, the order that the line is about, and its trace."""
    name = getattr(logger, "name", "")
    if name:
        event["logger"] = name
    order = event.pop("order", "") or concerned()
    if order:
        event["order"] = order
        event["trace"] = trace_id(str(order))
    return event


class _Json:
    """A renderer: one line of JSON, after its priority where journald reads it."""

    def __init__(self, *, is_journal: bool) -> None:
        self._is_journal = is_journal

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        """Return the line."""
        first = {key: event[key] for key in ("timestamp", "level", "event") if key in event}
        told = {**first, **event}
        line = _encoded(told)
        for _ in told:
            if len(line) <= LINE_BYTES_MAX:
                break
            sizes = {key: len(_encoded(value)) for key, value in told.items()}
            longest = max(sizes, key=sizes.__getitem__)
            told[longest] = f"<{sizes[longest]} bytes>"
            line = _encoded(told)
        prefix = f"<{PRIORITIES[event['level']]}>" if self._is_journal else ""
        return prefix + line.decode()


def _encoded(value: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)


class _Adopted(logging.Handler):
    """Passes what libraries log to structlog, where it is masked as ours is."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(__name__)
        text = record.getMessage()
        log.log(record.levelno, "library_log", library=record.name, text=text, exc_info=record.exc_info)


def _hear_from(levels: Levels) -> None:
    """Let nothing below the lowest level cost more than a look.

    Libraries are heard from warning on: below it httpx tells addresses and asyncio tells everything.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(levels.lowest))
    root = logging.getLogger()
    for handler in [*root.handlers]:
        if isinstance(handler, _Adopted):
            root.removeHandler(handler)
    root.addHandler(_Adopted())
    root.setLevel(max(number_of(levels.whole), logging.WARNING))


def _protection() -> Protection:
    """Return the one in force; before anything is configured there is no secret to know."""
    found = [each for each in structlog.get_config()["processors"] if isinstance(each, Protection)]
    return found[0] if found else Protection()
