"""Dashboard and alerts name what the daemon exports, by labels it has; promtool reads each expression."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from daemon.metrics import Metrics

FOLDER = Path(__file__).parents[2] / "systemd"
DASHBOARD = FOLDER / "grafana-dashboard.json"
ALERTS = FOLDER / "prometheus-alerts.yml"
PROMTOOL = shutil.which("promtool") or ""
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
}
OF_THE_SCRAPE = {"job", "instance", "le"}

pytestmark = pytest.mark.skipif(not DASHBOARD.exists(), reason="the dashboard is not in the wheel")


def exported() -> dict[str, set[str]]:
    """Return the labels of each series by its name."""
    registry: CollectorRegistry = Metrics(lambda: datetime.now(UTC)).registry
    collectors = registry._collector_to_names  # noqa: SLF001 - labels are told of series alone, and here are none yet
    labels: dict[str, set[str]] = {}
    for collector, names in collectors.items():
        of_all: set[str] = set(getattr(collector, "_labelnames", ()))
        labels.update(dict.fromkeys(names, of_all))
    told = {
        f"{family.name}{suffix}"
        for family in registry.collect()
        for suffix in SUFFIXES.get(family.type, ("",))
    }
    return {name: labels.get(name, set()) for name in told}


def dashboard() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD.read_text()))


def panels() -> Iterator[dict[str, Any]]:
    return (panel for panel in dashboard()["panels"] if panel["type"] != "row")


def expressions() -> list[str]:
    """Return every expression of the dashboard, the variables filled in."""
    told = [target["expr"] for panel in panels() for target in panel["targets"]]
    told += [each["expr"] for each in dashboard()["annotations"]["list"]]
    for variable, value in (("$__rate_interval", "5m"), ("$job", "wharfinger"), ("$instance", ".*")):
        told = [each.replace(variable, value) for each in told]
    assert "$" not in "".join(told)
    return told


def alert_expressions() -> list[str]:
    """Return the alerts' expressions, each in one line, without comments and what is for people."""
    texts = ("#", "summary:", "runbook_url:", "annotations:", "labels:", "for:")
    _, *rules = ALERTS.read_text().split("- alert: ")
    told = [[line.strip() for line in rule.splitlines()[1:]] for rule in rules]
    return [" ".join(line for line in lines if not line.startswith(texts)) for lines in told]


def named(expression: str) -> list[tuple[str, set[str]]]:
    """Return the series that an expression names, each with the labels that it is asked by."""
    found = re.findall(r"\b((?:wharfinger|process|python)_\w+)(?:\{([^}]*)\})?", expression)
    return [(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", asked))) for name, asked in found]


@pytest.mark.parametrize("told", [expressions, alert_expressions], ids=["dashboard", "alerts"])
def test_only_what_the_daemon_exports_is_named_and_by_labels_that_it_has(
    told: Callable[[], list[str]],
) -> None:
    there = exported()
    assert len({name for expression in told() for name, _ in named(expression)}) > 15
    for expression in told():
        grouped = re.findall(r"by \(([^)]*)\)", expression)
        known = set(OF_THE_SCRAPE)
        for name, labels in named(expression):
            assert name in there, f"{name} in {expression}"
            assert labels <= there[name] | OF_THE_SCRAPE, expression
            known |= there[name]
        assert {label.strip() for labels in grouped for label in labels.split(",")} <= known, expression


def test_nothing_that_is_exported_is_left_unseen() -> None:
    shown = {name for expression in (*expressions(), *alert_expressions()) for name, _ in named(expression)}
    ours = {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in exported() if name.startswith("wharfinger_")
    }
    seen = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert ours - seen == {"wharfinger_build_info", "wharfinger_orders_awake", "wharfinger_units_available"}


@pytest.mark.skipif(not PROMTOOL, reason="there is no promtool: it comes with Debian's package prometheus")
def test_promtool_reads_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"dashboard:{n}", "expr": each} for n, each in enumerate(expressions())]
    path = tmp_path / "dashboard.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML
    ran = subprocess.run([PROMTOOL, "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert f"SUCCESS: {len(rules)} rules found" in ran.stdout


def test_the_dashboard_can_be_imported_anywhere_and_again() -> None:
    told = dashboard()
    assert (told["id"], told["uid"]) == (None, "wharfinger")
    assert told["templating"]["list"][0]["type"] == "datasource"
    ids = [panel["id"] for panel in told["panels"]]
    assert len(set(ids)) == len(ids)
    sources = [panel["datasource"] for panel in panels()]
    sources += [target["datasource"] for panel in panels() for target in panel["targets"]]
    assert {source["uid"] for source in sources} == {"${datasource}"}


def test_no_panel_lies_over_another_and_each_says_what_it_shows() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert all(panel["description"] for panel in panels())
