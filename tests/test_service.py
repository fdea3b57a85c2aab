"""The walk of a sample through the real parts, without HTTP."""

import json
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from aiops import finding, log
from aiops.config import Settings
from aiops.detection import entity_kernel
from aiops.errors import ConflictError, OverloadError
from aiops.incidents.incident import State
from aiops.metrics.remote_write_encode import encode_write_request
from aiops.metrics.series import SampleBatch, canonical, parse_matchers
from aiops.metrics.write_result import Refusal
from aiops.service import Service
from aiops.simulator.fault import FaultKind, make_fault
from aiops.simulator.fleet import DAY_MS, Fleet
from aiops.simulator.simulation import Simulation
from aiops.store.incident_store import Change, Evidence, IncidentFilter, IncidentStore
from tests.conftest import NOW_S, Clock, MakeService

START_MS = int(1000 * NOW_S) - 3 * 3_600_000
LONG_AGO_MS = START_MS - 60 * 3_600_000
SERIES = [canonical({"__name__": f"m{k}", "service": "web", "instance": "i1"}) for k in range(6)]


def send(service: Service, first: int, count: int, jump: float = 0.0, series: slice = slice(None)) -> None:
    """`count` samples, 15 s apart, of the six series, from step `first` on."""
    body = []
    for k, labels in list(enumerate(SERIES))[series]:
        values = np.random.default_rng((k, first)).normal(50, 1, count) + jump
        body.append((labels, [(START_MS + 15_000 * (first + j), float(v)) for j, v in enumerate(values)]))
    service.ingest_remote_write(encode_write_request(body))


def names(service: Service, *states: State) -> list[str]:
    return [one.name for one in service.incidents(IncidentFilter(states=states), 100, None).items]


def test_a_jump_becomes_one_candidate_incident_with_evidence(service: Service) -> None:
    send(service, 0, 200)
    assert names(service) == []
    send(service, 200, 20, jump=500)
    assert names(service) == ["INC-1"]
    incident, evidence = service.incident(1)
    assert incident.state == State.CANDIDATE
    assert len(incident.alerts) == 6
    assert incident.entities == ("service=web", "instance=i1")
    around = evidence[incident.alerts[0].fingerprint]
    values = [sample["value"] for sample in around]
    assert min(values) < 60 and max(values) > 500
    assert "usual level" in incident.title


def test_memory_is_told_before_the_first_sample(make_service: MakeService, settings: Settings) -> None:
    log.configure("info", "json")  # whatever an earlier test asked for
    with capture_logs() as lines:
        service = make_service(settings)
    (told,) = [line for line in lines if line["event"] == "memory"]
    assert told["detector_bytes"] == service.table.series_max * told["bytes_per_series"]
    assert told["bytes_per_series"] <= 4096
    state = service.engine.state
    assert told["detector_bytes"] == state.head.nbytes + state.body.nbytes
    assert told["total_bytes"] > told["detector_bytes"] + told["recent_bytes"]
    assert told["at_most"].startswith(f"{told['total_bytes'] / 2**30:.2f} GiB = series_max {told['series_max']:,} x ")


def test_it_recovers_by_itself(service: Service) -> None:
    send(service, 0, 200)
    send(service, 200, 20, jump=500)
    send(service, 220, 100)
    assert names(service, State.RECOVERED) == ["INC-1"]


def incidents_of(service: Service) -> list[tuple[object, ...]]:
    page = service.incidents(IncidentFilter(), 100, None).items
    found = [service.incident(one.incident_id)[0] for one in page]
    return [(one.state, one.started_ms, one.ended_ms, sorted(a.fingerprint for a in one.alerts)) for one in found]


@pytest.mark.parametrize("per_request", [40, 400, 3000])
def test_incidents_do_not_depend_on_how_many_samples_share_a_request(
    make_service: MakeService, settings: Settings, tmp_path: Path, per_request: int
) -> None:
    """A sender that catches up after an outage packs hours into one request."""
    random = np.random.default_rng(3)
    values = random.normal(50, 1, (len(SERIES), 3000))
    values[:, 1500:1530] += 80
    values[:3, 2900:2930] -= 300

    def told(per_request: int) -> list[tuple[object, ...]]:
        service = make_service(settings.with_data_in(tmp_path / str(per_request)))
        for first in range(0, 3000, per_request):
            steps = range(first, min(first + per_request, 3000))
            body = [
                (labels, [(LONG_AGO_MS + 60_000 * j, float(values[k, j])) for j in steps])
                for k, labels in enumerate(SERIES)
            ]
            service.ingest_remote_write(encode_write_request(body))
        return incidents_of(service)

    one_by_one = told(1)  # a request per scrape
    assert len(one_by_one) == 2
    assert told(per_request) == one_by_one


def test_history_sent_while_the_stream_is_at_the_present_ends_after_it_began(service: Service) -> None:
    send(service, 0, 1, series=slice(5, 6))
    first = np.random.default_rng(0).normal(50, 1, 600)
    first[[300, 500]] += 400
    first[500:520] += 400
    samples = [(LONG_AGO_MS + 60_000 * j, float(value)) for j, value in enumerate(first)]
    service.ingest_remote_write(encode_write_request([(labels, samples) for labels in SERIES[:5]]))
    told = [service.incident(one.incident_id)[0] for one in service.incidents(IncidentFilter(), 100, None).items]
    assert told
    assert all(one.ended_ms is None or one.ended_ms >= one.started_ms for one in told)


def test_a_silent_service_is_one_incident_and_its_return_ends_it(service: Service) -> None:
    send(service, 0, 100)
    for step in range(100, 130, 5):
        send(service, step, 5, series=slice(0, 2))
    (incident,) = service.incidents(IncidentFilter(), 10, None).items
    assert "4 series of web stopped reporting" in incident.title
    for step in range(130, 180, 5):
        send(service, step, 5)
    assert names(service, State.RECOVERED) == ["INC-1"]


def test_a_sender_that_was_away_blames_no_series(service: Service) -> None:
    send(service, 0, 100)
    send(service, 300, 1, series=slice(0, 1))
    send(service, 301, 1, series=slice(1, 2))
    for step in range(302, 320):
        send(service, step, 1)
    assert names(service) == []


def test_a_failed_snapshot_is_counted_and_the_service_goes_on(service: Service, settings: Settings) -> None:
    send(service, 0, 10)
    folder = settings.server.data_dir / "detector"
    folder.write_text("a file where a folder should be")
    service._keeping.save(service._learned)
    assert "aiops_snapshot_failures_total 1.0" in service.observation.text().decode()
    send(service, 10, 10)
    folder.unlink()
    service._keeping.save(service._learned)
    assert (folder / "state.bin").exists()


def test_a_restart_keeps_incidents_series_and_learning(make_service: MakeService, settings: Settings) -> None:
    first = make_service(settings)
    send(first, 0, 200)
    send(first, 200, 5, jump=500)
    seen = first.series_info(0).samples_seen
    first.stop()
    second = make_service(settings)
    assert second.series_info(0).samples_seen == seen
    send(second, 205, 5, jump=500)
    assert names(second) == ["INC-1"]
    send(second, 210, 100)
    assert names(second, State.RECOVERED) == ["INC-1"]


def test_a_lost_snapshot_ends_alerts_that_nobody_will_end(make_service: MakeService, settings: Settings) -> None:
    first = make_service(settings)
    send(first, 0, 200)
    send(first, 200, 5, jump=500)
    first.stop()
    (settings.server.data_dir / "detector" / "state.bin").write_bytes(b"damaged")
    second = make_service(settings)
    assert len(second.table) == 0
    assert (settings.server.data_dir / "detector" / "state.bin.refused").exists()
    send(second, 205, 120)
    assert names(second, State.RECOVERED) == ["INC-1"]


def test_decisions_are_stored_and_hold(service: Service) -> None:
    send(service, 0, 200)
    send(service, 200, 5, jump=500)
    assert service.confirm(1, "ann", "seen it").state == State.OPEN
    with pytest.raises(ConflictError):
        service.confirm(1, "bob", "")
    send(service, 205, 100)
    assert names(service, State.OPEN) == ["INC-1"]
    assert service.resolve(1, "ann", "restarted", "").state == State.RESOLVED
    assert [event.who for event in service.store.get(1).timeline][-1] == "ann"
    send(service, 310, 5, jump=500)
    assert names(service, State.RESOLVED) == ["INC-1"]


def test_json_answers_sample_by_sample(service: Service) -> None:
    send(service, 0, 200)
    rows = [
        {"labels": dict(SERIES[0]), "timestamp": START_MS + 15_000 * 200, "value": 50},
        {"labels": dict(SERIES[0]), "timestamp": START_MS + 15_000 * 100, "value": 50},
        {"labels": dict(SERIES[0]), "timestamp": START_MS + 10**10, "value": 50},
        {"labels": dict(SERIES[0]), "timestamp": 1000, "value": 50},
        {"labels": {}, "value": 1},
        {"labels": dict(SERIES[0]), "timestamp": START_MS + 15_000 * 201, "value": None},
        {"series": "fresh", "timestamp": START_MS, "value": 1},
    ]
    outcome = service.ingest_json(json.dumps(rows).encode())
    said = [(s["status"], (s["refused"] or {}).get("reason")) for s in outcome.samples]
    assert said == [
        ("scored", None),
        ("out_of_order", "out_of_order"),
        ("refused", "too_far_in_future"),
        ("refused", "too_old"),
        ("refused", "bad_labels"),
        ("not_finite", None),
        ("warming_up", None),
    ]
    assert outcome.result.accepted == 3
    assert set(outcome.result.refused.values()) == {1}
    first = outcome.samples[0]
    assert 0 <= first["score"] < 0.5
    assert first["lower"] < first["expected"] < first["upper"]
    assert outcome.samples[6]["score"] is None


def test_an_anomalous_sample_names_its_incident(service: Service) -> None:
    send(service, 0, 200)
    rows = [
        {"labels": dict(labels), "timestamp": START_MS + 15_000 * (200 + j), "value": 550}
        for j in range(6)
        for labels in SERIES
    ]
    samples = service.ingest_json(json.dumps(rows).encode()).samples
    assert samples[-1]["anomalous"]
    assert samples[-1]["incident"] == "INC-1"
    assert max(sample["alert"] for sample in samples) >= 0.5
    assert samples[-1]["kind"] in ("spike", "level_shift")


def test_what_prometheus_sends_twice_is_accepted_twice_and_learned_once(service: Service) -> None:
    send(service, 0, 50)
    seen = service.series_info(0).samples_seen
    body = encode_write_request([(SERIES[0], [(START_MS + 15_000 * 60, 1.0)])])
    assert dict(service.ingest_remote_write(body).result.refused) == {}
    assert dict(service.ingest_remote_write(body).result.refused) == {}
    assert service.series_info(0).samples_seen == seen + 1
    other = encode_write_request([(SERIES[0], [(START_MS + 15_000 * 60, 2.0)])])
    assert dict(service.ingest_remote_write(other).result.refused) == {Refusal.CONFLICT: 1}


class FailingStore(IncidentStore):
    """A database that is away for a while."""

    is_away = False

    def save(self, changes: "list[Change]") -> "list":  # type: ignore[type-arg, override]
        if self.is_away:
            raise OperationalError("insert", {}, Exception("disk full"))
        return super().save(changes)


def test_no_incident_is_lost_while_the_database_is_away(settings: Settings, clock: Clock, tmp_path: Path) -> None:
    from aiops.store.database import open_database

    store = FailingStore(open_database(f"sqlite:///{tmp_path / 'x.db'}"))
    service = Service(settings, store, clock)
    service.start()
    try:
        send(service, 0, 200)
        store.is_away = True
        with pytest.raises(OverloadError, match="send this again"):
            send(service, 200, 5, jump=500)
        store.is_away = False
        send(service, 200, 5, jump=500)
        assert names(service) == ["INC-1"]
    finally:
        service.stop()


def test_writes_before_the_start_and_after_the_stop_are_put_off(settings: Settings, clock: Clock) -> None:
    from aiops.store.database import open_database

    settings.server.data_dir.mkdir(parents=True)
    service = Service(settings, IncidentStore(open_database(settings.store_url)), clock)
    with pytest.raises(OverloadError):
        send(service, 0, 1)
    service.start()
    send(service, 0, 1)
    service.stop()
    with pytest.raises(OverloadError):
        send(service, 1, 1)


def test_series_are_listed_page_by_page(service: Service) -> None:
    send(service, 0, 30)
    page, following = service.series(parse_matchers('{service="web"}'), 0, 4)
    assert [info.series_id for info in page] == [0, 1, 2, 3]
    assert following == 4
    rest, end = service.series(parse_matchers('{service="web"}'), 4, 4)
    assert ([info.series_id for info in rest], end) == ([4, 5], None)
    assert page[0].interval_s == 15
    samples = service.series_samples(0, 0, 2**62, 5)
    assert len(samples) == 5
    assert samples[-1]["score"] is not None


def test_evidence_outlives_the_ring(make_service: MakeService, settings: Settings) -> None:
    small = settings.model_copy(update={"ingest": settings.ingest.model_copy(update={"recent_samples_max": 600})})
    service = make_service(small)
    send(service, 0, 200)
    for step in range(200, 210):
        send(service, step, 1, jump=500)
    send(service, 210, 400)
    evidence: Evidence = service.incident(1)[1]
    assert all(any((sample["value"] or 0) > 500 for sample in samples) for samples in evidence.values())
    assert len(evidence) == 6


def test_stored_incidents_are_plain_rows(service: Service) -> None:
    send(service, 0, 200)
    send(service, 200, 5, jump=500)
    with service.store._engine.connect() as connection:
        assert connection.execute(text("select state from incident")).scalars().all() == ["candidate"]


def test_an_incident_is_detected_at_its_own_time_though_another_sender_is_ahead(service: Service) -> None:
    ahead = [(START_MS + 15_000 * (300 + j), 1.0) for j in range(3)]
    service.ingest_remote_write(encode_write_request([(canonical({"__name__": "other", "service": "far"}), ahead)]))
    send(service, 0, 200)
    send(service, 200, 5, jump=500)
    incident = service.incident(1)[0]
    assert START_MS + 15_000 * 200 <= incident.detected_ms < START_MS + 15_000 * 205
    assert incident.timeline[0].time_ms == incident.detected_ms


HOST = [canonical({"__name__": f"m{k}", "host": "h1"}) for k in range(6)]
DAY_STEPS, STEP_MS = 288, 300_000


def host_requests(days: float) -> list[bytes]:
    """Six metrics of a host that follow one load, 5 min apart until now, in requests of four hours."""
    random, steps = np.random.default_rng(8), int(days * DAY_STEPS)
    values = 50 + 10 * np.sin(2 * np.pi * np.arange(steps) / DAY_STEPS) + random.normal(0, 3, steps)
    values = values + random.normal(0, 0.3, (6, steps))
    times = int(1000 * NOW_S) - STEP_MS * np.arange(steps)[::-1]
    return [
        encode_write_request(
            [
                (labels, list(zip(times[first : first + 48].tolist(), line[first : first + 48].tolist(), strict=True)))
                for labels, line in zip(HOST, values, strict=True)
            ]
        )
        for first in range(0, steps, 48)
    ]


def with_joint(settings: Settings, is_on: bool) -> Settings:
    update = {"joint": is_on, "joint_interval_s": 300.0}
    return settings.model_copy(update={"detection": settings.detection.model_copy(update=update)})


@pytest.mark.parametrize("is_on", [False, True])
def test_what_no_series_shows_by_itself_is_found_by_entities_scored_jointly(
    make_service: MakeService, settings: Settings, clock: Clock, is_on: bool
) -> None:
    """Load that is not served grows over hours: every metric of the service stays near what it does anyway."""
    fleet = Fleet(seed=1)
    at_ms = fleet.start_ms + 8 * DAY_MS + 9 * 3_600_000
    fault = make_fault(fleet, FaultKind.UNSERVED_LOAD, at_ms, np.random.default_rng(1))
    mine = [k for k, labels in enumerate(fleet.series) if dict(labels).get("service") == fault.where]
    clock.now_s = fleet.start_ms / 1000 + 10 * 86_400
    service = make_service(with_joint(settings, is_on))
    row_of = np.full(len(fleet.series), -1, np.int32)
    row_of[mine] = [service.table.row(fleet.series[k]) for k in mine]
    for chunk in Simulation(fleet, [fault], 9).chunks(30):
        kept = row_of[chunk.series] >= 0
        rows = row_of[chunk.series][kept]
        stale = np.zeros(len(rows), np.bool_)
        service.ingest_batch(SampleBatch(rows, chunk.time_ms[kept], chunk.values[kept], stale))
    page = service.incidents(IncidentFilter(), 100, None).items
    found = [service.incident(one.incident_id)[0] for one in page if at_ms <= one.detected_ms < fault.end_ms]
    text = service.observation.text().decode()
    assert f"aiops_joint_entities {float(is_on)}" in text
    assert len(found) == is_on
    for one in found:
        alert = one.alerts[0]
        assert (alert.kind, alert.labels) == ("joint", (("service", fault.where),))
        touched = {dict(fleet.series[k])["__name__"] for k in fault.series}
        assert set(list(alert.contributions)[:2]) <= touched
        assert "together as never before" in alert.sentence
        assert 'aiops_joint_left_out{limit="joint_metrics_max"} 0.0' in text
        assert 'aiops_alerts_total{kind="joint"}' in text


def test_a_restart_keeps_the_joint_scores(make_service: MakeService, settings: Settings) -> None:
    settings = with_joint(settings, is_on=True)
    requests = host_requests(days=6)

    def rows() -> float:
        scorer = service._watch.joint.scorer_of(("host", "h1"))
        return float(scorer.scalars[entity_kernel.ROWS]) if scorer else 0

    service = make_service(settings)
    for body in requests[:18]:
        service.ingest_remote_write(body)
    service.stop()
    service = make_service(settings)
    assert rows() == 18 * 48
    service.ingest_remote_write(requests[18])
    assert rows() == 19 * 48
    service.stop()
    (settings.server.data_dir / "detector" / "joint.npz").unlink()
    service = make_service(settings)
    service.ingest_remote_write(requests[19])
    assert rows() == 48


BACKUP = canonical({"__name__": "backup_bytes", "service": "db"})
JOB_MINUTE = 130


def send_nights(service: Service, first: int, stop: int, without: int = -1) -> None:
    """Whole days of a series of five minutes that has a job at 02:10, and of one without, in requests of an hour."""
    start_ms = int(1000 * NOW_S) // DAY_MS * DAY_MS - 20 * DAY_MS
    for hour in range(24 * first, 24 * stop):
        minutes = 60 * hour + np.arange(0, 60, 5)
        values = np.random.default_rng(hour).normal(10, 1, len(minutes))
        values[(minutes % 1440 == JOB_MINUTE) & (minutes // 1440 != without)] = 5e9
        times = [start_ms + 60_000 * int(minute) for minute in minutes]
        body = [(labels, list(zip(times, values.tolist(), strict=True))) for labels in (BACKUP,)]
        alive = [(time_ms, 1.0 + k % 2) for k, time_ms in enumerate(times)]
        service.ingest_remote_write(encode_write_request([*body, (SERIES[0], alive)]))


def overdue_of(service: Service) -> list[tuple[str, State]]:
    page = service.incidents(IncidentFilter(), 100, None).items
    return [(one.title, one.state) for one in page if any(alert.kind == "overdue" for alert in one.alerts)]


def test_a_nightly_job_that_stays_away_is_one_incident_and_its_return_ends_it(service: Service) -> None:
    send_nights(service, 0, 14)
    assert overdue_of(service) == []
    send_nights(service, 14, 15, without=14)
    title = "the daily peak of db backup_bytes (due at 02:10, 12 of the last 12 on time) has not come"
    assert overdue_of(service) == [(title, State.CANDIDATE)]
    (incident,) = (one for one in service.incidents(IncidentFilter(), 100, None).items if one.title == title)
    (alert,) = incident.alerts
    assert finding.reason(alert, None, alert.time_ms) == f"{title}, overdue for 1 hour"
    send_nights(service, 15, 16)
    assert overdue_of(service) == [(title, State.RECOVERED)]
    assert gauge_of_alerts(service, "overdue") == 1


def gauge_of_alerts(service: Service, kind: str) -> float:
    lines = service.observation.text().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f'aiops_alerts_total{{kind="{kind}"}}'))


def test_what_is_overdue_is_told_once_across_a_restart(make_service: MakeService, settings: Settings) -> None:
    first = make_service(settings)
    send_nights(first, 0, 15, without=14)
    first.stop()
    second = make_service(settings)
    ((title, state),) = overdue_of(second)
    assert state == State.CANDIDATE
    send_nights(second, 15, 16)
    assert overdue_of(second) == [(title, State.RECOVERED)]


def test_a_job_learned_before_a_restart_is_told_after_it(make_service: MakeService, settings: Settings) -> None:
    first = make_service(settings)
    send_nights(first, 0, 14)
    first.stop()
    second = make_service(settings)
    assert overdue_of(second) == []
    send_nights(second, 14, 15, without=14)
    assert len(overdue_of(second)) == 1


def test_what_is_overdue_is_forgotten_with_its_series(make_service: MakeService, settings: Settings) -> None:
    ingest = settings.ingest.model_copy(update={"series_max": 2})
    service = make_service(settings.model_copy(update={"ingest": ingest}))
    send_nights(service, 0, 15, without=14)
    (incident,) = (one for one in service.incidents(IncidentFilter(), 100, None).items if "has not come" in one.title)
    service.dismiss(incident.incident_id, "me", "the job was removed")
    row, newest_ms = service.table.row(BACKUP), service.now_ms
    alive = [(newest_ms + 300_000 * k, 1.0 + k % 2) for k in range(1, 600)]
    for k in range(0, 600, 12):
        service.ingest_remote_write(encode_write_request([(SERIES[0], alive[k : k + 12])]))
    other = canonical({"__name__": "rows", "service": "web"})
    service.ingest_remote_write(encode_write_request([(other, [(service.now_ms + 60_000 * k, 1.0) for k in range(9)])]))
    assert service.table.find(BACKUP) is None and service.table.find(other) == row
    service.ingest_remote_write(encode_write_request([(other, [(service.now_ms + 60_000, 1.0)])]))
    assert len(overdue_of(service)) == 1
