"""What a plugin's trial of a partner says, step by step, to somebody who has just written the settings."""

from typing import Literal

from msgspec import Struct

Judgement = Literal["ok", "warning", "wrong"]


class Finding(Struct, frozen=True):
    """One thing that was tried.

    Attributes:
        step: what was tried, in a word or two.
        judgement: "warning" is what works today and will hurt, "wrong" what does not work.
        detail: what was seen; no secret and nothing of a person.
        mend: what to do about it, "" where all is well.
    """

    step: str
    judgement: Judgement
    detail: str
    mend: str = ""


def well(step: str, detail: str) -> Finding:
    """Return that a step went well."""
    return Finding(step, "ok", detail)


def warning(step: str, detail: str, mend: str) -> Finding:
    """Return that a step works and will hurt."""
    return Finding(step, "warning", detail, mend)


def wrong(step: str, detail: str, mend: str) -> Finding:
    """Return that a step does not work."""
    return Finding(step, "wrong", detail, mend)


def listed(found: list[str], count_max: int = 10) -> str:
    """Return some of what was found, and how many more there are."""
    shown = ", ".join(found[:count_max])
    return shown if len(found) <= count_max else f"{shown} and {len(found) - count_max} more"
