"""Databases for whoever needs one: a server of each kind that there is, a migrated database a test."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from adapters.postgres.connect import Connection
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.embedded_binaries import Binaries, available_binaries
from adapters.postgres.migrate import carried_migrations, migrate_here

DatabaseOf = Callable[[Binaries], str]
"""Returns the DSN of a fresh, migrated database on a server of that kind."""

_TEMPLATE = "migrated"


def run_sql(dsn: str, *statements: str) -> list[asyncpg.Record]:
    """Run statements as the superuser, each by itself; return the last one's rows."""

    async def run() -> list[asyncpg.Record]:
        connection: Connection = await asyncpg.connect(dsn, timeout=10)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetch(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def database(dsn: str, name: str) -> str:
    """Return the DSN of another database on the same server."""
    return dsn.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def server_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Binaries], EmbeddedPostgres]]:
    """Servers are started when first asked for, and stopped when the tests are over."""
    with contextlib.ExitStack() as stack:
        running: dict[Binaries, EmbeddedPostgres] = {}

        def server(kind: Binaries) -> EmbeddedPostgres:
            if kind not in running:
                folder: Path = tmp_path_factory.mktemp(f"postgres-{kind}") / "data"
                started = stack.enter_context(EmbeddedPostgres(folder, binaries=kind, durable=False))
                run_sql(started.dsn, f"CREATE DATABASE {_TEMPLATE}")
                asyncio.run(migrate_here(database(started.dsn, _TEMPLATE), 10, carried_migrations()))
                running[kind] = started
            return running[kind]

        yield server


@pytest.fixture(scope="session")
def database_of(server_of: Callable[[Binaries], EmbeddedPostgres]) -> DatabaseOf:
    """A fresh, migrated database on a server of the kind asked for."""
    numbers = itertools.count(1)

    def fresh(kind: Binaries) -> str:
        server = server_of(kind)
        name = f"test_{next(numbers)}"
        run_sql(server.dsn, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return database(server.dsn, name)

    return fresh


@pytest.fixture(scope="session")
def empty_database_of(server_of: Callable[[Binaries], EmbeddedPostgres]) -> DatabaseOf:
    """A fresh database without any schema on a server of the kind asked for."""
    numbers = itertools.count(1)

    def fresh(kind: Binaries) -> str:
        server = server_of(kind)
        name = f"empty_{next(numbers)}"
        run_sql(server.dsn, f"CREATE DATABASE {name}")
        return database(server.dsn, name)

    return fresh


@pytest.fixture
def dsn(database_of: DatabaseOf) -> str:
    """A fresh, migrated database on whatever server there is."""
    return database_of(next(iter(available_binaries())))


@pytest.fixture
def sql(dsn: str) -> Callable[..., list[asyncpg.Record]]:
    """Run statements on the test's database as the superuser; returns the last one's rows."""

    def run(*statements: str) -> list[asyncpg.Record]:
        return run_sql(dsn, *statements)

    return run
