"""How a web hook of a site's own is called; each value is a setting of its profile."""

from msgspec import Struct, field

from adapters.settings import NO_SECRET, Secret

QUERY_NAMES = ("DOS", "ETB", "TICOD", "PICOD", "TIERS", "PINOTIERS", "PIREF")
"""What the query of a hook's address may hold: it stands in servers' logs, and so no name and no address."""


class WebHookSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The web hook by which a site takes pieces (Harmony 408 and later), below the REST service's `url`.

    What it takes is `actions.write` and `actions.customer`: by a template, or `integration_piece` whole, as
    JSON. What became of a piece is looked up: a hook answers with a code and a short text alone.

    Attributes:
        code: the last part of its address, and all that the site asks for: a secret.
        customer_code: that of another hook for customers; without one they go to the same.
        query: what stands behind the `?` of its address, with `${DOS}` and the like where values go. Servers
            write addresses down, so nothing of a person can stand there.
        good: the codes of an answer that mean that the piece was taken. What another code means is
            `result_kinds`, as everywhere; one without a text is taken for a wrong `code`.
        trial: the query of a call with which the hook's program does nothing, such as {"essai": "1"}; without
            one a trial of the profile cannot tell whether `code` is right.
    """

    code: Secret = NO_SECRET
    customer_code: Secret = NO_SECRET
    query: dict[str, str] = field(default_factory=lambda: {"dos": "${DOS}"})
    good: tuple[str, ...] = ("200", "0")
    trial: dict[str, str] = {}
