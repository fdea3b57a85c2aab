"""One contract for every database: SQLite always, a real PostgreSQL among the interop tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from aiops.store.database import open_database
from aiops.store.schema import metadata
from tests.processes import running_postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="aiops-postgres-") as folder:  # short: a socket lies in it
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        home.mkdir()
        with running_postgres(home) as url:
            yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.interop)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        opened = open_database(f"sqlite:///{tmp_path / 'aiops.db'}")
    else:
        opened = open_database(request.getfixturevalue("postgres_url"))
        with opened.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
    yield opened
    opened.dispose()
