"""Each benchmark runs, at a size at which its figures mean nothing, and says what it promises to say."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUN = Path(__file__).with_name("run.py")
KEYS = {"benchmark", "figure", "value", "unit", "goal", "holds"}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), *arguments], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ledger", "hot", "scarce", "flow", "growth", "restart", "erp", "shop"])
def test_a_benchmark_prints_one_object_a_line_and_its_status_says_whether_all_goals_hold(name: str) -> None:
    done = bench("--tiny", "--json", name)
    figures: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert figures, done.stderr
    assert all(figure.keys() == KEYS and figure["benchmark"] == name for figure in figures)
    assert all((figure["goal"] is None) == (figure["holds"] is None) for figure in figures)
    assert done.returncode == any(figure["holds"] is False for figure in figures), done.stderr
    if name == "scarce":
        assert done.returncode == 0, "scarce units are granted exactly, whatever the size"


def test_a_benchmark_that_does_not_exist_is_named() -> None:
    done = bench("speed")
    assert done.returncode == 2
    assert "there is no benchmark speed" in done.stderr
