"""wharfctl against a served control socket: what it asks, what it prints, and what it exits with."""

import io
import json
import os
import pty
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
import structlog
import trio
from click.testing import CliRunner, Result

from actors.inspection import OrderFilter
from daemon import logs
from daemon.control.access import access_of
from daemon.control.api import Services
from daemon.control.asked import (
    Adjustment,
    CapWarehouse,
    CloseGate,
    Counting,
    Drain,
    DropEffect,
    HoldOrder,
    LogLevel,
    OpenGate,
    PackFulfilment,
    ParcelLine,
    ParcelPacked,
    Reception,
    Reload,
    RerouteOrder,
    ResolveAnomalies,
    RetryAnomalies,
    RetryOutbox,
    Return,
    Scan,
    Short,
    SlotAssignment,
    TakeAnomalies,
)
from daemon.control.service import Auditor, Desk, Floor, Gates, Helm
from daemon.control.serving import serve_control
from daemon.control.wire_log import AuditTold, FindingTold
from daemon.ctl import main
from daemon.ctl_view import cell, person, story
from tests.accounts import as_somebody_else


class DeskThatRemembers(Desk, Protocol):
    done: list[tuple[str, object, str, str]]
    asked_for: list[tuple[OrderFilter, int]]


class GatesThatRemember(Gates, Protocol):
    done: list[tuple[str, object]]


class AuditorThatIsToldWhatItFinds(Auditor, Protocol):
    outcome: AuditTold
    under_way: bool


class HelmThatRemembers(Helm, Protocol):
    done: list[object]


class FloorThatRemembers(Floor, Protocol):
    done: list[object]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the daemon logs, in memory: it runs in this process, whose output is wharfctl's."""
    heard = io.StringIO()
    logs.configure(stream=heard)
    yield heard
    structlog.reset_defaults()


@pytest.fixture
def path(services: Services, tmp_path: Path, log: io.StringIO) -> Iterator[Path]:
    """Serve a control socket on a thread of its own: wharfctl runs an event loop of its own."""
    path = tmp_path / "control.sock"
    ready = threading.Event()
    stop: list[tuple[trio.lowlevel.TrioToken, trio.CancelScope]] = []

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            stop.append((trio.lowlevel.current_trio_token(), nursery.cancel_scope))
            await nursery.start(serve_control, path, services, access_of("", "", ""))
            ready.set()

    thread = threading.Thread(target=trio.run, args=(run,))
    thread.start()
    assert ready.wait(10)
    yield path
    token, scope = stop[0]
    token.run_sync_soon(scope.cancel)
    thread.join(10)
    assert not thread.is_alive()


TEN = "2026-11-23T10:00:00Z"


def wharfctl(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--socket", str(path), *arguments])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("scan", "lyon", "main-7/1", "A-01", "TEAPOT", "2"),
         Scan(fulfilment="main-7/1", slot="A-01", sku="TEAPOT", units=2)),
        (("short", "lyon", "main-7/1", "A-01", "TEAPOT", "1", "--reason", "broken"),
         Short(fulfilment="main-7/1", slot="A-01", sku="TEAPOT", missing=1, reason="broken")),
        (("pack", "lyon", "main-7/1", "--parcel", "TEAPOT=1,CUP=2@900", "--parcel", "A=B=1@5"),
         PackFulfilment(fulfilment="main-7/1", parcels=(
             ParcelPacked(
                 lines=(ParcelLine(sku="TEAPOT", units=1), ParcelLine(sku="CUP", units=2)), weight_g=900),
             ParcelPacked(lines=(ParcelLine(sku="A=B", units=1),), weight_g=5)))),
        (("receive", "lyon", "D-1", "CUP", "40", "--slot", "B-02"),
         Reception(delivery="D-1", sku="CUP", units=40, slot="B-02")),
        (("return", "lyon", "main-7", "R-1", "CUP", "2"),
         Return(order="main-7", delivery="R-1", sku="CUP", units=2)),
        (("return", "lyon", "main-7", "R-1", "CUP", "1", "--damaged", "--slot", "Q-1"),
         Return(order="main-7", delivery="R-1", sku="CUP", units=1, condition="damaged", slot="Q-1")),
        (("stock", "adjust", "lyon", "CUP", "--by", "-2", "--reason", "count"),
         Adjustment(sku="CUP", units=-2, reason="count")),
        (("stock", "adjust", "lyon", "PAN", "--by", "5", "--reason", "found", "--new"),
         Adjustment(sku="PAN", units=5, reason="found", new=True)),
        (("stock", "count", "lyon", "CUP", "7", "--slot", "B-02"), Counting(sku="CUP", units=7, slot="B-02")),
        (("stock", "count", "lyon", "CUP", "0", "--reason", "stocktake"),
         Counting(sku="CUP", units=0, reason="stocktake")),
        (("stock", "move", "lyon", "CUP", "C-03"), SlotAssignment(sku="CUP", slot="C-03")),
    ],
)  # fmt: skip
def test_the_floor_is_told(
    path: Path, floor: FloorThatRemembers, arguments: tuple[str, ...], expected: object
) -> None:
    result = wharfctl(path, *arguments)
    assert (result.exit_code, result.output) == (0, "")
    assert floor.done == [expected]


def test_the_desk_is_told(path: Path, desk: DeskThatRemembers) -> None:
    until = ("--until", "2026-12-01T08:00")
    assert wharfctl(path, "order", "hold", "main-7", "--reason", "call first", *until).exit_code == 0
    assert wharfctl(path, "order", "release", "main-7").exit_code == 0
    expires_at = datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert desk.done[0][:3] == (
        "hold",
        HoldOrder(reason="call first", expires_at=expires_at),
        f"uid {os.getuid()}",
    )
    assert desk.done[1][0] == "release"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (("status",), ["state\trunning", "picking\t1", "erp\taway since 10:02\t3\t2026-11-23T10:00:00Z"]),
        (("orders",), ["main-7\tXKBKNABJK\tpicking\t2026-11-23T10:00:00Z\t2026-11-23T10:00:00Z\t"]),
        (("order", "show", "main-7"), ["2026-11-23T10:00:00Z\torder.imported\tchannel main\t\t\t"]),
        (
            ("order", "history", "main-7"),
            ["1\t2026-11-23T10:00:00Z\torder.imported\tchannel=main total=12.00"],
        ),
        (("order", "show", "main-7"), ["gift message\tHappy birthday", "note\tRing twice"]),
        (("order", "why", "main-7"), ["lille\t1, 0, 10\thas too few of TEAPOT: 0 of 1"]),
        (("order", "why", "main-7"), ["why", "manual", "TEAPOT\tlyon\t40\t2026-12-03\tF2-7"]),
        (("picklist", "lyon"), ["main-7/1\theld\tmanual: call first"]),
        (("picklist", "lyon"), ["main-7/1\tgift message\tHappy birthday", "main-7/1\tnote\tRing twice"]),
        (("picklist", "lyon"), ["main-7/1\tA-01\tTEAPOT\t2\t1\t0", "main-7/1\tB-02\tCUP\t1\t0\t0"]),
        (("stock", "show", "lyon", "--sku", "CUP"), ["CUP\tB-02\t5\t1\t0\t0\t0\t"]),
        (("stock", "show", "--sku", "CUP"), ["lyon\tCUP\tB-02\t5\t1\t0\t0\t0\t"]),
        (
            ("stock", "why", "lyon", "CUP"),
            ["now\t5\t1\t0\t0", f"{TEN}\tstock.received\tD-1\tsupplier\tavailable\t5"],
        ),
        (
            ("stock", "why", "CUP"),
            ["lyon\tnow\t5\t1\t0\t0", f"lyon\t{TEN}\tstock.received\tD-1\tsupplier\tavailable\t5"],
        ),
        (
            ("anomalies", "list"),
            [
                f"{TEN}\tno_carrier\tdoes not go to NZ\tadd a rule\troot\t{TEN}\ta1",
            ],
        ),
        (("warehouse", "show"), ["lyon\tFalse\tflood\t1\t8\t2\t1\t0\t0\t3\t5\till"]),
        (("carrier", "show"), ["swift\tHOME\tTrue\t\tstandard\tFR\t30000"]),
        (("outbox", "list"), ["2026-11-23T10:00:00Z\terp\terp.order\terp-order:main-7"]),
        (
            ("reconcile", "--channel", "main"),
            [
                "new\tCUP\tforeign_write\t2\t5\t7\t2026-11-23T10:00:00Z\twritten\twharfctl stock adjust",
                "lyon\tCUP\t5\t7\t7\tmain=7",
                "new\terp\tstock\tlyon CUP\tcount\t+2\t3h\tI3-5\tcounted\tmirror it, wharfctl stock mirror",
                "the shop main: it is away",
            ],
        ),
    ],
)
def test_answers_are_lines_for_programs(path: Path, arguments: tuple[str, ...], lines: list[str]) -> None:
    result = wharfctl(path, *arguments)
    assert result.exit_code == (3 if arguments[0] in ("status", "reconcile") else 0)
    for line in lines:
        assert line in result.output.splitlines()


def test_a_list_that_may_go_on_says_so_beside_it(path: Path) -> None:
    short = wharfctl(path, "orders", "--limit", "1")
    assert short.stderr == "wharfctl: only the first 1; there may be more, see --limit\n"
    assert short.stdout.count("\n") == 2
    assert wharfctl(path, "orders", "--limit", "2").stderr == ""
    assert "only the first 1" in wharfctl(path, "stock", "why", "CUP", "--limit", "1").stderr
    assert wharfctl(path, "stock", "why", "CUP", "--limit", "2").stderr == ""


def test_a_restored_backup_is_compared_with_where_the_daemons_log_ends(
    path: Path, dsn: str, tmp_path: Path
) -> None:
    file = tmp_path / "restored.dsn"
    file.write_text(f"{dsn}\n")
    told = wharfctl(path, "backup-check", "--restored-dsn-file", str(file))
    assert (told.exit_code, told.output.splitlines()) == (
        0,
        ["0 events, the last of None: whole", f"{64 * 5} events behind the live log"],
    )
    report = json.loads(wharfctl(path, "backup-check", "--restored-dsn-file", str(file), "--json").output)
    assert (report["ok"], report["behind"]) == (True, 64 * 5)
    file.write_text("postgresql://somebody:hidden@127.0.0.1:9/away")
    away = wharfctl(tmp_path / "no.sock", "backup-check", "--restored-dsn-file", str(file))
    assert away.exit_code == 69
    assert "hidden" not in away.output


def test_a_label_goes_to_a_file_or_a_printer_as_its_carrier_made_it(path: Path, tmp_path: Path) -> None:
    pages = "^XA^FDAnna Müller^FS^XZ".encode()
    assert wharfctl(path, "label", "main-7.1.1").stdout_bytes == pages
    file = tmp_path / "label.zpl"
    assert wharfctl(path, "label", "main-7.1.1", "--to", str(file)).output == ""
    assert file.read_bytes() == pages
    told = json.loads(wharfctl(path, "label", "main-7.1.1", "--json").output)
    assert (told["tracking"], told["format"]) == ("SW000000014FR", "zpl")
    nowhere = wharfctl(path, "label", "main-7.1.1", "--to", str(tmp_path / "no" / "label.zpl"))
    assert (nowhere.exit_code, "No such file or directory" in nowhere.stderr) == (1, True)
    early = wharfctl(path, "label", "main-7.1.2", "--to", str(tmp_path / "early"))
    assert (early.exit_code, early.stderr) == (4, "wharfctl: main-7.1.2 has no label yet\n")
    assert not (tmp_path / "early").exists(), "nothing is printed where nothing was told"


def test_answers_are_json_where_asked(path: Path) -> None:
    result = wharfctl(path, "--json", "order", "show", "main-7")
    assert json.loads(result.output)["order"]["order"] == "main-7"
    (house,) = json.loads(wharfctl(path, "stock", "why", "CUP", "--json").output)["warehouses"]
    assert house["now"]["warehouse"] == "lyon"
    assert json.loads(wharfctl(path, "--json", "stock", "move", "lyon", "CUP", "C").output) == {"done": True}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("anomalies", "resolve", "a1", "a2"), ResolveAnomalies(anomalies=("a1", "a2"))),
        (("anomalies", "take", "a1"), TakeAnomalies(anomalies=("a1",))),
        (("anomalies", "take", "a1", "a2", "--over"), TakeAnomalies(anomalies=("a1", "a2"), over=True)),
        (("anomalies", "retry", "--all"), RetryAnomalies()),
        (("anomalies", "retry", "a1"), RetryAnomalies(anomalies=("a1",))),
        (("order", "reroute", "main-7", "--avoid", "lyon"), RerouteOrder(avoid="lyon")),
        (("outbox", "retry", "erp"), RetryOutbox(partner="erp")),
        (("outbox", "retry"), RetryOutbox()),
        (("outbox", "drop", "e:1", "--reason", "by phone"), DropEffect(effect="e:1", reason="by phone")),
    ],
)
def test_the_backlog_is_told(
    path: Path, desk: DeskThatRemembers, arguments: tuple[str, ...], expected: object
) -> None:
    result = wharfctl(path, *arguments)
    assert (result.exit_code, result.output) == (0, "")
    assert desk.done[0][1] == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("warehouse", "close", "lyon", "--reason", "flood"), ("lyon", CloseGate(reason="flood"))),
        (("warehouse", "open", "lyon"), ("lyon", OpenGate())),
        (
            ("warehouse", "cap", "lyon", "20", "--reason", "ill"),
            ("lyon", CapWarehouse(in_hand_max=20, reason="ill")),
        ),
        (
            ("warehouse", "cap", "lyon", "none", "--reason", "back"),
            ("lyon", CapWarehouse(in_hand_max=None, reason="back")),
        ),
        (("carrier", "close", "swift", "--reason", "strike"), ("swift", CloseGate(reason="strike"))),
        (("carrier", "open", "swift"), ("swift", OpenGate())),
    ],
)
def test_the_gates_are_told(
    path: Path, gates: GatesThatRemember, arguments: tuple[str, ...], expected: object
) -> None:
    assert wharfctl(path, *arguments).exit_code == 0
    assert gates.done == [expected]


def test_an_audit_tells_what_came_of_it_and_exits_with_1_when_the_log_does_not_add_up(
    path: Path, auditor: AuditorThatIsToldWhatItFinds
) -> None:
    whole = wharfctl(path, "audit")
    assert (whole.exit_code, whole.output.splitlines()[1]) == (0, "whole\tTrue\t23\t15\t0\t0")
    assert json.loads(wharfctl(path, "audit", "--json").output)["state"] == "whole"
    last = wharfctl(path, "audit", "--last")
    assert (last.exit_code, last.output.splitlines()[1]) == (0, f"{TEN}\tTrue\t23\t0\t0")
    finding = FindingTold(7, 41, "the event does not have the hash it should")
    auditor.outcome = AuditTold("broken", events=41, chain=False, findings_total=1, findings=(finding,))
    broken = wharfctl(path, "audit")
    assert broken.exit_code == 1
    assert wharfctl(path, "audit", "--last").exit_code == 1
    assert broken.output.splitlines()[-1] == "7\t41\tthe event does not have the hash it should"
    auditor.outcome = AuditTold("failed", why="the database is away")
    failed = wharfctl(path, "audit")
    assert (failed.exit_code, failed.stderr) == (1, "wharfctl: the database is away\n")
    auditor.under_way = True
    assert wharfctl(path, "audit").exit_code == 4


def test_the_end_of_the_log_is_shown(path: Path) -> None:
    result = wharfctl(path, "tail", "--limit", "2")
    assert result.output.splitlines() == [
        "2026-11-23T10:00:00Z\torder-main-7\torder.shipped\t" for _ in range(2)
    ]
    assert json.loads(wharfctl(path, "tail", "--json", "--limit", "1").output)["kind"] == "order.shipped"


def test_whoever_follows_the_log_or_looks_again_and_again_ends_it_by_ctrl_c(path: Path) -> None:
    for arguments, last in (
        (("tail", "-f", "--limit", "1"), "order.delivered"),
        (("top", "--every", "0.2"), "erp"),
    ):
        process = subprocess.Popen(
            [*PROGRAM, "--socket", str(path), *arguments], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            if last in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        process.stdout.close()


def test_whoever_looks_again_and_again_waits_for_a_daemon_that_restarts(path: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.sock"
    command = [*PROGRAM, "--socket", str(path), "top", "--every", "0.2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    assert any("erp" in line for line in iter(process.stdout.readline, ""))
    path.rename(moved)
    for _ in range(2):
        assert "no daemon answers" in process.stderr.readline()
    moved.rename(path)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    process.stdout.close()
    process.stderr.close()


def test_who_asked_for_what_is_told_with_what_came_of_it(path: Path) -> None:
    wharfctl(path, "order", "hold", "main-7", "--reason", "the customer called", "--key", "k")
    wharfctl(path, "order", "cancel", "main-8")

    def told_of(*options: str) -> list[dict[str, Any]]:
        return list(json.loads(wharfctl(path, "trail", "--json", *options).output)["changes"])

    told = told_of()
    assert [(each["path"], each["outcome"], each["why"]) for each in told] == [
        ("/v1/orders/main-8/cancel", "refused", "there is no order main-8"),
        ("/v1/orders/main-7/hold", "done", ""),
    ]
    assert (told[1]["uid"], told[1]["key"], told[1]["role"]) == (os.getuid(), "k", "admin")
    assert "customer" not in told[1]["terms"]
    assert told_of("--about", "main-7") == told[1:]
    assert told_of("--user", "nobody-of-that-name") == []
    heading, _, held = wharfctl(path, "trail").stdout.splitlines()
    assert heading.split("\t")[:2] == ["at", "who"]
    assert f"uid {os.getuid()}\tadmin\t{os.getpid()}\t/v1/orders/main-7/hold" in held


PARTLY = ("log-level", "debug", "--logger", "adapters.erps", "--for", "60")


def test_the_helm_is_told(path: Path, helm: HelmThatRemembers) -> None:
    for arguments in (("reload",), ("log-level", "debug"), ("drain",), PARTLY):
        assert wharfctl(path, *arguments).exit_code == 0
    partly = LogLevel(level="debug", logger="adapters.erps", seconds=60)
    assert helm.done == [Reload(), LogLevel(level="debug"), Drain(), partly]


def test_old_orders_of_a_warehouse_are_asked_for(path: Path, desk: DeskThatRemembers) -> None:
    began = datetime.now(UTC)
    wharfctl(path, "orders", "--warehouse", "lyon", "--channel", "main", "--older-than", "36h")
    ((wanted, _),) = desk.asked_for
    assert (wanted.warehouse, wanted.channel) == ("lyon", "main")
    assert wanted.placed_before is not None
    assert timedelta(0) <= wanted.placed_before - (began - timedelta(hours=36)) < timedelta(minutes=1)


def test_json_and_dry_run_may_stand_at_the_end_of_the_line(path: Path) -> None:
    assert json.loads(wharfctl(path, "partners", "--json").output)["partners"][0]["partner"] == "erp"
    told = {"done": True, "waits_for_restart": ["channels.main.buffer"]}
    assert json.loads(wharfctl(path, "reload", "--json").output) == told


def test_who_reloads_is_told_which_settings_wait_for_a_restart(path: Path) -> None:
    result = wharfctl(path, "reload")
    told = "wharfctl: channels.main.buffer has changed, and waits for a restart\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", told)


def test_orders_are_asked_for_by_state(path: Path, desk: DeskThatRemembers) -> None:
    wharfctl(path, "orders", "--state", "held", "--state", "backordered", "--limit", "3")
    assert desk.asked_for == [(OrderFilter(("held", "backordered")), 3)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("order", "show", "main-8"), "wharfctl: there is no order main-8\n"),
        (("order", "cancel", "main-7"), "wharfctl: too late: packed in lyon, intercept it there\n"),
        (("stock", "show", "../../etc"), "wharfctl: there is no warehouse ../../etc\n"),
        (("stock", "show", "--sku", "SPOON"), "wharfctl: no warehouse ever held SPOON\n"),
        (("stock", "why", "../SPOON"), "wharfctl: no warehouse ever held ../SPOON\n"),
        (("scan", "lyon", "f", "B-02", "TEAPOT", "1"), "wharfctl: TEAPOT lies in slot A-01, not B-02\n"),
    ],
)
def test_a_no_of_the_daemon_is_said_and_exits_with_4(
    path: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = wharfctl(path, *arguments)
    assert (result.exit_code, result.stderr) == (4, said)


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "lyon", "f", "A-01", "TEAPOT", "none"),
        ("scan", "lyon", "f", "A-01", "TEAPOT", "0"),
        ("pack", "lyon", "f", "--parcel", "TEAPOT@900"),
        ("pack", "lyon", "f", "--parcel", "TEAPOT=1"),
        ("pack", "lyon", "f"),
        ("stock", "adjust", "lyon", "CUP", "--by", "-2"),
        ("stock", "count", "lyon", "CUP", "-1"),
        ("stock", "show"),
        ("stock", "why"),
        ("stock", "why", "lyon", "CUP", "TEAPOT"),
        ("warehouse", "cap", "lyon", "0", "--reason", "ill"),
        ("warehouse", "cap", "lyon", "many", "--reason", "ill"),
        ("warehouse", "cap", "lyon", "5"),
        ("order", "hold", "main-7"),
        ("orders", "--limit", "0"),
        ("nonsense",),
    ],
)
def test_wrong_usage_exits_with_2_and_asks_nothing(
    path: Path, floor: FloorThatRemembers, arguments: tuple[str, ...]
) -> None:
    assert wharfctl(path, *arguments).exit_code == 2
    assert floor.done == []


def test_a_daemon_that_is_away_exits_with_69(tmp_path: Path) -> None:
    result = wharfctl(tmp_path / "away.sock", "status")
    assert result.exit_code == 69
    assert result.stderr.startswith(f"wharfctl: no daemon answers at {tmp_path}/away.sock")
    assert "--key" not in result.stderr


@pytest.mark.parametrize(("mode", "who"), [(0o600, "the user "), (0o660, "the group ")])
def test_a_socket_that_somebody_may_not_open_is_told_with_who_may(mode: int, who: str) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as sock:
        path = Path(folder) / "shut.sock"
        path.parent.chmod(0o755)
        sock.bind(str(path))
        sock.listen()
        if os.geteuid() == 0:
            os.chown(path, 0, 1)
        path.chmod(mode if os.geteuid() == 0 else mode & 0o070)
        with as_somebody_else():
            result = wharfctl(path, "status")
    assert result.exit_code == 4
    assert result.stderr.startswith(f"wharfctl: you may not open {path}: that takes {who}")


def test_a_change_whose_answer_is_lost_can_be_repeated_under_its_key(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "rude.sock"))
        sock.listen()

        def hang_up() -> None:
            connection, _ = sock.accept()
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        result = wharfctl(tmp_path / "rude.sock", "stock", "move", "lyon", "CUP", "C", "--key", "mine-1")
        thread.join(10)
    assert result.exit_code == 69
    assert "repeat it with --key mine-1" in result.stderr


def test_the_same_key_is_done_once(path: Path, floor: FloorThatRemembers) -> None:
    for _ in range(2):
        assert wharfctl(path, "stock", "move", "lyon", "CUP", "C", "--key", "mine-1").exit_code == 0
    assert len(floor.done) == 1
    assert wharfctl(path, "stock", "move", "lyon", "CUP", "D", "--key", "mine-1").exit_code == 4


def test_what_a_shop_sent_cannot_steer_the_terminal() -> None:
    assert cell("\x1b[2Jgone\nnew line\ttab") == "?[2Jgone?new line?tab"
    assert cell(["a", None, {"b": 1}]) == "a, , b=1"
    assert cell({"lines": [{"sku": "CUP", "units": 2}], "at": None}) == "lines=(sku=CUP units=2) at="


def test_a_timeline_names_the_person_who_steered_the_order() -> None:
    told = {
        "order": {},
        "holds": [],
        "anomalies": [],
        "invoices": [],
        "packing": {"is_gift": False, "notes": []},
    }
    step = {"at": "", "kind": "order.held", "actor": f"uid {os.getuid()}", "cause": "", "call": ""}
    timeline = story({**told, "timeline": [step]})[-1]
    assert timeline.rows[0][2] == pwd.getpwuid(os.getuid()).pw_name


def test_an_account_that_this_machine_does_not_have_is_shown_as_the_log_has_it() -> None:
    for by in ("uid 4000000007", "system", "uid x", ""):
        assert person(by) == by


PROGRAM = [sys.executable, "-c", "from daemon.ctl import main; main()"]


def test_at_a_terminal_answers_are_tables(path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*PROGRAM, "--socket", str(path), "stock", "show", "lyon"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    try:
        subprocess.run(command, stdout=theirs, timeout=30, check=True, env=environment)
        drawn = os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "┃" in drawn
    assert "TEAPOT" in drawn


def test_it_runs_as_a_program(path: Path) -> None:
    command = [*PROGRAM, "--socket", str(path), "status"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stderr) == (3, "")  # a partner is away
    assert "running" in ran.stdout


def test_a_command_imports_nothing_that_takes_long(path: Path) -> None:
    """An event loop, an HTTP client or the daemon itself would take several times as long as the answer."""
    command = [PROGRAM[0], "-X", "importtime", *PROGRAM[1:], "--socket", str(path), "status"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert "running" in ran.stdout
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "daemon.ctl_socket" in imported
    slow = {"actors", "adapters", "asyncio", "httpx", "msgspec", "rich", "ssl", "structlog", "trio"}
    assert not imported & slow
