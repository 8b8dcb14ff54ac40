"""How wharfctl asks the daemon, and what it ends with when it gets no answer or a no.

Options that hold for every command, `--json` and `--dry-run`, may stand anywhere on its line.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar
from urllib.parse import quote

import click

from daemon import ctl_view as view
from daemon.control.answers import ANSWER_SECONDS_MAX, ControlError, DaemonAwayError
from daemon.ctl_socket import Question, ask, follow
from daemon.entry import INTERRUPTED

FAILED = 1
DEGRADED = 3
REFUSED = 4
AWAY = 69

P = ParamSpec("P")
Command = TypeVar("Command", bound=Callable[..., Any])

PROGRAM = "wharfctl"
"""Who speaks to a person, but where a command of wharfinger's asks."""

DEFAULT_SOCKET = "/run/wharfinger/control.sock"

UNITS = {"m": "minutes", "h": "hours", "d": "days"}
AGE_DIGITS_MAX = 5
"""A hundred thousand days are more than any date allows for."""

CLIENT_ERRORS = range(400, 500)
TRY_AGAIN = (503, 504)


@dataclass(frozen=True, slots=True)
class Asking:
    """Where to ask and how to answer."""

    socket: str = DEFAULT_SOCKET
    as_json: bool = False
    dry_run: bool = False
    program: str = PROGRAM

    def read(
        self,
        path: str,
        show: view.View,
        query: Mapping[str, str] | None = None,
        *,
        within: str = "",
        seconds_max: float = ANSWER_SECONDS_MAX,
    ) -> view.Answer:
        """Ask for something, show it, and return it; say so where there may be more than was asked for.

        A limit holds for each list of the answer, or of each part that it holds `within` that name. What
        takes the daemon long is given longer.
        """
        answer = self._ask(Question(path, query, seconds_max=seconds_max))
        self.show(answer, show)
        limit = (query or {}).get("limit")
        parts: Sequence[view.Answer] = answer[within] if within else (answer,)
        lists = [each for part in parts for each in part.values() if isinstance(each, list)]
        if limit and any(len(each) >= int(limit) for each in lists):
            click.echo(f"{self.program}: only the first {limit}; there may be more, see --limit", err=True)
        return answer

    def get(self, path: str, query: Mapping[str, str] | None = None) -> view.Answer:
        """Ask for something, and return it."""
        return self._ask(Question(path, query))

    def change(self, path: str, body: Mapping[str, object], key: str | None) -> view.Answer:
        """Have something done, and return the answer; a repeat under the same key changes nothing."""
        query = {"dry_run": "true"} if self.dry_run else None
        answer = self._ask(Question(path, query, _json(body), key or _new_key()))
        self.show(answer, view.trial if self.dry_run else view.done)
        return answer

    def follow(self, path: str, query: Mapping[str, str], line: Callable[[view.Answer], str]) -> None:
        """Show each line of an answer as it comes, until there is no more or somebody interrupts."""
        with suppress(KeyboardInterrupt):
            self.hear(path, query, lambda told: click.echo(_json(told) if self.as_json else line(told)))

    def hear(self, path: str, query: Mapping[str, str], hear: Callable[[view.Answer], None]) -> None:
        """Hear each line of an answer as it comes, until there is no more."""
        try:
            for told in follow(self.socket, Question(path, query)):
                hear(told)
        except DaemonAwayError as error:
            self._end(AWAY, f"no daemon answers at {error}")
        except ControlError as error:
            self._end(REFUSED if error.status in CLIENT_ERRORS else FAILED, error.detail)

    def show(self, answer: view.Answer, show: view.View) -> None:
        """Show an answer, as JSON where that was asked for."""
        if self.as_json:
            click.echo(_json(answer))
        else:
            view.show(show(answer), click.echo)

    def _ask(self, question: Question) -> view.Answer:
        again = f"; it may have been done: repeat it with --key {question.key}" if question.key else ""
        try:
            return ask(self.socket, question)
        except DaemonAwayError as error:
            self._end(AWAY, f"no daemon answers at {error}{again}")
        except ControlError as error:
            if error.status in TRY_AGAIN:
                self._end(AWAY, f"{error.detail}{again}")
            self._end(REFUSED if error.status in CLIENT_ERRORS else FAILED, error.detail)
        except KeyboardInterrupt:
            if not again:
                raise
            self._end(INTERRUPTED, f"interrupted{again}")

    def _end(self, code: int, text: str) -> NoReturn:
        end(code, text, self.program)


def _json(told: Mapping[str, object]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _new_key() -> str:
    import uuid  # late: only changes need one

    return str(uuid.uuid4())


def end(code: int, text: str, program: str = PROGRAM) -> NoReturn:
    """Say why, and end with this code."""
    for line in text.splitlines():
        click.echo(f"{program}: {view.cell(line)}", err=True)
    raise SystemExit(code)


def path_to(*parts: str) -> str:
    """Return a path below /v1 in which a name may hold anything."""
    return "/".join(["/v1", *(quote(part, safe="") for part in parts)])


def _noted(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    """Return what notes an option of a command where `Asking` finds it."""
    change: dict[str, Any] = {name: True}

    def note(context: click.Context, _option: click.Parameter, given: bool) -> None:  # noqa: FBT001 - click's way
        if given:
            context.obj = replace(context.ensure_object(Asking), **change)

    return note


def _flag(option: str, name: str, what: str) -> Callable[[Command], Command]:
    return click.option(option, is_flag=True, expose_value=False, callback=_noted(name), help=what)


def asking(command: Callable[Concatenate[Asking, P], None]) -> Callable[P, None]:
    """Hand a command its `Asking`, and let `--json` stand on its line."""
    handed: Callable[P, None] = click.make_pass_decorator(Asking)(command)
    return _flag("--json", "as_json", "Print the answer as JSON.")(handed)


def key_option(command: Command) -> Command:
    """Let a change be repeated, or only tried."""
    tried = _flag("--dry-run", "dry_run", "Show what would be recorded, and change nothing.")(command)
    return click.option("--key", help="Repeat a change whose answer was lost: the key it was made under.")(
        tried
    )


def age(text: str) -> timedelta:
    """Return 90m, 36h or 7d as a span of time."""
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in UNITS or len(number) > AGE_DIGITS_MAX:
        raise click.BadParameter(f"{text!r} is not a number of minutes, hours or days, such as 90m, 36h, 7d")
    return timedelta(**{UNITS[unit]: int(number)})


limit_option = click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000))
