"""Facts about what a person should look at.

They stand in the stream of the order, warehouse or partner they concern.
"""

from msgspec import Struct


class AnomalyRaised(Struct, frozen=True, gc=False, tag="anomaly.raised"):
    """A person should look.

    `anomaly` is unique; `problem` is its kind, `mend` the command that is proposed.
    """

    anomaly: str
    problem: str
    detail: str
    mend: str


class AnomalyResolved(Struct, frozen=True, gc=False, tag="anomaly.resolved"):
    """The matter is settled, by itself or by a person."""

    anomaly: str
    by: str


class AnomalyTaken(Struct, frozen=True, gc=False, tag="anomaly.taken"):
    """A person looks after the matter from now on.

    It stands in the desk's stream, whoever the matter concerns.
    """

    anomaly: str
    by: str


AnomalyEvent = AnomalyRaised | AnomalyResolved
