"""Metrics and health over real HTTP, and the figures behind them."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from actors.ports import OpenAnomaly
from actors.system import System
from daemon.metrics import ANOMALIES_COUNTED_MAX, Metrics
from daemon.settings import Daemon
from daemon.web import AddressTakenError, serve_web

AT = datetime(2026, 11, 23, tzinfo=UTC)


class FakeJournal:
    """Only what the figures ask for."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.problems: list[str] = []

    async def order_counts(self) -> Mapping[str, int]:
        await trio.lowlevel.checkpoint()
        return self.counts

    async def anomalies(self, limit: int) -> Sequence[OpenAnomaly]:
        await trio.lowlevel.checkpoint()
        assert limit == ANOMALIES_COUNTED_MAX
        return [OpenAnomaly(str(n), "s", problem, "", "", AT) for n, problem in enumerate(self.problems)]


def system(journal: FakeJournal) -> System:
    """Return a system as the figures see it: one drain, one warehouse."""
    drain = SimpleNamespace(depth=3, circuit=SimpleNamespace(is_open=True))
    shelves = {"TEAPOT": SimpleNamespace(available=4), "CUP": SimpleNamespace(available=2)}
    handle = SimpleNamespace(mailbox=[1, 2], stock=SimpleNamespace(shelves=shelves))
    directory = SimpleNamespace(warehouses={"lyon": handle})
    return cast("System", SimpleNamespace(drains={"erp": drain}, directory=directory, journal=journal))


def figures(text: str) -> dict[str, float]:
    """Return every sample as "name{label=value}": figure."""
    return {
        sample.name
        + "".join(f"{{{key}={value}}}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


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
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return figures(answer.text)


@dataclass
class Told:
    appends: int = 5
    events: int = 12
    movements: int = 7
    bytes: int = 3_000
    seconds: float = 0.004


async def test_what_happens_is_counted() -> None:
    metrics = Metrics()
    metrics.committed(Told())
    metrics.committed(Told())
    metrics.called("erp", "done", 0.2)
    metrics.called("erp", "done", 0.2)
    metrics.called("erp", "unreachable", 30.0)
    metrics.reserved(0.02)
    got = await scraped(metrics)
    assert got["wharfinger_appends_total"] == 10
    assert got["wharfinger_movements_total"] == 14
    assert got["wharfinger_committed_bytes_total"] == 6_000
    assert got["wharfinger_commit_seconds_count"] == 2
    assert got["wharfinger_commit_events_bucket{le=16.0}"] == 2
    assert got["wharfinger_commit_events_bucket{le=8.0}"] == 0
    assert got["wharfinger_partner_calls_total{outcome=done}{partner=erp}"] == 2
    assert got["wharfinger_partner_calls_total{outcome=unreachable}{partner=erp}"] == 1
    assert got["wharfinger_partner_call_seconds_count{partner=erp}"] == 3
    assert got["wharfinger_notice_to_reserved_seconds_bucket{le=0.025}"] == 1


async def test_crashes_are_counted_from_what_the_log_says() -> None:
    metrics = Metrics()
    metrics.logged("error", "actor_crashed", {"actor": "warehouse lyon"})
    metrics.logged("error", "something_else", {"actor": "warehouse lyon"})
    got = await scraped(metrics)
    assert got["wharfinger_actor_crashes_total{actor=warehouse lyon}"] == 1
    assert got["wharfinger_log_events_total{level=error}"] == 2


async def test_what_stands_is_asked_for_at_each_scrape() -> None:
    metrics, journal = Metrics(), FakeJournal()
    metrics.watch(system(journal))
    metrics.owns(64)
    journal.counts = {"picking": 2, "held": 1}
    journal.problems = ["no_carrier", "no_carrier", "silent"]
    first = await scraped(metrics)
    assert first["wharfinger_orders{state=picking}"] == 2
    assert first["wharfinger_anomalies_open{problem=no_carrier}"] == 2
    assert first["wharfinger_outbox_depth{partner=erp}"] == 3
    assert first["wharfinger_partner_away{partner=erp}"] == 1
    assert first["wharfinger_mailbox_depth{actor=warehouse lyon}"] == 2
    assert first["wharfinger_units_available{warehouse=lyon}"] == 6
    assert first["wharfinger_partitions_owned"] == 64
    journal.counts = {"picking": 3}
    journal.problems = []
    second = await scraped(metrics)
    assert second["wharfinger_orders{state=picking}"] == 3
    assert "wharfinger_orders{state=held}" not in second
    assert "wharfinger_anomalies_open{problem=no_carrier}" not in second


@pytest.mark.parametrize("phase", ["standby", "starting", "running", "draining"])
async def test_the_phase_is_one_figure_and_readiness_another(phase: str) -> None:
    metrics = Metrics()
    got = await scraped(metrics, phase)
    told = {name: value for name, value in got.items() if name.startswith("wharfinger_phase")}
    assert len(told) == 4
    assert {name for name, value in told.items() if value} == {f"wharfinger_phase{{phase={phase}}}"}
    async with served(metrics, lambda: phase) as client:
        ready, health = await client.get("/readyz"), await client.get("/healthz")
    assert (ready.status_code, ready.text) == (200 if phase == "running" else 503, f"{phase}\n")
    assert (health.status_code, health.text) == (200, "ok\n")


async def test_names_are_as_prometheus_wants_them() -> None:
    got = await scraped(Metrics())
    for family in text_string_to_metric_families(Metrics().exposed().decode()):
        assert family.documentation
        assert family.name.startswith(("wharfinger_", "process_", "python_"))
    assert got["wharfinger_phase{phase=running}"] == 1
    assert any(name.startswith("process_resident_memory_bytes") for name in got)


async def test_other_paths_and_methods_are_not_taken() -> None:
    async with served(Metrics()) as client:
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
            await serve_web(Daemon(web_port=port), Metrics(), lambda: "running")


async def test_an_address_that_is_not_ours_says_so() -> None:
    with trio.fail_after(5), pytest.raises(AddressTakenError, match=r"192\.0\.2\.1:9464: "):
        await serve_web(Daemon(web_host="192.0.2.1"), Metrics(), lambda: "running")
