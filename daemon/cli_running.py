"""How wharfinger's commands begin and end: settings, exit codes, and what a person is told."""

import os
import select
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from daemon.beginning import begin
from daemon.entry import INTERRUPTED
from daemon.program import is_unprintable

if TYPE_CHECKING:
    from daemon.settings import Settings
    from daemon.upkeep import Progress

NOT_WELL = 1
UNREACHABLE = 69
FAULT = 70
START_AGAIN = 75
WRONG_SETTINGS = 78
DEFAULT_CONFIG = "/etc/wharfinger/wharfinger.toml"

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="WHARFINGER_CONFIG",
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The settings, as TOML.",
)
log_option = click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="At debug the names and addresses of customers are readable.",
)


def settings_of(config: Path) -> "Settings":
    """Return the settings; wrong ones end the process with all that is wrong with them."""
    begin()
    from daemon.plugins import PLUGINS
    from daemon.settings import SettingsError
    from daemon.settings_file import load

    try:
        return load(config, PLUGINS, os.environ)
    except SettingsError as error:
        end(WRONG_SETTINGS, str(error))


def progress(what: str = "events") -> "Progress | None":
    """Return what shows a person at a terminal how far it is."""
    if not sys.stderr.isatty():
        return None
    return lambda count: click.echo(f"\r{count} {what}", nl=False, err=True)


@contextmanager
def endings(
    settings: "Settings | None" = None,
    *,
    log_level: str = "warning",
    partners: tuple[type[Exception], ...] = (),
) -> Generator[None]:
    """Turn what ends a command into a line and an exit code; only our own faults are logged.

    `partners` are errors of somebody whom the command asks itself, and who is away then. No secret of the
    `settings` shows in anything that is said from now on.
    """
    begin()
    from daemon import logs
    from daemon.log_masking import secrets_in

    logs.configure(level=log_level)
    logs.hide(secrets_in(settings))
    try:
        yield
    # The outermost one: it ends the process, and says why.
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001 - see above
        leaves = list(_leaves(error))
        if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):  # out of Trio it comes in groups
            end(INTERRUPTED, "interrupted")
        if all(isinstance(leaf, SystemExit) or _is_unread(leaf) or is_unprintable(leaf) for leaf in leaves):
            # Whoever reads, as head does, has enough: click ends that silently, and `Program` the other.
            raise leaves[0] from None
        code = _code_of(leaves, partners)
        if code == FAULT:
            import structlog

            # The log masks what the text of any exception may hold; the line for people names only its kind.
            structlog.get_logger().critical("failed", exc_info=error)
            end(code, "failed: " + ", ".join(sorted({type(leaf).__name__ for leaf in leaves})))
        end(code, "\n".join(dict.fromkeys(str(leaf) for leaf in leaves)))


def _code_of(leaves: Sequence[BaseException], partners: tuple[type[Exception], ...]) -> int:
    from actors.inspection import UnansweredError
    from actors.ports.journal import CorruptionError, FencedError
    from daemon import upkeep
    from daemon.control.serving import SocketTakenError
    from daemon.web import AddressTakenError

    unreachable: tuple[type[BaseException], ...] = (
        *upkeep.UNUSABLE,
        SocketTakenError,
        AddressTakenError,
        *partners,
    )
    if all(isinstance(leaf, unreachable) for leaf in leaves):
        return UNREACHABLE
    if all(isinstance(leaf, CorruptionError) for leaf in leaves):
        return NOT_WELL
    if all(isinstance(leaf, (FencedError, UnansweredError, *unreachable)) for leaf in leaves):
        return START_AGAIN
    return FAULT


def _is_unread(error: BaseException) -> bool:
    """Tell whether it is that nobody reads what we print; a partner that hangs up is another matter."""
    if not isinstance(error, BrokenPipeError):
        return False
    try:
        watched = select.poll()
        watched.register(sys.stdout.fileno(), 0)
        return any(happened & select.POLLERR for _, happened in watched.poll(0))
    except (OSError, ValueError):  # it is closed, or no file at all
        return False


def _leaves(error: BaseException) -> Generator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def end(code: int, text: str) -> NoReturn:
    """Say why, and end with this code."""
    from daemon import logs

    for line in text.splitlines():
        click.echo(logs.for_people(f"wharfinger: {line}", level="error", stream=sys.stderr), err=True)
    raise SystemExit(code)
