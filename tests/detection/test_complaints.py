"""What users of other detectors complain about, each as a claim that can fail."""

import numpy as np
import pytest
from numpy.typing import NDArray

from aiops.detection import state as S
from aiops.detection.engine import Engine
from aiops.detection.likelihood import deviation_at, tail_column
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
    assert set(scores.persisted.tolist()) & set(range(int(trends[0]), end))
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
    tail = tail_column(1, -1.0)
    body[0, tail + S.TAIL_N], body[0, tail + S.TAIL_P], body[0, tail + S.TAIL_E] = 20_000, 1e-6, 0.5
    assert deviation_at(body, 0, tail, 3.0) == 1.0


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
