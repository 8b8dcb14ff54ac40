"""One request for a change on its way: who wants what, how far it came, and how the trail tells of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from actors.domain.control_events import ChangeAsked, ChangeOutcome
from adapters.http.server import Request
from daemon.control.access import Role
from daemon.control.asked import OWN_WORDS
from daemon.control.service import Mandate

KEY_LENGTH_MAX = 128
"""A UUID has 36 characters, a scanner's serial number and counter fewer than 60."""

PATH_LENGTH_MAX = 300
"""Longer than any path that leads to something of ours."""

TERMS_LENGTH_MAX = 1_000
"""A change in full; of a parcel's thousand lines the first, and a digest of all."""


@dataclass(slots=True)
class Asking:
    """A request for a change; `number` is its place on the trail once it stands there."""

    request: Request
    role: Role
    names: Mapping[str, str]
    body: Struct | None = None
    dry_run: bool = False
    key: str = ""
    number: int | None = None
    outcome: ChangeOutcome = "crashed"
    why: str = ""

    @property
    def given(self) -> str:
        """The key as it was sent."""
        return (self.request.header("idempotency-key") or "").strip('"')

    @property
    def order(self) -> str:
        """The order that it is about, by its path or its fulfilment, whose id begins with it; "" for none."""
        fulfilment = str(getattr(self.body, "fulfilment", ""))
        return self.names.get("order", "") or fulfilment.rpartition(".")[0]

    def mandate(self) -> Mandate:
        """Return on whose word, and under which key, it is to be done."""
        peer = self.request.peer
        return Mandate(f"uid {peer.uid}" if peer is not None else "unknown", self.key, self.dry_run)

    def told(self) -> ChangeAsked:
        """Return it as the trail has it; the user's name is the trail's to find."""
        peer = self.request.peer
        return ChangeAsked(
            path=self.request.path[:PATH_LENGTH_MAX],
            key=self.given[:KEY_LENGTH_MAX],
            terms=_terms(self.body),
            digest=hashlib.sha256(self.request.body).hexdigest(),
            dry_run=self.dry_run,
            uid=peer.uid if peer is not None else None,
            pid=peer.pid if peer is not None else None,
            user="",
            role=self.role.name.lower(),
        )


def _terms(body: Struct | None) -> str:
    """Return what is asked as JSON, without anybody's own words."""
    asked: dict[str, Any] = msgspec.to_builtins(body) if body is not None else {}
    kept = {name: value for name, value in asked.items() if name not in OWN_WORDS}
    return msgspec.json.encode(kept).decode()[:TERMS_LENGTH_MAX]
