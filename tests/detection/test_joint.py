"""The joint scores of entities, live: who belongs together, what is bounded, what a restart keeps."""

import threading
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from aiops import finding
from aiops.detection import entity_kernel as K
from aiops.detection import state as S
from aiops.detection.engine import Engine
from aiops.detection.entity import EntityScorer
from aiops.detection.joint import Joint, JointWatch
from aiops.detection.state import State
from aiops.incidents.alert import JOINT, fingerprint_of
from aiops.metrics.series import SampleBatch, SeriesTable

START_MS = 1_767_571_200_000
STEP_MS = 300_000
DAY = 288


class Fleet:
    """Hosts whose metrics follow one load; `walk` lets time pass."""

    def __init__(self, hosts: int = 1, metrics: int = 5, entities_max: int = 10, metrics_max: int = 8) -> None:
        self.table = SeriesTable(1000)
        self.state = State.allocate(1000)
        self.limits = (entities_max, metrics_max)
        self.watch = self.new_watch()
        self.rng = np.random.default_rng(3)
        self.step = 0
        for host in range(hosts):
            for metric in range(metrics):
                self.add(host, metric)

    def new_watch(self) -> JointWatch:
        return JointWatch(self.table, self.state, ("host",), 300, 3600, *self.limits)

    def add(self, host: int, metric: int) -> int:
        return self.table.row((("__name__", f"m{metric}"), ("host", f"h{host}")), False)

    def forget(self, rows: list[int]) -> None:
        self.watch.forget(np.array(rows))
        self.table.free(np.array(rows))

    def walk(
        self, steps: int, broken: tuple[int, ...] = (), silent: tuple[int, ...] = ()
    ) -> tuple[list[Joint], list[tuple[tuple[str, str], int]]]:
        found: list[Joint] = []
        over: list[tuple[tuple[str, str], int]] = []
        for _ in range(steps):
            now_ms, n = START_MS + self.step * STEP_MS, len(self.table)
            load = 10 + 3 * np.sin(2 * np.pi * self.step / DAY) + self.rng.normal(0, 1)
            values = load + self.rng.normal(0, 0.2, n)
            values[list(broken)] = 30 - values[list(broken)]
            speaking = [row for row in range(n) if row not in silent]
            self.state.head[speaking, S.LAST_VALUE] = values[speaking]
            self.state.head[speaking, S.LAST_TIME_MS] = now_ms
            self.state.head[speaking, S.INTERVAL_S] = 300
            self.state.head[speaking, S.SEEN] += 1
            joints, usual = self.watch.look(now_ms)
            found, over, self.step = found + joints, over + usual, self.step + 1
        return found, over


def test_an_entity_opens_lasts_and_ends_with_the_metric_to_blame_first() -> None:
    fleet = Fleet(hosts=2)
    assert fleet.walk(5 * DAY) == ([], [])
    found, over = fleet.walk(14, broken=(6,))
    opening, lasting = found
    assert (opening.entity, opening.is_lasting, lasting.is_lasting) == (("host", "h1"), False, True)
    assert lasting.contributors[0][0] == 6
    assert not over
    assert fleet.watch.is_open(("host", "h1"))
    assert [key for key, _ in fleet.walk(DAY)[1]] == [("host", "h1")]
    assert not fleet.watch.is_open(("host", "h1"))


def test_its_alert_names_metrics_and_lasting_is_enough_by_itself() -> None:
    labels = [(("__name__", "latency_ms"),), (("__name__", "errors"), ("code", "5"))]
    first = finding.joint(Joint(("service", "checkout"), START_MS, 6.0, ((3, 0.7), (9, 0.2)), False), labels)
    assert first.sentence == "2 metrics of service checkout move together as never before: latency_ms, errors"
    assert (first.kind, first.score, dict(first.contributions)) == (JOINT, 0.75, {"latency_ms": 0.7, "errors": 0.2})
    assert first.is_novel
    weak = finding.joint(Joint(("service", "checkout"), START_MS, 4.0, ((3, 1.0),), False), labels[:1])
    assert weak.sentence == "latency_ms of service checkout moves against its other metrics as never before"
    assert not weak.is_novel
    extreme = finding.joint(Joint(("service", "checkout"), START_MS, 600.0, ((3, 0.7), (9, 0.2)), False), labels)
    lasting = finding.joint(Joint(("service", "checkout"), START_MS, 6.0, ((3, 0.7), (9, 0.2)), True), labels)
    assert extreme.score < 0.88 < lasting.score
    assert fingerprint_of((("service", "checkout"),)) == first.fingerprint


def test_entities_and_metrics_are_bounded() -> None:
    fleet = Fleet(hosts=3, metrics=6, entities_max=2, metrics_max=4)
    fleet.walk(2)
    assert (len(fleet.watch), fleet.watch.left_out) == (2, (6, 2 * 2))
    none = Fleet(hosts=3, entities_max=0)
    assert none.walk(3) == ([], [])
    assert (len(none.watch), none.watch.bytes_max) == (0, 0)


def test_few_series_are_no_entity_yet() -> None:
    fleet = Fleet(metrics=4)
    fleet.walk(3)
    assert (len(fleet.watch), fleet.watch.left_out) == (0, (0, 0))
    fleet.add(0, 4)
    fleet.walk(1)
    assert len(fleet.watch) == 1


def test_forgotten_series_end_what_they_opened_now_and_make_room_for_those_left_out() -> None:
    fleet = Fleet(hosts=3, metrics=5, entities_max=2, metrics_max=4)
    fleet.walk(5 * DAY)
    assert fleet.watch.left_out == (5, 2)
    fleet.walk(14, broken=(1,))
    assert fleet.watch.is_open(("host", "h0"))
    last_ms = START_MS + (fleet.step - 1) * STEP_MS
    fleet.forget([0, 1, 2, 3, 4])
    assert fleet.watch.look(last_ms) == ([], [(("host", "h0"), last_ms)])
    assert (len(fleet.watch), fleet.watch.left_out) == (2, (0, 2))  # the third host has the place
    scorer = fleet.watch.scorer_of(("host", "h2"))
    assert scorer is not None and not scorer.columns.any()
    fleet.forget([5])
    assert fleet.watch.left_out == (0, 1)  # the fifth metric of its host has the column
    fleet.forget(list(range(6, 15)))
    assert (len(fleet.watch), fleet.watch.left_out) == (0, (0, 0))
    assert not any(pool.memory.any() for pool in fleet.watch._pools)


def test_a_newcomer_takes_the_place_of_what_fell_silent_a_day_ago() -> None:
    fleet = Fleet(metrics=5, metrics_max=5)
    fleet.walk(DAY)
    fleet.walk(DAY // 2, silent=(0,))
    fleet.add(0, 9)
    fleet.walk(1, silent=(0,))
    assert fleet.watch.left_out == (0, 1)
    fleet.walk(DAY, silent=(0,))
    row = fleet.add(0, 10)
    fleet.walk(3 * DAY, silent=(0, 5))
    assert fleet.watch.left_out == (0, 2)
    found, _ = fleet.walk(20, broken=(row,), silent=(0, 5))
    assert found[0].contributors[0][0] == row


def test_a_restart_goes_on_bit_by_bit_where_it_stood(tmp_path: Path) -> None:
    fleet = Fleet(hosts=2)
    fleet.walk(5 * DAY)
    fleet.walk(5, broken=(6,))
    fleet.watch.save(tmp_path, threading.Lock())
    kept, again = fleet.watch, fleet.new_watch()
    again.restore(tmp_path)
    assert again.is_open(("host", "h1"))
    state, step = fleet.rng.bit_generator.state, fleet.step
    found = fleet.walk(20, broken=(1, 6))
    fleet.rng.bit_generator.state, fleet.step, fleet.watch = state, step, again
    assert fleet.walk(20, broken=(1, 6)) == found
    assert found[0]
    for one, other in zip(kept._pools, again._pools, strict=True):
        for key in one.keys.values():
            mine, theirs = kept.scorer_of(key), again.scorer_of(key)
            assert mine is not None and theirs is not None
            assert mine.memory.tobytes() == theirs.memory.tobytes()
        assert sorted(one.keys.values()) == sorted(other.keys.values())


def test_a_torn_or_foreign_snapshot_is_told_and_changes_nothing(tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.walk(10)
    fleet.watch.save(tmp_path, threading.Lock())
    file = tmp_path / "joint.npz"
    whole = file.read_bytes()
    for broken in (whole[:-9], b"{}", whole.replace(b"keys_8", b"keys_9")):
        file.write_bytes(broken)
        fresh = fleet.new_watch()
        with capture_logs() as lines:
            fresh.restore(tmp_path)
        assert [line["event"] for line in lines] == ["joint_snapshot_refused"]
        assert len(fresh) == 0
    file.write_bytes(whole)
    off = JointWatch(fleet.table, fleet.state, ("host",), 300, 3600, 0, 8)
    off.restore(tmp_path)
    off.save(tmp_path, threading.Lock())
    assert (len(off), file.read_bytes()) == (0, whole)


def test_what_the_table_does_not_know_any_more_begins_anew(tmp_path: Path) -> None:
    fleet = Fleet(hosts=2)
    fleet.walk(2 * DAY)
    fleet.watch.save(tmp_path, threading.Lock())
    table = SeriesTable(10)
    for metric in (4, 3, 2, 7):
        table.row((("__name__", f"m{metric}"), ("host", "h1")), False)
    watch = JointWatch(table, fleet.state, ("host",), 300, 3600, 10, 8)
    watch.restore(tmp_path)
    assert len(watch) == 1
    scorer = watch.scorer_of(("host", "h1"))
    assert scorer is not None
    assert (scorer.columns[K.SEEN] > 0).tolist() == [False, False, True, True, True, False, False, False]
    assert watch.look(0) == ([], [])
    assert watch.left_out == (0, 0)


@pytest.mark.parametrize(("entities_max", "metrics_max", "count"), [(1, 20, 1), (10, 20, 2), (10, 4, 0)])
def test_other_limits_hold_from_the_next_start_on(
    tmp_path: Path, entities_max: int, metrics_max: int, count: int
) -> None:
    fleet = Fleet(hosts=2)
    fleet.walk(DAY)
    fleet.watch.save(tmp_path, threading.Lock())
    fleet.limits = (entities_max, metrics_max)
    fleet.watch = fleet.new_watch()
    fleet.watch.restore(tmp_path)
    assert len(fleet.watch) == count
    fleet.walk(2)
    assert len(fleet.watch) == min(entities_max, 2)


def test_an_entity_that_grows_moves_among_the_wider_ones_and_forgets_nothing() -> None:
    fleet = Fleet(metrics=5, metrics_max=20)
    fleet.walk(5 * DAY)
    for metric in range(5, 12):
        fleet.add(0, metric)
    fleet.walk(2)
    scorer = fleet.watch.scorer_of(("host", "h0"))
    assert scorer is not None
    assert (scorer.metric_count, scorer.scalars[K.ROWS]) == (20, 5 * DAY + 2)
    found, _ = fleet.walk(14, broken=(1,))
    assert found[0].contributors[0][0] == 1


def test_many_entities_at_once_score_as_each_by_itself() -> None:
    fleet = Fleet(hosts=3)
    seen: list[list[float]] = []
    for _ in range(3 * DAY):
        fleet.walk(1)
        seen.append(fleet.state.head[: len(fleet.table), S.LAST_VALUE].tolist())
    values = np.array(seen)
    times = START_MS + STEP_MS * np.arange(len(values))
    for host in range(3):
        scorer, found = EntityScorer(5), fleet.watch.scorer_of(("host", f"h{host}"))
        assert found is not None
        scorer.scalars[K.PHASE_MS] = found.scalars[K.PHASE_MS]
        scorer.score(times, values[:, 5 * host : 5 * host + 5])
        np.testing.assert_array_equal(found.scalars, scorer.scalars)
        np.testing.assert_array_equal(found.columns[:, :5], scorer.columns)


def test_a_long_request_gives_one_row_per_interval_as_its_samples_one_by_one_do() -> None:
    """Gauges, a counter, and a series that speaks only every third interval."""
    random = np.random.default_rng(5)
    steps, broken = 6 * DAY, slice(5 * DAY, 5 * DAY + 30)
    load = 10 + 3 * np.sin(2 * np.pi * np.arange(steps) / DAY) + random.normal(0, 1, steps)
    values = load + random.normal(0, 0.2, (5, steps))
    values[1, broken] = 30 - values[1, broken]
    values[4] = np.cumsum(300 * values[4])
    times = START_MS + STEP_MS * np.arange(steps)

    def told(per_request: int) -> tuple[list[tuple[object, ...]], list[tuple[tuple[str, str], int]], float]:
        table = SeriesTable(10)
        rows = [table.row((("__name__", f"m{k}"), ("host", "h")), k == 4) for k in range(5)]
        engine = Engine(table)
        watch = JointWatch(table, engine.state, ("host",), STEP_MS / 1000, 3600, 10, 8)
        found: list[tuple[object, ...]] = []
        over = []
        for first in range(0, steps, per_request):
            part = [(row, j) for row in rows for j in range(first, first + per_request) if row != 3 or j % 3 == 0]
            series, at = np.array([row for row, _ in part], np.int32), np.array([j for _, j in part])
            batch = SampleBatch(series, times[at], values[series, at], np.zeros(len(at), np.bool_))
            scores = engine.ingest(batch)
            watch.replay(batch, scores.status)
            joints, usual = watch.look(engine.newest_ms)
            found += [(one.time_ms, one.contributors[0][0], one.is_lasting) for one in joints]
            over += usual
        return found, over, rows_of(watch)

    def rows_of(watch: JointWatch) -> float:
        scorer = watch.scorer_of(("host", "h"))
        assert scorer is not None
        return float(scorer.scalars[K.ROWS])

    single, many = told(1), told(36)
    assert [(row, is_lasting) for _, row, is_lasting in single[0]] == [(1, False), (1, True)]
    assert (many[2], single[2]) == (steps, steps)
    assert many[0] == single[0]
    assert many[1] == single[1]
