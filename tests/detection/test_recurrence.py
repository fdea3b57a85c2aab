"""A spike that comes at its time and then stays away is told once; what has no time, or could not be seen, is not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from aiops.detection import state as S
from aiops.detection.engine import Engine
from aiops.detection.habit import CLOCK_MIN
from aiops.detection.recurrence import Overdue, RecurrenceWatch
from aiops.detection.recurrence_kernel import crossings
from aiops.detection.scores import Status
from aiops.detection.state import State
from aiops.metrics.series import SampleBatch, SeriesTable, canonical
from tests.detection.test_complaints import Floats

DAY = 1440
START_MS = 1_767_571_200_000  # a Monday
ALIVE = canonical({"__name__": "up", "service": "web"})


class Stream:
    """One series with spikes and one that only lives, a sample a minute, in requests of half an hour."""

    def __init__(self, name: str = "backup_bytes") -> None:
        self.table = SeriesTable(10)
        self.row = self.table.row(canonical({"__name__": name, "service": "db"}))
        self.alive = self.table.row(ALIVE)
        self.engine = Engine(self.table)
        self.watch = RecurrenceWatch(self.table, self.engine.state)
        self.minute = 0
        self.told: list[tuple[int, Overdue]] = []  # minute at which, and what
        self.came: list[int] = []
        self.gone: list[int] = []

    def send(self, values: Floats, per_request: int = 30) -> None:
        """NaN: no sample."""
        for first in range(0, len(values), per_request):
            part = values[first : first + per_request]
            times = START_MS + 60_000 * (self.minute + np.arange(len(part)))
            is_there = ~np.isnan(part)
            rows = np.repeat([self.row, self.alive], [int(is_there.sum()), len(part)]).astype(np.int32)
            both = SampleBatch(
                rows,
                np.concatenate([times[is_there], times]),
                np.concatenate([part[is_there], np.ones(len(part))]),
                np.zeros(len(rows), np.bool_),
            )
            self.watch.note(both, self.engine.ingest(both).status)
            self.minute += len(part)
            self.look()

    def look(self) -> None:
        told, came, gone = self.watch.look(self.engine.newest_ms)
        self.told += [(self.minute, one) for one in told]
        self.came += [self.minute] * len(came)
        self.gone += [self.minute] * len(gone)


def spikes(starts: list[int], minutes: int, length: int = 1, seed: int = 0, height: float = 100.0) -> Floats:
    rng = np.random.default_rng(seed)
    values = np.abs(rng.normal(10, 1, minutes))
    for start in starts:
        end = min(start + length, minutes)
        values[start:end] = height * rng.uniform(0.7, 1.3, max(end - start, 0))
    return values


def nightly(days: range, jitter: int = 3, seed: int = 0) -> list[int]:
    rng = np.random.default_rng((seed, 1))
    return [day * DAY + 150 + int(rng.integers(0, jitter + 1)) for day in days]


def told_of(starts: list[int], minutes: int, length: int = 1, seed: int = 0) -> Stream:
    stream = Stream()
    stream.send(spikes(starts, minutes, length, seed))
    return stream


@pytest.mark.parametrize("length", [1, 25])
@pytest.mark.parametrize("seed", range(3))
def test_a_daily_spike_that_stays_away_is_told_once(seed: int, length: int) -> None:
    stream = told_of(nightly(range(14), seed=seed), 17 * DAY, length, seed)
    ((minute, overdue),) = stream.told
    assert 14 * DAY + 150 + 60 <= minute <= 14 * DAY + 150 + 60 + 40
    assert abs(overdue.period_s - 86_400) <= 3 * 60
    assert abs(overdue.due_ms - START_MS - 60_000 * (14 * DAY + 150)) <= 6 * 60_000
    assert overdue.on_time == overdue.of >= 11
    assert stream.came == []


def test_the_spike_that_comes_ends_it() -> None:
    stream = told_of([*nightly(range(14)), 14 * DAY + 400, *nightly(range(15, 17))], 17 * DAY)
    assert len(stream.told) == 1
    assert stream.came == [14 * DAY + 420]


def test_a_daily_spike_that_comes_is_never_told() -> None:
    for seed in range(5):
        assert told_of(nightly(range(25), jitter=20, seed=seed), 25 * DAY, 10, seed).told == []


@pytest.mark.parametrize("period", [30, 60, 240])
def test_a_spike_of_every_hour_that_stays_away_is_told(period: int) -> None:
    last = 4 * DAY
    stream = told_of(list(range(7, last, period)), last + 6 * period, 2)
    ((minute, overdue),) = stream.told
    assert minute <= last + 2 * period
    assert overdue.period_s == 60 * period


def test_irregular_spikes_are_never_told() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        starts = np.cumsum(rng.exponential(rng.choice([120, 400, DAY]), 200)).astype(int)
        assert told_of([int(k) for k in starts if k < 28 * DAY], 30 * DAY, 2, seed).told == []


def test_noise_has_no_spikes_that_could_be_overdue() -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        n = 20 * DAY
        for values in (rng.normal(0, 1, n), rng.lognormal(0, 1, n), rng.poisson(0.2, n), rng.standard_t(4, n)):
            stream = Stream()
            stream.send(values.astype(np.float64))
            assert stream.told == []


def test_a_job_of_working_days_is_told_on_tuesday_and_not_on_saturday() -> None:
    working = [start for start in nightly(range(35)) if start // DAY % 7 < 5]
    assert told_of(working, 35 * DAY).told == []
    stream = told_of([start for start in working if start < 29 * DAY], 33 * DAY)
    ((minute, overdue),) = stream.told
    assert minute // DAY == 29  # the Tuesday it did not come
    assert abs(overdue.due_ms - START_MS - 60_000 * (29 * DAY + 150)) <= 6 * 60_000


def test_a_job_of_office_hours_is_not_told_at_night_or_at_the_weekend() -> None:
    starts = [day * DAY + 60 * hour for day in range(28) if day % 7 < 5 for hour in range(9, 18)]
    assert told_of(starts, 28 * DAY, 2).told == []


def test_late_but_within_its_usual_spread_is_not_told() -> None:
    starts = [*nightly(range(14), jitter=40), 14 * DAY + 150 + 70, *nightly(range(15, 18), jitter=40)]
    assert told_of(starts, 18 * DAY, 10).told == []


def test_a_hole_that_may_have_held_the_spike_makes_nothing_overdue() -> None:
    values = spikes(nightly(range(14)), 16 * DAY)
    values[14 * DAY + 100 : 14 * DAY + 200] = np.nan
    stream = Stream()
    stream.send(values[: 15 * DAY])
    assert stream.told == []
    stream.send(values[15 * DAY :])
    ((_, overdue),) = stream.told  # the next one was seen not to come
    assert overdue.due_ms > START_MS + 60_000 * (15 * DAY + 60)


def test_a_short_hole_at_another_time_changes_nothing() -> None:
    values = spikes(nightly(range(14)), 15 * DAY)
    values[14 * DAY + 60 : 14 * DAY + 67] = np.nan
    stream = Stream()
    stream.send(values)
    assert len(stream.told) == 1


def test_a_series_that_is_silent_is_not_overdue() -> None:
    values = spikes(nightly(range(14)), 16 * DAY)
    values[14 * DAY :] = np.nan
    stream = Stream()
    stream.send(values)
    assert stream.told == []


def test_a_gap_of_the_whole_stream_makes_nothing_overdue() -> None:
    stream = told_of(nightly(range(14)), 14 * DAY)
    stream.minute += 300
    stream.send(spikes([], 10 * 60, seed=1))
    assert stream.told == []


def test_a_clock_that_is_set_back_makes_nothing_overdue() -> None:
    stream = told_of(nightly(range(14)), 14 * DAY)
    stream.minute -= 3 * DAY
    stream.send(spikes([], 2 * DAY, seed=1))
    assert stream.told == []


def test_one_huge_outlier_does_not_hide_the_spikes_that_come() -> None:
    values = spikes(nightly(range(25)), 25 * DAY)
    values[15 * DAY + 700] = 50_000.0
    stream = Stream()
    stream.send(values)
    assert stream.told == []


def test_a_level_that_stays_up_is_not_overdue() -> None:
    values = spikes(nightly(range(14)), 20 * DAY)
    values[14 * DAY :] += 200
    stream = Stream()
    stream.send(values)
    assert stream.told == []


def test_counters_are_judged_by_their_rate() -> None:
    stream = Stream("backup_bytes_total")
    stream.send(np.cumsum(60 * spikes(nightly(range(14)), 16 * DAY, 10)))
    ((minute, _),) = stream.told
    assert minute // DAY == 14


def test_what_never_comes_again_is_given_up() -> None:
    stream = told_of(nightly(range(14)), 25 * DAY)
    assert len(stream.told) == 1
    assert [minute // DAY for minute in stream.gone] == [21]
    assert not stream.watch.is_overdue(stream.row)


def test_the_rhythm_is_forgotten_with_the_row() -> None:
    stream = told_of(nightly(range(14)), 14 * DAY)
    for keeper in (stream.engine, stream.watch):
        keeper.forget(np.array([stream.row]))
    stream.send(spikes([], 2 * DAY, seed=1))
    assert stream.told == []


@pytest.mark.parametrize("is_told", [False, True])
def test_it_survives_a_restart_and_is_still_told_once(is_told: bool) -> None:
    stream = told_of(nightly(range(14)), 14 * DAY + (400 if is_told else 0))
    assert len(stream.told) == is_told
    stream.watch = RecurrenceWatch(stream.table, stream.engine.state)
    stream.send(spikes([300], DAY, seed=1)[: 400 if is_told else DAY])
    assert len(stream.told) == 1
    if is_told:
        assert stream.came


def test_a_spike_in_the_first_request_after_a_restart_is_seen() -> None:
    stream = told_of(nightly(range(14), jitter=0), 14 * DAY + 149)
    stream.watch = RecurrenceWatch(stream.table, stream.engine.state)
    stream.send(spikes([1], 600, seed=1))
    assert stream.told == []


def test_many_series_in_one_request_are_each_judged_by_their_own() -> None:
    table = SeriesTable(40)
    rows = np.array([table.row(canonical({"__name__": "rows", "shard": str(k)})) for k in range(20)], np.int32)
    engine = Engine(table)
    watch = RecurrenceWatch(table, engine.state)
    late: NDArray[np.bool_] = np.arange(20) % 4 == 0
    values = np.array(
        [spikes([60 * h + k % 60 for h in range(48 if late[k] else 60)], 60 * 60, 1, k) for k in range(20)]
    )
    told: set[int] = set()
    for minute in range(60 * 60):
        batch = SampleBatch(rows, np.full(20, START_MS + 60_000 * minute), values[:, minute], np.zeros(20, np.bool_))
        watch.note(batch, engine.ingest(batch).status)
        told |= {one.row for one in watch.look(engine.newest_ms)[0]}
    assert told == set(rows[late].tolist())


def plain_crossings(
    batch: SampleBatch,
    status: NDArray[np.uint8],
    is_counter: NDArray[np.bool_],
    interval_min: Floats,
    bars: dict[int, float],
    seen: dict[int, tuple[int, int, int, float]],
) -> list[tuple[int, int, int]]:
    """The kernel's twin. seen: row -> minute last seen, minute last above, time and value of the sample before."""
    found = []
    for k, (row, time_ms, sent) in enumerate(
        zip(batch.rows.tolist(), batch.time_ms.tolist(), batch.values, strict=True)
    ):
        if row not in bars or Status(status[k]) not in (Status.SCORED, Status.WARMING_UP, Status.RESET):
            continue
        last_seen, last_above, before_ms, before = seen[row]
        value = float(sent)
        if is_counter[row]:
            has_rate = before_ms > 0 and time_ms > before_ms and sent >= before
            value = (value - before) / ((time_ms - before_ms) / 1000) if has_rate else float("nan")
        minute = time_ms // 60_000
        hole = minute - last_seen if minute - last_seen > max(5 * interval_min[row], 2) else 0
        begins = value > bars[row] and minute - last_above > max(2.5 * interval_min[row], 10)
        seen[row] = (minute, minute if value > bars[row] else last_above, time_ms, float(sent))
        if hole or begins:
            found.append((k, hole, int(begins)))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_kernel_finds_what_its_plain_twin_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    state, n, first = State.allocate(8), 3000, START_MS // 60_000
    is_counter, watched = np.arange(8) % 3 == 0, np.arange(8) < 6
    state.head[:, S.INTERVAL_S] = rng.choice([15.0, 60.0, 600.0], 8)
    state.body[:, S.EVENT_BAR] = 2.5
    bars = dict.fromkeys(range(6), 2.5)
    state.body[:, S.EVENT_SEEN] = first % CLOCK_MIN
    state.body[:, S.EVENT_ABOVE] = (first - 5000) % CLOCK_MIN
    seen = dict.fromkeys(range(6), (first, first - 5000, 0, 0.0))
    before = np.zeros((2, 8))
    time_ms = START_MS + np.cumsum(rng.choice([1000, 15_000, 60_000, 900_000], n, p=[0.5, 0.3, 0.19, 0.01]))
    for at in np.split(np.arange(n), np.sort(rng.integers(0, n, 40))):
        rows = rng.integers(0, 8, len(at)).astype(np.int32)
        values = np.where(is_counter[rows], (time_ms[at] - START_MS) / 400, 0) + rng.exponential(1, len(at))
        batch = SampleBatch(rows, time_ms[at], values, np.zeros(len(at), np.bool_))
        status = rng.choice([0, 1, 2, 3, 4, 6, 7], len(at), p=[0.7, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05]).astype(
            np.uint8
        )
        found = crossings(
            rows, batch.time_ms, values, status, is_counter, state.head, state.body, watched, before[0], before[1]
        )
        plain = plain_crossings(batch, status, is_counter, state.head[:, S.INTERVAL_S] / 60, bars, seen)
        assert [tuple(one) for one in found.tolist()] == plain
        for row, (last_seen, last_above, _, _) in seen.items():
            assert state.body[row, S.EVENT_SEEN] == last_seen % CLOCK_MIN
            assert state.body[row, S.EVENT_ABOVE] == last_above % CLOCK_MIN
