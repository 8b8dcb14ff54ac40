"""Logs: one JSON object a line, bounded, and nothing in them that must not be read."""

import io
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.concerning import concerning, concerning_stream
from actors.domain.tracing import trace_id
from actors.ports.people import Contact
from adapters.settings import Secret, spellings
from daemon import logs
from daemon.log_flood import BURST, SETTLE_SECONDS, Flood
from daemon.log_levels import Levels
from daemon.log_masking import secrets_in

HUNTER = "hunter2hunter2"
ADA = Contact(name="Ada Lovelace", email="ada@example.org", street="1 rue Ada", city="Lyon")


class Holder(msgspec.Struct):
    key: Secret
    contact: Contact
    units: int


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if type(handler).__name__ != "_Adopted"]


def logged(level: str = "info", **fields: object) -> dict[str, Any]:
    """Return one event as it comes out."""
    out = io.StringIO()
    logs.configure(level=level, stream=out)
    structlog.get_logger().info("something_happened", **fields)
    line: dict[str, Any] = json.loads(out.getvalue())
    return line


def test_an_event_is_one_line_of_json_with_its_key_first() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    structlog.get_logger().warning("order_held", order="main-7", units=3)
    (line,) = out.getvalue().splitlines()
    told = json.loads(line)
    assert list(told)[:3] == ["timestamp", "level", "event"]
    assert {**told, "timestamp": ""} == {
        "timestamp": "",
        "level": "warning",
        "event": "order_held",
        "order": "main-7",
        "trace": trace_id("main-7"),
        "units": 3,
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"whatever": Secret(HUNTER)},
        {"nested": {"deep": [Secret(HUNTER)]}},
        {"holder": Holder(Secret(HUNTER), ADA, 1)},
        {"token": HUNTER},
        {"api_key": HUNTER},
        {"Authorization": f"Bearer {HUNTER}"},
        {"headers": {"X-Api-Key": HUNTER, "Cookie": HUNTER}},
        {"password": [HUNTER]},
        {"dsn": f"postgresql://u:{HUNTER}@db/x"},
        {"text": f"connecting to postgresql://u:{HUNTER}@db/x"},
        {"text": f"GET /api/orders?ws_key={HUNTER}&display=full"},
        {"text": f"Authorization: Basic {HUNTER}"},
        {"text": f'{{"password": "{HUNTER}"}}'},
        {"text": f'{{"password":"a b,{HUNTER}","env":"PROD"}}'},
        {"text": f'{{"access_token":"{HUNTER}"}}'},
        {"text": f'{{"param":"{{\\"password\\":\\"x y {HUNTER}\\"}}"}}'},
        {"text": f"<a:accessToken>{HUNTER}</a:accessToken>"},
        {"error": ValueError(f"token={HUNTER}")},
        {HUNTER: "a secret is no name for a field", "x": Secret(HUNTER)},
    ],
)
@pytest.mark.parametrize("level", ["debug", "info"])
def test_no_secret_is_ever_logged(fields: Mapping[str, object], level: str) -> None:
    told = logged(level, **fields)
    told.pop(HUNTER, None)
    assert HUNTER not in json.dumps(told)


def test_a_secret_in_an_exception_is_not_logged_and_its_traceback_is() -> None:
    out = io.StringIO()
    logs.configure(stream=out)

    def connect() -> None:
        raise RuntimeError(f"cannot open postgresql://u:{HUNTER}@db/x with password={HUNTER}")

    try:
        connect()
    except RuntimeError:
        structlog.get_logger().exception("actor_crashed", actor="warehouse lyon")
    told = json.loads(out.getvalue())
    assert "RuntimeError: cannot open postgresql://***@db/x with password=***" in told["exception"]
    assert "test_logs.py" in told["exception"]


@settings(deadline=None, derandomize=True)
@given(
    st.recursive(
        st.just(Secret(HUNTER)) | st.text(max_size=5) | st.integers() | st.binary(max_size=3) | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
)
def test_a_secret_is_found_wherever_it_lies(value: object) -> None:
    assert HUNTER not in json.dumps(logged("debug", value=value))


def test_people_are_readable_at_debug_alone() -> None:
    told = logged(
        contact=ADA, order="main-7", delivery={"city": "Lyon", "phone": "+33 1"}, customer_name="Ada"
    )
    assert told["contact"] == told["customer_name"] == "<personal>"
    assert told["delivery"] == {"city": "<personal>", "phone": "<personal>"}
    assert told["order"] == "main-7"
    assert "Ada" not in json.dumps(logged(whoever=[ADA], holder=Holder(Secret("x"), ADA, 1)))
    out = io.StringIO()
    logs.configure(level="debug", stream=out)
    structlog.get_logger().debug("looked_closely", contact=ADA, text="mail ada@example.org")
    structlog.get_logger().info("went_by", contact=ADA, text="mail ada@example.org")
    closely, by = out.getvalue().splitlines()
    assert closely.count("ada@example.org") == 2
    assert "Ada" not in by
    assert "ada@" not in by


@pytest.mark.parametrize(
    "text",
    ["ada@example.org", "o'hara.ada+shop@mail.example.co.uk", "+33 6 12 34 56 78", "+33612345678",
     "+33 (0)6 12 34 56 78", "0033 6 12 34 56 78", "06 12 34 56 78", "06.12.34.56.78", "0612345678",
     "+1 555 0100 123"],
)  # fmt: skip
def test_an_email_or_a_phone_number_in_a_text_shows_in_no_line_above_debug(text: str) -> None:
    told = logged(error=ValueError(f"address {text} refused"), rows=[text], answer=f"<tel>{text}</tel>")
    assert text not in json.dumps(told)
    assert told["error"] == "address <personal> refused"


@pytest.mark.parametrize(
    "text",
    ["main-1042.1.1", "erp-order:main-1042", "2026-11-26T03:00:01+00:00", "3701234567890", "0612345678901",
     "waits since 2026-11-24 10:00 UTC", "TEAPOT-0612345678", "00000000001042", "127.0.0.1:9464", "@", "a@b",
     "6A12345678901", "PINO 10012345"],
)  # fmt: skip
def test_what_is_no_person_stays_readable(text: str) -> None:
    assert logged(text=text)["text"] == text


def test_fields_are_bounded() -> None:
    nested: dict[str, object] = {}
    for _ in range(20):
        nested = {"in": nested}
    told = logged(text="x" * 10_000, rows=list(range(1_000)), body=b"x" * 99, nested=nested)
    assert told["text"] == "… 8000 more …" + "x" * 2_000
    assert told["rows"][49:] == [49, "… 950 more"]
    assert told["body"] == "<99 bytes>"
    assert json.dumps(told["nested"]).count("in") < 6


def test_a_cut_parts_no_secret_from_its_name() -> None:
    for after in range(1_950, 2_010):  # the cut falls 2,000 characters before the end
        told = logged(text="x" * 3_000 + " password=" + HUNTER + " " + "y" * after)
        assert "hunter2 " not in told["text"]


def test_what_is_below_the_level_is_not_logged() -> None:
    out = io.StringIO()
    logs.configure(level="warning", stream=out)
    structlog.get_logger().info("quiet")
    assert out.getvalue() == ""


def test_people_at_a_terminal_get_no_json() -> None:
    out = io.StringIO()
    logs.configure(stream=out, pretty=True)
    structlog.get_logger().info("order_held", order="main-7", token=HUNTER)
    assert "order_held" in out.getvalue()
    assert "order=main-7" in out.getvalue()
    assert HUNTER not in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_libraries_are_heard_from_warning_on_and_masked_alike() -> None:
    out = io.StringIO()
    logs.configure(level="debug", stream=out)
    library = logging.getLogger("httpx")
    library.info("HTTP Request: GET https://shop.example/api?ws_key=%s", HUNTER)
    library.warning("retrying https://u:%s@shop.example", HUNTER)
    (line,) = out.getvalue().splitlines()
    told = json.loads(line)
    assert (told["event"], told["library"]) == ("library_log", "httpx")
    assert told["text"] == "retrying https://***@shop.example"


def test_configuring_again_does_not_log_twice() -> None:
    logs.configure(stream=io.StringIO())
    out = io.StringIO()
    logs.configure(stream=out)
    logging.getLogger("asyncio").warning("slow")
    assert len(out.getvalue().splitlines()) == 1


def test_metrics_hear_of_every_event() -> None:
    heard: list[tuple[str, str]] = []
    out = io.StringIO()
    logs.configure(stream=out)
    logs.observe(lambda level, event, _fields: heard.append((level, event)))
    structlog.get_logger().error("actor_crashed")
    assert heard == [("error", "actor_crashed")]
    assert json.loads(out.getvalue())["event"] == "actor_crashed"


# --- which order, which module ---------------------------------------------------------------------------


async def test_every_line_that_is_written_about_an_order_names_it_and_its_trace() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    log = structlog.get_logger("actors.drain")

    async def tell(order: str) -> None:
        with concerning(order):
            await trio.lowlevel.checkpoint()
            log.warning("effect_delayed")
        with concerning_stream("stock-lyon"):
            log.warning("effect_delayed")

    with concerning("main-1"):
        async with trio.open_nursery() as nursery:
            for number in (2, 3):
                nursery.start_soon(tell, f"main-{number}")
        log.warning("order_not_woken")
    log.warning("carrier_away")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    told = [(line["event"], line.get("order"), line.get("trace")) for line in lines]
    assert sorted(told[:4], key=str) == [
        ("effect_delayed", "main-2", trace_id("main-2")),
        ("effect_delayed", "main-3", trace_id("main-3")),
        ("effect_delayed", None, None),
        ("effect_delayed", None, None),
    ]
    assert told[4:] == [("order_not_woken", "main-1", trace_id("main-1")), ("carrier_away", None, None)]
    assert {line["logger"] for line in lines} == {"actors.drain"}


# --- what is never shown ---------------------------------------------------------------------------------


def test_a_secret_that_is_known_shows_nowhere_however_it_is_spelled() -> None:
    password = "p&ss w\u00f6rd/1"

    class Database(msgspec.Struct):
        dsn: Secret

    class All(msgspec.Struct):
        database: Database
        shops: dict[str, tuple[Secret, ...]]
        key: str

    settings_ = All(
        Database(Secret("postgresql://w:p%26ss%20w%C3%B6rd%2F1@db/x")),
        {"main": (Secret(HUNTER),)},
        "a-key-kept-as-text",
    )
    out = io.StringIO()
    logs.configure(stream=out, level="debug")
    logs.hide(secrets_in(settings_))
    log = structlog.get_logger()
    for text in spellings([password, HUNTER, "a-key-kept-as-text"]):
        log.info("told", text=f"so {text} said", error=ValueError(text), rows=[{"a": text}])
        assert text not in logs.for_people(f"a {text}", level="error", stream=out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == 9  # two of them have a character that URLs spell otherwise
    assert {line["text"] for line in lines} == {"so *** said"}
    assert {line["error"] for line in lines} == {"***"}
    assert {line["rows"][0]["a"] for line in lines} == {"***"}


# --- journald --------------------------------------------------------------------------------------------


def test_journald_is_told_each_lines_priority(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as out:
        found = os.fstat(out.fileno())
        environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        logs.configure(stream=out, level="debug", environ=environ)
        log = structlog.get_logger()
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(log, level)("something_happened")
        out.write(logs.for_people("wharfinger: a reason", level="error", stream=out, environ=environ))
        out.seek(0)
        *lines, last = out.read().splitlines()
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert [json.loads(line[3:])["level"] for line in lines][-1] == "critical"
    assert last == "<3>wharfinger: a reason"


def test_nobody_else_is_told_priorities(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as out:
        logs.configure(stream=out, environ={"JOURNAL_STREAM": "1:2"})
        structlog.get_logger().error("something_happened")
        assert logs.for_people("why", level="error", stream=out, environ={}) == "why"
        out.seek(0)
        assert json.loads(out.read())["event"] == "something_happened"
    assert not logs.goes_to_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


def test_no_line_is_so_long_that_journald_would_cut_it() -> None:
    rows = ["\u20ac" * 2_000] * 60
    told = logged(order="main-7", rows0=rows, rows1=rows, rows2=rows)
    assert told["rows0"].endswith(" bytes>")
    assert told["order"] == "main-7"
    assert len(json.dumps(told, ensure_ascii=False).encode()) < 48 * 1024


# --- levels at run time ----------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_part_has_the_level_of_the_nearest_that_was_set_above_it() -> None:
    levels = Levels("info")
    levels.set("debug", "adapters")
    levels.set("error", "adapters.erps.divalto")
    assert levels.of("adapters.http.client") == logging.DEBUG
    assert levels.of("adapters.erps.divalto.gate") == logging.ERROR
    assert levels.of("adaptersque") == levels.of("") == logging.INFO
    assert levels.lowest == logging.DEBUG
    levels.set("warning")
    assert levels.of("adapters.http.client") == levels.lowest == logging.WARNING


def test_a_level_that_was_set_for_a_time_returns_by_itself() -> None:
    clock = Clock()
    levels = Levels("warning", clock)
    levels.set("debug", seconds=60)
    levels.set("info", "actors", seconds=10)
    clock.now += 10
    assert [*levels.expired()] == ["actors"]
    assert levels.of("actors.desk") == logging.DEBUG
    clock.now += 50
    assert [*levels.expired()] == [""]
    assert levels.lowest == levels.of("actors.desk") == logging.WARNING


def test_the_level_changes_while_the_process_runs_and_says_when_it_returns() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    logs.observe(lambda _level, event, _fields: heard.append(event))
    heard: list[str] = []
    drain, desk = structlog.get_logger("actors.drain"), structlog.get_logger("actors.desk")
    logs.set_level("debug", "actors.drain")
    drain.debug("seen")
    desk.debug("unseen")
    logs.set_level("info", "actors.drain")
    drain.debug("unseen")
    logs.set_level("debug", seconds=0)
    desk.info("seen")
    desk.debug("unseen")
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in told] == heard == ["seen", "log.level_returned", "seen"]
    assert (told[1]["was"], told[1]["now"]) == ("debug", "info")


def test_a_part_is_a_module_of_ours_or_what_holds_it() -> None:
    assert all(logs.is_part(name) for name in ("adapters", "actors.domain", "daemon.logs"))
    assert not any(logs.is_part(name) for name in ("", "httpx", "adapters.nobody", "adapt"))


# --- floods ----------------------------------------------------------------------------------------------


def test_an_outage_says_each_thing_so_often_and_then_how_often_it_did_not() -> None:
    clock = Clock()
    flood = Flood(clock)

    def passes(event: str, level: str = "warning") -> dict[str, Any] | None:
        try:
            return dict(flood(None, "", {"event": event, "level": level}))
        except structlog.DropEvent:
            return None

    told = [passes("effect_delayed") for _ in range(BURST + 40)]
    assert [line is not None for line in told] == [True] * BURST + [False] * 40
    assert passes("carrier_away") is not None
    assert all(passes("control_change", "info") for _ in range(2 * BURST))
    assert passes("failed", "critical") is not None
    clock.now += 1
    assert passes("effect_delayed") == {"event": "effect_delayed", "level": "warning", "left_out": 40}
    assert passes("effect_delayed") is None


def test_what_a_flood_left_out_is_told_when_it_is_over() -> None:
    clock, out = Clock(), io.StringIO()
    logs.configure(stream=out)
    *before, _, renderer = structlog.get_config()["processors"]
    structlog.configure(processors=[*before, Flood(clock), renderer])
    log = structlog.get_logger()
    for _ in range(BURST + 3):
        log.warning("effect_delayed")
    clock.now += SETTLE_SECONDS
    log.info("daemon_ready")
    told = [json.loads(line) for line in out.getvalue().splitlines()][-2:]
    assert (told[0]["event"], told[0]["of"], told[0]["lines"]) == ("log.left_out", "effect_delayed", 3)
    assert told[1]["event"] == "daemon_ready"


def test_metrics_hear_what_a_flood_holds_back() -> None:
    heard: list[str] = []
    out = io.StringIO()
    logs.configure(stream=out)
    logs.observe(lambda _level, event, _fields: heard.append(event))
    for _ in range(BURST + 5):
        structlog.get_logger().warning("effect_delayed")
    assert len(heard) == BURST + 5
    assert len(out.getvalue().splitlines()) == BURST
