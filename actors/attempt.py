"""One attempt at one effect: the partner is asked to carry it out, and what came of it is put into words.

It neither records nor repeats anything.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import trio
from msgspec import Struct

from actors.circuit import Circuit
from actors.domain.documents import Document
from actors.errors import MalformedError, OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from actors.ports.journal import PendingEffect
from actors.ports.partner import Outcome
from actors.ports.people import Contact


class PartnerDoor(Protocol):
    """What a drain needs of a partner, whichever it is."""

    async def find(self, document: Document) -> Outcome | None:
        """Look for what an earlier attempt did."""
        ...

    async def carry_out(self, document: Document, contact: Contact | None) -> Outcome:
        """Do it."""
        ...


class Taken(Struct, frozen=True, gc=False):
    """An effect that the partner has carried out, what came of it, and the person it was about."""

    effect: PendingEffect
    outcome: Outcome
    contact: Contact | None
    name: str = "ok"


class Refused(Struct, frozen=True, gc=False):
    """The partner will not take it, or nobody is to ask it any more."""

    why: str
    name: str = "refused"


class Failed(Struct, frozen=True):
    """Nobody knows yet, or the partner cannot be asked: it is tried again."""

    error: PartnerError
    name: str


class PutOff(Struct, frozen=True, gc=False):
    """It was not begun any more, since the daemon drains or is no owner any more."""

    name: str = "put_off"


Leave = Contact | None | Refused | PutOff
"""Whom an effect is about, right before it is carried out, or why it is not to be."""

Verdict = Taken | Refused | Failed | PutOff

OUTCOMES: Final = (
    "ok",
    "refused",
    "unreachable",
    "unknown",
    "malformed",
    "put_off",
    "cancelled",
    "crashed",
)
"""What can come of an attempt, by the names that its observer hears."""

Observe = Callable[[str, str, float, str], None]
"""Called with the partner, the outcome's name, the seconds that an attempt took, and its effect's stream."""


class Caller:
    """How a partner is called: by leave of its circuit, timed, and with each error as a verdict."""

    def __init__(self, partner: str, door: PartnerDoor, circuit: Circuit, observe: Observe) -> None:
        self._partner = partner
        self._door = door
        self._circuit = circuit
        self._observe = observe

    async def attempt(
        self, effect: PendingEffect, *, may_be_done: bool, begin: Callable[[], Awaitable[Leave]]
    ) -> Verdict:
        """Have the effect carried out, looked for first if it may have been, and say what came of it.

        `begin` is called once there is leave to call, which may take minutes.
        """
        verdict = "cancelled"
        began = trio.current_time()
        try:
            async with self._circuit.admitted():
                leave = await begin()
                began = trio.current_time()  # to wait for leave is not the partner's time
                if isinstance(leave, Refused | PutOff):
                    verdict = leave.name
                    return leave
                said = await self._call(effect, leave, may_be_done=may_be_done)
                verdict = said.name
                return said
        except Exception:
            verdict = "crashed"
            raise
        finally:
            self._observe(self._partner, verdict, trio.current_time() - began, effect.stream)

    async def _call(
        self, effect: PendingEffect, contact: Contact | None, *, may_be_done: bool
    ) -> Taken | Refused | Failed:
        document = effect.document
        try:
            done = await self._door.find(document) if may_be_done else None
            if done is None:
                done = await self._door.carry_out(document, contact)
        except RefusedError as error:
            self._circuit.succeeded()
            return Refused(error.why or str(error))
        except UnreachableError as error:
            self._circuit.failed()
            return Failed(error, "unreachable")
        except OutcomeUnknownError as error:
            self._circuit.failed()
            return Failed(error, "unknown")
        except MalformedError as error:
            return Failed(error, "malformed")
        self._circuit.succeeded()
        return Taken(effect, done, contact)


def contact_of(effect: PendingEffect) -> str:
    """Return the id of the person whom the effect is about; empty if it is about none."""
    id_: str = getattr(effect.document, "contact", "")
    return id_
