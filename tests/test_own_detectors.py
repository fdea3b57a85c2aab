"""A detector that the operator brings, in the running service: alert, incident, /metrics, budget, and a restart."""

from pathlib import Path

import numpy as np
import pytest

from aiops.config import Settings, load
from aiops.errors import SettingsError
from aiops.metrics.series import SampleBatch, canonical
from aiops.metrics.table_file import read_table
from aiops.score import scored_columns
from aiops.service import Service
from aiops.store.incident_store import IncidentFilter
from tests.conftest import NOW_S, MakeService

PARITY = str(Path(__file__).parent / "detection" / "own" / "parity.py")
N, AT = 4 * 1440, 5000
START_MS = int(1000 * NOW_S) - 60_000 * (N + 60)


def with_parity(settings: Settings, **more: object) -> Settings:
    environ = {"AIOPS_DETECTION_DETECTORS": f'[{{"name": "{PARITY}", "match": "m"}}]'}
    detectors = load(None, environ).settings.detection.detectors
    detection = settings.detection.model_copy(update={"detectors": detectors, "alert_budget": "1 per day"} | more)
    return settings.model_copy(update={"detection": detection})


def even() -> np.ndarray:
    values = (2 * np.random.default_rng(1).integers(40, 60, N)).astype(np.float64)
    values[AT : AT + 3] += [1, 0, 1]
    return values


def send(service: Service, start: int, stop: int) -> np.ndarray:
    row, other = (service.table.row(canonical({"__name__": name, "service": "shop"})) for name in ("m", "n"))
    alerts = []
    for k in range(start, stop, 5):
        rows = np.tile(np.array([row, other], np.int32), 5)
        times = np.repeat(START_MS + 60_000 * np.arange(k, k + 5), 2)
        batch = SampleBatch(rows, times, np.repeat(even()[k : k + 5], 2), np.zeros(10, np.bool_))
        alerts.append(service.ingest_batch(batch).alert.reshape(5, 2))
    return np.concatenate(alerts)


def test_what_it_finds_is_told_within_the_budget_under_its_name(make_service: MakeService, settings: Settings) -> None:
    service = make_service(with_parity(settings))
    alerts = send(service, 0, N)
    assert alerts[AT, 0] > 0.5
    assert alerts[AT, 1] == 0
    items = service.incidents(IncidentFilter(), 100, None).items
    found = [alert for item in items for alert in service.incident(item.incident_id)[0].alerts if alert.kind == "own"]
    assert [alert.time_ms for alert in found] == [START_MS + 60_000 * AT]
    assert next(iter(found[0].contributions)) == PARITY
    assert f"shop m is strange to {PARITY}: " in found[0].sentence
    text = service.observation.text().decode()
    assert f'aiops_own_detector_series{{detector="{PARITY}"}} 1.0' in text
    assert f'aiops_own_detector_failed{{detector="{PARITY}"}} 0.0' in text
    assert "aiops_own_detector_refused 0.0" in text


def test_a_restart_keeps_what_it_learned(make_service: MakeService, settings: Settings) -> None:
    first = make_service(with_parity(settings))
    send(first, 0, AT - 100)
    first.stop()
    assert (settings.server.data_dir / "detector" / "own.npz").exists()
    second = make_service(with_parity(settings))
    assert send(second, AT - 100, N)[100, 0] > 0.5


def test_files_are_scored_by_it_too(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "m.csv"
    lines = [f"{START_MS + 60_000 * k},{value},m" for k, value in enumerate(even())]
    path.write_text("\n".join(["timestamp,value,series", *lines]))
    detection = with_parity(settings, alert_budget="").detection
    plain, own = scored_columns(read_table(path)), scored_columns(read_table(path), detection)
    assert plain["kind"][AT] is None
    assert own["kind"][AT] == "own"


def test_a_setting_that_is_misspelt_is_named(tmp_path: Path) -> None:
    path = tmp_path / "aiops.toml"
    path.write_text('[[detection.detectors]]\nname = "a.py"\nmatch = "m"\noption = {}\n')
    with pytest.raises(SettingsError, match=r"detection\.detectors\.0\.option: unknown key; did you mean options\?"):
        load(path, {})
