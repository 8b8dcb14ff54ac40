"""What an answer of the control socket means to whoever asked, and how long it may take.

It imports nothing that takes long, since wharfctl starts anew for every command.
"""

import json
from typing import Any

ANSWER_SECONDS_MAX = 30.0
"""Longer than any commit takes under load; whoever waited this long asks again with the same key."""

RECONCILE_SECONDS_MAX = 900.0
"""A slow site is asked for all its stock twice, for a week's pieces, and one by one for what is missing."""

WAIT_SECONDS_MORE = 5.0
"""The daemon answers, if only that it cannot, a little before whoever asks gives up."""

WAIT_SECONDS_MAX = ANSWER_SECONDS_MAX + WAIT_SECONDS_MORE
"""How long whoever asks waits for a usual answer."""

DONE = 200
"""The only status of an answer that is no problem."""

NOT_OURS = "this is not Wharfinger's control socket"


class ControlError(Exception):
    """The daemon said no, and why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class DaemonAwayError(ConnectionError):
    """Nobody answers on the socket, or the answer was lost: what was asked may have been done."""


def told(status: int, body: bytes) -> dict[str, Any]:
    """Return the answer's JSON object.

    Raises:
        ControlError: the daemon said no, or it is no daemon of ours.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ControlError(status, NOT_OURS)
    if status != DONE:
        raise ControlError(status, str(answer.get("detail", NOT_OURS)))
    return answer
