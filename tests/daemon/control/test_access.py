"""Who may do what: by the credentials of the peer, and what is left in the log of who changed something."""

import grp
import json
import os
import socket
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import structlog
import trio

from adapters.http.server import Peer, Request
from daemon import logs
from daemon.control.access import Access, Role, access_of, gid_of
from daemon.control.api import Services, routes
from daemon.control.router import Router
from daemon.control.routes import Change
from daemon.control.serving import control_listener

VIEWERS, OPERATORS, ADMINS = 101, 102, 103
ACCESS = Access({0: Role.ADMIN}, {VIEWERS: Role.VIEWER, OPERATORS: Role.OPERATOR, ADMINS: Role.ADMIN})
HOLD = ("/v1/orders/main-7/hold", {"reason": "call first"})
RELOAD: tuple[str, dict[str, object]] = ("/v1/reload", {})


def peer(*groups: int, uid: int = 1000) -> Peer:
    return Peer(4242, uid, groups[0] if groups else 1000, frozenset(groups[1:]))


def change(path: str, body: object, peer: Peer, *, query: str = "", key: str = "k") -> Request:
    return Request("POST", path + query, [("idempotency-key", key)], json.dumps(body).encode(), peer)


@pytest.fixture
def log() -> Iterator[StringIO]:
    heard = StringIO()
    logs.configure(stream=heard)
    yield heard
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("who", "role"),
    [
        (peer(), None),
        (peer(VIEWERS), Role.VIEWER),
        (peer(7, 8, OPERATORS, VIEWERS), Role.OPERATOR),
        (peer(ADMINS, VIEWERS), Role.ADMIN),
        (peer(uid=0), Role.ADMIN),
        (None, None),
    ],
)
def test_the_highest_role_of_all_groups_counts(who: Peer | None, role: Role | None) -> None:
    assert ACCESS.role_of(who) == role


def test_a_group_that_the_machine_does_not_have_gives_its_role_to_nobody() -> None:
    access = access_of("no-such-group", "", "no-such-group-either")
    assert access.gids == {}
    assert access.role_of(peer(uid=os.geteuid())) == Role.ADMIN


def test_one_group_may_have_every_role() -> None:
    name = grp.getgrgid(os.getegid()).gr_name
    assert access_of(name, name, name).gids == {gid_of(name): Role.ADMIN}


@pytest.mark.parametrize(
    ("who", "asked", "status"),
    [
        (peer(VIEWERS), HOLD, 403),
        (peer(OPERATORS), HOLD, 200),
        (peer(OPERATORS), RELOAD, 403),
        (peer(ADMINS), RELOAD, 200),
        (peer(), HOLD, 403),
    ],
)
async def test_a_change_takes_its_role(
    services: Services, log: StringIO, who: Peer, asked: tuple[str, object], status: int
) -> None:
    answer = await Router(routes(services), services.trail, ACCESS).answer(change(*asked, who))
    assert answer.status == status
    assert log.getvalue()


async def test_every_change_can_be_refused_for_want_of_a_role(services: Services, log: StringIO) -> None:
    changes = [route for route in routes(services) if isinstance(route, Change)]
    for route in changes:
        path = route.path.replace("{", "").replace("}", "")
        answer = await Router([route], services.trail, ACCESS).answer(change(path, {}, peer(VIEWERS)))
        assert answer.status == 403, route.path
    assert log.getvalue().count("control_change") == len(changes)


async def test_the_log_says_who_changed_what_and_what_came_of_it(services: Services, log: StringIO) -> None:
    router = Router(routes(services), services.trail, ACCESS)
    await router.answer(change(*HOLD, peer(OPERATORS)))
    await router.answer(change("/v1/orders/main-8/hold", {"reason": "r"}, peer(OPERATORS), key="l"))
    await router.answer(change(*RELOAD, peer(VIEWERS), query="?dry_run=true"))
    await router.answer(change(*RELOAD, peer()))
    scan = {"fulfilment": "main-9.1", "slot": "A-01", "sku": "TEAPOT", "units": 1}
    await router.answer(change("/v1/warehouses/lyon/scans", scan, peer(OPERATORS), key="s"))
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["event"], line["path"], line["uid"], line["pid"]) for line in lines] == [
        ("control_change", "/v1/orders/main-7/hold", 1000, 4242),
        ("control_change", "/v1/orders/main-8/hold", 1000, 4242),
        ("control_change", "/v1/reload", 1000, 4242),
        ("control_stranger", "/v1/reload", 1000, 4242),
        ("control_change", "/v1/warehouses/lyon/scans", 1000, 4242),
    ]
    assert [(line.get("outcome"), line.get("why")) for line in lines] == [
        ("done", ""),
        ("refused", "there is no order main-8"),
        ("refused", "this takes the role admin, and you are viewer"),
        (None, None),
        ("done", ""),
    ]
    assert [line.get("order") for line in lines] == ["main-7", "main-8", None, None, "main-9"]
    assert lines[0]["idempotency"] == "k"


async def test_a_change_that_is_only_tried_uses_no_key_up(services: Services, log: StringIO) -> None:
    router = Router(routes(services), services.trail)
    path, body = HOLD
    raw = json.dumps(body).encode()
    headers = [("idempotency-key", "k")]
    tried = await router.answer(Request("POST", f"{path}?dry_run=true", headers, raw, peer(OPERATORS)))
    wrong = await router.answer(Request("POST", f"{path}?dry_run=maybe", headers, raw, peer(OPERATORS)))
    other = await router.answer(Request("POST", "/v1/reload", headers, b"{}", peer(OPERATORS)))
    assert (tried.status, wrong.status, other.status) == (200, 400, 200)
    assert json.loads(log.getvalue().splitlines()[0])["dry_run"] is True


async def test_a_socket_that_is_handed_over_is_served_and_left_where_it_is(
    services: Services, tmp_path: Path
) -> None:
    from daemon.control.client import ControlClient
    from daemon.control.serving import serve_control

    path = tmp_path / "systemd.sock"
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:

            async def serve(*, task_status: trio.TaskStatus[None]) -> None:
                nowhere = tmp_path / "away" / "control.sock"
                await serve_control(nowhere, services, ACCESS, handed_over=sock, task_status=task_status)

            await nursery.start(serve)
            async with ControlClient(path) as client:
                assert (await client.request("GET", "/v1/status"))["state"] == "running"
            nursery.cancel_scope.cancel()
    assert path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to any group")
def test_the_socket_is_for_its_owner_and_the_viewers_group(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with control_listener(path, group=VIEWERS):
        status = path.stat()
        assert (status.st_gid, status.st_mode & 0o777) == (VIEWERS, 0o660)
