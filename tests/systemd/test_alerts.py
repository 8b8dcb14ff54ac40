"""The alert rules: what promtool says of them, when each fires and when not, and what the runbook says."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from daemon.cli import main as wharfinger
from daemon.ctl import main as wharfctl

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "systemd" / "prometheus-alerts.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
RUNBOOK_URL = "file:///usr/share/doc/wharfinger/runbook.md"

pytestmark = pytest.mark.skipif(not ALERTS.exists(), reason="the alerts are not in the wheel")
PROMTOOL = shutil.which("promtool") or ""
needs_promtool = pytest.mark.skipif(
    not PROMTOOL, reason="there is no promtool: it comes with Debian's package prometheus"
)

STEPS = (1, 20)
ROUNDS_MAX = 90
"""Minutes between two evaluations, and how many there may be: promtool evaluates every rule in each."""

JOB = 'instance="one",job="wharfinger"'


@dataclass(frozen=True)
class Case:
    """Series by minute, and what is to be told of them after so many minutes."""

    series: Mapping[str, str]
    minutes: int
    labels: Mapping[str, str] | None = None
    summary: str = ""


def fires(minutes: int, series: Mapping[str, str], labels: str, summary: str) -> Case:
    """Return a case in which the alert fires; `labels` are "name=value", parted by blanks."""
    return Case(series, minutes, dict(pair.split("=") for pair in shlex.split(labels)), summary)


def quiet(minutes: int, series: Mapping[str, str]) -> Case:
    return Case(series, minutes)


def one(name: str, labels: str = "") -> str:
    """Return the name of a series of one daemon."""
    return f"{name}{{{JOB}{',' if labels else ''}{labels}}}"


ONE = "instance=one job=wharfinger"
RUNNING = one("wharfinger_phase", 'phase="running"')
RESTARTS = one("wharfinger_actor_restarts_total", 'kind="warehouse"')
LETTER = one("wharfinger_mailbox_oldest_age_seconds", 'kind="warehouse",name="lyon"')
WELL = one("wharfinger_control_requests_total", 'route="/v1/status",status="200"')
FAILED = one("wharfinger_control_requests_total", 'route="/v1/status",status="504"')
REFUSED = one("wharfinger_control_requests_total", 'route="/v1/status",status="409"')
LEASE, OWNED = one("wharfinger_lease_remaining_seconds"), one("wharfinger_partitions_owned")
AUDITED, STARTED = one("wharfinger_audit_timestamp_seconds"), one("process_start_time_seconds")
CLOSED_CIRCUIT = one("wharfinger_circuit_open", 'partner="erp"')
OVERSELLS = one("wharfinger_oversells_refused_total", 'warehouse="lyon"')
OLD_ANOMALY = one("wharfinger_anomaly_oldest_age_seconds", 'problem="no_carrier"')
OPEN_ANOMALIES = one("wharfinger_anomalies_open", 'problem="no_carrier"')
OUTBOX = one("wharfinger_outbox_oldest_age_seconds", 'partner="erp"')
LAG = one("wharfinger_channel_poll_lag_seconds", 'channel="main"')


def oldest(state: str) -> str:
    return one("wharfinger_order_oldest_age_seconds", f'state="{state}"')


def calls(outcome: str) -> str:
    return one("wharfinger_partner_calls_total", f'partner="erp",operation="find",outcome="{outcome}"')


def histogram(name: str, count: str, under: float, labels: str = "") -> dict[str, str]:
    """Return a histogram of so many observations a minute, all of them between `under` and twice that."""
    more = f"{labels}," if labels else ""
    return {
        one(f"{name}_bucket", f'{more}le="{under}"'): "0+0x60",
        one(f"{name}_bucket", f'{more}le="{under * 2}"'): f"0+{count}x60",
        one(f"{name}_bucket", f'{more}le="+Inf"'): f"0+{count}x60",
    }


CASES: Mapping[str, tuple[Case, ...]] = {
    "WharfingerDown": (
        fires(
            3,
            {one("up"): "1 0x9"},
            ONE,
            "one answers no scrape: no order moves unless another daemon took over.",
        ),
        quiet(3, {one("up"): "1 0 1x9"}),
        quiet(9, {'up{instance="one",job="node"}': "0x9"}),
    ),
    "WharfingerNotRunning": (
        fires(
            11,
            {RUNNING: "0x20"},
            "job=wharfinger",
            "No daemon of wharfinger has been running for ten minutes: all of them wait or drain.",
        ),
        quiet(20, {RUNNING: "0x30", RUNNING.replace("one", "two"): "1x30"}),
        quiet(9, {RUNNING: "0x9 1x20"}),
    ),
    "WharfingerRestarts": (
        fires(20, {STARTED: "0x4 300x4 600x4 900x20"}, ONE, "one was started 3 times within half an hour."),
        quiet(20, {STARTED: "0x4 300x20"}),
    ),
    "WharfingerActorsCrash": (
        fires(
            30,
            {RESTARTS: "0x10 4x40"},
            "instance=one kind=warehouse",
            "Actors of the kind warehouse crashed 4 times in half an hour.",
        ),
        quiet(30, {RESTARTS: "0x10 1x40"}),
    ),
    "WharfingerActorSlow": (
        fires(
            4,
            {LETTER: "0 45x9"},
            f"{ONE} kind=warehouse name=lyon",
            "A message to the warehouse lyon waits for 45s.",
        ),
        quiet(4, {LETTER: "0 45 1x9"}),
        quiet(9, {LETTER: "20x9"}),
    ),
    "WharfingerControlFails": (
        fires(
            20,
            {WELL: "0+90x30", FAILED: "0+10x30"},
            "instance=one",
            "10% of what people and scanners ask fails.",
        ),
        quiet(20, {WELL: "0+90x30", FAILED: "0x30", REFUSED: "0+90x30"}),
    ),
    "WharfingerLeaseShort": (
        fires(
            3,
            {LEASE: "8 2x9", OWNED: "64x9"},
            ONE,
            "one renews its leases late: the database is slow, or the daemon is.",
        ),
        quiet(3, {LEASE: "8x9", OWNED: "64x9"}),
        quiet(3, {LEASE: "0x9", OWNED: "0x9"}),
    ),
    "WharfingerCommitsSlow": (
        fires(
            30,
            histogram("wharfinger_commit_seconds", "9", 0.5),
            "instance=one",
            "One commit in a hundred takes more than 995ms.",
        ),
        quiet(30, histogram("wharfinger_commit_seconds", "9", 0.005)),
    ),
    "WharfingerAuditFailed": (
        fires(
            1,
            {one("wharfinger_audit_failed"): "1x9"},
            ONE,
            "The last audit found contradictions in the log: what it says of stock may be wrong.",
        ),
        quiet(1, {one("wharfinger_audit_failed"): "0x9"}),
    ),
    "WharfingerAuditOld": (
        fires(
            1_700,
            {AUDITED: "1x1800", STARTED: "0x1800", OWNED: "64x1800"},
            ONE,
            "Nobody has proved the log since yesterday.",
        ),
        fires(
            1_700,
            {AUDITED: "0x1800", STARTED: "0x1800", OWNED: "64x1800"},
            ONE,
            "Nobody has proved the log since yesterday.",
        ),
        quiet(1_700, {AUDITED: "36000x1800", STARTED: "0x1800", OWNED: "64x1800"}),
        quiet(1_700, {AUDITED: "0x1800", STARTED: "60000x1800", OWNED: "64x1800"}),
        quiet(1_700, {AUDITED: "0x1800", STARTED: "0x1800", OWNED: "0x1800"}),
    ),
    "WharfingerOrdersStuck": (
        fires(
            6,
            {oldest("routing"): "720x9"},
            f"{ONE} state=routing",
            "An order is routing for 12m 0s: it should be so for seconds.",
        ),
        quiet(6, {oldest("routing"): "120x9", oldest("backordered"): "99999x9"}),
    ),
    "WharfingerOrdersLate": (
        fires(
            16,
            {oldest("packed"): "7260x20", oldest("picking"): "7260x20"},
            f"{ONE} state=packed",
            "The oldest order that is packed has been so for 2h 1m 0s.",
        ),
        fires(
            16,
            {oldest("picking"): "97200x20"},
            f"{ONE} state=picking",
            "The oldest order that is picking has been so for 1d 3h 0m 0s.",
        ),
        quiet(16, {oldest("packed"): "3600x20", oldest("picking"): "80000x20"}),
    ),
    "WharfingerReservationsSlow": (
        fires(
            30,
            histogram("wharfinger_notice_to_reserved_seconds", "9", 10, 'waited="no"'),
            "instance=one",
            "One order in a hundred waits for 19.9s until its units are reserved.",
        ),
        quiet(30, histogram("wharfinger_notice_to_reserved_seconds", "9", 3600, 'waited="yes"')),
        quiet(30, histogram("wharfinger_notice_to_reserved_seconds", "9", 0.1, 'waited="no"')),
    ),
    "WharfingerOversells": (
        fires(
            30,
            {OVERSELLS: "0+1x60"},
            "instance=one warehouse=lyon",
            "lyon refused 30 reservations in half an hour.",
        ),
        quiet(30, {OVERSELLS: "0x10 9x60"}),
    ),
    "WharfingerAnomaliesOld": (
        fires(
            1,
            {OLD_ANOMALY: "32400x9"},
            "instance=one problem=no_carrier",
            "An anomaly no_carrier has been open for 9h 0m 0s.",
        ),
        quiet(1, {OLD_ANOMALY: "3600x9"}),
    ),
    "WharfingerAnomalyFlood": (
        fires(
            11,
            {OPEN_ANOMALIES: "250x20"},
            "instance=one",
            "250 anomalies are open: something common is broken.",
        ),
        quiet(11, {OPEN_ANOMALIES: "90x20"}),
    ),
    "WharfingerPartnerAway": (
        fires(
            7,
            {CLOSED_CIRCUIT: "0 1x9"},
            f"{ONE} partner=erp",
            "erp has not answered for five minutes; what it is to be told waits.",
        ),
        quiet(9, {CLOSED_CIRCUIT: "0 1x3 0x9"}),
    ),
    "WharfingerPartnerErrors": (
        fires(
            30,
            {calls("ok"): "0+3x60", calls("unreachable"): "0+1x60"},
            "instance=one partner=erp",
            "25% of the calls to erp fail.",
        ),
        quiet(30, {calls("ok"): "0+30x60", calls("unknown"): "0+1x60"}),
        quiet(30, {calls("ok"): "0+3x60", calls("refused"): "0+3x60"}),
        quiet(30, {calls("ok"): "0x60", calls("unreachable"): "0x20 1x60"}),
    ),
    "WharfingerPartnerSlow": (
        fires(
            40,
            histogram("wharfinger_effect_seconds", "9", 30, 'partner="erp"'),
            "instance=one partner=erp",
            "erp takes 58.5s for one document in twenty.",
        ),
        quiet(40, histogram("wharfinger_effect_seconds", "9", 1, 'partner="erp"')),
    ),
    "WharfingerOutboxBehind": (
        fires(7, {OUTBOX: "960x9"}, f"{ONE} partner=erp", "erp has not been told something for 16m 0s."),
        quiet(7, {OUTBOX: "300x9"}),
    ),
    "WharfingerPollLag": (
        fires(
            7,
            {LAG: "600x9"},
            f"{ONE} channel=main",
            "The shop main was last read 10m 0s ago: no new orders.",
        ),
        quiet(7, {LAG: "12x9"}),
    ),
}


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", ALERTS.read_text())


def test_every_alert_is_tried_both_ways() -> None:
    assert sorted(CASES) == sorted(alerts())
    for alert, cases in CASES.items():
        assert {case.labels is None for case in cases} == {True, False}, alert


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    told = subprocess.run(
        [PROMTOOL, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert f"SUCCESS: {len(alerts())} rules found" in told.stdout


def severities() -> dict[str, str]:
    return dict(re.findall(r"- alert: (\w+)\n.*?severity: (\w+)", ALERTS.read_text(), re.DOTALL))


def as_promtool_wants_it(alert: str, case: Case) -> dict[str, Any]:
    expected = []
    if case.labels is not None:
        annotations = {"summary": case.summary, "runbook_url": f"{RUNBOOK_URL}#{alert.lower()}"}
        labels = {**case.labels, "severity": severities()[alert]}
        expected = [{"exp_labels": labels, "exp_annotations": annotations}]
    asked = {"eval_time": f"{case.minutes}m", "alertname": alert, "exp_alerts": expected}
    return {
        "name": alert,
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [asked],
    }


@needs_promtool
@pytest.mark.parametrize("step", STEPS)
def test_each_alert_fires_when_it_should_and_is_quiet_when_not(step: int, tmp_path: Path) -> None:
    tests = [
        as_promtool_wants_it(alert, case)
        for alert, cases in CASES.items()
        for case in cases
        if step == next(each for each in STEPS if case.minutes <= each * ROUNDS_MAX)
    ]
    assert tests
    told = {"rule_files": [str(ALERTS)], "evaluation_interval": f"{step}m", "tests": tests}
    path = tmp_path / "alerts.test.yml"
    path.write_text(json.dumps(told))  # JSON is YAML
    ran = subprocess.run([PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


# --- the runbook ------------------------------------------------------------------------------------------


def sections() -> dict[str, str]:
    """Return the runbook's sections of alerts by their headings."""
    _, *parts = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)
    told = {part.partition("\n")[0].strip(): part.partition("\n")[2] for part in parts}
    return {title: text for title, text in told.items() if title.startswith("Wharfinger")}


def test_every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() -> None:
    assert list(sections()) == alerts()
    urls = re.findall(r"runbook_url: (\S+)", ALERTS.read_text())
    assert urls == [f"{RUNBOOK_URL}#{alert.lower()}" for alert in alerts()]


def test_every_section_says_what_it_means_how_to_look_and_what_to_do() -> None:
    for title, text in sections().items():
        for heading in ("**Means.**", "**Look.**", "**Do.**"):
            assert heading in text, (title, heading)


PROGRAMS: Mapping[str, click.Group] = {"wharfctl": wharfctl, "wharfinger": wharfinger}


def commands() -> list[list[str]]:
    """Return the commands of ours that the runbook names, word by word."""
    text = RUNBOOK.read_text()
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    told = [line for block in blocks for line in block.splitlines() if line.startswith(tuple(PROGRAMS))]
    told += re.findall(r"`((?:wharfctl|wharfinger) [^`]+)`", text)
    return [shlex.split(each, comments=True) for each in told]


def test_every_command_of_ours_in_the_runbook_is_one_and_takes_these_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "restored.dsn").write_text("postgresql://localhost/restored", encoding="utf-8")
    assert len(commands()) > len(alerts())
    for program, *words in commands():
        command: click.Command = PROGRAMS[program]
        while isinstance(command, click.Group):
            assert words, f"{program} asks for a command"
            name = words.pop(0)
            assert name in command.commands, f"{program} {name}"
            command = command.commands[name]
        command.make_context(program, words)  # it refuses wrong options, values and counts, and runs nothing
