"""Alert budgets in the running service: what is told, where it shows, and that a restart keeps it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from aiops.bench_budget import bench_budget
from aiops.config import Budget, Detection, Settings
from aiops.incidents.incident import Incident
from aiops.metrics.series import SampleBatch, canonical
from aiops.metrics.table_file import read_table
from aiops.score import scored_columns
from aiops.service import Service
from aiops.store.incident_store import IncidentFilter
from tests.conftest import NOW_S, MakeService

START_MS = int(1000 * NOW_S) - 5 * 86_400_000
N = 4 * 1440
SPIKE = 4000


def with_budget(settings: Settings, **budget: object) -> Settings:
    return settings.model_copy(update={"detection": settings.detection.model_copy(update=budget)})


def send(service: Service, spikes: list[float]) -> np.ndarray:
    """Four days of three series, each with a spike of its own at its own time; the alert of each sample (3, N)."""
    rows = [service.table.row(canonical({"__name__": "m", "service": f"s{k}"})) for k in range(len(spikes))]
    alerts = np.zeros((len(rows), N))
    values = np.random.default_rng(1).normal(100, 1, (len(rows), N))
    for k, jump in enumerate(spikes):
        values[k, SPIKE + 100 * k] += jump
    for step in range(0, N, 5):
        times = np.repeat(START_MS + 60_000 * np.arange(step, step + 5), len(rows))
        batch = SampleBatch(
            np.tile(np.array(rows, np.int32), 5),
            times,
            values[:, step : step + 5].T.ravel(),
            np.zeros(len(times), np.bool_),
        )
        alerts[:, step : step + 5] = service.ingest_batch(batch).alert.reshape(5, len(rows)).T
    return alerts


def opened(service: Service) -> int:
    return len(service.incidents(IncidentFilter(), 100, None).items)


def test_what_a_budget_tells_is_alert_and_incident(make_service: MakeService, settings: Settings) -> None:
    service = make_service(with_budget(settings, alert_budget="1 per day"))
    alerts = send(service, [60, 20, 90])
    told = int((alerts > 0).sum())
    assert told == opened(service) == 2  # twice the budget is a ceiling
    assert alerts[0, SPIKE] > 0.5
    kinds = [alert.kind for one in range(opened(service)) for alert in service.incident(one + 1)[0].alerts]
    assert set(kinds) <= {"spike", "dip", "pattern"}
    text = service.observation.text().decode()
    assert 'aiops_alert_budget_per_day{budget="all"} 1.0' in text
    assert f'aiops_alert_budget_told{{budget="all"}} {told}.0' in text
    assert 'aiops_alert_budget_bar{budget="all"}' in text
    assert sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("aiops_alerts_total{")) == told


def test_series_outside_all_budgets_are_told_as_without_any(make_service: MakeService, settings: Settings) -> None:
    rule = (Budget(match='{service="none"}', alerts="1 per day"),)
    free = send(make_service(settings.with_data_in(settings.server.data_dir / "a")), [60, 20, 90])
    other = make_service(with_budget(settings, budgets=rule).with_data_in(settings.server.data_dir / "b"))
    np.testing.assert_array_equal(send(other, [60, 20, 90]), free)
    assert (free > 0).sum() >= 3


def test_a_restart_keeps_what_the_budget_has_learned(make_service: MakeService, settings: Settings) -> None:
    settings = with_budget(settings, alert_budget="1 per day")
    first = make_service(settings)
    send(first, [60, 20, 90])
    first.stop()
    second = make_service(settings)
    mine, theirs = (one.telling.budget.scopes[0].tail for one in (second, first))
    np.testing.assert_array_equal(mine.counts, theirs.counts)
    assert mine.covered.sum() > 3
    second.stop()
    (settings.server.data_dir / "detector" / "budget.npz").write_bytes(b"damaged")
    third = make_service(settings)
    assert third.telling.budget.scopes[0].tail.counts.sum() == 0
    assert len(third.table) == 3


def spiky(series: int, minutes: int, seed: int) -> np.ndarray:
    """Noise with spikes, steps and a common disturbance, (minutes, series)."""
    rng = np.random.default_rng(seed)
    values = rng.normal(100, 1, (minutes, series))
    for _ in range(minutes // 40):
        minute, length = int(rng.integers(1000, minutes)), int(rng.choice([1, 3, 30]))
        values[minute : minute + length, : int(rng.integers(1, series))] += rng.normal(0, 15)
    return values


def incidents_of(service: Service, values: np.ndarray, cuts: Sequence[int]) -> list[Incident]:
    """The incidents after samples, minute by minute, came in requests that end at these samples."""
    minutes, count = values.shape
    names = [canonical({"__name__": f"m{k % 4}", "service": f"s{k // 4}"}) for k in range(count)]
    rows = np.tile(np.array([service.table.row(labels) for labels in names], np.int32), minutes)
    times = np.repeat(START_MS + 60_000 * np.arange(minutes), count)
    for first, end in pairwise([0, *sorted(cuts), len(rows)]):
        some = slice(first, end)
        service.ingest_batch(SampleBatch(rows[some], times[some], values.ravel()[some], np.zeros(end - first, bool)))
    found = [service.incident(one.incident_id)[0] for one in service.incidents(IncidentFilter(), 1000, None).items]
    return [replace(one, version=0, updated_ms=0, timeline=one.timeline[:1]) for one in found]


BUDGETS = {"alert_budget": "3 per day", "budgets": (Budget(match='{service="s1"}', alerts="2 per week"),)}


@pytest.mark.parametrize("budgets", [{}, BUDGETS], ids=["none", "two"])
def test_incidents_do_not_depend_on_how_samples_are_split(
    make_service: MakeService, settings: Settings, budgets: dict[str, object]
) -> None:
    values = spiky(8, 3000, 3)
    rng = np.random.default_rng(4)
    splits = [range(8000, values.size, 8000), range(20, values.size, 20), range(2000, values.size, 2000)]
    splits += [rng.choice(np.arange(1, values.size), 3000, replace=False).tolist() for _ in range(2)]
    settings = with_budget(settings, **budgets)
    found = [
        incidents_of(make_service(settings.with_data_in(settings.server.data_dir / str(k))), values, split)
        for k, split in enumerate(splits)
    ]
    assert len(found[0]) >= 3
    for other in found[1:]:
        assert other == found[0]


def test_samples_sent_series_by_series_are_walked_in_order_of_time(
    make_service: MakeService, settings: Settings
) -> None:
    values = spiky(8, 3000, 3)
    in_time = incidents_of(
        make_service(settings.with_data_in(settings.server.data_dir / "a")), values, range(8000, 24_000, 8000)
    )
    service = make_service(settings.with_data_in(settings.server.data_dir / "b"))
    names = [canonical({"__name__": f"m{k % 4}", "service": f"s{k // 4}"}) for k in range(8)]
    rows = np.repeat(np.array([service.table.row(labels) for labels in names], np.int32), 3000)
    times = np.tile(START_MS + 60_000 * np.arange(3000), 8)
    sent = values.T.ravel()
    for minutes in np.split(np.arange(len(rows)).reshape(8, 3000), 3, axis=1):
        some = minutes.ravel()
        scores = service.ingest_batch(SampleBatch(rows[some], times[some], sent[some], np.zeros(len(some), bool)))
        assert (scores.status <= 1).all()
        assert set(scores.onsets.tolist()) >= set(np.flatnonzero(scores.alert).tolist())
    assert [one.title for one in service.incidents(IncidentFilter(), 1000, None).items] == [o.title for o in in_time]


def test_scored_files_keep_to_the_budget(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(2), tmp_path / "m.csv"
    values = rng.standard_t(2, 20_000)
    times = START_MS // 1000 + 60 * np.arange(len(values))
    path.write_text("timestamp,value\n" + "\n".join(f"{t},{v}" for t, v in zip(times, values, strict=True)))
    table = read_table(path, ())
    free = np.nan_to_num(scored_columns(table)["alert"])
    kept = np.nan_to_num(scored_columns(table, Detection(alert_budget="2 per week"))["alert"])
    assert 0 < (kept > 0).sum() < (free > 0).sum()
    assert (kept > 0).sum() <= 8


def test_the_budget_is_kept_on_the_simulated_fleet() -> None:
    figures = bench_budget("3 per day", seed=1, weeks=2)
    assert all(10.5 <= told <= 42 for told in figures["told_by_week"])
    assert figures["is_kept"]
    assert figures["wanted_per_week"] == [10.5, 42]
    assert max(figures["with_faults"]["told_by_week"]) <= 42
    assert figures["incidents_per_day"] == figures["told_per_day"]
    assert figures["with_faults"]["faults_found"] >= 0.6 * figures["with_faults"]["faults_injected"]


def test_a_matcher_s_budget_is_kept_on_the_simulated_fleet() -> None:
    figures = bench_budget("2 per week", seed=1, weeks=2, matcher='{service=~"checkout|search|users"}')
    assert figures["wanted_per_week"] == [1, 4]
    assert all(1 <= told <= 4 for told in figures["told_by_week"])
    assert max(figures["with_faults"]["told_by_week"]) <= 6  # records beyond 4
    assert figures["incidents_per_day"] != figures["told_per_day"]  # the rest of the fleet is told as ever
