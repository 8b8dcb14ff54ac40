"""The keys of the log are a closed list: each stands for one fact, and docs/logs.md tells what it means."""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
LOGS = ROOT / "docs" / "logs.md"
pytestmark = pytest.mark.skipif(
    not LOGS.exists(), reason="where the wheel is tried there are neither docs nor sources"
)
METHODS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error",
           "critical": "critical"}  # fmt: skip
KEY = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)?")
THE_LIBRARIES = "library_log"
"""Written at the level of whoever spoke: the one key whose level is no constant."""


class Said(NamedTuple):
    """One call of a logger."""

    where: str
    level: str
    fields: frozenset[str]


def is_logger(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "structlog.get_logger"
    return isinstance(node, ast.Name) and node.id.lstrip("_") == "log"


def said_in_the_code() -> dict[str, list[Said]]:
    """Return every call of a logger by its key; the demo's own crew is no part of the daemon."""
    found: dict[str, list[Said]] = defaultdict(list)
    for folder in ("actors", "adapters", "daemon"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            if ROOT / "daemon" / "demo" in file.parents:
                continue
            for node in ast.walk(ast.parse(file.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                if node.func.attr not in (*METHODS, "log") or not is_logger(node.func.value):
                    continue
                where = f"{file.relative_to(ROOT)}:{node.lineno}"
                key = node.args[-1]
                assert isinstance(key, ast.Constant), f"{where}: a key is a constant"
                assert isinstance(key.value, str), where
                names = [keyword.arg for keyword in node.keywords]
                assert None not in names, f"{where}: fields are named"
                fields = frozenset(name for name in names if name and name != "exc_info")
                found[key.value].append(Said(where, METHODS.get(node.func.attr, ""), fields))
    return found


def told_in_the_docs() -> dict[str, tuple[str, frozenset[str], str]]:
    rows = re.findall(
        r"^\| `([^`]+)` \|([^|]+)\|([^|]*)\|([^|]+)\|$",
        LOGS.read_text(),
        re.MULTILINE,
    )
    keys = [row[0] for row in rows]
    assert keys == sorted(set(keys)), "each once, by the alphabet"
    return {
        key: (level.strip(), frozenset(fields.replace(",", " ").split()), meaning)
        for key, level, fields, meaning in rows
    }


def test_every_key_is_told_in_the_docs_with_its_level_and_fields_and_no_other_is() -> None:
    code, docs = said_in_the_code(), told_in_the_docs()
    assert len(code) > 40
    assert code.keys() == docs.keys()
    for key, calls in code.items():
        level, fields, _ = docs[key]
        for call in calls:
            assert call.fields == fields, f"{call.where}: {key}"
            if key != THE_LIBRARIES:
                assert call.level == level, f"{call.where}: {key}"


def test_a_key_is_words_and_its_module_where_there_are_several_of_the_kind() -> None:
    for key, calls in said_in_the_code().items():
        assert KEY.fullmatch(key), f"{calls[0].where}: {key}"


def test_no_field_is_named_so_that_it_would_be_masked_or_hide_what_every_line_has() -> None:
    from daemon.log_masking import PERSONAL_NAME, SECRET_NAME

    always = {"timestamp", "level", "event", "logger", "trace"}
    for key, calls in said_in_the_code().items():
        for call in calls:
            for name in call.fields:
                assert name not in always, f"{call.where}: {key}"
                assert not SECRET_NAME.search(name), f"{call.where}: {key}.{name} is masked"
                assert not PERSONAL_NAME.search(name), f"{call.where}: {key}.{name} is masked"
