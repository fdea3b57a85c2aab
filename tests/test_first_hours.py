"""What a newcomer tries first: a few hundred usual samples of one service, then a strong fault that lasts."""

from pathlib import Path

import numpy as np
import pytest

from aiops.config import Settings
from aiops.incidents.incident import Incident, State, What
from aiops.metrics.remote_write_encode import encode_write_request
from aiops.metrics.series import canonical
from aiops.service import Service
from aiops.store.incident_store import IncidentFilter
from tests.conftest import NOW_S, MakeService

USUAL = {"latency_ms": 50.0, "cpu_percent": 30.0, "queue_depth": 10.0, "requests": 200.0}
NOISE = 0.1
AFFECTED = 3
NORMAL = 300


def play(service: Service, interval_s: int, *parts: tuple[int, float], normal: int = NORMAL) -> int:
    """Sends `normal` usual samples of each series, then parts: so many samples at so many times the usual. Returns when
    the first part began."""
    plan = [(normal, 1.0), *parts]
    rng = np.random.default_rng(1)
    start_ms = int(1000 * NOW_S) - 1000 * interval_s * sum(count for count, _ in plan)
    k = 0
    for count, factor in plan:
        for _ in range(count):
            at = start_ms + 1000 * interval_s * k
            body = []
            for number, (name, usual) in enumerate(USUAL.items()):
                size = usual * (factor if number < AFFECTED else 1.0)
                labels = canonical({"__name__": name, "service": "checkout"})
                body.append((labels, [(at, float(size + usual * NOISE * rng.standard_normal()))]))
            service.ingest_remote_write(encode_write_request(body))
            k += 1
    return start_ms + 1000 * interval_s * normal


def incidents(service: Service) -> list[Incident]:
    page = service.incidents(IncidentFilter(), 100, None).items
    return [service.incident(one.incident_id)[0] for one in page]


@pytest.mark.parametrize("factor", [5.0, 50.0, 0.05], ids=["5x", "50x", "one-twentieth"])
@pytest.mark.parametrize("interval_s", [10, 15, 60, 120, 300])
def test_a_fault_that_lasts_opens_an_incident_in_the_first_hours(
    make_service: MakeService, settings: Settings, interval_s: int, factor: float
) -> None:
    service = make_service(settings)
    began_ms = play(service, interval_s, (max(13, 1200 // interval_s), factor))
    (incident,) = incidents(service)
    assert incident.state == State.CANDIDATE
    assert began_ms <= incident.detected_ms <= began_ms + 20 * 60_000
    assert len(incident.alerts) == AFFECTED


def test_usual_first_hours_open_none(make_service: MakeService, settings: Settings) -> None:
    service = make_service(settings)
    play(service, 60, normal=700)
    assert incidents(service) == []


def test_an_incident_has_not_recovered_while_its_fault_goes_on(make_service: MakeService, settings: Settings) -> None:
    service = make_service(settings)
    play(service, 10, (420, 5.0))  # 70 minutes: long enough for the level to have followed
    (incident,) = incidents(service)
    assert incident.state == State.CANDIDATE
    assert all(alert.ended_ms is None for alert in incident.alerts)


def test_a_level_kept_for_hours_becomes_the_usual_one(make_service: MakeService, settings: Settings) -> None:
    service = make_service(settings)
    play(service, 30, (420, 5.0))  # three and a half hours
    (incident,) = incidents(service)
    assert incident.state == State.RECOVERED
    assert any("its usual now" in event.why for event in incident.timeline if event.what == What.ALERT_ENDED)


def test_what_comes_back_soon_relapses(make_service: MakeService, settings: Settings, tmp_path: Path) -> None:
    service = make_service(settings)
    play(service, 60, (15, 5.0), (30, 1.0), (15, 8.0), normal=1500)
    (incident,) = incidents(service)
    assert incident.state == State.CANDIDATE
    assert [event.what for event in incident.timeline].count(What.RELAPSED) == 1
