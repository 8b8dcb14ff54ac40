"""The carrier adapter against its simulator over real HTTP: one paid label a parcel, whatever gets lost."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import trio

from actors.domain.carrier_choice import CarrierChosen, CarrierRule, NoCarrier, choose_carrier
from actors.domain.documents import LabelPurchase
from actors.errors import MalformedError, OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from actors.ports.carrier import CarrierPort
from actors.ports.partner import Outcome
from actors.ports.people import Contact
from adapters.carriers.swift.adapter import SwiftCarrier
from adapters.carriers.swift.plugin import Service, SwiftSettings, carrier_rules, problems
from adapters.carriers.swift.simulator import API_KEY, Carrier
from adapters.http.faults import cut
from adapters.http.server import Drop, Response
from adapters.settings import Secret

MORNING = datetime(2026, 11, 23, 8, tzinfo=UTC)
CONTACT = Contact(
    name="Zoé ^XZ~", company="Œuvre & Cie", street="1 rue Ada", postcode="69001", city="Lyon", country="FR"
)


def purchase(parcel: str = "F1-P1", *, service: str = "HOME", weight_g: int = 1200) -> LabelPurchase:
    return LabelPurchase(parcel, "swift", service, "lyon", "FR", weight_g, "c1")


def settings(url: str, *, api_key: str = API_KEY, label_format: str = "zpl") -> SwiftSettings:
    return SwiftSettings(
        url=url,
        api_key=Secret(api_key),
        services={"home": Service(code="HOME")},
        label_format="pdf" if label_format == "pdf" else "zpl",
    )


@asynccontextmanager
async def swift(
    carrier: Carrier, *, api_key: str = API_KEY, label_format: str = "zpl"
) -> AsyncGenerator[SwiftCarrier]:
    async with trio.open_nursery() as nursery:
        url = await nursery.start(carrier.serve)
        adapter = SwiftCarrier("swift", settings(url, api_key=api_key, label_format=label_format))
        with trio.fail_after(20):
            yield adapter
            await adapter.aclose()
        nursery.cancel_scope.cancel()


def simulated(*, ignores_keys: bool = False, repeat: float = 0.0, late: float = 0.0) -> Carrier:
    return Carrier("Swift", 7, now=MORNING, ignores_keys=ignores_keys, repeat=repeat, late=late)


async def buy_as_the_actor_does(port: CarrierPort, document: LabelPurchase, attempts: int = 50) -> Outcome:
    """Look first wherever something may have happened, and only then buy."""
    may_have_happened = False
    for _ in range(attempts):
        try:
            if may_have_happened and (found := await port.find(document)) is not None:
                return found
            may_have_happened = True
            return await port.carry_out(document, CONTACT)
        except (OutcomeUnknownError, UnreachableError, MalformedError):
            continue
    pytest.fail(f"no label for {document.parcel} in {attempts} attempts")


@pytest.mark.parametrize(("label_format", "begins"), [("zpl", b"^XA"), ("pdf", b"%PDF-")])
async def test_a_label_is_bought_and_comes_with_its_pages(label_format: str, begins: bytes) -> None:
    carrier = simulated()
    async with swift(carrier, label_format=label_format) as adapter:
        outcome = await adapter.carry_out(purchase(weight_g=2500), CONTACT)
        assert await adapter.find(purchase(weight_g=2500)) == outcome
    assert (outcome.price, outcome.currency) == (Decimal("6.50"), "EUR")
    assert outcome.tracking == "SW000000014FR"
    assert outcome.pages.startswith(begins)


async def test_an_address_cannot_command_the_printer() -> None:
    async with swift(simulated()) as adapter:
        pages = (await adapter.carry_out(purchase(), CONTACT)).pages
    assert pages.count(b"^XZ") == 1
    assert b"Zo\xc3\xa9 _5EXZ_7E" in pages


async def test_the_same_parcel_asked_twice_is_paid_once() -> None:
    carrier = simulated()
    async with swift(carrier) as adapter:
        first = await adapter.carry_out(purchase(), CONTACT)
        assert await adapter.carry_out(purchase(), CONTACT) == first
    assert len(carrier.labels) == 1


async def test_nothing_is_found_before_anything_is_bought() -> None:
    async with swift(simulated()) as adapter:
        assert await adapter.find(purchase()) is None


@pytest.mark.parametrize("ignores_keys", [False, True])
async def test_a_lost_answer_is_read_back_and_the_label_paid_once(ignores_keys: bool) -> None:
    carrier = simulated(ignores_keys=ignores_keys)
    carrier.faults.lose_next()
    async with swift(carrier) as adapter:
        with pytest.raises(OutcomeUnknownError):
            await adapter.carry_out(purchase(), CONTACT)
        assert len(carrier.labels) == 1
        found = await adapter.find(purchase())
    assert found is not None
    assert found.reference == carrier.labels[0].id
    assert carrier.duplicate_labels == 0


async def test_a_carrier_that_ignores_keys_charges_whoever_does_not_look_first() -> None:
    carrier = simulated(ignores_keys=True)
    async with swift(carrier) as adapter:
        await adapter.carry_out(purchase(), CONTACT)
        await adapter.carry_out(purchase(), CONTACT)
    assert carrier.duplicate_labels == 1


@pytest.mark.parametrize("ignores_keys", [False, True])
async def test_fifty_parcels_through_every_fault_are_fifty_labels(ignores_keys: bool) -> None:
    carrier = simulated(ignores_keys=ignores_keys)
    faults = carrier.faults
    faults.lose_answer, faults.refuse, faults.html, faults.server_error = 0.2, 0.1, 0.1, 0.1
    async with swift(carrier) as adapter:
        for number in range(50):
            await buy_as_the_actor_does(adapter, purchase(f"P{number}"))
    assert len(carrier.labels) == 50
    assert carrier.duplicate_labels == 0
    assert set(faults.struck) == {"lose_answer", "refuse", "html", "server_error"}


@pytest.mark.parametrize(
    "answer",
    [
        Response(200, b"<html>Oops</html>"),
        Response(201, b'{"id": "lbl_1"}'),
        Response(500, b"{}"),
        Response(504, b"gateway"),
        Drop(),
    ],
)
async def test_after_a_senseless_answer_to_a_purchase_the_outcome_is_unknown(answer: Response | Drop) -> None:
    carrier = simulated()
    carrier.faults.answer_next(answer)
    async with swift(carrier) as adapter:
        with pytest.raises(OutcomeUnknownError):
            await adapter.carry_out(purchase(), CONTACT)


async def test_an_answer_that_breaks_off_was_a_purchase_all_the_same() -> None:
    carrier = simulated()
    carrier.faults.change_next(lambda answer: cut(answer, 30))
    async with swift(carrier) as adapter:
        with pytest.raises(OutcomeUnknownError):
            await adapter.carry_out(purchase(), CONTACT)
        assert await adapter.find(purchase()) is not None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(200, b"<html>Oops</html>"), MalformedError),
        (Response(200, b'{"labels": 5}'), MalformedError),
        (Response(302, b"", (("Location", "/front"),)), MalformedError),
        (Response(502, b"gateway"), UnreachableError),
        (Response(429, b""), UnreachableError),
        (Drop(), UnreachableError),
    ],
)
async def test_a_look_up_that_fails_never_claims_that_something_was_done(
    answer: Response | Drop, expected: type[PartnerError]
) -> None:
    carrier = simulated()
    carrier.faults.answer_next(answer, count=2)
    async with swift(carrier) as adapter:
        with pytest.raises(expected):
            await adapter.find(purchase())
        with pytest.raises(expected):
            await adapter.events(None)


@pytest.mark.parametrize(
    ("document", "contact", "named"),
    [
        (purchase(service="PIGEON"), CONTACT, "service unknown"),
        (purchase(weight_g=40_000), CONTACT, "weight_g out_of_range"),
        (purchase(), None, "erased"),
        (purchase(), Contact(name="Ada"), "ship_to.street required, ship_to.postcode required"),
    ],
)
async def test_what_the_carrier_will_not_take_is_refused_by_name(
    document: LabelPurchase, contact: Contact | None, named: str
) -> None:
    carrier = simulated()
    async with swift(carrier) as adapter:
        with pytest.raises(RefusedError, match=named) as caught:
            await adapter.carry_out(document, contact)
    assert "Ada" not in str(caught.value)
    assert carrier.labels == []


async def test_a_wrong_key_may_be_mended_and_is_not_told() -> None:
    async with swift(simulated(), api_key="hunter2") as adapter:
        with pytest.raises(UnreachableError, match="API key is not accepted") as caught:
            await adapter.carry_out(purchase(), CONTACT)
    assert "hunter2" not in str(caught.value)


async def test_an_outage_passes_and_nothing_was_bought_in_it() -> None:
    carrier = simulated()
    carrier.faults.outage = True
    carrier.faults.outage_answer = Drop()
    async with swift(carrier) as adapter:
        with pytest.raises(OutcomeUnknownError):
            await adapter.carry_out(purchase(), CONTACT)
        carrier.faults.outage = False
        assert await adapter.find(purchase()) is None
        await adapter.carry_out(purchase(), CONTACT)
    assert len(carrier.labels) == 1


async def read_all(adapter: SwiftCarrier, cursor: str | None) -> tuple[list[tuple[str, str, str]], str]:
    """Return (event, parcel, status) of everything after the cursor."""
    told: list[tuple[str, str, str]] = []
    while True:
        page = await adapter.events(cursor)
        told += [(event.event, event.parcel, event.status) for event in page.events]
        if not page.events:
            return told, page.cursor
        cursor = page.cursor


async def test_a_parcel_is_announced_at_once_and_delivered_when_time_has_passed() -> None:
    carrier = simulated()
    async with swift(carrier) as adapter:
        await adapter.carry_out(purchase(), CONTACT)
        told, cursor = await read_all(adapter, None)
        assert [status for _, _, status in told] == ["announced"]
        carrier.tick(MORNING + timedelta(days=3))
        told, cursor = await read_all(adapter, cursor)
        assert [status for _, _, status in told] == [
            "in_transit",
            "in_transit",
            "out_for_delivery",
            "delivered",
        ]
        assert {parcel for _, parcel, _ in told} == {"F1-P1"}
        assert await read_all(adapter, cursor) == ([], cursor)
    assert carrier.delivered == {"F1-P1"}


async def test_the_feed_tells_some_twice_and_some_late_and_none_never() -> None:
    carrier = simulated(repeat=0.5, late=0.5)
    async with swift(carrier) as adapter:
        for number in range(100):
            await adapter.carry_out(purchase(f"P{number}"), CONTACT)
        carrier.tick(MORNING + timedelta(days=4))
        told, _ = await read_all(adapter, None)
    assert len(told) > 500
    assert len(set(told)) == 500
    after_delivery = [
        parcel
        for place, (_, parcel, _) in enumerate(told)
        if (parcel, "delivered") in {(earlier, status) for _, earlier, status in told[:place]}
    ]
    assert after_delivery


async def test_the_same_seed_tells_the_same_story() -> None:
    stories: list[list[tuple[str, str, str]]] = []
    for _ in range(2):
        carrier = simulated(repeat=0.3, late=0.3)
        async with swift(carrier) as adapter:
            for number in random.Random(1).sample(range(9), 9):
                await adapter.carry_out(purchase(f"P{number}"), CONTACT)
            carrier.tick(MORNING + timedelta(days=4))
            stories.append((await read_all(adapter, None))[0])
    assert stories[0] == stories[1]


def test_settings_that_cannot_be_are_named_by_their_key() -> None:
    wrong = SwiftSettings(url="https://me:secret@host/", api_key=Secret("a\nb"), services={})
    assert [problem.key for problem in problems(wrong)] == ["url", "services", "api_key"]
    assert problems(settings("https://api.example.org/swift")) == ()


def test_settings_never_show_the_key() -> None:
    assert "hunter2" not in repr(settings("http://a", api_key="hunter2"))


def test_each_service_becomes_a_rule_that_orders_are_matched_with() -> None:
    services = {"home": Service(code="HOME", countries=("FR",), weight_g_max=1000), "fast": Service(code="X")}
    account = SwiftSettings(url="http://a", api_key=Secret("k"), services=services)
    rules = carrier_rules("blue", account)
    assert rules == (CarrierRule("blue", "HOME", "home", ("FR",), 1000), CarrierRule("blue", "X", "fast"))
    chosen = choose_carrier(rules, service="home", country="FR", weight_g=1000)
    assert chosen == CarrierChosen("blue", "HOME")
    assert isinstance(choose_carrier(rules, service="home", country="FR", weight_g=1001), NoCarrier)
