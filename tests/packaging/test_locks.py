"""The lock files: all is pinned and hashed, and nothing ties them to a registry or to a machine."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.txt", "requirements-sftp.txt", "requirements-dev.txt"]


def requirements(name: str) -> Iterator[str]:
    """Yield each requirement of a lock file with its continuation lines, comments left out."""
    text = re.sub(r"^\s*#.*\n?", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    yield from text.replace("\\\n", " ").splitlines()


def pins(name: str) -> dict[str, str]:
    """Return the version of each distribution in a lock file."""
    found = (re.match(r"([\w.-]+)==(\S+)", line) for line in requirements(name))
    return {pin[1]: pin[2] for pin in found if pin}


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    lines = list(requirements(name))
    assert lines
    for line in lines:
        assert re.match(r"[\w.-]+==\S+( ; .+?)?( +--hash=sha256:[0-9a-f]{64})+$", line), line


@pytest.mark.parametrize("name", [*LOCKS, "pyproject.toml"])
def test_no_address_and_no_path_of_a_machine_stands_in_it(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(
        r"://|--(extra-)?index-url|--find-links|file:|(^|[\s'\"=@])/(home|root|opt|work|tmp)", text
    )


def test_the_tests_run_on_the_versions_that_users_get() -> None:
    for name in ("requirements.txt", "requirements-sftp.txt"):
        assert pins(name).items() <= pins("requirements-dev.txt").items()


def test_everything_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    asked = [*project["project"]["dependencies"], *groups["build"], *project["build-system"]["requires"]]
    by_sftp = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["sftp"]]
    for name, wanted in (
        ("requirements.txt", asked),
        ("requirements-sftp.txt", by_sftp),
        ("requirements-dev.txt", [*asked, *groups["dev"]]),
    ):
        names = {re.split(r"[^\w.-]", requirement)[0] for requirement in wanted}
        assert names <= pins(name).keys()
