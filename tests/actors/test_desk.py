"""The desk: puts each matter before a person once, and knows who looks after it."""

from datetime import timedelta

import trio

from actors.desk import OUTBOX_LATE, Desk, Matter, Take
from actors.domain.documents import ShopStatus
from actors.domain.order_events import EffectDone, EffectRequested
from actors.mailbox import Mailbox
from actors.ports.journal import Append
from tests.actors.office import Clock, matter, open_office


async def test_a_matter_is_put_before_a_person_once_however_often_it_is_raised(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(office.desk.raise_anomaly, matter())
        await office.desk.raise_anomaly(matter())
        assert len(office.journal.streams["desk"]) == 1


async def test_a_matter_that_is_settled_is_gone_and_may_come_again(autojump_clock: Clock) -> None:
    async with open_office() as office:
        await office.desk.resolve("fire", "jane")
        assert "desk" not in office.journal.streams, "there was none"
        await office.desk.raise_anomaly(matter())
        await office.desk.resolve("fire", "jane")
        assert await office.problems() == []
        await office.desk.raise_anomaly(matter())
        assert await office.problems() == ["smoke"]


async def test_a_matter_that_comes_anew_while_it_is_being_settled_is_not_lost(autojump_clock: Clock) -> None:
    async with open_office() as office:
        await office.desk.raise_anomaly(matter())
        office.journal.takes_s = 1.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(office.desk.resolve, "fire", "anna")
            await trio.sleep(0.5)
            nursery.start_soon(office.desk.raise_anomaly, matter())
        assert await office.problems() == ["smoke"]


async def test_a_matter_that_was_settled_under_a_key_is_not_settled_anew_by_a_repeat(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        for _ in range(2):
            await office.desk.raise_anomaly(matter())
            await office.desk.resolve("fire", "jane", "k")
        assert await office.problems() == ["smoke"]


async def test_a_desk_that_starts_anew_knows_what_is_open(autojump_clock: Clock) -> None:
    async with open_office() as office:
        await office.desk.raise_anomaly(matter())
        await office.desk.raise_anomaly(matter("flood"))
        await office.desk.resolve("flood", "jane")
    async with open_office(office.journal) as again:
        await again.desk.raise_anomaly(matter())
        await again.desk.raise_anomaly(matter("flood"))
    assert len(office.journal.streams["desk"]) == 4


async def test_who_looks_after_a_matter_is_known_after_a_restart_and_until_it_comes_anew(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        raised_at = office.now()
        assert office.desk.taken("fire", raised_at) is None
        await trio.sleep(5)
        by_jane = await office.desk.take(Take("fire", "jane", raised_at))
        assert by_jane == ("jane", raised_at + timedelta(seconds=5))
        assert await office.desk.take(Take("fire", "anna", raised_at)) == by_jane
        await trio.sleep(5)
        assert await office.desk.take(Take("fire", "jane", raised_at, over=True)) == by_jane, "it is hers"
        by_anna = await office.desk.take(Take("fire", "anna", raised_at, over=True))
        assert by_anna == ("anna", raised_at + timedelta(seconds=10))
        assert len(office.journal.streams["desk"]) == 2
        keyed = Take("flood", "jane", raised_at, key="k")
        await office.desk.take(keyed)
        await office.desk.take(Take("flood", "anna", raised_at, over=True))
        repeated = await office.desk.take(keyed)
        assert repeated is not None
        assert repeated.by == "jane", "the repeat is answered as the first"
        flooded = office.desk.taken("flood", raised_at)
        assert flooded is not None
        assert flooded.by == "anna", "and takes nothing away again"
        again = Desk(office.journal, office.now, Mailbox[Matter](10))
        async with trio.open_nursery() as nursery:
            await nursery.start(again.run)
            assert again.taken("fire", raised_at) == by_anna
            assert again.taken("fire", office.now() + timedelta(seconds=1)) is None, "it was raised anew"
            nursery.cancel_scope.cancel()


async def test_a_partner_that_is_owed_something_and_gone_from_the_settings_is_seen_at_once(
    autojump_clock: Clock,
) -> None:
    async with open_office() as office:
        request = EffectRequested("x", "shop-old", ShopStatus("9", "shipped"))
        await office.journal.append(Append("other", 0, (request,), office.now()))
        await office.start(office.desk.watch_outboxes, ("erp", "shop-main"))
        await trio.sleep(1)
        (told,) = await office.journal.anomalies(10)
        assert (told.problem, told.anomaly) == ("partner_behind", "late:shop-old")
        assert told.detail == "shop-old has still to be told something, and is not in the settings"
    async with open_office(office.journal) as office:
        await office.start(office.desk.watch_outboxes, ("erp", "shop-main", "shop-old"))
        await trio.sleep(1)
        assert await office.problems() == [], "it is put back, and is told"


async def test_a_partner_that_is_not_told_for_long_is_seen_until_it_is_told(autojump_clock: Clock) -> None:
    async with open_office() as office:
        request = EffectRequested("x", "erp", ShopStatus("9", "preparing"))
        await office.journal.append(Append("other", 0, (request,), office.now()))
        await office.start(office.desk.watch_outboxes, ("erp", "shop-main"))
        await trio.sleep(OUTBOX_LATE.total_seconds() - 60)
        assert await office.problems() == []
        await trio.sleep(120)
        assert await office.problems() == ["partner_behind"]
        await office.journal.append(Append("other", 1, (EffectDone("x", "1"),), office.now()))
        await trio.sleep(60)
        assert await office.problems() == []
