"""Tests that run as root and mean somebody who may not everything."""

import os
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def as_somebody_else() -> Generator[None]:
    """Give up root's right to read everything, where the tests have it."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
