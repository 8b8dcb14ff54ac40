"""What a path of the control socket takes and gives, and what of a request whoever answers it is told.

It owns how a query is read and what is wrong with one; who answers which request is `router`.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from actors.domain.partitions import PARTITIONS
from adapters.http.server import Request
from daemon.control.access import Role
from daemon.control.answers import ANSWER_SECONDS_MAX
from daemon.control.asked import as_utc
from daemon.control.service import Mandate, Refused
from daemon.control.wire import Done

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
"""Rows of one answer: some 300 KiB of orders."""

POSITION_MAX = 2**63
"""Where the database's bigint ends."""

_INSTANT = Annotated[datetime, msgspec.Meta(tz=True)]

Body = TypeVar("Body", bound=Struct)
Tell = Callable[[Any], Awaitable[None]]
Feed = Callable[[Tell], Awaitable[None]]
"""Tells one answer after the other, for as long as there is more."""

Answer = Struct | Mapping[str, Any]
"""What becomes the answer's JSON object."""


@dataclass(frozen=True, slots=True)
class Call:
    """What whoever reads is told: the path's names and the query."""

    names: Mapping[str, str]
    query: Mapping[str, str]

    @property
    def limit(self) -> int:
        """How many rows are asked for.

        Raises:
            Refused: it is no number, or out of bounds.
        """
        return self.number("limit", LIMIT_DEFAULT, LIMIT_MAX)

    def number(self, name: str, default: int, most: int) -> int:
        """Return a number of the query.

        Raises:
            Refused: it is no number, or out of bounds.
        """
        given = self.query.get(name, str(default))
        # A number of more digits than the bound is too large, and int() refuses thousands of them.
        if not (given.isascii() and given.isdecimal() and len(given) <= len(str(most))):
            given = "0"
        if not 1 <= int(given) <= most:
            raise Refused(f"{name}: expected a number from 1 to {most}", HTTPStatus.BAD_REQUEST)
        return int(given)

    def instant(self, name: str) -> datetime | None:
        """Return an instant of the query, None where it is not given.

        Raises:
            Refused: it is none, or of no zone.
        """
        given = self.query.get(name)
        try:
            return None if given is None else as_utc(msgspec.convert(given, _INSTANT))
        except msgspec.ValidationError as error:
            why = f"{name}: expected an instant such as 2026-11-24T10:00:00Z"
            raise Refused(why, HTTPStatus.BAD_REQUEST) from error

    def flag(self, name: str) -> bool:
        """Return whether a switch of the query is on.

        Raises:
            Refused: it is neither true nor false.
        """
        return flag_of(self.query, name)

    def positions(self, name: str) -> Mapping[int, int]:
        """Return the positions in the log that stand between the commas of a query parameter, by partition.

        Raises:
            Refused: one is no position, or of no partition.
        """
        pairs = [word.partition(":")[::2] for word in self._words(name)]
        for partition, position in pairs:
            if not (_is_number(partition, PARTITIONS) and _is_number(position, POSITION_MAX)):
                why = f"{name}: expected positions by partition, such as 0:41,63:7"
                raise Refused(why, HTTPStatus.BAD_REQUEST)
        return {int(partition): int(position) for partition, position in pairs}

    def words(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """Return what stands between the commas of a query parameter, nothing where it is not given.

        Raises:
            Refused: a word is not known.
        """
        words = self._words(name)
        for word in words:
            if word not in known:
                raise Refused(f"{name}: there is no {word}: {', '.join(known)}", HTTPStatus.BAD_REQUEST)
        return words

    def _words(self, name: str) -> tuple[str, ...]:
        return tuple(self.query[name].split(",")) if name in self.query else ()


def _is_number(text: str, beyond: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(beyond)) and int(text) < beyond


@dataclass(frozen=True, slots=True)
class Reading:
    """A GET that answers `gives`; `query` names the parameters it knows, and what each is for.

    `seconds_max` is how long the answer may take.
    """

    path: str
    gives: type[Struct]
    answer: Callable[[Call], Awaitable[Answer]]
    query: Mapping[str, str] = field(default_factory=dict)
    role: Role = Role.VIEWER
    seconds_max: float = ANSWER_SECONDS_MAX


@dataclass(frozen=True, slots=True)
class Change(Generic[Body]):
    """A POST that changes something: its body is checked, and it needs a key. It answers `gives`."""

    path: str
    body: type[Body]
    answer: Callable[[Mapping[str, str], Body, Mandate], Awaitable[Struct]]
    gives: type[Struct] = Done
    role: Role = Role.OPERATOR


@dataclass(frozen=True, slots=True)
class Following:
    """A GET whose answer is a line of JSON for each `gives`, for as long as there is more.

    What is wrong with the question is refused by `answer` itself; what it returns is fed after the head.
    """

    path: str
    gives: type[Struct]
    answer: Callable[[Call], Feed]
    query: Mapping[str, str] = field(default_factory=dict)
    role: Role = Role.VIEWER


Route = Reading | Following | Change[Any]


def flag_of(query: Mapping[str, str], name: str) -> bool:
    """Return whether a switch of a query is on; Refused if it is neither true nor false."""
    given = query.get(name, "false")
    if given not in ("true", "false"):
        raise Refused(f"{name}: expected true or false", HTTPStatus.BAD_REQUEST)
    return given == "true"


def query_of(request: Request, known: Collection[str]) -> dict[str, str]:
    """Return the parameters of a request; Refused if one is not known."""
    query = dict(request.query)
    for name in query:
        if name not in known:
            told = f": known are {', '.join(known)}" if known else ""
            raise Refused(f"{name}: unknown parameter{told}", HTTPStatus.BAD_REQUEST)
    return query
