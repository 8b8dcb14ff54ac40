"""The floor behind the control socket, over real actors with a journal and partners in memory."""

import random
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import trio

from actors.channel import ChannelSettings
from actors.domain.anomaly_events import AnomalyResolved
from actors.domain.carrier_choice import CarrierRule
from actors.domain.documents import ErpReception, ErpReturn
from actors.domain.order_commands import Hold, ReleaseHold
from actors.domain.routing import RoutingRules, WarehouseRule
from actors.domain.stock_events import StockEffectRequested
from actors.partners import Partners
from actors.ports.journal import Append
from actors.system import Rules, Surroundings, System
from adapters.memory.journal import MemoryJournal
from adapters.memory.partners import MemoryCarrier, MemoryErp, MemoryShop
from daemon.control.asked import (
    Adjustment,
    Counting,
    MirroredPiece,
    PackFulfilment,
    ParcelLine,
    ParcelPacked,
    Reception,
    Return,
    Scan,
    SlotAssignment,
)
from daemon.control.service import NOT_FOUND, Mandate, Refused
from daemon.control.wire import Consequence, Trial
from daemon.control.wire_floor import Label
from daemon.warehouse_floor import UNAVAILABLE, WarehouseFloor
from tests.orders import shop_order

LYON = {"lyon": {"TEAPOT": 3, "LAMP": 0}}


@asynccontextmanager
async def open_floor(
    shop: MemoryShop | None = None,
    stock: Mapping[str, Mapping[str, int]] = LYON,
    *,
    journal: MemoryJournal | None = None,
    erp: MemoryErp | None = None,
    carrier: MemoryCarrier | None = None,
    day: int = 23,
) -> AsyncGenerator[tuple[WarehouseFloor, MemoryErp]]:
    erp = erp or MemoryErp({warehouse: dict(units) for warehouse, units in stock.items()})
    journal = journal or MemoryJournal()
    partners = Partners({"main": shop or MemoryShop()}, erp, {"swift": carrier or MemoryCarrier()})
    async with open_system(journal, partners, stock, day=day) as system:
        yield WarehouseFloor(system, journal), erp


@asynccontextmanager
async def open_system(
    journal: MemoryJournal,
    partners: Partners,
    stock: Mapping[str, Mapping[str, int]] = LYON,
    *,
    day: int = 23,
) -> AsyncGenerator[System]:
    system = new_system(journal, partners, stock, day=day)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(system.run)
            yield system
            system.stop()


def new_system(
    journal: MemoryJournal,
    partners: Partners,
    stock: Mapping[str, Mapping[str, int]] = LYON,
    *,
    day: int = 23,
) -> System:
    return System(
        journal,
        partners,
        (ChannelSettings("main", poll_s=1.0),),
        Rules(RoutingRules(tuple(map(WarehouseRule, stock))), (CarrierRule("swift", "home"),)),
        Surroundings(
            lambda: datetime(2026, 11, day, 9, tzinfo=UTC), lambda size: b"s" * size, random.Random(1)
        ),
    )


async def test_a_delivery_of_two_articles_is_booked_for_both_and_each_counts_once() -> None:
    async with open_floor() as (floor, erp):
        for key, sku in (("a", "TEAPOT"), ("b", "CUP"), ("c", "CUP")):
            await floor.receive("lyon", Reception("D-1", sku, 5, "A-1"), Mandate("uid 0", key))
        levels = {level.sku: level.available for level in await floor.stock("lyon", None)}
        assert levels == {"CUP": 5, "LAMP": 0, "TEAPOT": 8}
        while sum(isinstance(copy, ErpReception) for copies in erp.booked.values() for copy in copies) < 2:
            await trio.sleep(0.01)
        assert erp.stock_["lyon"] == {"CUP": 5, "LAMP": 0, "TEAPOT": 8}


async def test_the_rest_of_a_delivery_under_the_same_name_is_refused_and_not_believed_booked() -> None:
    async with open_floor() as (floor, _):
        await floor.receive("lyon", Reception("D-1", "CUP", 5), Mandate("uid 0", "a"))
        for mandate in (Mandate("uid 0", "b"), Mandate("uid 0", "", dry_run=True)):
            with pytest.raises(Refused, match="D-1 has brought 5 of CUP already, and counts once"):
                await floor.receive("lyon", Reception("D-1", "CUP", 3), mandate)
        assert [level.available for level in await floor.stock("lyon", "CUP")] == [5]
        await floor.receive("lyon", Reception("D-1b", "CUP", 3), Mandate("uid 0", "c"))
        assert [level.available for level in await floor.stock("lyon", "CUP")] == [8]


async def test_a_delivery_that_is_split_between_two_warehouses_is_booked_for_both() -> None:
    async with open_floor(stock={"lyon": {}, "nantes": {}}) as (floor, erp):
        for warehouse, units in (("lyon", 5), ("nantes", 2)):
            await floor.receive(warehouse, Reception("D-1", "CUP", units), Mandate("uid 0", warehouse))
        while erp.stock_ != {"lyon": {"CUP": 5}, "nantes": {"CUP": 2}}:
            await trio.sleep(0.01)
        assert len(erp.booked) == 2, "under one reference the second would be found as the first"


async def test_an_article_that_the_erp_has_none_of_is_known_all_the_same() -> None:
    async with open_floor() as (floor, _):
        assert [level.available for level in await floor.stock("lyon", "LAMP")] == [0]
        with pytest.raises(Refused, match="lyon never held LAPM"):
            await floor.stock("lyon", "LAPM")


async def test_what_is_promised_or_not_there_cannot_be_adjusted_away() -> None:
    async with open_floor() as (floor, _):
        with pytest.raises(Refused, match="only 3 of TEAPOT are available"):
            await floor.adjust("lyon", Adjustment("TEAPOT", -4, "broken"), Mandate("uid 0", "a"))


async def test_a_count_brings_the_books_and_the_erp_to_what_lies_there_once() -> None:
    async with open_floor() as (floor, erp):
        asked = Counting(sku="TEAPOT", units=2, reason="stocktake")
        tried = await floor.count("lyon", asked, Mandate("uid 0", "", dry_run=True))
        assert isinstance(tried, Trial)
        assert [each.kind for each in tried.would] == ["stock.counted", "stock.effect_requested"]
        for _ in range(2):
            await floor.count("lyon", asked, Mandate("uid 0", "a"))
        assert [level.available for level in await floor.stock("lyon", "TEAPOT")] == [2]
        while erp.stock_["lyon"]["TEAPOT"] != 2:
            await trio.sleep(0.01)
        (movement, _opened) = (await floor.explain("lyon", "TEAPOT", 10)).movements
        assert (movement.kind, movement.about, movement.source, movement.target, movement.units) == (
            "stock.counted",
            "stocktake",
            "available",
            "count",
            1,
        )
        with pytest.raises(Refused, match="TEAPOT has no slot yet"):
            await floor.count("lyon", Counting(sku="TEAPOT", units=2, slot="Z"), Mandate("uid 0", "b"))


async def test_a_delivery_is_not_taken_for_another_whose_names_run_together() -> None:
    async with open_floor() as (floor, _):
        await floor.receive("lyon", Reception("D7", "M8/20", 5, "A-1"), Mandate("uid 0", "a"))
        with pytest.raises(Refused, match=r"D7/M8 has brought 5 of M8/20 already"):
            await floor.receive("lyon", Reception("D7/M8", "20", 5, "A-2"), Mandate("uid 0", "b"))
        await floor.receive("lyon", Reception("D7", "M8/20", 5, "A-1"), Mandate("uid 0", "c"))


async def test_a_slip_of_a_finger_makes_no_new_article() -> None:
    async with open_floor(stock={"lyon": {"TEAPOT": 3}, "nantes": {"CUP": 1}}) as (floor, erp):
        for tried in (False, True):
            with pytest.raises(
                Refused, match=r"no warehouse ever held TEAPT: is it TEAPOT\? receive it"
            ) as no:
                await floor.adjust(
                    "nantes", Adjustment("TEAPT", 5, "found"), Mandate("uid 0", "", dry_run=tried)
                )
            assert no.value.status == NOT_FOUND
        with pytest.raises(Refused, match="no warehouse ever held PAN: receive it, or say that it is a new"):
            await floor.adjust("lyon", Adjustment("PAN", 5, "found"), Mandate("uid 0", "a"))
        with pytest.raises(Refused, match=r"no warehouse ever held TEAPT: is it TEAPOT\?"):
            await floor.assign_slot("lyon", SlotAssignment("TEAPT", "A-1"), Mandate("uid 0", "s"))
        await floor.assign_slot("lyon", SlotAssignment("TEAPOT", "A-1"), Mandate("uid 0", "t"))
        await floor.assign_slot("lyon", SlotAssignment("POT", "A-2", new=True), Mandate("uid 0", "u"))
        await floor.adjust("nantes", Adjustment("TEAPOT", 5, "found"), Mandate("uid 0", "b"))
        await floor.adjust("lyon", Adjustment("PAN", 5, "found", new=True), Mandate("uid 0", "c"))
        await floor.adjust("lyon", Adjustment("PAN", 1, "found"), Mandate("uid 0", "d"))
        assert [(each.warehouse, each.available) for each in await floor.stock_everywhere("PAN")] == [
            ("lyon", 6)
        ]
        while erp.stock_["lyon"].get("PAN") != 6:
            await trio.sleep(0.01)


async def test_while_the_stock_is_still_taken_over_an_unknown_article_is_no_slip() -> None:
    erp, journal = MemoryErp({"lyon": {"TEAPOT": 3}}), MemoryJournal()
    erp.away = True
    system = new_system(journal, Partners({"main": MemoryShop()}, erp, {"swift": MemoryCarrier()}))
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(system.run)
            floor = WarehouseFloor(system, journal)
            with pytest.raises(Refused, match="TEAPOT is not known yet") as refused:
                await floor.assign_slot("lyon", SlotAssignment("TEAPOT", "A-1"), Mandate("uid 0", "a"))
            assert refused.value.status == UNAVAILABLE  # so whoever waits for an answer asks again
            system.stop()


async def test_a_key_that_is_used_again_another_day_corrects_the_erp_again() -> None:
    journal, erp = MemoryJournal(), MemoryErp({"lyon": {"TEAPOT": 9}})
    for day, left in (23, 6), (25, 3):
        passed = (AnomalyResolved("the journal's time is that of its latest event", "nobody"),)
        await journal.append(Append(f"day-{day}", 0, passed, datetime(2026, 11, day, tzinfo=UTC)))
        async with open_floor(journal=journal, erp=erp, day=day) as (floor, _):
            await floor.adjust("lyon", Adjustment("TEAPOT", -1, "samples"), Mandate("uid 0", "nightly"))
            asked = Counting(sku="TEAPOT", units=left, reason="nightly")
            await floor.count("lyon", asked, Mandate("uid 0", "nightly-count"))
            while erp.stock_["lyon"]["TEAPOT"] != left:
                await trio.sleep(0.01)
    asked_for = [
        each.event.effect
        for each in await journal.read("stock-lyon")
        if isinstance(each.event, StockEffectRequested)
    ]
    assert len(asked_for) == len(set(asked_for)) == 4


async def test_what_the_erp_has_booked_already_is_taken_over_and_it_is_not_told() -> None:
    async with open_floor() as (floor, erp):
        for key in ("a", "a", "b"):
            await floor.mirror("lyon", MirroredPiece("TEAPOT", 2, "I3-5"), Mandate("uid 0", key))
        assert [level.available for level in await floor.stock("lyon", "TEAPOT")] == [7]
        (last, *_) = (await floor.explain("lyon", "TEAPOT", 1)).movements
        assert (last.kind, last.about, last.units) == ("stock.mirrored", "I3-5", 2)
        with pytest.raises(Refused, match="only 7 of TEAPOT are available"):
            await floor.mirror("lyon", MirroredPiece("TEAPOT", -8, "I3-6"), Mandate("uid 0", "c"))
        await trio.sleep(0.05)
        assert erp.booked == {}


async def test_a_warehouse_that_nobody_has_is_named() -> None:
    async with open_floor() as (floor, _):
        with pytest.raises(Refused, match="no warehouse paris"):
            await floor.assign_slot("paris", SlotAssignment("TEAPOT", "A-1"), Mandate("uid 0", "a"))


async def test_what_a_correction_would_record_is_told_and_not_recorded() -> None:
    async with open_floor() as (floor, erp):
        tried = await floor.adjust(
            "lyon", Adjustment("TEAPOT", -1, "broken"), Mandate("uid 0", "", dry_run=True)
        )
        assert isinstance(tried, Trial)
        assert tried.would[0] == Consequence(
            "stock.adjusted", {"sku": "TEAPOT", "units": -1, "reason": "broken"}
        )
        assert [level.available for level in await floor.stock("lyon", "TEAPOT")] == [3]
        assert erp.booked == {}
        with pytest.raises(Refused, match="only 3 of TEAPOT are available"):
            await floor.adjust("lyon", Adjustment("TEAPOT", -4, "broken"), Mandate("uid 0", "", dry_run=True))


async def test_the_movements_that_are_told_add_up_to_what_lies_there() -> None:
    async with open_floor() as (floor, _):
        await floor.receive("lyon", Reception("D-1", "TEAPOT", 5, "A-1"), Mandate("uid 0", "a"))
        await floor.adjust("lyon", Adjustment("TEAPOT", -2, "broken"), Mandate("uid 0", "b"))
        whole = await floor.explain("lyon", "TEAPOT", 100)
        assert [(each.kind, each.about, each.units) for each in whole.movements] == [
            ("stock.adjusted", "broken", 2),
            ("stock.received", "D-1/TEAPOT", 5),
            ("stock.opened", "erp", 3),
        ]
        assert (whole.earlier.available, whole.now.available) == (0, 6)
        newest = await floor.explain("lyon", "TEAPOT", 1)
        assert (newest.earlier.available, len(newest.movements), newest.now.available) == (8, 1, 6)
        with pytest.raises(Refused, match="lyon never held SPOON"):
            await floor.explain("lyon", "SPOON", 1)


async def test_without_a_warehouse_every_one_that_knows_the_article_answers() -> None:
    stock = {"nantes": {"TEAPOT": 2}, "lyon": {"TEAPOT": 3, "LAMP": 0}, "brest": {"LAMP": 4}}
    async with open_floor(stock=stock) as (floor, _):
        levels = await floor.stock_everywhere("TEAPOT")
        assert [(each.warehouse, each.available) for each in levels] == [("lyon", 3), ("nantes", 2)]
        await floor.adjust("nantes", Adjustment("TEAPOT", -1, "broken"), Mandate("uid 0", "a"))
        told = await floor.explain_everywhere("TEAPOT", 1)
        assert [(each.now.warehouse, each.earlier.warehouse) for each in told] == [
            ("lyon",) * 2,
            ("nantes",) * 2,
        ]
        assert [each.movements[0].kind for each in told] == ["stock.opened", "stock.adjusted"]
        for ask in (floor.stock_everywhere("SPOON"), floor.explain_everywhere("SPOON", 1)):
            with pytest.raises(Refused, match="no warehouse ever held SPOON") as refused:
                await ask
            assert refused.value.status == NOT_FOUND


TWO_TEAPOTS = shop_order(1, ("TEAPOT", 2))


async def test_the_label_of_a_packed_parcel_is_found_again_to_be_printed() -> None:
    shop, journal = MemoryShop(), MemoryJournal()
    shop.place(TWO_TEAPOTS)
    async with open_floor(shop, journal=journal) as (floor, _):
        while not (lists := await floor.picklists("lyon", 1)):
            await trio.sleep(0.01)
        with pytest.raises(Refused, match=r"main-1 has no parcel main-1.1.1: none is packed"):
            await floor.label("main-1.1.1")
        await floor.scan("lyon", Scan(lists[0].fulfilment, "", "TEAPOT", 2), Mandate("uid 0", "a"))
        parcel = ParcelPacked(lines=(ParcelLine("TEAPOT", 2),), weight_g=900)
        await floor.pack("lyon", PackFulfilment(lists[0].fulfilment, (parcel,)), Mandate("uid 0", "b"))
        while shop.shipped() < 1:
            await trio.sleep(0.01)
        assert await floor.label("main-1.1.1") == Label("main-1.1.1", "M0000000001", "zpl", b"^XA^XZ")
        for parcel_, why in (
            ("main-1.1.2", "main-1 has no parcel main-1.1.2: main-1.1.1"),
            ("main-9.1.1", "there is no order main-9, so no parcel main-9.1.1"),
        ):
            with pytest.raises(Refused, match=why) as refused:
                await floor.label(parcel_)
            assert refused.value.status == NOT_FOUND
        assert await journal.forget("main:7") > 0
        with pytest.raises(Refused, match=r"the label of main-1.1.1 was erased"):
            await floor.label("main-1.1.1")


async def test_a_label_that_is_not_bought_yet_is_said_to_be_on_its_way() -> None:
    shop = MemoryShop()
    shop.place(TWO_TEAPOTS)
    carrier = MemoryCarrier(away=True)
    async with open_floor(shop, carrier=carrier) as (floor, _):
        while not (lists := await floor.picklists("lyon", 1)):
            await trio.sleep(0.01)
        await floor.scan("lyon", Scan(lists[0].fulfilment, "", "TEAPOT", 2), Mandate("uid 0", "a"))
        parcel = ParcelPacked(lines=(ParcelLine("TEAPOT", 2),), weight_g=900)
        await floor.pack("lyon", PackFulfilment(lists[0].fulfilment, (parcel,)), Mandate("uid 0", "b"))
        while "no parcel" in (why := await refusal_of(floor.label("main-1.1.1"))):
            await trio.sleep(0.01)
        assert why == "main-1.1.1 has no label yet: wharfctl order show main-1 tells what it waits for"


async def test_a_floor_sees_that_an_order_is_held_and_gets_its_label_once_it_is_released() -> None:
    shop, journal, carrier = MemoryShop(), MemoryJournal(), MemoryCarrier()
    shop.place(TWO_TEAPOTS)
    partners = Partners({"main": shop}, MemoryErp({"lyon": {"TEAPOT": 3}}), {"swift": carrier})
    async with open_system(journal, partners) as system:
        floor, hall = WarehouseFloor(system, journal), system.hall
        while not (lists := await floor.picklists("lyon", 1)):
            await trio.sleep(0.01)
        await floor.scan("lyon", Scan(lists[0].fulfilment, "", "TEAPOT", 2), Mandate("uid 0", "a"))
        assert lists[0].holds == ()
        await hall.ask("main-1", Hold("manual", "call first", None, "uid 0"))
        assert [each.holds for each in await floor.picklists("lyon", 1)] == [("manual: call first",)]
        parcel = ParcelPacked(lines=(ParcelLine("TEAPOT", 2),), weight_g=900)
        await floor.pack("lyon", PackFulfilment(lists[0].fulfilment, (parcel,)), Mandate("uid 0", "b"))
        while "held" not in (why := await refusal_of(floor.label("main-1.1.1"))):
            await trio.sleep(0.01)
        assert why == "main-1 is held and must not leave (manual: call first)"
        assert carrier.labels == {}, "none is bought before it is known where it goes"
        await hall.ask("main-1", ReleaseHold("manual", "uid 0"))
        while shop.shipped() < 1:
            await trio.sleep(0.01)
        assert (await floor.label("main-1.1.1")).pages


async def refusal_of(asked: Awaitable[object]) -> str:
    with pytest.raises(Refused) as refused:
        await asked
    return refused.value.reason


async def test_what_comes_back_of_an_order_is_taken_in_and_credited_once_and_no_more_than_has_left() -> None:
    shop = MemoryShop()
    shop.place(TWO_TEAPOTS)
    async with open_floor(shop) as (floor, erp):
        while not (lists := await floor.picklists("lyon", 1)):
            await trio.sleep(0.01)
        fulfilment, back = lists[0].fulfilment, Return("main-1", "R1", "TEAPOT", 1)
        with pytest.raises(Refused, match="0 of TEAPOT have left for main-1"):
            await floor.take_back("lyon", back, Mandate("uid 0", "a"))
        await floor.scan("lyon", Scan(fulfilment, "", "TEAPOT", 2), Mandate("uid 0", "b"))
        parcel = ParcelPacked(lines=(ParcelLine("TEAPOT", 2),), weight_g=900)
        await floor.pack("lyon", PackFulfilment(fulfilment, (parcel,)), Mandate("uid 0", "c"))
        while shop.shipped() < 1:
            await trio.sleep(0.01)
        tried = await floor.take_back("lyon", back, Mandate("uid 0", "", dry_run=True))
        assert isinstance(tried, Trial)
        assert [each.kind for each in tried.would] == ["order.goods_returned", "order.effect_requested"]
        for key in ("d", "d", "e"):
            await floor.take_back("lyon", back, Mandate("uid 0", key))
        while [level.available for level in await floor.stock("lyon", "TEAPOT")] != [2]:
            await trio.sleep(0.01)
        while erp.stock_["lyon"]["TEAPOT"] != 2:
            await trio.sleep(0.01)
        (copies,) = (each for (kind, _), each in erp.booked.items() if kind == ErpReturn.__name__)
        assert len(copies) == 1
        for other in (Return("main-1", "R1", "TEAPOT", 2), Return("main-1", "R1", "TEAPOT", 1, "damaged")):
            with pytest.raises(Refused, match="R1 has brought 1 sellable of TEAPOT to lyon already"):
                await floor.take_back("lyon", other, Mandate("uid 0", "g"))
        with pytest.raises(Refused, match="no order main-9"):
            await floor.take_back("lyon", Return("main-9", "R1", "TEAPOT", 1), Mandate("uid 0", "f"))
