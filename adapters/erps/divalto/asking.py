"""A service action as it is asked, over REST or SOAP: a name and a string in, a status and a string out.

It owns that shape alone; what stands in the strings is `forms` and `integration`.
"""

from typing import NamedTuple, Protocol

from adapters.erps.divalto.turns import Rank

TOLD_WELL = "0"


class Told(NamedTuple):
    """What an action told; under another status than `TOLD_WELL` the text says why."""

    status: str
    text: str


class Asker(Protocol):
    """Something that carries service actions to a site."""

    async def ask(self, action: str, param: str, *, changes: bool, rank: Rank) -> Told:
        """Have a service action carried out and return what it told, whatever that means.

        Raises:
            UnreachableError: nothing was done.
            OutcomeUnknownError: it may have been done.
            RefusedError: the service will not take the request; where `changes` alone.
            MalformedError: the answer makes no sense; where `changes`, it may have been done.
        """
        ...
