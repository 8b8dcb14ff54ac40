"""docs/anomalies.md against the code: each problem that waits for a person stands there, and no other."""

import re
from pathlib import Path

import pytest

from actors import three_way

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "anomalies.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="where the wheel is tried there are no docs")

RAISED = re.compile(
    r'(?:raise_anomaly|Raise|_Matter|AnomalyRaised)\(\s*(?:[^,()]|\([^()]*\))+,\s*"([a-z_]+)"', re.DOTALL
)
"""The problem is the second thing that whoever raises an anomaly says."""


def test_every_problem_that_waits_for_a_person_is_told_in_the_docs_and_no_other_is() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "actors").rglob("*.py"))
    raised = {*RAISED.findall(code), three_way.PROBLEM}
    told = re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert told == sorted(raised)
