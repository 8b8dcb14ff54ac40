"""A simulated Divalto on loopback with an adapter that speaks to it."""

from collections.abc import AsyncGenerator

import pytest
import trio

from adapters.erps.divalto.simulator.rehearsal import Site, open_site


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    with trio.fail_after(30):
        async with open_site() as opened:
            yield opened
