"""One address for two drivers: what libpq is told of what asyncpg would make of it."""

from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.postgres.address import libpq_address


def told(dsn: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return what stands before the query, the query's keywords, and the session's settings."""
    address, settings = libpq_address(dsn)
    before, _, query = address.decode().partition("?")
    return before, {name: values[0] for name, values in parse_qs(query).items()}, settings


def test_who_and_where_stay_as_they_are_written() -> None:
    dsn = "postgresql://ann%40shop:p%3Fw%26d@db.example:5433/wharfinger?sslmode=verify-full&sslrootcert=/a%20b.crt"
    before, keywords, settings = told(dsn)
    assert before == "postgresql://ann%40shop:p%3Fw%26d@db.example:5433/wharfinger"
    assert keywords["sslmode"] == "verify-full"
    assert keywords["sslrootcert"] == "/a b.crt"
    assert settings == {}


def test_a_space_is_not_written_as_a_plus_which_libpq_takes_for_one() -> None:
    address, _ = libpq_address("postgresql://db/shop?application_name=our+shop")
    assert b"application_name=our%20shop" in address


def test_what_libpq_has_no_keyword_for_is_a_setting_of_the_session() -> None:
    _, keywords, settings = told("postgresql://db/shop?search_path=wharfinger&statement_timeout=9s")
    assert settings == {"search_path": "wharfinger", "statement_timeout": "9s"}
    assert not settings.keys() & keywords.keys()


def test_the_database_may_be_named_by_asyncpgs_own_word() -> None:
    _, keywords, settings = told("postgresql:///?host=/run/pg&database=shop")
    assert (keywords["host"], keywords["dbname"], settings) == ("/run/pg", "shop", {})


def test_a_stray_percent_is_quoted_lest_libpq_refuse_it_and_show_the_password() -> None:
    assert told("postgresql://ann:s%zz@db/shop")[0] == "postgresql://ann:s%25zz@db/shop"


def test_a_fragment_and_a_setting_without_a_value_mean_nothing() -> None:
    assert told("postgresql://db/shop#old")[0] == "postgresql://db/shop"
    _, keywords, settings = told("postgresql://db/shop?search_path=&password=#old")
    assert "password" not in keywords
    assert settings == {}


@pytest.mark.parametrize(
    ("dsn", "named"),
    [("postgresql:///shop", None), ("postgresql://ann@/shop", None), ("postgresql://[::1]/shop", "::1")],
)
def test_without_a_host_libpq_looks_in_all_the_places_where_asyncpg_does(
    dsn: str, named: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGHOST", raising=False)
    assert urlsplit(dsn).hostname == named
    _, keywords, _ = told(dsn)
    assert keywords.get("host") == (None if named else "/run/postgresql,/var/run/postgresql,/tmp,localhost")


def test_a_host_of_the_environment_is_left_to_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    _, keywords, _ = told("postgresql:///shop")
    assert "host" not in keywords


@pytest.mark.parametrize(
    ("dsn", "before"),
    [
        ("postgresql://u:a@h:1/d?host=x&port=2&user=y&password=b&dbname=e", "postgresql://u:a@h:1/d"),
        ("postgresql:///d?host=h:7", "postgresql://h:7/d"),
        ("postgresql://u@/d?host=h1,h2&port=7", "postgresql://u@h1,h2/d"),
    ],
)
def test_what_stands_in_front_counts_more_and_hosts_stand_there_with_their_ports(
    dsn: str, before: str
) -> None:
    found, keywords, settings = told(dsn)
    assert found == before
    assert settings == {}
    assert keywords.keys() & {"host", "user", "password", "dbname"} == set()
    assert keywords.get("port") == ("7" if "port=7" in dsn else None)
