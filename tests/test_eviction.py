"""A full table makes room by forgetting silent series; what lives, and what something told is about, stays."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from aiops import log
from aiops.config import Budget, Settings
from aiops.errors import NotFoundError
from aiops.incidents.incident import State
from aiops.metrics.remote_write_encode import encode_write_request
from aiops.metrics.series import Labels, canonical
from aiops.metrics.write_result import Refusal, WriteResult
from aiops.service import Service
from aiops.store.incident_store import IncidentFilter
from tests.conftest import NOW_S, Clock, MakeService

START_MS = int(1000 * NOW_S) - 30 * 86_400_000
MINUTE_MS = 60_000
ROOM = 40


def living(count: int = 10) -> list[Labels]:
    return [canonical({"__name__": f"m{k}", "service": "web"}) for k in range(count)]


def fresh(first: int, count: int) -> list[Labels]:
    return [canonical({"__name__": "pod_cpu", "pod": f"p{k}"}) for k in range(first, first + count)]


def by_remote_write(service: Service, minute: int, series: list[Labels], jump: float = 0.0) -> WriteResult:
    values = np.random.default_rng(minute).normal(50, 1, len(series)) + jump
    at = START_MS + MINUTE_MS * minute
    body = [(labels, [(at, float(value))]) for labels, value in zip(series, values, strict=True)]
    return service.ingest_remote_write(encode_write_request(body)).result


def by_json(service: Service, minute: int, series: list[Labels], jump: float = 0.0) -> WriteResult:
    values = np.random.default_rng(minute).normal(50, 1, len(series)) + jump
    rows = [
        {"labels": dict(labels), "timestamp": START_MS + MINUTE_MS * minute, "value": value}
        for labels, value in zip(series, values.tolist(), strict=True)
    ]
    return service.ingest_json(json.dumps(rows).encode()).result


Send = Callable[..., WriteResult]
SENDS = pytest.mark.parametrize("send", [by_remote_write, by_json])


@pytest.fixture
def small(settings: Settings) -> Settings:
    ingest = settings.ingest.model_copy(update={"series_max": ROOM})
    return settings.model_copy(update={"ingest": ingest})


@pytest.fixture
def full(make_service: MakeService, small: Settings) -> Service:
    """Ten series that live; thirty pods that spoke for a quarter of an hour and are gone for half an hour."""
    service = make_service(small)
    for minute in range(50):
        by_remote_write(service, minute, living() + (fresh(0, ROOM - 10) if minute < 15 else []))
    assert service.table.series_count == ROOM
    return service


def gauge(service: Service, name: str) -> float:
    return next(
        float(line.split()[-1]) for line in service.observation.text().decode().splitlines() if line.startswith(name)
    )


def pass_time(service: Service, first: int, stop: int) -> None:
    for minute in range(first, stop):
        by_remote_write(service, minute, living())


@SENDS
def test_a_full_table_makes_room_for_new_series_by_forgetting_silent_ones(full: Service, send: Send) -> None:
    assert send(full, 50, fresh(100, 5)).refused == {Refusal.SERIES_LIMIT: 5}  # silent, but not for long enough
    pass_time(full, 51, 80)
    log.configure("info", "json")  # whatever an earlier test asked for
    with capture_logs() as logs:
        assert send(full, 80, living() + fresh(100, 5)).refused == {}
    assert [(one["event"], one["count"]) for one in logs if "forgotten" in one["event"]] == [("series_forgotten", 30)]
    assert gauge(full, "aiops_series_forgotten_total") == 30
    assert full.table.series_count == 15
    assert set(full.table) == {*living(), *fresh(100, 5)}
    assert send(full, 81, living() + fresh(100, 30)).refused == {}
    assert send(full, 81, fresh(0, 2)).refused == {Refusal.SERIES_LIMIT: 2}
    assert full.table.series_count == len(full.table) == ROOM


def test_nothing_is_forgotten_while_there_is_room(make_service: MakeService, small: Settings) -> None:
    service = make_service(small)
    by_remote_write(service, 0, fresh(0, ROOM - 10))
    pass_time(service, 0, 500)
    assert service.table.series_count == ROOM
    assert gauge(service, "aiops_series_forgotten_total") == 0


@SENDS
def test_series_that_were_all_renamed_get_in_once_the_old_are_silent_for_an_hour(
    make_service: MakeService, small: Settings, clock: Clock, send: Send
) -> None:
    service = make_service(small)
    by_remote_write(service, 0, fresh(0, ROOM))
    assert send(service, 1, fresh(100, 5)).refused == {Refusal.SERIES_LIMIT: 5}
    clock.now_s += 3500
    assert send(service, 59, fresh(100, 5)).refused == {Refusal.SERIES_LIMIT: 5}
    clock.now_s += 200
    assert send(service, 62, fresh(100, 5)).refused == {}


@SENDS
def test_a_full_table_is_logged_once_a_minute_with_counts_and_what_to_do(
    make_service: MakeService, small: Settings, clock: Clock, send: Send
) -> None:
    log.configure("info", "json")
    service = make_service(small)
    with capture_logs() as lines:
        by_remote_write(service, 0, fresh(0, ROOM))
        for minute in range(1, 4):
            assert send(service, minute, fresh(100, 5)).refused == {Refusal.SERIES_LIMIT: 5}
        clock.now_s += 61
        send(service, 4, fresh(0, 2))
    warned = [line for line in lines if line["event"] == "series_limit"]
    assert [line["samples_refused"] for line in warned] == [5, 10]
    assert warned[0]["log_level"] == "warning" and warned[0]["series_max"] == warned[0]["series"] == ROOM
    assert "ingest.series_max" in warned[0]["action"]


@SENDS
def test_a_churn_of_new_labels_pushes_no_living_series_out_and_changes_no_score(
    make_service: MakeService, small: Settings, tmp_path: Path, send: Send
) -> None:
    def scores(is_attacked: bool) -> list[dict[str, object]]:
        server = small.server.model_copy(update={"data_dir": tmp_path / str(is_attacked)})
        service = make_service(small.model_copy(update={"server": server}))
        refused = 0
        for minute in range(200):
            by_remote_write(service, minute, living(), jump=300.0 * (minute == 150))
            if is_attacked:
                refused += send(service, minute, fresh(minute * ROOM, 5 * ROOM)).refused.get(Refusal.SERIES_LIMIT, 0)
        assert service.table.series_count <= len(service.table) <= ROOM
        if is_attacked:
            assert gauge(service, "aiops_series_forgotten_total") > ROOM  # of the churn itself
            protocol = "json" if send is by_json else "remote_write"
            name = f'aiops_samples_refused_total{{protocol="{protocol}",reason="series_limit"}}'
            assert gauge(service, name) == refused > 100 * ROOM
        rows = [service.table.find(labels) for labels in living()]
        return [one for row in rows if row is not None for one in service.series_samples(row, 0, 2**62, 1000)]

    quiet = scores(is_attacked=False)
    assert len(quiet) == 2000
    assert any(sample["anomalous"] for sample in quiet)
    assert scores(is_attacked=True) == quiet


@SENDS
def test_a_reused_row_knows_nothing_of_its_former_series(
    make_service: MakeService, small: Settings, send: Send
) -> None:
    service = make_service(small)
    former = [canonical({"__name__": f"former{k}"}) for k in range(ROOM - 10)]
    for minute in range(60):
        by_remote_write(service, minute, living() + former)
    row = service.table.find(former[7])
    assert row is not None and service.series_samples(row, 0, 2**62, 1)[0]["score"] is not None
    pass_time(service, 60, 125)
    assert send(service, 125, fresh(100, 12)).refused == {}
    assert service.table.find(former[7]) is None
    assert service.table.labels(row) in fresh(100, 12)
    info = service.series_info(row)
    assert (info.samples_seen, info.interval_s, info.is_counter) == (1, None, False)
    (sample,) = service.series_samples(row, 0, 2**62, 1000)
    assert (sample["score"], sample["expected"], sample["lower"], sample["upper"]) == (None, None, None, None)
    assert [one.labels for one in service.series((), 0, 1000)[0]] == list(service.table)


def test_a_forgotten_series_that_comes_again_is_a_new_one(full: Service) -> None:
    pass_time(full, 50, 110)
    by_remote_write(full, 110, fresh(100, 5))
    gone = len(full.table) - 1
    with pytest.raises(NotFoundError):
        full.series_info(gone)
    by_remote_write(full, 111, fresh(3, 1))
    row = full.table.find(fresh(3, 1)[0])
    assert row is not None and full.series_info(row).samples_seen == 1


def test_series_of_living_incidents_and_of_outages_are_not_forgotten(
    make_service: MakeService, small: Settings
) -> None:
    service = make_service(small)
    ill = living(15)[10:]
    dead = [canonical({"__name__": f"d{k}", "host": "h"}) for k in range(15)]
    for minute in range(60):
        by_remote_write(service, minute, living() + ill + dead + (fresh(100, 10) if minute < 5 else []))
    for minute in range(60, 65):
        by_remote_write(service, minute, living() + ill + dead[:1], jump=500)
    service.confirm(1, "ann", "")
    for minute in range(65, 100):
        by_remote_write(service, minute, living() + ill + dead[:1])
    pass_time(service, 100, 200)
    incidents = service.incidents(IncidentFilter(states=(State.OPEN, State.CANDIDATE)), 9, None).items
    alerts = [alert for one in incidents for alert in service.incident(one.incident_id)[0].alerts]
    healed = {alert.labels for alert in alerts if alert.ended_ms} & set(ill)
    assert healed
    assert (("host", "h"),) in {alert.labels for alert in alerts if alert.kind == "missing"}
    assert by_remote_write(service, 200, fresh(200, 40)).refused[Refusal.SERIES_LIMIT] >= 25
    assert {*healed, *dead, *living()} <= set(service.table)
    assert not set(fresh(100, 10)) & set(service.table)


def test_the_silence_of_one_series_ends_when_it_is_forgotten(make_service: MakeService, small: Settings) -> None:
    service = make_service(small)
    for minute in range(60):
        by_remote_write(service, minute, living(ROOM))
    for minute in range(60, 130):
        by_remote_write(service, minute, living(ROOM - 1))
    assert gauge(service, 'aiops_alerts_total{kind="missing"}') == 1
    gone = living(ROOM)[-1:]
    assert by_remote_write(service, 130, fresh(0, 1)).refused == {}
    assert not set(gone) & set(service.table)
    for minute in range(131, 140):
        by_remote_write(service, minute, living(ROOM - 1))
    assert service._watch._silent == {}


def test_the_running_anomaly_of_a_series_that_is_gone_for_good_ends(make_service: MakeService, small: Settings) -> None:
    settings = small.model_copy(update={"detection": small.detection.model_copy(update={"missing_forget_s": 7200.0})})
    service = make_service(settings)
    ill = living(40)[10:]
    for minute in range(60):
        by_remote_write(service, minute, living() + ill)
    by_remote_write(service, 60, ill, jump=500)
    for minute in range(61, 400):
        by_remote_write(service, minute, living() + (fresh(minute, 1) if minute % 30 == 0 else []))
    assert by_remote_write(service, 400, fresh(1000, 25)).refused == {}
    assert service.incidents(IncidentFilter(states=(State.CANDIDATE,)), 9, None).items == []


def test_a_sender_that_was_away_loses_no_series(full: Service, clock: Clock) -> None:
    away = 3 * 1440
    assert by_remote_write(full, away, living()[:5] + fresh(100, 1)).refused == {Refusal.SERIES_LIMIT: 1}
    assert by_remote_write(full, away + 1, living()[:5] + fresh(100, 1)).refused == {Refusal.SERIES_LIMIT: 1}
    assert by_remote_write(full, away + 2, living() + fresh(0, 30)).accepted == ROOM
    assert full.series_info(9).samples_seen == 51


def test_a_series_that_pauses_by_habit_is_kept(make_service: MakeService, small: Settings) -> None:
    service = make_service(small)
    job, once = fresh(0, 1), fresh(1, 29)
    by_remote_write(service, 0, job + once)
    for minute in range(600):
        by_remote_write(service, minute, living() + (job if minute % 300 < 5 else []))
    by_remote_write(service, 600, fresh(100, 29))
    assert service.table.find(job[0]) is not None
    assert not set(once) & set(service.table)


def test_a_sender_that_is_far_behind_is_not_silent(make_service: MakeService, small: Settings) -> None:
    service = make_service(small)
    behind = fresh(0, 20)
    for minute in range(1000, 1200):
        by_remote_write(service, minute, living() + (fresh(50, 10) if minute < 1030 else []))
        by_remote_write(service, minute - 900, behind)
    assert by_remote_write(service, 1200, fresh(100, 12)).refused == {Refusal.SERIES_LIMIT: 2}
    assert set(behind) <= set(service.table)


@SENDS
@pytest.mark.parametrize("is_refilled", [False, True])
def test_a_snapshot_after_forgetting_restores(
    full: Service, make_service: MakeService, small: Settings, send: Send, is_refilled: bool
) -> None:
    full._keeping.save(full._learned)
    pass_time(full, 50, 110)
    send(full, 110, fresh(100, 30 if is_refilled else 5))
    full._keeping.save(full._learned)
    by_remote_write(full, 111, living() + fresh(100, 5))
    full.stop()
    again = make_service(small)
    assert dict(again.table.items()) == dict(full.table.items())
    assert again.series((), 0, 1000) == full.series((), 0, 1000)
    assert [again.engine.state.body[row].tobytes() for row, _ in again.table.items()] == [
        full.engine.state.body[row].tobytes() for row, _ in full.table.items()
    ]
    assert send(again, 112, living() + fresh(100, 30)).refused == {}
    assert again.table.series_count == ROOM


def test_whatever_comes_and_goes_nothing_grows(make_service: MakeService, small: Settings) -> None:
    detection = small.detection.model_copy(update={"budgets": (Budget(match='{service="web"}', alerts="3 per day"),)})
    service = make_service(small.model_copy(update={"detection": detection}))
    for generation in range(20):
        first = 90 * generation
        pods = [canonical({"__name__": f"n{first + k}", "pod": f"p{first + k}"}) for k in range(ROOM - 10)]
        for minute in range(first, first + 90):
            by_remote_write(service, minute, living() + (pods if minute < first + 25 else []))
    assert set(pods) <= set(service.table)
    assert gauge(service, "aiops_series_forgotten_total") == 19 * (ROOM - 10)
    kept = (
        service.engine._priors._rows_of_name,
        service._watch._missing._entity_number,
        service._watch._silent,
        service._grouper._population,
        service._grouper._population_of_value,
    )
    assert [len(one) for one in kept if len(one) > ROOM] == []
    assert (
        len(service.telling.budget._scope_of) <= 2 * ROOM
    )  # those there are, and those asked for since the last sweep
    assert service._grouper._population["service", "web"] == 10
    assert len(service._decoder._known) <= 4 * ROOM
