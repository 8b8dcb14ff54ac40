"""What the wheel carries, and that nobody else's distribution carries the same names."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest

PACKAGES = {"actors", "adapters", "daemon", "migrations"}

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_no_other_installed_distribution_claims_our_names() -> None:
    """`python-daemon` ships a package `daemon` too: whichever came later would be imported for both."""
    claims = {
        (name, distribution)
        for name, distributions in metadata.packages_distributions().items()
        if name in PACKAGES
        for distribution in distributions
    }
    assert {distribution for _, distribution in claims} <= {"wharfinger"}, sorted(claims)


def test_our_names_are_imported_from_where_wharfinger_is_installed() -> None:
    places = {Path(__import__(name).__file__ or "").parents[1] for name in PACKAGES}
    assert len(places) == 1, places


def test_the_wheel_lists_every_package_of_the_tree() -> None:
    listed = tomllib.loads(PYPROJECT.read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(listed) == PACKAGES
    tree = {path.parent.name for path in PYPROJECT.parent.glob("*/__init__.py")}
    assert tree in (PACKAGES, set()), (
        "the tree has a package that the wheel does not list"
    )  # none beside a wheel


def test_what_is_installed_has_every_package_and_the_migrations() -> None:
    files = [str(path) for path in metadata.files("wharfinger") or []]
    if not any(path.startswith("daemon/") for path in files):
        pytest.skip("installed from the tree: CI asks this of the wheel")
    assert {path.partition("/")[0] for path in files if path.endswith("/__init__.py")} == PACKAGES
    assert any(path.startswith("migrations/") and path.endswith(".sql") for path in files)
    assert not [path for path in files if path.startswith("tests/")]


def test_both_commands_are_there() -> None:
    scripts = {entry.name: entry.value for entry in metadata.distribution("wharfinger").entry_points}
    assert scripts == {"wharfinger": "daemon.entry:wharfinger", "wharfctl": "daemon.entry:wharfctl"}
