"""What users of other detectors complain about, each as a claim that can fail."""

import numpy as np
import pytest
from numpy.typing import NDArray

from aiops.detection import state as S
from aiops.detection.engine import Engine
from aiops.detection.likelihood import deviations_at
from aiops.detection.scores import Kind, Scores, Status
from aiops.detection.state import BYTES_PER_SERIES
from aiops.metrics.series import SampleBatch, SeriesTable

START_MS = 1_767_571_200_000
DAY = 288  # samples of five minutes
Floats = NDArray[np.float64]


def score(values: Floats, step_s: float = 300, name: str = "m", times: NDArray[np.int64] | None = None) -> Scores:
    table = SeriesTable(1)
    table.row((("__name__", name),))
    n = len(values)
    if times is None:
        times = START_MS + (step_s * 1000 * np.arange(n)).astype(np.int64)
    return Engine(table).ingest(SampleBatch(np.zeros(n, np.int32), times, values, np.zeros(n, np.bool_)))


def daily(rng: np.random.Generator, days: int, noise: float = 1.0) -> Floats:
    at = np.arange(days * DAY) / DAY * 2 * np.pi
    return np.asarray(50 - 20 * np.cos(at) + rng.normal(0, noise, days * DAY))


def onsets_after(scores: Scores, start: int) -> list[int]:
    return [k for k in scores.onsets.tolist() if k >= start]


def test_a_tiny_change_of_a_constant_is_not_severe() -> None:
    values = np.full(2000, 1000.0)
    values[1500:] += 0.05
    assert score(values).score[1500:1510].max() < 0.5


def test_one_more_on_a_constant_counter_is_no_alert() -> None:
    values = np.full(2000, 70.0)
    values[1500:] += 1
    assert onsets_after(score(values, name="errors_total"), 0) == []


def test_a_daily_job_goes_quiet_within_a_week() -> None:
    values = np.abs(np.random.default_rng(1).normal(1, 0.05, 28 * DAY))
    for day in range(28):
        values[day * DAY + 30 : day * DAY + 36] = 100.0
    scores = score(values)
    novel = [k for k in scores.onsets.tolist() if k >= 8 * DAY and scores.novel[k]]
    assert novel == []
    assert not any(k >= 8 * DAY for k in scores.persisted.tolist())


def test_a_level_shift_alerts_once_and_is_then_the_new_normal() -> None:
    values = daily(np.random.default_rng(2), 14)
    values[10 * DAY :] += 60
    scores = score(values)
    first = onsets_after(scores, 10 * DAY)
    assert first[0] < 10 * DAY + 5
    assert len(first) <= 2
    assert not scores.anomalous[11 * DAY :].any()


def test_recurring_collection_of_memory_is_no_evidence_after_days() -> None:
    rng = np.random.default_rng(3)
    at = np.arange(14 * DAY)
    values = 100 + 40 * (at % 37) / 37 + rng.normal(0, 0.5, len(at))
    scores = score(values)
    assert not any(k >= 5 * DAY for k in scores.persisted.tolist())


def test_sparse_series_get_scores_after_the_warm_up() -> None:
    scores = score(np.random.default_rng(4).normal(5, 1, 200), step_s=600)
    assert np.isnan(scores.score[:20]).all()
    assert not np.isnan(scores.score[20:]).any()


def test_a_gap_is_no_flood() -> None:
    values = daily(np.random.default_rng(5), 10)
    times = START_MS + 300_000 * np.arange(len(values))
    times[5 * DAY + 50 :] += 7 * 3600_000
    scores = score(np.concatenate([values[: 5 * DAY + 50], np.roll(values, -84)[5 * DAY + 50 :]]), times=times)
    assert len([k for k in onsets_after(scores, 5 * DAY + 50) if k < 6 * DAY]) <= 1


def test_a_counter_reset_is_no_spike() -> None:
    rng = np.random.default_rng(6)
    values = np.cumsum(rng.poisson(100, 10 * DAY)).astype(float)
    values[6 * DAY :] -= values[6 * DAY - 1]
    scores = score(values, name="requests_total")
    assert scores.status[6 * DAY] == Status.RESET
    assert len([k for k in onsets_after(scores, 6 * DAY) if k < 6 * DAY + 20]) == 0


@pytest.mark.parametrize("rate", [0.01, 0.1, 1.0])
def test_low_counts_rarely_alert(rate: float) -> None:
    days = 14
    alerts = sum(
        len(onsets_after(score(np.random.default_rng(seed).poisson(rate, days * DAY).astype(float)), 3 * DAY))
        for seed in range(8)
    )
    assert alerts / (8 * (days - 3)) < 0.35  # per series and day


def test_healthy_series_rarely_alert() -> None:
    days = 14
    alerts = sum(len(onsets_after(score(daily(np.random.default_rng(seed), days)), 3 * DAY)) for seed in range(8))
    assert alerts / (8 * (days - 3)) < 0.2


def memory(rng: np.random.Generator, days: int) -> Floats:
    """Memory that fills and is collected every three hours."""
    n = days * DAY
    return 1e9 * (1 + 0.1 * np.sin(2 * np.pi * np.arange(n) / 36) + rng.normal(0, 0.01, n))


@pytest.mark.parametrize("seed", range(3))
def test_a_slow_leak_is_told_once_as_a_trend(seed: int) -> None:
    values = memory(np.random.default_rng(seed), 10)
    start, end = 8 * DAY + 24, 9 * DAY
    values[start:end] *= np.linspace(1, 1.5, end - start)
    scores = score(values)
    trends = scores.onsets[scores.kind[scores.onsets] == Kind.TREND]
    assert len(trends) == 1 and start < trends[0] < start + 150
    assert set(scores.persisted.tolist()) & set(range(start, end)), (
        "by then it may have been believed as a shift already"
    )
    assert onsets_after(score(memory(np.random.default_rng(seed), 10)), 3 * DAY) == []


def test_what_grows_every_day_is_no_leak() -> None:
    rng = np.random.default_rng(6)
    values = 1e9 + 2e6 * np.arange(21 * DAY) / DAY + rng.normal(0, 1e5, 21 * DAY)
    scores = score(values)
    assert Kind.TREND not in scores.kind[scores.onsets[scores.onsets > 7 * DAY]]


def test_a_spike_is_not_learned() -> None:
    rng = np.random.default_rng(7)
    values = daily(rng, 12)
    spiked = values.copy()
    spiked[9 * DAY + 100] += 1000
    calm, after = score(values), score(spiked)
    later = slice(9 * DAY + 110, 10 * DAY)
    assert np.abs(after.expected[later] - calm.expected[later]).max() < 5


def test_an_outage_does_not_poison_the_season() -> None:
    values = daily(np.random.default_rng(8), 21)
    values[14 * DAY : 14 * DAY + 72] = 0.0  # six hours
    scores = score(values)
    next_day = slice(15 * DAY + 20, 16 * DAY)
    assert np.abs(scores.expected[next_day] - values[next_day]).mean() < 6
    assert len(onsets_after(scores, 15 * DAY + 20)) <= 3


def faulty(step_s: int, faults: list[tuple[int, int]], factor: float = 5) -> tuple[Floats, int]:
    """Noise over six days with faults on the sixth: (from, to) in seconds after the sample whose index is returned."""
    values = np.random.default_rng(34).normal(50, 1.5, 6 * 86_400 // step_s)
    start = (5 * 86_400 + 36_000) // step_s
    for first_s, last_s in faults:
        values[start + first_s // step_s : start + last_s // step_s] *= factor
    return values, start


@pytest.mark.parametrize("step_s", [15, 60])
@pytest.mark.parametrize("fault_s", [120, 1200])
def test_a_second_fault_after_half_an_hour_is_as_strange_as_the_first(step_s: int, fault_s: int) -> None:
    second_s = fault_s + 1800
    values, start = faulty(step_s, [(0, fault_s), (second_s, second_s + fault_s)])
    scores = score(values, step_s)
    width = scores.upper - scores.lower
    second, samples = start + second_s // step_s, fault_s // step_s
    assert width[second] < 4 * np.median(width[start - 200 : start])
    assert set(scores.onsets.tolist()) | set(scores.again.tolist()) >= {start, second}
    assert scores.anomalous[second : second + samples].mean() > 0.9 * scores.anomalous[start : start + samples].mean()


@pytest.mark.parametrize("step_s", [15, 60])
@pytest.mark.parametrize("fault_s", [120, 1200, 5400])
def test_an_anomaly_ends_when_the_fault_does(step_s: int, fault_s: int) -> None:
    values, start = faulty(step_s, [(0, fault_s)])
    over = start + fault_s // step_s
    assert [k for k in score(values, step_s).endings.tolist() if k >= start] == [over + 4]  # five calm samples


def test_what_an_hour_of_fault_taught_is_not_believed_the_day_after() -> None:
    values = daily(np.random.default_rng(35), 16)
    values[10 * DAY + 138 : 10 * DAY + 150] *= 5
    scores = score(values)
    width = scores.upper - scores.lower
    day_after = slice(11 * DAY + 132, 11 * DAY + 156)
    assert width[day_after].mean() < 3 * width[9 * DAY + 132 : 9 * DAY + 156].mean()
    assert np.abs(scores.expected[day_after] - values[day_after]).mean() < 6


@pytest.mark.parametrize("floor", [0, -5])
def test_what_was_never_negative_is_not_expected_to_be(floor: float) -> None:
    values = np.maximum(np.random.default_rng(36).exponential(3, 6 * DAY) - 2, 0)
    values[10] += floor
    scores = score(values)
    known = np.isfinite(scores.lower)
    assert (scores.lower[known].min() >= 0) == (floor == 0)
    assert (scores.lower <= scores.expected)[known].all()
    assert (scores.expected <= scores.upper)[known].all()


def test_late_and_repeated_samples_change_nothing() -> None:
    values = daily(np.random.default_rng(9), 5)
    times = START_MS + 300_000 * np.arange(len(values))
    plain = score(values, times=times)
    # every sample twice, then one from before
    order = np.array([j for k in range(len(values)) for j in (k, k, max(k - 3, 0))])
    table = SeriesTable(1)
    table.row((("__name__", "m"),))
    batch = SampleBatch(np.zeros(len(order), np.int32), times[order], values[order], np.zeros(len(order), np.bool_))
    disturbed = Engine(table).ingest(batch)
    kept = disturbed.status <= Status.WARMING_UP
    np.testing.assert_array_equal(disturbed.score[kept], plain.score)


def test_an_outage_of_two_days_is_forgotten_the_day_after() -> None:
    values = daily(np.random.default_rng(22), 28)
    values[14 * DAY : 16 * DAY] = 0.0
    values[17 * DAY + 50] += 80
    scores = score(values)
    back = 16 * DAY + 20
    assert onsets_after(scores, back) == [17 * DAY + 50]
    assert np.abs(scores.expected[17 * DAY : 17 * DAY + 40] - values[17 * DAY : 17 * DAY + 40]).mean() < 6


def test_a_new_normal_is_accepted_within_a_day() -> None:
    values = daily(np.random.default_rng(22), 28)
    values[14 * DAY :] = 2 * values[14 * DAY :] + 50
    scores = score(values)
    assert 1 <= len(onsets_after(scores, 14 * DAY)) <= 3
    assert scores.anomalous[15 * DAY :].mean() < 0.002


def test_a_flat_line_of_six_hours_is_not_strange_for_ever() -> None:
    values = daily(np.random.default_rng(23), 14)
    values[10 * DAY : 10 * DAY + 72] = values[10 * DAY]
    scores = score(values)
    assert scores.anomalous[10 * DAY : 10 * DAY + 72].any()
    assert scores.anomalous[10 * DAY + 80 :].sum() <= 1


def test_a_flat_line_of_days_is_told_once_and_is_normal_after_one() -> None:
    values = daily(np.random.default_rng(33), 18)
    values[10 * DAY : 14 * DAY] = values[10 * DAY]
    scores = score(values)
    flat = [k for k in onsets_after(scores, 10 * DAY) if k < 14 * DAY]
    assert [scores.kind[k] for k in flat].count(Kind.STUCK) == 1 and len(flat) <= 2
    assert not scores.anomalous[11 * DAY + 20 : 14 * DAY].any()


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
def test_a_series_of_zeros_and_ones_neither_crashes_nor_floods(share: float) -> None:
    values = (np.random.default_rng(24).random(14 * DAY) < share).astype(float)
    scores = score(values)
    assert np.isfinite(scores.score[20:]).all()
    assert len(onsets_after(scores, 3 * DAY)) <= 1


def test_a_health_check_that_fails_is_told() -> None:
    values = np.ones(10 * DAY)
    values[7 * DAY : 7 * DAY + 6] = 0.0
    scores = score(values)
    assert scores.onsets.tolist() == [7 * DAY]
    assert scores.persisted.tolist()


def test_nan_is_neither_scored_nor_learned() -> None:
    values = daily(np.random.default_rng(25), 10)
    times = START_MS + 300_000 * np.arange(len(values))
    holes = np.random.default_rng(26).random(len(values)) < 0.1
    holed = score(np.where(holes, np.random.default_rng(27).choice([np.nan, np.inf, -np.inf], len(values)), values))
    without = score(values[~holes], times=times[~holes])
    assert (holed.status[holes] == Status.NOT_FINITE).all()
    assert np.isnan(holed.score[holes]).all() and not holed.anomalous[holes].any()
    assert np.isfinite(holed.score[~holes][20:]).all()
    known = np.isfinite(without.score)
    assert np.abs(holed.expected[~holes][known] - without.expected[known]).max() < 1


def test_nothing_but_nan_has_no_score() -> None:
    scores = score(np.full(500, np.nan))
    assert np.isnan(scores.score).all() and np.isnan(scores.expected).all()
    assert len(scores.onsets) == 0


def test_a_restarted_pod_counts_from_zero_without_an_alert() -> None:
    """A new pod is a new series: it has no rate before, so its first sample is no jump from nothing."""
    rng = np.random.default_rng(28)
    table = SeriesTable(2)
    table.row((("__name__", "requests_total"), ("pod", "a")))
    n, half = 8 * DAY, 5 * DAY
    rows = (np.arange(n) >= half).astype(np.int32)
    values = np.cumsum(rng.poisson(3000, n)).astype(float)
    values[half:] -= values[half] - rng.poisson(3000)
    times = START_MS + 300_000 * np.arange(n)
    engine, fresh = Engine(table), np.zeros(n, np.bool_)
    engine.ingest(SampleBatch(rows[:half], times[:half], values[:half], fresh[:half]))
    table.row((("__name__", "requests_total"), ("pod", "b")))
    scores = engine.ingest(SampleBatch(rows[half:], times[half:], values[half:], fresh[half:]))
    assert scores.status[0] == Status.WARMING_UP
    assert scores.onsets.tolist() == []


def test_daylight_saving_is_no_anomaly() -> None:
    at = np.arange(21 * DAY)
    local = at + np.where(at >= 14 * DAY, 12, 0)  # people come an hour earlier from one day on
    values = 50 - 20 * np.cos(local / DAY * 2 * np.pi) + np.random.default_rng(29).normal(0, 1, len(at))
    scores = score(values)
    assert onsets_after(scores, 14 * DAY) == []
    assert not any(k >= 14 * DAY for k in scores.persisted.tolist())


def test_a_clock_that_runs_ahead_and_returns_costs_five_samples() -> None:
    values = daily(np.random.default_rng(30), 10)
    times = START_MS + 300_000 * np.arange(len(values))
    times[5 * DAY : 5 * DAY + 30] += 3_600_000
    scores = score(values, times=times)
    assert (scores.status == Status.OUT_OF_ORDER).sum() == 5
    assert [k for k in onsets_after(scores, 5 * DAY) if k < 7 * DAY] == []


def test_changing_and_irregular_intervals_are_no_anomaly() -> None:
    """A scrape interval is halved, quartered, then samples come whenever they like."""
    rng = np.random.default_rng(31)
    steps_s = np.concatenate(
        [np.full(2000, 300.0), np.full(2000, 150.0), np.full(4000, 60.0), rng.exponential(60, 4000)]
    )
    at_s = np.cumsum(steps_s)
    values = 50 - 20 * np.cos(at_s / 86_400 * 2 * np.pi) + rng.normal(0, 1, len(at_s))
    scores = score(values, times=START_MS + (1000 * at_s).astype(np.int64))
    assert len(onsets_after(scores, 2000)) <= 1
    values[11_000:11_010] += 80
    assert 11_000 in score(values, times=START_MS + (1000 * at_s).astype(np.int64)).onsets


def test_a_burst_of_old_data_changes_nothing() -> None:
    values = daily(np.random.default_rng(32), 6)
    times = START_MS + 300_000 * np.arange(len(values))
    plain = score(values, times=times)
    old = slice(2 * DAY, 2 * DAY + 5)  # a sender repeats five samples of long ago, again and again
    order = np.concatenate([np.arange(4 * DAY), *[np.r_[old, 4 * DAY + k] for k in range(2 * DAY)]]).astype(np.int64)
    table = SeriesTable(1)
    table.row((("__name__", "m"),))
    disturbed = Engine(table).ingest(
        SampleBatch(np.zeros(len(order), np.int32), times[order], 7 * values[order], np.zeros(len(order), np.bool_))
    )
    kept = disturbed.status <= Status.WARMING_UP
    assert kept.sum() == len(values)
    np.testing.assert_allclose(disturbed.score[kept], score(7 * values, times=times).score)
    assert len(plain.onsets) == len(disturbed.onsets)


def test_a_clock_set_back_is_followed_after_five_late_samples() -> None:
    times = START_MS + 60_000 * np.concatenate([np.arange(500), 100 + np.arange(50)])
    scores = score(np.random.default_rng(10).normal(0, 1, 550), times=times)
    assert (scores.status[500:505] == Status.OUT_OF_ORDER).all()
    assert (scores.status[506:] == Status.SCORED).all()


def test_scale_does_not_matter() -> None:
    values = daily(np.random.default_rng(11), 14)
    values[12 * DAY] += 200
    one, thousand = score(values), score(values * 1000)
    assert one.onsets.tolist() == thousand.onsets.tolist()


def test_scores_are_probabilities_of_a_sort_and_agree_with_the_flag() -> None:
    values = daily(np.random.default_rng(12), 14)
    values[3000:3050] += 100
    scores = score(values)
    known = ~np.isnan(scores.score)
    assert known[20:].all() and not known[:20].any()
    assert ((scores.score[known] >= 0) & (scores.score[known] <= 1)).all()
    np.testing.assert_array_equal(scores.score[known] >= 0.5, scores.anomalous[known])
    assert (scores.alert > 0).sum() == len(scores.onsets) > 0


def test_the_band_holds_nearly_all_of_a_healthy_series() -> None:
    values = daily(np.random.default_rng(13), 14)
    scores = score(values)
    settled = slice(5 * DAY, None)
    assert (scores.lower[settled] <= scores.expected[settled]).all()
    assert (scores.expected[settled] <= scores.upper[settled]).all()
    inside = (values[settled] >= scores.lower[settled]) & (values[settled] <= scores.upper[settled])
    assert inside.mean() > 0.99


def test_a_band_never_turns_inside_out() -> None:
    """Where deviations of one sign became rarer than the band's share, the band still holds a usual deviation."""
    body = np.zeros((1, S.BODY_SIZE), np.float32)
    residual_down = S.TAILS + 1 + S.STATISTICS
    for part, number in ((S.TAIL_N, 20_000), (S.TAIL_P, 1e-6), (S.TAIL_E, 0.5)):
        body[0, residual_down + S.TAIL_COUNT * part] = number
    assert deviations_at(body, 0, 1, 3.0)[1] == 1.0


def test_no_infinity_leaks_out() -> None:
    rng = np.random.default_rng(14)
    values = rng.choice([0.0, 1e308, -1e308, 1e-320, 5.0], 3000)
    scores = score(values)
    for column in (scores.score, scores.expected, scores.lower, scores.upper):
        assert np.isfinite(column[20:]).all()


def test_an_anomaly_has_one_onset_and_one_end() -> None:
    values = daily(np.random.default_rng(15), 14)
    values[12 * DAY : 12 * DAY + 8] += 100
    scores = score(values)
    assert len([k for k in onsets_after(scores, 12 * DAY) if k < 12 * DAY + 60]) == 1
    assert [k for k in scores.endings.tolist() if 12 * DAY + 8 <= k < 12 * DAY + 60]


def test_only_lasting_anomalies_persist() -> None:
    short, long = (daily(np.random.default_rng(16), 14) for _ in range(2))
    short[12 * DAY] += 100
    long[12 * DAY : 12 * DAY + 24] += 100
    assert not [k for k in score(short).persisted.tolist() if k >= 12 * DAY]
    assert [k for k in score(long).persisted.tolist() if k >= 12 * DAY]


def test_a_stuck_value_is_found_where_values_always_change() -> None:
    values = daily(np.random.default_rng(17), 14)
    values[12 * DAY : 12 * DAY + 80] = values[12 * DAY]
    scores = score(values)
    assert Kind.STUCK in scores.kind[12 * DAY : 12 * DAY + 80]
    quiet = np.zeros(14 * DAY)
    quiet[np.random.default_rng(18).random(14 * DAY) < 0.05] = 1.0
    assert Kind.STUCK not in score(quiet).kind


def test_a_gross_lasting_jump_is_told_within_minutes_of_the_first_sample() -> None:
    values = np.random.default_rng(19).normal(50, 1.5, 400)
    values[200:] += 450
    scores = score(values, step_s=1)
    onset = onsets_after(scores, 0)
    assert 200 <= onset[0] < 210
    assert scores.novel[onset[0]]


def test_memory_per_series_is_fixed_and_small() -> None:
    engine = Engine(SeriesTable(10))
    before = engine.state.head.nbytes + engine.state.body.nbytes
    score(daily(np.random.default_rng(20), 30))
    assert before == 10 * BYTES_PER_SERIES
    assert BYTES_PER_SERIES <= 4096
