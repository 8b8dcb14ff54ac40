"""The text in which figures are told: Prometheus' own, or OpenMetrics where it is asked for.

Exemplars, which name the order behind a figure, stand in OpenMetrics alone.
"""

from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

PLAIN_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text"
OPENMETRICS_VERSION: Final = "1.0.0"
OPENMETRICS_TYPE: Final = f"{OPENMETRICS}; version={OPENMETRICS_VERSION}; charset=utf-8"
OPENMETRICS_VERSIONS: Final = ("", "0.0.1", OPENMETRICS_VERSION)
"""The versions whose text is the one we write; old servers ask for 0.0.1, and some for none."""


def exposed(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return the figures and their content type, as an Accept header wants them."""
    if wants_openmetrics(accept):
        told: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]
        return told, OPENMETRICS_TYPE
    return generate_latest(registry), PLAIN_TYPE


def wants_openmetrics(accept: str) -> bool:
    """Tell whether OpenMetrics is asked for by name, and no less than plain text.

    Whoever takes anything gets plain text, which everybody can read.
    """
    openmetrics = plain = 0.0
    for asked in accept.split(","):
        kind, *rest = (part.strip() for part in asked.split(";"))
        parameters = dict(_parameter(part) for part in rest)
        weight = _weight(parameters.get("q", "1"))
        if kind.lower() == OPENMETRICS and parameters.get("version", "") in OPENMETRICS_VERSIONS:
            openmetrics = max(openmetrics, weight)
        elif kind.lower() in ("text/plain", "text/*"):
            plain = max(plain, weight)
    return openmetrics > 0 and openmetrics >= plain


def _parameter(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip().lower(), value.strip().strip('"')


def _weight(text: str) -> float:
    """Return a quality value (RFC 9110, 12.4.2), 0 for what is none."""
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
