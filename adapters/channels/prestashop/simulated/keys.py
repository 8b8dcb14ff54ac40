"""The keys of the webservice and what they may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.channels.prestashop.simulated.tables import RESOURCES

FULL_KEY = "SIMULATEDSHOPKEY0000000000000001"
"""The key that a new shop knows; it may do everything. A key has 32 characters."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


@dataclass(slots=True)
class Key:
    """What a webservice key may do: `rights` by resource (None: everything), in these shops."""

    active: bool = True
    rights: Mapping[str, frozenset[str]] | None = None
    shops: frozenset[int] = field(default_factory=lambda: frozenset({1}))


def rights(**methods: str) -> dict[str, frozenset[str]]:
    """Return rights from resource="GET PATCH"; a resource that the webservice does not have is a mistake."""
    unknown = methods.keys() - RESOURCES.keys()
    if unknown:
        raise ValueError(f"no such resource: {sorted(unknown)}")
    return {resource: frozenset(text.split()) for resource, text in methods.items()}
