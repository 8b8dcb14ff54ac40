"""Which known SKUs somebody may have meant who named one that nobody knows. Pure."""

from collections.abc import Container, Iterator

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./"
"""What SKUs are made of, mostly; with the letters of what was typed itself."""

NAMED_MAX = 3
"""More than a line of a screen holds help nobody."""


def alike(sku: str, known: Container[str]) -> tuple[str, ...]:
    """Return some known SKUs that are written as this one but for capitals, or one slip of a finger.

    A thousand looks into `known`, however many it holds.
    """
    found: dict[str, None] = {}
    for name in _slips(sku):
        if name != sku and name in known:
            found[name] = None
            if len(found) == NAMED_MAX:
                break
    return tuple(found)


def _slips(sku: str) -> Iterator[str]:
    """Yield the name as it was meant: in other capitals, or with a letter too many, too few, or another."""
    for name in dict.fromkeys((sku, sku.upper(), sku.lower())):
        yield name
        places = range(len(name))
        yield from (name[:at] + name[at + 1 :] for at in places)
        yield from (name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in places[:-1])
        for letter in dict.fromkeys(ALPHABET + ALPHABET.lower() + name):
            yield from (name[:at] + letter + name[at + 1 :] for at in places)
            yield from (name[:at] + letter + name[at:] for at in range(len(name) + 1))
