"""Metrics and health over real HTTP: who gets which text, and what is not taken."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
import trio
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as text_string_to_openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from daemon.metrics import Metrics
from daemon.settings import Daemon
from daemon.web import AddressTakenError, serve_web


def now() -> datetime:
    return datetime(2026, 11, 23, tzinfo=UTC)


@asynccontextmanager
async def served(
    metrics: Metrics, phase: Callable[[], str] = lambda: "running"
) -> AsyncGenerator[httpx.AsyncClient]:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await nursery.start(serve_web, Daemon(web_port=0), metrics, phase)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                yield client
            nursery.cancel_scope.cancel()


async def scraped(metrics: Metrics, phase: str = "running") -> dict[str, float]:
    async with served(metrics, lambda: phase) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        sample.name + "".join(f"{{{key}={value}}}" for key, value in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.mark.parametrize("phase", ["standby", "starting", "running", "draining"])
async def test_the_phase_is_one_figure_and_readiness_another(phase: str) -> None:
    metrics = Metrics(now)
    got = await scraped(metrics, phase)
    told = {name: value for name, value in got.items() if name.startswith("wharfinger_phase")}
    assert len(told) == 4
    assert {name for name, value in told.items() if value} == {f"wharfinger_phase{{phase={phase}}}"}
    async with served(metrics, lambda: phase) as client:
        ready, health = await client.get("/readyz"), await client.get("/healthz")
    assert (ready.status_code, ready.text) == (200 if phase == "running" else 503, f"{phase}\n")
    assert (health.status_code, health.text) == (200, "ok\n")


PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,/;q=0.1"
)


@pytest.mark.parametrize(
    "accept", [PROMETHEUS_2, PROMETHEUS_3, "Application/OpenMetrics-Text; version=1.0.0"]
)
async def test_who_asks_for_openmetrics_gets_it_to_its_end(accept: str) -> None:
    async with served(Metrics(now)) as client:
        answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.text.endswith("# EOF\n")
    assert list(text_string_to_openmetrics_families(answer.text))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/html",
        "text/plain",
        "text/plain, application/openmetrics-text;q=0.5",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=much",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-textile",
        ";;,;q=,=",
    ],
)
async def test_everybody_else_gets_plain_text(accept: str) -> None:
    async with served(Metrics(now)) as client:
        answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# EOF" not in answer.text


async def test_other_paths_and_methods_are_not_taken() -> None:
    async with served(Metrics(now)) as client:
        assert (await client.get("/")).status_code == 404
        refused = await client.post("/metrics")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        head = await client.head("/metrics")
        assert (head.status_code, head.content) == (200, b"")


async def test_an_address_that_is_taken_says_so() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        with (
            trio.fail_after(5),
            pytest.raises(AddressTakenError, match=f"127.0.0.1:{port}: somebody listens"),
        ):
            await serve_web(Daemon(web_port=port), Metrics(now), lambda: "running")


async def test_an_address_that_is_not_ours_says_so() -> None:
    with trio.fail_after(5), pytest.raises(AddressTakenError, match=r"192\.0\.2\.1:9464: "):
        await serve_web(Daemon(web_host="192.0.2.1"), Metrics(now), lambda: "running")
