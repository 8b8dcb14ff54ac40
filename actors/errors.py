"""What an adapter may raise, named by what its caller can do about it. An adapter raises nothing else.

Each keeps its cause (`raise ... from error`) and never carries a secret or a person's data in its text.
"""


class PartnerError(Exception):
    """Something went wrong between us and a partner.

    Args:
        system: the partner as the settings name it, such as "shop main".
        doing: what was attempted, such as "PATCH /api/stock_availables"; free of secrets and personal data.
        why: the partner's own words or ours, cut to a line; free of secrets and personal data.
    """

    def __init__(self, system: str, doing: str, why: str = "") -> None:
        super().__init__(f"{system}: {doing}" + (f": {why}" if why else ""))
        self.system = system
        self.doing = doing
        self.why = why


class UnreachableError(PartnerError):
    """Nothing was done; the same request may work later."""


class RefusedError(PartnerError):
    """The partner understood and said no; it will say no again."""


class MalformedError(PartnerError):
    """The partner answered with something that makes no sense; a person has to look."""


class OutcomeUnknownError(PartnerError):
    """It may have been done: read back before anything else."""
