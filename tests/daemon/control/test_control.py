"""The control socket over a real unix socket: what is answered, what is refused and how it says so."""

import json
import os
import resource
import socket
import stat
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.inspection import OrderFilter
from adapters.http.server import CONNECTIONS_MAX, Peer, Request, Response
from daemon.control.access import Access, Role, access_of
from daemon.control.answers import ANSWER_SECONDS_MAX, ControlError, DaemonAwayError
from daemon.control.api import Services, routes
from daemon.control.asked import (
    Adjustment,
    HoldOrder,
    PackFulfilment,
    ParcelLine,
    ParcelPacked,
    Reception,
    ReleaseOrder,
    Return,
    Scan,
    Short,
    SlotAssignment,
)
from daemon.control.client import ControlClient
from daemon.control.router import KEYS_REMEMBERED, Router
from daemon.control.service import Desk, Floor, Tail
from daemon.control.serving import SocketTakenError, control_listener, serve_control
from daemon.metrics import ROUTES_MAX

OWNER = access_of("", "", "")
LYON = "/v1/warehouses/lyon"
SCAN = {"fulfilment": "main-7/1", "slot": "A-01", "sku": "TEAPOT", "units": 1}


class DeskThatRemembers(Desk, Protocol):
    done: list[tuple[str, object, str, str]]
    asked_for: list[tuple[OrderFilter, int]]
    never_answers: bool
    unanswered: bool


class TailThatNotices(Tail, Protocol):
    left: trio.Event
    unanswered: bool


class FloorThatRemembers(Floor, Protocol):
    done: list[object]


@dataclass
class Socket:
    """A served control socket and two ways to speak to it."""

    path: Path
    client: ControlClient
    raw: httpx.AsyncClient
    keys: list[int] = field(default_factory=list)

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        return await self.client.request("GET", path, query=query or None)

    async def post(self, path: str, body: Mapping[str, object], key: str = "") -> dict[str, Any]:
        self.keys.append(0)
        return await self.client.request("POST", path, body, key=key or f"key-{len(self.keys)}")


@asynccontextmanager
async def served(services: Services, path: Path, access: Access = OWNER) -> AsyncGenerator[Socket]:
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_control, path, services, access)
            transport = httpx.AsyncHTTPTransport(uds=str(path))
            async with ControlClient(path) as client, httpx.AsyncClient(transport=transport) as raw:
                yield Socket(path, client, raw)
            nursery.cancel_scope.cancel()


@pytest.fixture
async def control(services: Services, tmp_path: Path) -> AsyncGenerator[Socket]:
    async with served(services, tmp_path / "control.sock") as control:
        yield control


# --- what is answered ------------------------------------------------------------------------------------


async def test_the_status_tells_the_daemon_at_a_glance(control: Socket) -> None:
    status = await control.get("/v1/status")
    assert status["state"] == "running"
    assert status["orders"] == {"picking": 1}
    assert status["partners"][0] == {
        "partner": "erp",
        "state": "away since 10:02",
        "pending": 3,
        "oldest": "2026-11-23T10:00:00Z",
    }


async def test_orders_are_listed_by_state(control: Socket, desk: DeskThatRemembers) -> None:
    listed = await control.get("/v1/orders", state="held,picking", limit="7")
    await control.get("/v1/orders")
    assert [row["order"] for row in listed["orders"]] == ["main-7"]
    assert desk.asked_for == [(OrderFilter(("held", "picking")), 7), (OrderFilter(), 100)]


async def test_an_instant_is_taken_in_utc_also_where_dates_begin(
    control: Socket, desk: DeskThatRemembers
) -> None:
    for at in ("2026-11-23T01:30:00+02:00", "0001-01-01T00:00:00+14:00"):
        await control.get("/v1/orders", placed_before=at)
    assert [asked.placed_before for asked, _ in desk.asked_for] == [
        datetime(2026, 11, 22, 23, 30, tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
    ]


async def test_an_orders_story_has_its_timeline_and_why_it_was_routed_so(control: Socket) -> None:
    story = await control.get("/v1/orders/main-7")
    assert [step["kind"] for step in story["timeline"]] == ["order.imported"]
    assert story["routing"][0]["candidates"][0]["rejected"] == "has too few of TEAPOT: 0 of 1"


async def test_a_pick_list_runs_along_the_slots(control: Socket) -> None:
    lists = await control.get(f"{LYON}/picklists")
    assert lists["picklists"][0]["lines"] == [
        {"slot": "A-01", "sku": "TEAPOT", "units": 2, "picked": 1, "missing": 0},
        {"slot": "B-02", "sku": "CUP", "units": 1, "picked": 0, "missing": 0},
    ]
    assert lists["picklists"][0]["packing"]["notes"] == ["Ring twice"]


async def test_stock_is_told_for_all_skus_or_one(control: Socket) -> None:
    assert [row["sku"] for row in (await control.get(f"{LYON}/stock"))["stock"]] == ["CUP", "TEAPOT"]
    assert [row["sku"] for row in (await control.get(f"{LYON}/stock", sku="CUP"))["stock"]] == ["CUP"]


async def test_anomalies_and_the_outbox_are_listed(control: Socket) -> None:
    assert (await control.get("/v1/anomalies"))["anomalies"][0]["problem"] == "no_carrier"
    assert (await control.get("/v1/outbox"))["outbox"][0]["document"] == "erp.order"


@pytest.mark.parametrize(
    ("what", "body", "expected"),
    [
        ("scans", SCAN, Scan(fulfilment="main-7/1", slot="A-01", sku="TEAPOT", units=1)),
        (
            "shorts",
            {"fulfilment": "f", "slot": "A", "sku": "S", "missing": 2, "reason": "broken"},
            Short(fulfilment="f", slot="A", sku="S", missing=2, reason="broken"),
        ),
        (
            "packs",
            {"fulfilment": "f", "parcels": [{"lines": [{"sku": "S", "units": 1}], "weight_g": 400}]},
            PackFulfilment(
                fulfilment="f",
                parcels=(ParcelPacked(lines=(ParcelLine(sku="S", units=1),), weight_g=400),),
            ),
        ),
        (
            "receptions",
            {"delivery": "D1", "sku": "S", "units": 9, "slot": "A"},
            Reception(delivery="D1", sku="S", units=9, slot="A"),
        ),
        (
            "returns",
            {"order": "main-7", "delivery": "R1", "sku": "S", "units": 2},
            Return(order="main-7", delivery="R1", sku="S", units=2),
        ),
        (
            "adjustments",
            {"sku": "S", "units": -2, "reason": "count"},
            Adjustment(sku="S", units=-2, reason="count"),
        ),
        ("slots", {"sku": "S", "slot": "C-03"}, SlotAssignment(sku="S", slot="C-03")),
    ],
)
async def test_the_floor_does_what_it_is_asked(
    control: Socket, floor: FloorThatRemembers, what: str, body: dict[str, object], expected: object
) -> None:
    assert await control.post(f"{LYON}/{what}", body) == {"done": True}
    assert floor.done == [expected]


async def test_the_desk_is_told_who_asked(control: Socket, desk: DeskThatRemembers) -> None:
    await control.post("/v1/orders/main-7/hold", {"reason": "call first"})
    await control.post("/v1/orders/main-7/release", {})
    held, released = desk.done
    assert held[:3] == ("hold", HoldOrder(reason="call first"), f"uid {os.getuid()}")
    assert released[:3] == ("release", ReleaseOrder(), f"uid {os.getuid()}")


async def test_a_hold_may_expire(control: Socket, desk: DeskThatRemembers) -> None:
    body = {"reason": "r", "expires_at": "2026-11-24T10:00:00+01:00"}
    await control.post("/v1/orders/main-7/hold", body)
    expected = HoldOrder(reason="r", expires_at=datetime(2026, 11, 24, 9, tzinfo=UTC))
    assert desk.done[0][1] == expected


async def test_the_log_is_told_line_by_line_and_followed_until_the_listener_leaves(
    control: Socket, tail: TailThatNotices
) -> None:
    whole: list[dict[str, Any]] = []
    await control.client.follow("/v1/tail", whole.append, {"limit": "3"})
    assert [each["version"] for each in whole] == [1, 2, 3]
    assert tail.left.is_set()
    tail.left = trio.Event()
    heard: list[str] = []
    with trio.CancelScope() as listening:

        def hear(told: dict[str, Any]) -> None:
            heard.append(told["kind"])
            if len(heard) == 3:
                listening.cancel()

        await control.client.follow("/v1/tail", hear, {"limit": "2", "follow": "true"})
    assert heard == ["order.shipped", "order.shipped", "order.delivered"]
    await tail.left.wait()
    for query, why in (({"follow": "perhaps"}, "follow: expected true"), ({"limit": "0"}, "limit: expected")):
        with pytest.raises(ControlError, match=why):
            await control.client.follow("/v1/tail", whole.append, query)


async def test_a_database_that_does_not_answer_a_search_ends_that_and_not_the_daemon(
    control: Socket, desk: DeskThatRemembers, tail: TailThatNotices
) -> None:
    """Whoever follows the log sees that it was cut off: an end would look as if that were all."""
    desk.unanswered = tail.unanswered = True
    with pytest.raises(ControlError, match="has not answered: ask again") as refused:
        await control.get("/v1/orders")
    assert refused.value.status == 503
    heard: list[dict[str, Any]] = []
    with pytest.raises(DaemonAwayError):
        await control.client.follow("/v1/tail", heard.append, {"limit": "2"})
    assert [each["version"] for each in heard] == [1, 2]
    assert (await control.get("/v1/status"))["state"] == "running"


# --- what is refused -------------------------------------------------------------------------------------


async def test_a_business_no_comes_with_its_reason(control: Socket) -> None:
    with pytest.raises(ControlError) as caught:
        await control.post(f"{LYON}/scans", {**SCAN, "slot": "B-02"})
    assert (caught.value.status, caught.value.detail) == (409, "TEAPOT lies in slot A-01, not B-02")
    with pytest.raises(ControlError, match="too late: packed in lyon"):
        await control.post("/v1/orders/main-7/cancel", {})


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "detail"),
    [
        ("GET", "/v1/nothing", b"", 404, "there is nothing at /v1/nothing"),
        ("GET", "/", b"", 404, "there is nothing at /"),
        ("GET", "/v1/orders//hold", b"", 404, "there is nothing at /v1/orders//hold"),
        ("GET", "/v1/orders/main-8", b"", 404, "there is no order main-8"),
        ("GET", "/v1/warehouses/x/stock", b"", 404, "there is no warehouse x"),
        ("GET", "/v1/orders?state=held,lost", b"", 400, "state: there is no lost: new, held, routing, "),
        ("GET", "/v1/tail/ends?at=64:1", b"", 400, "at: expected positions by partition"),
        ("GET", "/v1/tail/ends?at=1:9223372036854775808", b"", 400, "at: expected positions by partition"),
        ("GET", "/v1/tail/ends?at=1", b"", 400, "at: expected positions by partition"),
        ("GET", "/v1/orders/%00", b"", 400, "a name or parameter holds a control character"),
        ("GET", "/v1/orders?warehouse=ly%00on", b"", 400, "a name or parameter holds a control character"),
        ("POST", "/v1/orders/main-7%1F/hold", b"", 400, "a name or parameter holds a control character"),
        (
            "POST",
            f"{LYON}/scans",
            json.dumps({**SCAN, "slot": "A-01\x1f"}).encode(),
            400,
            "body: a text holds a control character",
        ),
        (
            "POST",
            f"{LYON}/adjustments",
            b'{"sku": "CUP", "units": 1, "reason": "\\\\\\u0000"}',
            400,
            "body: a text holds a control character",
        ),
        *(
            (
                "POST",
                f"{LYON}/{what}",
                json.dumps({**body, name: value}).encode(),
                400,
                f"{name}: expected a name without blanks at its ends",
            )
            for what, body, name, value in (
                ("receptions", {"delivery": "D-1", "sku": "CUP", "units": 1}, "sku", "CUP "),
                ("receptions", {"delivery": "D-1", "sku": "CUP", "units": 1}, "delivery", "D-1\n"),
                ("receptions", {"delivery": "D-1", "sku": "CUP", "units": 1}, "slot", " A-01"),
                ("slots", {"sku": "CUP", "slot": "A-01"}, "slot", " "),
            )
        ),
        ("PUT", "/v1/status", b"", 405, "/v1/status takes GET"),
        ("GET", f"{LYON}/scans", b"", 405, f"{LYON}/scans takes POST"),
        ("GET", "/v1/orders?limit=0", b"", 400, "limit: expected a number from 1 to 1000"),
        ("GET", "/v1/orders?limit=ten", b"", 400, "limit: expected a number from 1 to 1000"),
        (
            "GET",
            "/v1/orders?stat=held",
            b"",
            400,
            "stat: unknown parameter: known are state, channel, warehouse, placed_before, limit",
        ),
        ("POST", f"{LYON}/scans", b"{", 400, "body: Input data was truncated"),
        ("POST", f"{LYON}/scans", b"\xff", 400, "body: JSON is malformed"),
        ("POST", f"{LYON}/scans", b"", 400, "body: Object missing required field fulfilment"),
        ("POST", f"{LYON}/scans", b"[]", 400, "body: Expected object, got array"),
        ("POST", f"{LYON}/scans", b'{"unit": 1}', 400, "body: Object contains unknown field unit"),
        (
            "POST",
            f"{LYON}/scans",
            json.dumps({**SCAN, "units": 0}).encode(),
            400,
            "units: expected int >= 1",
        ),
        (
            "POST",
            f"{LYON}/scans",
            json.dumps({**SCAN, "units": "1"}).encode(),
            400,
            "units: expected int, got str",
        ),
        (
            "POST",
            f"{LYON}/close",
            json.dumps({"reason": " \n"}).encode(),
            400,
            "reason: expected a text that says something",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused_and_named(
    control: Socket,
    floor: FloorThatRemembers,
    method: str,
    target: str,
    body: bytes,
    status: int,
    detail: str,
) -> None:
    headers = {"Idempotency-Key": "k"}
    answer = await control.raw.request(method, "http://w" + target, content=body, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (answer.status_code, told["status"]) == (status, status)
    assert told["detail"].startswith(detail)
    assert floor.done == []


async def test_a_persons_words_may_have_lines_and_speak_of_escapes(
    control: Socket, floor: FloorThatRemembers
) -> None:
    await control.post(f"{LYON}/adjustments", {"sku": "CUP", "units": 1, "reason": "broken:\n\ta \\u0000"})
    assert floor.done == [Adjustment(sku="CUP", units=1, reason="broken:\n\ta \\u0000")]


async def test_a_method_that_is_not_taken_says_which_are(control: Socket) -> None:
    answer = await control.raw.delete("http://w/v1/status")
    assert answer.headers["allow"] == "GET"


async def test_too_large_a_body_is_refused_as_a_problem_too(control: Socket) -> None:
    body = b"x" * (1024 * 1024 + 1)
    answer = await control.raw.post(f"http://w{LYON}/scans", content=body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 413
    assert answer.json()["detail"] == "the body is larger than 1048576 bytes"


@pytest.mark.parametrize("key", [None, "", '""', "x" * 129, "caf\xe9", "a\tb"])
async def test_a_change_without_a_proper_key_is_not_made(
    control: Socket, floor: FloorThatRemembers, key: str | None
) -> None:
    headers = {} if key is None else {b"Idempotency-Key": key.encode("latin-1")}
    answer = await control.raw.post(f"http://w{LYON}/scans", json=SCAN, headers=headers)
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]
    assert floor.done == []


async def test_a_repeated_key_changes_nothing_and_is_answered_as_the_first(
    control: Socket, floor: FloorThatRemembers
) -> None:
    first = await control.post(f"{LYON}/scans", SCAN, key="scan-1")
    assert await control.post(f"{LYON}/scans", SCAN, key="scan-1") == first
    assert len(floor.done) == 1
    await control.post(f"{LYON}/scans", SCAN, key="scan-2")
    assert len(floor.done) == 2


async def test_what_is_settled_meanwhile_is_still_answered_as_the_first_time_for_a_day(
    services: Services, desk: DeskThatRemembers, autojump_clock: trio.testing.MockClock
) -> None:
    """Whoever lost the answer asks again, and must not hear that there is no such anomaly any more."""
    router = Router(routes(services), services.trail)
    body = json.dumps({"anomalies": ["a1"]}).encode()

    async def resolve(key: str) -> int:
        return (await router.answer(asked("POST", "/v1/anomalies/resolve", body=body, key=key))).status

    assert [await resolve("k1"), await resolve("k1"), len(desk.done)] == [200, 200, 1]
    assert [await resolve("k2"), len(desk.done)] == [200, 2]
    await trio.sleep(24 * 3_600)
    assert [await resolve("k1"), len(desk.done)] == [200, 3]
    assert autojump_clock.rate == 0


@pytest.mark.parametrize(
    ("path", "body"), [("scans", {**SCAN, "units": 2}), ("adjustments", {**SCAN, "units": 1})]
)
async def test_a_key_that_is_used_for_something_else_is_refused(
    control: Socket, floor: FloorThatRemembers, path: str, body: dict[str, object]
) -> None:
    await control.post(f"{LYON}/scans", SCAN, key="scan-1")
    other = body if path == "scans" else {"sku": "TEAPOT", "units": 1, "reason": "count"}
    with pytest.raises(ControlError, match="used for another request") as caught:
        await control.post(f"{LYON}/{path}", other, key="scan-1")
    assert caught.value.status == 422
    assert len(floor.done) == 1


async def test_a_name_may_hold_a_slash(control: Socket) -> None:
    with pytest.raises(ControlError, match="there is no order main/8"):
        await control.get("/v1/orders/main%2F8")


ON_THE_FLOOR = ("scans", "packs", "picklists", "stock", "slots", "adjustments")
AT_THE_DESK = ("/v1/status", "/v1/orders", "/v1/orders/main-7", "/v1/orders/main-7/hold", "/v1/anomalies")
PATHS = [*AT_THE_DESK, *(f"{LYON}/{what}" for what in ON_THE_FLOOR)]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
FIELDS = st.sampled_from([*SCAN, "parcels", "lines", "weight_g", "reason", "expires_at", "hold", "delivery"])


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT"]),
    st.sampled_from(PATHS) | st.text(max_size=10),
    st.text(max_size=10),
    st.dictionaries(FIELDS, VALUES).map(lambda body: json.dumps(body).encode()) | st.binary(max_size=10),
)
async def test_whatever_is_asked_is_answered_or_refused_with_a_reason(
    services: Services, method: str, path: str, query: str, body: bytes
) -> None:
    answer = await Router(routes(services), services.trail).answer(
        asked(method, f"{path}?{query}", body=body)
    )
    assert isinstance(answer, Response)
    told = json.loads(answer.body)
    if answer.status != 200:
        assert answer.status in (400, 404, 405, 409)
        assert told["detail"]


# --- who may ask, and how long it may take ---------------------------------------------------------------


def asked(method: str, target: str, *, uid: int = 1000, body: bytes = b"", key: str = "k") -> Request:
    return Request(method, target, [("idempotency-key", key)], body, Peer(1, uid, uid))


async def test_nobody_but_the_owner_is_answered(services: Services) -> None:
    router = Router(routes(services), services.trail, Access({1000: Role.VIEWER}))
    assert (await router.answer(asked("GET", "/v1/status", uid=1000))).status == 200
    assert (await router.answer(asked("GET", "/v1/status", uid=1001))).status == 403
    over_tcp = Request("GET", "/v1/status", [], b"", None)
    assert (await router.answer(over_tcp)).status == 403


def opened_to_all(folder: Path) -> Path:
    folder.chmod(0o755)
    return folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_somebody_else_is_refused_even_where_the_file_lets_them_in(services: Services) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = opened_to_all(Path(name))
        async with served(services, folder / "control.sock") as control:
            control.path.chmod(0o666)
            sock = socket.socket(socket.AF_UNIX)
            os.seteuid(65_534)
            try:
                sock.connect(str(control.path))
            finally:
                os.seteuid(0)
            async with trio.SocketStream(trio.socket.from_stdlib_socket(sock)) as stream:
                await stream.send_all(b"GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n")
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 403 Forbidden")


async def test_a_daemon_that_cannot_answer_says_so_in_time(
    desk: DeskThatRemembers, services: Services, autojump_clock: trio.testing.MockClock
) -> None:
    desk.never_answers = True
    began = trio.current_time()
    answer = await Router(routes(services), services.trail).answer(asked("GET", "/v1/status"))
    assert answer.status == 504
    assert trio.current_time() - began == ANSWER_SECONDS_MAX
    assert autojump_clock.rate == 0


async def test_keys_are_remembered_in_bounds(services: Services, floor: FloorThatRemembers) -> None:
    router = Router(routes(services), services.trail)
    body = json.dumps(SCAN).encode()
    for number in range(KEYS_REMEMBERED + 1):
        await router.answer(asked("POST", f"{LYON}/scans", body=body, key=f"k{number}"))
    other = json.dumps({**SCAN, "units": 2}).encode()
    forgotten = await router.answer(asked("POST", f"{LYON}/scans", body=other, key="k0"))
    remembered = await router.answer(asked("POST", f"{LYON}/scans", body=other, key=f"k{KEYS_REMEMBERED}"))
    assert (forgotten.status, remembered.status) == (200, 422)
    assert floor.done[-1] == Scan(fulfilment="main-7/1", slot="A-01", sku="TEAPOT", units=2)


async def test_a_change_that_is_cut_in_the_middle_is_not_made(
    control: Socket, floor: FloorThatRemembers
) -> None:
    body = json.dumps(SCAN).encode()
    head = (
        f"POST {LYON}/scans HTTP/1.1\r\nHost: w\r\nIdempotency-Key: k\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    whole = head.encode() + body
    for end in range(0, len(whole), 7):
        async with await trio.open_unix_socket(str(control.path)) as stream:
            await stream.send_all(whole[:end])
    assert (await control.get("/v1/status"))["state"] == "running"
    assert floor.done == []
    async with await trio.open_unix_socket(str(control.path)) as stream:
        await stream.send_all(whole)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
    assert len(floor.done) == 1


@pytest.fixture
def many_files() -> Iterator[None]:
    """Both ends of a thousand connections are files of this one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096
    if hard < wanted:
        pytest.skip(f"a process may have {hard} files open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_who_ask_at_once_are_answered_or_told_to_come_again(
    control: Socket, floor: FloorThatRemembers
) -> None:
    answers: list[bytes] = []

    async def ask(number: int) -> None:
        body = json.dumps(SCAN).encode()
        head = f"POST {LYON}/scans HTTP/1.1\r\nHost: w\r\nIdempotency-Key: k{number}\r\n"
        async with await trio.open_unix_socket(str(control.path)) as stream:
            await stream.send_all(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answers.append(bytes(await stream.receive_some())[:12])

    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(ask, number)
    done, busy = answers.count(b"HTTP/1.1 200"), answers.count(b"HTTP/1.1 503")
    assert done + busy == 1000
    assert done == len(floor.done) >= CONNECTIONS_MAX
    assert (await control.get("/v1/status"))["state"] == "running"


# --- the socket itself -----------------------------------------------------------------------------------


def test_only_the_owner_may_open_it_and_it_goes_away_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with control_listener(path):
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not path.exists()


def left_behind(path: Path) -> None:
    """Make the socket file of a daemon that was killed."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()


def test_what_a_killed_daemon_left_behind_is_cleared_away(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    left_behind(path)
    with control_listener(path):
        assert stat.S_ISSOCK(path.stat().st_mode)


def test_a_second_daemon_does_not_take_the_socket_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with control_listener(path):
        with (
            pytest.raises(SocketTakenError, match=r"control\.sock: another daemon serves it"),
            control_listener(path),
        ):
            pass
        assert path.exists()
    with control_listener(path):
        pass


def test_a_stranger_who_answers_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        with pytest.raises(SocketTakenError, match="somebody answers there"), control_listener(path):
            pass
    assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(SocketTakenError, match="there is something else"), control_listener(path):
        pass
    assert path.read_text() == "precious"


def test_the_folder_of_the_socket_is_made_where_a_start_of_the_machine_has_emptied_run(
    tmp_path: Path,
) -> None:
    path = tmp_path / "wharfinger" / "control.sock"
    for _ in range(2):
        with control_listener(path):
            assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o022 == 0


def test_a_path_that_is_wrong_by_more_than_a_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run" / "away" / "control.sock"
    with pytest.raises(SocketTakenError, match=r"away/control\.sock: No such file"), control_listener(path):
        pass


async def test_a_client_without_a_daemon_says_that_it_is_away(tmp_path: Path) -> None:
    left_behind(tmp_path / "dead.sock")
    for name in ("dead.sock", "nothing.sock"):
        async with ControlClient(tmp_path / name) as client:
            with trio.fail_after(5), pytest.raises(DaemonAwayError) as caught:
                await client.request("GET", "/v1/status")
        assert isinstance(caught.value, OSError)


async def test_requests_are_told_by_the_path_as_it_is_described_whatever_a_client_makes_up(
    services: Services,
) -> None:
    told: list[tuple[str, int]] = []
    router = Router(
        routes(services),
        services.trail,
        told=lambda route, status, _seconds: told.append((route, status)),
    )
    for method, path in (
        ("GET", "/v1/orders/main-7"),
        ("GET", "/v1/orders/main-8"),
        ("GET", "/v1/orders/main-7/lunch"),
        ("GET", "/made/up/by/whoever"),
        ("PUT", "/v1/status"),
        ("GET", "/v1/tail"),
    ):
        await router.answer(asked(method, path))
    assert told == [
        ("/v1/orders/{order}", 200),
        ("/v1/orders/{order}", 404),
        ("other", 404),
        ("other", 404),
        ("/v1/status", 405),
        ("/v1/tail", 200),
    ]


def test_there_are_no_more_paths_than_the_metrics_have_labels_for(services: Services) -> None:
    assert len({route.path for route in routes(services)}) < ROUTES_MAX
