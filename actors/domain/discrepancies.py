"""A difference between books as every reconciliation tells it, and which becomes a person's matter. Pure.

It owns the closed vocabulary of causes, how long each may last, and the words for what settles by itself. Why
figures differ is the reconciliations' matter: `reconciliation`, `erp_reconciliation`, `order_reconciliation`.
"""

import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Cause = Literal[
    "document_under_way",
    "document_refused",
    "not_imported",
    "erp_user",
    "count",
    "shop_write",
    "mapping",
    "unknown",
]
"""Why books differ: a document or figure of ours that is still to be told; one that a partner would not take;
something of the shop's that has not come here; what somebody did at the ERP; what was counted there; what
somebody did in the shop; an article that one side does not know. What none of these explains is "unknown":
nothing is ever guessed.
"""

SinceIs = Literal["exact", "at_the_earliest", "at_the_latest"]
"""What is known of the instant since when books differ."""

UNDER_WAY_MAX = timedelta(minutes=15)
"""A partner is told within seconds, or minutes after an outage; the desk waits as long for an outbox."""

PATIENCE: Mapping[Cause, timedelta] = {
    "document_under_way": UNDER_WAY_MAX,
    "not_imported": timedelta(minutes=5),
}
"""For how long a difference of that cause may last before a person has to look; others may not at all."""

EACH_MAX = 20
"""Differences of one kind and cause put before a person one by one; more of them are one matter."""

NAMED = 10
"""What such a matter names."""


class Mend(Struct, frozen=True):
    """What is proposed.

    Attributes:
        text: what to do, or why there is nothing to do.
        commands: what does it, as typed; there may be a choice. Empty where nothing of ours can.
        settles_by: when it will have settled by itself; None where it will not.
    """

    text: str
    commands: tuple[str, ...] = ()
    settles_by: datetime | None = None

    def __str__(self) -> str:
        """Return it as a line for a person."""
        return "; ".join((self.text, *self.commands))


class Discrepancy(Struct, frozen=True):
    """One difference, or the part of one that has one cause.

    Attributes:
        scope: whose matter it is: a channel, or the ERP.
        kind: what differs, such as "stock" or "missing".
        subject: an order, or a warehouse and a SKU.
        cause: why.
        units: how much of a stock difference it explains, above zero where the partner shows too much; 0
            where it is not about stock.
        since, since_is: since when, and how well that is known.
        evidence: what proves the cause: effects, pieces, movements, orders.
        detail: what is so, for a person.
        mend: what is proposed.
        told_as: the open anomaly that says the same already, "" for none.
        is_new: whether no earlier look has told it.
    """

    scope: str
    kind: str
    subject: str
    cause: Cause
    since: datetime
    detail: str
    mend: Mend
    units: int = 0
    since_is: SinceIs = "exact"
    evidence: tuple[str, ...] = ()
    told_as: str = ""
    is_new: bool = True

    @property
    def id(self) -> str:
        """Its name, the same at every look."""
        return f"{self.scope}:{self.kind}:{self.subject}:{self.cause}"

    @property
    def group(self) -> str:
        """The name of what it is one of."""
        return f"{self.scope}:{self.kind}:{self.cause}"


class Matter(Struct, frozen=True):
    """Something to put before a person; `id` is unique."""

    id: str
    detail: str
    mend: str


def matters(found: Iterable[Discrepancy], now: datetime) -> tuple[Matter, ...]:
    """Return what a person should look at by now, and is not told of by another anomaly."""
    groups: dict[str, list[Discrepancy]] = {}
    for each in found:
        lasts = now - each.since >= PATIENCE.get(each.cause, timedelta(0))
        if lasts and not each.told_as:
            groups.setdefault(each.group, []).append(each)
    shown: list[Matter] = []
    for group, several in groups.items():
        if len(several) <= EACH_MAX:
            shown += [Matter(each.id, each.detail, str(each.mend)) for each in several]
            continue
        names = ", ".join(each.subject for each in several[:NAMED])
        detail = f"{len(several)} differences, such as of {names}: {several[0].detail}"
        shown.append(Matter(group, detail, f"wharfctl reconcile lists them; such as: {several[0].mend}"))
    return tuple(shown)


def remembered(
    found: Iterable[Discrepancy], raised: Mapping[str, datetime], seen: Mapping[str, datetime]
) -> tuple[Discrepancy, ...]:
    """Return the differences with what earlier looks know of them.

    Args:
        found: what this look has found.
        raised: when the open anomalies of differences, and of groups of them, were raised, by their ids.
        seen: since when the differences of the last look of this process were known, by their ids.
    """
    return tuple(_remembered(each, raised, seen) for each in found)


def _remembered(
    each: Discrepancy, raised: Mapping[str, datetime], seen: Mapping[str, datetime]
) -> Discrepancy:
    known = [
        instant
        for instant in (raised.get(each.id), raised.get(each.group), seen.get(each.id))
        if instant is not None
    ]
    if not known:
        return each
    # What proves its own instant keeps it; of all else the first look is the best that is known.
    since = min(each.since, *known) if each.since_is == "at_the_latest" else each.since
    return replace(each, since=since, is_new=False)


def settles(by: datetime, now: datetime, partner: str) -> Mend:
    """Return that the outbox tells the partner by itself, or should have by now; and what hurries it."""
    hurry = command("outbox", "retry", partner)
    if by <= now:
        return Mend(f"it is overdue since {by:%Y-%m-%d %H:%M} UTC: is {partner} away?", (hurry,))
    return Mend(f"nothing: it settles by itself, expected by {by:%Y-%m-%d %H:%M} UTC", (hurry,), by)


def command(*words: str) -> str:
    """Return a command line of wharfctl, quoted as a shell wants it."""
    return shlex.join(("wharfctl", *words))
