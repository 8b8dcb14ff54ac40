"""What is made when, as the daemon is put together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from actors.domain.documents import ShopStatus
from actors.errors import UnreachableError
from adapters.memory.journal import MemoryJournal
from daemon.compose import open_work
from daemon.plugins import PLUGINS
from daemon.settings_file import load
from tests.settings import PARTNERS

SETTLE_S = 0.3


async def test_a_standby_that_takes_over_waits_for_what_the_last_daemon_may_just_have_sent(
    tmp_path: Path,
) -> None:
    """However long it stood by: else a status is set, or a document booked, while the first is on its way."""
    for name in ("shop.key", "erp.password", "swift.key"):
        (tmp_path / name).write_text("S" * 32)
    settle = f'key_file = "shop.key"\nsettle_seconds = {SETTLE_S}'
    text = PARTNERS.replace('key_file = "shop.key"', settle, 1)
    (tmp_path / "wharfinger.toml").write_text(f'[database]\ndata_dir = "{tmp_path}/pg"\n{text}')

    took_over_at = 0.0

    @asynccontextmanager
    async def standing_by() -> AsyncGenerator[MemoryJournal]:
        nonlocal took_over_at
        await trio.sleep(2 * SETTLE_S)
        took_over_at = trio.current_time()
        yield MemoryJournal()

    settings = load(tmp_path / "wharfinger.toml", PLUGINS, {})
    with trio.fail_after(10):
        async with open_work(settings, standing_by()) as (_, partners):
            with pytest.raises(UnreachableError):
                await partners.shops["main"].find(ShopStatus("1", "shipped"))
            assert trio.current_time() - took_over_at >= SETTLE_S
