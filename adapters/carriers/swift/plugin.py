"""What Wharfinger has to know of this carrier before it speaks to it: its services and settings. No I/O."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from actors.domain.carrier_choice import CarrierRule
from adapters.settings import Problem, Secret, url_problems

NAME = "swift"

SECONDS_MAX = 120.0
"""A label is made in a second or two; who waits longer than this waits for nothing."""

CODE_LENGTH_MAX = 32
"""What the carrier's own field holds."""


class Service(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the carrier's products under our name for it.

    Attributes:
        code: the carrier's name for it.
        countries: ISO 3166-1 alpha-2 codes it goes to; empty for everywhere.
        weight_g_max: the heaviest parcel it takes, in grams.
    """

    code: Annotated[str, Meta(min_length=1, max_length=CODE_LENGTH_MAX)]
    countries: tuple[Annotated[str, Meta(pattern="^[A-Z]{2}$")], ...] = ()
    weight_g_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 30_000


class SwiftSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account with the carrier.

    Attributes:
        url: where its API lies, without the "/v1".
        api_key: the account's key.
        services: our service's name to the carrier's product.
        label_format: which pages are kept for the printer.
        seconds_max: how long one call may take.
    """

    url: str
    api_key: Secret
    services: dict[str, Service]
    label_format: Literal["pdf", "zpl"] = "pdf"
    seconds_max: Annotated[float, Meta(gt=0, le=SECONDS_MAX)] = 20.0


def carrier_rules(name: str, settings: SwiftSettings) -> tuple[CarrierRule, ...]:
    """Return what this carrier takes, in the order of the settings; `name` is its name there."""
    return tuple(
        CarrierRule(name, service.code, ours, service.countries, service.weight_g_max)
        for ours, service in settings.services.items()
    )


def problems(settings: SwiftSettings) -> tuple[Problem, ...]:
    """Return everything that is wrong with the settings and that their types do not say."""
    found = list(url_problems("url", settings.url))
    if not settings.services:
        found.append(Problem("services", "has to name at least one service"))
    if not settings.api_key.reveal().isascii() or not settings.api_key.reveal().isprintable():
        found.append(Problem("api_key", "holds characters that no HTTP header can carry"))
    return tuple(found)
