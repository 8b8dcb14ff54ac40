"""Which carrier and service take a parcel: the first rule that fits, and why the others did not."""

from collections.abc import Sequence

from msgspec import Struct


class CarrierRule(Struct, frozen=True, gc=False):
    """Parcels for `service` ("": any) to `countries` (any if empty) up to `weight_g_max` go to `carrier`."""

    carrier: str
    carrier_service: str
    service: str = ""
    countries: tuple[str, ...] = ()
    weight_g_max: int = 30_000
    open: bool = True


class CarrierChosen(Struct, frozen=True, gc=False):
    """The carrier and its own name for the service."""

    carrier: str
    carrier_service: str


class NoCarrier(Struct, frozen=True, gc=False):
    """No rule fits; one reason for each rule."""

    reasons: tuple[str, ...]


def choose_carrier(
    rules: Sequence[CarrierRule], *, service: str, country: str, weight_g: int
) -> CarrierChosen | NoCarrier:
    """Return the first rule's carrier that takes the parcel."""
    reasons: list[str] = []
    unlike = f"not {service}" if service else "and the order has none"
    for rule in rules:
        if not rule.open:
            reasons.append(f"{rule.carrier} is closed")
        elif rule.service not in ("", service):
            reasons.append(f"{rule.carrier} {rule.carrier_service} is for service {rule.service}, {unlike}")
        elif rule.countries and country not in rule.countries:
            reasons.append(f"{rule.carrier} {rule.carrier_service} does not go to {country}")
        elif weight_g > rule.weight_g_max:
            reasons.append(
                f"{rule.carrier} {rule.carrier_service} takes {rule.weight_g_max} g, not {weight_g}"
            )
        else:
            return CarrierChosen(rule.carrier, rule.carrier_service)
    return NoCarrier(tuple(reasons))
