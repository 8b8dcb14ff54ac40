"""What an audit found. It judges nothing."""

from typing import Final

from msgspec import Struct

FINDINGS_MAX: Final = 100
"""Whoever has found a hundred contradictions looks into the first; the others are only counted."""


class Finding(Struct, frozen=True, order=True):
    """A contradiction, and the event it was found at; position 0 stands for a partition's tables as such."""

    partition: int
    position: int
    what: str


class AuditReport(Struct, frozen=True):
    """The outcome.

    `chain` says whether the hashes hold; `oversold_units` how many units were promised that were not there.
    `findings` are the first ones in the order of the log, `findings_total` counts all.
    """

    ok: bool
    chain: bool
    events: int
    movements: int
    oversold_units: int
    findings: tuple[Finding, ...]
    findings_total: int

    @property
    def first(self) -> Finding | None:
        """The first wrong event."""
        return self.findings[0] if self.findings else None


class Findings:
    """Collects contradictions; keeps the first in the order of the log."""

    def __init__(self) -> None:
        self.total = 0
        self.chain = True
        self._kept: list[Finding] = []

    def add(self, partition: int, position: int, what: str) -> None:
        """Note a contradiction."""
        self.total += 1
        self._kept.append(Finding(partition, position, what))
        if len(self._kept) > 2 * FINDINGS_MAX:
            self._kept = self.first()

    def break_chain(self, partition: int, position: int, what: str) -> None:
        """Note that the log itself was tampered with."""
        self.chain = False
        self.add(partition, position, what)

    def first(self) -> list[Finding]:
        """Return the first ones."""
        return sorted(self._kept)[:FINDINGS_MAX]
