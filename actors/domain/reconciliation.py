"""Why a partner shows another figure than the ledger says it should: each difference, split by its causes.

Of every article four figures are known: what the ledger says (L), what the partner shows (X), what it was
told last (T), and what it did on its own that has not come here yet (H, below zero for a sale). Then

    X - L  =  (X - T - H)  +  H  +  (T - L)

without a rest: somebody wrote there, we have not heard of it, we have not told it. Which partner it is, and
how the figures are read, it does not know; so an ERP's books are compared by the same sum.
"""

import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Cause = Literal["foreign_write", "not_imported", "push_under_way", "unknown_there", "unknown_here"]

PATIENCE: Mapping[Cause, timedelta] = {
    "foreign_write": timedelta(0),
    "not_imported": timedelta(minutes=5),
    "push_under_way": timedelta(minutes=5),
    "unknown_there": timedelta(0),
    "unknown_here": timedelta(hours=1),
}
"""For how long a difference may last before a person has to look.

What is under way settles within seconds, after an outage within minutes; goods are entered in a shop before
they come; what somebody wrote stays written.
"""

EACH_MAX = 20
"""Differences of one cause put before a person one by one; more of them are one matter, such as an import."""

NAMED = 10
"""Articles that such a matter names."""


class Told(Struct, frozen=True, gc=False):
    """What a partner was told, or showed, last, and when."""

    units: int
    at: datetime


class Unheard(Struct, frozen=True):
    """What a partner did on its own that has not come here yet; `units` is how its figure moved by it."""

    what: str
    article: str
    units: int
    at: datetime


class Books(Struct, frozen=True):
    """Both sides' figures by article, and what is between them. `told` may lack what nobody remembers."""

    ledger: Mapping[str, int]
    partner: Mapping[str, int]
    told: Mapping[str, Told] = {}
    unheard: tuple[Unheard, ...] = ()


class Difference(Struct, frozen=True):
    """A part of a difference that has one cause.

    Attributes:
        article: whose figures differ.
        cause: why.
        units: how many units of the difference it explains; above zero the partner shows too many.
        ledger, partner: the two figures; None where that side does not know the article.
        since: since when at the latest (a foreign write: since when at the earliest).
        about: what it is about, such as the orders that have not come.
        is_new: whether no earlier look has told it.
    """

    article: str
    cause: Cause
    units: int
    ledger: int | None
    partner: int | None
    since: datetime
    about: tuple[str, ...] = ()
    is_new: bool = True


class Matter(Struct, frozen=True):
    """Something to put before a person; `id` names it among the matters of its partner."""

    id: str
    cause: Cause
    detail: str
    mend: str


def differences(books: Books, now: datetime) -> tuple[Difference, ...]:
    """Return every difference, part by part, by article. Where the figures agree there is none."""
    unheard: dict[str, list[Unheard]] = {}
    for each in books.unheard:
        unheard.setdefault(each.article, []).append(each)
    found: list[Difference] = []
    for article in sorted(books.ledger.keys() | books.partner.keys()):
        ledger, partner = books.ledger.get(article), books.partner.get(article)
        if partner is None:
            if ledger:
                found.append(Difference(article, "unknown_there", -ledger, ledger, None, now))
        elif ledger is None:
            if partner:
                found.append(Difference(article, "unknown_here", partner, None, partner, now))
        elif partner != ledger:
            whole = Difference(article, "push_under_way", partner - ledger, ledger, partner, now)
            found += _parts(whole, books.told.get(article), unheard.get(article, []))
    return tuple(found)


def _parts(whole: Difference, told: Told | None, unheard: list[Unheard]) -> Iterable[Difference]:
    heard_units = sum(each.units for each in unheard)
    # Where nobody remembers what it was told last, everything else is still to be told.
    untold = whole.units - heard_units if told is None or whole.ledger is None else told.units - whole.ledger
    foreign = whole.units - heard_units - untold
    if foreign and told is not None:
        yield replace(whole, cause="foreign_write", units=foreign, since=told.at)
    if heard_units:
        names = tuple(each.what for each in unheard)
        since = min(each.at for each in unheard)
        yield replace(whole, cause="not_imported", units=heard_units, since=since, about=names)
    if untold:
        yield replace(whole, units=untold)


def aged(found: Iterable[Difference], known: Mapping[tuple[str, Cause], datetime]) -> tuple[Difference, ...]:
    """Return the differences with the instants at which they were first seen, if that was before.

    Args:
        found: what differs now.
        known: since when earlier looks know of an article and a cause; "" for many articles at once.
    """
    aged: list[Difference] = []
    for each in found:
        first = known.get((each.article, each.cause)) or known.get(("", each.cause))
        is_known = replace(each, since=min(each.since, first), is_new=False) if first is not None else each
        aged.append(is_known)
    return tuple(aged)


def matters(found: Iterable[Difference], partner: str, now: datetime) -> tuple[Matter, ...]:
    """Return what a person should look at by now; `partner` is its name for people, such as "shop main"."""
    by_cause: dict[Cause, list[Difference]] = {}
    for each in found:
        if now - each.since >= PATIENCE[each.cause]:
            by_cause.setdefault(each.cause, []).append(each)
    shown: list[Matter] = []
    for cause, several in by_cause.items():
        if len(several) <= EACH_MAX:
            shown += [
                Matter(f"{each.article}:{cause}", cause, detail(each, partner), mend(each, partner))
                for each in several
            ]
            continue
        names = ", ".join(each.article for each in several[:NAMED])
        many = f"{len(several)} articles, such as {names}: {detail(several[0], partner)}"
        shown.append(Matter(cause, cause, many, mend(several[0], partner)))
    return tuple(shown)


def detail(difference: Difference, partner: str) -> str:
    """Return what is so, for a person."""
    article, units = difference.article, abs(difference.units)
    shows = f"{partner} shows {difference.partner} of {article}, and the ledger says {difference.ledger}"
    about = ", ".join(difference.about)
    match difference.cause:
        case "foreign_write":
            way = "more" if difference.units > 0 else "fewer"
            return f"{shows}: somebody wrote {units} {way} there"
        case "not_imported":
            return f"{shows}: {about} moved {units} there and has not been imported"
        case "push_under_way":
            return f"{shows}: it has still to be told"
        case "unknown_there":
            return f"the ledger says {difference.ledger} of {article}, which {partner} does not know"
        case "unknown_here":
            return f"{partner} shows {difference.partner} of {article}, which no warehouse knows"


def mend(difference: Difference, partner: str) -> str:
    """Return the mend that is proposed, with its command where there is one."""
    article = difference.article
    match difference.cause:
        case "foreign_write":
            by = f"{difference.units:+d}"
            return (
                "it is set back by itself; if the goods were counted:"
                f" wharfctl stock adjust WAREHOUSE {shlex.quote(article)} --by={by} --reason counted"
            )
        case "not_imported":
            return (
                "nothing, the next poll brings it; where it lasts:"
                " wharfctl anomalies list names the order that cannot be read, or the partner that is away"
            )
        case "push_under_way":
            return "nothing, it is told by itself; where it lasts: wharfctl partners says who is away"
        case "unknown_there":
            return (
                f"give a product of {partner} the reference {article}, or list what holds it in the settings"
            )
        case "unknown_here":
            units = max(difference.units, 1)
            return (
                f"stop {partner} from selling it, or take it in:"
                f" wharfctl receive WAREHOUSE DELIVERY {shlex.quote(article)} {units}"
            )
