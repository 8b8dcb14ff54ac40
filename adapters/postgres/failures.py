"""What a failure of the database means to the writer: whose fault it is, and whether the daemon can go on.

The SQLSTATEs that begin with WF are our own; see the migration that defines `journal_append`.
"""

from enum import Enum
from typing import Final

from actors.ports.journal import ConflictError, CorruptionError, FencedError
from adapters.postgres.encoding import UnwritableError
from adapters.postgres.gone import GONE
from adapters.postgres.pipeline import RefusedError


class Verdict(Enum):
    """What to do about a failed commit."""

    CONFLICT = "an append of the batch contradicts the log: refuse that one"
    UNWRITABLE = "an append of the batch can never be written: refuse that one"
    CORRUPT = "the log and its projections contradict each other: stop"
    FENCED = "the partitions are no longer ours, or the database is gone: stop"


_BY_STATE: Final = {
    "WF001": Verdict.FENCED,
    "WF002": Verdict.FENCED,
    "WF003": Verdict.CONFLICT,
    "WF004": Verdict.CORRUPT,
    "WF005": Verdict.CONFLICT,
    "21000": Verdict.CONFLICT,  # one batch carries the same key twice
}

_CONFLICTING: Final = frozenset(
    {
        "event_stream_version",
        "fulfilment_pkey",
        "outbox_pkey",
        "delivery_pkey",
        "command_answer_pkey",
    }
)
_DATA_EXCEPTION = "22"
_INTEGRITY_VIOLATION = "23"
_LIMIT_EXCEEDED = "54"  # such as a name that is too long for an index


def judge(error: Exception) -> Verdict:
    """Return what `error`, raised by a commit, means. What we do not know stops the daemon."""
    if not isinstance(error, RefusedError):
        return Verdict.FENCED
    state = error.sqlstate
    known = _BY_STATE.get(state)
    if known is not None:
        return known
    if state.startswith((_DATA_EXCEPTION, _LIMIT_EXCEEDED)):
        return Verdict.UNWRITABLE
    if state.startswith(_INTEGRITY_VIOLATION):
        return Verdict.CONFLICT if error.constraint in _CONFLICTING else Verdict.CORRUPT
    return Verdict.FENCED


def as_journal_error(error: Exception) -> Exception:
    """Return what the journal raises for `error`, which a commit raised."""
    if isinstance(error, UnwritableError):
        return error
    if isinstance(error, UnicodeEncodeError):
        return UnwritableError(f"a text is no Unicode: {error.reason}")
    match judge(error):
        case Verdict.CONFLICT:
            return ConflictError(str(error))
        case Verdict.UNWRITABLE:
            return UnwritableError(str(error))
        case Verdict.CORRUPT:
            return CorruptionError(str(error))
        case Verdict.FENCED:
            what = "the database is gone" if isinstance(error, GONE) else "the writer lost its partitions"
            return FencedError(f"{what}: {type(error).__name__}: {error}")
