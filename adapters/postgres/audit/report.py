"""What an audit found. It judges nothing."""

from typing import Final

from msgspec import Struct

FINDINGS_MAX: Final = 100
"""Whoever has found a hundred contradictions looks into the first; the others are only counted."""


class Finding(Struct, frozen=True):
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
    """Collects contradictions and keeps the first.

    First come breaks of the chain, as much else follows from them; then the others in the order of the log;
    then what is wrong with a partition's tables as such.
    """

    def __init__(self) -> None:
        self.total = 0
        self.chain = True
        self._broken: set[tuple[int, int]] = set()
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
        self._broken.add((partition, position))
        self.add(partition, position, what)

    def first(self) -> list[Finding]:
        """Return the first ones."""
        return sorted(self._kept, key=self._rank)[:FINDINGS_MAX]

    def _rank(self, finding: Finding) -> tuple[bool, bool, int, int]:
        place = (finding.partition, finding.position)
        return place not in self._broken, finding.position == 0, *place
