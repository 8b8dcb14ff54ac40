"""The keys that a server may show itself by, as a person copies them into the settings. Pure."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

_FINGERPRINT = "SHA256:"
_DIGEST_BYTES = 32
_ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""The types of keys that are spoken, and how a key of that type signs today."""


class HostKey(NamedTuple):
    """A key's fingerprint, and the algorithms that it can sign by; none where its type is not known."""

    fingerprint: str
    algorithms: tuple[str, ...] = ()


def fingerprint(blob: bytes) -> str:
    """Return the fingerprint of a public key as OpenSSH tells it: "SHA256:" and base64 without padding."""
    return _FINGERPRINT + base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()


def read(entry: str) -> HostKey:
    """Read a fingerprint, a public key, or a line of known_hosts with or without the host's name.

    Raises:
        ValueError: it is none of these, or of a type that is not spoken, or marked as no host's own key.
    """
    fields = entry.split()
    if fields and fields[0].startswith("@"):
        raise ValueError(f"{fields[0]} marks a key that is no host's own")
    for place, field in enumerate(fields):
        if field.startswith(_FINGERPRINT):
            if len(_decoded(field.removeprefix(_FINGERPRINT))) != _DIGEST_BYTES:
                raise ValueError("a fingerprint has 43 characters behind SHA256:")
            return HostKey(field.rstrip("="))
        if field in _ALGORITHMS and place + 1 < len(fields):
            blob = _decoded(fields[place + 1])
            if field.encode() not in blob[: len(field) + 4]:
                raise ValueError(f"its key is no key of the type {field}")
            return HostKey(fingerprint(blob), _ALGORITHMS[field])
    kinds = ", ".join(_ALGORITHMS)
    raise ValueError(f"it is neither a fingerprint such as SHA256:... nor a line with a key of {kinds}")


def algorithms(keys: Sequence[HostKey]) -> tuple[str, ...]:
    """Return what the server is to be asked to sign by, so that it shows one of these keys; empty for any."""
    if not all(key.algorithms for key in keys):
        return ()
    return tuple(dict.fromkeys(name for key in keys for name in key.algorithms))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("it is no base64") from error
