"""What all tests of actors share."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[structlog.typing.EventDict]]:
    """Collect what is logged instead of printing it: a rendered traceback takes longer than most tests."""
    with structlog.testing.capture_logs() as events:
        yield events
