"""Shared by all tests: a switch that turns skips into failures, and small real services."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aiops.config import Settings, load
from aiops.service import Service
from aiops.store.database import open_database
from aiops.store.incident_store import IncidentStore

DATA = Path(os.environ.get("AIOPS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failed test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None] | Iterator[pytest.TestReport]:
    report: pytest.TestReport = yield  # type: ignore[misc, assignment]
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and --no-skips is given: {report.longrepr}"
    return report  # type: ignore[return-value]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    environ = {"AIOPS_SERVER_DATA_DIR": str(tmp_path / "data"), "AIOPS_INGEST_SERIES_MAX": "2000"}
    return load(None, environ | {"AIOPS_INGEST_RECENT_SAMPLES_MAX": "100000"}).settings


class Clock:
    """A wall clock that stands until it is moved."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


NOW_S = 1_780_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW_S)


MakeService = Callable[[Settings], Service]


@pytest.fixture
def make_service(clock: Clock) -> Iterator[MakeService]:
    """Starts services that are stopped after the test."""
    running: list[Service] = []

    def make(settings: Settings) -> Service:
        settings.server.data_dir.mkdir(parents=True, exist_ok=True)
        service = Service(settings, IncidentStore(open_database(settings.store_url)), clock)
        service.start()
        running.append(service)
        return service

    yield make
    for service in running:
        service.stop()


@pytest.fixture
def service(make_service: MakeService, settings: Settings) -> Service:
    return make_service(settings)
