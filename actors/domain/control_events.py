"""What people and programs asked the daemon to change, and what came of it: the trail of the control socket.

What a change did stands in the streams of what it changed. Here stands who wanted it, also where nothing was
recorded for it: a drain, another log level, a refusal, something that was only tried.
"""

from typing import Literal

from msgspec import Struct

ChangeOutcome = Literal["done", "refused", "unknown", "crashed"]
"""What came of a change; "unknown" where nobody waited for the end of it, and it may have been made."""


class ChangeAsked(Struct, frozen=True, tag="control.asked"):
    """Somebody who may asked for a change, and it is about to be made, or tried where `dry_run`.

    `uid`, `pid` and `user` (its name here, "" where it has none) are what the kernel and this machine say of
    the peer, None over a way without peers. `terms` is the JSON of what was asked, without what a person
    wrote in own words, and cut to a bound; `digest` is of all of it.
    """

    path: str
    key: str
    terms: str
    digest: str
    dry_run: bool
    uid: int | None
    pid: int | None
    user: str
    role: str


class ChangeSettled(Struct, frozen=True, tag="control.settled"):
    """What came of the change that was asked for as this stream's version `asked`; `why` of a refusal."""

    asked: int
    outcome: ChangeOutcome
    why: str


ControlEvent = ChangeAsked | ChangeSettled
