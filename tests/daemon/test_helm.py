"""The helm's own doings: what the log says from now on, and for how long."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from actors.domain.routing import RoutingRules
from actors.system import Rules
from daemon import logs
from daemon.control.asked import LogLevel, Reload
from daemon.control.service import Mandate, Refused
from daemon.control.wire import Consequence, Done, Reloaded, Trial
from daemon.helm import DEBUG_SECONDS, ProcessHelm
from daemon.settings import SettingsError

MANDATE = Mandate("uid 0", "a-key")


def no_rules() -> Any:  # noqa: ANN401 - never returns
    raise SettingsError("wharfinger.toml", ())


@pytest.fixture
def helm() -> ProcessHelm:
    return ProcessHelm(no_rules, lambda _rules: None, lambda: ())


@pytest.fixture
def heard() -> Iterator[io.StringIO]:
    out = io.StringIO()
    logs.configure(stream=out)
    yield out
    structlog.reset_defaults()


def keys(heard: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in heard.getvalue().splitlines()]


async def test_who_reloads_is_told_what_has_changed_and_waits_for_a_restart() -> None:
    obeyed: list[Rules] = []
    rules = Rules(RoutingRules((), version="v"), ())
    helm = ProcessHelm(lambda: rules, obeyed.append, lambda: ("channels.main.buffer",))
    assert await helm.reload(Reload(), MANDATE) == Reloaded(waits_for_restart=("channels.main.buffer",))
    assert obeyed == [rules]


async def test_a_level_holds_at_once_for_all_or_for_a_part(helm: ProcessHelm, heard: io.StringIO) -> None:
    drain, client = structlog.get_logger("actors.drain"), structlog.get_logger("adapters.http.client")
    assert await helm.log_level(LogLevel(level="debug", logger="adapters.http"), MANDATE) == Done()
    client.debug("of_the_client")
    drain.debug("of_the_drain")
    assert await helm.log_level(LogLevel(level="warning"), MANDATE) == Done()
    client.info("quiet")
    drain.warning("loud")
    assert keys(heard) == ["of_the_client", "loud"]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (LogLevel(level="debug"), DEBUG_SECONDS),
        (LogLevel(level="debug", seconds=60), 60),
        (LogLevel(level="info"), None),
        (LogLevel(level="error", seconds=5), 5),
    ],
)
async def test_debug_is_never_left_on_for_good(
    helm: ProcessHelm, heard: io.StringIO, asked: LogLevel, seconds: int | None
) -> None:
    trial = await helm.log_level(asked, Mandate("uid 0", "", dry_run=True))
    assert trial == Trial(
        (Consequence("log.level", {"level": asked.level, "logger": "", "seconds": seconds}),)
    )
    structlog.get_logger("actors.drain").debug("unheard")
    assert keys(heard) == []


async def test_a_part_that_nobody_knows_is_refused_and_changes_nothing(
    helm: ProcessHelm, heard: io.StringIO
) -> None:
    with pytest.raises(Refused, match=r"no logger is called adapters\.erp:"):
        await helm.log_level(LogLevel(level="debug", logger="adapters.erp"), MANDATE)
    structlog.get_logger("adapters.erp").debug("unheard")
    assert keys(heard) == []
