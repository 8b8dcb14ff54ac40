"""The trail of the control socket: who asked for a change is durable before it is made, and its end after."""

import json
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from actors.domain.control_events import ChangeAsked, ChangeSettled
from actors.domain.partitions import CONTROL
from adapters.http.server import Peer, Request
from adapters.memory.journal import MemoryJournal
from daemon.control import asked as bodies
from daemon.control.access import Access, Role
from daemon.control.accounts import Accounts
from daemon.control.answers import ANSWER_SECONDS_MAX
from daemon.control.api import Services, routes
from daemon.control.asked import OWN_WORDS, TEXT_MAX
from daemon.control.asking import PATH_LENGTH_MAX, TERMS_LENGTH_MAX
from daemon.control.router import Router
from daemon.control.routes import Change
from daemon.control.service import NOT_FOUND, Mandate, Refused, TrailFilter
from daemon.control.wire import Done
from daemon.trail import JournalTrail

AT = datetime(2026, 11, 26, 10, tzinfo=UTC)
ALL = TrailFilter()
ACCESS = Access({1000: Role.ADMIN, 1001: Role.OPERATOR, 1002: Role.VIEWER})
HOLD = "/v1/orders/main-7/hold"


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a change that only this test knows."""

    units: int = 0
    reason: str = ""
    many: tuple[str, ...] = ()


class Changes:
    """A trail in memory, and a route whose doing the test decides."""

    def __init__(self, journal: MemoryJournal | None = None, now: datetime = AT) -> None:
        self.journal = journal or MemoryJournal()
        self.done: list[Mandate] = []
        self.seen_before: list[int] = []
        self.crash: Exception | None = None
        self.sleeps = False
        self.trail = JournalTrail(self.journal, lambda: now, self._name_of)
        self._router = Router([Change("/v1/wish", Wish, self._do)], self.trail, ACCESS)

    async def _name_of(self, uid: int) -> str:
        await trio.lowlevel.checkpoint()
        return {1000: "anna"}.get(uid, "")

    async def _do(self, _names: Any, _wish: Wish, mandate: Mandate) -> Done:  # noqa: ANN401 - a route's
        self.seen_before.append(len(self.journal.streams.get(CONTROL, ())))
        if self.crash is not None:
            raise self.crash
        if self.sleeps:
            await trio.sleep_forever()
        self.done.append(mandate)
        return Done()

    async def ask(self, body: object = None, *, uid: int = 1000, key: str = "k", query: str = "") -> int:
        raw = json.dumps(body if body is not None else {}).encode()
        request = Request("POST", f"/v1/wish{query}", [("idempotency-key", key)], raw, Peer(4242, uid, uid))
        return (await self._router.answer(request)).status

    def events(self) -> list[Any]:
        return [recorded.event for recorded in self.journal.streams.get(CONTROL, ())]


async def test_who_asks_is_durable_before_the_change_is_made_and_what_came_of_it_after() -> None:
    changes = Changes()
    assert await changes.ask({"units": 3, "reason": "Ada Lovelace called"}) == 200
    assert changes.seen_before == [1]
    asked, settled = changes.events()
    assert asked == ChangeAsked(
        path="/v1/wish",
        key="k",
        terms='{"units":3,"many":[]}',
        digest=asked.digest,
        dry_run=False,
        uid=1000,
        pid=4242,
        user="anna",
        role="admin",
    )
    assert len(asked.digest) == 64
    assert settled == ChangeSettled(1, "done", "")


async def test_what_is_only_tried_stands_there_as_tried() -> None:
    changes = Changes()
    assert await changes.ask(query="?dry_run=true") == 200
    (told,) = await changes.trail.changes(ALL, 10)
    assert (told.dry_run, told.outcome, told.user) == (True, "done", "anna")


@pytest.mark.parametrize(
    ("body", "uid", "key", "query"),
    [
        ({}, 1002, "k", ""),
        ({}, 4000, "k", ""),
        ({"unit": 1}, 1000, "k", ""),
        ({}, 1000, "", ""),
        ({}, 1000, "k", "?dry_run=perhaps"),
    ],
)
async def test_who_may_not_and_what_makes_no_sense_fills_no_database(
    body: object, uid: int, key: str, query: str
) -> None:
    changes = Changes()
    assert await changes.ask(body, uid=uid, key=key, query=query) in (400, 403)
    assert changes.events() == changes.done == []


async def test_a_change_that_crashes_says_so_and_goes_up() -> None:
    changes = Changes()
    changes.crash = RuntimeError("a fault of ours")
    with pytest.raises(RuntimeError):
        await changes.ask()
    assert changes.events()[1] == ChangeSettled(1, "crashed", "")


async def test_a_change_that_nobody_waits_for_any_more_is_unknown(
    autojump_clock: trio.testing.MockClock,
) -> None:
    changes = Changes()
    changes.sleeps = True
    assert await changes.ask() == 504
    assert trio.current_time() >= ANSWER_SECONDS_MAX
    assert changes.events()[1] == ChangeSettled(1, "unknown", "it took too long")
    assert autojump_clock.rate == 0


async def test_a_change_whose_end_a_fall_kept_from_being_recorded_is_unknown() -> None:
    changes = Changes()
    await changes.ask()
    changes.journal.streams[CONTROL].pop()
    (told,) = await changes.trail.changes(ALL, 10)
    assert (told.outcome, told.why) == ("unknown", "no end of it was recorded")


async def test_many_at_once_stand_there_each_with_its_own_end_over_a_restart_too() -> None:
    changes = Changes()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(partial(changes.ask, {"units": number}, key=f"k{number}"))
        again = JournalTrail(changes.journal, lambda: AT + timedelta(days=1), Accounts().name_of)
        await again.load()
        number = await again.asked(changes.events()[0])
        await again.settled(number, "refused", "x" * 10_000)
    told = await again.changes(ALL, 1_000)
    assert len(told) == 51
    assert (told[0].outcome, len(told[0].why)) == ("refused", 300)
    assert {each.key for each in told[1:]} == {f"k{number}" for number in range(50)}
    assert {each.outcome for each in told[1:]} == {"done"}
    assert [each.at for each in await again.changes(ALL, 2)] == [AT + timedelta(days=1), AT]


async def test_a_repeat_of_what_an_earlier_daemon_has_done_is_done_although_it_is_gone() -> None:
    first = Changes()
    assert await first.ask({"units": 3}, key="a") == 200
    await first.ask({"units": 4}, key="b", query="?dry_run=true")
    first.crash = Refused("there is none")
    await first.ask({"units": 5}, key="c")
    again = Changes(first.journal)
    await again.trail.load()
    again.crash = Refused("there is none", NOT_FOUND)
    asked = [({"units": 3}, "a"), ({"units": 3}, "d"), ({"units": 9}, "a"), ({"units": 4}, "b")]
    assert [await again.ask(body, key=key) for body, key in asked] == [200, 404, 422, 404]
    assert await again.ask({"units": 5}, key="c") == 404, "it was refused then as well"
    later = Changes(first.journal, AT + timedelta(days=1, seconds=1))
    await later.trail.load()
    later.crash = again.crash
    assert await later.ask({"units": 3}, key="a") == 404, "it is another command by then"


async def test_it_is_searched_by_user_and_by_what_it_is_about(services: Services) -> None:
    router = Router(routes(services), services.trail, ACCESS)

    async def ask(path: str, uid: int, body: object, key: str) -> None:
        raw = json.dumps(body).encode()
        await router.answer(Request("POST", path, [("idempotency-key", key)], raw, Peer(1, uid, uid)))

    await ask(HOLD, 1000, {"reason": "r"}, "a")
    await ask("/v1/orders/main-8/cancel", 1001, {}, "b")
    trail = services.trail
    assert [each.key for each in await trail.changes(ALL, 10)] == ["b", "a"]
    assert [each.key for each in await trail.changes(TrailFilter(user="anna"), 10)] == ["a"]
    assert [each.key for each in await trail.changes(TrailFilter(user="1001"), 10)] == ["b"]
    assert [each.key for each in await trail.changes(TrailFilter(about="main-8"), 10)] == ["b"]
    answer = await router.answer(Request("GET", "/v1/trail", [], b"", Peer(1, 1001, 1001)))
    assert answer.status == 403


async def test_what_it_tells_about_an_order_is_all_that_names_it_and_nothing_of_another(
    services: Services,
) -> None:
    router = Router(routes(services), services.trail, ACCESS)
    floor, parcel = "/v1/warehouses/lyon", {"lines": [{"sku": "BOLT", "units": 1}], "weight_g": 9}
    for number, (path, body) in enumerate(
        [
            ("/v1/orders/main-1/hold", {"reason": "r"}),
            ("/v1/orders/main-10/hold", {"reason": "not main-1"}),
            (f"{floor}/scans", {"fulfilment": "main-1.1", "slot": "A", "sku": "BOLT", "units": 1}),
            (f"{floor}/packs", {"fulfilment": "main-10.1", "parcels": [parcel]}),
            (f"{floor}/returns", {"order": "main-1", "delivery": "R", "sku": "BOLT-6", "units": 1}),
            ("/v1/anomalies/resolve", {"anomalies": ["main-1:cancel", "main-11:cancel"]}),
        ]
    ):
        raw, head = json.dumps(body).encode(), [("idempotency-key", str(number))]
        await router.answer(Request("POST", path, head, raw, Peer(1, 1000, 1000)))

    async def about(what: str) -> str:
        told = await services.trail.changes(TrailFilter(about=what), 10)
        return "".join(each.key for each in reversed(told))

    assert await about("main-1") == "0245"
    assert await about("main-10") == "13"
    assert await about("BOLT") == "23"
    assert await about("lyon") == "234"
    assert await about("main") == ""


async def test_what_stands_there_is_bounded_and_in_nobodys_own_words() -> None:
    changes = Changes()
    await changes.ask({"reason": "secret " * 20, "many": ["x" * 100] * 100})
    asked = changes.events()[0]
    assert len(asked.terms) == TERMS_LENGTH_MAX
    assert "secret" not in asked.terms
    assert len(asked.path) <= PATH_LENGTH_MAX


def test_every_field_for_own_words_is_known_as_one() -> None:
    found = {
        field.name
        for name in dir(bodies)
        if isinstance(kind := getattr(bodies, name), type) and issubclass(kind, msgspec.Struct)
        for field in msgspec.structs.fields(kind)
        if f"max_length={TEXT_MAX}" in repr(field.type)
    }
    assert found == OWN_WORDS


async def test_a_directory_that_hangs_takes_one_thread_and_leaves_those_of_others_alone() -> None:
    """Addresses are looked up in threads too, for one: with all of them gone no partner could be called."""
    goes_on, asked = threading.Event(), list[int]()

    def hang(uid: int) -> str:
        asked.append(uid)
        goes_on.wait()
        return "anna"

    accounts, names = Accounts(hang), list[str]()
    try:
        with trio.fail_after(10):

            async def ask(uid: int) -> None:
                names.append(await accounts.name_of(uid))

            async with trio.open_nursery() as nursery:
                for uid in range(50):
                    nursery.start_soon(ask, uid)
            assert (names, len(asked)) == ([""] * 50, 1)
            assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
    finally:
        goes_on.set()


async def test_a_user_of_this_machine_has_a_name_and_a_stranger_has_none() -> None:
    with trio.fail_after(10):
        accounts = Accounts()
        assert [await accounts.name_of(0), await accounts.name_of(0)] == ["root", "root"]
        assert await accounts.name_of(4_000_000_000) == ""
