"""Silence is told per series or per entity, once, and only while the stream lives."""

import numpy as np
import pytest

from aiops import finding
from aiops.detection.engine import Engine
from aiops.detection.missing import MissingWatch, Silence
from aiops.detection.role import role_of
from aiops.incidents.severity import Severity, severity
from aiops.metrics.series import SampleBatch, SeriesTable, canonical

START_MS = 1_767_571_200_000


class Stream:
    """Ten series of each of three services, one sample a minute, through an engine and a watch."""

    def __init__(self) -> None:
        self.table = SeriesTable(100)
        for service in ("web", "db", "cache"):
            for k in range(10):
                self.table.row(canonical({"__name__": f"m{k}", "service": service}))
        self.engine = Engine(self.table)
        self.watch = MissingWatch(self.table, self.engine.state, ("service",), 5, 30, 86_400)
        self.minute = 0

    def send(self, minutes: int, without: frozenset[int] = frozenset()) -> None:
        rows = np.array([row for row in range(30) if row not in without], np.int32)
        for _ in range(minutes):
            times = np.full(len(rows), START_MS + 60_000 * self.minute)
            values = np.random.default_rng(self.minute).normal(5, 1, len(rows))
            self.engine.ingest(SampleBatch(rows, times, values, np.zeros(len(rows), np.bool_)))
            self.minute += 1

    def end(self, rows: range) -> None:
        times = np.full(len(rows), START_MS + 60_000 * self.minute)
        batch = SampleBatch(np.array(rows, np.int32), times, np.full(len(rows), np.nan), np.ones(len(rows), np.bool_))
        self.engine.ingest(batch)


def test_a_silent_service_is_one_outage_told_once() -> None:
    stream = Stream()
    stream.send(60)
    assert stream.watch.sweep(stream.engine.newest_ms) == ([], [])
    stream.send(10, without=frozenset(range(10, 20)))
    outages, _ = stream.watch.sweep(stream.engine.newest_ms)
    assert [outage.is_entity for outage in outages] == [True]
    assert dict(outages[0].labels) == {"service": "db"}
    assert outages[0].rows == tuple(range(10, 20))
    stream.send(10, without=frozenset(range(10, 20)))
    assert stream.watch.sweep(stream.engine.newest_ms)[0] == []


def test_one_silent_series_is_told_by_itself() -> None:
    stream = Stream()
    stream.send(60)
    stream.send(10, without=frozenset({3}))
    outages, _ = stream.watch.sweep(stream.engine.newest_ms)
    assert [(outage.is_entity, outage.rows) for outage in outages] == [(False, (3,))]


def test_silence_that_begins_within_a_request_of_many_minutes_is_told() -> None:
    """Series by series, as a sender that was away sends: the others' later samples do not make this one late."""
    stream = Stream()
    stream.send(60)
    for silent_from in (4, 0):
        minutes = [range(silent_from if 10 <= row < 20 else 10) for row in range(30)]
        rows = np.repeat(np.arange(30, dtype=np.int32), [len(of_row) for of_row in minutes])
        times = START_MS + 60_000 * (stream.minute + np.concatenate([np.array(m, np.int64) for m in minutes]))
        values = np.random.default_rng(stream.minute).normal(5, 1, len(rows))
        stream.engine.ingest(SampleBatch(rows, times, values, np.zeros(len(rows), np.bool_)))
        stream.minute += 10
    outages, _ = stream.watch.sweep(stream.engine.newest_ms)
    assert [outage.rows for outage in outages] == [tuple(range(10, 20))]


def test_speaking_again_is_told() -> None:
    stream = Stream()
    stream.send(60)
    stream.send(10, without=frozenset({3}))
    stream.watch.sweep(stream.engine.newest_ms)
    stream.send(2)
    assert stream.watch.sweep(stream.engine.newest_ms) == ([], [3])


def test_a_stopped_sender_is_not_thirty_dead_series() -> None:
    stream = Stream()
    stream.send(60)
    assert stream.watch.sweep(stream.engine.newest_ms) == ([], [])


def test_a_stream_that_resumes_with_some_of_its_series_is_no_outage() -> None:
    stream = Stream()
    stream.send(60)
    before_ms = stream.engine.newest_ms
    stream.minute += 600
    stream.watch.paused(before_ms, START_MS + 60_000 * stream.minute)
    stream.send(1, without=frozenset(range(10, 30)))
    assert stream.watch.sweep(stream.engine.newest_ms) == ([], [])
    stream.send(10, without=frozenset(range(10, 20)))
    outages, _ = stream.watch.sweep(stream.engine.newest_ms)
    assert [outage.rows for outage in outages] == [tuple(range(10, 20))]


def test_a_pause_as_long_as_earlier_ones_is_not_missing() -> None:
    stream = Stream()
    stream.send(40)
    stream.send(20, without=frozenset({3}))
    stream.send(40)
    stream.send(30, without=frozenset({3}))
    assert stream.watch.sweep(stream.engine.newest_ms)[0] == []


def test_what_ended_as_a_whole_is_gone_on_purpose() -> None:
    stream = Stream()
    stream.send(60)
    stream.end(range(10, 20))
    stream.send(20, without=frozenset(range(10, 20)))
    assert stream.watch.sweep(stream.engine.newest_ms)[0] == []


def test_ended_while_some_of_it_still_speaks_is_an_outage() -> None:
    """A Prometheus target that is down: its series end, `up` and the scrape's own series go on."""
    stream = Stream()
    stream.send(60)
    stream.end(range(10, 18))
    stream.send(20, without=frozenset(range(10, 18)))
    outages, _ = stream.watch.sweep(stream.engine.newest_ms)
    assert [(outage.is_entity, len(outage.rows)) for outage in outages] == [(True, 8)]


def test_a_series_silent_for_a_day_is_given_up() -> None:
    stream = Stream()
    stream.send(60)
    stream.send(10, without=frozenset({3}))
    stream.watch.sweep(stream.engine.newest_ms)
    stream.send(1500, without=frozenset({3}))
    assert stream.watch.sweep(stream.engine.newest_ms) == ([], [3])


class Pods:
    """Pods of a service that come and go, two metrics each, beside another service that stays."""

    def __init__(self, role: str = "service") -> None:
        self.role = role
        self.table = SeriesTable(200)
        self.engine = Engine(self.table)
        self.watch = MissingWatch(self.table, self.engine.state, ("service", "pod"), 5, 30, 86_400)
        self.minute = 0
        self.told: list[Silence] = []
        self.over: list[int] = []

    def send(self, minutes: int, *pods: str) -> None:
        """All at once, and looked at every minute."""
        names = [{"service": "other", "pod": "o-1"}, *({self.role: "shop", "pod": pod} for pod in pods)]
        series = [canonical({"__name__": metric, **one}) for one in names for metric in ("latency_ms", "cpu_percent")]
        for _ in range(minutes):
            rows = np.array([self.table.row(labels) for labels in series], np.int32)
            times = np.full(len(rows), START_MS + 60_000 * self.minute)
            values = np.random.default_rng(self.minute).normal(5, 1, len(rows))
            self.engine.ingest(SampleBatch(rows, times, values, np.zeros(len(rows), np.bool_)))
            self.minute += 1
            outages, over = self.watch.sweep(self.engine.newest_ms)
            self.told += outages
            self.over += over


def said(outage: Silence) -> str:
    return finding.silence(outage, START_MS).sentence


@pytest.mark.parametrize("overlap", [0, 3, 15])
def test_a_rolling_deployment_is_no_outage(overlap: int) -> None:
    pods = Pods()
    pods.send(300, "a-1", "a-2", "a-3")
    for old, rest in ((1, ("a-2", "a-3")), (2, ("b-1", "a-3")), (3, ("b-1", "b-2"))):
        pods.send(overlap, f"a-{old}", f"b-{old}", *rest)
        pods.send(10, f"b-{old}", *rest)
    pods.send(30, "b-1", "b-2", "b-3")
    assert pods.told == []


def test_pods_that_are_all_replaced_at_once_are_no_outage() -> None:
    pods = Pods()
    pods.send(300, "a-1", "a-2", "a-3")
    pods.send(30, "b-1", "b-2", "b-3")
    assert pods.told == []


def test_a_pod_without_successor_is_told_by_its_name_and_how_many_report() -> None:
    pods = Pods()
    pods.send(300, "a-1", "a-2", "a-3")
    pods.send(30, "a-2", "a-3")
    (outage,) = pods.told
    assert said(outage) == "shop pod a-1 stopped reporting; 2 of 3 report"
    assert len(outage.rows) == 2 and not outage.is_entity
    alert = finding.silence(outage, START_MS)
    assert severity([alert], 1, START_MS + 5 * 3_600_000)[0] <= Severity.MEDIUM
    pods.send(30, "a-3")
    assert [said(one) for one in pods.told[1:]] == ["shop pod a-2 stopped reporting; 1 of 3 report"]
    pods.send(5, "a-1", "a-3")
    assert pods.over == list(outage.rows)


def test_a_successor_that_comes_late_ends_the_silence() -> None:
    pods = Pods()
    pods.send(300, "a-1", "a-2")
    pods.send(60, "a-2")
    (outage,) = pods.told
    pods.send(1, "b-1", "a-2")
    assert sorted(pods.over) == list(outage.rows)
    pods.send(60, "b-1", "a-2")
    assert len(pods.told) == 1


def test_one_successor_replaces_one() -> None:
    pods = Pods()
    pods.send(300, "a-1", "a-2", "a-3")
    pods.send(30, "a-3", "b-1")
    assert len(pods.told) == 1
    assert "stopped reporting; 2 of 3 report" in said(pods.told[0])


def test_a_whole_service_of_pods_that_falls_silent_is_one_outage() -> None:
    pods = Pods()
    pods.send(300, "a-1", "a-2", "a-3")
    pods.send(100, "b-1", "b-2", "b-3")
    pods.send(30)
    (outage,) = pods.told
    assert outage.is_entity and len(outage.rows) == 6
    assert said(outage) == "6 series of shop stopped reporting"


@pytest.mark.parametrize("role", ["service", "job"])
@pytest.mark.parametrize("minutes", [25, 50, 60, 75])
def test_pods_of_an_hourly_job_are_no_outages(minutes: int, role: str) -> None:
    pods = Pods(role)
    for k in range(14 * 12):
        pods.send(5, *(f"job-{hour}" for hour in range(15) if 0 <= 5 * k - 60 * hour < minutes))
    assert pods.told == []


def test_one_host_is_not_the_successor_of_another() -> None:
    bare = canonical({"__name__": "load", "host": "h-1"})
    assert role_of(bare, ("host", "h-1")) == 0
    assert role_of(canonical({"__name__": "load", "host": "h-1", "job": "web"}), ("host", "h-1")) != 0
