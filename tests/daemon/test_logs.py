"""Logs: one JSON object a line, bounded, and nothing in them that must not be read."""

import io
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ports import Contact
from adapters.settings import Secret
from daemon import logs

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
    assert "Ada" in json.dumps(logged("debug", contact=ADA))
    assert "Ada" not in json.dumps(logged(whoever=[ADA], holder=Holder(Secret("x"), ADA, 1)))


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
