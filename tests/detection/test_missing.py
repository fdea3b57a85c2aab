"""Silence is told per series or per entity, once, and only while the stream lives."""

import numpy as np

from aiops.detection.engine import Engine
from aiops.detection.missing import MissingWatch
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
