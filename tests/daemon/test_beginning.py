"""What is not imported before the daemon runs: each second of a start is one in which nothing is promised."""

import subprocess
import sys

import pytest

BEGIN = "from daemon.beginning import begin; begin()"


def imported_by(code: str) -> set[str]:
    program = f"{code}; import sys; print(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", program]
    return set(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split())


def test_the_daemon_is_imported_without_what_draws_parses_xml_or_plays_a_partner() -> None:
    imported = imported_by(f"{BEGIN}; import daemon.plugins, daemon.upkeep, daemon.process")
    assert {"daemon.process", "adapters.erps.divalto.adapter", "httpx", "structlog"} <= imported
    slow = {"lxml", "openpyxl", "pygments", "reportlab", "rich", "wsproto", "zeep"}
    others = {name for name in imported if "simulator" in name or name.startswith("daemon.demo")}
    late = {
        "adapters.channels.prestashop.articles",
        "adapters.channels.prestashop.trial",
        "adapters.erps.divalto.files",
        "adapters.erps.divalto.soap",
        "adapters.erps.divalto.trial",
    }
    assert not imported & (slow | late) | others


def test_what_draws_with_rich_finds_it_after_the_beginning() -> None:
    assert "rich.console" in imported_by(f"{BEGIN}; {BEGIN}; import rich.console")


def test_rich_that_is_imported_already_stays() -> None:
    assert "rich.console" in imported_by(f"import rich.console; {BEGIN}")


@pytest.mark.parametrize("program", ["daemon.cli", "daemon.ctl"])
def test_help_is_told_without_importing_what_only_commands_need(program: str) -> None:
    imported = imported_by(f"import {program}")
    assert program in imported
    assert not imported & {"actors", "adapters", "asyncio", "httpx", "msgspec", "rich", "structlog", "trio"}
