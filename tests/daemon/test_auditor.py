"""An audit that somebody asks a daemon for: a process of its own, one at a time, ended with its listener."""

from collections.abc import Callable

import asyncpg
import pytest
import trio

from adapters.memory.journal import MemoryJournal
from adapters.postgres.journal import open_journal
from daemon.auditor import LogAuditor
from daemon.control.service import Refused
from daemon.control.wire_log import AuditTold

SQL = Callable[..., list[asyncpg.Record]]


def auditor_of(dsn: str, seconds_max: float = 10) -> LogAuditor:
    return LogAuditor(dsn, seconds_max, MemoryJournal())


async def heard(auditor: LogAuditor) -> list[AuditTold]:
    told: list[AuditTold] = []

    async def tell(each: AuditTold) -> None:
        await trio.lowlevel.checkpoint()
        told.append(each)

    with trio.fail_after(60):
        await auditor.begin()(tell)
    return told


async def test_a_log_is_audited_by_a_process_of_its_own(dsn: str, sql: SQL) -> None:
    told = await heard(auditor_of(dsn))
    assert (told[0].state, told[-1]) == ("running", AuditTold("whole"))
    sql("UPDATE partition_head SET position = 1 WHERE partition = 7", "SELECT 1")
    broken = (await heard(auditor_of(dsn)))[-1]
    assert (broken.state, broken.findings[0].partition) == ("broken", 7)


async def test_a_database_that_is_away_is_said_and_not_where_it_is() -> None:
    address = "postgresql://somebody:hidden@127.0.0.1:9/wharfinger"
    failed = (await heard(auditor_of(address, 0.1)))[-1]
    assert failed.state == "failed"
    assert failed.why
    assert "hidden" not in failed.why


async def test_one_audit_runs_at_a_time_and_ends_when_nobody_listens(dsn: str) -> None:
    auditor = auditor_of(dsn)
    begun = trio.Event()

    async def tell(_told: AuditTold) -> None:
        begun.set()
        await trio.sleep_forever()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(auditor.begin(), tell)
            await begun.wait()
            with pytest.raises(Refused, match="an audit is under way"):
                auditor.begin()
            nursery.cancel_scope.cancel()
        assert (await heard(auditor))[-1].state == "whole"


async def test_what_came_of_the_last_audit_is_told_whoever_made_it(dsn: str) -> None:
    with trio.fail_after(60):
        async with open_journal(dsn, owner="the test") as journal:
            auditor = LogAuditor(dsn, 10, journal)
            with pytest.raises(Refused, match="never audited"):
                await auditor.last()
            await heard(auditor)
            last = await auditor.last()
    assert (last.ok, last.events, last.findings) == (True, 0, 0)
