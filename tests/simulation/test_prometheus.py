"""A real Prometheus scrapes the daemon at work: it takes every figure, its exemplars, and the alert rules."""

import json
import shutil
import socket
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from actors.domain.tracing import trace_id
from daemon.demo.play import audit

if TYPE_CHECKING:
    from tests.simulation.conftest import Open

PROMETHEUS = shutil.which("prometheus") or ""
SYSTEMD = Path(__file__).parents[2] / "systemd"
LOOK_EVERY_S = 0.1

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROMETHEUS, reason="there is no prometheus: it is Debian's package of that name"),
    pytest.mark.skipif(not SYSTEMD.exists(), reason="the alerts are not in the wheel"),
]


class Server:
    """A Prometheus that runs, and what it is asked."""

    def __init__(self, client: httpx.AsyncClient, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._client = client
        self._process = process
        self._log = log

    async def ask(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON of its API
        """Return what it answers, once it answers."""
        while True:
            try:
                answer = await self._client.get(f"/api/v1/{path}", params=query)
            except httpx.TransportError:
                assert self._process.poll() is None, self._log.read_text()
                await trio.sleep(LOOK_EVERY_S)
                continue
            if answer.status_code == 200:
                return answer.json()["data"]
            assert answer.status_code == 503, answer.text  # it starts
            await trio.sleep(LOOK_EVERY_S)

    async def value(self, expression: str) -> float | None:
        """Return what an expression is now, None where nothing is."""
        result = (await self.ask("query", query=expression))["result"]
        return float(result[0]["value"][1]) if result else None

    async def becomes(self, expression: str, wanted: float) -> None:
        while await self.value(expression) != wanted:
            await trio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def prometheus(folder: Path, target: int) -> AsyncGenerator[Server]:
    """Have a Prometheus of its own scrape a port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    targets = {"job_name": "wharfinger", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
    settings = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(SYSTEMD / "prometheus-alerts.yml")],
        "scrape_configs": [targets],
    }
    (folder / "prometheus.yml").write_text(json.dumps(settings))  # JSON is YAML
    command = [
        PROMETHEUS,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)  # noqa: ASYNC220 - only begun here
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield Server(client, process, log)
    finally:
        process.kill()
        process.wait()


def panels() -> list[str]:
    """Return the dashboard's expressions for this Prometheus."""
    text = (SYSTEMD / "grafana-dashboard.json").read_text()
    for variable, value in (("$__rate_interval", "1m"), ("$job", "wharfinger"), ("$instance", ".*")):
        text = text.replace(variable, value)
    return [target["expr"] for panel in json.loads(text)["panels"] for target in panel.get("targets", ())]


async def test_a_prometheus_takes_the_figures_the_exemplars_and_the_alerts_of_a_daemon_at_work(
    open_merchant: "Open", tmp_path: Path
) -> None:
    with trio.fail_after(60):
        async with (
            open_merchant() as merchant,
            prometheus(tmp_path, merchant.stage.web_port) as server,
        ):
            order = merchant.place(("TEAPOT-BLUE", 1))
            await merchant.shipped(order)
            await merchant.told()
            assert (await trio.to_thread.run_sync(audit, merchant.stage.config))["ok"]
            await server.becomes('wharfinger_order_transitions_total{state="shipped"}', 1)
            await server.becomes("wharfinger_audit_timestamp_seconds > bool 0", 1)
            assert await server.value("up") == 1
            assert await server.value("wharfinger_audit_failed") == 0
            (target,) = (await server.ask("targets"))["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")

            span = {"start": str(0), "end": str(2**33)}
            told = await server.ask(
                "query_exemplars", query="wharfinger_notice_to_reserved_seconds_bucket", **span
            )
            (exemplar,) = told[0]["exemplars"]
            assert exemplar["labels"] == {"trace_id": trace_id(order), "order": order}

            await server.becomes("count_over_time(wharfinger_appends_total[1m]) > bool 2", 1)
            shown = [expression for expression in panels() if await server.value(expression) is not None]
            assert len(shown) > 30, set(panels()) - set(shown)
            groups = (await server.ask("rules"))["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            assert {rule["health"] for rule in rules} == {"ok"}
            assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []
