"""What senders get wrong reaches the detectors through the real service: nothing breaks, and `/metrics` counts it."""

import math

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from aiops.metrics.remote_write_encode import encode_write_request
from aiops.metrics.series import canonical
from aiops.service import Service
from aiops.store.incident_store import IncidentFilter
from tests.conftest import NOW_S

START_MS = int(1000 * NOW_S) - 6 * 3_600_000
LABELS = canonical({"__name__": "m", "service": "web"})
OTHER = canonical({"__name__": "other", "service": "web"})


def send(service: Service, samples: list[tuple[int, float]]) -> None:
    service.ingest_remote_write(encode_write_request([(LABELS, samples)]))


def counted(service: Service, name: str) -> dict[str, float]:
    """Last label -> value of one counter."""
    families = text_string_to_metric_families(service.observation.text().decode())
    return {
        list(sample.labels.values())[-1]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def scores_of(service: Service) -> list[float | None]:
    return [one["score"] for one in service.series_samples(0, 0, 2**53, 10_000)]


def test_extreme_values_keep_every_number_finite(service: Service) -> None:
    values = np.random.default_rng(1).choice([1e300, -1e300, 5e-324, -2.2e-310, 0.0, 1.0, 1.7e308], 600)
    for k, value in enumerate(values.tolist()):
        send(service, [(START_MS + 15_000 * k, value)])
    found = scores_of(service)
    assert len(found) == 600
    assert all(score is not None and math.isfinite(score) for score in found[20:])
    for one in service.incidents(IncidentFilter(), 100, None).items:
        assert all(math.isfinite(alert.score) for alert in service.incident(one.incident_id)[0].alerts)
    assert counted(service, "aiops_samples_total") == {"remote_write": 600}


def test_nothing_but_nan_is_accepted_not_scored_and_counted(service: Service) -> None:
    send(service, [(START_MS + 15_000 * k, math.nan) for k in range(100)])
    assert scores_of(service) == [None] * 100
    assert counted(service, "aiops_samples_unscored_total") == {"not_finite": 100}
    assert service.incidents(IncidentFilter(), 10, None).items == []


def test_repeated_and_old_samples_are_counted_by_reason(service: Service) -> None:
    values = np.random.default_rng(2).normal(50, 1, 400).tolist()
    samples = [(START_MS + 15_000 * k, value) for k, value in enumerate(values)]
    send(service, samples[:300])
    send(service, samples[:300])  # a burst of old data
    send(service, samples[299:300])
    send(service, [(samples[299][0], 7.0)])
    send(service, samples[300:])
    refused = counted(service, "aiops_samples_refused_total")
    assert refused["conflicting_duplicate"] == 1
    assert refused["out_of_order"] >= 5
    assert counted(service, "aiops_samples_unscored_total")["duplicate"] >= 1
    assert service.incidents(IncidentFilter(), 10, None).items == []


def test_resets_are_counted_and_no_incident(service: Service) -> None:
    labels = canonical({"__name__": "requests_total", "service": "web"})
    total, samples = 0.0, []
    for k in range(900):
        total = 0.0 if k % 100 == 99 else total + 50.0
        samples.append((START_MS + 15_000 * k, total))
    service.ingest_remote_write(encode_write_request([(labels, samples)]))
    assert counted(service, "aiops_samples_unscored_total") == {"reset": 9}
    assert service.incidents(IncidentFilter(), 10, None).items == []


def test_intervals_from_milliseconds_to_hours_do_not_break_the_walk(service: Service) -> None:
    rng = np.random.default_rng(3)
    steps = rng.choice([1, 10, 1000, 15_000, 60_000, 1_800_000], 3000)
    times = int(1000 * NOW_S) - int(steps.sum()) + np.cumsum(steps)
    for first in range(0, 3000, 100):
        pairs = zip(times[first : first + 100].tolist(), rng.normal(50, 1, 100).tolist(), strict=True)
        send(service, list(pairs))
    found = scores_of(service)
    assert len(found) == 3000
    assert all(score is not None for score in found[20:])
    assert service.incidents(IncidentFilter(), 10, None).items == []
